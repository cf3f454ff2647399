// Implements the memory that programs access: objects, what was written to them, and what they held before.

package witness

import (
	"github.com/skepbpf/skep/spec"
)

// kind is what an object is.
type kind uint8

const (
	other   kind = iota // memory of which nothing is known
	context             // the program's context
	packet
	stack // offsets count from R10
	element
	handle // a map
	function
)

// object is a piece of memory, or what stands for one.
type object struct {
	kind   kind
	base   uint64 // its address, or a number in the place of that
	size   *node  // bytes; nil: not known
	far    int64  // bytes from its start to the end of the memory that it is in; 0: not known
	writes []write
	bytes  map[uint64]int // which piece of the input a byte is

	m     *spec.Map // of an element or handle
	keyed []*node   // of an element: its key, in pieces
	there *node     // of an element: whether it is in the map
	was   *node     // the same at first
	first []byte    // what it holds at first
	fixed bool      // it holds nothing else
}

// write is a write to an object.
type write struct {
	off  *node
	size uint8 // bits
	val  value
}

// value is what a register holds: nothing (n is nil), a number, or an address in obj at offset n.
type value struct {
	obj  *object
	n    *node
	null *node // of an address: 1, or 0 if it is null; nil: it is not null
	by   int   // of an address: the number of the call of a helper that gave it, from 1; 0: none did
}

func number(n *node) value { return value{n: n} }

// number returns the value as a number.
func (v *value) number() *node {
	switch {
	case v.n == nil:
		return constant(0)
	case v.obj == nil:
		return v.n
	}
	addr := binary(opAdd, v.n, constant(v.obj.base))
	if v.null != nil {
		return binary(opMul, addr, v.null)
	}
	return addr
}

func (w *write) number() *node { return w.val.number() }

// initial returns a byte that an object holds at first, where that is not input.
func (o *object) initial(off uint64) byte {
	if off < uint64(len(o.first)) {
		return o.first[off]
	}
	return 0
}

// input returns which piece of the input a byte of an object is, or -1.
func (o *object) input(s *Search, off uint64) int {
	if n, ok := o.bytes[off]; ok {
		return n
	}
	switch {
	case o.fixed || off >= maxObject:
		return -1
	case o.kind == context || o.kind == packet || o.kind == element:
	default:
		return -1
	}
	if o.size != nil && o.size.isConst() && off >= o.size.n {
		return -1
	}
	most := uint64(0xff)
	if o.kind == context {
		most = s.contextByte(off)
	}
	n := s.newInput(input{max: most, value: uint64(o.initial(off)), pinned: most == 0})
	o.bytes[off] = n
	return n
}

// maxObject is how much of an object can be input, bytes.
const maxObject = 1 << 17

// load returns size bits of an object at an offset.
func (s *Search) load(o *object, off *node, size uint8) value {
	if !off.isConst() {
		return number(&node{op: opLoad, obj: o, a: off, size: size, n: uint64(len(o.writes))})
	}
	for k := len(o.writes) - 1; k >= 0; k-- {
		w := &o.writes[k]
		if !w.off.isConst() {
			break
		}
		at := off.n - w.off.n
		switch {
		case at == 0 && size == 64 && w.size == 64:
			return w.val
		case at < uint64(w.size/8) && at+uint64(size/8) <= uint64(w.size/8):
			return number(extract(w.number(), uint8(8*at), size))
		case at < uint64(w.size/8) || -at < uint64(size/8):
			return number(&node{op: opLoad, obj: o, a: off, size: size, n: uint64(k + 1)})
		}
		if k == 0 {
			return s.untouched(o, off, size)
		}
	}
	if len(o.writes) == 0 {
		return s.untouched(o, off, size)
	}
	return number(&node{op: opLoad, obj: o, a: off, size: size, n: uint64(len(o.writes))})
}

// untouched is a load of what an object holds at first.
func (s *Search) untouched(o *object, off *node, size uint8) value {
	if o.fixed || o.kind == stack || o.kind == other {
		var n uint64
		for i := range uint64(size / 8) {
			n |= uint64(o.initial(off.n+i)) << (8 * i)
		}
		return number(constant(n))
	}
	return number(&node{op: opLoad, obj: o, a: off, size: size})
}

func (s *Search) store(o *object, off *node, size uint8, v value) {
	if o.kind == handle || o.kind == function {
		return
	}
	o.writes = append(o.writes, write{off: off, size: size, val: v})
}
