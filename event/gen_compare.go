// Implements the code of comparisons of numbers, and of looking for a number in a list.

package event

import (
	"math"
	"math/big"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// compare writes a comparison.
func (g *gen) compare(n *node, w ways) {
	x, y := n.args[0], n.args[1]
	switch {
	case x.kind.text():
		g.compareText(n, w)
	case x.kind == IP || x.kind == Time && !g.plainTime(x):
		g.comparePair(n, w)
	case x.kind == Time && y.op == opConst:
		g.compareConst(x, n.cmp, value{kind: Time, t: y.val.t}.nanoseconds(), w)
	case x.kind == Float && y.op == opConst:
		g.compareFloat(n, w)
	case x.kind == Float:
		g.compareFloats(n, w)
	case y.op == opConst && y.val.kind == Float && (math.IsNaN(y.val.f) || math.IsInf(y.val.f, 0)):
		c := -1
		if y.val.f < 0 {
			c = 1
		}
		g.always(x, holds(n.cmp, c, !math.IsNaN(y.val.f)), w)
	case y.op == opConst:
		if x.op == opArith && x.arith == BitAnd && y.val.i == 0 && n.cmp <= NotEqual && x.args[1].op == opConst {
			g.testBits(x, n.cmp, w)
			return
		}
		g.compareConst(x, n.cmp, y.val.rat(), w)
	default:
		g.compareNumbers(n, w)
	}
}

// plainTime reports whether a time is one number.
func (g *gen) plainTime(n *node) bool { return n.op == opField && g.s.Fields[n.field].Form == InPlace }

// nanoseconds is a time in nanoseconds since 1970.
func (v value) nanoseconds() *big.Rat {
	ns := new(big.Int).Mul(big.NewInt(v.t.Unix()), big.NewInt(1e9))
	return new(big.Rat).SetInt(ns.Add(ns, big.NewInt(int64(v.t.Nanosecond()))))
}

// always goes where a test leads that has the same result for all values of x.
func (g *gen) always(x *node, result bool, w ways) {
	if x.fails {
		g.release(g.value(x, w.e))
	}
	if result {
		g.end(w.t, w.fall)
	} else {
		g.end(w.f, w.fall)
	}
}

// testBits is for x & mask == 0 and != 0.
func (g *gen) testBits(x *node, cmp Comparison, w ways) {
	r := g.value(x.args[0], w.e)
	t, f := w.t, w.f
	if cmp == Equal {
		t, f = f, t
	}
	g.choose(emit.Set, r, uint64(x.args[1].val.i), t, f, w.fall)
	g.release(r)
}

// conds are the conditions of signed and unsigned comparisons.
var conds = [2][6]emit.Cond{{emit.Eq, emit.Ne, emit.Lt, emit.Le, emit.Gt, emit.Ge}, {emit.Eq, emit.Ne, emit.SLt, emit.SLe, emit.SGt, emit.SGe}}

func sign(k Kind) int {
	if k == Uint || k == Bool {
		return 0
	}
	return 1
}

// compareConst compares a whole number with any number.
func (g *gen) compareConst(x *node, cmp Comparison, v *big.Rat, w ways) {
	floor := new(big.Int).Div(v.Num(), v.Denom())
	whole := v.IsInt()
	lo, hi := g.spans(x)
	switch cmp {
	case Equal, NotEqual:
		if !whole || floor.Cmp(lo) < 0 || floor.Cmp(hi) > 0 {
			g.always(x, cmp == NotEqual, w)
			return
		}
	case Less, GreaterEqual: // x < v is x <= floor, unless v is whole
		if whole {
			floor = new(big.Int).Sub(floor, big.NewInt(1))
		}
		fallthrough
	case LessEqual, Greater:
		if cmp == Less || cmp == LessEqual {
			cmp = LessEqual
		} else {
			cmp = Greater
		}
		if floor.Cmp(hi) >= 0 || floor.Cmp(lo) < 0 {
			g.always(x, (cmp == LessEqual) == (floor.Cmp(hi) >= 0), w)
			return
		}
	}
	r := g.value(x, w.e)
	c := floor.Uint64()
	if floor.Sign() < 0 {
		c = uint64(floor.Int64())
	}
	g.choose(conds[sign(x.kind)][cmp], r, c, w.t, w.f, w.fall)
	g.release(r)
}

// compareNumbers compares two whole numbers.
func (g *gen) compareNumbers(n *node, w ways) {
	x, y := n.args[0], n.args[1]
	a := g.value(x, w.e)
	b := g.value(y, w.e)
	s := sign(x.kind)
	if s != sign(y.kind) {
		// A negative number is less than all unsigned ones; others compare as these.
		less := w.f
		if holds(n.cmp, -1, true) {
			less = w.t
		}
		if s == 1 {
			g.ifConst(emit.SLt, a, 0, less)
		} else {
			more := w.f
			if holds(n.cmp, 1, true) {
				more = w.t
			}
			g.ifConst(emit.SLt, b, 0, more)
		}
		s = 0
	}
	g.chooseReg(conds[s][n.cmp], a, b, w.t, w.f, w.fall)
	g.release(a, b)
}

const infinity = 0x7ff << 52

// floatBits returns a number as the bits of a field's float: those of 32 bits in the upper half. They are the bounds
// of v: the greatest number not above and the least not below it.
func floatBits(size int, v *value) (lo, hi uint64, inf float64) {
	f, exact := v.f, true
	if v.kind != Float {
		f, exact = v.rat().Float64()
	}
	below, above := f, f
	if size == 4 {
		g := float32(f)
		below, above = float64(g), float64(g)
		exact = exact && float64(g) == f
	}
	if !exact {
		r := func(f float64) int {
			if math.IsInf(f, 0) {
				if f > 0 {
					return 1
				}
				return -1
			}
			return new(big.Rat).SetFloat64(f).Cmp(v.rat())
		}
		if r(below) > 0 {
			below = before(size, below)
		}
		if r(above) < 0 {
			above = -before(size, -above)
		}
	}
	return bitsOf(size, below), bitsOf(size, above), f
}

// before returns the number of a size just below f.
func before(size int, f float64) float64 {
	if size == 4 {
		return float64(math.Nextafter32(float32(f), float32(math.Inf(-1))))
	}
	return math.Nextafter(f, math.Inf(-1))
}

func bitsOf(size int, f float64) uint64 {
	if f == 0 {
		f = 0 // not -0
	}
	if size == 4 {
		return uint64(math.Float32bits(float32(f))) << 32
	}
	return math.Float64bits(f)
}

// order turns the bits of a float into a number that is the greater the greater the float is, as signed numbers. That
// of -0 is -1, that of 0 is 0.
func order(bits uint64) uint64 { return bits ^ uint64(int64(bits)>>63)>>1 }

// compareFloat compares a float with a number.
func (g *gen) compareFloat(n *node, w ways) {
	x, v := n.args[0], &n.args[1].val
	if v.kind == Float && math.IsNaN(v.f) {
		g.always(x, n.cmp == NotEqual, w)
		return
	}
	size := g.s.Fields[x.field].Size
	lo, hi, f := floatBits(size, v)
	inf := uint64(infinity)
	if size == 4 {
		inf = 0xff << 55
	}
	if n.cmp <= NotEqual {
		if lo != hi {
			g.always(x, n.cmp == NotEqual, w)
			return
		}
		r := g.value(x, w.e)
		if lo == 0 {
			r = g.take(r)
			g.op(isa.Lsh64Imm, r, 0, 0, 1)
		}
		g.choose(conds[0][n.cmp], r, lo, w.t, w.f, w.fall)
		g.release(r)
		return
	}
	// What is accepted is an interval, bounds included, of the ordered numbers.
	_ = f
	from, to := order(inf|1<<63), order(inf)
	minusZero := ^uint64(0)
	zero := func(bits uint64) bool { return bits == 0 }
	switch n.cmp {
	case Less, LessEqual:
		to = order(lo)
		if n.cmp == Less && lo == hi {
			if to--; zero(lo) {
				to = minusZero - 1
			}
		}
	case Greater, GreaterEqual:
		from = order(hi)
		switch {
		case n.cmp == Greater && lo == hi:
			from++
		case zero(hi):
			from = minusZero
		}
	}
	g.between(x, from, to, w)
}

// between tests whether a float's order is in an interval.
func (g *gen) between(x *node, from, to uint64, w ways) {
	if int64(from) > int64(to) {
		g.always(x, false, w)
		return
	}
	r := g.take(g.value(x, w.e))
	if int64(from) < 0 { // those of positive numbers are their bits, and negative ones are far above as unsigned
		g.ordered(r)
	}
	if from != 0 {
		t := g.alloc()
		g.constant(t, from)
		g.op(isa.Sub64Reg, r, t, 0, 0)
		g.release(t)
	}
	g.choose(emit.Le, r, to-from, w.t, w.f, w.fall)
	g.release(r)
}

// ordered is order in code.
func (g *gen) ordered(r reg) {
	t := g.copyOf(r)
	g.op(isa.Arsh64Imm, t, 0, 0, 63)
	g.op(isa.Rsh64Imm, t, 0, 0, 1)
	g.op(isa.Xor64Reg, r, t, 0, 0)
	g.release(t)
}

// compareFloats compares two floats of the same size.
func (g *gen) compareFloats(n *node, w ways) {
	size := g.s.Fields[n.args[0].field].Size
	inf := uint64(infinity)
	if size == 4 {
		inf = 0xff << 55
	}
	nan := w.f
	if n.cmp == NotEqual {
		nan = w.t
	}
	var r [2]reg
	for i := range r {
		r[i] = g.take(g.value(n.args[i], w.e))
		t := g.copyOf(r[i])
		g.op(isa.Lsh64Imm, t, 0, 0, 1)
		g.ifConst(emit.Gt, t, inf<<1, nan)
		// Both zeros are 0.
		some := g.c.Label()
		g.ifConst(emit.Ne, t, 0, some)
		g.constant(r[i], 0)
		g.bind(some)
		g.release(t)
		g.ordered(r[i])
	}
	g.chooseReg(conds[1][n.cmp], r[0], r[1], w.t, w.f, w.fall)
	g.release(r[0], r[1])
}

// in looks for a value in a list.
func (g *gen) in(n *node, w ways) {
	x := n.args[0]
	if len(n.list) == 0 {
		g.always(x, false, w)
		return
	}
	if x.kind.text() {
		g.inTexts(n, w)
		return
	}
	numbers := make([]uint64, len(n.list))
	for i, v := range n.list {
		numbers[i] = uint64(v.i)
	}
	r := g.take(g.value(x, w.e))
	s1, s2 := g.alloc(), g.alloc()
	if g.live {
		g.leads(w.t)
		g.leads(w.f)
		g.c.Among(r, numbers, s1, s2, w.t, w.f)
		g.live = false
	}
	g.release(r, s1, s2)
}
