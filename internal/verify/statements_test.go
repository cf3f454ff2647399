// Implements the statements of generated programs that need no memory but the stack and the context.

package verify

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
)

var (
	aluRows, jumpRows []*isa.Row
	byKind            = map[isa.Kind][]*isa.Row{}
)

func init() {
	for _, r := range isa.Linux.Rows() {
		byKind[r.Kind] = append(byKind[r.Kind], r)
		switch r.Kind {
		case isa.KindALU:
			aluRows = append(aluRows, r)
		case isa.KindJump:
			jumpRows = append(jumpRows, r)
		}
	}
}

// accessOps are the instructions that access memory of a size.
type accessOps struct {
	n               int
	ld, sx, st, stx isa.Op
}

var sizes = []accessOps{{1, isa.Ldx8, isa.LdxS8, isa.St8, isa.Stx8}, {2, isa.Ldx16, isa.LdxS16, isa.St16, isa.Stx16},
	{4, isa.Ldx32, isa.LdxS32, isa.St32, isa.Stx32}, {8, isa.Ldx64, isa.Ldx64, isa.St64, isa.Stx64}}

func sizeOf(n int) accessOps { return sizes[map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[n]] }

// alu is any row of arithmetic.
func (g *gen) alu() {
	r := choose(g, aluRows...)
	imm := g.imm()
	if r.From == isa.FromImm && !g.careless() {
		switch r.Fn {
		case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
			if imm == 0 {
				imm = 3
			}
		case isa.FnLsh, isa.FnRsh, isa.FnArsh:
			imm = int32(uint32(imm) % uint32(r.Width))
		}
	}
	dst, src := isa.R0, g.num()
	if r.Reads&isa.RoleDst == 0 {
		dst = g.scratch()
	} else {
		dst = g.change()
	}
	g.emit(r.Make(dst, src, 0, imm))
	h := unknown()
	switch {
	case r.Fn == isa.FnAnd && r.From == isa.FromImm && imm >= 0:
		h.max = int(imm)
	case r.Fn == isa.FnMod && r.From == isa.FromImm && imm > 0:
		h.max = int(imm) - 1
	}
	g.set(dst, h)
}

// link makes copies of a number, some with a constant added, and compares one.
func (g *gen) link() {
	a := g.num()
	for range 1 + g.pick(3) {
		b := g.scratch()
		switch g.pick(6) {
		case 0:
			g.emit(isa.Mov32Reg.Make(b, a, 0, 0))
			g.set(b, unknown())
		case 1:
			g.copyReg(b, a)
			if b != a {
				g.emit(isa.Add64Imm.Make(b, 0, 0, g.imm()))
				g.set(b, unknown())
			}
		case 2:
			n := g.pick(4)
			g.spill(n, a)
			g.fill(b, n)
		default:
			g.copyReg(b, a)
		}
		if g.one(2) && g.regs[b].kind == number {
			a = b
		}
	}
	if g.one(2) {
		g.branch()
	} else if g.regs[a].kind == number {
		defer g.leave(choose(g, jumpRows...).Make(a, g.num(), 0, g.imm()))()
		g.block(2)
	}
}

// bounded returns a register with a number from 0 to at most a limit.
func (g *gen) bounded(limit int) isa.Register {
	if g.careless() {
		return g.num()
	}
	limit = max(limit, 0)
	if rs := g.with(number, func(h *held) bool { return h.max >= 0 && h.max <= limit }); len(rs) > 0 && g.one(2) {
		return choose(g, rs...)
	}
	r := g.scratch()
	a := g.num()
	if g.one(2) {
		g.fresh(r)
	} else if a != r {
		g.copyReg(r, a)
	}
	if !g.isNumber(r) {
		g.constant(r, g.imm())
	}
	other := isa.R10
	if g.one(3) { // what is compared is a copy
		if other = g.scratch(); other != r {
			g.copyReg(other, r)
		} else {
			other = isa.R10
		}
	}
	c := r
	if other != isa.R10 {
		c = other
	}
	lim := int32(limit)
	way := g.pick(7)
	if g.held > 0 {
		way = 0
	}
	switch way {
	case 0, 1:
		mask := int32(1)
		for mask*2+1 <= lim {
			mask = mask*2 + 1
		}
		if lim == 0 {
			mask = 0
		}
		g.emit(choose(g, isa.And64Imm, isa.And32Imm).Make(r, 0, 0, mask))
	case 2:
		g.emit(isa.Mod64Imm.Make(r, 0, 0, lim+1))
		g.must(isa.JGt64Imm.Make(r, 0, 0, lim))
	case 3:
		g.must(isa.JGt64Imm.Make(c, 0, 0, lim))
	case 4:
		g.must(isa.JGe64Imm.Make(c, 0, 0, lim+1))
	case 5:
		g.must(isa.JSGt64Imm.Make(c, 0, 0, lim))
		g.must(isa.JSLt64Imm.Make(c, 0, 0, 0))
	case 6:
		g.emit(isa.Mov32Reg.Make(r, r, 0, 0))
		g.must(isa.JGt32Imm.Make(r, 0, 0, lim))
	}
	g.set(r, held{kind: number, max: limit})
	return r
}

func (g *gen) isNumber(r isa.Register) bool { return g.regs[r].kind == number }

// spill saves a register in a slot of the stack, fill gets it back.
func (g *gen) spill(n int, r isa.Register) {
	g.emit(isa.Stx64.Make(isa.R10, r, int16(-8*(n+1)), 0))
	g.stk[n] = g.regs[r]
}

func (g *gen) fill(r isa.Register, n int) {
	g.emit(isa.Ldx64.Make(r, isa.R10, int16(-8*(n+1)), 0))
	g.set(r, g.stk[n])
}

// stack loads or stores in the stack.
func (g *gen) stack() {
	s := choose(g, sizes...)
	off := -s.n * (1 + g.pick(64/s.n))
	if g.careless() {
		off = g.pick(600) - 560
	}
	n := (-off - 1) / 8
	if off >= 0 || n >= len(g.stk) {
		g.emit(s.ld.Make(g.scratch(), isa.R10, int16(off), 0))
		return
	}
	readable := g.stk[n].kind == number || g.stk[n].kind == nothing && !g.strict
	ours := g.loops == 0 || g.stk[n].kind == number || g.stk[n].kind == nothing
	switch k := g.pick(6); {
	case k < 2 && readable || g.careless():
		r := g.scratch()
		g.emit(choose(g, s.ld, s.sx).Make(r, isa.R10, int16(off), 0))
		g.set(r, unknown())
	case k == 2 && ours:
		g.emit(s.st.Make(isa.R10, 0, int16(off), g.imm()))
		g.stk[n] = g.afterStore(n, s.n)
	case k == 3 && ours:
		g.emit(s.stx.Make(isa.R10, g.num(), int16(off), 0))
		g.stk[n] = g.afterStore(n, s.n)
	case k == 4 && ours: // save anything that is there
		if r := isa.Register(g.pick(10)); g.regs[r].kind != nothing {
			g.spill(n, r)
		}
	case k == 5 && g.stk[n].kind != nothing:
		g.fill(g.scratch(), n)
	}
}

// afterStore is what a slot holds of which some bytes were overwritten.
func (g *gen) afterStore(n, size int) held {
	if size == 8 || g.stk[n].kind == number {
		return unknown()
	}
	return held{}
}

// variable is an access to the stack at an offset that is not constant.
func (g *gen) variable() {
	if g.strict && !g.careless() {
		return
	}
	lo, hi := -128, -96
	if g.one(3) {
		lo, hi = -64, 0
		if !g.plainStack() {
			return
		}
	}
	for off := lo; off < hi && g.one(2); off += 8 {
		g.emit(isa.St64.Make(isa.R10, 0, int16(off), int32(g.pick(2))))
		if n := (-off - 1) / 8; n < len(g.stk) {
			g.stk[n] = unknown()
		}
	}
	s := choose(g, sizes...)
	r := g.bounded(hi - lo - s.n)
	p := g.other(r)
	if s.n > 1 {
		if g.isFrozen(r) {
			return
		}
		g.emit(isa.And64Imm.Make(r, 0, 0, int32(-s.n)))
	}
	if p == r {
		return
	}
	if g.one(3) && g.inside == nil {
		g.emit(isa.Mov64Reg.Make(p, r, 0, 0), isa.Add64Reg.Make(p, isa.R10, 0, 0))
	} else {
		g.emit(isa.Mov64Reg.Make(p, isa.R10, 0, 0), isa.Add64Reg.Make(p, r, 0, 0))
	}
	if g.one(3) {
		g.emit(isa.Add64Imm.Make(p, 0, 0, int32(lo)))
		lo = 0
	}
	g.set(p, held{})
	switch g.pick(3) {
	case 0:
		d := g.scratch()
		g.emit(s.ld.Make(d, p, int16(lo), 0))
		g.set(d, unknown())
	case 1:
		g.emit(s.st.Make(p, 0, int16(lo), choose(g, 0, g.imm())))
	case 2:
		g.emit(s.stx.Make(p, g.num(), int16(lo), 0))
	}
}

// plainStack reports whether no addresses are saved.
func (g *gen) plainStack() bool {
	for _, h := range g.stk {
		if h.kind > number {
			return false
		}
	}
	return true
}

// field is a field of the context that may be read, or written, as a number.
func (g *gen) field(write bool) (progtype.Field, bool) {
	l := g.typ.Layout()
	for range 20 {
		f := choose(g, l.Fields...)
		a := f.Read
		if write {
			a = f.Write
		}
		if a.Sizes != 0 && a.Attach.Has(g.attach) && f.Value == progtype.Scalar {
			return f, true
		}
	}
	return progtype.Field{}, false
}

func (g *gen) fieldSize(f progtype.Field, write bool) int {
	a := f.Read
	if write {
		a = f.Write
	}
	for range 20 {
		if n := choose(g, 1, 2, 4, 8); a.Sizes&progtype.Sizes(n) != 0 && n <= f.Size && f.Off%n == 0 {
			return n
		}
	}
	return 4
}

// context reads or writes a field.
func (g *gen) context() {
	c := g.with(context, nil)
	l := g.typ.Layout()
	if len(c) == 0 || l == nil {
		return
	}
	write := g.one(4)
	f, ok := g.field(write)
	if !ok {
		return
	}
	if g.careless() {
		f = choose(g, l.Fields...)
	}
	n := g.fieldSize(f, write)
	if g.careless() {
		n = choose(g, 1, 2, 4, 8)
	}
	off := f.Off
	if f.Size > n && g.one(2) {
		off += n * g.pick(f.Size/n)
	}
	if g.careless() {
		off += g.pick(9) - 4
	}
	off = min(off, 1<<15-1)
	s := sizeOf(n)
	switch {
	case write && g.one(3) && !g.careless():
		g.emit(s.st.Make(c[0], 0, int16(off), g.imm()))
	case write:
		g.emit(s.stx.Make(c[0], g.num(), int16(off), 0))
	default:
		r := g.scratch()
		g.emit(s.ld.Make(r, c[0], int16(off), 0))
		g.set(r, unknown())
	}
}

// compare is a conditional jump between numbers, most of them to something that may be.
func (g *gen) compare() isa.Instruction {
	r := choose(g, jumpRows...)
	return r.Make(g.num(), g.num(), 0, g.imm())
}

// branch is a block that may be jumped over, perhaps with another in its place.
func (g *gen) branch() {
	in := g.compare()
	at := len(g.code)
	g.emit(in)
	before := g.snap()
	g.block(1 + g.pick(4))
	if !g.one(4) {
		g.land(at)
		g.merge(before)
		return
	}
	g.code[at].Off = int16(len(g.code) - at)
	end := len(g.code)
	g.emit(isa.Goto.Make(0, 0, 0, 0))
	after := g.snap()
	g.restore(before)
	g.block(1 + g.pick(4))
	g.land(end)
	g.merge(after)
}

// round emits the body of a loop: what it needs stays as it is.
func (g *gen) round(body func()) {
	before, frozen := g.snap(), g.frozen
	for r := range g.regs {
		switch g.regs[r].kind {
		case nothing:
		case number:
			g.regs[r].max = -1
		default:
			g.frozen |= 1 << r
		}
	}
	for n := range g.stk {
		if g.stk[n].kind == number {
			g.stk[n].max = -1
		} else {
			g.stk[n] = held{}
		}
	}
	g.loops++
	body()
	g.loops--
	for r := isa.R0; r < isa.R10; r++ {
		if before.regs[r].kind == number && !g.isNumber(r) && !g.careless() {
			g.constant(r, g.imm())
		}
	}
	g.frozen = frozen
	for n := range g.stk {
		if before.stk[n].kind > number {
			g.stk[n] = held{}
		}
	}
}

// loop counts.
func (g *gen) loop() {
	if g.loops >= 2 {
		return
	}
	r := g.saved()
	n := int32(1 + g.pick(10>>g.loops))
	if g.one(8) {
		n *= 7
	}
	down := g.one(3)
	start := int32(0)
	if down {
		start = n
	}
	g.constant(r, start)
	g.frozen |= 1 << r
	top := len(g.code)
	g.round(func() {
		top = len(g.code)
		g.block(1 + g.pick(3))
		if g.careless() { // the counter may be lost
			g.emit(isa.Mov64Reg.Make(r, g.num(), 0, 0))
		}
		back := func() int16 { return int16(top - len(g.code) - 1) }
		if down {
			g.emit(choose(g, isa.Add64Imm, isa.Add32Imm).Make(r, 0, 0, -1))
			g.emit(choose(g, isa.JNe64Imm, isa.JSGt64Imm, isa.JGt64Imm, isa.JNe32Imm).Make(r, 0, back(), 0))
			return
		}
		step := int32(1 + g.pick(2))
		g.emit(choose(g, isa.Add64Imm, isa.Add32Imm).Make(r, 0, 0, step))
		if step == 1 {
			g.emit(choose(g, isa.JLt64Imm, isa.JSLt64Imm, isa.JNe64Imm, isa.JLt32Imm, isa.JLe64Imm).Make(r, 0, back(), n))
			return
		}
		g.emit(choose(g, isa.JLt64Imm, isa.JSLt64Imm, isa.JLt32Imm, isa.JLe64Imm).Make(r, 0, back(), n))
	})
	g.frozen &^= 1 << r
	g.set(r, unknown())
}

// mayGoto is a loop that ends by itself some day.
func (g *gen) mayGoto() {
	if g.loops >= 2 {
		return
	}
	g.round(func() {
		top := len(g.code)
		g.emit(isa.MayGoto.Make(0, 0, 0, 0))
		s := g.snap()
		g.block(1 + g.pick(3))
		for r := isa.R0; r < isa.R10; r++ {
			if s.regs[r].kind == number && !g.isNumber(r) && !g.careless() {
				g.constant(r, g.imm())
			}
		}
		if g.one(3) {
			g.emit(choose(g, jumpRows...).Make(g.num(), g.num(), int16(top-len(g.code)-1), g.imm()))
		} else {
			g.emit(isa.Goto.Make(0, 0, int16(top-len(g.code)-1), 0))
		}
		g.land(top)
		g.merge(s)
	})
}

// atomic is an atomic operation on the stack.
func (g *gen) atomic() {
	r := choose(g, byKind[isa.KindAtomic]...)
	n := int(r.Size / 8)
	off := -n * (1 + g.pick(64/n))
	k := (-off - 1) / 8
	if g.stk[k].kind != number && !g.careless() {
		if g.stk[k].kind != nothing && g.loops > 0 {
			return
		}
		g.emit(isa.St64.Make(isa.R10, 0, int16(-8*(k+1)), g.imm()))
	}
	src := g.change()
	if r.Fn == isa.FnCmpxchg && !g.isNumber(0) {
		if g.isFrozen(0) {
			return
		}
		g.constant(0, g.imm())
	}
	g.emit(r.Make(isa.R10, src, int16(off), 0))
	g.set(src, unknown())
	if r.Fn == isa.FnCmpxchg {
		g.set(0, unknown())
	}
	g.stk[k] = unknown()
}

// row is any instruction of the table, with operands as they come.
func (g *gen) row() {
	rows := isa.Linux.Rows()
	r := rows[g.pick(len(rows))]
	if r.Slots > 1 || r.Kind == isa.KindCall || r.Kind == isa.KindExit {
		return
	}
	dst, src := g.num(), g.num()
	off := int16(0)
	switch r.Kind {
	case isa.KindJump, isa.KindGoto, isa.KindMayGoto:
		off = int16(g.pick(3))
	case isa.KindPacket:
		if g.one(2) {
			return
		}
		src = g.num()
	case isa.KindLoad, isa.KindLoadAcq:
		src, off = isa.R10, int16(-8*(9+g.pick(4)))
	case isa.KindStore, isa.KindStoreRel, isa.KindAtomic:
		dst, off = isa.R10, int16(-8*(9+g.pick(4)))
	}
	g.emit(r.Make(dst, src, off, g.imm()&0x1f|1))
	if r.Kind == isa.KindPacket {
		g.called()
		g.set(0, unknown())
		return
	}
	if r.Writes&isa.RoleDst != 0 && dst < 10 {
		g.set(dst, unknown())
	}
	if off > 0 { // what is jumped over does no harm
		for range off {
			g.emit(isa.Mov64Imm.Make(g.change(), 0, 0, g.imm()))
		}
	}
}
