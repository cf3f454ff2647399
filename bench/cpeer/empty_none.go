// Implements the absence of C.

//go:build !cgo

package cpeer

import "errors"

// Empty returns an error.
func Empty() (func(n int), error) {
	return nil, errors.New("built without cgo (CGO_ENABLED=1 and a C compiler)")
}
