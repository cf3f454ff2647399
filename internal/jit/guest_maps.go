// Implements the walk's part on maps: look-ups that need no call of Go.

package jit

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// Map is a map that code can look up. One of the two is not nil.
type Map struct {
	Array *amd64.ArrayMap
	Hash  *amd64.HashMap
}

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
	if m.Hash != nil && ok { // all of it must be there
		_, ok = g.certain(uint8(isa.R2), false, 8, int32(m.Hash.KeySize)-1, false)
	}
	if g.o.Trusted {
		key, ok = amd64.Mem{Base: g.regs[isa.R2]}, true
	}
	switch {
	case !ok || m.Hash != nil && !g.o.GoCalls:
		return false
	case m.Array != nil:
		g.asm.ArrayLookup(m.Array, key)
	default:
		g.hashLookup(i, m, key)
	}
	for r := isa.R1; r <= isa.R5 && g.o.Tidy; r++ {
		g.code.MovImm(g.regs[r], 0)
	}
	return true
}

// hashLookup has the map's routine look, and Go where that leaves it.
func (g *guest) hashLookup(i ir.Index, m *Map, key amd64.Mem) {
	g.asm.CallLookup(g.routine(i, m), key, g.miss(i))
	after := g.way(i)
	g.code.Bind(after)
	place := g.place
	g.later(g.miss(i), func() {
		// The routine has left the key's address in RDI.
		handle := g.p.Ins[place[isa.R1].Off].Imm
		if g.o.Trusted {
			g.code.Mov(true, g.regs[isa.R2], amd64.RDI)
		} else {
			g.asm.FrameAddr(g.regs[isa.R2], place[isa.R2].Off)
		}
		g.code.MovImm(g.regs[isa.R1], handle)
		g.asm.CallGo(uint32(i), g.behind(i))
		if g.calls.callbacks {
			g.asm.LoadPins()
		}
		g.code.Jump(after)
	})
}

// routine returns the label of a map's routine, which stands behind the program once.
func (g *guest) routine(i ir.Index, m *Map) amd64.Label {
	if g.routines == nil {
		g.routines = map[*Map]amd64.Label{}
	}
	l, ok := g.routines[m]
	if !ok {
		l = 5*g.n() + amd64.Label(i)
		g.routines[m] = l
	}
	g.later(l, func() { g.asm.HashLookup(m.Hash) })
	return l
}
