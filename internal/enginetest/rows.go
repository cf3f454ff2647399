// Implements the test of every row that computes or jumps, over edge operands.

package enginetest

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// edges are operands at which arithmetic goes wrong if it does: the ends of the ranges of 8, 16, 32 and 64
// bits, signed and unsigned, and their neighbours, counts around the widths, and garbage above 32 bits.
var edges = [...]uint64{
	0, 1, 2, 7, 31, 32, 63, 64, 0x7f, 0x80, 0xff, 0x8000, 0xffff,
	0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001,
	0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0x8000_0000_0000_0001, 0xffff_ffff_8000_0000,
	0xffff_ffff_7fff_ffff, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff,
	0x1122_3344_5566_7788, 0xdead_beef_8000_0000, 0xfedc_ba98_7654_3210,
}

// RunRows runs every row of the table that computes or jumps over all pairs of edge operands. Each pair runs
// twice: with operands that the program holds as constants, which engines may fold, and with operands that
// it reads from memory. The expected result is that of isa.EvalALU or isa.EvalJump.
func RunRows(t *testing.T, run Runner) {
	for _, row := range isa.Linux.Rows() {
		if row.Kind != isa.KindALU && row.Kind != isa.KindJump {
			continue
		}
		t.Run(fmt.Sprintf("%v", row.Op), func(t *testing.T) {
			for v := range RowVectors(row) {
				if err := v.Check(run(t, v)); err != nil {
					t.Errorf("%s: %v", v.Name, err)
				}
			}
		})
	}
}

// RowVectors generates the vectors of one row of KindALU or KindJump; see RunRows.
func RowVectors(row *isa.Row) func(yield func(Vector) bool) {
	return func(yield func(Vector) bool) {
		n := 0
		for _, a := range edges {
			for _, b := range edges {
				for _, constant := range [...]bool{true, false} {
					// Registers change from pair to pair, so that an engine's special ones get their turn.
					n++
					if !yield(rowVector(row, a, b, constant, n)) {
						return
					}
				}
				if row.From == isa.FromNone {
					break // there is no second operand
				}
			}
		}
	}
}

func rowVector(row *isa.Row, a, b uint64, constant bool, n int) Vector {
	dst := isa.Register(n % 10)
	src := isa.Register((n/10 + n + 3) % 10)
	v := Vector{Program: &spec.Program{}}
	operand := b
	if row.From == isa.FromImm {
		operand = uint64(int64(int32(b)))
	}
	if row.From == isa.FromReg && src == dst {
		operand = a
	}
	v.Name = fmt.Sprintf("%v with %s = %#x, operand %#x, register %s", row.Op, dst, a, operand, src)
	set := func(r isa.Register, value uint64) {
		if constant {
			v.Program.Insns = append(v.Program.Insns, isa.LoadImm64(r, value)...)
			return
		}
		v.Program.Insns = append(v.Program.Insns, isa.Ldx64.Make(r, base(dst, src), int16(len(v.Mem)), 0))
		v.Mem = binary.LittleEndian.AppendUint64(v.Mem, value)
	}
	if !constant {
		v.Program.Insns = append(v.Program.Insns, isa.Mov64Reg.Make(base(dst, src), isa.R1, 0, 0))
	}
	if row.From == isa.FromReg && src != dst {
		set(src, b)
	}
	set(dst, a)
	in := row.Make(dst, src, 0, int32(b))
	if row.Kind == isa.KindALU {
		v.Result = isa.EvalALU(row, a, operand)
		v.Program.Insns = append(v.Program.Insns, in, isa.Mov64Reg.Make(isa.R0, dst, 0, 0), isa.Exit.Make(0, 0, 0, 0))
		return v
	}
	if isa.EvalJump(row, a, operand) {
		v.Result = 1
	}
	in.Off = 2
	v.Program.Insns = append(v.Program.Insns, in,
		isa.Mov64Imm.Make(isa.R0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0),
		isa.Mov64Imm.Make(isa.R0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0))
	return v
}

// base returns a register that is neither of the two, to hold the address of memory.
func base(a, b isa.Register) isa.Register {
	for r := isa.R1; ; r++ {
		if r != a && r != b {
			return r
		}
	}
}
