// Implements the verbs of memory access, atomic ones included.

package amd64

import (
	"fmt"

	"github.com/skepbpf/skep/isa"
)

// Load loads size bits from base+off, zero-extended or, if signed, sign-extended to 64.
func (c *Code) Load(size uint8, signed bool, dst, base Reg, off int32) {
	c.LoadMem(size, signed, dst, at(base, off))
}

// LoadMem is Load from any operand.
func (c *Code) LoadMem(size uint8, signed bool, dst Reg, m Mem) {
	switch {
	case size == 8 && signed:
		c.rm(true, false, dst, m, 0x0f, 0xbe)
	case size == 16 && signed:
		c.rm(true, false, dst, m, 0x0f, 0xbf)
	case size == 32 && signed:
		c.rm(true, false, dst, m, 0x63)
	case size == 8:
		c.rm(false, false, dst, m, 0x0f, 0xb6)
	case size == 16:
		c.rm(false, false, dst, m, 0x0f, 0xb7)
	default:
		c.rm(size == 64, false, dst, m, 0x8b)
	}
}

// Store stores the low size bits of src at base+off.
func (c *Code) Store(size uint8, src, base Reg, off int32) { c.StoreMem(size, src, at(base, off)) }

// StoreMem is Store to any operand.
func (c *Code) StoreMem(size uint8, src Reg, m Mem) {
	if size == 16 {
		c.byte(0x66)
	}
	opcode := byte(0x89)
	if size == 8 {
		opcode = 0x88
	}
	c.rm(size == 64, size == 8 && src >= RSP, src, m, opcode)
}

// StoreImm stores size bits of a constant at base+off; 64 are sign-extended from 32.
func (c *Code) StoreImm(size uint8, v int32, base Reg, off int32) {
	c.StoreImmMem(size, v, at(base, off))
}

// StoreImmMem is StoreImm to any operand.
func (c *Code) StoreImmMem(size uint8, v int32, m Mem) {
	if size == 16 {
		c.byte(0x66)
	}
	opcode := byte(0xc7)
	if size == 8 {
		opcode = 0xc6
	}
	c.rm(size == 64, false, 0, m, opcode)
	switch size {
	case 8:
		c.byte(byte(v))
	case 16:
		c.byte(byte(v), byte(v>>8))
	default:
		c.imm32(v)
	}
}

const lock = 0xf0

// Atomic does memory = fn(memory, src) in one step on size bits at base+off, 32 or 64; with fetch, src
// becomes the old value. FnCmpxchg compares with RAX and leaves the old value there. The memory must be
// aligned.
func (c *Code) Atomic(fn isa.Fn, size uint8, fetch bool, src, base Reg, off int32) {
	c.AtomicMem(fn, size, fetch, src, at(base, off))
}

// AtomicMem is Atomic on any operand. One that Loops says so of must be free of the scratch registers.
func (c *Code) AtomicMem(fn isa.Fn, size uint8, fetch bool, src Reg, m Mem) {
	w := size == 64
	switch {
	case fn == isa.FnCmpxchg:
		c.byte(lock)
		c.rm(w, false, src, m, 0x0f, 0xb1)
		if !w {
			c.Mov(false, RAX, RAX) // a successful exchange leaves the upper half
		}
	case fn == isa.FnXchg:
		c.rm(w, false, src, m, 0x87)
	case fn == isa.FnAdd && fetch:
		c.byte(lock)
		c.rm(w, false, src, m, 0x0f, 0xc1)
	case fetch:
		c.fetch(fn, w, src, m)
	default:
		g, ok := groups[fn]
		if !ok {
			panic(fmt.Sprintf("amd64: no atomic operation %d", fn))
		}
		c.byte(lock)
		c.rm(w, false, src, m, 8*g+1)
	}
}

// Loops reports whether an atomic operation takes a loop, as the machine has no instruction for it.
func Loops(fn isa.Fn, fetch bool) bool {
	return fetch && (fn == isa.FnAnd || fn == isa.FnOr || fn == isa.FnXor)
}

// fetch does what the machine has no instruction for: it tries until nobody else wrote in between. RAX
// makes room for the value expected; where it is an operand, a copy stands in for it.
func (c *Code) fetch(fn isa.Fn, w bool, src Reg, m Mem) {
	c.Mov(true, tmp1, RAX)
	operand := src
	if src == RAX {
		operand = tmp1
	}
	if m.Base == RAX {
		m.Base = tmp1
	}
	c.rm(w, false, RAX, m, 0x8b)
	again := len(c.buf)
	c.Mov(w, tmp0, RAX)
	c.group(groups[fn], w, tmp0, operand)
	c.byte(lock)
	c.rm(w, false, tmp0, m, 0x0f, 0xb1)
	c.byte(0x70|ccNotEqual, byte(again-len(c.buf)-2))
	if src == RAX {
		return // it holds the old value
	}
	c.Mov(w, src, RAX)
	c.Mov(true, RAX, tmp1)
}

// Lea makes dst the address of m.
func (c *Code) Lea(dst Reg, m Mem) { c.rm(true, false, dst, m, 0x8d) }
