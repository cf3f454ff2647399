// Implements the reference meaning of the operations on values: arithmetic, comparison, atomics, extension.

package isa

import (
	"math"
	"math/bits"
)

// EvalALU returns the destination register's new value after a KindALU instruction (RFC 9669 sections 4.1
// and 4.2). dst is the register's old value, operand the source register or the sign-extended immediate.
// Division by zero gives 0, remainder by zero the dividend; shift counts are taken modulo the width.
func EvalALU(r *Row, dst, operand uint64) uint64 {
	if r.Fn == FnLE || r.Fn == FnBE || r.Fn == FnBSwap {
		return evalSwap(r, dst)
	}
	if r.Width == 32 {
		return uint64(uint32(eval32(r, uint32(dst), uint32(operand))))
	}
	return eval64(r, dst, operand)
}

func eval64(r *Row, a, b uint64) uint64 {
	switch r.Fn {
	case FnAdd:
		return a + b
	case FnSub:
		return a - b
	case FnMul:
		return a * b
	case FnDiv:
		if b == 0 {
			return 0
		}
		return a / b
	case FnMod:
		if b == 0 {
			return a
		}
		return a % b
	case FnSDiv:
		return sdiv(a, b)
	case FnSMod:
		return smod(a, b)
	case FnOr:
		return a | b
	case FnAnd:
		return a & b
	case FnXor:
		return a ^ b
	case FnLsh:
		return a << (b & 63)
	case FnRsh:
		return a >> (b & 63)
	case FnArsh:
		return uint64(int64(a) >> (b & 63))
	case FnMov:
		return b
	case FnMovSX:
		return signExtend(b, r.Size)
	case FnNeg:
		return -a
	}
	panic("isa: not an arithmetic instruction: " + r.name())
}

// eval32 computes in 64 bits where that gives the same lower half.
func eval32(r *Row, a, b uint32) uint32 {
	switch r.Fn {
	case FnSDiv, FnSMod:
		if int32(a) == math.MinInt32 && int32(b) == -1 {
			if r.Fn == FnSDiv {
				return a
			}
			return 0
		}
		return uint32(eval64(r, uint64(int64(int32(a))), uint64(int64(int32(b)))))
	case FnLsh, FnRsh:
		return uint32(eval64(r, uint64(a), uint64(b&31)))
	case FnArsh:
		return uint32(int32(a) >> (b & 31))
	}
	return uint32(eval64(r, uint64(a), uint64(b)))
}

func sdiv(a, b uint64) uint64 {
	switch {
	case b == 0:
		return 0
	case int64(b) == -1:
		return -a // also for the least integer, whose quotient is itself
	}
	return uint64(int64(a) / int64(b))
}

func smod(a, b uint64) uint64 {
	switch {
	case b == 0:
		return a
	case int64(b) == -1:
		return 0
	}
	return uint64(int64(a) % int64(b))
}

// evalSwap treats memory as little endian: "le" truncates, "be" and "bswap" swap.
func evalSwap(r *Row, v uint64) uint64 {
	switch {
	case r.Fn == FnLE && r.Size == 16:
		return uint64(uint16(v))
	case r.Fn == FnLE && r.Size == 32:
		return uint64(uint32(v))
	case r.Fn == FnLE:
		return v
	case r.Size == 16:
		return uint64(bits.ReverseBytes16(uint16(v)))
	case r.Size == 32:
		return uint64(bits.ReverseBytes32(uint32(v)))
	}
	return bits.ReverseBytes64(v)
}

// EvalJump reports whether a KindJump instruction jumps (RFC 9669 section 4.3).
func EvalJump(r *Row, dst, operand uint64) bool {
	a, b := dst, operand
	sa, sb := int64(a), int64(b)
	if r.Width == 32 {
		a, b = uint64(uint32(a)), uint64(uint32(b))
		sa, sb = int64(int32(a)), int64(int32(b))
	}
	switch r.Fn {
	case FnEq:
		return a == b
	case FnNe:
		return a != b
	case FnGt:
		return a > b
	case FnGe:
		return a >= b
	case FnLt:
		return a < b
	case FnLe:
		return a <= b
	case FnSet:
		return a&b != 0
	case FnSGt:
		return sa > sb
	case FnSGe:
		return sa >= sb
	case FnSLt:
		return sa < sb
	case FnSLe:
		return sa <= sb
	}
	panic("isa: not a jump: " + r.name())
}

// EvalAtomic returns what a KindAtomic instruction leaves in memory (RFC 9669 section 5.3). old is the
// memory's value, zero-extended; r0 matters to compare-and-exchange alone. The old value is what a fetching
// form returns, zero-extended as well.
func EvalAtomic(r *Row, old, src, r0 uint64) (stored uint64) {
	if r.Size == 32 {
		old, src, r0 = uint64(uint32(old)), uint64(uint32(src)), uint64(uint32(r0))
	}
	switch r.Fn {
	case FnAdd:
		stored = old + src
	case FnOr:
		stored = old | src
	case FnAnd:
		stored = old & src
	case FnXor:
		stored = old ^ src
	case FnXchg:
		stored = src
	case FnCmpxchg:
		stored = old
		if old == r0 {
			stored = src
		}
	default:
		panic("isa: not an atomic instruction: " + r.name())
	}
	if r.Size == 32 {
		stored = uint64(uint32(stored))
	}
	return stored
}

// EvalLoad widens a value just read from memory, zero- or sign-extending as the row says (RFC 9669 section 5.2).
func EvalLoad(r *Row, raw uint64) uint64 {
	if r.Signed {
		return signExtend(raw, r.Size)
	}
	return raw
}

func signExtend(v uint64, size uint8) uint64 {
	shift := 64 - size
	return uint64(int64(v<<shift) >> shift)
}
