// Implements what helpers do, as far as their signatures tell.

package witness

import (
	"fmt"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// call is a call of a helper.
type call struct {
	h      *helper.Helper
	result int    // which piece of the input its result is, or -1
	free   bool   // the result may be anything, whatever the program's state
	out    []fill // memory that it fills
}

// fill is memory that a helper fills: pieces of the input, a byte each.
type fill struct {
	arg   int
	bytes []int
}

// ranges are the greatest results of helpers that return something of the world, where not all numbers are possible.
var ranges = map[string]uint64{"get_prandom_u32": 1<<32 - 1, "get_smp_processor_id": 7, "get_numa_node_id": 0, "jiffies64": 1 << 62, "ktime_get_ns": 1 << 62,
	"ktime_get_boot_ns": 1 << 62, "ktime_get_coarse_ns": 1 << 62, "ktime_get_tai_ns": 1 << 62}

// copies are the helpers that copy a piece of the packet to memory: of an offset, to an address, so many bytes.
var copies = map[string]bool{"skb_load_bytes": true, "xdp_load_bytes": true}

// copied does what they do, and returns their result.
func (w *walker) copied(h *helper.Helper) (value, bool) {
	off, to, size := w.regs[2], w.regs[3], w.regs[4]
	if off.n == nil || to.obj == nil || size.n == nil {
		return value{}, false
	}
	w.calls = append(w.calls, &call{h: h, result: -1})
	at := extract(off.number(), 0, 32)
	for k := range min(w.eval(size.number()), maxFill) {
		w.store(to.obj, binary(opAdd, to.n, constant(k)), 8, w.load(w.packet, binary(opAdd, at, constant(k)), 8))
	}
	last := binary(opAdd, at, binary(opAdd, extract(size.number(), 0, 32), constant(^uint64(0))))
	inside := binary(opLess, last, w.packet.size)
	const fault = 14 // EFAULT
	return number(binary(opMul, binary(opSub, constant(1), inside), constant(^uint64(fault-1)))), true
}

func (w *walker) call(at, next ir.Index) {
	in := &w.task.Prog.Ins[at]
	if in.Op == isa.CallLocal {
		if next == ir.Index(in.Off) {
			args := w.regs
			args[0] = value{}
			for r := isa.R6; r <= isa.R9; r++ {
				args[r] = value{}
			}
			w.enter(at, args)
		}
		return
	}
	h := w.task.Helper(int32(in.Imm))
	if h == nil {
		return
	}
	if h.Callback != nil && !w.callback(h, at, next) {
		return
	}
	r0, ok := value{}, false
	if copies[h.Name] {
		r0, ok = w.copied(h)
	}
	if !ok {
		r0 = w.result(h)
	}
	for r := isa.R1; r <= isa.R5; r++ {
		w.regs[r] = value{}
	}
	w.regs[0] = r0
}

// callback goes into a function that a helper calls, or comes back from the helper, which it reports.
func (w *walker) callback(h *helper.Helper, at, next ir.Index) (back bool) {
	r := w.inside[at]
	if r == nil {
		r = &repeated{regs: w.regs}
		w.inside[at] = r
	}
	w.regs = r.regs
	counted := h.Args[0].Kind() == helper.Any
	if next == at+1 {
		if counted && !h.Callback.Later {
			w.ask(isa.FnEq, 32, r.regs[1].number(), constant(r.times), true)
		}
		delete(w.inside, at)
		return true
	}
	if counted {
		w.ask(isa.FnGt, 32, r.regs[1].number(), constant(r.times), true)
	}
	args := w.callbackArgs(h, r)
	r.times++
	w.enter(at, args)
	return false
}

// result returns what a helper leaves in R0, and does what it does to memory.
func (w *walker) result(h *helper.Helper) value {
	c := &call{h: h, result: -1, free: h.Result.Kind() == helper.Scalar}
	w.calls = append(w.calls, c)
	var m *spec.Map
	var key []*node
	written := value{}
	size := uint64(0)
	args := h.ArgsIn(w.task.Type.Type)
	for i, a := range args {
		v := w.regs[1+i]
		switch a.Kind() {
		case helper.Any, helper.Size, helper.SizeOr0, helper.Ignored:
			continue
		case helper.MapRef:
			if v.obj != nil {
				m = v.obj.m
			}
		case helper.MapKey:
			if m != nil {
				key = w.keyOf(v, int(m.KeySize))
			}
		case helper.MapValue:
			written = v
		case helper.RecordSize:
			if v.n != nil && v.n.isConst() {
				size = v.n.n
			}
		case helper.MemOut, helper.MapValueOut:
			w.fill(c, i, args, m)
		case helper.Mem:
			if a.Has(helper.Writes) {
				w.fill(c, i, args, m)
			}
		}
		c.free = false
	}
	null := func() *node {
		if !h.Result.Has(helper.MayBeNull) {
			return nil
		}
		c.result = w.newInput(input{max: 1, value: 1})
		return &node{op: opInput, n: uint64(c.result)}
	}
	switch h.Result.Kind() {
	case helper.Scalar, helper.Void:
		if m != nil && key != nil {
			w.change(m, key, written)
		}
		most := ^uint64(0)
		if r, ok := ranges[h.Name]; ok {
			most = r
		}
		c.result = w.newInput(input{max: most, pinned: !c.free})
		return number(&node{op: opInput, n: uint64(c.result)})
	case helper.ResultMapValue:
		if m == nil {
			break
		}
		if key == nil {
			return value{obj: w.element(m, []*node{constant(0)}), n: constant(0), null: null(), by: len(w.calls)}
		}
		o := w.element(m, key)
		return value{obj: o, n: constant(0), null: o.there, by: len(w.calls)}
	case helper.ResultRecord:
		return value{obj: &object{kind: other, base: 0x6000000, size: constant(size)}, n: constant(0), null: null(), by: len(w.calls)}
	}
	return value{obj: &object{kind: other, base: 0x4000010}, n: constant(0), null: null()}
}

// maxFill is how much memory that a helper fills is looked at, bytes.
const maxFill = 512

// fill notes that a helper fills the memory of an argument.
func (w *walker) fill(c *call, i int, args []helper.Arg, m *spec.Map) {
	v := w.regs[1+i]
	if v.obj == nil {
		return
	}
	size := uint64(args[i].FixedSize())
	switch {
	case args[i].Kind() == helper.MapValueOut && m != nil:
		size = uint64(m.ValueSize)
	case size == 0 && i+1 < len(args) && w.regs[2+i].n != nil:
		size = w.eval(w.regs[2+i].number())
	}
	f := fill{arg: i}
	for k := range min(size, maxFill) {
		n := w.newInput(input{max: 0xff, pinned: true})
		f.bytes = append(f.bytes, n)
		w.store(v.obj, binary(opAdd, v.n, constant(k)), 8, number(&node{op: opInput, n: uint64(n)}))
	}
	c.out = append(c.out, f)
}

// keyOf reads a key, by eight bytes.
func (w *walker) keyOf(v value, size int) (out []*node) {
	if v.obj == nil {
		return nil
	}
	for at := 0; at < size; {
		n := 8
		for n > size-at {
			n /= 2
		}
		x := w.load(v.obj, binary(opAdd, v.n, constant(uint64(at))), uint8(8*n))
		out = append(out, x.number())
		at += n
	}
	return out
}

// element returns the element of a map with a key. The same expression as a key is the same element.
func (w *walker) element(m *spec.Map, key []*node) *object {
	name := m.Name
	for _, k := range key {
		if k.isConst() {
			name += fmt.Sprintf(" %d", k.n)
		} else {
			name += fmt.Sprintf(" %p", k)
		}
	}
	if o := w.elements[name]; o != nil {
		return o
	}
	o := &object{kind: element, base: 0x40000000, size: constant(uint64(m.ValueSize)), bytes: map[uint64]int{}, m: m, keyed: key}
	w.elements[name] = o
	w.order = append(w.order, o)
	defer func() { o.was = o.there }()
	stride := int64(m.ValueSize+7) &^ 7
	switch m.Type {
	case spec.Array, spec.PerCPUArray:
		at := extract(key[0], 0, 32)
		o.there = binary(opLess, at, constant(uint64(m.MaxEntries)))
		if m.Type == spec.Array && at.isConst() {
			o.far = stride * (int64(m.MaxEntries) - int64(at.n))
			o.first = contentOf(m, uint32(at.n))
		}
		o.fixed = m.Frozen
	case spec.Hash, spec.LRUHash:
		o.there = w.inputNode(input{max: 1, value: 1})
		o.far = stride * (int64(m.MaxEntries) + 1024)
	case spec.PerCPUHash, spec.LRUPerCPUHash:
		o.there = w.inputNode(input{max: 1, value: 1})
	default:
		// What else maps hold is not filled in.
		o.there = w.inputNode(input{max: 1, value: 0, pinned: true})
		o.fixed = true
	}
	return o
}

// contentOf returns what an element of an array holds when it is made.
func contentOf(m *spec.Map, key uint32) []byte {
	for _, e := range m.Contents {
		if len(e.Key) == 4 && uint32(e.Key[0])|uint32(e.Key[1])<<8|uint32(e.Key[2])<<16|uint32(e.Key[3])<<24 == key {
			return e.Value
		}
	}
	return nil
}

// change is an update or, without a value, a deletion.
func (w *walker) change(m *spec.Map, key []*node, v value) {
	o := w.element(m, key)
	array := m.Type == spec.Array || m.Type == spec.PerCPUArray
	if v.obj == nil {
		if !array {
			o.there = constant(0)
		}
		return
	}
	if !array {
		o.there = constant(1)
	}
	for at := uint64(0); at+8 <= uint64(m.ValueSize); at += 8 {
		w.store(o, constant(at), 64, w.load(v.obj, binary(opAdd, v.n, constant(at)), 64))
	}
	for at := uint64(m.ValueSize) &^ 7; at < uint64(m.ValueSize); at++ {
		w.store(o, constant(at), 8, w.load(v.obj, binary(opAdd, v.n, constant(at)), 8))
	}
}
