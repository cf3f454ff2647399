// Implements which registers matter from an instruction on.

package verify

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

const argRegs = ir.Regs(0x3e)

// findLive finds out for each instruction which registers some path from it reads before it writes them.
func (v *verifier) findLive() {
	n := len(v.p.Ins)
	v.live = fresh(&v.pool.live, n)
	uses, defs := fresh(&v.pool.uses, n), fresh(&v.pool.defs, n)
	for i := range n {
		uses[i], defs[i] = v.usesAndDefs(ir.Index(i))
	}
	var succ [3]ir.Index
	for changed := true; changed; {
		changed = false
		for i := n - 1; i >= 0; i-- {
			var after ir.Regs
			for _, to := range v.flow(ir.Index(i), succ[:0]) {
				after |= v.live[to]
			}
			if before := uses[i] | after&^defs[i]; before != v.live[i] {
				v.live[i], changed = before, true
			}
		}
	}
}

// flow is successors without called functions.
func (v *verifier) flow(i ir.Index, out []ir.Index) []ir.Index {
	if v.p.Ins[i].Op == isa.CallLocal {
		return append(out, i+1)
	}
	return v.successors(i, out)
}

// usesAndDefs returns the registers that instruction i reads and those that it leaves without their old value.
func (v *verifier) usesAndDefs(i ir.Index) (uses, defs ir.Regs) {
	in, row := &v.p.Ins[i], v.rows[i]
	role := func(set isa.Roles) (r ir.Regs) {
		if set&isa.RoleDst != 0 {
			r |= 1 << in.Dst
		}
		if set&isa.RoleSrc != 0 {
			r |= 1 << in.Src
		}
		if set&isa.RoleR0 != 0 {
			r |= 1
		}
		if set&isa.RoleR6 != 0 {
			r |= 1 << isa.R6
		}
		if set&isa.RoleArgs != 0 {
			r |= argRegs
		}
		return r
	}
	uses, defs = role(row.Reads), role(row.Writes)
	switch row.Kind {
	case isa.KindCall:
		uses, defs = argRegs, argRegs|1
		if h := v.helper(i); h != nil {
			uses = argRegs & (1<<(len(h.Args)+1) - 1)
		}
		if row.Op == isa.CallReg {
			uses |= 1 << in.Dst
		}
	case isa.KindExit:
		uses = 1
	}
	return uses, defs
}
