// Implements addition, subtraction, negation and multiplication.

package value

import (
	"math"
	"math/bits"
)

// finish ends an operation: a 32-bit one clears the upper half.
func (s *Scalar) finish(width uint8) {
	if width == 32 {
		s.zeroUpper()
	}
	s.Sync()
}

// zeroUpper makes the upper half zero.
func (s *Scalar) zeroUpper() {
	s.Bits = s.Bits.Low()
	s.UMin, s.UMax = uint64(s.UMin32), uint64(s.UMax32)
	if s.SMin32 >= 0 && s.SMax32 >= 0 {
		s.SMin, s.SMax = int64(s.SMin32), int64(s.SMax32)
	} else {
		s.SMin, s.SMax = 0, math.MaxUint32
	}
}

// Add adds o, in width bits: 32, with the upper half zero afterwards, or 64.
func (s *Scalar) Add(o *Scalar, width uint8) {
	s.addRanges(o)
	s.Bits = s.Bits.Add(o.Bits)
	s.finish(width)
}

// addRanges adds ranges. Unsigned ones stay ranges if either none of the sums wraps around or all do.
func (s *Scalar) addRanges(o *Scalar) {
	s.SMin32, s.SMax32 = signed32(int64(s.SMin32)+int64(o.SMin32), int64(s.SMax32)+int64(o.SMax32))
	lo32, c1 := bits.Add32(s.UMin32, o.UMin32, 0)
	hi32, c2 := bits.Add32(s.UMax32, o.UMax32, 0)
	s.UMin32, s.UMax32 = lo32, hi32
	if c1 != c2 {
		s.UMin32, s.UMax32 = 0, math.MaxUint32
	}
	lo, hi := s.SMin+o.SMin, s.SMax+o.SMax
	if (lo < s.SMin) != (o.SMin < 0) || (hi < s.SMax) != (o.SMax < 0) {
		lo, hi = math.MinInt64, math.MaxInt64
	}
	s.SMin, s.SMax = lo, hi
	ulo, d1 := bits.Add64(s.UMin, o.UMin, 0)
	uhi, d2 := bits.Add64(s.UMax, o.UMax, 0)
	s.UMin, s.UMax = ulo, uhi
	if d1 != d2 {
		s.UMin, s.UMax = 0, math.MaxUint64
	}
}

// signed32 returns a range of 32 bits, or the whole one if an end is outside.
func signed32(lo, hi int64) (int32, int32) {
	if lo < math.MinInt32 || hi > math.MaxInt32 || lo > math.MaxInt32 || hi < math.MinInt32 {
		return math.MinInt32, math.MaxInt32
	}
	return int32(lo), int32(hi)
}

// Sub subtracts o.
func (s *Scalar) Sub(o *Scalar, width uint8) {
	s.subRanges(o)
	s.Bits = s.Bits.Sub(o.Bits)
	s.finish(width)
}

func (s *Scalar) subRanges(o *Scalar) {
	s.SMin32, s.SMax32 = signed32(int64(s.SMin32)-int64(o.SMax32), int64(s.SMax32)-int64(o.SMin32))
	lo32, c1 := bits.Sub32(s.UMin32, o.UMax32, 0)
	hi32, c2 := bits.Sub32(s.UMax32, o.UMin32, 0)
	s.UMin32, s.UMax32 = lo32, hi32
	if c1 != c2 {
		s.UMin32, s.UMax32 = 0, math.MaxUint32
	}
	lo, hi := s.SMin-o.SMax, s.SMax-o.SMin
	if (lo > s.SMin) != (o.SMax < 0) || (hi > s.SMax) != (o.SMin < 0) {
		lo, hi = math.MinInt64, math.MaxInt64
	}
	s.SMin, s.SMax = lo, hi
	ulo, d1 := bits.Sub64(s.UMin, o.UMax, 0)
	uhi, d2 := bits.Sub64(s.UMax, o.UMin, 0)
	s.UMin, s.UMax = ulo, uhi
	if d1 != d2 {
		s.UMin, s.UMax = 0, math.MaxUint64
	}
}

// Neg negates.
func (s *Scalar) Neg(width uint8) {
	o := *s
	*s = Const(0)
	s.subRanges(&o)
	s.Bits = o.Bits.Neg()
	s.finish(width)
}

// Mul multiplies by o.
func (s *Scalar) Mul(o *Scalar, width uint8) {
	s.Bits = s.Bits.Mul(o.Bits)
	s.mul32(o)
	s.mul64(o)
	s.finish(width)
}

func (s *Scalar) mul32(o *Scalar) {
	if hi := uint64(s.UMax32) * uint64(o.UMax32); hi > math.MaxUint32 {
		s.UMin32, s.UMax32 = 0, math.MaxUint32
	} else {
		s.UMin32, s.UMax32 = s.UMin32*o.UMin32, uint32(hi)
	}
	a, b, c, d := int64(s.SMin32), int64(s.SMax32), int64(o.SMin32), int64(o.SMax32)
	s.SMin32, s.SMax32 = signed32(min(a*c, a*d, b*c, b*d), max(a*c, a*d, b*c, b*d))
}

func (s *Scalar) mul64(o *Scalar) {
	over, hi := bits.Mul64(s.UMax, o.UMax)
	s.UMin, s.UMax = s.UMin*o.UMin, hi
	if over != 0 {
		s.UMin, s.UMax = 0, math.MaxUint64
	}
	p0, ok0 := mulSigned(s.SMin, o.SMin)
	p1, ok1 := mulSigned(s.SMin, o.SMax)
	p2, ok2 := mulSigned(s.SMax, o.SMin)
	p3, ok3 := mulSigned(s.SMax, o.SMax)
	s.SMin, s.SMax = math.MinInt64, math.MaxInt64
	if ok0 && ok1 && ok2 && ok3 {
		s.SMin, s.SMax = min(p0, p1, p2, p3), max(p0, p1, p2, p3)
	}
}

// mulSigned multiplies and reports whether the product fits.
func mulSigned(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if a < 0 {
		hi -= uint64(b)
	}
	if b < 0 {
		hi -= uint64(a)
	}
	return int64(lo), int64(hi) == int64(lo)>>63
}
