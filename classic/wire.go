// Implements the eight-byte wire form of a classic instruction, in both byte orders.

package classic

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/net/bpf"
)

// InstructionSize is the size in bytes of a classic instruction on the wire (struct sock_filter of
// linux/filter.h): opcode 16 bits, jt and jf 8 bits each, k 32 bits.
const InstructionSize = 8

// Encode returns the wire bytes of prog, InstructionSize bytes an instruction.
func Encode(prog []bpf.RawInstruction, order binary.AppendByteOrder) []byte {
	out := make([]byte, 0, len(prog)*InstructionSize)
	for _, in := range prog {
		out = order.AppendUint16(out, in.Op)
		out = append(out, in.Jt, in.Jf)
		out = order.AppendUint32(out, in.K)
	}
	return out
}

// Decode is the reverse of Encode. It fails if the length of b is not a multiple of InstructionSize; it does
// not judge the instructions.
func Decode(b []byte, order binary.ByteOrder) ([]bpf.RawInstruction, error) {
	if len(b)%InstructionSize != 0 {
		return nil, fmt.Errorf("classic code is %d bytes long, which is not a multiple of %d", len(b), InstructionSize)
	}
	prog := make([]bpf.RawInstruction, len(b)/InstructionSize)
	for i := range prog {
		s := b[i*InstructionSize:]
		prog[i] = bpf.RawInstruction{Op: order.Uint16(s), Jt: s[2], Jf: s[3], K: order.Uint32(s[4:])}
	}
	return prog, nil
}
