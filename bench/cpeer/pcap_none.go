// Implements the absence of libpcap.

//go:build !(cgo && unix)

package cpeer

import (
	"errors"

	"golang.org/x/net/bpf"
)

// FilterOne returns an error.
func FilterOne([]bpf.RawInstruction) (func(packet []byte) uint32, error) {
	_, err := Filter(nil, nil)
	return nil, err
}

// CaptureFilter returns an error.
func CaptureFilter() (func(file, expr, out string) (int, error), error) {
	_, err := Filter(nil, nil)
	return nil, err
}

// Filter returns an error.
func Filter([]bpf.RawInstruction, [][]byte) (func(n int) []uint32, error) {
	return nil, errors.New("built without cgo (CGO_ENABLED=1 and a C compiler) or for a system without dlopen")
}
