// Implements conjunction, disjunction and exclusive disjunction.

package value

import "math"

// And takes the conjunction with o. Its least value has the known bits alone, and it is no greater than either.
func (s *Scalar) And(o *Scalar, width uint8) {
	b := s.Bits.And(o.Bits)
	s.bitwise(b, o, uint32(b.Value), min(s.UMax32, o.UMax32), b.Value, min(s.UMax, o.UMax))
	s.finish(width)
}

// Or takes the disjunction with o. It is no less than either.
func (s *Scalar) Or(o *Scalar, width uint8) {
	b := s.Bits.Or(o.Bits)
	all := b.Value | b.Mask
	s.bitwise(b, o, max(s.UMin32, o.UMin32), uint32(all), max(s.UMin, o.UMin), all)
	s.finish(width)
}

// Xor takes the exclusive disjunction with o, of which only the bits tell.
func (s *Scalar) Xor(o *Scalar, width uint8) {
	b := s.Bits.Xor(o.Bits)
	all := b.Value | b.Mask
	s.bitwise(b, o, uint32(b.Value), uint32(all), b.Value, all)
	s.finish(width)
}

// bitwise sets the bits and the unsigned ranges. Signed ranges follow where they do not cross the sign.
func (s *Scalar) bitwise(b Tnum, o *Scalar, lo32, hi32 uint32, lo, hi uint64) {
	s.Bits = b
	if o.IsConst() && b.IsConst() {
		*s = Const(b.Value)
		return
	}
	if o.Const32() && uint32(b.Mask) == 0 {
		lo32, hi32 = uint32(b.Value), uint32(b.Value)
	}
	s.UMin32, s.UMax32, s.SMin32, s.SMax32 = lo32, hi32, math.MinInt32, math.MaxInt32
	if int32(lo32) <= int32(hi32) || lo32 == hi32 {
		s.SMin32, s.SMax32 = int32(lo32), int32(hi32)
	}
	s.UMin, s.UMax, s.SMin, s.SMax = lo, hi, math.MinInt64, math.MaxInt64
	if int64(lo) <= int64(hi) {
		s.SMin, s.SMax = int64(lo), int64(hi)
	}
	s.fromBits()
}
