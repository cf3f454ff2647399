// Implements the tests of translation: every instruction, random programs, the longest ones.

package classic_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

var pairs = flag.Int("pairs", 100_000, "(program, packet) pairs of the differential tests")

// testEnv returns an environment whose random numbers repeat from seed on.
func testEnv(seed uint64) *classic.Env {
	return &classic.Env{CPU: uint32(seed % 64), Random: rand.New(rand.NewPCG(seed, 1)).Uint32}
}

// compareEngines runs a translation and the reference interpreter over a packet.
func compareEngines(t *testing.T, prog []bpf.RawInstruction, vm *classic.VM, e *evaluator, p *spec.Packet, seed uint64) uint32 {
	t.Helper()
	want := vm.Run(p, testEnv(seed))
	var buf [128]byte
	got, err := e.run(p, testEnv(seed), appendSkBuff(buf[:0], p))
	if err != nil || got != uint64(want) {
		t.Fatalf("translation gives %#x (%v), interpreter %#x, for packet %+v and program\n%s",
			got, err, want, p, classic.Append(nil, prog, classic.FormD))
	}
	return want
}

func mustTranslate(t testing.TB, prog []bpf.RawInstruction) (*classic.VM, *classic.Translation, *evaluator) {
	t.Helper()
	vm, err := classic.NewVM(prog)
	if err != nil {
		t.Fatalf("%v in\n%s", err, classic.Append(nil, prog, classic.FormD))
	}
	tr, err := classic.Translate(prog)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEvaluator(tr.Program)
	if err != nil {
		t.Fatal(err)
	}
	return vm, tr, e
}

// Mission S39: translated programs give the interpreter's results.
func TestMissionS39Translation(t *testing.T) {
	const packets = 64
	r := rand.New(rand.NewPCG(39, 0))
	verdicts := map[uint32]int{}
	n := 0
	for ; n < *pairs; n += packets {
		size := 1 + r.IntN(60)
		if r.IntN(20) == 0 {
			size = 1 + r.IntN(1000)
		}
		prog := classictest.Program(r, size, classictest.Full)
		vm, tr, e := mustTranslate(t, prog)
		checkOrigin(t, prog, tr)
		for range packets {
			verdicts[min(compareEngines(t, prog, vm, e, classictest.Packet(r), r.Uint64()), 0x10000)]++
		}
	}
	t.Logf("%d pairs, %d different verdicts below 65536, %d times 0", n, len(verdicts)-1, verdicts[0])
	if verdicts[0] > n*9/10 {
		t.Errorf("%d of %d verdicts are 0: the programs do not get far", verdicts[0], n)
	}
}

func checkOrigin(t *testing.T, prog []bpf.RawInstruction, tr *classic.Translation) {
	t.Helper()
	if len(tr.Origin) != len(tr.Program.Insns) {
		t.Fatalf("%d origins for %d slots", len(tr.Origin), len(tr.Program.Insns))
	}
	last, slots := -1, 0
	for slot, i := range tr.Origin {
		if i < last || i >= len(prog) {
			t.Fatalf("slot %d comes from %d, the one before from %d", slot, i, last)
		}
		slots++
		if i != last {
			slots = 1
		}
		if slots > 7 { // the bound that keeps all jumps in range
			t.Fatalf("instruction %d has more than 7 slots", i)
		}
		last = i
	}
}

// Every instruction and every kind of metadata by itself, on many packets.
func TestTranslateEveryRow(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ks := []uint32{0, 1, 2, 12, 14, 15, 31, 0x7fffffff, 0x80000000, 0xffffffff, 1<<32 + classic.NetworkOffset, 1<<32 + classic.LinkOffset + 3}
	for _, m := range classic.AllMetadata() {
		ks = append(ks, 1<<32+classic.AncillaryOffset+m.Offset)
	}
	for _, row := range classic.Rows() {
		tested := 0
		for _, k := range ks {
			for _, arms := range [][2]uint8{{0, 0}, {1, 0}, {0, 1}, {1, 2}, {2, 1}, {2, 2}} {
				prog := []bpf.RawInstruction{
					{Op: 0x20, K: 2}, {Op: 0x02, K: 0}, {Op: 0x02, K: 1}, {Op: 0x02, K: 2}, {Op: 0x02, K: 12}, {Op: 0x02, K: 14}, {Op: 0x02, K: 15},
					{Op: 0xb1, K: 14},
					{Op: row.Code, Jt: arms[0], Jf: arms[1], K: k},
					{Op: 0x4, K: 3}, {Op: 0xc}, {Op: 0x1c}, {Op: 0x16}}
				if classic.Check(prog) != nil {
					continue
				}
				tested++
				vm, _, e := mustTranslate(t, prog)
				for range 20 {
					compareEngines(t, prog, vm, e, classictest.Packet(r), r.Uint64())
				}
				if row.Kind != classic.KindJump {
					break
				}
			}
		}
		if tested == 0 {
			t.Errorf("no valid program with %s, opcode %#x", row.Name, row.Code)
		}
	}
}

// Mission S44: not every register and instruction is used by translation; R9 and atomics never.
func TestMissionS44Registers(t *testing.T) {
	r := rand.New(rand.NewPCG(44, 0))
	oldest, err := isa.ParseProfile("2014")
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		_, tr, e := mustTranslate(t, classictest.Program(r, 1+r.IntN(100), classictest.Full))
		for slot, row := range e.rows {
			in := tr.Program.Insns[slot]
			for _, reg := range []isa.Register{in.Dst(), in.Src()} {
				if reg == isa.R9 || reg == isa.R8 {
					t.Fatalf("slot %d (%v) uses %v", slot, row.Op, reg)
				}
			}
			if row.Kind == isa.KindAtomic {
				t.Fatalf("slot %d is atomic", slot)
			}
			if !oldest.Has(row) {
				t.Fatalf("slot %d: %v is not in the 2014 profile", slot, row.Op)
			}
		}
	}
}

// The longest programs: every jump of an internal program must fit in 16 bits.
func TestTranslateLongest(t *testing.T) {
	r := rand.New(rand.NewPCG(4096, 0))
	longest := func(first []bpf.RawInstruction, filler bpf.RawInstruction, last ...bpf.RawInstruction) []bpf.RawInstruction {
		prog := append([]bpf.RawInstruction(nil), first...)
		for len(prog) < classic.MaxInstructions-len(last) {
			prog = append(prog, filler)
		}
		return append(prog, last...)
	}
	header := bpf.RawInstruction{Op: 0xb1, K: 14} // the instruction that becomes the most slots
	retA := bpf.RawInstruction{Op: 0x16}
	tests := map[string][]bpf.RawInstruction{
		// The packet's first byte chooses between all fillers and a jump over all of them.
		"ja over everything": longest([]bpf.RawInstruction{{Op: 0x30}, {Op: 0x45, Jt: 1, K: 1}, {Op: 0x05, K: 4092}}, header, retA),
		"jumps of 255":       longest([]bpf.RawInstruction{{Op: 0x30}}, bpf.RawInstruction{Op: 0x25, Jt: 255, Jf: 254, K: 0x90000000}, fillers(255, header, retA)...),
		"jumps in pairs":     longest([]bpf.RawInstruction{{Op: 0x30}}, bpf.RawInstruction{Op: 0x4d, Jt: 2, Jf: 1}, fillers(255, header, retA)...),
		"divisions":          longest([]bpf.RawInstruction{{Op: 0x80}, {Op: 0xb1, K: 14}, {Op: 0x25, K: 9, Jt: 1}, {Op: 0x05, K: 4091}}, bpf.RawInstruction{Op: 0x3c}, retA),
	}
	slots := 0
	for name, prog := range tests {
		if len(prog) != classic.MaxInstructions {
			t.Fatalf("%s: %d instructions", name, len(prog))
		}
		vm, tr, e := mustTranslate(t, prog)
		slots = max(slots, len(tr.Program.Insns))
		for range 50 {
			compareEngines(t, prog, vm, e, classictest.Packet(r), r.Uint64())
		}
	}
	for range 40 {
		prog := classictest.Program(r, classic.MaxInstructions, classictest.Full)
		vm, tr, e := mustTranslate(t, prog)
		slots = max(slots, len(tr.Program.Insns))
		for range 50 {
			compareEngines(t, prog, vm, e, classictest.Packet(r), r.Uint64())
		}
	}
	t.Logf("at most %d slots", slots)
	if slots < 28_000 {
		t.Errorf("the longest translation has %d slots, the test means to come near the limit", slots)
	}
}

func fillers(n int, filler, last bpf.RawInstruction) []bpf.RawInstruction {
	var f []bpf.RawInstruction
	for range n {
		f = append(f, filler)
	}
	return append(f, last)
}

func TestTranslateSeccomp(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 0))
	for range 2000 {
		prog := classictest.Program(r, 1+r.IntN(60), classictest.Seccomp)
		if err := classic.CheckSeccomp(prog); err != nil {
			t.Fatal(err)
		}
		vm, err := classic.NewVM(prog)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := classic.TranslateSeccomp(prog)
		if err != nil {
			t.Fatal(err)
		}
		if tr.Program.Type != spec.Unspec {
			t.Fatalf("program type %v", tr.Program.Type)
		}
		e, err := newEvaluator(tr.Program)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			p := &spec.Packet{Data: make([]byte, classic.SeccompDataSize)}
			for i := range p.Data {
				p.Data[i] = byte(r.Uint32())
			}
			want := vm.Run(p, &classic.Env{Order: binary.LittleEndian})
			got, err := e.run(nil, nil, p.Data)
			if err != nil || got != uint64(want) {
				t.Fatalf("translation gives %#x (%v), interpreter %#x, for\n%s", got, err, want, classic.Append(nil, prog, classic.FormD))
			}
		}
	}
}

func TestTranslateGolden(t *testing.T) {
	prog, err := classic.Assemble("golden", `
		ldh [12]
		jne #0x800, drop
		ldxb 4*([14]&0xf)
		ldh [x + 16]
		jgt #0xfffffff0, keep
		jle x, drop
	keep:	ld proto
		st M[1]
		ld #1
		div x
		ret a
	drop:	ret #0`)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := classic.Translate(prog)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEvaluator(tr.Program)
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for slot, in := range tr.Program.Insns {
		fmt.Fprintf(&got, "%2d %s\n", tr.Origin[slot], spell(e.rows[slot], in))
	}
	const want = `-1 r6 = r1
-1 w0 = 0
-1 w7 = 0
 0 r0 = *(u16 *)skb[12]
 1 if r0 != 2048 goto +20
 2 r7 = r0
 2 r0 = *(u8 *)skb[14]
 2 w0 &= 15
 2 w0 <<= 2
 2 r1 = r7
 2 r7 = r0
 2 r0 = r1
 3 r0 = *(u16 *)skb[r7 +16]
 4 w1 = -16
 4 if r0 > r1 goto +1
 5 if r7 >= r0 goto +9
 6 r0 = *(u32 *)(r6 +16)
 6 r0 = be16 r0
 7 *(u32 *)(r10 -8) = r0
 8 w0 = 1
 9 if r7 != 0 goto +2
 9 w0 = 0
 9 exit
 9 w0 /= w7
10 exit
11 w0 = 0
11 exit
`
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", got.String(), want)
	}
}

// spell writes an internal instruction in assignment style.
func spell(row *isa.Row, in isa.Instruction) string {
	dst, src, off := fmt.Sprint(uint8(in.Dst())), fmt.Sprint(uint8(in.Src())), fmt.Sprintf("%+d", in.Off)
	return strings.NewReplacer("{dst}", "r"+dst, "{xdst}", "r"+dst, "{wdst}", "w"+dst, "{src}", "r"+src, "{wsrc}", "w"+src,
		"{xsrc}", "r"+src, "{imm}", fmt.Sprint(in.Imm), "{off}", off, "{jump}", off, "{off32}", fmt.Sprintf("%+d", in.Imm),
		"{helper}", fmt.Sprintf("%#x", in.Imm)).Replace(row.Text)
}
