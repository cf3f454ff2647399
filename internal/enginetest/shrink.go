// Implements shrinking: a small program that shows what a large one shows.

package enginetest

import (
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Shrink takes instructions out of a vector's program for as long as bad says that what is left still shows
// the fault, and returns what it ends with. The reference machine gives each attempt its result; attempts
// on which it fails are not made. bad is called up to a few thousand times.
func Shrink(v Vector, bad func(Vector) bool) Vector {
	for changed := true; changed; {
		changed = false
		for i := len(v.Program.Insns) - 1; i >= 0; i-- {
			try := v
			code, ok := without(v.Program.Insns, i)
			if !ok {
				continue
			}
			p := spec.Program{Name: v.Program.Name, Type: v.Program.Type, License: v.Program.License, Insns: code}
			try.Program = &p
			m := newMachine(isa.Linux, &p, v.Mem)
			if m.run(1<<16) != nil {
				continue
			}
			if try.Result = m.regs[isa.R0]; bad(try) {
				v, changed = try, true
			}
		}
	}
	return v
}

// without returns code without the instruction that starts at slot i, all jumps and calls going where they
// went. ok is false if no instruction starts there.
func without(code []isa.Instruction, i int) (out []isa.Instruction, ok bool) {
	size := 0
	for at := 0; at < len(code); at += isa.Linux.Slots(code[at].Code) {
		if at == i {
			size = isa.Linux.Slots(code[at].Code)
		}
	}
	if size == 0 || i+size > len(code) {
		return nil, false
	}
	moved := func(at int) int { // where slot at goes
		if at >= i+size {
			return at - size
		}
		return min(at, i)
	}
	out = slices.Clone(code)
	for at := 0; at < len(out); at += isa.Linux.Slots(out[at].Code) {
		row, err := isa.Linux.Lookup(out, at)
		if err != nil {
			return nil, false
		}
		far := func(distance int) int { return moved(at+1+distance) - moved(at) - 1 }
		switch in := &out[at]; row.Kind {
		case isa.KindJump, isa.KindMayGoto:
			in.Off = int16(far(int(in.Off)))
		case isa.KindGoto:
			if row.Off.Use == isa.Operand {
				in.Off = int16(far(int(in.Off)))
			} else {
				in.Imm = int32(far(int(in.Imm)))
			}
		case isa.KindCall:
			if row.Op == isa.CallLocal {
				in.Imm = int32(far(int(in.Imm)))
			}
		}
	}
	return slices.Delete(out, i, i+size), true
}
