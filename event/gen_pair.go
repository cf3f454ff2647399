// Implements the code of values of two words: addresses of IP, and times of seconds and nanoseconds.

package event

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// mapped is the lower half of ::ffff:0.0.0.0, which addresses of version 4 have.
const mapped = 0xffff << 32

// pair returns registers with the halves of a value, held: of an address as a number of version 6; of a time its
// seconds and nanoseconds.
func (g *gen) pair(n *node, e emit.Label) (hi, lo reg) {
	kh, kl := key{high, n.field}, key{low, n.field}
	if h, ok := g.cached(kh); ok {
		if l, ok := g.cached(kl); ok {
			return h, l
		}
		g.release(h)
	}
	f := &g.s.Fields[n.field]
	switch {
	case f.Form == goText || f.Form == Span:
		hi, lo = g.addrText(f, e)
	case f.Form == goTime:
		hi, lo = g.goTime(f, e)
	default:
		base := g.base(f, e)
		hi, lo = g.alloc(), g.alloc()
		switch {
		case f.Kind == IP && f.Form == InPlace && f.Size == 4:
			g.op(isa.Ldx32, lo, base, f.Offset, 0)
			g.v4(hi, lo)
		case f.Form == goAddr:
			g.op(isa.Ldx64, lo, base, f.Offset+16, 0)
			g.ifConst(emit.Eq, lo, 0, e) // not an address
			g.op(isa.Ldx64, hi, base, f.Offset, 0)
			g.op(isa.Ldx64, lo, base, f.Offset+8, 0)
		default:
			g.op(isa.Ldx64, hi, base, f.Offset, 0)
			g.op(isa.Ldx64, lo, base, f.Offset+8, 0)
			if f.Kind == IP {
				g.op(isa.BE64, hi, 0, 0, 0)
				g.op(isa.BE64, lo, 0, 0, 0)
			}
		}
		g.release(base)
	}
	return g.keep(hi, kh), g.keep(lo, kl)
}

// v4 makes the 4 bytes in lo, as they were loaded, an address.
func (g *gen) v4(hi, lo reg) {
	g.op(isa.BE32, lo, 0, 0, 0)
	g.constant(hi, mapped)
	g.op(isa.Or64Reg, lo, hi, 0, 0)
	g.constant(hi, 0)
}

// addrText is for addresses that are 4 or 16 bytes.
func (g *gen) addrText(f *Field, e emit.Label) (hi, lo reg) {
	t := g.text(f, e)
	hi, lo = g.alloc(), g.alloc()
	long, done := g.c.Label(), g.c.Label()
	g.ifConst(emit.Eq, t.size, 16, long)
	g.ifConst(emit.Ne, t.size, 4, e)
	g.op(isa.Ldx32, lo, t.at, t.off, 0)
	g.v4(hi, lo)
	g.goTo(done)
	g.bind(long)
	g.op(isa.Ldx64, hi, t.at, t.off, 0)
	g.op(isa.Ldx64, lo, t.at, t.off+8, 0)
	g.op(isa.BE64, hi, 0, 0, 0)
	g.op(isa.BE64, lo, 0, 0, 0)
	g.bind(done)
	g.drop(t)
	return hi, lo
}

// A time.Time has, in its first word, nanoseconds in 30 bits and above these 33 bits of seconds since 1885 if its top
// bit is set, else its second word has the seconds since year 1.
const (
	secondsFrom1  = -62135596800
	secondsFrom85 = -2682288000 // of 1885, since 1970
)

func (g *gen) goTime(f *Field, e emit.Label) (sec, nsec reg) {
	base := g.base(f, e)
	sec, nsec = g.alloc(), g.alloc()
	wide, done := g.c.Label(), g.c.Label()
	g.op(isa.Ldx64, nsec, base, f.Offset, 0)
	g.op(isa.Ldx64, sec, base, f.Offset+8, 0)
	t := g.alloc()
	g.ifConst(emit.SLt, nsec, 0, wide)
	g.addConst(sec, t, secondsFrom1)
	g.goTo(done)
	g.bind(wide)
	g.op(isa.Mov64Reg, sec, nsec, 0, 0)
	g.op(isa.Lsh64Imm, sec, 0, 0, 1)
	g.op(isa.Rsh64Imm, sec, 0, 0, 31)
	g.addConst(sec, t, secondsFrom85)
	g.bind(done)
	g.op(isa.And64Imm, nsec, 0, 0, 1<<30-1)
	g.release(t, base)
	return sec, nsec
}

func (g *gen) addConst(r, spare reg, v int64) {
	g.constant(spare, uint64(v))
	g.op(isa.Add64Reg, r, spare, 0, 0)
}

// comparePair compares two values of two words.
func (g *gen) comparePair(n *node, w ways) {
	x, y := n.args[0], n.args[1]
	if y.op == opConst && x.kind == IP {
		bits := y.val.a.BitLen()
		if !y.val.a.IsValid() {
			g.err = fail(n, "a comparison with an address that is not valid")
			return
		}
		t, f := w.t, w.f
		if n.cmp == NotEqual {
			t, f = f, t
		}
		one := *n
		one.nets, one.args = []netip.Prefix{netip.PrefixFrom(y.val.a, bits)}, n.args[:1]
		g.net(&one, ways{t, f, w.e, w.fall})
		return
	}
	ah, al := g.pair(x, w.e)
	same := g.c.Label()
	if y.op == opConst {
		g.ifConst(emit.Eq, ah, uint64(y.val.t.Unix()), same)
		g.ordering(n.cmp, w, func(l emit.Label) { g.ifConst(emit.SLt, ah, uint64(y.val.t.Unix()), l) })
		g.bind(same)
		g.choose(conds[0][n.cmp], al, uint64(y.val.t.Nanosecond()), w.t, w.f, w.fall)
		g.release(ah, al)
		return
	}
	if y.op != opField || x.kind == Time && g.plainTime(y) {
		g.err = fail(n, "times in two forms are compared, and neither is a constant")
		return
	}
	bh, bl := g.pair(y, w.e)
	g.ifReg(emit.Eq, ah, bh, same)
	g.ordering(n.cmp, w, func(l emit.Label) { g.ifReg(emit.SLt, ah, bh, l) })
	g.bind(same)
	g.chooseReg(conds[0][n.cmp], al, bl, w.t, w.f, w.fall)
	g.release(ah, al, bh, bl)
}

// ordering goes where a comparison leads of two values that differ in the upper half; less jumps if the first is less.
func (g *gen) ordering(cmp Comparison, w ways, less func(emit.Label)) {
	t, f := w.t, w.f
	if cmp == Greater || cmp == GreaterEqual || cmp == Equal {
		t, f = f, t
	}
	if cmp > NotEqual {
		less(t)
		t = f
	}
	g.goTo(t)
}

// net looks for an address in networks.
func (g *gen) net(n *node, w ways) {
	x := n.args[0]
	if x.op != opField {
		g.err = fail(n, "an address that is no field")
		return
	}
	if f := &g.s.Fields[x.field]; f.Form == InPlace && f.Size == 4 {
		g.net4(n, w)
		return
	}
	upper, lower := netRanges(n.nets)
	hi, lo := g.pair(x, w.e)
	var cases []emit.Case
	exact := map[uint64]emit.Label{}
	for _, h := range sortedKeys(lower) {
		l := g.c.Label()
		exact[h] = l
		cases = append(cases, emit.Case{Lo: h, Hi: h, To: l})
	}
	for _, r := range upper {
		cases = append(cases, emit.Case{Lo: r[0], Hi: r[1], To: w.t})
	}
	g.search(hi, cases, w.f)
	for _, h := range sortedKeys(lower) {
		var inner []emit.Case
		for _, r := range lower[h] {
			inner = append(inner, emit.Case{Lo: r[0], Hi: r[1], To: w.t})
		}
		g.bind(exact[h])
		g.search(lo, inner, w.f)
	}
	g.release(hi, lo)
}

func sortedKeys[V any](m map[uint64]V) (out []uint64) {
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// net4 is for addresses of 4 bytes.
func (g *gen) net4(n *node, w ways) {
	var ranges [][2]uint64
	for _, p := range n.nets {
		if a := p.Addr(); a.Is4() {
			b := a.As4()
			at := uint64(binary.BigEndian.Uint32(b[:]))
			ranges = append(ranges, [2]uint64{at, at | 1<<(32-p.Bits()) - 1})
		}
	}
	k := key{number, n.args[0].field}
	r, ok := g.cached(k)
	if !ok {
		f := &g.s.Fields[n.args[0].field]
		base := g.base(f, w.e)
		r = g.alloc()
		g.op(isa.Ldx32, r, base, f.Offset, 0)
		g.op(isa.BE32, r, 0, 0, 0)
		g.release(base)
		g.keep(r, k)
	}
	var cases []emit.Case
	for _, r := range merge(ranges) {
		cases = append(cases, emit.Case{Lo: r[0], Hi: r[1], To: w.t})
	}
	g.search(r, cases, w.f)
	g.release(r)
}

// netRanges turns networks into ranges of the upper half of an address, and of the lower half for some upper ones,
// which the first ranges do not have.
func netRanges(nets []netip.Prefix) (upper [][2]uint64, lower map[uint64][][2]uint64) {
	lower = map[uint64][][2]uint64{}
	for _, p := range nets {
		b := p.Addr().As16()
		h, l := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
		bits := p.Bits()
		if p.Addr().Is4() {
			bits += 96
		}
		if bits > 64 {
			top := l | (1<<(128-bits) - 1)
			lower[h] = append(lower[h], without4(h, l, top, p.Addr().Is4())...)
			continue
		}
		top := h | (1<<(64-bits) - 1)
		if bits == 0 {
			top = ^uint64(0)
		}
		if h == 0 {
			lower[0] = append(lower[0], without4(0, 0, ^uint64(0), false)...)
			if h = 1; top == 0 {
				continue
			}
		}
		upper = append(upper, [2]uint64{h, top})
	}
	upper = merge(upper)
	for h := range lower {
		if slices.ContainsFunc(upper, func(r [2]uint64) bool { return r[0] <= h && h <= r[1] }) {
			delete(lower, h)
			continue
		}
		lower[h] = merge(lower[h])
	}
	return upper, lower
}

// without4 leaves out the addresses of version 4, which no network of version 6 has.
func without4(h, from, to uint64, v4 bool) [][2]uint64 {
	const last = mapped | 0xffffffff
	if v4 || h != 0 || to < mapped || from > last {
		return [][2]uint64{{from, to}}
	}
	var out [][2]uint64
	if from < mapped {
		out = append(out, [2]uint64{from, mapped - 1})
	}
	if to > last {
		out = append(out, [2]uint64{last + 1, to})
	}
	return out
}

// merge joins ranges that overlap or touch.
func merge(ranges [][2]uint64) [][2]uint64 {
	slices.SortFunc(ranges, func(a, b [2]uint64) int {
		switch {
		case a[0] < b[0]:
			return -1
		case a[0] > b[0]:
			return 1
		}
		return 0
	})
	var out [][2]uint64
	for _, r := range ranges {
		if n := len(out) - 1; n >= 0 && (r[0] <= out[n][1] || r[0] == out[n][1]+1) {
			out[n][1] = max(out[n][1], r[1])
			continue
		}
		out = append(out, r)
	}
	return out
}
