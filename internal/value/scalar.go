// Implements scalars: known bits and ranges together.

package value

import "math"

// Scalar is what is known of a number: its bits, and the ranges it lies in when it, or its lower half, is read as
// unsigned or as signed. The set is what all of these allow. Sync lets each part learn from the others.
type Scalar struct {
	Bits           Tnum
	UMin, UMax     uint64
	SMin, SMax     int64
	UMin32, UMax32 uint32
	SMin32, SMax32 int32
}

// Unknown is any number.
var Unknown = Scalar{Bits: UnknownBits, UMax: math.MaxUint64, SMin: math.MinInt64, SMax: math.MaxInt64,
	UMax32: math.MaxUint32, SMin32: math.MinInt32, SMax32: math.MaxInt32}

// Const is one number.
func Const(v uint64) Scalar {
	return Scalar{Bits: ConstBits(v), UMin: v, UMax: v, SMin: int64(v), SMax: int64(v),
		UMin32: uint32(v), UMax32: uint32(v), SMin32: int32(v), SMax32: int32(v)}
}

// Range is any number from lo to hi, unsigned.
func Range(lo, hi uint64) Scalar {
	s := Unknown
	s.UMin, s.UMax = lo, hi
	s.Sync()
	return s
}

// SignedRange is any number from lo to hi, signed.
func SignedRange(lo, hi int64) Scalar {
	s := Unknown
	s.SMin, s.SMax = lo, hi
	s.Sync()
	return s
}

// OfSize is any number of size bytes, zero-extended.
func OfSize(size int) Scalar {
	s := Unknown
	s.Truncate(size)
	return s
}

// IsConst reports whether it is one number, Bits.Value.
func (s *Scalar) IsConst() bool { return s.Bits.Mask == 0 }

// Const32 reports whether the lower half is one number, uint32(Bits.Value).
func (s *Scalar) Const32() bool { return uint32(s.Bits.Mask) == 0 }

// IsUnknown reports whether nothing is known.
func (s *Scalar) IsUnknown() bool { return *s == Unknown }

// Has reports whether v is in the set.
func (s *Scalar) Has(v uint64) bool {
	l := uint32(v)
	return s.Bits.Has(v) && s.UMin <= v && v <= s.UMax && s.SMin <= int64(v) && int64(v) <= s.SMax &&
		s.UMin32 <= l && l <= s.UMax32 && s.SMin32 <= int32(l) && int32(l) <= s.SMax32
}

// Contains reports whether each part of s allows all that the same part of o does.
func (s *Scalar) Contains(o *Scalar) bool { return s.RangesContain(o) && s.Bits.Contains(o.Bits) }

// RangesContain is Contains without the bits.
func (s *Scalar) RangesContain(o *Scalar) bool {
	return s.UMin <= o.UMin && s.UMax >= o.UMax && s.SMin <= o.SMin && s.SMax >= o.SMax &&
		s.UMin32 <= o.UMin32 && s.UMax32 >= o.UMax32 && s.SMin32 <= o.SMin32 && s.SMax32 >= o.SMax32
}

// Union returns the smallest Scalar that holds both.
func (s *Scalar) Union(o *Scalar) Scalar {
	return Scalar{Bits: s.Bits.Union(o.Bits), UMin: min(s.UMin, o.UMin), UMax: max(s.UMax, o.UMax),
		SMin: min(s.SMin, o.SMin), SMax: max(s.SMax, o.SMax), UMin32: min(s.UMin32, o.UMin32), UMax32: max(s.UMax32, o.UMax32),
		SMin32: min(s.SMin32, o.SMin32), SMax32: max(s.SMax32, o.SMax32)}
}

// unbound forgets all ranges.
func (s *Scalar) unbound() {
	s.unbound64()
	s.unbound32()
}

func (s *Scalar) unbound64() {
	s.UMin, s.UMax, s.SMin, s.SMax = 0, math.MaxUint64, math.MinInt64, math.MaxInt64
}

func (s *Scalar) unbound32() {
	s.UMin32, s.UMax32, s.SMin32, s.SMax32 = 0, math.MaxUint32, math.MinInt32, math.MaxInt32
}

// Consistent reports whether the parts contradict neither themselves nor, where one is a single number, each
// other. A Scalar that is not consistent stands for no number: it comes from a branch that is never taken.
func (s *Scalar) Consistent() bool {
	switch {
	case s.UMin > s.UMax || s.SMin > s.SMax || s.UMin32 > s.UMax32 || s.SMin32 > s.SMax32:
		return false
	case s.Bits.Value&s.Bits.Mask != 0:
		return false
	case s.IsConst() && (s.UMin != s.Bits.Value || s.UMax != s.Bits.Value || s.SMin != int64(s.UMin) || s.SMax != int64(s.UMin)):
		return false
	case s.IsConst() != (s.UMin == s.UMax):
		return false
	case s.Const32() && (s.UMin32 != uint32(s.Bits.Value) || s.UMax32 != s.UMin32 || s.SMin32 != int32(s.UMin32) || s.SMax32 != s.SMin32):
		return false
	}
	return true
}
