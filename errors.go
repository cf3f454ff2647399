// Implements the errors that loading and running return.

package skep

import (
	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/mem"
)

// ErrNotSupported is what errors wrap that say that this version, machine or run lacks what a program needs.
var ErrNotSupported = interp.ErrNotSupported

// ErrLimit is what the error of a run wraps that reached its instruction limit.
var ErrLimit = interp.ErrLimit

// DecodeError says why a program is not well formed: Code is the class, Slot the instruction, counted in
// eight-byte slots from 0, Err the *isa.LookupError where a single instruction is at fault.
type DecodeError = ir.Error

// Fault is the error of a run that ended because the program did something it must not. Code is the class,
// Insn the instruction, counted in eight-byte slots from 0, Addr, Size and Write the memory access, File
// and Line the source where it is known, Text what happened, and Err what a failing helper returned.
type Fault = mem.Fault

// The classes of faults, in Fault.Code.
const (
	OutOfBounds   = mem.OutOfBounds   // memory access outside every region
	ReadOnly      = mem.ReadOnly      // write to memory that can only be read
	Misaligned    = mem.Misaligned    // atomic access at an address that is no multiple of its size
	UninitStack   = mem.UninitStack   // read of stack bytes that nothing has written
	UninitReg     = mem.UninitReg     // read of a register that nothing has written or a call left unreadable
	CallDepth     = mem.CallDepth     // more than eight nested frames
	UnknownHelper = mem.UnknownHelper // call, through a register, of a helper that does not exist
	BadContext    = mem.BadContext    // packet access with R6 not holding the context
	Unsupported   = mem.Unsupported   // an instruction with no meaning in this run
	HelperFailed  = mem.HelperFailed  // a helper returned an error
)
