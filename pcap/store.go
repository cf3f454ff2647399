// Implements what is known of a packet on a way through decision graphs: its bits, as far as tests determine
// them.

package pcap

import (
	"math/bits"
	"slices"
)

// place is where a byte that tests look at comes from.
type place struct {
	base   *value // nil for bytes at a fixed offset
	k      uint32 // the offset, from what base gives on
	opaque bool   // not a byte of the packet, but byte k of the number base, the least significant one being 0
}

// A lit is a bit: 1+8*number of its place's byte+its position there, twice, and 1 more if it is negated.
type lit uint32

const (
	litFalse lit = 0
	litTrue  lit = 1
)

// vec is a number as bits, the least significant one first.
type vec [32]lit

// claim is something that holds on a way.
type claim struct {
	kind claimKind
	rel  relation
	a, b *value
	yes  bool // the outcome of a test
}

type claimKind uint8

const (
	claimTest    claimKind = iota
	claimInside            // the load a lies in the packet
	claimOutside           // it does not
)

// store holds claims, and the bits that follow from them. What it does not notice to be contradictory may
// still be so; what it calls contradictory is.
type store struct {
	link      LinkType
	length    *value // the packet's length
	places    []place
	numbers   map[place]uint32
	known     []byte // by place, bits that are determined
	value     []byte // and what they are
	claims    []claim
	low, high uint64 // of the packet's length
	trail     []change
	age       int // of what is known
	cache     map[*value]cached
	plain     map[*value]vec // of those that are bits of the packet, whatever is known
}

type change struct {
	n            uint32
	known, value byte
}

type cached struct {
	age int
	vec vec
}

// state is to come back to.
type state struct {
	trail, claims int
	low, high     uint64
}

func newStore(p *pool, link LinkType, snapLen uint32) *store {
	return &store{link: link, length: p.length(), numbers: map[place]uint32{}, high: uint64(snapLen), cache: map[*value]cached{}, plain: map[*value]vec{}}
}

func (s *store) mark() state { return state{len(s.trail), len(s.claims), s.low, s.high} }

func (s *store) undo(to state) {
	for i := len(s.trail) - 1; i >= to.trail; i-- {
		c := s.trail[i]
		s.known[c.n], s.value[c.n] = c.known, c.value
	}
	if len(s.trail) > to.trail {
		s.age++
	}
	s.trail, s.claims, s.low, s.high = s.trail[:to.trail], s.claims[:to.claims], to.low, to.high
}

// add takes a claim on. It reports false if that is known to be a contradiction.
func (s *store) add(c claim) bool {
	before, low, high, places := len(s.trail), s.low, s.high, len(s.places)
	s.claims = append(s.claims, c)
	if !s.apply(&c) {
		return false
	}
	if len(s.trail) == before && s.low == low && s.high == high && len(s.places) == places {
		return true // nothing new: the other claims have said what they have to
	}
	return s.propagate()
}

func (s *store) bit(p place, position int) lit {
	n, ok := s.numbers[p]
	if !ok {
		n = uint32(len(s.places))
		s.numbers[p] = n
		s.places = append(s.places, p)
		s.known, s.value = append(s.known, 0), append(s.value, 0)
	}
	return lit(1+8*n+uint32(position)) << 1
}

// now is l, or what it is known to be.
func (s *store) now(l lit) lit {
	if l <= litTrue {
		return l
	}
	n, position := (l>>1-1)/8, (l>>1-1)%8
	if s.known[n]>>position&1 == 0 {
		return l
	}
	return lit(s.value[n]>>position&1) ^ l&1
}

// assign makes l true. It reports false if it is known to be false.
func (s *store) assign(l lit) bool {
	if l = s.now(l); l <= litTrue {
		return l == litTrue
	}
	n, position := (l>>1-1)/8, (l>>1-1)%8
	s.trail = append(s.trail, change{uint32(n), s.known[n], s.value[n]})
	s.known[n] |= 1 << position
	s.value[n] |= byte(^l&1) << position
	s.age++
	return true
}

// is makes l what b says.
func (s *store) is(l lit, b bool) bool {
	if b {
		return s.assign(l)
	}
	return s.assign(l ^ 1)
}

// number is v if all bits of it are known.
func (v *vec) number() (n uint32, ok bool) {
	for i, l := range v {
		if l > litTrue {
			return 0, false
		}
		n |= uint32(l) << i
	}
	return n, true
}

// bounds are the least and the greatest that v can be.
func (v *vec) bounds() (low, high uint32) {
	for i, l := range v {
		switch {
		case l == litTrue:
			low |= 1 << i
			high |= 1 << i
		case l > litTrue:
			high |= 1 << i
		}
	}
	return low, high
}

func constantVec(n uint32) (v vec) {
	for i := range v {
		v[i] = lit(n >> i & 1)
	}
	return v
}

// vec is the bits of v, those that are known as such.
func (s *store) vec(v *value) vec {
	if v.op == opConst {
		return constantVec(v.k)
	}
	if c, ok := s.cache[v]; ok && c.age == s.age {
		return c.vec
	}
	out, plain := s.plain[v]
	if !plain {
		if out = s.calculate(v); v.a == nil {
			s.plain[v] = out
		}
	}
	for i, l := range out {
		out[i] = s.now(l)
	}
	s.cache[v] = cached{s.age, out}
	return out
}

func (s *store) calculate(v *value) (out vec) {
	switch v.op {
	case opLoad:
		from := place{base: v.a, k: v.k}
		if v.a != nil {
			index := s.vec(v.a)
			if n, ok := index.number(); ok && n+v.k < 1<<31 && n+v.k >= n {
				from = place{k: n + v.k}
			}
		}
		for i := range 8 * int(v.size) {
			at := from
			at.k += uint32(int(v.size) - 1 - i/8)
			out[i] = s.bit(at, i%8)
		}
	case opHeader:
		for i := range 4 {
			out[2+i] = s.bit(place{k: v.k}, i)
		}
	case opLength, opMeta, opVar, opFail:
		return s.opaque(v, 0)
	case opNeg:
		x := s.vec(v.a)
		return s.sum(v, vec{}, negated(x), litTrue)
	default:
		return s.arithmetic(v, s.vec(v.a), s.vec(v.b))
	}
	return out
}

// opaque is v as bits of its own from one on, as far as v can have any.
func (s *store) opaque(v *value, from int) (out vec) {
	high := bits.Len32(widest(v))
	switch {
	case v.op == opMeta && v.k == metaType:
		high = 8
	case v.op == opMeta && v.k == metaVLANTag:
		high = 16
	case v.op == opMeta && v.k == metaVLANSeen:
		high = 1
	}
	for i := from; i < high; i++ {
		out[i] = s.bit(place{base: v, k: uint32(i / 8), opaque: true}, i%8)
	}
	return out
}

func negated(v vec) vec {
	for i := range v {
		v[i] ^= 1
	}
	return v
}

func (s *store) arithmetic(v *value, a, b vec) vec {
	ka, knownA := a.number()
	kb, knownB := b.number()
	if knownA && knownB {
		if n, ok := compute(v.op, ka, kb); ok {
			return constantVec(n)
		}
		return s.opaque(v, 0)
	}
	power := knownB && kb != 0 && kb&(kb-1) == 0
	shift := bits.TrailingZeros32(kb)
	switch {
	case v.op == opAnd || v.op == opOr || v.op == opXor:
		own := s.opaque(v, 0)
		for i := range own {
			if l, ok := gate(v.op, a[i], b[i]); ok {
				own[i] = l
			}
		}
		return own
	case v.op == opAdd:
		return s.sum(v, a, b, litFalse)
	case v.op == opSub:
		return s.sum(v, a, negated(b), litTrue)
	case v.op == opShl && knownB:
		return shifted(a, int(kb&31))
	case v.op == opShr && knownB:
		return shifted(a, -int(kb&31))
	case v.op == opMul && power:
		return shifted(a, shift)
	case v.op == opDiv && power:
		return shifted(a, -shift)
	case v.op == opMod && power:
		clear(a[shift:])
		return a
	}
	return s.opaque(v, 0)
}

func shifted(a vec, n int) (out vec) {
	for i := range out {
		if j := i - n; j >= 0 && j < len(a) {
			out[i] = a[j]
		}
	}
	return out
}

// gate is the bit a op b, if it is a constant or a bit that there is.
func gate(op valueOp, a, b lit) (lit, bool) {
	switch op {
	case opOr:
		l, ok := gate(opAnd, a^1, b^1)
		return l ^ 1, ok
	case opXor:
		switch {
		case a <= litTrue:
			return b ^ a, true
		case b <= litTrue:
			return a ^ b, true
		}
		return a ^ b, a^b <= litTrue
	}
	switch {
	case a == litFalse || b == litFalse || a == b^1:
		return litFalse, true
	case a == litTrue || a == b:
		return b, true
	case b == litTrue:
		return a, true
	}
	return 0, false
}

// sum is a+b+carry as far as its bits are constants or bits that there are, and bits of v's own above, up to what the
// sum can be.
func (s *store) sum(v *value, a, b vec, carry lit) (out vec) {
	_, highA := a.bounds()
	_, highB := b.bounds()
	if most := uint64(highA) + uint64(highB) + 1; most < 1<<32 {
		defer func() { clear(out[bits.Len64(most):]) }()
	}
	for i := range out {
		half, ok := gate(opXor, a[i], b[i])
		l, all := gate(opXor, half, carry)
		if !ok || !all {
			own := s.opaque(v, i)
			copy(out[i:], own[i:])
			return out
		}
		out[i] = l
		// Of three bits, the majority.
		both, ok := gate(opAnd, a[i], b[i])
		more, all := gate(opAnd, half, carry)
		next, last := gate(opOr, both, more)
		if !ok || !all || !last {
			own := s.opaque(v, i+1)
			copy(out[i+1:], own[i+1:])
			return out
		}
		carry = next
	}
	return out
}

// free are the bits of v that are not known, the most significant ones first.
func (v *vec) free() (all []lit) {
	for _, l := range slices.Backward(v[:]) {
		if l > litTrue {
			all = append(all, l)
		}
	}
	return all
}
