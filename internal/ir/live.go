// Implements a second fact about programs: which registers matter from an instruction on.

package ir

import "github.com/skepbpf/skep/isa"

// Live returns for each instruction the registers that some path from it on may read before it writes them, those that
// the instruction itself reads included. Calls count as reading all their arguments.
func (p *Program) Live() []Regs {
	live, callbacks := make([]Regs, len(p.Ins)), p.Callbacks()
	for changed := true; changed; {
		changed = false
		for n := len(p.Blocks) - 1; n >= 0; n-- {
			b := &p.Blocks[n]
			var after Regs
			for _, next := range b.Succ {
				after |= live[p.Blocks[next].First]
			}
			first := live[b.First]
			for i := b.End - 1; i >= b.First; i-- {
				after = p.liveBefore(i, after, callbacks)
				live[i] = after
			}
			changed = changed || live[b.First] != first
		}
	}
	return live
}

// liveBefore returns what matters ahead of instruction i, when those of after matter behind it.
func (p *Program) liveBefore(i Index, after Regs, callbacks bool) Regs {
	row, in := p.Row(i), &p.Ins[i]
	uses, defs := roles(row.Reads, in), writes(row, in)
	switch row.Kind {
	case isa.KindCall:
		uses |= argRegs
		if row.Op == isa.CallLocal || callbacks {
			uses |= allRegs // programs that nobody has verified may read what their callers have left
		}
		defs |= argRegs | 1<<isa.R0
	case isa.KindExit:
		if uses |= 1 << isa.R0; len(p.Funcs) > 1 {
			uses |= allRegs
		}
	}
	return after&^defs | uses
}
