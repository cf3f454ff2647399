package jit_test

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/spec"
)

// pinsLayout has the slots apart from everything else.
var pinsLayout = amd64.Layout{
	Slots:  [amd64.NumSlots]int32{0x100, 0x108, 0x110, 0x118, 0x120, 0x128, 0x130, 0x138},
	Resume: 0x140, Budget: 0x148, Context: 0x150, ContextPtr: 0x158, DataFits: [4]int32{0x168, 0x170, 0x178, 0x180},
	Granules: 0x1000, GranuleRead: 8, GranuleWrite: 16, GranuleBase: 24,
	Stack: 0x4000, StackBase: 1 << 24, DataBase: 16 << 24, Frames: 0x6000, TrustedStack: 0x7000,
}

// TestPinsAreKept looks through the code of random programs for anything that writes to a register that holds a
// slot, but for loading the slot and for counting in it: sandboxed code relies on these registers.
func TestPinsAreKept(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	pinned := 0
	for n := range 3000 {
		o := enginetest.Options{Mem: 32, Size: 2 + rng.IntN(30), Helpers: rng.IntN(2) == 0, Packet: rng.IntN(4) == 0}
		p := &spec.Program{Insns: enginetest.Generate(rng, o)}
		prog, err := ir.Decode(p, ir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		useFewer(rng, prog)
		opts := jit.GuestOptions{Layout: &pinsLayout, OpSize: 16, Frames: 8, Metered: rng.IntN(4) > 0, DataWritable: true,
			Zero: ir.Regs(rng.Uint32() & 0x3ff), GoCalls: rng.IntN(2) == 0, Tidy: rng.IntN(2) == 0}
		if rng.IntN(2) == 0 {
			opts.Native = func(ir.Index) uint64 { return 0x123456789a }
		}
		g, err := jit.CompileGuest(prog, opts)
		if err != nil {
			t.Fatal(err)
		}
		for s := range amd64.NumSlots {
			if g.Plan.Pinned[s] {
				pinned++
				keeps(t, n, g, s)
			}
		}
		// The same for the register that points to the machine.
		for at := 0; at < len(g.Code); {
			in, err := x86asm.Decode(g.Code[at:], 64)
			if err != nil {
				t.Fatal(err)
			}
			if writes(in, amd64.R12) && at != g.Leaf {
				t.Fatalf("program %d: %v writes to the machine's register", n, in)
			}
			at += in.Len
		}
	}
	if pinned < 1000 {
		t.Errorf("only %d slots were in registers", pinned)
	}
}

// useFewer puts R2 in the place of some registers, so that the program names fewer. What it does then is no matter.
func useFewer(rng *rand.Rand, p *ir.Program) {
	drop := rng.Uint32() & 0x3f8
	for i := range p.Ins {
		for _, r := range []*uint8{&p.Ins[i].Dst, &p.Ins[i].Src} {
			if drop>>*r&1 != 0 {
				*r = 2
			}
		}
	}
}

// keeps checks what writes to the register of slot s.
func keeps(t *testing.T, n int, g *jit.Guest, s amd64.Slot) {
	t.Helper()
	pin := g.Plan.Pin[s]
	for at := 0; at < len(g.Code); {
		in, err := x86asm.Decode(g.Code[at:], 64)
		if err != nil {
			t.Fatal(err)
		}
		at += in.Len
		if !writes(in, pin) {
			continue
		}
		m, load := in.Args[1].(x86asm.Mem)
		_, constant := in.Args[1].(x86asm.Imm)
		switch {
		case in.Op == x86asm.MOV && load && m.Base == x86asm.R12 && int32(m.Disp) == pinsLayout.Slots[s]:
		case s == amd64.Fuel && in.Op == x86asm.SUB && constant:
		default:
			t.Fatalf("program %d: %v writes to the register of slot %d", n, in, s)
		}
	}
}

// writes reports whether an instruction writes to a general register, in any width.
func writes(in x86asm.Inst, r amd64.Reg) bool {
	switch in.Op {
	case x86asm.CMP, x86asm.TEST, x86asm.PUSH, x86asm.JMP, x86asm.CALL:
		return false
	case x86asm.XCHG, x86asm.XADD:
		if is(in.Args[1], r) {
			return true
		}
	}
	return is(in.Args[0], r)
}

func is(a x86asm.Arg, r amd64.Reg) bool {
	reg, ok := a.(x86asm.Reg)
	for _, first := range []x86asm.Reg{x86asm.AL, x86asm.AX, x86asm.EAX, x86asm.RAX} {
		if first != x86asm.AL && reg == first+x86asm.Reg(r) {
			return ok
		}
	}
	// The names of bytes have no order of their own.
	byteNames := map[amd64.Reg]x86asm.Reg{amd64.RAX: x86asm.AL, amd64.RCX: x86asm.CL, amd64.RDX: x86asm.DL, amd64.RBX: x86asm.BL,
		amd64.RSI: x86asm.SIB, amd64.RDI: x86asm.DIB, amd64.R8: x86asm.R8B, amd64.R9: x86asm.R9B, amd64.R12: x86asm.R12B,
		amd64.R13: x86asm.R13B, amd64.R14: x86asm.R14B, amd64.R15: x86asm.R15B}
	return ok && reg == byteNames[r]
}
