package ir_test

import (
	"testing"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// TestPlaces checks what is known about registers at the end of small programs.
func TestPlaces(t *testing.T) {
	known := func(kind ir.PlaceKind, off int32) ir.Place { return ir.Place{Kind: kind, Off: off} }
	for _, c := range []struct {
		text string
		reg  isa.Register
		want ir.Place
	}{
		{"r0 = 0\nexit", isa.R1, known(ir.InContext, 0)},
		{"r0 = 0\nexit", isa.R10, known(ir.OnStack, 0)},
		{"r0 = 0\nexit", isa.R2, known(ir.Unknown, 0)},
		{"r6 = r1\nr6 += 8\nr6 -= 4\nexit", isa.R6, known(ir.InContext, 4)},
		{"r2 = r10\nr2 += -16\nexit", isa.R2, known(ir.OnStack, -16)},
		{"w2 = w10\nexit", isa.R2, known(ir.Unknown, 0)},
		{"r2 = r10\nr2 += r3\nexit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r3\nr2 += r10\nexit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r10\nr2 *= 1\nexit", isa.R2, known(ir.Unknown, 0)},
		{"r2 = r10\nr2 += 2000000\nexit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r10\nr2 += -2147483648\nr2 += -2147483648\nexit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r10\n*(u64 *)(r10 - 8) = r2\nr2 = *(u64 *)(r10 - 8)\nexit", isa.R2, known(ir.Unknown, 0)},
		{"r0 = r10\nr0 = atomic_fetch_add((u64 *)(r1 + 0), r0)\nexit", isa.R0, known(ir.Unknown, 0)},
		{"r1 = r10\nr6 = r10\ncall 7\nexit", isa.R1, known(ir.Unknown, 0)},
		{"r1 = r10\nr6 = r10\ncall 7\nexit", isa.R6, known(ir.OnStack, 0)},
		{"call 7\nexit", isa.R0, known(ir.Elsewhere, 0)},
		{"r6 = r10\ncall f\nexit\nf: r0 = 0\nexit", isa.R6, known(ir.OnStack, 0)},
		// Paths that agree, and paths that do not.
		{"r2 = r10\nif r3 == 0 goto l\nr2 += -8\nr2 += 8\nl: exit", isa.R2, known(ir.OnStack, 0)},
		{"r2 = r10\nif r3 == 0 goto l\nr2 += -8\nl: exit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r1\nif r3 == 0 goto l\nr2 += 8\nl: exit", isa.R2, known(ir.Elsewhere, 0)},
		{"r2 = r3\nif r3 == 0 goto l\nr2 = r10\nl: exit", isa.R2, known(ir.Elsewhere, 0)},
		{"r2 = r10\nr2 += r3\nif r3 == 0 goto l\nr2 = r10\nl: exit", isa.R2, known(ir.NearStack, 0)},
		{"r2 = r10\nif r3 == 0 goto l\nr2 = r1\nl: exit", isa.R2, known(ir.Elsewhere, 0)},
		// A loop that moves a pointer.
		{"r2 = r1\nl: r2 += 4\nif r3 == 0 goto l\nexit", isa.R2, known(ir.Elsewhere, 0)},
	} {
		p, err := decode(t, c.text, ir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		places := p.Places(ir.InContext)
		b := 0 // the block that ends the main function
		for n := range p.Blocks {
			if p.Blocks[n].Func == 0 {
				b = n
			}
		}
		state := places.In(b)
		for i := p.Blocks[b].First; i < p.Blocks[b].End; i++ {
			places.Step(i, &state)
		}
		if got := state[c.reg]; got != c.want {
			t.Errorf("%q: %s is %+v, want %+v", c.text, c.reg, got, c.want)
		}
	}
	// A main function that calls itself knows nothing of its argument.
	p, err := decode(t, "main: r0 = 0\nif r1 == 0 goto end\nr1 = 0\ncall main\nend: exit", ir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s := p.Places(ir.InContext).In(0); s[isa.R1].Kind != ir.Unknown {
		t.Errorf("R1 is %+v", s[isa.R1])
	}
}

// TestDecided checks which jumps become plain ones.
func TestDecided(t *testing.T) {
	p, err := decode(t, "if r1 == 0 goto +2\nr0 = 1\nexit\nif r1 != 5 goto +2\nr0 = 2\nexit\nr0 = 3\nexit", ir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Decided(nil) != p {
		t.Error("a program of which nothing is known is another")
	}
	dead := func(at ...int) *ir.Facts {
		f := &ir.Facts{Dead: make([]bool, len(p.Ins))}
		for _, i := range at {
			f.Dead[i] = true
		}
		return f
	}
	for _, c := range []struct {
		facts         *ir.Facts
		first, second int32 // where the jumps go, -1: they are conditional
	}{
		{dead(), -1, -1},
		{dead(3, 4, 5, 6, 7), 1, -1},
		{dead(1, 2), 3, -1},
		{dead(1, 2, 6, 7), 3, 4},
		{dead(4, 5), -1, 6},
	} {
		q := p.Decided(c.facts)
		for _, j := range [2]struct {
			at   int
			goes int32
		}{{0, c.first}, {3, c.second}} {
			in := q.Ins[j.at]
			if j.goes < 0 && in != p.Ins[j.at] || j.goes >= 0 && (in.Op != isa.Goto || in.Off != j.goes) {
				t.Errorf("%v: instruction %d is %+v", c.facts.Dead, j.at, in)
			}
		}
	}
}
