package emit_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"log"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// portSet writes a function that tells whether the number of 16 bits at R1, highest byte first, is among some.
func portSet(ports []uint16) *emit.Code {
	numbers := make([]uint64, len(ports))
	for i, p := range ports {
		numbers[i] = uint64(p)
	}
	c := emit.New("ports")
	yes, no := c.Label(), c.Label()
	c.Op(isa.Ldx16, isa.R3, isa.R1, 0, 0)
	c.Op(isa.BE16, isa.R3, 0, 0, 0)
	c.Among(isa.R3, numbers, isa.R4, isa.R5, yes, no)
	c.Bind(yes)
	c.Return(1)
	c.Bind(no)
	c.Return(0)
	return c
}

// A set of ports becomes a function.
func ExampleCode_Among() {
	f, err := portSet([]uint16{22, 53, 80, 443, 8080}).Func(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, port := range []uint16{80, 81, 443} {
		in, err := f.Run(binary.BigEndian.AppendUint16(nil, port))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(port, in == 1)
	}
	// Output:
	// 80 true
	// 81 false
	// 443 true
}

// Code that is proved to look at nothing but its argument runs without checks, as a plain Go function.
func ExampleCode_Proved() {
	f, err := portSet([]uint16{22, 53, 80, 443, 8080}).Proved(&emit.Memory{Name: "the port", Size: 2}, nil)
	if err != nil {
		log.Fatal(err)
	}
	has, err := f.Pointer()
	if err != nil {
		fmt.Println("no machine code on this system")
		return
	}
	port := [2]byte{0, 80}
	in, _ := has(unsafe.Pointer(&port), 0)
	fmt.Println(in == 1)
}

// What cannot be proved is refused.
func ExampleCode_Prove() {
	fmt.Println(portSet([]uint16{22, 80}).Prove(&emit.Memory{Name: "the port", Size: 2}, nil))
	fmt.Println(portSet([]uint16{22, 80}).Prove(&emit.Memory{Name: "the port", Size: 1}, nil))
	// Output:
	// <nil>
	// instruction 0: 2 bytes at R1+0 may be behind the end of the port
}

// route is a line of a routing table.
type route struct {
	net netip.Prefix // of version 4
	hop uint32
}

// span is a range of addresses that go to the same hop.
type span struct{ lo, hi, hop uint32 }

// spans turns a table, in which the longest prefix wins, into ranges that do not overlap.
func spans(table []route) []span {
	table = slices.Clone(table)
	slices.SortStableFunc(table, func(a, b route) int { return cmp.Compare(a.net.Bits(), b.net.Bits()) })
	bounds := func(n netip.Prefix) (lo, hi uint32) {
		a := n.Masked().Addr().As4()
		lo = binary.BigEndian.Uint32(a[:])
		return lo, lo | uint32(1<<(32-n.Bits())-1)
	}
	cuts := []uint64{0, 1 << 32}
	for _, r := range table {
		lo, hi := bounds(r.net)
		cuts = append(cuts, uint64(lo), uint64(hi)+1)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	out := make([]span, len(cuts)-1)
	for i := range out {
		out[i] = span{lo: uint32(cuts[i]), hi: uint32(cuts[i+1] - 1)}
	}
	for _, r := range table { // longer ones later
		lo, hi := bounds(r.net)
		i, _ := slices.BinarySearchFunc(out, lo, func(s span, lo uint32) int { return cmp.Compare(s.lo, lo) })
		for ; i < len(out) && out[i].hi <= hi; i++ {
			out[i].hop = r.hop
		}
	}
	return out
}

// router writes a function that returns the hop of the address at R1.
func router(table []route) *emit.Code {
	c := emit.New("router")
	c.Op(isa.Ldx32, isa.R3, isa.R1, 0, 0)
	c.Op(isa.BE32, isa.R3, 0, 0, 0)
	none := c.Label()
	hops := map[uint32]emit.Label{}
	var cases []emit.Case
	for _, s := range spans(table) {
		l, ok := hops[s.hop]
		if !ok {
			l = c.Label()
			hops[s.hop] = l
		}
		cases = append(cases, emit.Case{Lo: uint64(s.lo), Hi: uint64(s.hi), To: l})
	}
	c.Search(isa.R3, cases, isa.R4, none)
	for hop, l := range hops {
		c.Bind(l)
		c.Return(int32(hop))
	}
	c.Bind(none)
	c.Return(0)
	return c
}

// A routing table, in which the longest prefix wins, becomes a function.
func ExampleCode_Search() {
	table := []route{{netip.MustParsePrefix("0.0.0.0/0"), 1}, {netip.MustParsePrefix("10.0.0.0/8"), 2}, {netip.MustParsePrefix("10.1.0.0/16"), 3}}
	f, err := router(table).Func(nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range []string{"192.0.2.1", "10.200.0.1", "10.1.2.3"} {
		hop, err := f.Run(netip.MustParseAddr(a).AsSlice())
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(a, hop)
	}
	// Output:
	// 192.0.2.1 1
	// 10.200.0.1 2
	// 10.1.2.3 3
}

// stateMachine writes a function that runs a machine over the bytes at R1, R2 of them: next[state][class] is the state
// after a byte of a class, and it returns the last state.
func stateMachine(class *[256]byte, next [][]byte) *emit.Code {
	c := emit.New("machine")
	width := len(next[0])
	c.Op(isa.Mov64Imm, isa.R0, 0, 0, 0)
	c.Op(isa.Add64Reg, isa.R2, isa.R1, 0, 0)
	end := c.Label()
	loop := c.Here()
	c.If(emit.Eq, isa.R1, isa.R2, end)
	c.Table(isa.R3, class[:])
	c.Op(isa.Ldx8, isa.R4, isa.R1, 0, 0)
	c.Op(isa.Add64Reg, isa.R3, isa.R4, 0, 0)
	c.Op(isa.Ldx8, isa.R4, isa.R3, 0, 0)
	c.Op(isa.Mul64Imm, isa.R0, 0, 0, int32(width))
	c.Op(isa.Add64Reg, isa.R0, isa.R4, 0, 0)
	c.Table(isa.R3, slices.Concat(next...))
	c.Op(isa.Add64Reg, isa.R3, isa.R0, 0, 0)
	c.Op(isa.Ldx8, isa.R0, isa.R3, 0, 0)
	c.Op(isa.Add64Imm, isa.R1, 0, 0, 1)
	c.Goto(loop)
	c.Bind(end)
	c.Op(isa.Exit, 0, 0, 0, 0)
	return c
}

func TestStateMachine(t *testing.T) {
	var class [256]byte
	for c := '0'; c <= '9'; c++ {
		class[c] = 1
	}
	class['.'] = 2
	// Whole numbers end in state 1, those with a fraction in 3; 4 is what is none.
	f, err := stateMachine(&class, [][]byte{{4, 1, 4}, {4, 1, 2}, {4, 3, 4}, {4, 3, 4}, {4, 4, 4}}).Func(nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]uint64{"": 0, "12": 1, "1.": 2, "1.25": 3, "1.2.3": 4, "x": 4} {
		if got, err := f.Run([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// lookUp is what router replaces: a binary search.
func lookUp(s []span, a uint32) uint32 {
	lo, hi := 0, len(s)
	for hi-lo > 1 {
		if mid := int(uint(lo+hi) / 2); s[mid].lo <= a {
			lo = mid
		} else {
			hi = mid
		}
	}
	return s[lo].hop
}

func randomTable(n int) []route {
	r := rand.New(rand.NewPCG(49, 49))
	table := []route{{netip.MustParsePrefix("0.0.0.0/0"), 1}}
	for range n {
		a := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		table = append(table, route{netip.PrefixFrom(a, 8+r.IntN(20)), 1 + r.Uint32N(16)})
	}
	return table
}

// TestMissionS49Router compares the router with a search for the longest prefix.
func TestMissionS49Router(t *testing.T) {
	table := randomTable(1000)
	ranges := spans(table)
	each(t, router(table), func(t *testing.T, f func(uint64) uint64) {
		r := rand.New(rand.NewPCG(1, 1))
		for range 2000 {
			a := r.Uint32()
			best, want := -1, uint64(0)
			addr := netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)})
			for _, e := range table {
				if e.net.Contains(addr) && e.net.Bits() >= best {
					best, want = e.net.Bits(), uint64(e.hop)
				}
			}
			got := f(uint64(binary.LittleEndian.Uint32(addr.AsSlice())))
			if got != want || uint64(lookUp(ranges, a)) != want {
				t.Fatalf("%s: hop %d, want %d", addr, got, want)
			}
		}
	})
}

// BenchmarkMissionS49 compares generated functions with the Go that they replace.
func BenchmarkMissionS49(b *testing.B) {
	pointer := func(c *emit.Code) skep.Func {
		f, err := c.Proved(&emit.Memory{Size: 4}, nil)
		if err != nil {
			b.Fatal(err)
		}
		p, err := f.Pointer()
		if err != nil {
			b.Skip(err)
		}
		return p
	}
	r := rand.New(rand.NewPCG(1, 1))
	keys := make([]uint32, 4096)
	for i := range keys {
		keys[i] = r.Uint32()
	}
	ports := make([]uint16, 500)
	set := map[uint16]struct{}{}
	for i := range ports {
		ports[i] = uint16(r.Uint32())
		set[ports[i]] = struct{}{}
	}
	in := pointer(portSet(ports))
	b.Run("ports/emit", func(b *testing.B) {
		i := 0
		for b.Loop() {
			in(unsafe.Pointer(&keys[i&4095]), 2)
			i++
		}
	})
	b.Run("ports/map", func(b *testing.B) {
		i, n := 0, 0
		for b.Loop() {
			if _, ok := set[uint16(keys[i&4095])]; ok {
				n++
			}
			i++
		}
		runtime.KeepAlive(n)
	})
	table := randomTable(1000)
	ranges := spans(table)
	route := pointer(router(table))
	b.Run("router/emit", func(b *testing.B) {
		i := 0
		for b.Loop() {
			route(unsafe.Pointer(&keys[i&4095]), 4)
			i++
		}
	})
	b.Run("router/search", func(b *testing.B) {
		i, n := 0, uint32(0)
		for b.Loop() {
			n += lookUp(ranges, keys[i&4095])
			i++
		}
		runtime.KeepAlive(n)
	})
}
