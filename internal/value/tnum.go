// Implements numbers of which some bits are known (tristate numbers).

package value

import (
	"fmt"
	"math/bits"
)

// Tnum is a set of numbers that agree in some bits: a set bit in Mask is unknown, the others are as in Value.
// Value has no bit of Mask. Vishwanathan et al., "Sound, Precise, and Fast Abstract Interpretation with
// Tristate Numbers" (CGO 2022) has the theory.
type Tnum struct{ Value, Mask uint64 }

// UnknownBits is the Tnum of which nothing is known.
var UnknownBits = Tnum{Mask: ^uint64(0)}

// ConstBits is the Tnum of one number.
func ConstBits(v uint64) Tnum { return Tnum{Value: v} }

// RangeBits is the smallest Tnum that holds all numbers from lo to hi.
func RangeBits(lo, hi uint64) Tnum {
	n := bits.Len64(lo ^ hi)
	if n > 63 {
		return UnknownBits
	}
	low := uint64(1)<<n - 1
	return Tnum{lo &^ low, low}
}

// IsConst reports whether it is one number, Value.
func (a Tnum) IsConst() bool { return a.Mask == 0 }

// Has reports whether v is in the set.
func (a Tnum) Has(v uint64) bool { return v&^a.Mask == a.Value }

// Contains reports whether all of b is in the set.
func (a Tnum) Contains(b Tnum) bool { return b.Mask&^a.Mask == 0 && b.Value&^a.Mask == a.Value }

// Overlaps reports whether some number may be in both: whether no known bit tells them apart.
func (a Tnum) Overlaps(b Tnum) bool { return (a.Value^b.Value)&^(a.Mask|b.Mask) == 0 }

// Intersect returns what is known of a number that is in both. If they do not overlap the result is some set.
func (a Tnum) Intersect(b Tnum) Tnum {
	m := a.Mask & b.Mask
	return Tnum{(a.Value | b.Value) &^ m, m}
}

// Union returns the smallest Tnum that holds both.
func (a Tnum) Union(b Tnum) Tnum {
	m := a.Mask | b.Mask | (a.Value ^ b.Value)
	return Tnum{a.Value & b.Value &^ m, m}
}

// Add returns the sums.
func (a Tnum) Add(b Tnum) Tnum {
	masks, values := a.Mask+b.Mask, a.Value+b.Value
	carries := masks + values ^ values
	m := carries | a.Mask | b.Mask
	return Tnum{values &^ m, m}
}

// Sub returns the differences.
func (a Tnum) Sub(b Tnum) Tnum {
	d := a.Value - b.Value
	m := (d + a.Mask) ^ (d - b.Mask) | a.Mask | b.Mask
	return Tnum{d &^ m, m}
}

// Neg returns the negatives.
func (a Tnum) Neg() Tnum { return Tnum{}.Sub(a) }

// And returns the bitwise conjunctions.
func (a Tnum) And(b Tnum) Tnum {
	v := a.Value & b.Value
	return Tnum{v, (a.Value | a.Mask) & (b.Value | b.Mask) &^ v}
}

// Or returns the bitwise disjunctions.
func (a Tnum) Or(b Tnum) Tnum {
	v := a.Value | b.Value
	return Tnum{v, (a.Mask | b.Mask) &^ v}
}

// Xor returns the exclusive disjunctions.
func (a Tnum) Xor(b Tnum) Tnum {
	m := a.Mask | b.Mask
	return Tnum{(a.Value ^ b.Value) &^ m, m}
}

// Mul returns the products: long multiplication, where an unknown digit of a gives the union of both sums.
func (a Tnum) Mul(b Tnum) Tnum {
	var sum Tnum
	for ; a.Value|a.Mask != 0; a, b = a.Rsh(1), b.Lsh(1) {
		switch {
		case a.Value&1 != 0:
			sum = sum.Add(b)
		case a.Mask&1 != 0:
			sum = sum.Union(sum.Add(b))
		}
	}
	return sum
}

// Lsh shifts left by n bits.
func (a Tnum) Lsh(n uint) Tnum { return Tnum{a.Value << n, a.Mask << n} }

// Rsh shifts right by n bits, filling with zeros.
func (a Tnum) Rsh(n uint) Tnum { return Tnum{a.Value >> n, a.Mask >> n} }

// Arsh shifts right by n bits, filling with the sign; width, 32 or 64, tells where it is.
func (a Tnum) Arsh(n uint, width uint8) Tnum {
	if width == 32 {
		return Tnum{uint64(uint32(int32(a.Value) >> n)), uint64(uint32(int32(a.Mask) >> n))}
	}
	return Tnum{uint64(int64(a.Value) >> n), uint64(int64(a.Mask) >> n)}
}

// Low returns the lower half, the upper being zero.
func (a Tnum) Low() Tnum { return a.Cast(4) }

// Cast keeps the lower size bytes, the others being zero.
func (a Tnum) Cast(size int) Tnum {
	if size >= 8 {
		return a
	}
	m := uint64(1)<<(size*8) - 1
	return Tnum{a.Value & m, a.Mask & m}
}

// WithLow returns a with the lower half of b.
func (a Tnum) WithLow(b Tnum) Tnum {
	return Tnum{a.Value&upper | b.Value&^upper, a.Mask&upper | b.Mask&^upper}
}

// Swap returns the numbers with the order of their lower size bytes reversed, the others being zero.
func (a Tnum) Swap(size int) Tnum {
	shift := 64 - 8*size
	return Tnum{bits.ReverseBytes64(a.Value) >> shift, bits.ReverseBytes64(a.Mask) >> shift}
}

// IsAligned reports whether all numbers are multiples of size, a power of two.
func (a Tnum) IsAligned(size uint64) bool { return (a.Value|a.Mask)&(size-1) == 0 }

// String returns value and mask as the kernel's log writes them, "(0x0; 0xff)".
func (a Tnum) String() string { return fmt.Sprintf("(%#x; %#x)", a.Value, a.Mask) }
