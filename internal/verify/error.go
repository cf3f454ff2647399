// Implements the errors of a verification: what is wrong, where, and why.

package verify

import (
	"fmt"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/spec"
)

// Code is the class of a rejection.
type Code uint8

// The classes. Each has a failing program among the test cases.
const (
	Unreachable    Code = iota // instructions that no path leads to
	Loop                       // a jump backward where loops are not allowed
	InfiniteLoop               // a loop that comes back to the same state
	TooComplex                 // more instructions to walk through than allowed
	TooDeep                    // more nested calls than eight frames
	StackTooDeep               // frames that need more stack together than there is
	Recursion                  // a function that calls itself
	UnreadRegister             // read of a register that nothing has written
	PointerArith               // arithmetic that is not allowed on an address
	PointerCompare             // comparison that would let an address become visible
	PointerLeak                // an address would become visible
	DivisionByZero             // division by a constant zero
	BadShift                   // shift by a constant that is not below the width
	NotPointer                 // memory access through a register that holds no address
	MaybeNull                  // use of a pointer that may be zero
	BadStack                   // access outside the stack frame
	UninitStack                // read of stack bytes that nothing has written
	CorruptStack               // a spilled address would be partly overwritten or read in part
	BadContext                 // access to the context that its fields do not allow
	BadPacket                  // access beyond what was compared with the packet's end
	BadMapValue                // access outside a map's value
	BadMemory                  // access outside another piece of memory
	ReadOnly                   // write to what can only be read
	WriteOnly                  // read of what can only be written
	Misaligned                 // access that is not aligned
	BadHelper                  // a helper that the program's type may not call, or that needs more than the program has
	BadArgument                // an argument that the helper does not take
	BadMap                     // a map that the helper does not work on
	BadReturn                  // a result outside the range that the type prescribes
	BadCallback                // a callback that is not what the helper wants
	Unreleased                 // a reference that is not released
	NotReference               // release of what is no reference
	LockHeld                   // something not allowed while a lock is held
	LockMisuse                 // locks that are not taken and given back in pairs
	BadPacketLoad              // ld_abs or ld_ind where it is not allowed
	BadDynptr                  // a dynptr or iterator that is not used as it must be
	BadAtomic                  // an atomic instruction on memory that does not allow it
	MixedPointers              // an instruction that different paths reach with pointers that need different treatment
	BadAttach                  // nothing that programs of the type can be attached to
	BadObject                  // access to a structure of the kernel that its type does not allow
	numCodes
)

var codeNames = [numCodes]string{"unreachable", "loop", "infinite-loop", "too-complex", "too-deep", "stack-too-deep", "recursion",
	"unread-register", "pointer-arithmetic", "pointer-comparison", "pointer-leak", "division-by-zero", "bad-shift", "not-a-pointer",
	"maybe-null", "bad-stack", "uninitialized-stack", "corrupt-stack", "bad-context", "bad-packet", "bad-map-value", "bad-memory",
	"read-only", "write-only", "misaligned", "bad-helper", "bad-argument", "bad-map", "bad-return", "bad-callback", "unreleased",
	"not-a-reference", "lock-held", "lock-misuse", "bad-packet-load", "bad-dynptr", "bad-atomic", "mixed-pointers", "bad-attach-type", "bad-object"}

// String returns the class's name.
func (c Code) String() string {
	if c < numCodes {
		return codeNames[c]
	}
	return fmt.Sprintf("code(%d)", uint8(c))
}

// Error says why a program was refused.
type Error struct {
	Code Code
	Slot ir.Slot // slot at which the instruction at fault starts
	Text string  // what is wrong, in one line
	Line *spec.Line

	Reg   int    // the register at fault, or -1
	Story []Step // how the register came to be what it is, or which way the program went, from the first to the last
	Hint  string // what would help, "" if nothing is known
}

func (e *Error) Error() string {
	s := fmt.Sprintf("instruction %d", e.Slot)
	if e.Line != nil && e.Line.Line > 0 {
		s += fmt.Sprintf(" (%s:%d)", e.Line.File, e.Line.Line)
	}
	return s + ": " + e.Text
}

// Unsupported says that a program uses what the verifier does not know, so that it has no verdict.
type Unsupported struct {
	Slot ir.Slot // slot of the instruction that uses it, or -1
	Text string
}

func (e *Unsupported) Error() string {
	if e.Slot < 0 {
		return e.Text
	}
	return fmt.Sprintf("instruction %d: %s", e.Slot, e.Text)
}

// fail returns an error at the instruction that is being walked through.
func (v *verifier) fail(code Code, format string, args ...any) error {
	return v.failAt(v.at, code, format, args...)
}

func (v *verifier) failAt(at ir.Index, code Code, format string, args ...any) *Error {
	return &Error{Code: code, Slot: v.p.Slots[at], Text: fmt.Sprintf(format, args...), Line: v.p.Line(at), Reg: -1}
}

// failReg is fail with the register at fault.
func (v *verifier) failReg(code Code, r uint8, format string, args ...any) error {
	e := v.failAt(v.at, code, format, args...)
	e.Reg = int(r)
	return e
}

func (v *verifier) unsupported(format string, args ...any) error {
	return &Unsupported{Slot: v.p.Slots[v.at], Text: fmt.Sprintf(format, args...)}
}
