// Implements expressions over the input, and their values.

package witness

import (
	"math/bits"

	"github.com/skepbpf/skep/isa"
)

// op is what an expression does.
type op uint8

const (
	opConst   op = iota
	opInput      // a piece of the input
	opALU        // an instruction's arithmetic
	opAdd        // a + b
	opSub        // a - b
	opMul        // a * b
	opLess       // 1 if a is below b, unsigned, else 0
	opExtract    // size bits of a from bit shift on
	opExtend     // a, the sign of size bits being extended
	opLoad       // size bits of an object's memory at offset a, after the first n writes
	opSwap       // the bytes of the lowest size bits of a, the other way round
)

// node is an expression. Nodes are shared and do not change, but for their value under the input of the moment.
type node struct {
	op    op
	size  uint8 // bits
	shift uint8
	row   *isa.Row
	a, b  *node
	n     uint64 // the constant, the number of the input, or how many writes a load sees
	obj   *object

	epoch uint32
	value uint64
}

func constant(n uint64) *node { return &node{op: opConst, n: n} }

func (x *node) isConst() bool { return x.op == opConst }

// binary makes an operation, at once if its operands are constant.
func binary(o op, a, b *node) *node {
	switch {
	case a.isConst() && b.isConst():
		return constant(compute(o, a.n, b.n))
	case b.isConst() && b.n == 0 && (o == opAdd || o == opSub):
		return a
	case b.isConst() && o == opAdd && a.op == opAdd && a.b.isConst():
		return binary(opAdd, a.a, constant(a.b.n+b.n))
	case a.isConst() && o == opAdd:
		return binary(opAdd, b, a)
	}
	return &node{op: o, a: a, b: b}
}

func compute(o op, a, b uint64) uint64 {
	switch o {
	case opAdd:
		return a + b
	case opSub:
		return a - b
	case opMul:
		return a * b
	}
	if a < b { // opLess
		return 1
	}
	return 0
}

// alu is what an instruction computes. b is nil for those of one operand.
func alu(row *isa.Row, a, b *node) *node {
	if b == nil {
		b = constant(0)
	}
	switch {
	case a.isConst() && b.isConst():
		return constant(isa.EvalALU(row, a.n, b.n))
	case row.Width == 64 && row.Fn == isa.FnAdd:
		return binary(opAdd, a, b)
	case row.Width == 64 && row.Fn == isa.FnSub && b.isConst():
		return binary(opAdd, a, constant(-b.n))
	}
	return &node{op: opALU, row: row, a: a, b: b}
}

// extract returns size bits of a from a bit on.
func extract(a *node, shift, size uint8) *node {
	switch {
	case shift == 0 && size == 64:
		return a
	case a.isConst():
		return constant(a.n >> shift & mask(size))
	case a.op == opExtract && shift+size <= a.size:
		return extract(a.a, a.shift+shift, size)
	}
	return &node{op: opExtract, a: a, shift: shift, size: size}
}

func extend(a *node, size uint8) *node {
	if a.isConst() {
		return constant(signed(a.n, size))
	}
	return &node{op: opExtend, a: a, size: size}
}

func swapped(a *node, size uint8) *node {
	if a.isConst() {
		return constant(swap(a.n, size))
	}
	return &node{op: opSwap, a: a, size: size}
}

func mask(size uint8) uint64 { return ^uint64(0) >> (64 - size) }

func signed(n uint64, size uint8) uint64 { return uint64(int64(n<<(64-size)) >> (64 - size)) }

func swap(n uint64, size uint8) uint64 { return bits.ReverseBytes64(n) >> (64 - size) }

// eval returns the value of x under the input of the moment.
func (s *Search) eval(x *node) uint64 {
	if x.op == opConst {
		return x.n
	}
	if x.epoch == s.epoch {
		return x.value
	}
	var v uint64
	switch x.op {
	case opInput:
		v = s.inputs[x.n].value
	case opALU:
		v = isa.EvalALU(x.row, s.eval(x.a), s.eval(x.b))
	case opExtract:
		v = s.eval(x.a) >> x.shift & mask(x.size)
	case opExtend:
		v = signed(s.eval(x.a), x.size)
	case opSwap:
		v = swap(s.eval(x.a)&mask(x.size), x.size)
	case opLoad:
		off := s.eval(x.a)
		for i := range uint64(x.size / 8) {
			v |= uint64(s.byteAt(x.obj, int(x.n), off+i)) << (8 * i)
		}
	default:
		v = compute(x.op, s.eval(x.a), s.eval(x.b))
	}
	x.epoch, x.value = s.epoch, v
	return v
}

// byteAt returns a byte of an object's memory after its first n writes.
func (s *Search) byteAt(o *object, n int, off uint64) byte {
	if w, i := s.lastWrite(o, n, off); w != nil {
		return byte(s.eval(w.number()) >> (8 * i))
	}
	if in := o.input(s, off); in >= 0 {
		return byte(s.inputs[in].value)
	}
	return o.initial(off)
}

// lastWrite returns the last of the first n writes to an object that covers a byte, and which byte of it that is.
func (s *Search) lastWrite(o *object, n int, off uint64) (*write, uint64) {
	for k := n - 1; k >= 0; k-- {
		w := &o.writes[k]
		if !s.inTime() {
			break
		}
		if at := off - s.eval(w.off); at < uint64(w.size/8) {
			return w, at
		}
	}
	return nil, 0
}
