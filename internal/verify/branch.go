// Implements conditional jumps: which ways they can go, and what is known afterwards.

package verify

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
)

// comparisons are those of package value by the functions of the table.
var comparisons = map[isa.Fn]value.Cmp{isa.FnEq: value.Eq, isa.FnNe: value.Ne, isa.FnSet: value.Set, isa.FnGt: value.Gt, isa.FnLe: value.Le,
	isa.FnGe: value.Ge, isa.FnLt: value.Lt, isa.FnSGt: value.SGt, isa.FnSLe: value.SLe, isa.FnSGe: value.SGe, isa.FnSLt: value.SLt}

// cmpOf is comparisons as a table, which is faster.
var cmpOf = func() (t [64]value.Cmp) {
	for fn, c := range comparisons {
		t[fn] = c
	}
	return t
}()

// branch walks through a conditional jump. If both ways are possible the jump is kept for later.
func (v *verifier) branch(in *ir.Ins, row *isa.Row) (ir.Index, error) {
	regs := v.cur.regs()
	if err := v.reads(in.Dst); err != nil {
		return 0, err
	}
	dst := &regs[in.Dst]
	imm := constScalar(in.Imm)
	src := &imm
	fromReg := row.From == isa.FromReg
	if fromReg {
		if err := v.reads(in.Src); err != nil {
			return 0, err
		}
		src = &regs[in.Src]
		if !(dst.packetAny() && src.packetAny()) && v.opts.Strict && src.pointer() {
			return 0, v.failReg(PointerCompare, in.Src, "R%d is %s, and comparing it would let it become visible", in.Src, src.describe())
		}
	}
	v.noteStack(dst, src, fromReg)
	c := cmpOf[row.Fn]
	switch answer := v.taken(c, dst, src, row.Width); answer {
	case value.Always, value.Never:
		if dst.kind == Scalar {
			v.precise(in.Dst)
		}
		if fromReg && src.kind == Scalar {
			v.precise(in.Src)
		}
		if answer == value.Always {
			return ir.Index(in.Off), nil
		}
		return v.at + 1, nil
	}
	linked := v.linkedTo(src, dst, fromReg)
	if len(linked) > 1 {
		v.note(0, linked)
	}
	other, err := v.push(ir.Index(in.Off))
	if err != nil {
		return 0, err
	}
	oregs := other.regs()
	odst, osrc := &oregs[in.Dst], &oregs[in.Src]
	if !fromReg {
		copied := imm
		osrc = &copied
	}
	if dst.kind == Scalar && src.kind == Scalar {
		assume(c.Not(), dst, src, row.Width)
		assume(c, odst, osrc, row.Width)
		if fromReg && src.id != 0 {
			v.cur.learn(src, linked)
			other.learn(osrc, linked)
		}
		if dst.id != 0 {
			v.cur.learn(dst, linked)
			other.learn(odst, linked)
		}
		return v.at + 1, nil
	}
	return v.at + 1, v.branchPointers(in, row, c, other, dst, src, fromReg)
}

// noteStack notes in the history that a stack address is compared.
func (v *verifier) noteStack(dst, src *reg, fromReg bool) {
	var a access
	if dst.kind == Stack {
		a |= dstStack
	}
	if fromReg && src.kind == Stack {
		a |= srcStack
	}
	if a != 0 {
		v.note(a, nil)
	}
}

// assume narrows two numbers of which a comparison holds.
func assume(c value.Cmp, a, b *reg, width uint8) {
	value.Assume(c, &a.Scalar, &b.Scalar, width)
	a.Repair()
	b.Repair()
}

// taken reports whether it is known which way a jump goes.
func (v *verifier) taken(c value.Cmp, dst, src *reg, width uint8) value.Answer {
	switch {
	case dst.packetAny() && src.packetAny() && width == 64:
		return packetTaken(c, dst, src)
	case dst.pointer() || src.pointer():
		ptr, num := dst, src
		constant := func(r *reg) bool { return r.kind == Scalar && (r.IsConst() || width == 32 && r.Const32()) }
		if !constant(num) {
			ptr, num, c = num, ptr, c.Swap()
		}
		if !constant(num) || !ptr.nonNull() {
			return value.Maybe
		}
		n := num.Bits.Value
		if width == 32 {
			n = uint64(uint32(n))
		}
		switch {
		case n != 0:
		case c == value.Eq:
			return value.Never
		case c == value.Ne:
			return value.Always
		}
		return value.Maybe
	}
	return value.Compare(c, &dst.Scalar, &src.Scalar, width)
}

// packetTaken decides comparisons of addresses that are known to lie beyond the packet's end.
func packetTaken(c value.Cmp, dst, src *reg) value.Answer {
	pkt := dst
	switch {
	case dst.kind == PacketEnd:
		pkt, c = src, c.Swap()
	case src.kind != PacketEnd:
		return value.Maybe
	}
	if pkt.n >= 0 {
		return value.Maybe
	}
	yes := func(is bool) value.Answer {
		if is {
			return value.Always
		}
		return value.Never
	}
	switch {
	case (c == value.Le || c == value.Gt) && pkt.n == beyondEnd:
		return yes(c == value.Gt)
	case c == value.Lt || c == value.Ge:
		return yes(c == value.Ge)
	}
	return value.Maybe
}

// branchPointers is what a jump tells of addresses: whether they are null, and how far the packet reaches.
func (v *verifier) branchPointers(in *ir.Ins, row *isa.Row, c value.Cmp, other *state, dst, src *reg, fromReg bool) error {
	equal := c == value.Eq || c == value.Ne
	if row.Width == 64 && fromReg && equal && dst.pointer() && src.pointer() && dst.has(orNull) != src.has(orNull) &&
		dst.kind != Object && src.kind != Object {
		same := other
		if c == value.Ne {
			same = v.cur
		}
		r := in.Dst
		if src.has(orNull) {
			r = in.Src
		}
		v.notNull(&same.regs()[r])
	}
	switch {
	case row.Width == 64 && equal && !fromReg && in.Imm == 0 && dst.has(orNull):
		id := dst.id
		v.resolveNull(v.cur, in.Dst, id, c == value.Ne)
		v.resolveNull(other, in.Dst, id, c == value.Eq)
	case row.Width == 64 && fromReg && v.packetRange(in, c, other):
	case v.opts.Strict && dst.pointer():
		return v.failReg(PointerCompare, in.Dst, "R%d is %s, and comparing it would let it become visible", in.Dst, dst.describe())
	}
	return nil
}

// resolveNull makes all pointers with the same identity null or not.
func (v *verifier) resolveNull(s *state, r uint8, id uint32, null bool) {
	if ref := s.regs()[r].ref; ref != 0 && ref == id && null {
		s.release(id)
	}
	s.eachReg(func(r *reg) {
		if !r.has(orNull) || r.id != id {
			return
		}
		if null {
			*r = constScalar(0)
			return
		}
		v.notNull(r)
	})
}

// notNull makes a pointer one that is not zero.
func (v *verifier) notNull(r *reg) {
	r.flags &^= orNull
	lock := false
	if r.kind == MapValue {
		v.innerValue(r)
		lock = r.kind == MapValue && v.hasLock(r.obj)
	}
	if !lock && r.kind != Packet {
		r.id = 0
	}
}

// maxPacketOffset is the greatest offset from the packet's start that is proved.
const maxPacketOffset = 0xffff

// packetRange learns from a comparison with the packet's end how far the packet reaches. It reports whether the
// comparison is one.
func (v *verifier) packetRange(in *ir.Ins, c value.Cmp, other *state) bool {
	dst, src := &v.cur.regs()[in.Dst], &v.cur.regs()[in.Src]
	ends := func(a, b *reg) bool {
		return a.kind == Packet && b.kind == PacketEnd ||
			a.kind == PacketMeta && b.kind == Packet && b.off == 0 && b.IsConst() && b.Bits.Value == 0
	}
	p := in.Dst
	switch {
	case ends(dst, src):
	case ends(src, dst):
		p, c = in.Src, c.Swap()
	default:
		return false
	}
	// Below, p is compared with the end: in which state is p at most the end, and is that without equality?
	inside, beyond := v.cur, other
	var open bool
	switch c {
	case value.Gt: // the jump is taken if p is behind the end
	case value.Ge:
		open = true
	case value.Lt:
		inside, beyond, open = other, v.cur, true
	case value.Le:
		inside, beyond = other, v.cur
	default:
		return false
	}
	reach := inside.regs()[p]
	v.extend(inside, &reach, open)
	if r := &beyond.regs()[p]; r.kind == Packet {
		if r.n = beyondEnd; open {
			r.n = atEnd
		}
	}
	return true
}

// extend notes in all packet pointers of the same origin that the packet reaches to p, and one further if open.
func (v *verifier) extend(s *state, p *reg, open bool) {
	if p.off < 0 || p.off == 0 && open {
		return
	}
	if p.UMax > maxPacketOffset || p.UMax+uint64(p.off) > maxPacketOffset {
		return
	}
	n := p.off
	if open {
		n++
	}
	kind, id := p.kind, p.id
	s.eachReg(func(r *reg) {
		if r.kind == kind && r.id == id {
			r.n = max(r.n, n)
		}
	})
}

// mayGoto walks through a may_goto: the loop may go on, or end.
func (v *verifier) mayGoto(in *ir.Ins) (ir.Index, error) {
	// The checkpoint of this very instruction does not count.
	var before *state
	if p := v.cur.parent; p != nil {
		before = v.earlier(p.parent, v.at)
	}
	on, err := v.push(v.at + 1)
	if err != nil {
		return 0, err
	}
	on.mayGoto++
	if before != nil {
		v.widen(before, on)
	}
	return ir.Index(in.Off), nil
}
