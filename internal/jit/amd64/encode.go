// Implements the encoding of single machine instructions.

package amd64

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// Code is machine code while it is written, with labels and calls that are not resolved yet.
//
// A jump is short or long depending on how far it goes, which depends on the length of the code between. So
// code is written several times with the same calls: Restart begins the next time, with the places of labels
// from the time before, until Settled says that nothing moved. Jumps are short until one is seen not to reach;
// then it stays long, so that code only grows and no jump is longer than it must be.
type Code struct {
	buf    []byte
	labels []int  // offsets, of this pass as far as it has come, else of the last, or -1
	long   []bool // of each jump, in their order
	jumps  int    // written in this pass
	passes int
	moved  bool
	Calls  []Call
}

// patience is how many passes look for the shortest code. In each a single jump may be the one that grows, so
// after them all are long, and code settles in a few passes more.
const patience = 24

// Label is a place in the code.
type Label int

// Call is a call whose target is outside the code: the four bytes at Off are to hold the distance from
// behind them.
type Call struct {
	Off  int
	Name string // of what is called
	ID   int32  // of the helper
}

// NewCode returns empty code with n labels.
func NewCode(n int) *Code {
	c := &Code{labels: make([]int, n)}
	for i := range c.labels {
		c.labels[i] = -1
	}
	return c
}

// Restart drops what was written and keeps what is known about labels.
func (c *Code) Restart() {
	c.buf, c.Calls, c.moved, c.jumps = c.buf[:0], c.Calls[:0], false, 0
	c.passes++
}

// Settled reports whether no label moved against the pass before.
func (c *Code) Settled() bool { return !c.moved }

// Bytes returns the code. It is valid until the next Restart.
func (c *Code) Bytes() []byte { return c.buf }

// Len returns the length of the code so far, in bytes.
func (c *Code) Len() int { return len(c.buf) }

// Bind puts a label at the end of the code.
func (c *Code) Bind(l Label) {
	if c.labels[l] != len(c.buf) {
		c.labels[l], c.moved = len(c.buf), true
	}
}

func (c *Code) byte(b ...byte) { c.buf = append(c.buf, b...) }

func (c *Code) imm32(v int32) { c.buf = binary.LittleEndian.AppendUint32(c.buf, uint32(v)) }

func fits8(v int32) bool { return v >= math.MinInt8 && v <= math.MaxInt8 }

// rex writes a REX prefix if one is needed: w for 64 bits, reg and base for the register numbers above 7, force for the low bytes of RSP, RBP, RSI and RDI.
func (c *Code) rex(w bool, reg, base Reg, force bool) {
	b := byte(0x40)
	if w {
		b |= 8
	}
	b |= byte(reg>>3)<<2 | byte(base>>3)
	if b != 0x40 || force {
		c.byte(b)
	}
}

// rr writes opcode with two registers: reg in the middle of the ModRM byte, rm at its end.
func (c *Code) rr(w bool, reg, rm Reg, opcode ...byte) {
	c.rex(w, reg, rm, false)
	c.byte(opcode...)
	c.byte(0xc0 | byte(reg&7)<<3 | byte(rm&7))
}

// Mem is a memory operand: Base+Off or, if Scale is not zero, Base+Index*Scale+Off.
type Mem struct {
	Base  Reg
	Off   int32
	Index Reg // not RSP
	Scale uint8
}

// at is the operand base+off.
func at(base Reg, off int32) Mem { return Mem{Base: base, Off: off} }

// rm writes opcode with a register and a memory operand.
func (c *Code) rm(w, force bool, reg Reg, m Mem, opcode ...byte) {
	b := byte(0x40) | byte(reg>>3)<<2 | byte(m.Base>>3)
	if w {
		b |= 8
	}
	if m.Scale != 0 {
		b |= byte(m.Index>>3) << 1
	}
	if b != 0x40 || force {
		c.byte(b)
	}
	c.byte(opcode...)
	c.mem(reg, m)
}

// mem writes ModRM, SIB and displacement of a memory operand.
func (c *Code) mem(reg Reg, m Mem) {
	mod := byte(0x80)
	switch {
	case m.Off == 0 && m.Base&7 != RBP: // that encoding means something else
		mod = 0
	case fits8(m.Off):
		mod = 0x40
	}
	switch rest := mod | byte(reg&7)<<3; {
	case m.Scale != 0:
		c.byte(rest|4, byte(bits.TrailingZeros8(m.Scale))<<6|byte(m.Index&7)<<3|byte(m.Base&7))
	case m.Base&7 == RSP:
		c.byte(rest|4, 0x24)
	default:
		c.byte(rest | byte(m.Base&7))
	}
	switch mod {
	case 0x40:
		c.byte(byte(m.Off))
	case 0x80:
		c.imm32(m.Off)
	}
}

// The numbers of the arithmetic group: n in opcodes 8n+1 (register) and 81 /n (immediate).
const (
	grpAdd = 0
	grpOr  = 1
	grpAnd = 4
	grpSub = 5
	grpXor = 6
	grpCmp = 7
)

// group writes an instruction of the arithmetic group on two registers.
func (c *Code) group(n byte, w bool, dst, src Reg) { c.rr(w, src, dst, 8*n+1) }

// groupImm writes an instruction of the arithmetic group on a register and an immediate.
func (c *Code) groupImm(n byte, w bool, dst Reg, v int32) {
	switch {
	case fits8(v):
		c.rr(w, Reg(n), dst, 0x83)
		c.byte(byte(v))
		return
	case dst == RAX:
		c.rex(w, 0, 0, false)
		c.byte(8*n + 5)
	default:
		c.rr(w, Reg(n), dst, 0x81)
	}
	c.imm32(v)
}

// nops are the recommended instructions of one to nine bytes that do nothing.
var nops = [...]string{"", "\x90", "\x66\x90", "\x0f\x1f\x00", "\x0f\x1f\x40\x00", "\x0f\x1f\x44\x00\x00",
	"\x66\x0f\x1f\x44\x00\x00", "\x0f\x1f\x80\x00\x00\x00\x00", "\x0f\x1f\x84\x00\x00\x00\x00\x00",
	"\x66\x0f\x1f\x84\x00\x00\x00\x00\x00"}

// Align fills up with instructions that do nothing until the length of the code is a multiple of n.
func (c *Code) Align(n int) {
	for rest := -len(c.buf) & (n - 1); rest > 0; {
		k := min(rest, len(nops)-1)
		c.buf = append(c.buf, nops[k]...)
		rest -= k
	}
}

// Mov copies a register; with w false its lower half, and the upper half becomes zero.
func (c *Code) Mov(w bool, dst, src Reg) { c.rr(w, src, dst, 0x89) }

// MovImm loads a constant in the shortest form, which may change the flags.
func (c *Code) MovImm(dst Reg, v uint64) {
	switch {
	case v == 0:
		c.group(grpXor, false, dst, dst)
	case v <= math.MaxUint32:
		c.rex(false, 0, dst, false)
		c.byte(0xb8 | byte(dst&7))
		c.imm32(int32(v))
	case int64(v) >= math.MinInt32 && int64(v) < 0:
		c.rr(true, 0, dst, 0xc7)
		c.imm32(int32(v))
	default:
		c.rex(true, 0, dst, false)
		c.byte(0xb8 | byte(dst&7))
		c.buf = binary.LittleEndian.AppendUint64(c.buf, v)
	}
}

// test compares a register with zero.
func (c *Code) test(w bool, a, b Reg) { c.rr(w, b, a, 0x85) }

// The conditions, as in opcodes 0f 80+cc.
const (
	ccBelow        = 2
	ccAboveOrEqual = 3
	ccEqual        = 4
	ccNotEqual     = 5
	ccBelowOrEqual = 6
	ccAbove        = 7
	ccSign         = 8
	ccLess         = 12
	ccGreaterEqual = 13
	ccLessOrEqual  = 14
	ccGreater      = 15
)

// jcc jumps to l if cc holds.
func (c *Code) jcc(cc byte, l Label) { c.jumpTo(l, []byte{0x70 | cc}, []byte{0x0f, 0x80 | cc}) }

// Jump jumps to l.
func (c *Code) Jump(l Label) { c.jumpTo(l, []byte{0xeb}, []byte{0xe9}) }

// jumpTo writes the short form as long as the target, as last seen, is near enough.
func (c *Code) jumpTo(l Label, short, long []byte) {
	n := c.jumps
	c.jumps++
	if n == len(c.long) {
		c.long = append(c.long, false)
	}
	d := c.labels[l] - (len(c.buf) + len(short) + 1)
	if c.passes > patience || c.labels[l] >= 0 && (d < math.MinInt8 || d > math.MaxInt8) {
		c.long[n] = true
	}
	if !c.long[n] {
		c.byte(short...)
		c.byte(byte(d))
		return
	}
	c.byte(long...)
	c.imm32(int32(c.labels[l] - (len(c.buf) + 4)))
}

// CallLabel calls a function of the code.
func (c *Code) CallLabel(l Label) {
	c.byte(0xe8)
	c.imm32(int32(c.labels[l] - (len(c.buf) + 4)))
}

// CallHelper calls something outside the code; see Call.
func (c *Code) CallHelper(id int32, name string) {
	c.byte(0xe8)
	c.Calls = append(c.Calls, Call{Off: len(c.buf), ID: id, Name: name})
	c.imm32(0)
}
