// Implements exhaustive tests: all sets of numbers in small windows of bits, at both ends and across the middle.

package value

import (
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/isa"
)

// window is a few bits at some place, the others being fixed.
type window struct {
	shift uint
	fixed uint64
}

// windows lie where carries, signs and halves are at stake.
var windows = []window{{0, 0}, {29, 0}, {29, 0xffffffff1fffffff}, {30, 0}, {60, 0}, {60, 0x0fffffffffffffff}, {0, 0xfffffffffffffff0}, {14, 0}, {6, 0xffffffffffff0000}}

// tnums returns all Tnums over n bits of a window.
func (w window) tnums(n uint) (out []Tnum) {
	for m := range uint64(1) << n {
		for v := range uint64(1) << n {
			if v&m == 0 {
				all := (uint64(1)<<n - 1) << w.shift
				out = append(out, Tnum{w.fixed&^all | v<<w.shift, m << w.shift})
			}
		}
	}
	return out
}

func (w window) numbers(n uint) (out []uint64) {
	all := (uint64(1)<<n - 1) << w.shift
	for v := range uint64(1) << n {
		out = append(out, w.fixed&^all|v<<w.shift)
	}
	return out
}

// best is the most that can be said of some numbers.
func best(all []uint64) Scalar {
	s := Const(all[0])
	for _, v := range all[1:] {
		c := Const(v)
		s = s.Union(&c)
	}
	return s
}

var tnumOps = map[string]struct {
	abstract func(a, b Tnum) Tnum
	concrete func(a, b uint64) uint64
	optimal  bool
}{
	"add": {Tnum.Add, func(a, b uint64) uint64 { return a + b }, true},
	"sub": {Tnum.Sub, func(a, b uint64) uint64 { return a - b }, true},
	"and": {Tnum.And, func(a, b uint64) uint64 { return a & b }, true},
	"or":  {Tnum.Or, func(a, b uint64) uint64 { return a | b }, true},
	"xor": {Tnum.Xor, func(a, b uint64) uint64 { return a ^ b }, true},
	"mul": {Tnum.Mul, func(a, b uint64) uint64 { return a * b }, false},
}

// trials is n, or less in a hurry.
func trials(n int) int {
	if testing.Short() {
		return n / 8
	}
	return n
}

func TestTnum(t *testing.T) {
	const n = 4
	for _, w := range windows {
		tnums, numbers := w.tnums(n), w.numbers(n)
		for name, op := range tnumOps {
			precise, total := 0, 0
			for _, a := range tnums {
				for _, b := range tnums {
					got := op.abstract(a, b)
					var want Tnum
					first := true
					for _, x := range numbers {
						if !a.Has(x) {
							continue
						}
						for _, y := range numbers {
							if !b.Has(y) {
								continue
							}
							r := op.concrete(x, y)
							if !got.Has(r) {
								t.Fatalf("%s %s %s = %s lacks %#x = %#x %s %#x", name, a, b, got, r, x, name, y)
							}
							if first {
								want, first = ConstBits(r), false
							}
							want = want.Union(ConstBits(r))
						}
					}
					total++
					if got == want {
						precise++
					} else if op.optimal {
						t.Fatalf("%s %s %s = %s, the best is %s", name, a, b, got, want)
					}
				}
			}
			if w.fixed == 0 && precise*10 < total*8 {
				t.Errorf("%s in %+v: %d of %d are the best", name, w, precise, total)
			}
		}
	}
}

func TestTnumSets(t *testing.T) {
	const n = 4
	for _, w := range windows {
		tnums, numbers := w.tnums(n), w.numbers(n)
		for _, a := range tnums {
			for _, b := range tnums {
				contains, overlaps := true, false
				u, i := a.Union(b), a.Intersect(b)
				for _, x := range numbers {
					contains = contains && (!b.Has(x) || a.Has(x))
					overlaps = overlaps || a.Has(x) && b.Has(x)
					if (a.Has(x) || b.Has(x)) && !u.Has(x) || a.Has(x) && b.Has(x) && !i.Has(x) {
						t.Fatalf("%s and %s: union %s, intersection %s, %#x", a, b, u, i, x)
					}
				}
				if a.Contains(b) != contains || a.Overlaps(b) != overlaps {
					t.Fatalf("%s and %s: contains %v, overlaps %v", a, b, contains, overlaps)
				}
			}
		}
		for i, lo := range numbers {
			for _, hi := range numbers[i:] {
				if r := RangeBits(lo, hi); !r.Has(lo) || !r.Has(hi) || r != ConstBits(lo).Union(ConstBits(hi)).Union(r) {
					t.Fatalf("range %#x to %#x: %s", lo, hi, r)
				}
			}
		}
	}
}

// scalars returns scalars of a window: of each range, signed and unsigned, whole and half, and of random parts.
func (w window) scalars(n uint, rng *rand.Rand) (out []Scalar) {
	numbers := w.numbers(n)
	for range 120 {
		// The best of a random set of numbers, or of a range, or a range and bits.
		var set []uint64
		for _, v := range numbers {
			if rng.IntN(3) == 0 {
				set = append(set, v)
			}
		}
		if len(set) > 0 {
			out = append(out, best(set))
		}
	}
	for range 120 {
		i, j := rng.IntN(len(numbers)), rng.IntN(len(numbers))
		lo, hi := min(numbers[i], numbers[j]), max(numbers[i], numbers[j])
		s := Unknown
		switch rng.IntN(4) {
		case 0:
			s.UMin, s.UMax = lo, hi
		case 1:
			s.SMin, s.SMax = min(int64(lo), int64(hi)), max(int64(lo), int64(hi))
		case 2:
			s.UMin32, s.UMax32 = min(uint32(lo), uint32(hi)), max(uint32(lo), uint32(hi))
		case 3:
			s.SMin32, s.SMax32 = min(int32(lo), int32(hi)), max(int32(lo), int32(hi))
		}
		if rng.IntN(2) == 0 {
			tn := w.tnums(n)
			s.Bits = tn[rng.IntN(len(tn))]
		}
		before := s
		s.Sync()
		for _, v := range numbers {
			if before.Has(v) && !s.Has(v) {
				panic("sync loses a number")
			}
		}
		if s.Consistent() {
			out = append(out, s)
		}
	}
	return append(out, Unknown, Const(numbers[0]))
}

func (s *Scalar) members(numbers []uint64) (out []uint64) {
	for _, v := range numbers {
		if s.Has(v) {
			out = append(out, v)
		}
	}
	return out
}

// apply is the operation that a row of the table stands for; shifts by constants only.
func apply(r *isa.Row, a, b Scalar) (Scalar, bool) {
	w := r.Width
	switch r.Fn {
	case isa.FnAdd:
		a.Add(&b, w)
	case isa.FnSub:
		a.Sub(&b, w)
	case isa.FnMul:
		a.Mul(&b, w)
	case isa.FnAnd:
		a.And(&b, w)
	case isa.FnOr:
		a.Or(&b, w)
	case isa.FnXor:
		a.Xor(&b, w)
	case isa.FnNeg:
		a.Neg(w)
	case isa.FnLsh, isa.FnRsh, isa.FnArsh:
		if !b.IsConst() || b.Bits.Value >= uint64(w) {
			return a, false
		}
		n := uint(b.Bits.Value)
		switch r.Fn {
		case isa.FnLsh:
			a.Lsh(n, w)
		case isa.FnRsh:
			a.Rsh(n, w)
		default:
			a.Arsh(n, w)
		}
	case isa.FnBE, isa.FnBSwap:
		a.Swap(int(r.Size / 8))
	case isa.FnLE:
		a.Truncate(int(r.Size / 8))
	case isa.FnMovSX:
		a = b
		a.SignExtend(int(r.Size/8), w)
	case isa.FnMov:
		if a = b; w == 32 {
			a.ZeroExtend32()
		}
	default:
		return a, false
	}
	return a, true
}

// TestScalar tries every arithmetic row on scalars of all windows: the result holds what the reference computes.
func TestScalar(t *testing.T) {
	const n = 4
	rng := rand.New(rand.NewPCG(1, 2))
	counts, bests := map[isa.Fn]int{}, map[isa.Fn]int{}
	for _, w := range windows {
		numbers := w.numbers(n)
		as, bs := w.scalars(n, rng), w.scalars(n, rng)
		for k := range 64 {
			bs = append(bs, Const(uint64(k)))
		}
		for _, r := range isa.Linux.Rows() {
			if r.Kind != isa.KindALU || r.From == isa.FromImm {
				continue
			}
			for range trials(2000) {
				a, b := as[rng.IntN(len(as))], bs[rng.IntN(len(bs))]
				if (r.Fn == isa.FnLsh || r.Fn == isa.FnRsh || r.Fn == isa.FnArsh) && !b.IsConst() {
					b = Const(uint64(rng.IntN(int(r.Width))))
				}
				got, ok := apply(r, a, b)
				if !ok {
					continue
				}
				got.Repair()
				xs, ys := a.members(numbers), b.members(numbers)
				if b.IsConst() {
					ys = []uint64{b.Bits.Value}
				}
				var all []uint64
				for _, x := range xs {
					for _, y := range ys {
						v := isa.EvalALU(r, x, y)
						if all = append(all, v); !got.Has(v) {
							t.Fatalf("%s: %+v, %+v = %+v lacks %#x = %#x, %#x", r.Text, a, b, got, v, x, y)
						}
					}
				}
				if len(all) == 0 {
					continue
				}
				counts[r.Fn]++
				if w := best(all); w.Contains(&got) {
					bests[r.Fn]++
				}
			}
		}
	}
	for fn, c := range counts {
		t.Logf("operation %d: %d of %d results are the best there is", fn, bests[fn], c)
	}
}

func TestTruncate(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, w := range append(windows, window{6, 0xff00}, window{13, 0}) {
		numbers := w.numbers(5)
		for _, a := range w.scalars(5, rng) {
			for _, size := range []int{1, 2, 4, 8} {
				got := a
				got.Truncate(size)
				for _, x := range a.members(numbers) {
					if v := x & (^uint64(0) >> (64 - 8*size)); !got.Has(v) {
						t.Fatalf("%+v cut to %d bytes: %+v lacks %#x", a, size, got, v)
					}
				}
			}
		}
	}
}

func TestSwap(t *testing.T) {
	for _, w := range windows {
		numbers := w.numbers(4)
		for _, a := range w.tnums(4) {
			for fn, op := range map[int]isa.Op{2: isa.BSwap16, 4: isa.BSwap32, 8: isa.BSwap64} {
				got := a.Swap(fn)
				for _, x := range numbers {
					if a.Has(x) && !got.Has(isa.EvalALU(isa.Linux.Row(op), x, 0)) {
						t.Fatalf("%s swapped: %s", a, got)
					}
				}
			}
		}
	}
}

var rows = map[isa.Fn]Cmp{isa.FnEq: Eq, isa.FnNe: Ne, isa.FnSet: Set, isa.FnGt: Gt, isa.FnLe: Le, isa.FnGe: Ge,
	isa.FnLt: Lt, isa.FnSGt: SGt, isa.FnSLe: SLe, isa.FnSGe: SGe, isa.FnSLt: SLt}

// TestCompare tries every jump on scalars of all windows: answers and narrowed numbers are right.
func TestCompare(t *testing.T) {
	const n = 4
	rng := rand.New(rand.NewPCG(5, 6))
	for _, w := range windows {
		numbers := w.numbers(n)
		all := w.scalars(n, rng)
		for _, r := range isa.Linux.Rows() {
			if r.Kind != isa.KindJump || r.From != isa.FromReg {
				continue
			}
			for range trials(5000) {
				a, b := all[rng.IntN(len(all))], all[rng.IntN(len(all))]
				checkCompare(t, r, a, b, numbers)
			}
		}
	}
}

func checkCompare(t *testing.T, r *isa.Row, a, b Scalar, numbers []uint64) {
	c := rows[r.Fn]
	answer := Compare(c, &a, &b, r.Width)
	ta, tb, fa, fb := a, b, a, b
	Assume(c, &ta, &tb, r.Width)
	Assume(c.Not(), &fa, &fb, r.Width)
	for _, x := range a.members(numbers) {
		for _, y := range b.members(numbers) {
			jumps := isa.EvalJump(r, x, y)
			if jumps && answer == Never || !jumps && answer == Always {
				t.Fatalf("%s: %+v, %+v: %d, but %#x, %#x", r.Text, a, b, answer, x, y)
			}
			if jumps && (!ta.Has(x) || !tb.Has(y)) || !jumps && (!fa.Has(x) || !fb.Has(y)) {
				t.Fatalf("%s: %+v, %+v become %+v, %+v and %+v, %+v without %#x, %#x", r.Text, a, b, ta, tb, fa, fb, x, y)
			}
		}
	}
	if c.Swap().Swap() != c || c.Not().Not() != c {
		t.Fatalf("comparison %d", c)
	}
}

// TestRandom tries operations on numbers of all sizes.
func TestRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	pick := func() (Scalar, []uint64) {
		var set []uint64
		base := rng.Uint64() >> rng.IntN(64)
		for range 1 + rng.IntN(4) {
			set = append(set, base+uint64(int64(rng.Uint64()>>rng.IntN(64))))
		}
		return best(set), set
	}
	for range trials(300_000) {
		a, xs := pick()
		b, ys := pick()
		r := isa.Linux.Row(isa.Op(rng.IntN(isa.NumOps)))
		switch r.Kind {
		case isa.KindALU:
			got, ok := apply(r, a, b)
			if !ok {
				continue
			}
			for _, x := range xs {
				for _, y := range ys {
					if v := isa.EvalALU(r, x, y); !got.Has(v) {
						t.Fatalf("%s: %+v, %+v = %+v lacks %#x = %#x, %#x", r.Text, a, b, got, v, x, y)
					}
				}
			}
		case isa.KindJump:
			checkCompare(t, r, a, b, append(xs, ys...))
		}
	}
}

func TestRepair(t *testing.T) {
	s := Range(3, 9)
	s.UMin = 10
	if s.Consistent() {
		t.Fatal("an empty range is consistent")
	}
	if s.Repair(); !s.Consistent() || s.UMax < 1<<60 {
		t.Fatalf("%+v", s)
	}
}

func BenchmarkSync(b *testing.B) {
	x, y := Range(3, 1000), OfSize(2)
	for b.Loop() {
		z := x
		z.Add(&y, 64)
	}
}
