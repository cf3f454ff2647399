// Implements what a helper is: number, name, signature, body; and the rules it must keep.

package helper

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/spec"
)

// MaxArgs is the number of argument registers, R1 to R5. It is policy, not a limit of the format: the
// calling convention gives arguments no other place.
const MaxArgs = 5

// Arg is the kind of a helper's argument: what a program must pass.
type Arg uint8

// The kinds of arguments.
const (
	Any     Arg = iota // any value
	Context            // the context the program was called with
	Mem                // address of memory that the helper reads; the next argument is its Size
	MemOut             // address of memory that the helper writes; the next argument is its Size
	Size               // size in bytes of the memory before it, not zero
	SizeOr0            // the same, zero allowed
)

// Result is the kind of value a helper returns.
type Result uint8

// The kinds of results.
const (
	Scalar Result = iota // a number
	Void                 // nothing: R0 is 0
)

// Func is the body of a helper. It gets R1 to R5 as they are, all five whatever the signature says. An
// error ends the program's run with a fault that wraps it; ErrExit ends it without a fault. A panic passes
// through to the caller of Run, and the program can be run again afterwards. Func must be safe for
// concurrent use if the program is.
type Func func(c *Call, r1, r2, r3, r4, r5 uint64) (uint64, error)

// Helper is a function that programs can call. It has a body in Go, Func, or is a BPF function itself, Program.
type Helper struct {
	ID     int32  // the number in the call instruction
	Name   string // without the kernel's "bpf_" prefix
	Args   []Arg  // at most MaxArgs
	Result Result
	Func   Func

	// Program, if not nil, is the body: a function of R1 to R5 that returns R0. It becomes part of the program
	// that calls it, on every engine, with a stack frame of its own and its instructions counted. Only its
	// instructions, calls and lines count.
	Program *spec.Program

	// Native, if not zero, is the address of machine code for this system and processor that does the same as
	// Func, which other engines use. The JIT calls it by one call instruction. The code follows the System V
	// convention, except that the stack may be aligned to 8 bytes only; it must use no more than 256 bytes of
	// stack, must not fault and must not call Go. Its arguments are the program's: addresses among them mean
	// something to the host only if the program is trusted. Whatever it is in, it must stay there as long as
	// programs may run. This is for assembly (TEXT symbols with NOSPLIT); compiled Go does not qualify.
	Native uintptr
}

// ErrExit, returned by a helper, ends the whole program at once; its result is what the helper returned.
var ErrExit = errors.New("helper ends the program")

// ErrTooManyArgs is what Check's error wraps for a helper of more than five arguments.
var ErrTooManyArgs = errors.New("too many arguments")

// Check reports what is wrong with h, or nil.
func (h *Helper) Check() error {
	switch {
	case h.Name == "":
		return fmt.Errorf("helper %d has no name", h.ID)
	case h.Func == nil && h.Program == nil:
		return fmt.Errorf("helper %s (%d) has no body", h.Name, h.ID)
	case h.Program != nil && (h.Func != nil || h.Native != 0):
		return fmt.Errorf("helper %s (%d) has two bodies, a program and another", h.Name, h.ID)
	case len(h.Args) > MaxArgs:
		return fmt.Errorf("helper %s (%d): %w: it declares %d, and a call passes at most %d (R1 to R5)",
			h.Name, h.ID, ErrTooManyArgs, len(h.Args), MaxArgs)
	}
	for i, a := range h.Args {
		sized := i > 0 && (h.Args[i-1] == Mem || h.Args[i-1] == MemOut)
		if isSize := a == Size || a == SizeOr0; isSize != sized {
			return fmt.Errorf("helper %s (%d): argument %d: a size must follow its memory argument, and nothing else", h.Name, h.ID, i+1)
		}
	}
	if n := len(h.Args); n > 0 && (h.Args[n-1] == Mem || h.Args[n-1] == MemOut) {
		return fmt.Errorf("helper %s (%d): argument %d is memory without a size after it", h.Name, h.ID, n)
	}
	return nil
}

// Memory is the guest memory of a run. Bytes returns the n bytes at a guest address, to read or, with
// write, to change; it fails if the program itself might not do so.
type Memory interface {
	Bytes(addr uint64, n int, write bool) ([]byte, error)
}

// Call is what a helper can see of the run that calls it. It is valid during the call only.
type Call struct {
	Memory
	Packet *spec.Packet // the packet the program runs on; nil for other programs
	Env    *Env         // clock, randomness, processor
	Value  any          // Options.Value of the program
}

// Env is the world outside that helpers ask about. A test that fixes it gets the same run every time. Nil
// functions stand for the real thing. The functions must be safe for concurrent use if runs are.
type Env struct {
	Now    func() uint64 // nanoseconds of a clock that never goes back; nil: since the process started
	Random func() uint32 // nil: the runtime's generator
	CPU    func() uint32 // processor the program runs on; nil: 0
}
