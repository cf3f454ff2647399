// Implements the absence of code memory.

//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package execmem

import (
	"errors"
	"fmt"
	"runtime"
)

// Code is a piece of executable memory. There is none on this system.
type Code struct{}

// New returns an error that wraps errors.ErrUnsupported.
func New([]byte, func(code []byte, addr uintptr)) (*Code, error) {
	return nil, fmt.Errorf("memory for code on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Addr returns 0.
func (*Code) Addr() uintptr { return 0 }

// Close does nothing.
func (*Code) Close() error { return nil }
