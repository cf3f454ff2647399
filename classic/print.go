// Implements the printer of all forms of classic text.

package classic

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Form is a way to write a classic program.
type Form uint8

// The forms. NotClassic is what Detect says of other text.
const (
	NotClassic Form = iota
	FormAsm         // the language of the kernel's bpf_asm, with labels
	FormD           // tcpdump -d: a numbered listing
	FormDD          // tcpdump -dd: C initializers
	FormDDD         // tcpdump -ddd: decimal numbers after their count
)

// String returns the form's name, such as "bpf_asm" or "tcpdump -dd".
func (f Form) String() string {
	return [...]string{"not classic BPF", "bpf_asm", "tcpdump -d", "tcpdump -dd", "tcpdump -ddd"}[f]
}

// Append appends prog to dst in a form, byte by byte as the tool that the form is named after prints it
// (FormAsm: as bpf_asm reads it; ldx len, which tcpdump does not know, is "ldx #pktlen" in FormD), and returns
// the longer slice. Parse reads all of it back if Check accepts
// prog. In the numeric forms it reads back any program; in the other two an unknown opcode stands as
// "unimp 0x1234", fields that an instruction does not use are left out, and in FormAsm a jump out of the
// program goes to a label that is not there. Append panics for NotClassic.
func Append(dst []byte, prog []bpf.RawInstruction, form Form) []byte {
	switch form {
	case FormAsm:
		return appendAsm(dst, prog)
	case FormD:
		for i, in := range prog {
			dst = append(AppendLine(dst, in, i), '\n')
		}
	case FormDD:
		for _, in := range prog {
			dst = fmt.Appendf(dst, "{ %#x, %d, %d, 0x%08x },\n", in.Op, in.Jt, in.Jf, in.K)
		}
	case FormDDD:
		dst = fmt.Appendf(dst, "%d\n", len(prog))
		for _, in := range prog {
			dst = fmt.Appendf(dst, "%d %d %d %d\n", in.Op, in.Jt, in.Jf, in.K)
		}
	default:
		panic("classic: no such form")
	}
	return dst
}

// AppendLine appends the line of FormD for instruction i of a program, without its newline: number, mnemonic
// in 8 columns, operand, and for conditional jumps the numbers of the two instructions it may go to.
func AppendLine(dst []byte, in bpf.RawInstruction, i int) []byte {
	row := Lookup(in.Op)
	if row == nil {
		return fmt.Appendf(dst, "(%03d) %-8s %#x", i, "unimp", in.Op)
	}
	operand := listOperand(row, in.K, i)
	if row.Kind != KindJump {
		return fmt.Appendf(dst, "(%03d) %-8s %s", i, row.Name, operand)
	}
	return fmt.Appendf(dst, "(%03d) %-8s %-16s jt %d\tjf %d", i, row.Name, operand, i+1+int(in.Jt), i+1+int(in.Jf))
}

// listOperand returns an operand as tcpdump -d writes it.
func listOperand(row *Row, k uint32, i int) string {
	switch row.Operand {
	case OperandAbs:
		if m := LookupMetadata(k); m != nil {
			return "[" + m.Dump + "]"
		}
	case OperandTarget:
		return fmt.Sprint(uint64(i) + 1 + uint64(k))
	case OperandLen:
		return "#pktlen"
	case OperandA:
		return ""
	}
	return operandString(row, k)
}

// operandString returns an operand that is written alike in FormD and FormAsm.
func operandString(row *Row, k uint32) string {
	switch row.Operand {
	case OperandAbs:
		return fmt.Sprintf("[%d]", int32(k))
	case OperandInd:
		return fmt.Sprintf("[x + %d]", int32(k))
	case OperandMem:
		return fmt.Sprintf("M[%d]", int32(k))
	case OperandHeader:
		return fmt.Sprintf("4*([%d]&0xf)", int32(k))
	case OperandX:
		return "x"
	case OperandA:
		return "a"
	case OperandImm:
		if row.Hex {
			return fmt.Sprintf("#%#x", k)
		}
		return fmt.Sprintf("#%d", int32(k))
	}
	return ""
}

// imageOf returns instruction i for messages: as in a listing, without its number and padding.
func imageOf(in bpf.RawInstruction, i int) string {
	row := Lookup(in.Op)
	if row == nil {
		return fmt.Sprintf("{ %#x, %d, %d, %#x }", in.Op, in.Jt, in.Jf, in.K)
	}
	text := row.Name
	if operand := listOperand(row, in.K, i); operand != "" {
		text += " " + operand
	}
	if row.Kind == KindJump {
		text = fmt.Sprintf("%s jt %d jf %d", text, i+1+int(in.Jt), i+1+int(in.Jf))
	}
	return text
}

// appendAsm appends bpf_asm text: a tab before each instruction, and a label before those that are jumped to.
func appendAsm(dst []byte, prog []bpf.RawInstruction) []byte {
	labelled := make([]bool, len(prog))
	for i, in := range prog {
		for _, target := range jumpTargets(in, i) {
			if target < uint64(len(prog)) {
				labelled[target] = true
			}
		}
	}
	for i, in := range prog {
		if labelled[i] {
			dst = fmt.Appendf(dst, "L%d:", i)
		}
		dst = append(dst, '\t')
		dst = appendAsmInstruction(dst, in, i)
		dst = append(dst, '\n')
	}
	return dst
}

// jumpTargets returns the instructions that a jump at i names in FormAsm.
func jumpTargets(in bpf.RawInstruction, i int) []uint64 {
	next := uint64(i) + 1
	row := Lookup(in.Op)
	switch {
	case row == nil:
	case row.Kind == KindGoto:
		return []uint64{next + uint64(in.K)}
	case row.Kind == KindJump && in.Jf == 0:
		return []uint64{next + uint64(in.Jt)}
	case row.Kind == KindJump && in.Jt == 0 && opposite(row) != "":
		return []uint64{next + uint64(in.Jf)}
	case row.Kind == KindJump:
		return []uint64{next + uint64(in.Jt), next + uint64(in.Jf)}
	}
	return nil
}

// opposite returns the mnemonic of the opposite condition, or "" if there is none.
func opposite(row *Row) string {
	for _, a := range aliases {
		if a.swap && a.row == row.Name {
			return a.name
		}
	}
	return ""
}

func appendAsmInstruction(dst []byte, in bpf.RawInstruction, i int) []byte {
	row := Lookup(in.Op)
	if row == nil {
		return fmt.Appendf(dst, "unimp %#x", in.Op)
	}
	name, operand := row.Name, operandString(row, in.K)
	switch row.Operand {
	case OperandAbs:
		if m := LookupMetadata(in.K); m != nil && m.Name != "" {
			operand = m.Name
		}
	case OperandLen:
		operand = "len"
	}
	targets := jumpTargets(in, i)
	if row.Kind == KindJump && in.Jf != 0 && len(targets) == 1 {
		name = opposite(row)
	}
	dst = append(dst, name...)
	separator := " "
	if operand != "" {
		dst = fmt.Appendf(dst, " %s", operand)
		separator = ", "
	}
	for _, t := range targets {
		dst = fmt.Appendf(dst, "%sL%d", separator, t)
		separator = ", "
	}
	return dst
}
