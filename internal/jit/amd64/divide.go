// Implements the verbs of division: by constants as multiplication, where that is faster.

package amd64

import (
	"math/bits"

	"github.com/skepbpf/skep/isa"
)

// divideImm divides by a constant.
func (c *Code) divideImm(fn isa.Fn, w bool, dst Reg, v int32) {
	signed := fn == isa.FnSDiv || fn == isa.FnSMod
	quotient := fn == isa.FnDiv || fn == isa.FnSDiv
	switch {
	case v == 0 && quotient:
		c.MovImm(dst, 0)
	case v == 0 && !w, v == 1 && quotient && !w:
		c.Mov(false, dst, dst)
	case v == 0, v == 1 && quotient:
	case v == -1 && signed && quotient:
		c.Neg(w, dst)
	case (v == 1 || v == -1 && signed) && !quotient:
		c.MovImm(dst, 0)
	case !signed && v > 0 && v&(v-1) == 0 && quotient:
		c.shiftImm(shifts[isa.FnRsh], w, dst, int32(bits.TrailingZeros32(uint32(v))))
	case !signed && v > 0 && v&(v-1) == 0:
		c.groupImm(grpAnd, false, dst, v-1)
	case !signed && v > 0 && w:
		c.multiply64(quotient, dst, uint64(v))
	case !signed && v > 0:
		c.multiply32(quotient, dst, uint32(v))
	default:
		if w {
			c.MovImm(tmp0, uint64(int64(v)))
		} else {
			c.MovImm(tmp0, uint64(uint32(v)))
		}
		c.divideNonZero(fn, w, dst)
	}
}

// divide divides by tmp0, whatever it holds: by zero gives zero, the remainder by zero is the dividend, and
// the least number divided by -1 is itself.
func (c *Code) divide(fn isa.Fn, w bool, dst Reg) {
	quotient := fn == isa.FnDiv || fn == isa.FnSDiv
	c.test(w, tmp0, tmp0)
	zero := c.skip(ccNotEqual)
	if quotient {
		c.MovImm(dst, 0)
	} else if !w {
		c.Mov(false, dst, dst)
	}
	end := c.skipAlways()
	c.here(zero)
	var end2 int
	signed := fn == isa.FnSDiv || fn == isa.FnSMod
	if signed {
		c.groupImm(grpCmp, w, tmp0, -1)
		other := c.skip(ccNotEqual)
		if quotient {
			c.Neg(w, dst)
		} else {
			c.MovImm(dst, 0)
		}
		end2 = c.skipAlways()
		c.here(other)
	}
	c.divideNonZero(fn, w, dst)
	c.here(end)
	if signed {
		c.here(end2)
	}
}

// divideNonZero divides by tmp0, which is neither zero nor, for signed division, -1. The machine divides RDX
// and RAX together and leaves quotient and remainder there, so both make room.
func (c *Code) divideNonZero(fn isa.Fn, w bool, dst Reg) {
	if dst != RAX {
		c.Mov(true, tmp1, RAX)
		c.Mov(w, RAX, dst)
	}
	if dst != RDX {
		c.byte(0x52) // push rdx
	}
	if fn == isa.FnSDiv || fn == isa.FnSMod {
		c.rex(w, 0, 0, false)
		c.byte(0x99) // cdq or cqo
		c.rr(w, 7, tmp0, 0xf7)
	} else {
		c.group(grpXor, false, RDX, RDX)
		c.rr(w, 6, tmp0, 0xf7)
	}
	result := RAX
	if fn == isa.FnMod || fn == isa.FnSMod {
		result = RDX
	}
	if dst != result {
		c.Mov(w, tmp0, result)
	}
	if dst != RDX {
		c.byte(0x5a) // pop rdx
	}
	if dst != RAX {
		c.Mov(true, RAX, tmp1)
	}
	if dst != result {
		c.Mov(w, dst, tmp0)
	}
}

// reciprocal is a division of numbers of some width by a constant that is no power of two: n / d is
// n >> pre * factor >> width >> post. With add, factor is less by 1 << width than it should be, and pre is 0.
// (Granlund and Montgomery, Division by Invariant Integers using Multiplication, 1994.)
type reciprocal struct {
	pre, post int32
	factor    uint64
	add       bool
}

// reciprocalOf returns the reciprocal of d, from 3 to 1<<(width-1), for numbers of width bits, 32 or 64.
func reciprocalOf(d uint64, width int) reciprocal {
	r := factorOf(d, width, width)
	if !r.add || d&1 != 0 {
		return r
	}
	// What is shifted first has fewer bits, for which a smaller factor does.
	zeros := bits.TrailingZeros64(d)
	r = factorOf(d>>zeros, width, width-zeros)
	r.pre = int32(zeros)
	return r
}

// factorOf is reciprocalOf for numbers that have no more than some of the bits.
func factorOf(d uint64, width, significant int) reciprocal {
	log := bits.Len64(d - 1) // 1<<log is the least power of two that is not below d
	for post := 0; post <= log; post++ {
		// The factor is 1<<(width+post) / d, rounded up: right if that makes it at most 1<<(width+post-significant) / d more.
		hi, lo := uint64(1)<<post, uint64(0)
		if width == 32 {
			hi, lo = 0, 1<<(32+post)
		}
		q, rest := bits.Div64(hi%d, lo, d)
		top := hi/d != 0 // a factor of width+1 bits
		excess := d - rest
		if width == 32 {
			top = q >= 1<<32
			q &= 1<<32 - 1
		}
		if excess <= 1<<min(width+post-significant, 63) {
			return reciprocal{post: int32(post), factor: q + 1, add: top}
		}
	}
	panic("amd64: no reciprocal")
}

// multiply64 divides by a constant: mul leaves the upper half of its product in RDX.
func (c *Code) multiply64(quotient bool, dst Reg, d uint64) {
	r := reciprocalOf(d, 64)
	n, saved := dst, RDX // where the dividend is, and what else is on the stack for a moment
	switch dst {
	case RAX:
		n = tmp1
	case RDX:
		n, saved = tmp1, RAX
	default:
		c.Mov(true, tmp1, RAX)
		c.Mov(true, RAX, dst)
	}
	c.byte(0x50 | byte(saved)) // push
	if n == tmp1 {
		c.Mov(true, tmp1, dst)
	}
	if dst == RDX {
		c.Mov(true, RAX, RDX)
	}
	if r.pre > 0 {
		c.shiftImm(5, true, RAX, r.pre)
	}
	c.MovImm(tmp0, r.factor)
	c.rr(true, 4, tmp0, 0xf7) // mul
	c.Mov(true, tmp0, RDX)
	if r.add {
		c.Mov(true, RAX, n)
		c.group(grpSub, true, RAX, tmp0)
		c.shiftImm(5, true, RAX, 1)
		c.group(grpAdd, true, tmp0, RAX)
		r.post--
	}
	if r.post > 0 {
		c.shiftImm(5, true, tmp0, r.post)
	}
	c.byte(0x58 | byte(saved)) // pop
	if n == dst {
		c.Mov(true, RAX, tmp1)
	}
	if quotient {
		c.Mov(true, dst, tmp0)
		return
	}
	c.rr(true, tmp0, tmp0, 0x69) // imul
	c.imm32(int32(d))
	if n != dst {
		c.Mov(true, dst, n)
	}
	c.group(grpSub, true, dst, tmp0)
}

// multiply32 divides by a constant, in 64 bits.
func (c *Code) multiply32(quotient bool, dst Reg, d uint32) {
	r := reciprocalOf(uint64(d), 32)
	c.Mov(false, tmp0, dst)
	if r.pre > 0 {
		c.shiftImm(5, false, tmp0, r.pre)
	}
	c.MovImm(tmp1, r.factor)
	c.rr(true, tmp0, tmp1, 0x0f, 0xaf) // imul
	post := 32 + r.post
	if r.add {
		c.shiftImm(5, true, tmp0, 32)
		c.Mov(false, tmp1, dst)
		c.group(grpSub, false, tmp1, tmp0)
		c.shiftImm(5, false, tmp1, 1)
		c.group(grpAdd, false, tmp0, tmp1)
		post = r.post - 1
	}
	if post > 0 {
		c.shiftImm(5, true, tmp0, post)
	}
	if quotient {
		c.Mov(false, dst, tmp0)
		return
	}
	c.rr(false, tmp0, tmp0, 0x69) // imul
	c.imm32(int32(d))
	c.group(grpSub, false, dst, tmp0)
}
