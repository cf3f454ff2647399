package ir_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func decode(t *testing.T, text string, opts ir.Options) (*ir.Program, error) {
	t.Helper()
	p, err := asm.Assemble("test", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ir.Decode(p, opts)
}

// TestEveryCode has a failing program for each class of error.
func TestEveryCode(t *testing.T) {
	exit := isa.Make(0x95, 0, 0, 0, 0)
	raw := func(code ...isa.Instruction) *spec.Program { return &spec.Program{Insns: code} }
	text := func(s string) *spec.Program {
		p, err := asm.Assemble("test", s, nil)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	seen := map[ir.Code]bool{}
	for _, c := range []struct {
		p     *spec.Program
		opts  ir.Options
		code  ir.Code
		slot  ir.Slot
		words string
	}{
		{raw(), ir.Options{}, ir.Empty, 0, "no instructions"},
		{text(strings.Repeat("r0 = 0\n", 4096) + "exit"), ir.Options{Profile: isa.Profile2014}, ir.TooLong, 4096, "4097 instructions"},
		{raw(isa.Instruction{Code: 0xff}, exit), ir.Options{}, ir.BadInsn, 0, "unknown opcode 0xff"},
		{raw(isa.Make(0xb7, 0, 0, 0, 1), isa.Make(0x95, 1, 0, 0, 0)), ir.Options{}, ir.BadInsn, 1, "reserved field dst"},
		{raw(isa.Make(0x18, 0, 0, 0, 1)), ir.Options{}, ir.BadInsn, 0, "ends inside"},
		{text("r0 = 1\nr0 = bswap16 r0\nexit"), ir.Options{Profile: isa.Profile2014}, ir.NotInProfile, 1, "Linux 6.6"},
		{text("may_goto +0\nexit"), ir.Options{Profile: isa.ProfileRFC9669}, ir.NotInProfile, 0, "profile rfc9669"},
		{raw(isa.Make(0x05, 0, 0, 5, 0), exit), ir.Options{}, ir.BadJump, 0, "to instruction 6"},
		{raw(isa.Make(0x05, 0, 0, -5, 0), exit), ir.Options{}, ir.BadJump, 0, "to instruction -4"},
		{raw(isa.Make(0x06, 0, 0, 0, 1<<31-1), exit), ir.Options{}, ir.BadJump, 0, "outside the program"},
		{raw(isa.Make(0x85, 0, 1, 0, 77), exit), ir.Options{}, ir.BadJump, 0, "call to"},
		{raw(isa.Make(0x05, 0, 0, 1, 0), isa.Make(0x18, 0, 0, 0, 1), isa.Instruction{}, exit), ir.Options{}, ir.IntoWide, 0, "wide instruction at 1"},
		{text("call f\nexit\nf: if r1 == 0 goto -2\nr0 = 0\nexit"), ir.Options{}, ir.LeavesFunc, 2, "another function"},
		{text("r0 = 0"), ir.Options{}, ir.FallsOff, 0, "falls off"},
		{text("call f\nr0 = 0\nf: r0 = 1\nexit"), ir.Options{}, ir.FallsOff, 1, "falls off"},
		{text("r0 = 1\nr10 = r0\nexit"), ir.Options{}, ir.WritesR10, 1, "read-only"},
	} {
		_, err := ir.Decode(c.p, c.opts)
		var e *ir.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Slot != c.slot || !strings.Contains(err.Error(), c.words) {
			t.Errorf("want %v at %d with %q, got %v", c.code, c.slot, c.words, err)
			continue
		}
		seen[c.code] = true
	}
	for code := ir.Empty; code <= ir.WritesR10; code++ {
		if !seen[code] {
			t.Errorf("class %v has no failing program", code)
		}
	}
}

func TestDecodeJoinsAndResolves(t *testing.T) {
	p, err := decode(t, `
		r1 = 0x1122334455667788 ll
		if r1 > 5 goto end
		call f
	end:
		exit
	f:	r0 = 0xfedcba9876543210 ll
		goto out
	out:
		exit`, ir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Ins) != 7 || p.Ins[0].Imm != 0x1122334455667788 || p.Ins[4].Imm != 0xfedcba9876543210 {
		t.Errorf("%d instructions: %+v", len(p.Ins), p.Ins)
	}
	if p.Ins[1].Off != 3 || p.Ins[2].Off != 4 || p.Ins[5].Off != 6 {
		t.Errorf("targets %d, %d, %d, want 3, 4, 6", p.Ins[1].Off, p.Ins[2].Off, p.Ins[5].Off)
	}
	if want := []ir.Slot{0, 2, 3, 4, 5, 7, 8}; len(p.Slots) != len(want) || p.Slots[4] != 5 || p.Slots[5] != 7 {
		t.Errorf("slots %v, want %v", p.Slots, want)
	}
	if len(p.Funcs) != 2 || p.Funcs[1] != (ir.Func{Entry: 4, End: 7}) || p.FuncAt(3) != 0 || p.FuncAt(4) != 1 || p.FuncAt(6) != 1 {
		t.Errorf("functions %+v", p.Funcs)
	}
	// 0-1 | 2 | 3 | 4-5 | 6
	if len(p.Blocks) != 5 || len(p.Blocks[0].Succ) != 2 || p.Blocks[0].Succ[1] != 2 || len(p.Blocks[2].Succ) != 0 || p.Blocks[3].Succ[0] != 4 {
		t.Errorf("blocks %+v", p.Blocks)
	}
}

func TestUninitialized(t *testing.T) {
	for _, c := range []struct {
		text string
		at   ir.Index // -1: every read is certain
		regs ir.Regs
	}{
		{"r0 = r1\nexit", -1, 0},
		{"r0 = r2\nexit", 0, 1 << 2},
		{"exit", 0, 1},
		{"r0 = r10\nexit", -1, 0},
		{"r2 += 1\nr0 = 0\nexit", 0, 1 << 2},
		{"if r1 == 0 goto a\nr2 = 1\na: r0 = r2\nexit", 2, 1 << 2},
		{"r2 = 5\nif r1 == 0 goto a\nr2 = 1\na: r0 = r2\nexit", -1, 0},
		{"r0 = 0\nl: r0 += r3\nr3 = 1\nif r0 < 5 goto l\nexit", 1, 1 << 3},
		{"r6 = r1\ncall 1\nr0 = r1\nexit", 2, 1 << 1},
		{"r6 = r1\ncall 1\nr0 = r6\nexit", -1, 0},
		{"r2 = 1\ncall f\nexit\nf: r0 = r2\nexit", -1, 0},
		{"call f\nexit\nf: r0 = r2\nexit", 2, 1 << 2},
		{"r6 = 1\ncall f\nexit\nf: r0 = r6\nexit", 3, 1 << 6},
		{"call f\nr0 = 1\nexit\nf: exit", -1, 0},                      // R0 of f is not read
		{"call f\nexit\nf: exit", 1, 1},                               // but here it is
		{"r2 = 1\ncall f\ncall f\nexit\nf: r0 = r2\nexit", 4, 1 << 2}, // the second call has lost R2
		{"r1 = 1\nr2 = 8\nr0 = 9\nr0 = cmpxchg_64(r10 - 8, r0, r2)\nexit", -1, 0},
		{"r2 = 8\nr0 = cmpxchg_64(r10 - 8, r0, r2)\nexit", 1, 1},
		{"r6 = r1\nr0 = *(u8 *)skb[0]\nr0 = r1\nexit", 2, 1 << 1},
		{"r0 = *(u8 *)skb[0]\nexit", 0, 1 << 6},
	} {
		p, err := decode(t, c.text, ir.Options{})
		if err != nil {
			t.Fatalf("%q: %v", c.text, err)
		}
		at, regs, ok := p.Uninitialized(1 << isa.R1)
		if ok != (c.at >= 0) || ok && (at != c.at || regs != c.regs) {
			t.Errorf("%q: instruction %d, registers %#x, %v; want %d, %#x", c.text, at, regs, ok, c.at, c.regs)
		}
	}
}

// TestLargePrograms checks that the size of a program costs no more than its share, whatever its shape: the
// longest chains of jumps, forward and backward, and calls of calls.
func TestLargePrograms(t *testing.T) {
	const n = 300_000
	backward := []isa.Instruction{isa.GotoLong.Make(0, 0, 0, 2*n), isa.Mov64Imm.Make(isa.R0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}
	for range n {
		backward = append(backward, isa.JNe64Imm.Make(isa.R1, 0, -2, 5), isa.Goto.Make(0, 0, -3, 0))
	}
	forward := []isa.Instruction{}
	for range n {
		forward = append(forward, isa.JNe64Imm.Make(isa.R1, 0, 1, 5), isa.Mov64Imm.Make(isa.R2, 0, 0, 1))
	}
	forward = append(forward, isa.Mov64Imm.Make(isa.R0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0))
	calls := []isa.Instruction{}
	for range n / 2 {
		calls = append(calls, isa.CallLocal.Make(0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0))
	}
	calls = append(calls, isa.Mov64Imm.Make(isa.R0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0))
	for name, code := range map[string][]isa.Instruction{"backward": backward, "forward": forward, "calls": calls} {
		start := time.Now()
		p, err := ir.Decode(&spec.Program{Insns: code}, ir.Options{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.Uninitialized(1 << isa.R1)
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: %d instructions took %v", name, len(code), took)
		}
	}
}

// TestMutations decodes random programs with random bytes changed: a value or an *Error, and what is
// decoded keeps its promises.
func TestMutations(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	n, accepted := 100_000, 0
	if testing.Short() {
		n = 5000
	}
	for range n {
		code := enginetest.Generate(rng, enginetest.Options{Size: 4 + rng.IntN(8)})
		b := isa.Encode(code)
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] = byte(rng.Uint32())
		}
		accepted += checkDecode(t, b)
	}
	t.Logf("%d of %d accepted", accepted, n)
}

func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 20 {
		f.Add(isa.Encode(enginetest.Generate(rng, enginetest.Options{Size: 6})))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkDecode(t, b) })
}

func checkDecode(t *testing.T, b []byte) (accepted int) {
	code, err := isa.Decode(b, binary.LittleEndian)
	if err != nil {
		return 0
	}
	p, err := ir.Decode(&spec.Program{Insns: code}, ir.Options{})
	if err != nil {
		var e *ir.Error
		if !errors.As(err, &e) || err.Error() == "" {
			t.Fatalf("error %T %v", err, err)
		}
		return 0
	}
	covered := ir.Index(0)
	for _, b := range p.Blocks {
		if b.First != covered || b.End <= b.First {
			t.Fatalf("blocks have gaps: %+v", p.Blocks)
		}
		covered = b.End
		for _, s := range b.Succ {
			if p.Blocks[s].Func != b.Func {
				t.Fatalf("block %+v leads into another function", b)
			}
		}
	}
	if covered != ir.Index(len(p.Ins)) {
		t.Fatalf("blocks end at %d of %d", covered, len(p.Ins))
	}
	p.Uninitialized(1 << isa.R1)
	return 1
}
