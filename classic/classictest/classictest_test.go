// Implements the tests of the generators.

package classictest_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
)

func TestProgram(t *testing.T) {
	for subset := classictest.Full; subset <= classictest.Seccomp; subset++ {
		r := rand.New(rand.NewPCG(1, uint64(subset)))
		used := map[uint16]bool{}
		for n := 1; n <= 300; n++ {
			prog := classictest.Program(r, n, subset)
			if len(prog) != n {
				t.Fatalf("%d instructions instead of %d", len(prog), n)
			}
			check := classic.Check
			if subset == classictest.Seccomp {
				check = classic.CheckSeccomp
			}
			if err := check(prog); err != nil {
				t.Fatalf("subset %d: %v in\n%s", subset, err, classic.Append(nil, prog, classic.FormD))
			}
			for _, in := range prog {
				used[in.Op] = true
			}
		}
		if subset == classictest.Full && len(used) != len(classic.Rows()) {
			t.Errorf("%d of %d instructions are drawn", len(used), len(classic.Rows()))
		}
	}
	one := classictest.Program(rand.New(rand.NewPCG(5, 5)), 100, classictest.Full)
	if !slices.Equal(one, classictest.Program(rand.New(rand.NewPCG(5, 5)), 100, classictest.Full)) {
		t.Error("the same seed gives another program")
	}
	if n := len(classictest.Program(rand.New(rand.NewPCG(6, 6)), classic.MaxInstructions, classictest.Full)); n != classic.MaxInstructions {
		t.Errorf("%d instructions", n)
	}
}

func TestPacket(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	cut, tagged := 0, 0
	for range 1000 {
		p := classictest.Packet(r)
		if p.WireLen != 0 && p.WireLen < len(p.Data) || p.NetworkOffset < 0 {
			t.Fatalf("%+v", p)
		}
		if p.Len() > len(p.Data) {
			cut++
		}
		if p.VLANPresent {
			tagged++
		}
	}
	if cut < 100 || tagged < 100 {
		t.Errorf("of 1000 packets %d are cut short, %d tagged", cut, tagged)
	}
}
