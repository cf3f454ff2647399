// Implements the verbs of control flow, and of entering and leaving a function.

package amd64

import (
	"math"

	"github.com/skepbpf/skep/isa"
)

// conditions maps comparisons to condition codes.
var conditions = map[isa.Fn]byte{
	isa.FnEq: ccEqual, isa.FnNe: ccNotEqual, isa.FnGt: ccAbove, isa.FnGe: ccAboveOrEqual, isa.FnLt: ccBelow, isa.FnLe: ccBelowOrEqual,
	isa.FnSGt: ccGreater, isa.FnSGe: ccGreaterEqual, isa.FnSLt: ccLess, isa.FnSLe: ccLessOrEqual, isa.FnSet: ccNotEqual,
}

// JumpIf jumps to l if fn(a, b) holds, w for 64 bits.
func (c *Code) JumpIf(fn isa.Fn, w bool, a, b Reg, l Label) {
	c.compare(fn, w, a, b)
	c.jcc(conditions[fn], l)
}

// compare sets the flags for fn(a, b).
func (c *Code) compare(fn isa.Fn, w bool, a, b Reg) {
	if fn == isa.FnSet {
		c.test(w, a, b)
	} else {
		c.group(grpCmp, w, a, b)
	}
}

// JumpIfImm jumps to l if fn(a, v) holds, w for 64 bits.
func (c *Code) JumpIfImm(fn isa.Fn, w bool, a Reg, v int32, l Label) {
	c.compareImm(fn, w, a, v)
	c.jcc(conditions[fn], l)
}

// SetIf makes RAX 1 if fn(a, b) holds, else 0, or the other way round. SetIfImm is the same for fn(a, v).
func (c *Code) SetIf(fn isa.Fn, w bool, a, b Reg, inverse bool) {
	c.compare(fn, w, a, b)
	c.setRAX(fn, inverse)
}

// SetIfImm: see SetIf.
func (c *Code) SetIfImm(fn isa.Fn, w bool, a Reg, v int32, inverse bool) {
	c.compareImm(fn, w, a, v)
	c.setRAX(fn, inverse)
}

func (c *Code) setRAX(fn isa.Fn, inverse bool) {
	cc := conditions[fn]
	if inverse {
		cc ^= 1
	}
	c.byte(0x0f, 0x90|cc, 0xc0) // setcc al
	c.byte(0x0f, 0xb6, 0xc0)    // movzx eax, al
}

// compareImm sets the flags for fn(a, v).
func (c *Code) compareImm(fn isa.Fn, w bool, a Reg, v int32) {
	switch {
	case fn == isa.FnSet:
		c.testImm(w, a, v)
	case v == 0:
		c.test(w, a, a)
	default:
		c.groupImm(grpCmp, w, a, v)
	}
}

// testImm looks for common bits of a register and an immediate.
func (c *Code) testImm(w bool, a Reg, v int32) {
	w = w && v < 0 // else there are none in the upper half
	switch short := v >= 0 && v <= math.MaxUint8; {
	case short && a == RAX:
		c.byte(0xa8, byte(v))
	case short:
		c.rex(false, 0, a, a >= RSP)
		c.byte(0xf6, 0xc0|byte(a&7), byte(v))
	case a == RAX:
		c.rex(w, 0, 0, false)
		c.byte(0xa9)
		c.imm32(v)
	default:
		c.rr(w, 0, a, 0xf7)
		c.imm32(v)
	}
}

// A function's frame in the System V form: 512 bytes of BPF stack below RBP, and below them room for five
// registers, the lowest first. The fifth word serves may_goto.
const (
	stackSize = 512
	frameSize = stackSize + 5*8
	budgetOff = -frameSize + 4*8
)

// Prologue enters a function and saves the given registers. budget, if not zero, is put where TakeBudget
// finds it.
func (c *Code) Prologue(saved []Reg, budget int32) {
	c.byte(0x55) // push rbp
	c.Mov(true, RBP, RSP)
	c.groupImm(grpSub, true, RSP, frameSize)
	for i, r := range saved {
		c.Store(64, r, RBP, int32(-frameSize+8*i))
	}
	if budget != 0 {
		c.StoreImm(64, budget, RBP, budgetOff)
	}
}

// Epilogue restores the registers that Prologue saved and returns.
func (c *Code) Epilogue(saved []Reg) {
	for i, r := range saved {
		c.Load(64, false, r, RBP, int32(-frameSize+8*i))
	}
	c.byte(0xc9, 0xc3) // leave; ret
}

// TakeBudget takes one off the budget of may_goto and jumps to l if it was used up.
func (c *Code) TakeBudget(l Label) {
	c.rm(true, false, 5, at(RBP, budgetOff), 0x83)
	c.byte(1)
	c.jcc(ccSign, l)
}
