// Implements the units that random programs consist of. Jumps go from unit to unit, never into one.

package enginetest

import (
	"github.com/skepbpf/skep/isa"
)

// units makes n units, with jumps forward among them.
func (f *function) units(n int) {
	type jump struct{ at, to int }
	var jumps []jump
	starts := make([]int, 0, n+1)
	for i := range n {
		starts = append(starts, len(f.code))
		if !f.g.chance(18) {
			f.unit()
			continue
		}
		// A conditional jump, or one that a budget decides, to a later unit.
		if row, ok := f.g.budget(15); ok {
			f.emit(f.g.fill(row, 0, 0, 0)...)
		} else {
			f.condition()
		}
		jumps = append(jumps, jump{len(f.code) - 1, i + 1 + f.g.IntN(min(n-i, 6))})
	}
	starts = append(starts, len(f.code))
	for _, j := range jumps {
		f.land(j.at, starts[j.to])
	}
}

// condition makes a conditional jump on random operands, to be landed.
func (f *function) condition() {
	row, _ := f.g.draw(isa.KindJump)
	f.emit(f.g.fill(row, f.any(), f.any(), 0)...)
}

// land sets where the jump at slot at goes, in the field that its row has for that.
func (f *function) land(at, to int) {
	if row, err := f.g.o.Set.Lookup(f.code, at); err == nil && row.Off.Use == isa.Operand {
		f.code[at].Off = int16(to - at - 1)
	} else {
		f.code[at].Imm = int32(to - at - 1)
	}
}

// unit makes one unit.
func (f *function) unit() {
	g := f.g
	switch n := g.IntN(100); {
	case n < 45:
		f.compute()
	case n < 57:
		f.access(isa.KindLoad, isa.KindLoadAcq)
	case n < 69:
		f.access(isa.KindStore, isa.KindStoreRel)
	case n < 76:
		f.access(isa.KindAtomic)
	case n < 79:
		if row, ok := g.draw(isa.KindLoadImm); ok {
			f.emit(g.fill(row, f.any(), 0, 0)...)
		}
	case n < 84:
		f.choice()
	case n < 89:
		f.loop()
	case n < 93:
		f.callLocal()
	case n < 96:
		f.callHelper()
	default:
		f.packet()
	}
}

// compute makes an instruction from numbers to a number.
func (f *function) compute() {
	kind := isa.KindALU
	if len(f.g.rows[isa.KindExtension]) > 0 && f.g.chance(20) {
		kind = isa.KindExtension
	}
	if row, ok := f.g.draw(kind); ok {
		f.emit(f.g.fill(row, f.any(), f.any(), 0)...)
	}
}

// access makes a load, store or atomic operation in a region, now and then through a copy of its address.
func (f *function) access(kinds ...isa.Kind) {
	g := f.g
	row, ok := g.draw(kinds[0])
	if len(kinds) > 1 && g.chance(30) {
		row, ok = g.draw(kinds[1])
	}
	if !ok {
		return
	}
	in := f.stack
	plain := row.Kind == isa.KindLoad || row.Kind == isa.KindStore
	if f.outer != nil && (plain || f.outer.atomic) && g.chance(50) {
		in = *f.outer
	}
	at := f.offset(&in, row)
	base, value := in.reg, f.any()
	if g.chance(15) {
		// The copy may be the register that is loaded, but a value stored is never an address.
		base = f.any()
		for base == value && row.Writes&isa.RoleDst == 0 || base == isa.R0 && row.Reads&isa.RoleR0 != 0 {
			base = f.any()
			value = f.any()
		}
		shift := int32(g.IntN(64))
		f.emit(isa.Mov64Reg.Make(base, in.reg, 0, 0), isa.Add64Imm.Make(base, 0, 0, int32(at)-shift))
		at = int16(shift)
	}
	if g.o.Kernel && row.Fetch {
		// Verifiers before the fix "bpf: Fix incorrect pruning due to atomic fetch precision tracking" of
		// 2026 skip paths they have not seen, and remove live code, when a fetching operation takes a
		// number out of a stack slot that it was spilled to whole. A byte written on its own makes them
		// forget what they knew about the slot.
		f.emit(isa.St8.Make(base, 0, at, 1+int32(g.IntN(100))))
	}
	if row.Reads&isa.RoleSrc != 0 && row.Reads&isa.RoleDst == 0 || row.Writes&isa.RoleDst != 0 {
		f.emit(g.fill(row, value, base, at)...)
	} else {
		f.emit(g.fill(row, base, value, at)...)
	}
	if base != in.reg && !(base == value && row.Writes&isa.RoleDst != 0) {
		f.renew(base)
	}
}

// choice makes two branches, one of which is taken.
func (f *function) choice() {
	leave, ok := f.g.draw(isa.KindGoto)
	if f.depth > 1 || !ok {
		f.compute()
		return
	}
	f.depth++
	f.condition()
	condition := len(f.code) - 1
	f.units(1 + f.g.IntN(3))
	f.emit(leave.Make(0, 0, 0, 0))
	end := len(f.code) - 1
	f.land(condition, len(f.code))
	f.units(1 + f.g.IntN(3))
	f.land(end, len(f.code))
	f.depth--
}

// loop makes a loop of a few rounds, closed by a condition at its end or by a plain jump back.
func (f *function) loop() {
	g := f.g
	if f.looping || f.depth > 1 {
		f.compute()
		return
	}
	f.looping = true
	f.depth++
	rounds := 1 + g.IntN(5)
	f.emit(isa.Mov64Imm.Make(f.counter, 0, 0, int32(rounds)))
	start := len(f.code)
	back, ok := g.draw(isa.KindGoto)
	var leave []int
	if ok = ok && g.chance(40); ok {
		f.closing(func(v uint64) bool { return v == 0 }, rounds)
		leave = append(leave, len(f.code)-1)
	}
	if row, ok := g.budget(30); ok {
		f.emit(g.fill(row, 0, 0, 0)...)
		leave = append(leave, len(f.code)-1)
	}
	f.units(1 + g.IntN(4))
	f.emit(isa.Add64Imm.Make(f.counter, 0, 0, -1))
	if ok {
		f.emit(back.Make(0, 0, 0, 0))
	} else {
		f.closing(func(v uint64) bool { return v != 0 }, rounds)
	}
	f.land(len(f.code)-1, start)
	for _, at := range leave {
		f.land(at, len(f.code))
	}
	f.depth--
	f.looping = false
}

// closing makes a jump on the loop counter that is taken for just the values from 0 to rounds that want
// picks. Any comparison with an immediate will do, as long as it comes to that.
func (f *function) closing(want func(uint64) bool, rounds int) {
	fits := func(row *isa.Row, imm int32) bool {
		for v := range uint64(rounds + 1) {
			if isa.EvalJump(row, v, uint64(int64(imm))) != want(v) {
				return false
			}
		}
		return true
	}
	for {
		row, _ := f.g.draw(isa.KindJump)
		imm := int32(f.g.IntN(4) - 1)
		if row.From == isa.FromImm && fits(row, imm) {
			f.emit(row.Make(f.counter, 0, 0, imm))
			return
		}
	}
}

// scratch puts numbers back into the registers that a call or a load from the packet spoils.
func (f *function) scratch() {
	for r := isa.R1; r <= isa.R5; r++ {
		f.renew(r)
	}
}

// callLocal calls one of the functions made before.
func (f *function) callLocal() {
	g := f.g
	last := len(g.functions) - 1
	row, ok := g.draw(isa.KindCall)
	if ok && row.Op != isa.CallLocal {
		row, ok = isa.Linux.Row(isa.CallLocal), true
	}
	if !ok || f.index == last {
		f.compute()
		return
	}
	callee := f.index + 1 + g.IntN(last-f.index)
	if g.functions[callee].takesArea() {
		area := f.stack
		if f.outer != nil && f.outer.atomic && f.outer.size >= areaSize && (f.index > 0 || !g.o.Kernel) && g.chance(30) {
			area = *f.outer
		}
		at := 8 * g.IntN((area.size-areaSize)/8+1)
		if area.reg == isa.R10 {
			at -= area.size
		}
		f.emit(isa.Mov64Reg.Make(isa.R1, area.reg, 0, 0), isa.Add64Imm.Make(isa.R1, 0, 0, int32(at)))
	}
	f.calls = append(f.calls, callSite{len(f.code), callee})
	f.emit(row.Make(0, 0, 0, 0))
	f.scratch()
}

// harmless are the helpers that take numbers and return a number.
var harmless = [...]int32{0, 2, 3, 5}

// callHelper calls a helper by its number or through a register.
func (f *function) callHelper() {
	g := f.g
	row, ok := g.draw(isa.KindCall)
	if !ok || row.Op == isa.CallLocal {
		f.compute()
		return
	}
	id := harmless[g.IntN(len(harmless))]
	through := f.any()
	if row.Reads&isa.RoleDst != 0 {
		f.emit(isa.Mov64Imm.Make(through, 0, 0, id))
	}
	f.emit(row.Make(through, 0, 0, id))
	f.scratch()
}

// packet loads from the packet, mostly inside it: a load outside ends the program.
func (f *function) packet() {
	g := f.g
	row, ok := g.draw(isa.KindPacket)
	if !ok || f.index > 0 {
		f.compute()
		return
	}
	size := int(row.Size / 8)
	if g.o.Mem < size {
		return
	}
	at := int32(g.IntN(g.o.Mem - size + 1))
	if g.chance(3) {
		at = int32(g.o.Mem-size) + 1 + int32(g.IntN(size))
	}
	index := f.any()
	if row.From == isa.FromReg {
		part := int32(g.IntN(100)) - 50
		f.emit(isa.LoadImm64(index, uint64(int64(part)))...)
		if g.chance(50) { // what is above 32 bits does not count
			f.code[len(f.code)-1].Imm = int32(g.value())
		}
		at -= part
	}
	f.emit(row.Make(0, index, 0, at))
	f.scratch()
}
