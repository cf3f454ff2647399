// Implements programs as Go functions that need no machine.

package interp

import (
	"fmt"
	"unsafe"
)

// Pure is machine code that can be called as a Go function: of R1 and R2, and returns R0. yield is not zero if
// the code gave way to Go's scheduler: then it has no result, and must be called again from the start.
type Pure func(r1 unsafe.Pointer, r2 uint64) (r0, yield uint64)

// Pure returns the program as a Go function, if it is trusted machine code, or an error that wraps ErrNotSupported.
func (c *Code) Pure() (Pure, error) {
	if c.native == nil || !c.native.trusted {
		return nil, fmt.Errorf("%w: a Go function of a program that is not trusted machine code", ErrNotSupported)
	}
	opts := c.opts
	opts.pure = true
	g, err := MachineCode(c.prog, opts)
	if err != nil {
		return nil, err
	}
	n, err := c.load(g, opts)
	if err != nil {
		return nil, err
	}
	n.keep = c
	closure := unsafe.Pointer(&n.closure)
	return *(*Pure)(unsafe.Pointer(&closure)), nil
}
