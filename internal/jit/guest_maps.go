// Implements the walk's part on maps: look-ups that need no call.

package jit

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// lookup writes a look-up in place of a call, if the map is known and the key in a known place.
func (g *guest) lookup(i ir.Index, row *isa.Row) bool {
	if row.Op != isa.Call || g.o.Lookup == nil || !g.o.Lookup(i) || g.place[isa.R1].Kind != ir.Loaded {
		return false
	}
	m := g.o.Map(ir.Index(g.place[isa.R1].Off))
	if m == nil {
		return false
	}
	key, ok := g.certain(uint8(isa.R2), false, 32, 0, false)
	if g.o.Trusted {
		key, ok = amd64.Mem{Base: g.regs[isa.R2]}, true
	}
	if !ok {
		return false
	}
	g.asm.ArrayLookup(m, key)
	for r := isa.R1; r <= isa.R5 && g.o.Tidy; r++ {
		g.code.MovImm(g.regs[r], 0)
	}
	return true
}
