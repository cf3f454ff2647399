// Implements the tests of the reference interpreter, by itself and against golang.org/x/net/bpf.

package classic_test

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

func mustAssemble(t testing.TB, text string) []bpf.RawInstruction {
	t.Helper()
	prog, err := classic.Assemble("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func mustVM(t testing.TB, text string) *classic.VM {
	t.Helper()
	vm, err := classic.NewVM(mustAssemble(t, text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return vm
}

// filters returns the filters of testdata by name.
func filters(t testing.TB) map[string][]bpf.RawInstruction {
	t.Helper()
	files, err := filepath.Glob("testdata/filters/*.bpf")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d filters, %v", len(files), err)
	}
	all := map[string][]bpf.RawInstruction{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if form := classic.Detect(string(text)); form != classic.FormAsm {
			t.Errorf("%s is detected as %v", file, form)
		}
		prog, err := classic.Parse(file, string(text))
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = prog
	}
	return all
}

// peer returns the VM of golang.org/x/net/bpf for a program.
func peer(t testing.TB, prog []bpf.RawInstruction) *bpf.VM {
	t.Helper()
	instructions, ok := bpf.Disassemble(prog)
	if !ok {
		t.Fatalf("x/net/bpf does not know all of\n%s", classic.Append(nil, prog, classic.FormD))
	}
	vm, err := bpf.NewVM(instructions)
	if err != nil {
		t.Fatalf("%v in\n%s", err, classic.Append(nil, prog, classic.FormD))
	}
	return vm
}

// The filters of testdata give the same verdict on every packet of the captures in the reference interpreter,
// the VM of golang.org/x/net/bpf, and translated.
func TestFiltersOnCaptures(t *testing.T) {
	all := captures(t)
	idle := 0
	for name, prog := range filters(t) {
		vm, _, e := mustTranslate(t, prog)
		other := peer(t, prog)
		packets, kept := 0, 0
		var buf [128]byte
		for _, c := range all {
			for i, data := range c.packets {
				p := &spec.Packet{Data: data}
				want, err := other.Run(data)
				if err != nil {
					t.Fatal(err)
				}
				got := vm.Run(p, nil)
				translated, err := e.run(p, nil, appendSkBuff(buf[:0], p))
				if err != nil || got != uint32(want) || translated != uint64(got) {
					t.Fatalf("%s, packet %d of %s: x/net %d, interpreter %d, translation %d (%v)", name, i+1, c.name, want, got, translated, err)
				}
				packets++
				if got != 0 {
					kept++
				}
			}
		}
		t.Logf("%-22s keeps %d of %d packets", name, kept, packets)
		if packets > 0 && kept == 0 {
			idle++
		}
	}
	if idle > 2 {
		t.Errorf("%d filters keep no packet at all: tests of nothing", idle)
	}
}

func TestRunAgainstXNet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	n := 0
	for ; n < *pairs; n += 32 {
		prog := classictest.Program(r, 1+r.IntN(60), classictest.XNet)
		vm, err := classic.NewVM(prog)
		if err != nil {
			t.Fatalf("%v in\n%s", err, classic.Append(nil, prog, classic.FormD))
		}
		other := peer(t, prog)
		for range 32 {
			data := classictest.Packet(r).Data
			want, err := other.Run(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := vm.Run(&spec.Packet{Data: data}, nil); got != uint32(want) {
				t.Fatalf("x/net %#x, interpreter %#x for %x and\n%s", want, got, data, classic.Append(nil, prog, classic.FormD))
			}
		}
	}
	t.Logf("%d pairs", n)
}

var testPacket = &spec.Packet{
	Data:     []byte{0x45, 0x81, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54},
	WireLen:  1500,
	Protocol: 0x86dd, PktType: 3, HardwareType: 772, IfIndex: 5, Queue: 6, Mark: 0x80000007, Priority: 8, Hash: 0xfedcba98,
	VLANPresent: true, VLANTCI: 0x2064, VLANProto: 0x88a8, NetworkOffset: 2,
}

func TestRun(t *testing.T) {
	tests := []struct {
		text string
		want uint32
	}{
		{"ret #0", 0},
		{"ret #-1", 0xffffffff},
		{"ret a", 0}, // both registers start at zero
		{"txa; \n ret a", 0},
		{"ldb [0]\n ret a", 0x45},
		{"ldh [1]\n ret a", 0x81fe},
		{"ld [4]\n ret a", 0xba987654},
		{"ld [5]\n ret #1", 0}, // a byte too far
		{"ldh [7]\n ret #1", 0},
		{"ldb [8]\n ret #1", 0},
		{"ldb [0x7fffffff]\n ret #1", 0},
		{"ldx #3\n ldb [x + 4]\n ret a", 0x54},
		{"ldx #3\n ldb [x + 5]\n ret #1", 0},
		{"ldx #3\n ldh [x + -3]\n ret a", 0x4581}, // the sum wraps
		{"ldx #0xffffffff\n ld [x + 1]\n ret a", 0x4581fedc},
		{"ldb [-0x100000]\n ret a", 0xfe}, // from the network header
		{"ldb [-0xffffb]\n ret a", 0x54},
		{"ldb [-0xffffa]\n ret #1", 0},
		{"ldb [-0x200000]\n ret a", 0x45}, // from the link layer header
		{"ldb [-0x1fffff]\n ret a", 0x81},
		{"ldb [-0x200001]\n ret #1", 0},
		{"ldx #2\n ldb [x + -0x100000]\n ret a", 0xba},
		{"ldxb 4*([0]&0xf)\n txa\n ret a", 20},
		{"ldxb 4*([2]&0xf)\n txa\n ret a", 56},
		{"ldxb 4*([8]&0xf)\n ret #1", 0},
		{"ldxb 4*([-0x100000]&0xf)\n txa\n ret a", 56},
		{"ld #7\n ldxb 4*([0]&0xf)\n ret a", 7}, // A is spared
		{"ld len\n ret a", 1500},
		{"ldx len\n txa\n ret a", 1500},
		{"ld #0xdeadbeef\n st M[15]\n ld #0\n ldx M[15]\n txa\n ret a", 0xdeadbeef},
		{"ldx #9\n stx M[0]\n ld M[0]\n ret a", 9},
		{"ld #0xffffffff\n add #2\n ret a", 1},
		{"ld #1\n sub #2\n ret a", 0xffffffff},
		{"ld #0x10001\n mul #0x10001\n ret a", 0x20001},
		{"ld #0xffffffff\n div #2\n ret a", 0x7fffffff},
		{"ld #0xffffffff\n mod #10\n ret a", 5},
		{"ld #6\n or #9\n ret a", 15},
		{"ld #6\n and #12\n ret a", 4},
		{"ld #6\n xor #12\n ret a", 10},
		{"ld #3\n lsh #31\n ret a", 0x80000000},
		{"ld #0x80000000\n rsh #31\n ret a", 1},
		{"ld #1\n neg\n ret a", 0xffffffff},
		{"ldi #5\n ldxi #3\n add x\n ret a", 8},
		{"ldi 5\n ldxi 3\n sub x\n ret a", 2},
		{"ld #5\n ldx #3\n mul x\n ret a", 15},
		{"ld #7\n ldx #3\n div x\n ret a", 2},
		{"ld #7\n ldx #3\n mod x\n ret a", 1},
		{"ld #7\n div x\n ret #1", 0}, // X is 0
		{"ld #7\n mod x\n ret #1", 0},
		{"ld #5\n ldx #3\n or x\n ret a", 7},
		{"ld #5\n ldx #3\n and x\n ret a", 1},
		{"ld #5\n ldx #3\n xor x\n ret a", 6},
		{"ld #5\n ldx #33\n lsh x\n ret a", 10}, // shift counts wrap
		{"ld #5\n ldx #33\n rsh x\n ret a", 2},
		{"ld #5\n tax\n ld #1\n txa\n ret a", 5},
		{"jmp end\n ret #1\n end: ret #2", 2},
		{"ld #5\n jeq #5, yes\n ret #1\n yes: ret #2", 2},
		{"ld #5\n jne #5, yes\n ret #1\n yes: ret #2", 1},
		{"ld #5\n jgt #4, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld #5\n jgt #5, yes, no\n yes: ret #1\n no: ret #2", 2},
		{"ld #5\n jge #5, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld #0x80000000\n jgt #1, yes, no\n yes: ret #1\n no: ret #2", 1}, // unsigned
		{"ld #5\n jset #2, yes, no\n yes: ret #1\n no: ret #2", 2},
		{"ld #5\n jset #12, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld #5\n jlt #6, yes\n ret #1\n yes: ret #2", 2},
		{"ld #5\n jle #4, yes\n ret #1\n yes: ret #2", 1},
		{"ld #5\n ldx #5\n jeq x, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld #5\n ldx #4\n jgt x, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld #5\n ldx #6\n jge x, yes, no\n yes: ret #1\n no: ret #2", 2},
		{"ld #5\n ldx #4\n jset x, yes, no\n yes: ret #1\n no: ret #2", 1},
		{"ld proto\n ret a", 0x86dd},
		{"ldh proto\n ret a", 0x86dd}, // the width says nothing
		{"ldb proto\n ret a", 0x86dd},
		{"ld type\n ret a", 3},
		{"ld ifidx\n ret a", 5},
		{"ld mark\n ret a", 0x80000007},
		{"ld queue\n ret a", 6},
		{"ld hatype\n ret a", 772},
		{"ld rxhash\n ret a", 0xfedcba98},
		{"ld cpu\n ret a", 3},
		{"ld vlan_tci\n ret a", 0x2064},
		{"ld vlan_avail\n ret a", 1},
		{"ld vlan_pr\n ret a", 1},
		{"ld vlan_tpid\n ret a", 0x88a8},
		{"ld rand\n ret a", 0x12345678},
		{"ld #6\n ldx #12\n ld [-4056]\n ret a", 10}, // A ^= X
		{"ld #6\n ldx #12\n ldb xor_x\n ret a", 10},
	}
	env := &classic.Env{CPU: 3, Random: func() uint32 { return 0x12345678 }}
	var buf [128]byte
	for _, test := range tests {
		if got := mustVM(t, test.text).Run(testPacket, env); got != test.want {
			t.Errorf("%q gives %#x, want %#x", test.text, got, test.want)
		}
		_, _, e := mustTranslate(t, mustAssemble(t, test.text))
		if got, err := e.run(testPacket, env, appendSkBuff(buf[:0], testPacket)); err != nil || got != uint64(test.want) {
			t.Errorf("%q gives %#x (%v) translated, want %#x", test.text, got, err, test.want)
		}
	}
}

func TestRunByteOrder(t *testing.T) {
	p := &spec.Packet{Data: []byte{1, 2, 3, 4}}
	for _, test := range []struct {
		text        string
		big, little uint32
	}{
		{"ld [0]\n ret a", 0x01020304, 0x04030201},
		{"ldh [1]\n ret a", 0x0203, 0x0302},
		{"ldb [3]\n ret a", 4, 4},
		{"ldx #2\n ldh [x + 0]\n ret a", 0x0304, 0x0403},
	} {
		vm := mustVM(t, test.text)
		for order, want := range map[binary.ByteOrder]uint32{nil: test.big, binary.BigEndian: test.big, binary.LittleEndian: test.little} {
			if got := vm.Run(p, &classic.Env{Order: order}); got != want {
				t.Errorf("%q in order %v gives %#x, want %#x", test.text, order, got, want)
			}
		}
	}
}

func TestRunRandomWithoutSource(t *testing.T) {
	vm := mustVM(t, "ld rand\n ret a")
	first := vm.Run(testPacket, nil)
	for range 20 {
		if vm.Run(testPacket, nil) != first {
			return
		}
	}
	t.Error("ld rand always gives the same number")
}

func TestRunAllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	env := testEnv(0)
	p := classictest.Packet(r)
	for range 200 {
		vm, err := classic.NewVM(classictest.Program(r, 50, classictest.Full))
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(10, func() { vm.Run(p, env); vm.Run(p, nil) }); n != 0 {
			t.Fatalf("%v allocations a run", n)
		}
	}
}

func TestNLAttr(t *testing.T) {
	data := []byte{
		0xee, 0xee, 0xee, 0xee,
		5, 0, 1, 0, 0xaa, 0, 0, 0, // type 1, one byte, padded
		16, 0, 2, 0x80, // type 2, nested flag
		4, 0, 7, 0, // type 7 inside
		8, 0, 8, 0x40, 1, 2, 3, 4, // type 8 inside, with the other flag
		4, 0, 3, 0, // type 3
		9, 0, 4, 0, // type 4, longer than what is left
	}
	for _, test := range []struct {
		a, x, flat, nested uint32
	}{
		{a: 4, x: 1, flat: 4},
		{a: 4, x: 2, flat: 12},
		{a: 4, x: 3, flat: 28},
		{a: 4, x: 4},
		{a: 4, x: 7},
		{a: 12, x: 7, nested: 16},
		{a: 12, x: 8, nested: 20},
		{a: 12, x: 2, flat: 12},
		{a: 12, x: 3, flat: 28},
		{a: 12, x: 0x8002}, // the flags are not part of the type
		{a: 16, x: 7, flat: 16},
		{a: 0, x: 1},
		{a: 32, x: 4}, // malformed
		{a: 33, x: 4},
		{a: 0xffffffff, x: 1},
	} {
		if got := helper.NLAttr(data, test.a, test.x); got != test.flat {
			t.Errorf("NLAttr at %d for %d: %d, want %d", test.a, test.x, got, test.flat)
		}
		if got := helper.NLAttrNested(data, test.a, test.x); got != test.nested {
			t.Errorf("NLAttrNested at %d for %d: %d, want %d", test.a, test.x, got, test.nested)
		}
	}
}

func TestPayOffset(t *testing.T) {
	ip := func(protocol byte, rest ...byte) []byte {
		return append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}, rest...)
	}
	tcp := make([]byte, 24)
	tcp[12] = 0x60 // 24 bytes of header
	udp := make([]byte, 8)
	fragment := ip(17, udp...)
	fragment[7] = 1
	first := ip(17, udp...)
	first[6] = 0x20
	options := append([]byte{0x46}, ip(17)[1:]...)
	options = append(append(options, 0, 0, 0, 0), udp...)
	six := append([]byte{0x60, 0, 0, 0, 0, 0, 0}, make([]byte, 33)...) // next header: hop-by-hop options
	six = append(append(six, 17, 0, 0, 0, 0, 0, 0, 0), udp...)
	for name, test := range map[string]struct {
		protocol uint16
		data     []byte
		want     uint32
	}{
		"nothing":         {0x800, nil, 0},
		"unknown":         {0x1234, ip(17, udp...), 0},
		"IPv4, UDP":       {0x800, ip(17, udp...), 28},
		"IPv4, TCP":       {0x800, ip(6, tcp...), 44},
		"IPv4, TCP cut":   {0x800, ip(6, 1, 2), 20},
		"IPv4, ICMP":      {0x800, ip(1, udp...), 28},
		"IPv4, SCTP":      {0x800, ip(132, udp...), 32},
		"IPv4, unknown":   {0x800, ip(200, udp...), 20},
		"IPv4 options":    {0x800, options, 32},
		"later fragment":  {0x800, fragment, 20},
		"first fragment":  {0x800, first, 28},
		"IPv4 in IPv4":    {0x800, ip(4, ip(17, udp...)...), 48},
		"IPv4 in GRE":     {0x800, ip(47, append([]byte{0, 0, 8, 0}, ip(17, udp...)...)...), 52},
		"IPv6, options":   {0x86dd, six, 56},
		"VLAN":            {0x8100, append([]byte{0, 1, 8, 0}, ip(17, udp...)...), 32},
		"PPPoE":           {0x8864, append([]byte{0x11, 0, 0, 1, 0, 30, 0, 0x21}, ip(17, udp...)...), 36},
		"MPLS":            {0x8847, []byte{1, 2, 3, 4, 5, 6}, 4},
		"ARP":             {0x806, make([]byte, 28), 0},
		"short IPv4":      {0x800, ip(17)[:19], 0},
		"bad IPv4 length": {0x800, append([]byte{0x44}, ip(17)[1:]...), 0},
	} {
		p := &spec.Packet{Data: test.data, Protocol: test.protocol}
		if got := helper.PayOffset(p); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
		// The same behind a link layer header, and with a tag that is not in the bytes.
		p = &spec.Packet{Data: append(make([]byte, 14), test.data...), Protocol: test.protocol, NetworkOffset: 14, VLANPresent: true, VLANProto: 0x8100}
		want := test.want
		if want != 0 || test.protocol == 0x806 {
			want += 14
		}
		if got := helper.PayOffset(p); got != want {
			t.Errorf("%s behind a header: %d, want %d", name, got, want)
		}
	}
	endless := make([]byte, 0, 2000) // IPv4 in IPv4 in IPv4 …: given up in time
	for len(endless) < 1000 {
		endless = append(endless, ip(4)...)
	}
	if got := helper.PayOffset(&spec.Packet{Data: endless, Protocol: 0x800}); got != 320 {
		t.Errorf("endless encapsulation: %d", got)
	}
}

func BenchmarkRun(b *testing.B) {
	all := filters(b)
	p := &spec.Packet{Data: make([]byte, 64)}
	p.Data[12], p.Data[13], p.Data[14], p.Data[23] = 8, 0, 0x45, 6
	vm, err := classic.NewVM(all["tcp-port-80.bpf"])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		vm.Run(p, nil)
	}
}
