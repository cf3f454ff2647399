// Implements the eight-byte wire form of an instruction and its two byte orders.

package isa

import (
	"encoding/binary"
	"fmt"
)

// Register is the number of a BPF register, 0 to 10.
type Register uint8

// The eleven registers. R0 holds results, R1 to R5 arguments, R6 to R9 survive calls, R10 is the read-only
// frame pointer (RFC 9669 section 2.1; the kernel's calling convention).
const (
	R0 Register = iota
	R1
	R2
	R3
	R4
	R5
	R6
	R7
	R8
	R9
	R10

	// NumRegisters is the number of registers a program can name.
	NumRegisters = 11
)

// String returns the register's name, such as "r3".
func (r Register) String() string { return fmt.Sprintf("r%d", uint8(r)) }

// InstructionSize is the size in bytes of one wire slot. Every encoding is a multiple of it.
const InstructionSize = 8

// Instruction is one eight-byte slot as it stands on the wire (RFC 9669 section 3.1): opcode 8 bits, two
// registers 4 bits each, offset 16 bits, immediate 32 bits. Wide instructions take several slots. The type
// holds every bit pattern, valid or not; Lookup says what a pattern means.
type Instruction struct {
	Code uint8 // wire opcode
	Regs uint8 // destination in the low four bits, source in the high four
	Off  int16 // signed offset
	Imm  int32 // signed immediate
}

// Make returns an instruction with the given fields.
func Make(code uint8, dst, src Register, off int16, imm int32) Instruction {
	return Instruction{Code: code, Regs: uint8(dst&0xf) | uint8(src)<<4, Off: off, Imm: imm}
}

// Make returns the first slot of the row's instruction with the given operands. A field that is no operand
// gets what the row's pattern demands, whatever is passed for it.
func (r *Row) Make(dst, src Register, off int16, imm int32) Instruction {
	pick := func(f Field, operand int32) int32 {
		switch f.Use {
		case Operand:
			return operand
		case Selector:
			return f.Value
		}
		return 0
	}
	return Make(r.Code, Register(pick(r.Dst, int32(dst))), Register(pick(r.Src, int32(src))),
		int16(pick(r.Off, int32(off))), pick(r.Imm, imm))
}

// Make returns the first slot of the table's instruction op with the given operands, as Row.Make does. It is
// the way for Go code to write programs:
//
//	code := []isa.Instruction{
//		isa.Mov64Imm.Make(isa.R0, 0, 0, 42),
//		isa.Exit.Make(0, 0, 0, 0),
//	}
//
// It panics if op is not of the table.
func (op Op) Make(dst, src Register, off int16, imm int32) Instruction {
	return table[op].Make(dst, src, off, imm)
}

// LoadImm64 returns the two slots that load a 64-bit constant.
func LoadImm64(dst Register, v uint64) []Instruction {
	return []Instruction{LdImm64.Make(dst, 0, 0, int32(v)), {Imm: int32(v >> 32)}}
}

// Dst returns the destination field. Values above 10 name no register.
func (i Instruction) Dst() Register { return Register(i.Regs & 0xf) }

// Src returns the source field. Values above 10 name no register; some instructions keep a selector there.
func (i Instruction) Src() Register { return Register(i.Regs >> 4) }

// Append appends the eight wire bytes of i to dst. In big-endian order the two register fields change
// places as well (RFC 9669 section 3.1).
func (i Instruction) Append(dst []byte, order binary.AppendByteOrder) []byte {
	regs := i.Regs
	if isBig(order) {
		regs = regs<<4 | regs>>4
	}
	dst = append(dst, i.Code, regs)
	dst = order.AppendUint16(dst, uint16(i.Off))
	return order.AppendUint32(dst, uint32(i.Imm))
}

// Encode returns the wire bytes of code in little-endian order, the order of all files Skep writes.
func Encode(code []Instruction) []byte {
	out := make([]byte, 0, len(code)*InstructionSize)
	for _, i := range code {
		out = i.Append(out, binary.LittleEndian)
	}
	return out
}

// Decode splits wire bytes into slots. It fails if the length is not a multiple of eight bytes; it does not
// judge the instructions.
func Decode(b []byte, order binary.ByteOrder) ([]Instruction, error) {
	if len(b)%InstructionSize != 0 {
		return nil, fmt.Errorf("bytecode is %d bytes long, which is not a multiple of %d", len(b), InstructionSize)
	}
	out := make([]Instruction, len(b)/InstructionSize)
	for n := range out {
		s := b[n*InstructionSize:]
		regs := s[1]
		if isBig(order) {
			regs = regs<<4 | regs>>4
		}
		out[n] = Instruction{Code: s[0], Regs: regs, Off: int16(order.Uint16(s[2:])), Imm: int32(order.Uint32(s[4:]))}
	}
	return out, nil
}

// isBig reports whether order puts the most significant byte first.
func isBig(order any) bool {
	o, ok := order.(binary.ByteOrder)
	return ok && o.Uint16([]byte{1, 0}) == 0x100
}
