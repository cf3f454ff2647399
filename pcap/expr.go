// Implements values: the numbers that a filter compares, as shared trees of loads and arithmetic.

package pcap

// A value is a 32-bit number that a filter computes from the packet. Values are immutable, and one pool holds
// each of them once: equal pointers mean the same calculation. A packet does not change while a filter runs,
// so the same calculation always gives the same number (variables aside, which are set before they are used).
type value struct {
	op   valueOp
	size uint8  // of loads, bytes: 1, 2 or 4
	k    uint32 // constant, displacement of a load, metadata offset, or number of a variable
	a, b *value // operands; of an indexed load, a is the index
	id   int
	// risky says that the calculation can end the program: it loads bytes that may not be there, or divides by
	// what may be zero.
	risky bool
}

type valueOp uint8

const (
	opConst  valueOp = iota
	opLength         // length of the packet on the wire
	opMeta           // what Linux knows beside the packet's bytes; k is the offset of the load
	opVar            // variable k: a word of scratch memory
	opFail           // a load outside every packet
	opLoad           // size bytes at k, or at a+k
	opHeader         // 4*(byte at k & 15), the length of an IPv4 header
	opAdd
	opSub
	opMul
	opDiv
	opMod
	opAnd
	opOr
	opXor
	opShl
	opShr
	opNeg
)

type valueKey struct {
	op   valueOp
	size uint8
	k    uint32
	a, b int
}

// pool makes values. fold says whether to simplify them on the way.
type pool struct {
	all  map[valueKey]*value
	fold bool
}

func newPool() *pool { return &pool{all: map[valueKey]*value{}} }

func (p *pool) make(op valueOp, size uint8, k uint32, a, b *value) *value {
	key := valueKey{op: op, size: size, k: k, a: -1, b: -1}
	if a != nil {
		key.a = a.id
	}
	if b != nil {
		key.b = b.id
	}
	if v, ok := p.all[key]; ok {
		return v
	}
	v := &value{op: op, size: size, k: k, a: a, b: b, id: len(p.all)}
	switch op {
	case opLoad, opHeader, opFail:
		v.risky = true
	case opDiv, opMod:
		v.risky = b.op != opConst || b.k == 0
	}
	v.risky = v.risky || a != nil && a.risky || b != nil && b.risky
	p.all[key] = v
	return v
}

func (p *pool) constant(k uint32) *value   { return p.make(opConst, 0, k, nil, nil) }
func (p *pool) length() *value             { return p.make(opLength, 0, 0, nil, nil) }
func (p *pool) variable(n int) *value      { return p.make(opVar, 0, uint32(n), nil, nil) }
func (p *pool) metadata(off uint32) *value { return p.make(opMeta, 0, off, nil, nil) }
func (p *pool) fail() *value               { return p.make(opFail, 0, 0, nil, nil) }

// load is a load of size bytes at index+k. The index may be nil.
func (p *pool) load(size uint8, index *value, k uint32) *value {
	if p.fold && index != nil {
		switch {
		case index.op == opFail:
			return index
		case index.op == opConst:
			return p.load(size, nil, k+index.k)
		case index.op == opAdd && index.b.op == opConst:
			// Not where a sum wraps: machines differ about that.
			c := index.b.k
			if c < 1<<30 && k < 1<<30 && widest(index.a) <= ^uint32(0)-c {
				return p.load(size, index.a, k+c)
			}
		}
	}
	if index == nil && k > 1<<31-1 {
		return p.fail()
	}
	return p.make(opLoad, size, k, index, nil)
}

// header is the length of the IPv4 header that starts at index+k. The index may be nil.
func (p *pool) header(index *value, k uint32) *value {
	if index == nil && k <= 1<<31-1 {
		return p.make(opHeader, 0, k, nil, nil)
	}
	low := p.binary(opAnd, p.load(1, index, k), p.constant(15))
	return p.binary(opShl, low, p.constant(2))
}

// add is x+k. x may be nil for 0.
func (p *pool) add(x *value, k uint32) *value {
	switch {
	case x == nil:
		return p.constant(k)
	case k == 0:
		return x
	}
	return p.binary(opAdd, x, p.constant(k))
}

func (p *pool) negate(a *value) *value {
	if p.fold {
		switch a.op {
		case opFail:
			return a
		case opConst:
			return p.constant(-a.k)
		case opNeg:
			return a.a
		}
	}
	return p.make(opNeg, 0, 0, a, nil)
}

func (p *pool) binary(op valueOp, a, b *value) *value {
	if p.fold {
		if v := p.simplify(op, a, b); v != nil {
			return v
		}
	}
	return p.make(op, 0, 0, a, b)
}

// rebuild is v again by the pool's present rule, that is simplified if it folds.
func (p *pool) rebuild(v *value, done map[*value]*value) *value {
	if v == nil || v.a == nil && v.b == nil {
		return v
	}
	if r, ok := done[v]; ok {
		return r
	}
	a, b := p.rebuild(v.a, done), p.rebuild(v.b, done)
	var r *value
	switch v.op {
	case opLoad:
		r = p.load(v.size, a, v.k)
	case opNeg:
		r = p.negate(a)
	default:
		r = p.binary(v.op, a, b)
	}
	done[v] = r
	return r
}

// compute is the machine's arithmetic. It reports false for a division by zero.
func compute(op valueOp, a, b uint32) (uint32, bool) {
	switch op {
	case opAdd:
		return a + b, true
	case opSub:
		return a - b, true
	case opMul:
		return a * b, true
	case opDiv:
		if b == 0 {
			return 0, false
		}
		return a / b, true
	case opMod:
		if b == 0 {
			return 0, false
		}
		return a % b, true
	case opAnd:
		return a & b, true
	case opOr:
		return a | b, true
	case opXor:
		return a ^ b, true
	case opShl:
		return a << (b & 31), true
	case opShr:
		return a >> (b & 31), true
	}
	panic("pcap: no such operation")
}

// widest is the largest number that v can be.
func widest(v *value) uint32 {
	switch v.op {
	case opConst:
		return v.k
	case opLoad:
		return uint32(1)<<(8*v.size-1)*2 - 1
	case opHeader:
		return 60
	case opAdd:
		if a, b := widest(v.a), widest(v.b); a+b >= a {
			return a + b
		}
	case opShl:
		if a := widest(v.a); v.b.op == opConst && a<<(v.b.k&31)>>(v.b.k&31) == a {
			return a << (v.b.k & 31)
		}
	case opAnd:
		return min(widest(v.a), widest(v.b))
	case opShr:
		if v.b.op == opConst {
			return widest(v.a) >> (v.b.k & 31)
		}
	case opDiv:
		if v.b.op == opConst && v.b.k > 0 {
			return widest(v.a) / v.b.k
		}
	}
	return ^uint32(0)
}
