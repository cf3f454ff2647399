package amd64

import (
	"math/bits"
	"math/rand/v2"
	"testing"
)

// quotient computes what the code of multiply64 and multiply32 does.
func (r reciprocal) quotient(n uint64, width int) uint64 {
	var hi uint64
	if width == 64 {
		hi, _ = bits.Mul64(n>>r.pre, r.factor)
	} else {
		hi = (n >> r.pre * r.factor) >> 32
	}
	if r.add {
		return ((n-hi)>>1 + hi) >> (r.post - 1)
	}
	return hi >> r.post
}

// TestReciprocals divides the numbers around multiples of divisors, where a factor that is a little wrong shows first.
func TestReciprocals(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, width := range []int{32, 64} {
		top := uint64(1)<<(width-1)<<1 - 1
		try := func(d uint64) {
			if d&(d-1) == 0 {
				return
			}
			r := reciprocalOf(d, width)
			if width == 32 && r.factor > 1<<32-1 {
				t.Fatalf("%d: factor %#x", d, r.factor)
			}
			check := func(n uint64) {
				if got := r.quotient(n&top, width); got != n&top/d {
					t.Fatalf("%d bits: %d / %d is %d, not %d (%+v)", width, n&top, d, got, n&top/d, r)
				}
			}
			most := top / d * d
			for _, n := range []uint64{0, 1, d - 1, d, d + 1, 2*d - 1, 2 * d, most - 1, most, most + 1, top - 1, top, top >> 1, top>>1 + 1, most - d, most - d - 1} {
				check(n)
			}
			for range 4 {
				n := rng.Uint64() >> rng.IntN(width)
				check(n)
				check(n & top / d * d)
				check(n&top/d*d - 1)
			}
		}
		for d := uint64(3); d < 200_000; d++ {
			try(d)
		}
		for range 300_000 {
			if d := rng.Uint64() >> (33 + rng.IntN(29)); d >= 3 {
				try(d)
			}
		}
		for s := range 31 {
			for x := -3; x <= 3; x++ {
				if d := 1<<s + x; d >= 3 {
					try(uint64(d))
				}
			}
		}
	}
}
