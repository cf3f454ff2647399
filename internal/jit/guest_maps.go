// Implements the walk's part on maps: look-ups and updates that need no call of Go.

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

// keySize returns the size of keys in bytes.
func (m *Map) keySize() uint32 {
	if m.Array != nil {
		return 4
	}
	return m.Hash.KeySize
}

// writable returns the size of values in bytes if code can update the map, else 0.
func (m *Map) writable() uint32 {
	switch {
	case m.Array != nil && m.Array.Host != 0:
		return m.Array.Size
	case m.Hash != nil && m.Hash.Host != 0:
		return m.Hash.Size
	}
	return 0
}

// MapCall is what a call does with a map.
type MapCall uint8

// What calls do with maps.
const (
	NoMapCall MapCall = iota
	MapLookup         // bpf_map_lookup_elem
	MapUpdate         // bpf_map_update_elem
)

// mapCall writes what a call does with a map in its place, if the map is known, and key and value in known places.
func (g *guest) mapCall(i ir.Index, row *isa.Row) bool {
	if row.Op != isa.Call || g.o.MapCall == nil || !g.o.GoCalls || g.place[isa.R1].Kind != ir.Loaded {
		return false
	}
	call := g.o.MapCall(i)
	if call == NoMapCall {
		return false
	}
	m := g.o.Map(ir.Index(g.place[isa.R1].Off))
	if m == nil {
		return false
	}
	key, ok := g.argument(isa.R2, m.keySize())
	if !ok {
		return false
	}
	switch {
	case call == MapUpdate:
		value, ok := g.argument(isa.R3, m.writable())
		if !ok || m.writable() == 0 {
			return false
		}
		g.mapUpdate(i, m, key, value)
	case m.Array != nil:
		g.asm.ArrayLookup(m.Array, key)
	default:
		g.asm.CallLookup(g.routine(i, m, MapLookup), key, g.miss(i))
		g.leaveToGo(i, false)
	}
	for r := isa.R1; r <= isa.R5 && g.o.Tidy; r++ {
		g.code.MovImm(g.regs[r], 0)
	}
	return true
}

// argument returns the operand of size bytes at the address in a register, if they are certain to be there.
func (g *guest) argument(r isa.Register, size uint32) (amd64.Mem, bool) {
	if g.o.Trusted {
		return amd64.Mem{Base: g.regs[r]}, true
	}
	first, ok := g.certain(uint8(r), false, 8, 0, false)
	if !ok || size == 0 || g.place[r].Kind != ir.OnStack {
		return first, false
	}
	_, ok = g.certain(uint8(r), false, 8, int32(size)-1, false)
	return first, ok
}

// mapUpdate writes an update.
func (g *guest) mapUpdate(i ir.Index, m *Map, key, value amd64.Mem) {
	g.asm.UpdateArgs(key, value, g.miss(i))
	if m.Array != nil {
		g.asm.ArrayUpdate(m.Array, g.miss(i))
	} else {
		g.asm.CallUpdate(g.routine(i, m, MapUpdate), g.miss(i))
	}
	g.leaveToGo(i, true)
}

// leaveToGo writes what is behind the program's end: the call of Go, where code leaves the work to that. The addresses of
// key and, for an update, value are in RDI and RSI then.
func (g *guest) leaveToGo(i ir.Index, update bool) {
	after := g.way(i)
	g.code.Bind(after)
	place := g.place
	g.later(g.miss(i), func() {
		handle := g.p.Ins[place[isa.R1].Off].Imm
		switch {
		case !g.o.Trusted:
			g.asm.FrameAddr(g.regs[isa.R2], place[isa.R2].Off)
			if update {
				g.asm.FrameAddr(g.regs[isa.R3], place[isa.R3].Off)
			}
		case update:
			g.code.Mov(true, g.regs[isa.R3], amd64.RSI)
			fallthrough
		default:
			g.code.Mov(true, g.regs[isa.R2], amd64.RDI)
		}
		g.code.MovImm(g.regs[isa.R1], handle)
		g.asm.CallGo(uint32(i), g.behind(i))
		if g.calls.callbacks {
			g.asm.LoadPins()
		}
		g.code.Jump(after)
	})
}

// routineKey names a routine.
type routineKey struct {
	m    *Map
	call MapCall
}

// routine returns the label of the routine that does something with a map. It stands behind the program once.
func (g *guest) routine(i ir.Index, m *Map, call MapCall) amd64.Label {
	if g.routines == nil {
		g.routines = map[routineKey]amd64.Label{}
	}
	key := routineKey{m, call}
	l, ok := g.routines[key]
	if !ok {
		l = 5*g.n() + amd64.Label(i)
		g.routines[key] = l
	}
	g.later(l, func() {
		if call == MapUpdate {
			g.asm.HashUpdate(m.Hash)
		} else {
			g.asm.HashLookup(m.Hash)
		}
	})
	return l
}
