// Implements the statements of generated programs about dynptrs, iterators, sections and limits.

package verify

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func (g *gen) argsFree() bool { return g.frozen&0x3f == 0 }

// at loads an address on the stack.
func (g *gen) at(r isa.Register, off int) {
	g.emit(isa.Mov64Reg.Make(r, isa.R10, 0, 0), isa.Add64Imm.Make(r, 0, 0, int32(off)))
	g.set(r, held{})
}

// dynptr makes a dynptr, uses it, and releases it where it must be.
func (g *gen) dynptr() {
	if !g.argsFree() || g.held > 0 || !g.may("dynptr_read") || g.loops > 1 {
		return
	}
	off := -160 - 16*g.pick(2)
	if g.careless() {
		off += choose(g, 4, 8, 160)
	}
	s := g.snap()
	kind := g.pick(3)
	ring, writable := false, true
	switch c := g.with(context, nil); {
	case kind == 0 && len(c) > 0 && dynptrTypes[g.p.Type] != "":
		g.copyReg(isa.R1, c[0])
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, 0))
		g.at(isa.R3, off)
		g.kfunc(dynptrTypes[g.p.Type])
		writable = false
	case kind == 1:
		g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.code), Map: "data", Value: true, Offset: uint32(g.pick(8))})
		g.emit(isa.LdMapValue.Make(isa.R1, 0, 0, 0), isa.Instruction{}, isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(25))), isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
		g.at(isa.R4, off)
		g.helperCall("dynptr_from_mem")
	default:
		g.mapLoad(isa.R1, g.mapNamed("ring"))
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(64))), isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
		g.at(isa.R4, off)
		g.helperCall("ringbuf_reserve_dynptr")
		ring = true
		g.held++
	}
	for range 1 + g.pick(3) {
		g.useDynptr(off, writable)
	}
	if g.one(3) {
		g.block(2)
	}
	if ring {
		g.held--
		if !g.careless() && g.argsFree() {
			g.at(isa.R1, off)
			g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, 0))
			g.helperCall(choose(g, "ringbuf_submit_dynptr", "ringbuf_discard_dynptr"))
			g.set(0, held{})
		}
	}
	if g.careless() {
		g.useDynptr(off, writable)
	}
	for r := range g.regs {
		if s.regs[r].kind != number && g.regs[r].kind == memory && g.regs[r].where == inRecord {
			g.regs[r] = held{}
		}
	}
}

var dynptrTypes = map[spec.ProgramType]string{spec.SocketFilter: "bpf_dynptr_from_skb", spec.SchedCLS: "bpf_dynptr_from_skb", spec.SchedACT: "bpf_dynptr_from_skb",
	spec.CGroupSKB: "bpf_dynptr_from_skb", spec.LWTIn: "bpf_dynptr_from_skb", spec.LWTXmit: "bpf_dynptr_from_skb", spec.SkSKB: "bpf_dynptr_from_skb", spec.XDP: "bpf_dynptr_from_xdp"}

// useDynptr does something with the dynptr at a place of the stack.
func (g *gen) useDynptr(off int, writable bool) {
	if !g.argsFree() {
		return
	}
	switch k := g.pick(7); k {
	case 0:
		g.at(isa.R1, -128)
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(16))))
		g.at(isa.R3, off)
		g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, int32(g.pick(4))), isa.Mov64Imm.Make(isa.R5, 0, 0, 0))
		g.helperCall("dynptr_read")
	case 1:
		g.emit(isa.St64.Make(isa.R10, 0, -128, 1))
		g.at(isa.R1, off)
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(4))))
		g.at(isa.R3, -128)
		g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, int32(g.pick(9))), isa.Mov64Imm.Make(isa.R5, 0, 0, 0))
		g.helperCall("dynptr_write")
		if !writable {
			g.dropPacket()
		}
	case 2:
		if !writable && !g.careless() {
			return
		}
		n := 1 + g.pick(16)
		g.at(isa.R1, off)
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(4))), isa.Mov64Imm.Make(isa.R3, 0, 0, int32(n)))
		g.helperCall("dynptr_data")
		h := held{size: n, where: inRecord}
		v, done := g.nullCheck(h)
		h.kind = memory
		g.access(v, h)
		g.dropRecords()
		done()
	case 3:
		n := 1 + g.pick(16)
		ro := g.one(2)
		name := "bpf_dynptr_slice_rdwr"
		if ro {
			name = "bpf_dynptr_slice"
		}
		g.at(isa.R1, off)
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(4))))
		if g.one(2) {
			g.emit(isa.Mov64Imm.Make(isa.R3, 0, 0, 0))
		} else {
			g.at(isa.R3, -128)
		}
		g.emit(isa.Mov64Imm.Make(isa.R4, 0, 0, int32(n)))
		g.kfunc(name)
		h := held{size: n, where: inRecord, readOnly: ro}
		v, done := g.nullCheck(h)
		h.kind = memory
		g.access(v, h)
		g.dropRecords()
		done()
	case 4:
		g.at(isa.R1, off)
		g.kfunc(choose(g, "bpf_dynptr_size", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly"))
	case 5:
		g.at(isa.R1, off)
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, 1), isa.Mov64Imm.Make(isa.R3, 0, 0, int32(2+g.pick(6))))
		g.kfunc("bpf_dynptr_adjust")
	case 6:
		g.at(isa.R1, off)
		g.at(isa.R2, -208)
		g.kfunc("bpf_dynptr_clone")
		if g.one(2) {
			g.at(isa.R1, -208)
			g.kfunc("bpf_dynptr_size")
		}
	}
}

// iterator is a loop over numbers or bits.
func (g *gen) iterator() {
	if !g.argsFree() || g.loops > 1 || g.held > 1 {
		return
	}
	name, off := "bpf_iter_num", -216-8*g.loops
	if g.one(3) {
		name, off = "bpf_iter_bits", -248-16*g.loops
	}
	g.at(isa.R1, off)
	if name == "bpf_iter_num" {
		g.emit(isa.Mov64Imm.Make(isa.R2, 0, 0, int32(g.pick(3))))
		g.set(isa.R2, held{})
		if g.one(2) {
			g.copyReg(isa.R3, g.num())
		} else {
			g.constant(isa.R3, int32(3+g.pick(1000)))
		}
	} else {
		g.at(isa.R2, -8*(9+g.pick(4)))
		g.emit(isa.St64.Make(isa.R10, 0, -104, 5), isa.Mov64Imm.Make(isa.R3, 0, 0, int32(1+g.pick(2))))
	}
	g.kfunc(name + "_new")
	if g.careless() {
		return
	}
	g.held++
	g.round(func() {
		top := len(g.code)
		for r := isa.R0; r <= isa.R5; r++ {
			g.set(r, held{})
		}
		g.at(isa.R1, off)
		g.kfunc(name + "_next")
		at := len(g.code)
		s := g.snap()
		g.emit(isa.JEq64Imm.Make(0, 0, 0, 0))
		g.set(0, held{kind: memory, size: 4, where: inRecord, readOnly: true})
		r := g.saved()
		if r != 0 {
			g.emit(isa.Ldx32.Make(r, 0, 0, 0))
			g.set(r, unknown())
		}
		g.block(1 + g.pick(3))
		g.dropRecords()
		for r := isa.R6; r < isa.R10; r++ {
			if s.regs[r].kind == number && !g.isNumber(r) && !g.careless() {
				g.constant(r, g.imm())
			}
		}
		if g.one(4) { // leave it early
			r := g.num()
			g.emit(choose(g, jumpRows...).Make(r, g.num(), 1, g.imm()))
			g.emit(isa.Goto.Make(0, 0, int16(top-len(g.code)-1), 0))
		} else {
			g.emit(isa.Goto.Make(0, 0, int16(top-len(g.code)-1), 0))
		}
		g.land(at)
		g.merge(s)
		g.dropRecords()
	})
	g.held--
	if !g.careless() {
		for r := isa.R0; r <= isa.R5; r++ {
			g.set(r, held{})
		}
		g.at(isa.R1, off)
		g.kfunc(name + "_destroy")
		g.set(0, held{})
	}
}

// section is a part of the program in which it must not sleep or be moved.
func (g *gen) section() {
	if !g.argsFree() || g.held > 0 {
		return
	}
	names := choose(g, [2]string{"bpf_rcu_read_lock", "bpf_rcu_read_unlock"}, [2]string{"bpf_preempt_disable", "bpf_preempt_enable"})
	g.kfunc(names[0])
	g.set(0, held{})
	g.held++
	g.block(1 + g.pick(3))
	g.held--
	if !g.careless() && g.argsFree() {
		g.kfunc(names[1])
		g.set(0, held{})
	}
}

// deep uses much of the stack, and calls a function that does so too.
func (g *gen) deep() {
	n := 8 * (1 + g.pick(34))
	if g.one(3) {
		n = choose(g, 512, 504, 256, 248, 240, 480, 128)
	}
	g.emit(isa.St64.Make(isa.R10, 0, int16(-n), g.imm()))
	if g.one(2) {
		g.local()
	}
}

// ladder is many jumps in a row, or numbers that differ on all paths.
func (g *gen) ladder() {
	r, s := g.saved(), g.num()
	if r == s || g.isFrozen(r) || s > 9 {
		return
	}
	g.constant(r, 0)
	n := 2 + g.pick(9)
	if g.one(30) {
		n = 40
	}
	for i := range n {
		g.emit(isa.JSet64Imm.Make(s, 0, 1, 1<<(i%31)))
		g.emit(choose(g, isa.Add64Imm, isa.Or64Imm, isa.Xor64Imm).Make(r, 0, 0, int32(1<<g.pick(10))))
	}
	g.set(r, unknown())
	if g.one(2) { // it matters
		g.emit(isa.And64Imm.Make(r, 0, 0, 31))
		g.set(r, held{kind: number, max: 31})
		g.reach()
	}
}
