// Implements truncation, zero and sign extension.

package value

import "math"

// ZeroExtend32 keeps the lower half and makes the upper zero.
func (s *Scalar) ZeroExtend32() {
	s.zeroUpper()
	s.Sync()
}

// Truncate keeps the lower size bytes and makes the others zero.
func (s *Scalar) Truncate(size int) {
	if size >= 8 {
		return
	}
	s.Bits = s.Bits.Cast(size)
	mask := uint64(1)<<(8*size) - 1
	if s.UMin&^mask == s.UMax&^mask {
		s.UMin, s.UMax = s.UMin&mask, s.UMax&mask
	} else {
		s.UMin, s.UMax = 0, mask
	}
	s.SMin, s.SMax = int64(s.UMin), int64(s.UMax)
	if size < 4 {
		s.unbound32()
	}
	s.Sync()
}

// Swap reverses the order of the lower size bytes, 2, 4 or 8, and makes the others zero. Of ranges nothing is left
// but what the bits tell.
func (s *Scalar) Swap(size int) {
	s.Bits = s.Bits.Swap(size)
	s.unbound()
	s.Sync()
}

// SignExtend extends the sign of the lower size bytes, 1, 2 or 4, to width bits.
func (s *Scalar) SignExtend(size int, width uint8) {
	if width == 32 {
		s.signExtend32(uint(size) * 8)
		s.zeroUpper()
		s.Sync()
		return
	}
	n := uint(size) * 8
	if s.IsConst() {
		*s = Const(uint64(extend(int64(s.Bits.Value), n)))
		return
	}
	if s.SMin>>n == s.SMax>>n {
		a, b := extend(s.SMin, n), extend(s.SMax, n)
		if lo, hi := min(a, b), max(a, b); lo >= 0 == (hi >= 0) {
			*s = Scalar{Bits: RangeBits(uint64(lo), uint64(hi)), UMin: uint64(lo), UMax: uint64(hi), SMin: lo, SMax: hi,
				UMin32: uint32(lo), UMax32: uint32(hi), SMin32: int32(lo), SMax32: int32(hi)}
			return
		}
	}
	*s = Unknown
	s.SMin, s.SMax = -1<<(n-1), 1<<(n-1)-1
	s.SMin32, s.SMax32 = int32(s.SMin), int32(s.SMax)
}

func (s *Scalar) signExtend32(n uint) {
	if s.IsConst() {
		v := int32(extend(int64(s.Bits.Value), n))
		s.Bits = ConstBits(uint64(uint32(v)))
		s.SMin32, s.SMax32, s.UMin32, s.UMax32 = v, v, uint32(v), uint32(v)
		return
	}
	if s.SMin32>>n == s.SMax32>>n {
		a, b := int32(extend(int64(s.SMin32), n)), int32(extend(int64(s.SMax32), n))
		if lo, hi := min(a, b), max(a, b); lo >= 0 == (hi >= 0) {
			s.SMin32, s.SMax32, s.UMin32, s.UMax32 = lo, hi, uint32(lo), uint32(hi)
			s.Bits = RangeBits(uint64(int64(lo)), uint64(int64(hi))).Low()
			return
		}
	}
	s.SMin32, s.SMax32 = -1<<(n-1), 1<<(n-1)-1
	s.UMin32, s.UMax32 = 0, math.MaxUint32
	s.Bits = UnknownBits.Low()
}

// extend extends the sign of the lower n bits.
func extend(v int64, n uint) int64 { return v << (64 - n) >> (64 - n) }
