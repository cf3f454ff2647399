// Implements programs as Go functions, for code that the host itself has made.

package skep

import (
	"fmt"

	"github.com/skepbpf/skep/internal/interp"
)

// Func is a trusted program as a Go function: it takes R1, an address of the host, and R2, and returns R0. A call
// costs what one of a Go closure costs. It is safe for concurrent use.
//
// A program with loops gives way when Go's scheduler asks, which may be every 10 ms. It has no result then, and
// yield is not zero: the caller decides whether to call it again, from the start.
type Func = interp.Pure

// Func returns the program as a Go function. The error wraps ErrNotSupported unless it is machine code loaded with
// Options.UnsafeTrust, a plain function (spec.Unspec) without stack, calls and packet access that does not name R8.
func (prog *Program) Func() (Func, error) {
	if !prog.plain() || !prog.trusted {
		return nil, fmt.Errorf("program %s: %w: a Go function of what is not a trusted plain function: %s", prog.Name(), ErrNotSupported, prog.engineWhy)
	}
	f, err := prog.code.Pure()
	if err != nil {
		return nil, fmt.Errorf("program %s: %w", prog.Name(), err)
	}
	return f, nil
}
