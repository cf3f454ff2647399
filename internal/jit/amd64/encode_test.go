// Implements the test of every verb on all registers and edge operands.

package amd64_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// edges are immediates and offsets around the limits of their encodings.
var edges = []int32{0, 1, -1, 5, 127, 128, 255, 256, -128, -129, 0x12345678, math.MaxInt32, math.MinInt32}

// registers calls f for each register of the machine.
func registers(f func(r amd64.Reg)) {
	for r := amd64.RAX; r <= amd64.R15; r++ {
		f(r)
	}
}

// pairs calls f for each two registers and each width.
func pairs(f func(w bool, a, b amd64.Reg)) {
	registers(func(a amd64.Reg) {
		registers(func(b amd64.Reg) {
			f(false, a, b)
			f(true, a, b)
		})
	})
}

// rex returns the length of the REX prefix.
func rex(w bool, regs ...amd64.Reg) int {
	for _, r := range regs {
		w = w || r >= amd64.R8
	}
	if w {
		return 1
	}
	return 0
}

func fits8(v int32) bool { return v == int32(int8(v)) }

// immLen is the length of an immediate that has a short form.
func immLen(v int32) int {
	if fits8(v) {
		return 1
	}
	return 4
}

// memLen is the length of ModRM byte, SIB byte and displacement.
func memLen(base amd64.Reg, off int32) int {
	n := 1
	if base == amd64.RSP || base == amd64.R12 {
		n++
	}
	if off == 0 && base != amd64.RBP && base != amd64.R13 {
		return n
	}
	return n + immLen(off)
}

var groupNames = map[isa.Fn]string{isa.FnAdd: "add", isa.FnOr: "or", isa.FnAnd: "and", isa.FnSub: "sub", isa.FnXor: "xor"}

var shiftNames = map[isa.Fn]string{isa.FnLsh: "shl", isa.FnRsh: "shr", isa.FnArsh: "sar"}

func TestALU(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		operands := fmt.Sprintf(" %s, %s", name(width(w), a), name(width(w), b))
		for fn, s := range groupNames {
			check(t, emit(t, 0, func(c *amd64.Code) { c.ALU(fn, w, a, b) }), s+operands, rex(w, a, b)+2)
		}
		check(t, emit(t, 0, func(c *amd64.Code) { c.ALU(isa.FnMul, w, a, b) }), "imul"+operands, rex(w, a, b)+3)
		check(t, emit(t, 0, func(c *amd64.Code) { c.Mov(w, a, b) }), "mov"+operands, rex(w, a, b)+2)
		if a == b {
			check(t, emit(t, 0, func(c *amd64.Code) { c.Neg(w, a) }), "neg "+name(width(w), a), rex(w, a)+2)
		}
	})
}

func TestALUImm(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		if a != b {
			return
		}
		r, wide := name(width(w), a), w
		for _, v := range edges {
			short := rex(w, a) + 2 + immLen(v)
			for fn, s := range groupNames {
				w, r, v, k := w, r, v, v
				switch {
				case fn == isa.FnAnd && v >= 0:
					w, r = false, name(32, a)
				case v == 128 && fn == isa.FnAdd:
					s, v = "sub", -128
				case v == 128 && fn == isa.FnSub:
					s, v = "add", -128
				}
				n := rex(w, a) + 2 + immLen(v)
				if a == amd64.RAX && !fits8(v) {
					n--
				}
				check(t, emit(t, 0, func(c *amd64.Code) { c.ALUImm(fn, wide, a, k) }), fmt.Sprintf("%s %s, %d", s, r, v), n)
			}
			check(t, emit(t, 0, func(c *amd64.Code) { c.ALUImm(isa.FnMul, w, a, v) }), fmt.Sprintf("imul %s, %s, %d", r, r, v), short)
			for fn, s := range shiftNames {
				text, n := shiftImm(s, w, a, v)
				check(t, emit(t, 0, func(c *amd64.Code) { c.ALUImm(fn, w, a, v) }), text, n)
			}
		}
	})
}

// shiftImm returns the text of a shift by a constant.
func shiftImm(s string, w bool, a amd64.Reg, v int32) (string, int) {
	count := v & 31
	if w {
		count = v & 63
	}
	text := fmt.Sprintf("%s %s, %d", s, name(width(w), a), count)
	switch {
	case count == 0 && w:
		return "", 0
	case count == 0:
		return fmt.Sprintf("mov %s, %s", name(32, a), name(32, a)), rex(w, a) + 2
	case count == 1:
		return text, rex(w, a) + 2
	}
	return text, rex(w, a) + 3
}

func TestShift(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		if scratch(a) || scratch(b) {
			return
		}
		for fn, s := range shiftNames {
			text := fmt.Sprintf("%s %s, cl", s, name(width(w), a))
			if b != amd64.RCX {
				if a == amd64.RCX {
					text = fmt.Sprintf("%s %s, cl", s, name(width(w), amd64.R11))
				}
				text = fmt.Sprintf("mov r11, rcx; mov ecx, %s; %s; mov rcx, r11", name(32, b), text)
			}
			check(t, emit(t, 0, func(c *amd64.Code) { c.ALU(fn, w, a, b) }), text, -1)
		}
	})
}

// scratch tells the registers that verbs use for themselves, and the stack pointer, which is no operand.
func scratch(r amd64.Reg) bool { return r >= amd64.R9 && r <= amd64.R11 || r == amd64.RSP }

// TestDivision looks at shape alone: the code decodes, its jumps land on instructions, it divides as asked,
// and names no register but the operands, RAX, RDX and scratch.
func TestDivision(t *testing.T) {
	divs := map[isa.Fn]string{isa.FnDiv: "div ", isa.FnMod: "div ", isa.FnSDiv: "idiv ", isa.FnSMod: "idiv "}
	pairs(func(w bool, a, b amd64.Reg) {
		if scratch(a) || scratch(b) {
			return
		}
		for fn, s := range divs {
			codes := [][]byte{emit(t, 0, func(c *amd64.Code) { c.ALU(fn, w, a, b) })}
			for _, v := range []int32{2, 7, -2, math.MaxInt32, math.MinInt32} {
				codes = append(codes, emit(t, 0, func(c *amd64.Code) { c.ALUImm(fn, w, a, v) }))
			}
			for i, code := range codes {
				text, err := listing(code)
				if err != nil {
					t.Fatal(err)
				}
				multiplied := (fn == isa.FnDiv || fn == isa.FnMod) && (i == 1 || i == 2 || i == 4) // by a positive constant
				if strings.Contains("; "+text+";", "; "+s+name(width(w), amd64.R11)+";") == multiplied {
					t.Errorf("%s %s by %s: a division missing or too many in %s", s, name(64, a), name(64, b), text)
				}
				registers(func(r amd64.Reg) {
					if r == a || r == b && i == 0 || r == amd64.RAX || r == amd64.RDX || scratch(r) && r != amd64.RSP {
						return
					}
					for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,;[]+-", r) }) {
						if word == name(64, r) || word == name(32, r) {
							t.Errorf("%s %s by %s uses %s: %s", s, name(64, a), name(64, b), word, text)
						}
					}
				})
			}
		}
	})
}

func TestDivisionByEasyConstants(t *testing.T) {
	registers(func(r amd64.Reg) {
		zero, same := fmt.Sprintf("xor %s, %[1]s", name(32, r)), fmt.Sprintf("mov %s, %[1]s", name(32, r))
		for _, x := range []struct {
			fn     isa.Fn
			v      int32
			wide   string
			narrow string
		}{
			{isa.FnDiv, 0, zero, zero}, {isa.FnSDiv, 0, zero, zero},
			{isa.FnMod, 0, "", same}, {isa.FnSMod, 0, "", same},
			{isa.FnDiv, 1, "", same}, {isa.FnSDiv, 1, "", same},
			{isa.FnMod, 1, zero, zero}, {isa.FnSMod, 1, zero, zero}, {isa.FnSMod, -1, zero, zero},
			{isa.FnSDiv, -1, "neg " + name(64, r), "neg " + name(32, r)},
		} {
			check(t, emit(t, 0, func(c *amd64.Code) { c.ALUImm(x.fn, true, r, x.v) }), x.wide, -1)
			check(t, emit(t, 0, func(c *amd64.Code) { c.ALUImm(x.fn, false, r, x.v) }), x.narrow, -1)
		}
	})
}

func TestMovImm(t *testing.T) {
	registers(func(r amd64.Reg) {
		for _, x := range []struct {
			v    uint64
			text string
			n    int
		}{
			{0, fmt.Sprintf("xor %s, %[1]s", name(32, r)), rex(false, r) + 2},
			{1, fmt.Sprintf("mov %s, 1", name(32, r)), rex(false, r) + 5},
			{math.MaxInt32, fmt.Sprintf("mov %s, 2147483647", name(32, r)), rex(false, r) + 5},
			{1 << 31, fmt.Sprintf("mov %s, -2147483648", name(32, r)), rex(false, r) + 5},
			{math.MaxUint32, fmt.Sprintf("mov %s, -1", name(32, r)), rex(false, r) + 5},
			{1 << 32, fmt.Sprintf("mov %s, 4294967296", name(64, r)), 10},
			{math.MaxInt64, fmt.Sprintf("mov %s, 9223372036854775807", name(64, r)), 10},
			{1 << 63, fmt.Sprintf("mov %s, -9223372036854775808", name(64, r)), 10},
			{1<<64 - 1<<31 - 1, fmt.Sprintf("mov %s, -2147483649", name(64, r)), 10},
			{1<<64 - 1<<31, fmt.Sprintf("mov %s, -2147483648", name(64, r)), 7},
			{math.MaxUint64, fmt.Sprintf("mov %s, -1", name(64, r)), 7},
		} {
			check(t, emit(t, 0, func(c *amd64.Code) { c.MovImm(r, x.v) }), x.text, x.n)
		}
	})
}

func TestExtendAndSwap(t *testing.T) {
	pairs(func(w bool, a, b amd64.Reg) {
		n := rex(w, a, b)
		if b >= amd64.RSP {
			n = 1 // without the prefix, 4 to 7 are AH to BH
		}
		check(t, emit(t, 0, func(c *amd64.Code) { c.MovSX(w, 8, a, b) }), fmt.Sprintf("movsx %s, %s", name(width(w), a), name(8, b)), n+3)
		check(t, emit(t, 0, func(c *amd64.Code) { c.MovSX(w, 16, a, b) }), fmt.Sprintf("movsx %s, %s", name(width(w), a), name(16, b)), rex(w, a, b)+3)
		if w {
			check(t, emit(t, 0, func(c *amd64.Code) { c.MovSX(w, 32, a, b) }), fmt.Sprintf("movsxd %s, %s", name(64, a), name(32, b)), 3)
		}
	})
	registers(func(r amd64.Reg) {
		n := rex(false, r)
		zx := fmt.Sprintf("movzx %s, %s", name(32, r), name(16, r))
		check(t, emit(t, 0, func(c *amd64.Code) { c.ZeroExtend(16, r) }), zx, n+3)
		check(t, emit(t, 0, func(c *amd64.Code) { c.ZeroExtend(32, r) }), fmt.Sprintf("mov %s, %[1]s", name(32, r)), n+2)
		check(t, emit(t, 0, func(c *amd64.Code) { c.ZeroExtend(64, r) }), "", 0)
		check(t, emit(t, 0, func(c *amd64.Code) { c.Swap(16, r) }), fmt.Sprintf("ror %s, 8; %s", name(16, r), zx), 2*n+7)
		check(t, emit(t, 0, func(c *amd64.Code) { c.Swap(32, r) }), "bswap "+name(32, r), n+2)
		check(t, emit(t, 0, func(c *amd64.Code) { c.Swap(64, r) }), "bswap "+name(64, r), 3)
	})
}
