// Implements the test of the verbs of code inside a machine, and of operands with an index.

package amd64_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// TestIndexedMemory loads and stores with every base, index and scale.
func TestIndexedMemory(t *testing.T) {
	registers(func(base amd64.Reg) {
		registers(func(index amd64.Reg) {
			if index == amd64.RSP {
				return // there is no such operand
			}
			for _, scale := range []uint8{1, 2, 4, 8} {
				for _, off := range edges {
					m := amd64.Mem{Base: base, Index: index, Scale: scale, Off: off}
					check(t, emit(t, 0, func(c *amd64.Code) { c.LoadMem(64, false, amd64.R9, m) }), "mov r9, "+indexed(64, m), -1)
					check(t, emit(t, 0, func(c *amd64.Code) { c.StoreMem(8, amd64.RSI, m) }), "mov "+indexed(8, m)+", sil", -1)
					check(t, emit(t, 0, func(c *amd64.Code) { c.StoreImmMem(16, 5, m) }), "mov "+indexed(16, m)+", 5", -1)
					check(t, emit(t, 0, func(c *amd64.Code) { c.AtomicMem(isa.FnAdd, 32, true, amd64.RDI, m) }), "lock xadd "+indexed(32, m)+", edi", -1)
				}
			}
		})
	})
}

// TestAlign checks that the filling has the right length and does nothing.
func TestAlign(t *testing.T) {
	for n := range 70 {
		code := emit(t, 0, func(c *amd64.Code) {
			for range n {
				c.Return()
			}
			c.Align(32)
			c.Return()
		})
		if len(code)%32 != 1 {
			t.Errorf("after %d bytes the code goes on at %d", n, len(code)-1)
		}
		text, err := listing(code)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range strings.Split(text, "; ") {
			if in != "ret" && !strings.HasPrefix(in, "nop") {
				t.Errorf("after %d bytes: %s", n, in)
			}
		}
	}
}

// sampleLayout has a different offset for everything.
var sampleLayout = amd64.Layout{
	Slots: [amd64.NumSlots]int32{0x100, 0x108, 0x110, 0x118, 0x120, 0x128, 0x130, 0x138},
	Regs:  0, Resume: 0x140, Budget: 0x148, Context: 0x150, ContextPtr: 0x158,
	DataFits: [4]int32{0x168, 0x170, 0x178, 0x180},
	Granules: 0x1000, GranulePtr: 0, GranuleRead: 8, GranuleWrite: 16, GranuleBase: 24,
	Stack: 0x4000, StackBase: 1 << 24, DataBase: 16 << 24, Frames: 0x6000, TrustedStack: 0x7000,
}

// guestSamples returns the samples of code inside a machine.
func guestSamples() []sample {
	var list []sample
	pinned := [amd64.NumSlots]bool{amd64.Fuel: true, amd64.Packet: true, amd64.Length: true}
	pins := [amd64.NumSlots]amd64.Reg{amd64.Fuel: amd64.R15, amd64.Packet: amd64.R14, amd64.Length: amd64.R13}
	add := func(text string, f func(g *amd64.Guest)) {
		list = append(list, sample{text, func(c *amd64.Code) {
			f(&amd64.Guest{Code: c, L: &sampleLayout, Map: &amd64.SandboxMap})
		}})
	}
	both := func(text string, f func(g *amd64.Guest)) {
		add(text, f)
		list = append(list, sample{text + " (in registers)", func(c *amd64.Code) {
			f(&amd64.Guest{Code: c, L: &sampleLayout, Map: &amd64.SandboxMap, Pinned: pinned, Pin: pins})
		}})
	}
	both("count 16", func(g *amd64.Guest) { g.Count(16) })
	both("spend 1024 or go on", func(g *amd64.Guest) { g.Spend(1024, 0); g.Bind(0) })
	both("packet 8 at 23 of 24", func(g *amd64.Guest) { g.PacketAt(8, 23, 24, 0); g.Bind(0) })
	both("packet 16 at 12", func(g *amd64.Guest) { g.PacketAt(16, 12, 0, 0); g.Bind(0) })
	both("packet 32 at rcx+14", func(g *amd64.Guest) { g.PacketInd(32, 14, amd64.RCX, 0); g.Bind(0) })
	both("next packet", func(g *amd64.Guest) { g.NextPacket(0); g.Bind(0) })
	both("put result", func(g *amd64.Guest) { g.PutResult() })
	both("end", func(g *amd64.Guest) { g.ReturnDone(false, false) })
	both("call helper at instruction 5", func(g *amd64.Guest) { g.CallGo(5, 0) })
	add("end, as a Go function", func(g *amd64.Guest) { g.ReturnDone(true, false) })
	add("rax is rcx > rdi", func(g *amd64.Guest) { g.SetIf(isa.FnGt, true, amd64.RCX, amd64.RDI, false) })
	add("rax is not ecx & 0x100", func(g *amd64.Guest) { g.SetIfImm(isa.FnSet, false, amd64.RCX, 0x100, true) })
	add("end, pure", func(g *amd64.Guest) { g.ReturnDone(true, true) })
	add("leave at instruction 5", func(g *amd64.Guest) { g.Leave(amd64.LeaveStep, 5, 0); g.Bind(0) })
	add("poll", func(g *amd64.Guest) { g.Poll(0); g.Bind(0) })
	add("resume", func(g *amd64.Guest) { g.Resume() })
	add("store resume", func(g *amd64.Guest) { g.StoreResume() })
	add("take guest's budget", func(g *amd64.Guest) { g.TakeBudget(0); g.Bind(0) })
	add("native call, sandboxed", func(g *amd64.Guest) { g.CallNative(0x123456789a, false) })
	add("native call, trusted", func(g *amd64.Guest) { g.CallNative(0x123456789a, true) })
	for _, write := range []bool{false, true} {
		add(fmt.Sprintf("checked 32 rdi+8, write %v", write), func(g *amd64.Guest) {
			m := g.Checked(write, 32, amd64.RDI, 8, 0)
			g.LoadMem(32, false, amd64.RAX, m)
			g.Bind(0)
		})
	}
	add("in data 64 rdi+8", func(g *amd64.Guest) {
		m := g.InData(64, amd64.RDI, 8, 0)
		g.LoadMem(64, false, amd64.RAX, m)
		g.Bind(0)
	})
	add("in frame 64 rdi+8", func(g *amd64.Guest) {
		m := g.InFrame(64, amd64.RDI, 8, 0)
		g.StoreMem(64, amd64.RAX, m)
		g.Bind(0)
	})
	add("aligned 64 r13+4", func(g *amd64.Guest) { g.Aligned(64, amd64.R13, 4, 0); g.Bind(0) })
	add("context 16", func(g *amd64.Guest) { g.LoadMem(32, false, amd64.RAX, g.InContext(16)) })
	add("stack -8", func(g *amd64.Guest) { g.LoadMem(64, false, amd64.RAX, g.OnStack(-8, false)) })
	add("stack -8 of the first frame", func(g *amd64.Guest) { g.LoadMem(64, false, amd64.RAX, g.OnStack(-8, true)) })
	add("has context", func(g *amd64.Guest) { g.HasContext(amd64.RBX, 0); g.Bind(0) })
	add("rcx+14 is negative", func(g *amd64.Guest) { g.IfNegative(14, amd64.RCX, 0); g.Bind(0) })
	add("local call", func(g *amd64.Guest) { g.Jump(0); g.CallLocal(0, 0) })
	for _, f := range []amd64.Frame{
		{Saved: []int{6, 9}, Budget: 100},
		{Shallow: true},
		{Trusted: true, Shallow: true, Saved: []int{7, 8}},
	} {
		add(fmt.Sprintf("function %+v begins", f), func(g *amd64.Guest) { g.Enter(&f, 8, 0); g.Bind(0) })
		add(fmt.Sprintf("function %+v ends", f), func(g *amd64.Guest) { g.Exit(&f) })
	}
	add("first frame", func(g *amd64.Guest) { g.FirstFrame(false) })
	add("first frame, trusted", func(g *amd64.Guest) { g.FirstFrame(true) })
	add("if first frame", func(g *amd64.Guest) { g.IfFirst(0); g.Bind(0) })
	return list
}
