// Implements faults: what went wrong in a run, where, and at which address.

package mem

import "fmt"

// FaultCode is the class of a fault.
type FaultCode uint8

// The classes.
const (
	OutOfBounds   FaultCode = iota // memory access outside every region
	ReadOnly                       // write to a region that can only be read
	Misaligned                     // atomic access to an address that is no multiple of its size
	UninitStack                    // read of stack bytes that were never written
	UninitReg                      // read of a register that was never written, or that a call left unreadable
	CallDepth                      // more nested calls than there are stack frames
	UnknownHelper                  // call of a helper that does not exist
	BadContext                     // packet access with R6 not holding the context
	Unsupported                    // an instruction that has no meaning in this run
	HelperFailed                   // a helper returned an error
)

var faultNames = [...]string{"out-of-bounds", "read-only", "misaligned", "uninitialized-stack",
	"uninitialized-register", "call-depth", "unknown-helper", "bad-context", "unsupported", "helper-failed"}

// String returns the class's name.
func (c FaultCode) String() string { return faultNames[c] }

// Fault is the error that ends a run of a program that did something it must not.
type Fault struct {
	Code  FaultCode
	Insn  int    // slot of the instruction at fault
	Addr  uint64 // guest address, for memory faults
	Size  int    // bytes accessed, for memory faults
	Write bool   // the access was a write
	Text  string // what happened, without the place
	File  string // source file and line of the instruction, if known
	Line  int
	Err   error // what the helper returned, for HelperFailed
}

func (f *Fault) Error() string {
	place := fmt.Sprintf("instruction %d", f.Insn)
	if f.Line > 0 {
		place += fmt.Sprintf(" (%s:%d)", f.File, f.Line)
	}
	return place + ": " + f.Text
}

func (f *Fault) Unwrap() error { return f.Err }
