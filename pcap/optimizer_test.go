// Implements the tests of the optimiser: each of its steps leaves every verdict as it is.

package pcap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// drawn returns a random expression that compiles, and its link type.
func drawn(r *rand.Rand) (string, pcap.LinkType, *pcap.Program) {
	for {
		link, err := pcap.ParseLinkType(tested[r.IntN(len(tested))])
		if err != nil {
			panic(err)
		}
		expr := generator{r, link}.expression()
		if plain, err := pcap.Compile(expr, &pcap.Options{LinkType: link, NoOptimize: true}); err == nil {
			return expr, link, plain
		}
	}
}

func TestEachStep(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	shorter := map[string]int{}
	for range 400 {
		expr, link, plain := drawn(r)
		want := plain.Raw()
		all := hints(want)
		var packets [][]byte
		for range 60 {
			packets = append(packets, packet(r, all, captures()[link]))
		}
		before := len(want)
		for n := 1; ; n++ {
			code, step, err := pcap.CompileSteps(expr, link, n)
			if err != nil {
				t.Fatalf("%v | %s: %s: %v", link, expr, step, err)
			}
			if step == "" {
				break
			}
			for _, data := range packets {
				if got := run(code, data); got != run(want, data) {
					t.Fatalf("%v | %s: %q makes %d of the verdict on %x", link, expr, step, got, data)
				}
			}
			if len(code) < before {
				shorter[step]++
			}
			before = len(code)
		}
	}
	t.Logf("expressions shortened by step: %v", shorter)
	for _, step := range []string{"thread", "fold values", "reuse registers and share code", "fold tests"} {
		if shorter[step] == 0 {
			t.Errorf("step %q shortened nothing: a test of nothing", step)
		}
	}
}

func TestOptimizedAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	verdicts, matches := 0, 0
	for range 1500 {
		expr, link, plain := drawn(r)
		optimised, err := pcap.Compile(expr, &pcap.Options{LinkType: link})
		want := plain.Raw()
		all := hints(want)
		var code *classic.VM
		if err == nil {
			if code, err = classic.NewVM(optimised.Raw()); err != nil {
				t.Fatal(err)
			}
		}
		unoptimised, err := classic.NewVM(want)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			data := packet(r, all, captures()[link])
			p := &spec.Packet{Data: data, PktType: uint8(r.IntN(5)), IfIndex: uint32(r.IntN(5))}
			w := unoptimised.Run(p, nil)
			g := uint32(0) // an expression that can never match
			if code != nil {
				g = code.Run(p, nil)
			}
			if w != g {
				t.Fatalf("%v | %s: %d optimised, %d not, for %x", link, expr, g, w, data)
			}
			verdicts++
			if w != 0 {
				matches++
			}
		}
	}
	t.Logf("%d verdicts, %d matches", verdicts, matches)
	if matches < verdicts/10 {
		t.Error("too few matches: a test of little")
	}
}

// FuzzCompile takes any text: nothing may panic, and optimised code must agree with plain.
func FuzzCompile(f *testing.F) {
	links, exprs := listed(f)
	for i, e := range exprs {
		f.Add(e, uint16(links[i]), []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x08\x00\x45\x00\x00\x28\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02\x00\x50\x01\xbb"))
	}
	f.Fuzz(func(t *testing.T, expr string, link uint16, data []byte) {
		if len(expr) > 2000 {
			return
		}
		opts := &pcap.Options{LinkType: pcap.LinkType(link % 300), NoOptimize: true}
		plain, err := pcap.Compile(expr, opts)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		opts.NoOptimize = false
		optimised, err := pcap.Compile(expr, opts)
		want, got := run(plain.Raw(), data), 0
		if err == nil {
			got = run(optimised.Raw(), data)
		}
		if got != want {
			t.Errorf("%d optimised, %d not", got, want)
		}
	})
}

// FuzzOptimizer draws expressions from the grammar, and packets that get far in them.
func FuzzOptimizer(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, i*7, []byte{})
	}
	f.Fuzz(func(t *testing.T, a, b uint64, data []byte) {
		r := rand.New(rand.NewPCG(a, b))
		expr, link, plain := drawn(r)
		optimised, err := pcap.Compile(expr, &pcap.Options{LinkType: link})
		all := hints(plain.Raw())
		for range 20 {
			if len(data) == 0 {
				data = packet(r, all, captures()[link])
			}
			want, got := run(plain.Raw(), data), 0
			if err == nil {
				got = run(optimised.Raw(), data)
			}
			if got != want {
				t.Fatalf("%v | %s: %d optimised, %d not, for %x", link, expr, got, want, data)
			}
			data = nil
		}
	})
}

// Large and deep expressions give code or an error, and soon.
func TestLarge(t *testing.T) {
	repeat := func(n int, f func(i int) string, join string) string {
		var b []byte
		for i := range n {
			if i > 0 {
				b = append(b, join...)
			}
			b = append(b, f(i)...)
		}
		return string(b)
	}
	same := func(s string) func(int) string { return func(int) string { return s } }
	host := func(i int) string { return fmt.Sprintf("host 10.%d.%d.1", i/250, i%250) }
	tests := []struct {
		name, expr string
		ok         bool
	}{
		{"200 hosts", repeat(200, host, " or "), true},
		{"200 hosts left out", repeat(200, func(i int) string { return "not " + host(i) }, " and "), true},
		{"3000 hosts", repeat(3000, host, " or "), false},
		{"300 ports", "port " + repeat(300, func(i int) string { return fmt.Sprint(i) }, " or "), true},
		{"pairs", repeat(50, func(i int) string { return fmt.Sprintf("(%s and dst port %d)", host(i), i) }, " or "), true},
		{"parentheses", repeat(500, same("("), "") + "tcp" + repeat(500, same(")"), ""), true},
		{"many parentheses", repeat(50000, same("("), "") + "tcp" + repeat(50000, same(")"), ""), false},
		{"nots", repeat(50001, same("!"), "") + "tcp", false},
		{"indices", repeat(20000, same("ip["), ""), false},
		{"minuses", repeat(50000, same("-"), "") + "1=1", false},
		{"right operands", "ip[0]" + repeat(30000, same("^1"), "") + "=1", false},
		{"tags", repeat(5000, same("vlan"), " and "), false},
		{"chains", repeat(20, same("protochain 6"), " or "), false},
		{"spaces", repeat(100000, same(" "), ""), true},
		{"too long a text", repeat(200000, same(" "), ""), false},
	}
	for _, test := range tests {
		for _, plain := range []bool{false, true} {
			p, err := pcap.Compile(test.expr, &pcap.Options{LinkType: pcap.LinkTypeEthernet, NoOptimize: plain})
			if err == nil && !test.ok || err != nil && test.ok && !plain {
				t.Errorf("%s: error %v, program of %d", test.name, err, programLength(p))
			}
			if err == nil {
				if _, err := classic.NewVM(p.Raw()); err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
			}
		}
	}
}

func programLength(p *pcap.Program) int {
	if p == nil {
		return 0
	}
	return len(p.Raw())
}
