// Implements what follows from claims.

package pcap

import "slices"

// propagate determines the bits that follow from the claims one by one. It reports false if there is a
// contradiction.
func (s *store) propagate() bool {
	for {
		before, low, high := len(s.trail), s.low, s.high
		for i := range s.claims {
			if !s.apply(&s.claims[i]) {
				return false
			}
		}
		if s.low > s.high {
			return false
		}
		if _, asked := s.numbers[place{base: s.length, opaque: true}]; asked {
			v := s.vec(s.length)
			if !s.within(v, uint32(s.low), uint32(s.high)) {
				return false
			}
			v = s.vec(s.length)
			l, h := v.bounds()
			s.low, s.high = max(s.low, uint64(l)), min(s.high, uint64(h))
		}
		if len(s.trail) == before && s.low == low && s.high == high {
			return true
		}
	}
}

// apply determines what follows from a claim.
func (s *store) apply(c *claim) bool {
	switch c.kind {
	case claimInside:
		if low, _, ok := s.end(c.a); ok {
			s.low = max(s.low, low)
		}
		return s.low <= s.high && s.beside(c)
	case claimOutside:
		if _, high, ok := s.end(c.a); ok {
			s.high = min(s.high, high-1)
		}
		return s.low <= s.high && s.beside(c)
	}
	a, b, rel, yes := s.vec(c.a), s.vec(c.b), c.rel, c.yes
	k, known := b.number()
	if _, left := a.number(); left && !known { // the number to the right
		a, b = b, a
		k, known = b.number()
		switch rel {
		case relGreater:
			rel, yes = relGreaterEqual, !yes
		case relGreaterEqual:
			rel, yes = relGreater, !yes
		}
	}
	if !known {
		return s.applyBoth(a, b, rel, yes)
	}
	switch {
	case rel == relEqual && yes:
		for i, l := range a {
			if !s.is(l, k>>i&1 != 0) {
				return false
			}
		}
		return true
	case rel == relAnyBit && !yes:
		for i, l := range a {
			if k>>i&1 != 0 && !s.assign(l^1) {
				return false
			}
		}
		return true
	case rel == relEqual:
		different := a
		for i := range different {
			different[i] ^= lit(k >> i & 1)
		}
		return s.oneOf(different[:])
	case rel == relAnyBit:
		var some []lit
		for i, l := range a {
			if k>>i&1 != 0 {
				some = append(some, l)
			}
		}
		return s.oneOf(some)
	}
	low, high, ok := interval(rel, yes, k)
	return ok && s.within(a, low, high)
}

// interval is which numbers are above k, or at least k, or which are not.
func interval(rel relation, yes bool, k uint32) (low, high uint32, ok bool) {
	if rel == relGreaterEqual { // at least k is not below k
		if yes {
			return k, ^uint32(0), true
		}
		return 0, k - 1, k > 0
	}
	if yes {
		return k + 1, ^uint32(0), k != ^uint32(0)
	}
	return 0, k, true
}

// beside reports false if two loads from the same index contradict each other: the one that ends further on lies in
// the packet and the other does not.
func (s *store) beside(c *claim) bool {
	if c.a.op != opLoad || c.a.a == nil {
		return true
	}
	for i := range s.claims {
		d := &s.claims[i]
		if d.kind == claimTest || d.kind == c.kind || d.a.op != opLoad || d.a.a != c.a.a {
			continue
		}
		in, out := c.a, d.a
		if c.kind == claimOutside {
			in, out = d.a, c.a
		}
		if in == out {
			return false
		}
		if _, _, ok := s.end(in); ok && out.k+uint32(out.size) <= in.k+uint32(in.size) {
			return false
		}
	}
	return true
}

// end is where a load ends: behind how many bytes, at least and at most.
func (s *store) end(v *value) (low, high uint64, ok bool) {
	size := uint64(max(v.size, 1))
	if v.op == opHeader || v.a == nil {
		return uint64(v.k) + size, uint64(v.k) + size, true
	}
	index := s.vec(v.a)
	l, h := index.bounds()
	if uint64(h)+uint64(v.k)+size >= 1<<31 { // perhaps a negative offset, which means something else
		return 0, 0, false
	}
	return uint64(l) + uint64(v.k) + size, uint64(h) + uint64(v.k) + size, true
}

// oneOf determines a bit of which some must be true, if it is the last that can be.
func (s *store) oneOf(some []lit) bool {
	var last lit
	for _, l := range some {
		switch l = s.now(l); {
		case l == litTrue:
			return true
		case l == litFalse:
		case last != 0 && last != l:
			return true
		default:
			last = l
		}
	}
	return last != 0 && s.assign(last)
}

// within determines bits of a number between two others.
func (s *store) within(v vec, low, high uint32) bool {
	l, h := v.bounds()
	if l > high || h < low {
		return false
	}
	for i, x := range slices.Backward(v[:]) {
		if x <= litTrue {
			continue
		}
		bit := uint32(1) << i
		switch now := s.now(x); { // the same bit may have stood further up
		case now == litFalse:
			h -= bit
		case now == litTrue:
			l += bit
		case uint64(l)+uint64(bit) > uint64(high):
			if !s.assign(x ^ 1) {
				return false
			}
			h -= bit
		case h-bit < low:
			if !s.assign(x) {
				return false
			}
			l += bit
		}
	}
	return l <= high && h >= low
}

// applyBoth is apply for a test of two numbers neither of which is known.
func (s *store) applyBoth(a, b vec, rel relation, yes bool) bool {
	lowA, highA := a.bounds()
	lowB, highB := b.bounds()
	switch {
	case rel == relEqual && yes:
		for i := range a {
			x, y := s.now(a[i]), s.now(b[i])
			if y > litTrue {
				x, y = y, x
			}
			if y <= litTrue && !s.is(x, y == litTrue) {
				return false
			}
			if x == y^1 {
				return false
			}
		}
		return true
	case rel == relEqual:
		return a != b
	case rel == relAnyBit && yes:
		return highA&highB != 0
	case rel == relAnyBit:
		return lowA&lowB == 0
	case rel == relGreater && yes:
		return highA > lowB && a != b
	case rel == relGreater:
		return lowA <= highB
	case yes:
		return highA >= lowB
	}
	return lowA < highB && a != b
}

// settled reports whether a claim is true whatever bits are left.
func (s *store) settled(c *claim) bool {
	if c.kind != claimTest {
		return true // by the length, once all indices are known
	}
	a, b := s.vec(c.a), s.vec(c.b)
	lowA, highA := a.bounds()
	lowB, highB := b.bounds()
	if lowA == highA && lowB == highB {
		return c.rel.holds(lowA, lowB) == c.yes
	}
	switch c.rel {
	case relGreater:
		return c.yes && lowA > highB || !c.yes && highA <= lowB
	case relGreaterEqual:
		return c.yes && lowA >= highB || !c.yes && highA < lowB
	case relAnyBit:
		return c.yes && lowA&lowB != 0 || !c.yes && highA&highB == 0
	}
	if c.yes {
		return a == b
	}
	return lowA&^highB != 0 || lowB&^highA != 0 // a bit differs
}
