package jit_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// The tests of this file are named after the requirements of the mission (docs/mission.md), the 2014
// description of internal BPF: those on what machine code looks like, which hold on every host.

// f2 and fooBar are the mission's two programs, the second with the slip of its listing corrected.
const (
	f2 = "bpf_mov R2, R1\nbpf_add R1, 1\nbpf_call f3\nbpf_exit"

	fooBar = `
	bpf_mov R6, R1 /* save ctx */
	bpf_mov R2, 2
	bpf_mov R3, 3
	bpf_mov R4, 4
	bpf_mov R5, 5
	bpf_call foo
	bpf_mov R7, R0 /* save foo() return value */
	bpf_mov R1, R6 /* restore ctx for next call */
	bpf_mov R2, 6
	bpf_mov R3, 7
	bpf_mov R4, 8
	bpf_mov R5, 9
	bpf_call bar
	bpf_add R0, R7
	bpf_exit`
)

// helperIDs are the numbers of the mission's functions.
var helperIDs = map[string]int32{"f3": 1003, "foo": 1001, "bar": 1002}

// mission compiles a program that may call the mission's functions.
func mission(t testing.TB, text string) *jit.Native {
	t.Helper()
	p, err := asm.Assemble("mission", text, &asm.Options{Helper: func(name string) (int32, bool) {
		id, ok := helperIDs[name]
		return id, ok
	}})
	if err != nil {
		t.Fatal(err)
	}
	prog, err := ir.Decode(p, ir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := jit.Compile(prog)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// disassemble splits a stretch of code into instructions.
func disassemble(t testing.TB, code []byte) []x86asm.Inst {
	t.Helper()
	var out []x86asm.Inst
	for at := 0; at < len(code); {
		in, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			t.Fatalf("offset %d: % x: %v", at, code[at:], err)
		}
		for i, arg := range in.Args {
			if m, ok := arg.(x86asm.Mem); ok {
				m.Disp = int64(int32(m.Disp)) // which the decoder leaves without its sign
				in.Args[i] = m
			}
		}
		out = append(out, in)
		at += in.Len
	}
	return out
}

// lines returns a stretch of code as text, calls without what they call.
func lines(t testing.TB, code []byte) []string {
	t.Helper()
	var out []string
	for _, in := range disassemble(t, code) {
		text := x86asm.GNUSyntax(in, 0, nil)
		if in.Op == x86asm.CALL {
			text, _, _ = strings.Cut(text, " ")
		}
		out = append(out, text)
	}
	return out
}

// same compares a stretch of code with its expected text, an instruction a line.
func same(t *testing.T, what string, code []byte, want string) {
	t.Helper()
	var wanted []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			wanted = append(wanted, line)
		}
	}
	if got := lines(t, code); !slices.Equal(got, wanted) {
		t.Errorf("%s is\n\t%s\nwant\n\t%s", what, strings.Join(got, "\n\t"), strings.Join(wanted, "\n\t"))
	}
}

// body returns the code between the prologue and the epilogue of a program's first function.
func body(n *jit.Native) []byte { return n.Code[n.Funcs[0].Body:n.Funcs[0].Tail] }

func TestMissionS06OneCallAndNoMoves(t *testing.T) {
	n := mission(t, "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall foo\nr6 = r0\nexit")
	same(t, "the call", n.Code[n.Insns[5]:n.Insns[6]], "callq")
	same(t, "the body", body(n), `
		mov $0x1,%edi
		mov $0x2,%esi
		mov $0x3,%edx
		mov $0x4,%ecx
		mov $0x5,%r8d
		callq
		mov %rax,%rbx`)
	if len(n.Calls) != 1 || n.Calls[0].Off != n.Insns[5]+1 {
		t.Errorf("calls %+v", n.Calls)
	}
}

func TestMissionS14FourOperations(t *testing.T) {
	same(t, "the body", body(mission(t, f2)), `
		mov %rdi,%rsi
		add $0x1,%rdi
		callq`)
}

func TestMissionS17RegisterMap(t *testing.T) {
	want := [isa.NumRegisters]struct {
		reg  amd64.Reg
		name string
	}{
		{amd64.RAX, "%rax"}, {amd64.RDI, "%rdi"}, {amd64.RSI, "%rsi"}, {amd64.RDX, "%rdx"}, {amd64.RCX, "%rcx"}, {amd64.R8, "%r8"},
		{amd64.RBX, "%rbx"}, {amd64.R13, "%r13"}, {amd64.R14, "%r14"}, {amd64.R15, "%r15"}, {amd64.RBP, "%rbp"},
	}
	for r, w := range want {
		if amd64.Map[r] != w.reg {
			t.Errorf("Map has machine register %d for R%d, want %d", amd64.Map[r], r, w.reg)
		}
		text, line := fmt.Sprintf("r%d += 1\nexit", r), "add $0x1,"+w.name
		if isa.Register(r) == isa.R10 { // which can only be read
			text, line = "r0 = r10\nexit", "mov %rbp,%rax"
		}
		same(t, text, body(mission(t, text)), line)
	}
}

func TestMissionS18NoRegisterInMemory(t *testing.T) {
	text := "r0 = 1\n"
	for r := 1; r <= 9; r++ {
		text += fmt.Sprintf("r%d = r%d\nr%d += %d\nr%d *= r0\n", r, r-1, r, r, r)
	}
	n := mission(t, text+"r0 = r10\nr0 -= r9\nexit")
	for _, in := range disassemble(t, body(n)) {
		for _, arg := range in.Args {
			if _, ok := arg.(x86asm.Mem); ok || in.Op == x86asm.PUSH || in.Op == x86asm.POP {
				t.Errorf("%s touches memory", x86asm.GNUSyntax(in, 0, nil))
			}
		}
	}
}

func TestMissionS20Prologue(t *testing.T) {
	prologue := func(n *jit.Native) []byte { return n.Code[n.Funcs[0].Start:n.Funcs[0].Body] }
	same(t, "the prologue", prologue(mission(t, fooBar)), `
		push %rbp
		mov %rsp,%rbp
		sub $0x228,%rsp
		mov %rbx,-0x228(%rbp)
		mov %r13,-0x220(%rbp)`)
	same(t, "the prologue of a program without R6 and R7", prologue(mission(t, f2)), `
		push %rbp
		mov %rsp,%rbp
		sub $0x228,%rsp`)
	same(t, "the prologue of a program with R9 alone", prologue(mission(t, "r9 = 1\nr0 = r9\nexit")), `
		push %rbp
		mov %rsp,%rbp
		sub $0x228,%rsp
		mov %r15,-0x228(%rbp)`)
}

func TestMissionS21Epilogue(t *testing.T) {
	epilogue := func(n *jit.Native) []byte { return n.Code[n.Funcs[0].Tail:n.Funcs[0].End] }
	same(t, "the epilogue", epilogue(mission(t, fooBar)), `
		mov -0x228(%rbp),%rbx
		mov -0x220(%rbp),%r13
		leaveq
		retq`)
	same(t, "the epilogue of a program without R6 and R7", epilogue(mission(t, f2)), `
		leaveq
		retq`)
}

// TestMissionS25TwoCallsByteForByte compares with what the GNU assembler made of the mission's listing, and
// where there is that assembler, has it do so again.
func TestMissionS25TwoCallsByteForByte(t *testing.T) {
	golden, err := os.ReadFile("testdata/two_calls.txt")
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	var source strings.Builder
	for line := range strings.Lines(string(golden)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		digits, text, ok := strings.Cut(strings.TrimSpace(line), "  ")
		part, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if !ok || err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		want = append(want, part...)
		fmt.Fprintln(&source, strings.TrimSpace(text))
	}
	if got := mission(t, fooBar).Code; !bytes.Equal(got, want) {
		t.Errorf("code\n% x\nwant\n% x", got, want)
	}
	if made, ok := gnuAssemble(t, source.String()); ok && !bytes.Equal(made, want) {
		t.Errorf("the assembler makes\n% x\nthe file has\n% x", made, want)
	}
}

// gnuAssemble returns what the GNU assembler makes of a text, if the host has it.
func gnuAssemble(t *testing.T, source string) ([]byte, bool) {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, false
	}
	for _, tool := range []string{"as", "objcopy"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, false
		}
	}
	dir := t.TempDir()
	object, code := filepath.Join(dir, "code.o"), filepath.Join(dir, "code")
	as := exec.Command("as", "--64", "-o", object, "-")
	as.Stdin = strings.NewReader(source)
	for _, cmd := range []*exec.Cmd{as, exec.Command("objcopy", "-O", "binary", "-j", ".text", object, code)} {
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
	}
	made, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	return made, true
}
