// Implements what the parts of a scalar learn from each other.

package value

import "math"

const upper = math.MaxUint64 &^ math.MaxUint32

// Sync makes each part as narrow as the others allow, as far as a fixed number of rounds gets.
func (s *Scalar) Sync() {
	if s.IsConst() && s.Has(s.Bits.Value) {
		*s = Const(s.Bits.Value)
		return
	}
	s.fromBits()
	for range 3 {
		old := *s
		s.deduce32()
		s.deduce64()
		s.deduceMixed()
		if *s == old {
			break
		}
	}
	s.toBits()
	s.fromBits()
}

// fromBits narrows the ranges by what the known bits allow.
func (s *Scalar) fromBits() {
	s.fromBits32()
	b := s.Bits
	sign := b.Mask & (1 << 63)
	s.SMin = max(s.SMin, int64(b.Value|sign))
	s.SMax = min(s.SMax, int64(b.Value|b.Mask&math.MaxInt64))
	s.UMin = max(s.UMin, b.Value)
	s.UMax = min(s.UMax, b.Value|b.Mask)
}

// fromBits32 is fromBits for the lower half alone.
func (s *Scalar) fromBits32() {
	v, m := uint32(s.Bits.Value), uint32(s.Bits.Mask)
	s.SMin32 = max(s.SMin32, int32(v|m&(1<<31)))
	s.SMax32 = min(s.SMax32, int32(v|m&math.MaxInt32))
	s.UMin32 = max(s.UMin32, v)
	s.UMax32 = min(s.UMax32, v|m)
}

// toBits narrows the known bits by what the unsigned ranges allow.
func (s *Scalar) toBits() {
	all := s.Bits.Intersect(RangeBits(s.UMin, s.UMax))
	low := all.Low().Intersect(RangeBits(uint64(s.UMin32), uint64(s.UMax32)))
	s.Bits = all.WithLow(low)
}

func (s *Scalar) atLeastU32(v uint32) { s.UMin32 = max(s.UMin32, v) }
func (s *Scalar) atMostU32(v uint32)  { s.UMax32 = min(s.UMax32, v) }

func (s *Scalar) inS32(lo, hi int32) { s.SMin32, s.SMax32 = max(s.SMin32, lo), min(s.SMax32, hi) }

// deduce32 narrows the ranges of the lower half.
func (s *Scalar) deduce32() {
	// Where the upper halves of both ends are the same, the lower halves are a range.
	if s.UMin>>32 == s.UMax>>32 {
		s.atLeastU32(uint32(s.UMin))
		s.atMostU32(uint32(s.UMax))
		if int32(s.UMin) <= int32(s.UMax) {
			s.inS32(int32(s.UMin), int32(s.UMax))
		}
	}
	if s.SMin>>32 == s.SMax>>32 {
		if uint32(s.SMin) <= uint32(s.SMax) {
			s.atLeastU32(uint32(s.SMin))
			s.atMostU32(uint32(s.SMax))
		}
		if int32(s.SMin) <= int32(s.SMax) {
			s.inS32(int32(s.SMin), int32(s.SMax))
		}
	}
	// Where they follow each other, the lower halves may go from negative to positive.
	if uint32(s.UMin>>32)+1 == uint32(s.UMax>>32) && int32(s.UMin) < 0 && int32(s.UMax) >= 0 {
		s.inS32(int32(s.UMin), int32(s.UMax))
	}
	if uint32(s.SMin>>32)+1 == uint32(s.SMax>>32) && int32(s.SMin) < 0 && int32(s.SMax) >= 0 {
		s.inS32(int32(s.SMin), int32(s.SMax))
	}
	// Where a range does not cross the other reading's edge, it is a range there as well.
	if int32(s.UMin32) <= int32(s.UMax32) {
		s.inS32(int32(s.UMin32), int32(s.UMax32))
	}
	if uint32(s.SMin32) <= uint32(s.SMax32) {
		s.atLeastU32(uint32(s.SMin32))
		s.atMostU32(uint32(s.SMax32))
	}
}

// deduce64 narrows the ranges of the whole by each other.
func (s *Scalar) deduce64() {
	if int64(s.UMin) <= int64(s.UMax) {
		s.SMin, s.SMax = max(s.SMin, int64(s.UMin)), min(s.SMax, int64(s.UMax))
	}
	switch lo, hi := uint64(s.SMin), uint64(s.SMax); {
	case lo <= hi:
		s.UMin, s.UMax = max(s.UMin, lo), min(s.UMax, hi)
	case s.UMax < lo: // no room at the upper end: it is positive
		s.SMin, s.UMax = int64(s.UMin), min(s.UMax, hi)
	case hi < s.UMin: // no room at the lower end: it is negative
		s.SMax, s.UMin = int64(s.UMax), max(s.UMin, lo)
	}
}

// deduceMixed narrows the ranges of the whole by those of the lower half.
func (s *Scalar) deduceMixed() {
	lo, hi := uint64(s.UMin32), uint64(s.UMax32)
	s.UMin, s.UMax = max(s.UMin, s.UMin&upper|lo), min(s.UMax, s.UMax&upper|hi)
	s.SMin, s.SMax = max(s.SMin, int64(uint64(s.SMin)&upper|lo)), min(s.SMax, int64(uint64(s.SMax)&upper|hi))
	if s.SMin32 >= 0 && s.SMin >= math.MinInt32 && s.SMax <= math.MaxInt32 {
		s.SMin, s.SMax = int64(s.SMin32), int64(s.SMax32)
		s.UMin, s.UMax = uint64(s.SMin), uint64(s.SMax)
		s.Bits = s.Bits.Intersect(RangeBits(s.UMin, s.UMax))
	}
}
