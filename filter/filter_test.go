package filter_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/spec"
)

// tcpPort accepts unfragmented IPv4 TCP packets to a port.
func tcpPort(port uint32) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x800, SkipTrue: 8},
		bpf.LoadAbsolute{Off: 23, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 6, SkipTrue: 6},
		bpf.LoadAbsolute{Off: 20, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipTrue: 4},
		bpf.LoadMemShift{Off: 14},
		bpf.LoadIndirect{Off: 16, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: port, SkipTrue: 1},
		bpf.RetConstant{Val: 262144},
		bpf.RetConstant{Val: 0},
	}
}

// packet returns an Ethernet frame that tcpPort(443) accepts, cut to n bytes.
func packet(n int) []byte {
	p := make([]byte, 60)
	p[12], p[13], p[14], p[23], p[36], p[37] = 8, 0, 0x45, 6, 443>>8, 443&0xff
	return p[:n]
}

// newFilter returns the filter tcpPort(443).
func newFilter(t testing.TB) *filter.Filter {
	t.Helper()
	raw, err := bpf.Assemble(tcpPort(443))
	if err != nil {
		t.Fatal(err)
	}
	f, err := filter.New(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMatch(t *testing.T) {
	f := newFilter(t)
	if !f.Match(packet(60)) || f.Verdict(packet(60)) != 262144 {
		t.Error("a packet to the port is not accepted")
	}
	for n := range 38 {
		if f.Match(packet(n)) {
			t.Errorf("a packet cut to %d bytes is accepted", n)
		}
	}
}

func TestMetadata(t *testing.T) {
	raw, err := classic.Assemble("mark", "ld mark\njne #7, drop\nld vlan_tci\nret a\ndrop: ret #0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := filter.New(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	if v := f.VerdictPacket(&spec.Packet{Mark: 7, VLANPresent: true, VLANTCI: 123}); v != 123 {
		t.Errorf("verdict %d, want 123", v)
	}
	if f.Match(packet(60)) {
		t.Error("a packet without the mark is accepted")
	}
}

// TestDropIn holds VM against the one it replaces, over many packets.
func TestDropIn(t *testing.T) {
	theirs, err := bpf.NewVM(tcpPort(443))
	if err != nil {
		t.Fatal(err)
	}
	ours, err := filter.NewVM(tcpPort(443))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		p := packet(rng.IntN(61))
		for range rng.IntN(3) {
			if len(p) > 0 {
				p[rng.IntN(len(p))] ^= 1 << rng.IntN(8)
			}
		}
		want, err1 := theirs.Run(p)
		got, err2 := ours.Run(p)
		if want != got || err1 != nil || err2 != nil {
			t.Fatalf("packet % x: %d (%v), x/net/bpf %d (%v)", p, got, err2, want, err1)
		}
	}
}

func TestNewVMRefuses(t *testing.T) {
	for _, prog := range [][]bpf.Instruction{
		nil,
		{bpf.LoadConstant{Val: 1}},
		{bpf.Jump{Skip: 5}, bpf.RetA{}},
		{bpf.ALUOpConstant{Op: bpf.ALUOpDiv, Val: 0}, bpf.RetA{}},
	} {
		if _, err := filter.NewVM(prog); err == nil {
			t.Errorf("%v is accepted", prog)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	vm, err := filter.NewVM(tcpPort(443))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 2000 {
				want := 0
				size := (n*7 + g) % 61
				if size >= 38 {
					want = 262144
				}
				if got, _ := vm.Run(packet(size)); got != want {
					t.Errorf("%d bytes: %d, want %d", size, got, want)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNoAllocation(t *testing.T) {
	inst, p := newFilter(t).Program().NewInstance(), packet(60)
	if n := testing.AllocsPerRun(1000, func() { inst.Run(p) }); n != 0 {
		t.Errorf("%v allocations per run", n)
	}
}

func BenchmarkVM(b *testing.B) {
	p := packet(60)
	b.Run("skep", func(b *testing.B) {
		vm, err := filter.NewVM(tcpPort(443))
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			vm.Run(p)
		}
	})
	b.Run("x-net-bpf", func(b *testing.B) {
		vm, err := bpf.NewVM(tcpPort(443))
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			vm.Run(p)
		}
	})
}

func ExampleNewVM() {
	vm, err := filter.NewVM([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2}, // EtherType
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 0x0806, SkipTrue: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		panic(err)
	}
	arp := make([]byte, 42)
	arp[12], arp[13] = 0x08, 0x06
	n, err := vm.Run(arp)
	fmt.Println(n, err)
	// Output: 1500 <nil>
}

// TestLengthAlone runs a filter that looks at nothing but the packet's length, with and without metadata in turns.
func TestLengthAlone(t *testing.T) {
	raw, err := bpf.Assemble([]bpf.Instruction{bpf.LoadExtension{Num: bpf.ExtLen}, bpf.RetA{}})
	if err != nil {
		t.Fatal(err)
	}
	mark := []bpf.RawInstruction{{Op: 0x20, K: 0xfffff014}, {Op: 0x16}} // SKF_AD_MARK
	f, err := filter.New(raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	g, err := filter.New(mark, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		if got := f.Verdict(make([]byte, n)); got != uint32(n) {
			t.Errorf("length %d: %d", n, got)
		}
		if got := f.VerdictPacket(&spec.Packet{Data: make([]byte, n), WireLen: 2 * n}); got != uint32(2*n) {
			t.Errorf("length %d: %d", 2*n, got)
		}
		if got := g.VerdictPacket(&spec.Packet{Data: make([]byte, n), Mark: 7}); got != 7 {
			t.Errorf("mark 7: %d", got)
		}
		if got := g.Verdict(make([]byte, n)); got != 0 {
			t.Errorf("no mark: %d", got)
		}
	}
}

func ExampleCompile() {
	f, err := filter.Compile("tcp port 443 and not src host 192.0.2.1", nil)
	if err != nil {
		panic(err)
	}
	p := packet(60) // from 0.0.0.0, to port 443
	fmt.Println(f.Match(p))
	copy(p[26:], []byte{192, 0, 2, 1})
	fmt.Println(f.Match(p))
	_, err = filter.Compile("tcp port https or", nil)
	fmt.Println(err)
	// Output:
	// true
	// false
	// column 18: the expression ends here: expected a condition
}

func TestLooks(t *testing.T) {
	type looks struct{ bytesOnly, metadata bool }
	for expr, want := range map[string]looks{
		"tcp port 80": {true, false}, "ip[8] < 5 and udp[4:2] > 9": {true, false}, "ip6 host ::1": {true, false},
		"": {true, false}, "len > 100": {false, false}, "less 60 and tcp port 80": {false, false},
		"tcp[tcp[12] >> 2] = 7": {false, true}, "ether[len - 1] = 0": {false, true}, "inbound": {false, true},
	} {
		f, err := filter.Compile(expr, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := (looks{f.BytesOnly(), f.Metadata()}); got != want {
			t.Errorf("%q: %v", expr, got)
		}
	}
	f, err := filter.New([]bpf.RawInstruction{{Op: 0x30, K: 0xfff00009}, {Op: 0x16}}, nil) // SKF_NET_OFF
	if err != nil || f.BytesOnly() || !f.Metadata() {
		t.Error("a load relative to the network header", err)
	}
	// ldx len; ldb [x - 1]
	f, err = filter.New([]bpf.RawInstruction{{Op: 0x81}, {Op: 0x50, K: 0x7fffffff}, {Op: 0x16}}, nil)
	if err != nil || !f.Metadata() {
		t.Error("a load whose place the length tells", err)
	}
}
