package filter_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/pcap"
)

// TestWaysIn compares the ways a filter is run by one packet at a time, with an instance of its own and without, on
// every expression of package pcap's list and packets of all lengths.
func TestWaysIn(t *testing.T) {
	list, err := os.ReadFile("../pcap/testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	packets := make([][]byte, 300)
	for i := range packets {
		packets[i] = likely(rng)
	}
	compiled, accepted := 0, 0
	for line := range strings.Lines(string(list)) {
		_, expr, ok := strings.Cut(line, "|")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		f, err := filter.Compile(strings.TrimSpace(expr), nil)
		if err != nil {
			continue // package pcap tests those
		}
		compiled++
		code, err := pcap.Compile(strings.TrimSpace(expr), nil)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := filter.New(code.Raw(), &skep.Options{Engine: skep.EngineInterp})
		if err != nil {
			t.Fatal(err)
		}
		own, readable := f.Program().NewInstance(), slow.Program().NewInstance()
		for _, p := range packets {
			got := f.Verdict(p)
			want, err := own.Run(p)
			third, err3 := readable.Run(p)
			run, err4 := f.Program().RunContext(t.Context(), &skep.RunOptions{Data: p})
			plain, err5 := f.Program().Run(&skep.RunOptions{Data: p})
			if err := errors.Join(err, err3, err4, err5); err != nil {
				t.Fatalf("%s: %v", expr, err)
			}
			if w := uint32(want); got != w || uint32(third) != w || uint32(run.R0) != w || plain != w {
				t.Fatalf("%s: %x: %d; %d by an instance, %d interpreted, %d and %d by Run", expr, p, got, w, third, run.R0, plain)
			}
			if n := readable.Insns(); run.Insns != n || own.Insns() != n {
				t.Fatalf("%s: %x: %d and %d instructions, interpreted %d", expr, p, run.Insns, own.Insns(), n)
			}
			if got != 0 {
				accepted++
			}
		}
	}
	if compiled < 200 || accepted < 1000 {
		t.Errorf("%d expressions, %d packets accepted", compiled, accepted)
	}
}

// likely returns a packet of random length that begins as Ethernet frames do.
func likely(rng *rand.Rand) []byte {
	p := make([]byte, rng.IntN(128))
	for i := range p {
		p[i] = byte(rng.IntN(256)) >> rng.IntN(8)
	}
	pick := func(at int, values ...byte) {
		if at < len(p) {
			p[at] = values[rng.IntN(len(values))]
		}
	}
	if types := []uint16{0x800, 0x86dd, 0x806, 0x8100, 0x8847, 0x8863, 0x8864, 0x22}; len(p) > 14 && rng.IntN(4) > 0 {
		t := types[rng.IntN(len(types))]
		p[12], p[13] = byte(t>>8), byte(t)
		pick(14, 0x45, 0x46, 0x60, 0x42)
		pick(20, 0, 0, 6, 17, 58)
		pick(21, 0)
		pick(23, 6, 17, 1, 132, 2)
		pick(36, 0)
		pick(37, 80, 53, 22)
	}
	return p
}
