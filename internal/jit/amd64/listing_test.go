// Implements what the tests read code with: a listing in Intel style, made by an independent decoder.

package amd64_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"github.com/skepbpf/skep/internal/jit/amd64"
)

// names holds the names of the registers at each size.
var names = map[int][16]string{
	8:  {"al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil", "r8b", "r9b", "r10b", "r11b", "r12b", "r13b", "r14b", "r15b"},
	16: {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di", "r8w", "r9w", "r10w", "r11w", "r12w", "r13w", "r14w", "r15w"},
	32: {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi", "r8d", "r9d", "r10d", "r11d", "r12d", "r13d", "r14d", "r15d"},
	64: {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"},
}

var pointers = map[int]string{8: "byte ptr ", 16: "word ptr ", 32: "dword ptr ", 64: "qword ptr "}

// name returns the name of a register.
func name(size int, r amd64.Reg) string { return names[size][r] }

// width returns 64 or 32.
func width(w bool) int {
	if w {
		return 64
	}
	return 32
}

// memory writes a memory operand.
func memory(size int, base amd64.Reg, off int32) string {
	if off == 0 {
		return fmt.Sprintf("%s[%s]", pointers[size], name(64, base))
	}
	return fmt.Sprintf("%s[%s%+d]", pointers[size], name(64, base), off)
}

// indexed writes a memory operand of any kind.
func indexed(size int, m amd64.Mem) string {
	if m.Scale == 0 {
		return memory(size, m.Base, m.Off)
	}
	text := memory(size, m.Base, m.Off)
	return strings.Replace(text, name(64, m.Base), fmt.Sprintf("%s+%s*%d", name(64, m.Base), name(64, m.Index), m.Scale), 1)
}

// emit runs f until its jumps have settled and returns the code.
func emit(t testing.TB, labels int, f func(c *amd64.Code)) []byte {
	t.Helper()
	c := amd64.NewCode(labels)
	for range 64 {
		c.Restart()
		f(c)
		if c.Settled() {
			return append([]byte(nil), c.Bytes()...)
		}
	}
	t.Fatal("jumps do not settle")
	return nil
}

// listing decodes code. Instructions are separated by semicolons; the target of a jump is "@n" for the n-th
// instruction, counted from 0, and "@end" for the end of the code.
func listing(code []byte) (string, error) {
	var insts []x86asm.Inst
	index := map[int]string{len(code): "end"}
	for at := 0; at < len(code); {
		in, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			return "", fmt.Errorf("byte %d of % x: %w", at, code, err)
		}
		index[at] = fmt.Sprint(len(insts))
		insts = append(insts, in)
		at += in.Len
	}
	var lines []string
	at := 0
	for _, in := range insts {
		at += in.Len
		line, err := instruction(in, at, index)
		if err != nil {
			return "", fmt.Errorf("% x: %w", code, err)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; "), nil
}

// instruction writes one instruction; end is where it ends.
func instruction(in x86asm.Inst, end int, index map[int]string) (string, error) {
	text := strings.ToLower(in.Op.String())
	for _, p := range in.Prefix {
		switch {
		case p == x86asm.PrefixLOCK:
			text = "lock " + text
		case p&x86asm.PrefixIgnored != 0:
			return "", fmt.Errorf("%v has the useless prefix %v", in, p)
		}
	}
	size := 0 // of the first operand
	for i, a := range in.Args {
		if a == nil {
			break
		}
		sep := ", "
		if i == 0 {
			sep = " "
		}
		operand := ""
		switch a := a.(type) {
		case x86asm.Reg:
			s, n := register(a)
			if n < 0 {
				return "", fmt.Errorf("%v has the register %v", in, a)
			}
			operand = names[s][n]
			if i == 0 {
				size = s
			}
		case x86asm.Mem:
			if a.Base == x86asm.RIP {
				target, ok := index[end+int(int32(a.Disp))]
				if !ok {
					return "", fmt.Errorf("%v points between instructions", in)
				}
				operand = "[@" + target + "]"
				break
			}
			s, n := register(a.Base)
			if s != 64 || a.Segment != 0 || a.Disp>>32 > 0 {
				return "", fmt.Errorf("%v has the memory operand %v", in, a)
			}
			m := amd64.Mem{Base: amd64.Reg(n), Off: int32(a.Disp), Scale: a.Scale}
			if a.Index == 0 {
				m.Scale = 0
			} else if s, n = register(a.Index); s != 64 {
				return "", fmt.Errorf("%v has the memory operand %v", in, a)
			} else {
				m.Index = amd64.Reg(n)
			}
			operand = indexed(in.MemBytes*8, m)
			if i == 0 {
				size = in.MemBytes * 8
			}
		case x86asm.Imm:
			operand = fmt.Sprint(int64(a) << (64 - size) >> (64 - size))
		case x86asm.Rel:
			target, ok := index[end+int(a)]
			if !ok {
				return "", fmt.Errorf("%v jumps between instructions", in)
			}
			operand = "@" + target
		}
		text += sep + operand
	}
	return text, nil
}

// register returns size and number of a general register, or 0 and -1.
func register(r x86asm.Reg) (size, n int) {
	switch {
	case r >= x86asm.AL && r <= x86asm.BL:
		return 8, int(r - x86asm.AL)
	case r >= x86asm.SPB && r <= x86asm.DIB:
		return 8, int(r-x86asm.SPB) + 4
	case r >= x86asm.R8B && r <= x86asm.R15B:
		return 8, int(r-x86asm.R8B) + 8
	case r >= x86asm.AX && r <= x86asm.R15W:
		return 16, int(r - x86asm.AX)
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return 32, int(r - x86asm.EAX)
	case r >= x86asm.RAX && r <= x86asm.R15:
		return 64, int(r - x86asm.RAX)
	}
	return 0, -1
}

// check compares code with what it should say and how long it should be; a length of -1 is any.
func check(t testing.TB, code []byte, text string, length int) {
	t.Helper()
	got, err := listing(code)
	switch {
	case err != nil:
		t.Errorf("%s: %v", text, err)
	case got != text:
		t.Errorf("% x is %s, want %s", code, got, text)
	case length >= 0 && len(code) != length:
		t.Errorf("%s: % x has %d bytes, want %d", text, code, len(code), length)
	}
}
