// Implements shifts.

package value

import "math"

// Lsh shifts left by n bits, n below width.
func (s *Scalar) Lsh(n uint, width uint8) {
	if width == 32 {
		s.lsh32(n)
		s.Bits = s.Bits.Low().Lsh(n).Low()
		s.unbound64()
		s.fromBits32()
		s.finish(32)
		return
	}
	// By 32 is the first half of a sign extension.
	lo, hi := int64(math.MinInt64), int64(math.MaxInt64)
	if n == 32 {
		lo, hi = int64(s.SMin32)<<32, int64(s.SMax32)<<32
	}
	s.SMin, s.SMax = lo, hi
	if s.UMax > 1<<(63-n) {
		s.UMin, s.UMax = 0, math.MaxUint64
	} else {
		s.UMin, s.UMax = s.UMin<<n, s.UMax<<n
	}
	s.lsh32(n)
	s.Bits = s.Bits.Lsh(n)
	s.fromBits()
	s.finish(64)
}

func (s *Scalar) lsh32(n uint) {
	s.SMin32, s.SMax32 = math.MinInt32, math.MaxInt32
	if n > 31 || s.UMax32 > 1<<(31-n) {
		s.UMin32, s.UMax32 = 0, math.MaxUint32
	} else {
		s.UMin32, s.UMax32 = s.UMin32<<n, s.UMax32<<n
	}
}

// Rsh shifts right by n bits, n below width, filling with zeros.
func (s *Scalar) Rsh(n uint, width uint8) {
	if width == 32 {
		s.SMin32, s.SMax32 = math.MinInt32, math.MaxInt32
		s.Bits = s.Bits.Low().Rsh(n)
		s.UMin32, s.UMax32 = s.UMin32>>n, s.UMax32>>n
		s.unbound64()
		s.fromBits32()
		s.finish(32)
		return
	}
	s.SMin, s.SMax = math.MinInt64, math.MaxInt64
	s.Bits = s.Bits.Rsh(n)
	s.UMin, s.UMax = s.UMin>>n, s.UMax>>n
	s.unbound32()
	s.fromBits()
	s.finish(64)
}

// Arsh shifts right by n bits, n below width, filling with the sign.
func (s *Scalar) Arsh(n uint, width uint8) {
	if width == 32 {
		s.SMin32, s.SMax32 = s.SMin32>>n, s.SMax32>>n
		s.UMin32, s.UMax32 = 0, math.MaxUint32
		s.Bits = s.Bits.Low().Arsh(n, 32)
		s.unbound64()
		s.fromBits32()
		s.finish(32)
		return
	}
	s.SMin, s.SMax = s.SMin>>n, s.SMax>>n
	s.UMin, s.UMax = 0, math.MaxUint64
	s.Bits = s.Bits.Arsh(n, 64)
	s.unbound32()
	s.fromBits()
	s.finish(64)
}
