// Implements comparisons: whether one is decided, and what a number is known to be once it is.

package value

import "math/bits"

// Cmp is a comparison.
type Cmp uint8

// The comparisons. Set asks whether the two have a bit in common, NotSet whether they have none. S marks those of
// signed numbers.
const (
	Eq Cmp = iota
	Ne
	Set
	NotSet
	Gt
	Le
	Ge
	Lt
	SGt
	SLe
	SGe
	SLt
)

// Not returns the opposite comparison.
func (c Cmp) Not() Cmp { return c ^ 1 }

// Swap returns the comparison that holds of the operands in the other order.
func (c Cmp) Swap() Cmp {
	switch c {
	case Gt:
		return Lt
	case Lt:
		return Gt
	case Ge:
		return Le
	case Le:
		return Ge
	case SGt:
		return SLt
	case SLt:
		return SGt
	case SGe:
		return SLe
	case SLe:
		return SGe
	}
	return c
}

// Answer says whether a comparison holds.
type Answer int8

// The answers.
const (
	Never  Answer = -1
	Maybe  Answer = 0
	Always Answer = 1
)

func (a Answer) not() Answer { return -a }

// Compare reports whether c holds between a and b, read as numbers of width bits.
func Compare(c Cmp, a, b *Scalar, width uint8) Answer {
	x, y := wide(a), wide(b)
	if width == 32 {
		x, y = low(a), low(b)
	}
	switch c {
	case Eq:
		return equal(a, b, &x, &y, width)
	case Ne:
		return equal(a, b, &x, &y, width).not()
	case Set:
		return common(x.bits, y.bits)
	case NotSet:
		return common(x.bits, y.bits).not()
	case Gt:
		return order(x.umin > y.umax, x.umax <= y.umin)
	case Le:
		return order(x.umax <= y.umin, x.umin > y.umax)
	case Ge:
		return order(x.umin >= y.umax, x.umax < y.umin)
	case Lt:
		return order(x.umax < y.umin, x.umin >= y.umax)
	case SGt:
		return order(x.smin > y.smax, x.smax <= y.smin)
	case SLe:
		return order(x.smax <= y.smin, x.smin > y.smax)
	case SGe:
		return order(x.smin >= y.smax, x.smax < y.smin)
	case SLt:
		return order(x.smax < y.smin, x.smin >= y.smax)
	}
	return Maybe
}

// reading is a scalar read as a number of one width.
type reading struct {
	bits       Tnum
	umin, umax uint64
	smin, smax int64
}

func wide(s *Scalar) reading { return reading{s.Bits, s.UMin, s.UMax, s.SMin, s.SMax} }

func low(s *Scalar) reading {
	return reading{s.Bits.Low(), uint64(s.UMin32), uint64(s.UMax32), int64(s.SMin32), int64(s.SMax32)}
}

func order(yes, no bool) Answer {
	switch {
	case yes:
		return Always
	case no:
		return Never
	}
	return Maybe
}

func (x *reading) apart(y *reading) bool {
	return x.umin > y.umax || x.umax < y.umin || x.smin > y.smax || x.smax < y.smin
}

func equal(a, b *Scalar, x, y *reading, width uint8) Answer {
	switch {
	case x.bits.IsConst() && y.bits.IsConst():
		return order(x.bits.Value == y.bits.Value, x.bits.Value != y.bits.Value)
	case !x.bits.Overlaps(y.bits) || x.apart(y):
		return Never
	case width == 64:
		if l, m := low(a), low(b); l.apart(&m) {
			return Never
		}
	}
	return Maybe
}

// common tells of numbers of which one must be a constant.
func common(x, y Tnum) Answer {
	if !y.IsConst() {
		x, y = y, x
	}
	if !y.IsConst() {
		return Maybe
	}
	return order(x.Value&y.Value != 0, (x.Value|x.Mask)&y.Value == 0)
}

// Assume narrows a and b to what they can be if c holds between them. a and b may be the same. If it cannot hold,
// they may become inconsistent.
func Assume(c Cmp, a, b *Scalar, width uint8) {
	switch c {
	case Eq:
		assumeEqual(a, b, width)
	case Ne:
		if x, v, ok := constantSide(a, b, width); ok {
			x.exclude(v, width)
		}
	case Set:
		if x, v, ok := constantSide(a, b, width); ok && bits.OnesCount64(v) == 1 {
			x.setBits(x.Bits.Or(ConstBits(v)), width)
		}
	case NotSet:
		if x, v, ok := constantSide(a, b, width); ok {
			x.unbound()
			x.setBits(x.Bits.And(ConstBits(^v)), width)
		}
	case Gt, Ge, SGt, SGe:
		assumeLess(c.Swap(), b, a, width)
	default:
		assumeLess(c, a, b, width)
	}
	a.Sync()
	b.Sync()
}

// constantSide returns the other side of one that is a constant, and the constant.
func constantSide(a, b *Scalar, width uint8) (*Scalar, uint64, bool) {
	isConst := func(s *Scalar) bool { return s.IsConst() || width == 32 && s.Const32() }
	if !isConst(b) {
		a, b = b, a
	}
	v := b.Bits.Value
	if width == 32 {
		v = uint64(uint32(v))
	}
	return a, v, isConst(b)
}

// setBits sets the bits that a comparison of width bits has found out.
func (s *Scalar) setBits(b Tnum, width uint8) {
	if width == 32 {
		b = s.Bits.WithLow(b)
	}
	s.Bits = b
}

// exclude takes v away where it is the end of a range.
func (s *Scalar) exclude(v uint64, width uint8) {
	if width == 32 {
		l := uint32(v)
		if s.UMin32 == l {
			s.UMin32++
		}
		if s.UMax32 == l {
			s.UMax32--
		}
		if s.SMin32 == int32(l) {
			s.SMin32++
		}
		if s.SMax32 == int32(l) {
			s.SMax32--
		}
		return
	}
	if s.UMin == v {
		s.UMin++
	}
	if s.UMax == v {
		s.UMax--
	}
	if s.SMin == int64(v) {
		s.SMin++
	}
	if s.SMax == int64(v) {
		s.SMax--
	}
}

func assumeEqual(a, b *Scalar, width uint8) {
	if width == 32 {
		a.UMin32, a.UMax32 = max(a.UMin32, b.UMin32), min(a.UMax32, b.UMax32)
		a.SMin32, a.SMax32 = max(a.SMin32, b.SMin32), min(a.SMax32, b.SMax32)
		b.UMin32, b.UMax32, b.SMin32, b.SMax32 = a.UMin32, a.UMax32, a.SMin32, a.SMax32
		l := a.Bits.Low().Intersect(b.Bits.Low())
		a.Bits, b.Bits = a.Bits.WithLow(l), b.Bits.WithLow(l)
		return
	}
	a.UMin, a.UMax = max(a.UMin, b.UMin), min(a.UMax, b.UMax)
	a.SMin, a.SMax = max(a.SMin, b.SMin), min(a.SMax, b.SMax)
	a.Bits = a.Bits.Intersect(b.Bits)
	b.UMin, b.UMax, b.SMin, b.SMax, b.Bits = a.UMin, a.UMax, a.SMin, a.SMax, a.Bits
}

// assumeLess is Assume for a being less than b, or less or equal.
func assumeLess(c Cmp, a, b *Scalar, width uint8) {
	d := uint64(0) // how much less, at least
	if c == Lt || c == SLt {
		d = 1
	}
	switch {
	case width == 32 && (c == Lt || c == Le):
		a.UMax32 = min(a.UMax32, b.UMax32-uint32(d))
		b.UMin32 = max(a.UMin32+uint32(d), b.UMin32)
	case width == 32:
		a.SMax32 = min(a.SMax32, b.SMax32-int32(d))
		b.SMin32 = max(a.SMin32+int32(d), b.SMin32)
	case c == Lt || c == Le:
		a.UMax = min(a.UMax, b.UMax-d)
		b.UMin = max(a.UMin+d, b.UMin)
	default:
		a.SMax = min(a.SMax, b.SMax-int64(d))
		b.SMin = max(a.SMin+int64(d), b.SMin)
	}
}

// Repair makes a scalar that is not consistent one of any number with the known bits.
func (s *Scalar) Repair() {
	if !s.Consistent() {
		s.unbound()
	}
}
