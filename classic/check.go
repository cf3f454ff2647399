// Implements the validator: the rules of the kernel's bpf_check_classic, and those of seccomp on top.

package classic

import (
	"fmt"

	"github.com/skepbpf/skep/isa"
	"golang.org/x/net/bpf"
)

// Reason says which rule a program breaks.
type Reason uint8

// The rules a program can break.
const (
	Empty              Reason = iota // the program has no instruction
	TooLong                          // it has more than MaxInstructions
	UnknownOpcode                    // no instruction has the opcode
	UnknownMetadata                  // the offset is in the range of metadata, but names none
	NoSuchWord                       // k is not below MemoryWords
	UnsetWord                        // M[k] may be read before it is written
	ZeroDivisor                      // division by the constant 0
	BadShift                         // shift by a constant above 31
	JumpOutside                      // the jump leaves the program
	NoReturn                         // the last instruction is not a ret
	NotForSeccomp                    // seccomp does not admit the instruction
	OutsideSeccompData               // the load is not one of the 16 words of struct seccomp_data
)

// CheckError says why a program is refused.
type CheckError struct {
	Index       int // instruction at fault, from 0; -1 if the program as a whole is
	Instruction bpf.RawInstruction
	Reason      Reason
	Detail      string // what is wrong, for people
}

func (e *CheckError) Error() string {
	if e.Index < 0 {
		return e.Detail
	}
	return fmt.Sprintf("instruction %d (%s): %s", e.Index, imageOf(e.Instruction, e.Index), e.Detail)
}

// Check reports whether the kernel would accept prog as a socket filter (bpf_check_classic in the kernel's
// net/core/filter.c). The error is a *CheckError. A program that passes always ends, since jumps only go
// forward, and reads no scratch memory that it has not written. (For thousands of instructions the kernel can
// refuse on top what its own translation makes too long to jump over.)
func Check(prog []bpf.RawInstruction) error {
	switch {
	case len(prog) == 0:
		return &CheckError{Index: -1, Reason: Empty, Detail: "the program has no instructions"}
	case len(prog) > MaxInstructions:
		return &CheckError{Index: -1, Reason: TooLong,
			Detail: fmt.Sprintf("the program has %d instructions, at most %d are allowed", len(prog), MaxInstructions)}
	}
	for i := range prog {
		if reason, detail := checkOne(prog, i); detail != "" {
			return &CheckError{Index: i, Instruction: prog[i], Reason: reason, Detail: detail}
		}
	}
	last := len(prog) - 1
	if Lookup(prog[last].Op).Kind != KindReturn {
		return &CheckError{Index: last, Instruction: prog[last], Reason: NoReturn, Detail: "the program must end with a ret"}
	}
	return checkMemory(prog)
}

// checkOne judges instruction i by itself. It returns no detail if all is well.
func checkOne(prog []bpf.RawInstruction, i int) (Reason, string) {
	in := prog[i]
	row := Lookup(in.Op)
	if row == nil {
		return UnknownOpcode, fmt.Sprintf("unknown opcode %#04x", in.Op)
	}
	left := len(prog) - i - 1 // instructions after this one
	switch row.Kind {
	case KindLoadPacket:
		if row.Operand == OperandAbs && in.K >= firstMetadata && LookupMetadata(in.K) == nil {
			return UnknownMetadata, fmt.Sprintf("no metadata has the number %d", in.K-firstMetadata)
		}
	case KindLoadMem, KindStore:
		if in.K >= MemoryWords {
			return NoSuchWord, fmt.Sprintf("scratch memory ends at M[%d]", MemoryWords-1)
		}
	case KindALU:
		switch {
		case row.From != isa.FromImm:
		case (row.Fn == isa.FnDiv || row.Fn == isa.FnMod) && in.K == 0:
			return ZeroDivisor, "divides by zero"
		case (row.Fn == isa.FnLsh || row.Fn == isa.FnRsh) && in.K > 31:
			return BadShift, fmt.Sprintf("shifts by %d, at most 31 is allowed", in.K)
		}
	case KindGoto:
		if uint64(in.K) >= uint64(left) {
			return JumpOutside, fmt.Sprintf("jumps to instruction %d, the last is %d", uint64(i)+1+uint64(in.K), len(prog)-1)
		}
	case KindJump:
		if arm := max(int(in.Jt), int(in.Jf)); arm >= left {
			return JumpOutside, fmt.Sprintf("jumps to instruction %d, the last is %d", i+1+arm, len(prog)-1)
		}
	}
	return 0, ""
}

// checkMemory refuses programs that may read a word of scratch memory before writing it. Like the kernel it
// walks the instructions once in order, with the set of words written on every way to each one. Code after
// a ret counts as reached from there, and code that nothing jumps to after a jump as if all were written.
func checkMemory(prog []bpf.RawInstruction) error {
	var written uint16
	skipped := make([]uint16, len(prog)) // for each instruction, words that some jump to it leaves unwritten
	for i, in := range prog {
		written &^= skipped[i]
		switch row := Lookup(in.Op); row.Kind {
		case KindStore:
			written |= 1 << in.K
		case KindLoadMem:
			if written&(1<<in.K) == 0 {
				return &CheckError{Index: i, Instruction: in, Reason: UnsetWord,
					Detail: fmt.Sprintf("M[%d] may not have been written", in.K)}
			}
		case KindGoto:
			skipped[i+1+int(in.K)] |= ^written
			written = ^uint16(0)
		case KindJump:
			skipped[i+1+int(in.Jt)] |= ^written
			skipped[i+1+int(in.Jf)] |= ^written
			written = ^uint16(0)
		}
	}
	return nil
}

// SeccompDataSize is the size in bytes of struct seccomp_data, the input of seccomp filters
// (linux/seccomp.h): the call's number, the architecture, the instruction pointer and six arguments.
const SeccompDataSize = 64

// CheckSeccomp reports whether the kernel would accept prog as a seccomp filter: Check, and the rules of
// seccomp_check_filter in the kernel's kernel/seccomp.c. The only packet load it admits is ld [k], with k
// the offset of one of the sixteen aligned words of struct seccomp_data. The error is a *CheckError.
func CheckSeccomp(prog []bpf.RawInstruction) error {
	if err := Check(prog); err != nil {
		return err
	}
	for i, in := range prog {
		row := Lookup(in.Op)
		switch {
		case !row.Seccomp:
			return &CheckError{Index: i, Instruction: in, Reason: NotForSeccomp, Detail: "seccomp filters may not use it"}
		case row.Kind == KindLoadPacket && (in.K >= SeccompDataSize || in.K%4 != 0):
			return &CheckError{Index: i, Instruction: in, Reason: OutsideSeccompData,
				Detail: fmt.Sprintf("the offset must be a multiple of 4 below %d", SeccompDataSize)}
		}
	}
	return nil
}
