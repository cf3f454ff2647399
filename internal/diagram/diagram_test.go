package diagram

import (
	"errors"
	"math/rand/v2"
	"testing"
)

// TestWords compares calculation with diagrams with the processor's.
func TestWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		s := New(0)
		x := s.Variable(0)
		y := s.AndWord(s.Variable(1), Number(0x0f)) // few bits, or products would be large
		k := r.Uint32() >> r.IntN(32)
		words := map[string]struct {
			w    Word
			want func(x, y uint32) uint32
		}{
			"add":  {s.Add(x, Number(k), False), func(x, y uint32) uint32 { return x + k }},
			"sub":  {s.Sub(x, Number(k)), func(x, y uint32) uint32 { return x - k }},
			"neg":  {s.Sub(Number(0), x), func(x, y uint32) uint32 { return -x }},
			"and":  {s.AndWord(x, Number(k)), func(x, y uint32) uint32 { return x & k }},
			"or":   {s.OrWord(x, Number(k)), func(x, y uint32) uint32 { return x | k }},
			"xor":  {s.XorWord(x, Number(k)), func(x, y uint32) uint32 { return x ^ k }},
			"shl":  {s.Shl(s.AndWord(x, Number(0xff)), y), func(x, y uint32) uint32 { return x & 0xff << y }},
			"shr":  {s.Shr(x, Number(k)), func(x, y uint32) uint32 { return x >> (k & 31) }},
			"muly": {s.Mul(y, Number(k)), func(x, y uint32) uint32 { return y * k }},
		}
		if k != 0 {
			q, m := s.Div(s.AndWord(x, Number(0xff)), Number(k&0xff|1))
			words["div"] = struct {
				w    Word
				want func(x, y uint32) uint32
			}{q, func(x, y uint32) uint32 { return x & 0xff / (k&0xff | 1) }}
			words["mod"] = struct {
				w    Word
				want func(x, y uint32) uint32
			}{m, func(x, y uint32) uint32 { return x & 0xff % (k&0xff | 1) }}
		}
		nodes := map[string]struct {
			n    Node
			want func(x, y uint32) bool
		}{
			"eq":  {s.Eq(x, Number(k)), func(x, y uint32) bool { return x == k }},
			"gt":  {s.Gt(x, Number(k)), func(x, y uint32) bool { return x > k }},
			"ge":  {s.Ge(x, Number(k)), func(x, y uint32) bool { return x >= k }},
			"set": {s.Set(x, Number(k)), func(x, y uint32) bool { return x&k != 0 }},
			"ge2": {s.Ge(s.AndWord(x, Number(15)), y), func(x, y uint32) bool { return x&15 >= y }},
		}
		for _, a := range []uint32{0, 1, k - 1, k, k + 1, ^uint32(0), r.Uint32(), r.Uint32()} {
			in := []uint32{a, r.Uint32()}
			for name, c := range words {
				var got uint32
				for b, n := range c.w {
					got |= uint32(s.At(n, in)) << b
				}
				if want := c.want(in[0], in[1]&15); got != want {
					t.Fatalf("%s of %#x and %#x, k %#x: %#x, want %#x", name, in[0], in[1]&15, k, got, want)
				}
			}
			for name, c := range nodes {
				if got := s.At(c.n, in) == 1; got != c.want(in[0], in[1]&15) {
					t.Fatalf("%s of %#x and %#x, k %#x: %t", name, in[0], in[1]&15, k, got)
				}
			}
		}
	}
}

// TestCuts takes functions apart and puts them together again.
func TestCuts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		s := New(0)
		x, y := s.Variable(0), s.Variable(1)
		f := s.Constant(7)
		for range 6 {
			c := s.Eq(x, Number(r.Uint32N(20)))
			if r.IntN(2) == 0 {
				c = s.Ge(x, Number(r.Uint32()))
			}
			f = s.Choose(c, s.Choose(s.Eq(y, Number(r.Uint32N(4))), s.Constant(r.Uint64N(3)+10), f), f)
		}
		cut, ok := s.Intervals(f, 0, 100)
		if !ok || s.FromIntervals(0, cut) != f {
			t.Fatalf("intervals %v do not give the function back", cut)
		}
		for i, c := range cut {
			if i > 0 && (cut[i-1].Last+1 != c.First || cut[i-1].Then == c.Then) {
				t.Fatalf("intervals %v", cut)
			}
			for _, v := range s.Values(c.Then) {
				w, ok := s.Find(c.Then, v, 2)
				if w[0] = c.First; !ok || s.At(f, w) != v {
					t.Fatalf("found %v for %d", w, v)
				}
			}
		}
		patterns, ok := s.Patterns(f, 0, 1<<16)
		if !ok {
			t.Fatal("too many patterns")
		}
		for _, p := range patterns {
			in := []uint32{p.Bits | r.Uint32()&^p.Mask, r.Uint32N(5)}
			if s.At(f, in) != s.At(p.Then, in) {
				t.Fatalf("pattern %+v", p)
			}
		}
		care := s.Ge(x, Number(r.Uint32()))
		if small := s.Restrict(f, care); s.Choose(care, small, False) != s.Choose(care, f, False) {
			t.Fatal("the restriction differs where it must not")
		}
		if same := s.Combine(f, f, func(a, b uint64) uint64 { return a - b }); same != False {
			t.Fatal("f - f is not 0")
		}
	}
}

func TestTooLarge(t *testing.T) {
	s := New(2000)
	err := Guard(func() error {
		s.Mul(s.Variable(0), s.Variable(1))
		return nil
	})
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("error %v", err)
	}
}
