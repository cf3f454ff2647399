package witness

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/skepbpf/skep/isa"
)

func newSearch(seed uint64) *Search {
	return &Search{task: &Task{}, rng: rand.New(rand.NewPCG(seed, 1)), epoch: 1, until: time.Now().Add(time.Hour)}
}

// TestInversion has what every instruction computes from some number computed again from another.
func TestInversion(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, row := range isa.Linux.Rows() {
		if row.Kind != isa.KindALU {
			continue
		}
		failed := 0
		const times = 100
		for n := range times {
			s := newSearch(uint64(n))
			x, c := rng.Uint64()>>rng.IntN(64), rng.Uint64()>>rng.IntN(64)
			if row.From == isa.FromImm {
				c = uint64(int64(int32(c)))
			}
			in := s.inputNode(input{max: ^uint64(0)})
			e := &node{op: opALU, row: row, a: in, b: constant(c)}
			if row.Fn == isa.FnMov || row.Fn == isa.FnMovSX {
				e.a, e.b = constant(c), in
			}
			want := isa.EvalALU(row, x, c)
			if row.Fn == isa.FnMov || row.Fn == isa.FnMovSX {
				want = isa.EvalALU(row, c, x)
			}
			if !s.solve([]cond{{isa.FnEq, 64, e, constant(want), true}}, time.Now().Add(time.Second)) {
				failed++
			} else if got := s.eval(e); got != want {
				t.Errorf("%s: %#x, want %#x", row.Op, got, want)
			}
		}
		if failed > times/10 {
			t.Errorf("%s: %d of %d results not found again", row.Op, failed, times)
		}
	}
}

// TestConditions finds numbers that compare as asked with a constant and with another number.
func TestConditions(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for fn := isa.FnEq; fn <= isa.FnSLe; fn++ {
		for _, width := range []uint8{32, 64} {
			for n := range 200 {
				s := newSearch(uint64(n))
				a := s.inputNode(input{max: ^uint64(0), value: rng.Uint64() >> rng.IntN(64)})
				b := constant(rng.Uint64() >> rng.IntN(64))
				if n%2 == 0 {
					b = s.inputNode(input{max: 0xff})
				}
				x, y := rng.Uint64(), rng.Uint64()&0xff
				if b.isConst() {
					y = b.n
				}
				want := compare(fn, width, x, y) // so that it can come out so
				if !s.solve([]cond{{fn, width, a, b, want}}, time.Now().Add(time.Second)) {
					t.Errorf("fn %d, %d bits: %v not found against %#x", fn, width, want, y)
				}
			}
		}
	}
}

// TestMemoryOfObjects reads what was written to an object, whole and in parts, at places that are known and that are not.
func TestMemoryOfObjects(t *testing.T) {
	s := newSearch(1)
	o := &object{kind: other}
	at := s.inputNode(input{max: 64, value: 8})
	s.store(o, constant(0), 64, number(constant(0x1122334455667788)))
	s.store(o, constant(4), 32, number(constant(0xaabbccdd)))
	s.store(o, at, 16, number(constant(0xeeff)))
	for _, c := range []struct {
		off  *node
		size uint8
		want uint64
	}{
		{constant(0), 64, 0xaabbccdd55667788}, {constant(2), 32, 0xccdd5566}, {constant(8), 16, 0xeeff}, {at, 8, 0xff},
		{binary(opAdd, at, constant(1)), 8, 0xee}, {constant(7), 16, 0xffaa},
	} {
		v := s.load(o, c.off, c.size)
		if got := s.eval(v.number()); got != c.want {
			t.Errorf("%d bits: %#x, want %#x", c.size, got, c.want)
		}
	}
	s.set(int(at.n), 0)
	v := s.load(o, constant(0), 64)
	if got := s.eval(v.number()); got != 0xaabbccdd5566eeff {
		t.Errorf("%#x after the other place", got)
	}
}
