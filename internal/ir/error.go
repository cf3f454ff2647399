// Implements the errors of decoding: what is wrong and at which instruction.

package ir

import "fmt"

// Code is the class of a decoding error.
type Code uint8

// The classes. TestEveryCode has a failing program for each.
const (
	Empty        Code = iota // the program has no instructions
	TooLong                  // it has more than the profile allows
	BadInsn                  // no such instruction: opcode, reserved field, register, cut short
	NotInProfile             // the instruction exists, but not in the chosen profile
	BadJump                  // a jump or call leads outside the program
	IntoWide                 // a jump or call leads into the middle of a wide instruction
	LeavesFunc               // a jump leads into another function
	FallsOff                 // control runs past the end of a function
	WritesR10                // R10 is read-only
)

var codeNames = [...]string{"empty", "too-long", "bad-instruction", "not-in-profile", "bad-jump", "into-wide",
	"leaves-function", "falls-off", "writes-r10"}

// String returns the class's name.
func (c Code) String() string { return codeNames[c] }

// Error says why a program could not be decoded.
type Error struct {
	Code Code
	Slot Slot // slot at which the instruction at fault starts
	Text string
	Err  error // *isa.LookupError for BadInsn
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	if e.Code == Empty || e.Code == TooLong {
		return e.Text
	}
	return fmt.Sprintf("instruction %d: %s", e.Slot, e.Text)
}

// Reason is the error without the instruction's number, where that stands apart from it.
func (e *Error) Reason() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Text
}

func (e *Error) Unwrap() error { return e.Err }
