package emit_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// each makes a function of code in every way there is, and tests it as a function of one number.
func each(t *testing.T, c *emit.Code, test func(t *testing.T, f func(n uint64) uint64)) {
	t.Helper()
	for _, o := range []skep.Options{{Engine: skep.EngineInterp}, {}, {UnsafeTrust: true}} {
		f, err := c.Func(&o)
		if o.UnsafeTrust {
			f, err = c.Proved(&emit.Memory{Name: "the number", Size: 8}, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		name := "checked"
		if o.Engine == skep.EngineInterp {
			name = "interp"
		}
		call := func(n uint64) uint64 {
			r0, err := f.Run(binary.LittleEndian.AppendUint64(nil, n))
			if err != nil {
				t.Fatal(err)
			}
			return r0
		}
		if o.UnsafeTrust {
			p, err := f.Pointer()
			if errors.Is(err, skep.ErrNotSupported) && runtime.GOARCH != "amd64" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			name = "pointer"
			call = func(n uint64) uint64 {
				r0, _ := p(unsafe.Pointer(&n), 8)
				return r0
			}
		}
		t.Run(name, func(t *testing.T) { test(t, call) })
	}
}

// TestAmong looks up numbers in sets of every density and size.
func TestAmong(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, span := range []uint64{1, 10, 60, 1000, 1 << 16, 1 << 34, 0} {
		for _, n := range []int{0, 1, 2, 3, 9, 50, 700} {
			numbers := make([]uint64, n)
			base := rng.Uint64() >> rng.IntN(64)
			for i := range numbers {
				if numbers[i] = rng.Uint64(); span > 0 {
					numbers[i] = base + rng.Uint64N(span)
				}
			}
			c := emit.New("among")
			yes, no := c.Label(), c.Label()
			c.Op(isa.Ldx64, isa.R3, isa.R1, 0, 0)
			c.Among(isa.R3, numbers, isa.R4, isa.R5, yes, no)
			c.Bind(yes)
			c.Return(1)
			c.Bind(no)
			c.Return(0)
			each(t, c, func(t *testing.T, f func(uint64) uint64) {
				for i := range 3000 {
					x := base + rng.Uint64N(span+3) - 1
					switch {
					case i < 4*n:
						x = numbers[i/4] + uint64(i%4/2) - uint64(i%2)
					case i%10 == 0:
						x = rng.Uint64()
					}
					want := uint64(0)
					if slices.Contains(numbers, x) {
						want = 1
					}
					if got := f(x); got != want {
						t.Fatalf("%d in a set of %d over %d: %d", x, n, span, got)
					}
				}
			})
		}
	}
}

// TestFar has jumps further than 16 bits reach, of every kind, ahead and back.
func TestFar(t *testing.T) {
	c := emit.New("far")
	far, back, start := c.Label(), c.Label(), c.Label()
	c.Op(isa.Ldx64, isa.R3, isa.R1, 0, 0)
	c.Goto(start)
	c.Bind(back)
	c.Return(7)
	c.Bind(start)
	c.Op(isa.Mov64Imm, isa.R0, 0, 0, 0)
	c.IfConst(emit.Set, isa.R3, 1, isa.R4, far)
	for range 40000 {
		c.Op(isa.Add64Imm, isa.R0, 0, 0, 1)
	}
	c.IfConst(emit.Eq, isa.R3, 2, isa.R4, back)
	c.Op(isa.Exit, 0, 0, 0, 0)
	c.Bind(far)
	c.Op(isa.Add64Imm, isa.R0, 0, 0, 1)
	c.Op(isa.Exit, 0, 0, 0, 0)
	each(t, c, func(t *testing.T, f func(uint64) uint64) {
		for x, want := range map[uint64]uint64{0: 40000, 1: 1, 2: 7, 3: 1, 4: 40000} {
			if got := f(x); got != want {
				t.Errorf("%d: %d, want %d", x, got, want)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	c := emit.New("nowhere")
	c.Goto(c.Label())
	if _, err := c.Func(nil); err == nil || !strings.Contains(err.Error(), "label 0, which stands nowhere") {
		t.Error(err)
	}
	c = emit.New("wild")
	c.Const(isa.R3, 1<<40)
	c.Op(isa.Ldx64, isa.R0, isa.R3, 0, 0)
	c.Op(isa.Exit, 0, 0, 0, 0)
	f, err := c.Func(nil)
	if err != nil {
		t.Fatal(err)
	}
	var fault *skep.Fault
	if _, err := f.Run(nil); !errors.As(err, &fault) {
		t.Error(err)
	}
	if _, err := f.Pointer(); !errors.Is(err, skep.ErrNotSupported) {
		t.Error(err)
	}
}
