// Implements the golden test of encodings: a readable sample, the same on every host.

package amd64_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

var update = flag.Bool("update", false, "write testdata/golden.txt anew")

const golden = "testdata/golden.txt"

// A sample is a verb with its arguments: as text and as a call.
type sample struct {
	text string
	f    func(c *amd64.Code)
}

// far fills up so much that a jump over it is long.
func far(c *amd64.Code) {
	for range 100 {
		c.Mov(false, amd64.RAX, amd64.RAX)
	}
}

// samples returns the samples in the order of the file.
func samples() []sample {
	var list []sample
	add := func(f func(c *amd64.Code), format string, args ...any) {
		list = append(list, sample{fmt.Sprintf(format, args...), f})
	}
	const rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r12, r13, r15 = amd64.RAX, amd64.RCX, amd64.RDX, amd64.RBX, amd64.RBP,
		amd64.RSI, amd64.RDI, amd64.R8, amd64.R12, amd64.R13, amd64.R15
	fns := []struct {
		fn   isa.Fn
		name string
	}{{isa.FnAdd, "add"}, {isa.FnSub, "sub"}, {isa.FnMul, "mul"}, {isa.FnDiv, "div"}, {isa.FnSDiv, "sdiv"}, {isa.FnMod, "mod"},
		{isa.FnSMod, "smod"}, {isa.FnOr, "or"}, {isa.FnAnd, "and"}, {isa.FnXor, "xor"}, {isa.FnLsh, "lsh"}, {isa.FnRsh, "rsh"},
		{isa.FnArsh, "arsh"}}
	for _, x := range fns {
		add(func(c *amd64.Code) { c.ALU(x.fn, true, rdi, r13) }, "%s 64 rdi, r13", x.name)
		add(func(c *amd64.Code) { c.ALU(x.fn, false, rax, rcx) }, "%s 32 rax, rcx", x.name)
		add(func(c *amd64.Code) { c.ALUImm(x.fn, true, r8, 10) }, "%s 64 r8, 10", x.name)
		add(func(c *amd64.Code) { c.ALUImm(x.fn, false, rax, 1000) }, "%s 32 rax, 1000", x.name)
	}
	add(func(c *amd64.Code) { c.ALU(isa.FnLsh, true, rcx, rdx) }, "lsh 64 rcx, rdx")
	add(func(c *amd64.Code) { c.ALU(isa.FnMod, true, rdx, rax) }, "mod 64 rdx, rax")
	add(func(c *amd64.Code) { c.Neg(true, r15) }, "neg 64 r15")
	add(func(c *amd64.Code) { c.Neg(false, rbx) }, "neg 32 rbx")
	add(func(c *amd64.Code) { c.Mov(true, rdi, rax) }, "mov 64 rdi, rax")
	add(func(c *amd64.Code) { c.Mov(false, r13, rsi) }, "mov 32 r13, rsi")
	for _, v := range []uint64{0, 1, 1<<32 - 1, 1<<64 - 1, 1 << 32} {
		add(func(c *amd64.Code) { c.MovImm(rsi, v) }, "mov rsi, %#x", v)
	}
	for _, size := range []uint8{8, 16, 32} {
		add(func(c *amd64.Code) { c.MovSX(true, size, rax, rdi) }, "movsx %d to 64 rax, rdi", size)
	}
	for _, size := range []uint8{16, 32, 64} {
		add(func(c *amd64.Code) { c.ZeroExtend(size, rdx) }, "zero-extend %d rdx", size)
		add(func(c *amd64.Code) { c.Swap(size, r8) }, "swap %d r8", size)
	}
	for _, size := range []uint8{8, 16, 32, 64} {
		add(func(c *amd64.Code) { c.Load(size, false, rax, rdi, 0) }, "load %d rax, rdi+0", size)
		add(func(c *amd64.Code) { c.Store(size, rsi, rbp, -8) }, "store %d rbp-8, rsi", size)
		add(func(c *amd64.Code) { c.StoreImm(size, -1, r13, 0) }, "store %d r13+0, -1", size)
	}
	for _, size := range []uint8{8, 16, 32} {
		add(func(c *amd64.Code) { c.Load(size, true, rbx, r12, 128) }, "load signed %d rbx, r12+128", size)
	}
	for _, size := range []uint8{32, 64} {
		add(func(c *amd64.Code) { c.Atomic(isa.FnAdd, size, false, rsi, rbp, -8) }, "atomic add %d rbp-8, rsi", size)
		add(func(c *amd64.Code) { c.Atomic(isa.FnAdd, size, true, rsi, rbp, -8) }, "atomic fetch add %d rbp-8, rsi", size)
		add(func(c *amd64.Code) { c.Atomic(isa.FnOr, size, true, rsi, rbp, -8) }, "atomic fetch or %d rbp-8, rsi", size)
		add(func(c *amd64.Code) { c.Atomic(isa.FnXchg, size, true, r15, rdi, 0) }, "atomic xchg %d rdi+0, r15", size)
		add(func(c *amd64.Code) { c.Atomic(isa.FnCmpxchg, size, true, rcx, rdi, 0) }, "atomic cmpxchg %d rdi+0, rcx", size)
	}
	add(func(c *amd64.Code) { c.Atomic(isa.FnXor, 64, true, rax, rax, 8) }, "atomic fetch xor 64 rax+8, rax")
	return append(append(list, flow()...), guestSamples()...)
}

// flow returns the samples of control flow.
func flow() []sample {
	var list []sample
	add := func(f func(c *amd64.Code), format string, args ...any) {
		list = append(list, sample{fmt.Sprintf(format, args...), f})
	}
	const rax, rdi, r13 = amd64.RAX, amd64.RDI, amd64.R13
	for _, x := range []struct {
		fn   isa.Fn
		text string
	}{{isa.FnEq, "=="}, {isa.FnNe, "!="}, {isa.FnGt, ">"}, {isa.FnGe, ">="}, {isa.FnLt, "<"}, {isa.FnLe, "<="}, {isa.FnSGt, "s>"},
		{isa.FnSGe, "s>="}, {isa.FnSLt, "s<"}, {isa.FnSLe, "s<="}, {isa.FnSet, "&"}} {
		add(func(c *amd64.Code) { c.Bind(0); c.JumpIf(x.fn, true, rax, r13, 0) }, "if rax %s r13 jump back", x.text)
		add(func(c *amd64.Code) { c.JumpIfImm(x.fn, false, rdi, 6, 0); c.Bind(0) }, "if 32 rdi %s 6 jump on", x.text)
	}
	add(func(c *amd64.Code) { c.JumpIfImm(isa.FnEq, true, rdi, 0, 0); c.Bind(0) }, "if rdi == 0 jump on")
	add(func(c *amd64.Code) { c.Bind(0); c.Jump(0) }, "jump back")
	add(func(c *amd64.Code) { c.Jump(0); far(c); c.Bind(0) }, "jump far")
	add(func(c *amd64.Code) { c.JumpIfImm(isa.FnSGt, true, rax, 1, 0); far(c); c.Bind(0) }, "if rax s> 1 jump far")
	add(func(c *amd64.Code) { c.Bind(0); c.TakeBudget(0) }, "take budget")
	add(func(c *amd64.Code) { c.Bind(0); c.CallLabel(0) }, "call label")
	add(func(c *amd64.Code) { c.CallHelper(1, "map_lookup_elem") }, "call helper")
	all := []amd64.Reg{amd64.RBX, amd64.R13, amd64.R14, amd64.R15}
	add(func(c *amd64.Code) { c.Prologue(nil, 0) }, "enter")
	add(func(c *amd64.Code) { c.Prologue(all, 100) }, "enter, save all, budget 100")
	add(func(c *amd64.Code) { c.Epilogue(nil) }, "leave")
	add(func(c *amd64.Code) { c.Epilogue(all) }, "leave, restore all")
	return list
}

// TestGolden compares the encodings of the samples with the file: verb // listing // hex in each line. The
// filling of far jumps is left out.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, s := range samples() {
		code := emit(t, 1, s.f)
		text, err := listing(code)
		if err != nil {
			t.Errorf("%s: %v", s.text, err)
		}
		hex := fmt.Sprintf("% x", code)
		text = strings.ReplaceAll(text, strings.Repeat("; mov eax, eax", 100), "; ...")
		hex = strings.ReplaceAll(hex, strings.Repeat(" 89 c0", 100), " ...")
		fmt.Fprintf(&b, "%s // %s // %s\n", s.text, text, hex)
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(strings.ReplaceAll(string(want), "\r\n", "\n"), "\n")
	for i := range max(len(got), len(lines)) {
		switch {
		case i >= len(got):
			t.Errorf("%s:%d: one line too many: %s", golden, i+1, lines[i])
		case i >= len(lines):
			t.Errorf("%s: line missing: %s", golden, got[i])
		case got[i] != lines[i]:
			t.Errorf("%s:%d: %s\nbut the code is %s", golden, i+1, lines[i], got[i])
		}
	}
}
