// Implements the statements of generated programs that access packets, maps, records and sockets.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// access loads and stores in memory that a register points to.
func (g *gen) access(base isa.Register, h held) {
	for range 1 + g.pick(3) {
		s := choose(g, sizes...)
		room := h.size - s.n
		if room < 0 {
			if h.size < 1 {
				return
			}
			s, room = sizes[0], h.size-1
		}
		off := g.pick(room + 1)
		if h.where == inStack || g.one(3) {
			off &^= s.n - 1
		}
		if g.careless() {
			off = g.pick(h.size+24) - 8
		}
		keep := g.frozen
		g.frozen |= 1 << base
		switch k := g.pick(5); {
		case k == 0 && !h.readOnly:
			g.emit(s.st.Make(base, 0, int16(off), g.imm()))
		case k == 1 && !h.readOnly:
			g.emit(s.stx.Make(base, g.num(), int16(off), 0))
		case k == 2 && !h.readOnly && (h.where == inValue || h.where == inRecord) && off&^7+8 <= h.size:
			r := choose(g, byKind[isa.KindAtomic]...)
			if r.Fn != isa.FnCmpxchg {
				src := g.change()
				g.emit(r.Make(base, src, int16(off&^7), 0))
				g.set(src, unknown())
			}
		default:
			r := g.scratch()
			g.emit(choose(g, s.ld, s.sx).Make(r, base, int16(off), 0))
			g.set(r, unknown())
		}
		g.frozen = keep
	}
}

// reach is an access through some pointer that there is, perhaps at an offset that is not constant.
func (g *gen) reach() {
	rs := g.with(memory, func(h *held) bool { return h.size > 0 })
	if len(rs) == 0 {
		g.stack()
		return
	}
	base := choose(g, rs...)
	h := g.regs[base]
	switch k := g.pick(6); {
	case k < 2 && h.size > 1 && h.where != inStack && !(g.strict && h.where != inValue):
		g.frozen |= 1 << base & ^g.frozen
		n := 1 + g.pick(h.size-1)
		keep := g.frozen
		g.frozen |= 1 << base
		r := g.bounded(n)
		p := g.other(r, base)
		g.frozen = keep
		if p == r || p == base {
			return
		}
		h.size -= n
		if g.one(3) {
			g.emit(isa.Mov64Reg.Make(p, r, 0, 0), isa.Add64Reg.Make(p, base, 0, 0))
		} else {
			g.emit(isa.Mov64Reg.Make(p, base, 0, 0), isa.Add64Reg.Make(p, r, 0, 0))
		}
		g.set(p, h)
		if h.where == inPacket { // what is there must be shown anew
			g.set(p, held{})
			g.showPacket(p, h)
			return
		}
		g.access(p, h)
	case k == 2 && h.size > 1:
		p := g.other(base)
		if p == base {
			return
		}
		n := g.pick(h.size)
		g.emit(isa.Mov64Reg.Make(p, base, 0, 0), isa.Add64Imm.Make(p, 0, 0, int32(n)))
		h.size -= n
		g.set(p, h)
		g.access(p, h)
	default:
		g.access(base, h)
	}
}

// packetFields returns the names of the fields of the packet's start and end.
func (g *gen) packetFields() (data, end *progtype.Field) {
	l := g.typ.Layout()
	if l == nil {
		return nil, nil
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		ok := f.Read.Sizes != 0 && f.Read.Attach.Has(g.attach) && !(g.strict && f.Read.Privileged)
		switch {
		case f.Value == progtype.PacketStart && ok:
			data = f
		case f.Value == progtype.PacketEnd && ok:
			end = f
		}
	}
	return data, end
}

// packet gets pointers to the packet and looks how long it is.
func (g *gen) packet() {
	data, last := g.packetFields()
	c := g.with(context, nil)
	if data == nil || last == nil || len(c) == 0 {
		g.reach()
		return
	}
	p := g.saved()
	e := g.other(p, c[0])
	if p == e || p == c[0] || e == c[0] {
		return
	}
	load := func(r isa.Register, f *progtype.Field) {
		g.emit(sizeOf(f.Size).ld.Make(r, c[0], int16(f.Off), 0))
	}
	if g.one(2) {
		load(p, data)
		load(e, last)
	} else {
		load(e, last)
		load(p, data)
	}
	g.set(e, held{kind: end})
	g.set(p, held{kind: memory, where: inPacket, readOnly: !g.typ.Rewrite})
	g.showLength(p, e)
}

// showPacket compares a pointer to the packet with an end that some register holds or the context tells.
func (g *gen) showPacket(p isa.Register, h held) {
	es := g.with(end, nil)
	if len(es) == 0 {
		return
	}
	h.size = 0
	g.set(p, h)
	g.showLength(p, es[0])
}

// showLength compares the packet's end with a pointer plus a length.
func (g *gen) showLength(p, e isa.Register) {
	n := 1 + g.pick(40)
	if g.one(12) {
		n = choose(g, 0, 14, 64, 256, 1500, 0xffff, 0x10000)
	}
	keep := g.frozen
	g.frozen |= 1<<p | 1<<e
	q := g.scratch()
	g.frozen = keep
	if q == p || q == e {
		return
	}
	g.emit(isa.Mov64Reg.Make(q, p, 0, 0), isa.Add64Imm.Make(q, 0, 0, int32(n)))
	h := g.regs[p]
	h.size = n
	g.set(q, held{kind: memory, where: inPacket, readOnly: h.readOnly})
	x, y, out := q, e, choose(g, isa.JGt64Reg, isa.JGe64Reg)
	if g.one(2) {
		x, y, out = e, q, choose(g, isa.JLt64Reg, isa.JLe64Reg)
	}
	if g.one(4) && g.held == 0 { // the way on is the one that jumps
		back := map[isa.Op]isa.Op{isa.JGt64Reg: isa.JLe64Reg, isa.JGe64Reg: isa.JLt64Reg, isa.JLt64Reg: isa.JGe64Reg, isa.JLe64Reg: isa.JGt64Reg}[out]
		g.emit(back.Make(x, y, 1, 0))
		g.must(isa.Goto.Make(0, 0, 0, 0))
		g.set(p, h)
		g.access(p, h)
		return
	}
	done := g.leave(out.Make(x, y, 0, 0))
	g.set(p, h)
	g.access(p, h)
	if g.one(3) {
		g.block(2)
	}
	done()
}

// meta compares the packet's metadata with its start.
func (g *gen) meta() {
	data, _ := g.packetFields()
	c := g.with(context, nil)
	l := g.typ.Layout()
	if data == nil || len(c) == 0 {
		g.reach()
		return
	}
	i := slices.IndexFunc(l.Fields, func(f progtype.Field) bool { return f.Value == progtype.PacketMeta && f.Read.Sizes != 0 })
	if i < 0 {
		g.packet()
		return
	}
	p := g.saved()
	e := g.other(p, c[0])
	q := g.other(p, c[0], e)
	if p == e || q == p || q == e || p == c[0] || e == c[0] || q == c[0] {
		return
	}
	n := 1 + g.pick(16)
	g.emit(isa.Ldx32.Make(p, c[0], int16(l.Fields[i].Off), 0), isa.Ldx32.Make(e, c[0], int16(data.Off), 0),
		isa.Mov64Reg.Make(q, p, 0, 0), isa.Add64Imm.Make(q, 0, 0, int32(n)))
	g.set(q, held{})
	g.set(e, held{})
	g.set(p, held{})
	done := g.leave(isa.JGt64Reg.Make(q, e, 0, 0))
	h := held{kind: memory, size: n, where: inPacket, readOnly: !g.typ.Rewrite}
	g.set(p, h)
	g.access(p, h)
	done()
}

// key writes a key to the stack and loads its address.
func (g *gen) key(r isa.Register, size int) {
	off := -8 * (9 + g.pick(4))
	if g.one(3) && g.isNumber(isa.R7) {
		g.emit(isa.Stx64.Make(isa.R10, isa.R7, int16(off), 0))
	} else if size <= 4 {
		g.emit(isa.St32.Make(isa.R10, 0, int16(off), int32(g.pick(3))))
	} else {
		g.emit(isa.St64.Make(isa.R10, 0, int16(off), int32(g.pick(3))))
	}
	g.emit(isa.Mov64Reg.Make(r, isa.R10, 0, 0), isa.Add64Imm.Make(r, 0, 0, int32(off)))
}

func (g *gen) mapLoad(r isa.Register, m int) {
	g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: g.maps[m].Name})
	g.emit(isa.LdMapFD.Make(r, 0, 0, 0), isa.Instruction{})
	g.set(r, held{})
}

func (g *gen) mapNamed(name string) int {
	return slices.IndexFunc(g.maps, func(m spec.Map) bool { return m.Name == name })
}

// nullCheck looks whether R0 is null, keeps it in a register, and returns where to and what to do at the end.
func (g *gen) nullCheck(h held) (isa.Register, func()) {
	v := isa.R0
	if g.one(8) && !g.careless() && g.isFrozen(0) == false { // copied before it is checked
		v = g.saved()
		g.copyReg(v, isa.R0)
	}
	none := h
	none.kind = nullable
	g.set(0, none)
	g.set(v, none)
	done := func() {}
	switch {
	case g.careless():
	case g.one(4) && g.held == 0:
		g.emit(isa.JNe64Imm.Make(choose(g, v, isa.R0), 0, 1, 0))
		g.must(isa.Goto.Make(0, 0, 0, 0))
	default:
		done = g.leave(isa.JEq64Imm.Make(choose(g, v, isa.R0), 0, 0, 0))
	}
	h.kind = memory
	g.set(0, h)
	g.set(v, h)
	if v == 0 && g.one(2) {
		v = g.saved()
		g.copyReg(v, isa.R0)
	}
	return v, done
}

var valueMaps = []string{"hash", "array", "lru", "percpu", "hash", "array", "big"}

// lookup looks a key up in a map and uses the value.
func (g *gen) lookup() {
	m := g.mapNamed(choose(g, valueMaps...))
	g.mapLoad(isa.R1, m)
	g.key(isa.R2, int(g.maps[m].KeySize))
	g.helperCall("map_lookup_elem")
	h := held{size: int(g.maps[m].ValueSize), where: inValue, m: m}
	v, done := g.nullCheck(h)
	h.kind = memory
	g.access(v, h)
	if g.one(2) {
		g.reach()
	}
	done()
}

// inner looks a map up in a map, and a key in that.
func (g *gen) inner() {
	g.mapLoad(isa.R1, g.mapNamed("maps"))
	g.key(isa.R2, 4)
	g.helperCall("map_lookup_elem")
	done := g.leave(isa.JEq64Imm.Make(0, 0, 0, 0))
	g.emit(isa.Mov64Reg.Make(isa.R1, isa.R0, 0, 0))
	g.key(isa.R2, 4)
	g.helperCall("map_lookup_elem")
	h := held{size: 8, where: inValue, m: -1}
	v, end := g.nullCheck(h)
	h.kind = memory
	g.access(v, h)
	end()
	done()
}

// direct loads the address of a value.
func (g *gen) direct() {
	r := g.scratch()
	m := g.mapNamed(choose(g, "data", "rodata", "data"))
	size := int(g.maps[m].ValueSize)
	off := g.pick(size)
	g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: g.maps[m].Name, Value: true, Offset: uint32(off)})
	g.emit(isa.LdMapValue.Make(r, 0, 0, 0), isa.Instruction{})
	ro := g.maps[m].Flags&mapReadOnlyProg != 0
	h := held{kind: memory, size: size - off, where: inValue, m: m, readOnly: ro}
	g.set(r, h)
	g.access(r, h)
	if ro && h.size >= 4 { // a branch that may be decided
		d := g.other(r)
		if d == r {
			return
		}
		s := choose(g, sizes[:3]...)
		g.emit(s.ld.Make(d, r, int16(g.pick(h.size-s.n+1)), 0))
		g.set(d, unknown())
		if g.one(2) {
			g.emit(isa.JNe64Imm.Make(d, 0, 1, int32(g.pick(3))), isa.Mov64Imm.Make(d, 0, 0, 1))
		} else {
			g.branch()
		}
	}
}

// update calls a helper that takes a key and a value.
func (g *gen) update() {
	m := g.mapNamed(choose(g, "hash", "array", "lru", "percpu"))
	g.mapLoad(isa.R1, m)
	g.key(isa.R2, 4)
	if g.one(2) {
		g.emit(isa.Mov64Reg.Make(isa.R3, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R3, 0, 0, -128))
		for i := range (int(g.maps[m].ValueSize) + 7) / 8 {
			g.emit(isa.St64.Make(isa.R10, 0, int16(-128+8*i), g.imm()))
		}
	} else if rs := g.with(memory, func(h *held) bool { return h.size >= int(g.maps[m].ValueSize) }); len(rs) > 0 && rs[0] > isa.R3 {
		g.copyReg(isa.R3, rs[0])
	} else {
		g.emit(isa.Mov64Reg.Make(isa.R3, isa.R10, 0, 0), isa.Add64Imm.Make(isa.R3, 0, 0, int32(-8*(3+g.pick(5)))))
	}
	g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, 0))
	g.helperCall(choose(g, "map_update_elem", "map_update_elem", "map_delete_elem"))
}

// record reserves a record of a ring buffer and gives it back.
func (g *gen) record() {
	if g.held > 1 || !g.may("ringbuf_reserve") {
		return
	}
	g.mapLoad(isa.R1, g.mapNamed("ring"))
	n := 1 + g.pick(32)
	g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(n)), isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
	g.helperCall("ringbuf_reserve")
	at := len(g.code)
	checked := !g.careless()
	if checked {
		g.emit(isa.JEq64Imm.Make(0, 0, 0, 0))
	}
	s := g.snap()
	r := g.saved()
	h := held{kind: memory, size: n, where: inRecord}
	g.emit(isa.Mov64Reg.Make(r, 0, 0, 0))
	g.set(r, h)
	g.set(0, h)
	g.access(r, h)
	frozen := g.frozen
	g.frozen |= 1 << r
	g.held++
	if g.one(2) {
		g.block(2)
	}
	g.held--
	g.frozen = frozen
	if !g.careless() {
		g.emit(isa.Mov64Reg.Make(isa.R1, r, 0, 0), isa.Mov64Imm.Make(isa.R2, 0, 0, 0))
		g.helperCall(choose(g, "ringbuf_submit", "ringbuf_discard"))
		g.set(0, held{})
	}
	g.dropRecords()
	if g.careless() {
		g.emit(isa.Ldx8.Make(isa.R4, r, 0, 0))
	}
	if checked {
		g.land(at)
	}
	g.merge(s)
	if g.regs[r].kind != number {
		g.constant(r, 0)
	}
}

// dropRecords forgets pointers to records.
func (g *gen) dropRecords() {
	drop := func(h *held) {
		if h.kind == memory && h.where == inRecord || h.kind == socket {
			*h = held{}
		}
	}
	for i := range g.regs {
		drop(&g.regs[i])
	}
	for i := range g.stk {
		drop(&g.stk[i])
	}
}

// lock takes a lock in a map's value and gives it back.
func (g *gen) lock() {
	if g.held > 0 || !g.may("spin_lock") || !lockTypes[g.p.Type] {
		g.update()
		return
	}
	g.mapLoad(isa.R1, g.mapNamed("locks"))
	g.key(isa.R2, 4)
	g.helperCall("map_lookup_elem")
	done := g.leave(isa.JEq64Imm.Make(0, 0, 0, 0))
	v := choose(g, isa.R7, isa.R8, isa.R9)
	if g.isFrozen(v) {
		done()
		return
	}
	g.emit(isa.Mov64Reg.Make(v, 0, 0, 0), isa.Mov64Reg.Make(isa.R1, 0, 0, 0))
	off := int32(4)
	if g.careless() {
		off = int32(g.pick(12))
	}
	g.emit(isa.Add64Imm.Make(isa.R1, 0, 0, off))
	g.helperCall("spin_lock")
	g.set(0, held{})
	keep := g.frozen
	g.frozen |= 1 << v
	g.set(v, held{})
	g.held++
	for range 1 + g.pick(3) {
		switch g.pick(4) {
		case 0:
			g.emit(isa.St32.Make(v, 0, int16(choose(g, 0, 8, 12)), 7))
		case 1:
			r := g.scratch()
			g.emit(isa.Ldx32.Make(r, v, int16(choose(g, 0, 8, 12)), 0))
			g.set(r, unknown())
		case 2:
			g.alu()
		case 3:
			g.branchNumbers()
		}
	}
	if g.careless() {
		g.helperCall("ktime_get_ns")
	}
	g.held--
	g.frozen = keep
	if !g.careless() {
		g.emit(isa.Mov64Reg.Make(isa.R1, v, 0, 0), isa.Add64Imm.Make(isa.R1, 0, 0, 4))
		g.helperCall("spin_unlock")
		g.set(0, held{})
	}
	g.constant(v, 0)
	done()
}

var lockTypes = map[spec.ProgramType]bool{spec.SchedCLS: true, spec.SchedACT: true, spec.XDP: true, spec.CGroupSKB: true, spec.CGroupSock: true,
	spec.CGroupSockAddr: true, spec.CGroupSockopt: true, spec.SockOps: true, spec.SkSKB: true, spec.SkMsg: true, spec.LWTXmit: true, spec.SkLookup: true}

// branchNumbers is a block of arithmetic that may be jumped over.
func (g *gen) branchNumbers() {
	in := g.compare()
	at := len(g.code)
	g.emit(in)
	s := g.snap()
	for range 1 + g.pick(3) {
		g.alu()
	}
	g.land(at)
	g.merge(s)
}
