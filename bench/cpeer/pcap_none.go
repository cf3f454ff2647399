// Implements the absence of libpcap.

//go:build !(cgo && libpcap)

package cpeer

import (
	"errors"

	"golang.org/x/net/bpf"
)

// Filter returns an error.
func Filter([]bpf.RawInstruction, [][]byte) (func(n int) []uint32, error) {
	return nil, errors.New("not built in (go run -tags libpcap . with cgo)")
}
