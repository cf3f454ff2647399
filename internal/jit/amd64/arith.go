// Implements the verbs of arithmetic.

package amd64

import (
	"fmt"

	"github.com/skepbpf/skep/isa"
)

// groups maps operations to the arithmetic group.
var groups = map[isa.Fn]byte{isa.FnAdd: grpAdd, isa.FnOr: grpOr, isa.FnAnd: grpAnd, isa.FnSub: grpSub, isa.FnXor: grpXor}

// shifts maps operations to the number in opcodes c1 and d3.
var shifts = map[isa.Fn]Reg{isa.FnLsh: 4, isa.FnRsh: 5, isa.FnArsh: 7}

// ALU computes dst = fn(dst, src), w for 64 bits; with 32 the upper half of dst becomes zero. It serves all
// operations on two registers but moves.
func (c *Code) ALU(fn isa.Fn, w bool, dst, src Reg) {
	if g, ok := groups[fn]; ok {
		c.group(g, w, dst, src)
		return
	}
	if s, ok := shifts[fn]; ok {
		c.shift(s, w, dst, src)
		return
	}
	switch fn {
	case isa.FnMul:
		c.rr(w, dst, src, 0x0f, 0xaf)
	case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
		c.Mov(w, tmp0, src)
		c.divide(fn, w, dst)
	default:
		panic(fmt.Sprintf("amd64: no operation %d on registers", fn))
	}
}

// ALUImm computes dst = fn(dst, v), w for 64 bits. It serves all operations on a register and an immediate
// but moves.
func (c *Code) ALUImm(fn isa.Fn, w bool, dst Reg, v int32) {
	if g, ok := groups[fn]; ok {
		switch {
		case g == grpAnd && v >= 0:
			w = false // the upper half becomes zero either way
		case v == 128 && g == grpAdd:
			g, v = grpSub, -128 // which is short
		case v == 128 && g == grpSub:
			g, v = grpAdd, -128
		}
		c.groupImm(g, w, dst, v)
		return
	}
	if s, ok := shifts[fn]; ok {
		c.shiftImm(s, w, dst, v)
		return
	}
	switch fn {
	case isa.FnMul:
		if fits8(v) {
			c.rr(w, dst, dst, 0x6b)
			c.byte(byte(v))
		} else {
			c.rr(w, dst, dst, 0x69)
			c.imm32(v)
		}
	case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
		c.divideImm(fn, w, dst, v)
	default:
		panic(fmt.Sprintf("amd64: no operation %d on an immediate", fn))
	}
}

// Rotate rotates to the left, w for 64 bits.
func (c *Code) Rotate(w bool, dst Reg, count uint8) {
	c.rr(w, 0, dst, 0xc1)
	c.byte(count)
}

// Neg negates.
func (c *Code) Neg(w bool, dst Reg) { c.rr(w, 3, dst, 0xf7) }

func (c *Code) shiftImm(s Reg, w bool, dst Reg, v int32) {
	count := byte(v) & 31
	if w {
		count = byte(v) & 63
	}
	switch {
	case count == 0 && w:
	case count == 0:
		c.Mov(false, dst, dst)
	case count == 1:
		c.rr(w, s, dst, 0xd1)
	default:
		c.rr(w, s, dst, 0xc1)
		c.byte(count)
	}
}

// shift shifts by a register. The machine takes the count from CL alone, so RCX makes room for it.
func (c *Code) shift(s Reg, w bool, dst, src Reg) {
	switch {
	case src == RCX:
		c.rr(w, s, dst, 0xd3)
	case dst == RCX:
		c.Mov(true, tmp0, RCX)
		c.Mov(false, RCX, src)
		c.rr(w, s, tmp0, 0xd3)
		c.Mov(true, RCX, tmp0)
	default:
		c.Mov(true, tmp0, RCX)
		c.Mov(false, RCX, src)
		c.rr(w, s, dst, 0xd3)
		c.Mov(true, RCX, tmp0)
	}
}

// skip jumps forward, inside a verb, if cc holds; here says where to.
func (c *Code) skip(cc byte) int { c.byte(0x70|cc, 0); return len(c.buf) }

func (c *Code) skipAlways() int { c.byte(0xeb, 0); return len(c.buf) }

func (c *Code) here(from int) { c.buf[from-1] = byte(len(c.buf) - from) }

// MovSX copies the low size bits of src with their sign, into 64 bits or, with w false, into 32.
func (c *Code) MovSX(w bool, size uint8, dst, src Reg) {
	switch size {
	case 8:
		c.rex(w, dst, src, src >= RSP)
		c.byte(0x0f, 0xbe, 0xc0|byte(dst&7)<<3|byte(src&7))
	case 16:
		c.rr(w, dst, src, 0x0f, 0xbf)
	default:
		c.rr(true, dst, src, 0x63)
	}
}

// ZeroExtend keeps the low size bits of a register.
func (c *Code) ZeroExtend(size uint8, dst Reg) {
	switch size {
	case 16:
		c.rr(false, dst, dst, 0x0f, 0xb7)
	case 32:
		c.Mov(false, dst, dst)
	}
}

// Swap reverses the order of the low size bits' bytes and clears the others.
func (c *Code) Swap(size uint8, dst Reg) {
	if size == 16 {
		c.byte(0x66)
		c.rr(false, 1, dst, 0xc1) // rotate
		c.byte(8)
		c.ZeroExtend(16, dst)
		return
	}
	c.rex(size == 64, 0, dst, false)
	c.byte(0x0f, 0xc8|byte(dst&7))
}
