// Implements the search for a packet of which given claims are true.

package pcap

import "github.com/skepbpf/skep/spec"

type answer uint8

const (
	none    answer = iota // there is no such packet
	found                 // there is, and it was accepted
	unknown               // too much work, or what was found was not accepted
)

// search looks for bits with which all claims are true, and calls try with each such choice until it accepts
// one. What it may decide is counted down in left.
func (s *store) search(try func() bool, left *int) answer {
	if *left <= 0 {
		return unknown
	}
	*left--
	l, first, ok := s.pick()
	if !ok {
		if try() {
			return found
		}
		return unknown
	}
	result := none
	for _, b := range []bool{first, !first} {
		here := s.mark()
		r := none
		if s.is(l, b) && s.propagate() {
			r = s.search(try, left)
		}
		s.undo(here)
		if r == found {
			return found
		}
		if r == unknown {
			result = unknown
		}
	}
	return result
}

// refute reports whether the claims contradict each other, as far as that shows by deciding those bits first that
// are the last ones of a claim: where in the packet they stand may be left open. What it may decide is
// counted down in left.
func (s *store) refute(left *int) bool {
	if *left <= 0 {
		return false
	}
	*left--
	l, ok := s.tightest()
	if !ok {
		return false
	}
	for _, b := range []bool{false, true} {
		here := s.mark()
		refuted := !s.is(l, b) || !s.propagate() || s.refute(left)
		s.undo(here)
		if !refuted {
			return false
		}
	}
	return true
}

// tightest is a bit of the claim that has the fewest left to decide.
func (s *store) tightest() (bit lit, ok bool) {
	fewest := 0
	for i := range s.claims {
		c := &s.claims[i]
		if s.settled(c) {
			continue
		}
		a, b := s.vec(c.a), s.vec(c.b)
		free := append(a.free(), b.free()...)
		if n := len(free); n > 0 && (!ok || n < fewest) {
			bit, fewest, ok = free[0]&^1, n, true
		}
	}
	return bit, ok
}

// pick chooses a bit to decide next, and what to try first: those first that say what others mean, such as the
// length of a header. It reports false if all claims are true whatever bits are left.
func (s *store) pick() (l lit, first, ok bool) {
	seen := map[*value]bool{}
	for i := range s.claims {
		c := &s.claims[i]
		for _, v := range []*value{c.a, c.b} {
			if l, ok := s.input(v, seen); ok {
				return l &^ 1, s.usual(l), true
			}
		}
	}
	for i := range s.claims {
		c := &s.claims[i]
		if s.settled(c) {
			continue
		}
		a, b := s.vec(c.a), s.vec(c.b)
		if free := append(a.free(), b.free()...); len(free) > 0 {
			return free[0] &^ 1, false, true
		}
	}
	if _, asked := s.numbers[place{base: s.length, opaque: true}]; asked {
		v := s.vec(s.length)
		if free := v.free(); len(free) > 0 {
			return free[0] &^ 1, false, true
		}
	}
	return 0, false, false
}

// usual is what a bit of an index is in ordinary packets.
func (s *store) usual(l lit) bool {
	n, position := (l>>1-1)/8, (l>>1-1)%8
	at := s.places[n]
	if at.opaque {
		return false
	}
	usual := byte(0x45) // an IPv4 header without options
	if b, ok := usualLengths[s.link][at.k]; ok && at.base == nil {
		usual = b
	}
	return usual>>position&1 != 0
}

// usualLengths are the lengths that headers before a packet give of themselves, short ones: bytes by their offset.
var usualLengths = map[LinkType]map[uint32]byte{
	LinkTypeRadiotap: {2: 8, 3: 0},
	LinkTypePPI:      {2: 8, 3: 0},
	LinkTypePrism:    {4: 0, 5: 0, 6: 0, 7: 64}, // AVS in place of it
	LinkTypeAVS:      {4: 0, 5: 0, 6: 0, 7: 64},
	LinkTypePFLog:    {0: 64},
}

// input is a bit that is not known of an index in v, or of a number that v calculates with in a way that does
// not just move bits.
func (s *store) input(v *value, seen map[*value]bool) (lit, bool) {
	if v == nil || v.a == nil || seen[v] {
		return 0, false
	}
	seen[v] = true
	for _, x := range []*value{v.a, v.b} {
		if l, ok := s.input(x, seen); ok {
			return l, true
		}
	}
	if v.op == opLoad {
		index := s.vec(v.a)
		free := index.free()
		if len(free) == 0 {
			return 0, false
		}
		return free[0], true
	}
	out := s.calculate(v) // with bits of its own even where claims tell what they are
	for _, l := range out.free() {
		if p := s.places[(l>>1-1)/8]; !p.opaque || p.base != v {
			continue
		}
		for _, x := range []*value{v.a, v.b} {
			if x == nil {
				continue
			}
			operand := s.vec(x)
			if free := operand.free(); len(free) > 0 {
				return free[0], true
			}
		}
	}
	return 0, false
}

// packet is the shortest packet with the bits that are known, all others 0.
func (s *store) packet() *spec.Packet {
	length := s.low
	p := &spec.Packet{Data: make([]byte, length)}
	var tag, index uint32
	for n, at := range s.places {
		b := s.value[n] & s.known[n]
		switch {
		case at.base == nil:
			if uint64(at.k) < length {
				p.Data[at.k] = b
			}
		case !at.opaque || at.base.op != opMeta:
		case at.base.k == metaType && at.k == 0:
			p.PktType = b
		case at.base.k == metaIfIndex:
			index |= uint32(b) << (8 * at.k)
		case at.base.k == metaVLANTag:
			tag |= uint32(b) << (8 * at.k)
		case at.base.k == metaVLANSeen && at.k == 0:
			p.VLANPresent = b != 0
		}
	}
	p.IfIndex, p.VLANTCI = index, uint16(tag)
	return p
}
