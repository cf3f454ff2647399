// Implements the joining of alternatives that look at the same places: host A or host B asks for the source
// address once, not twice.

package pcap

import "slices"

// or2 is or(x, y), with like put to like: "ip and (src A or dst A)" or "ip and (src B or dst B)" becomes "ip
// and (src A or src B or dst A or dst B)". Only the order of the tests changes by that.
func or2(x, y *cond) *cond {
	if c := zip(x, y); c != nil {
		return c
	}
	if x.kind == condOr {
		if c := zip(x.y, y); c != nil {
			return or(x.x, c)
		}
	}
	return or(x, y)
}

// and2 is and(x, y). Of negated conditions it makes the negation of alternatives, to join them.
func and2(x, y *cond) *cond {
	if x.kind == condNot && y.kind == condNot {
		if c := zip(x.x, y.x); c != nil {
			return not(c)
		}
	}
	if x.kind == condAnd && x.y.kind == condNot && y.kind == condNot {
		if c := zip(x.y.x, y.x); c != nil {
			return and(x.x, not(c))
		}
	}
	return and(x, y)
}

// zip returns x or y with like put to like, nil if they are not alike.
func zip(x, y *cond) *cond {
	if v := subject(x); v != nil && v == subject(y) {
		return or(x, y)
	}
	switch {
	case x.kind != y.kind:
		return nil
	case x.kind == condAnd:
		xs, ys := x.parts(), y.parts()
		n := 0
		for n < min(len(xs), len(ys)) && xs[n].equal(ys[n]) {
			n++
		}
		if n == 0 {
			return nil
		}
		if n == len(xs) || n == len(ys) { // one of them is a condition of the other
			return and(xs[:n]...)
		}
		restX, restY := and(xs[n:]...), and(ys[n:]...)
		rest := zip(restX, restY)
		if rest == nil {
			rest = or(restX, restY)
		}
		return and(append(slices.Clone(xs[:n]), rest)...)
	case x.kind == condOr:
		xs, ys := x.parts(), y.parts()
		if len(xs) != len(ys) {
			return nil
		}
		for i := range xs {
			if xs[i] = zip(xs[i], ys[i]); xs[i] == nil {
				return nil
			}
		}
		return or(xs...)
	}
	return nil
}

// subject is the one value that all tests of x compare with constants, nil if there is none.
func subject(x *cond) *value {
	switch x.kind {
	case condTest:
		if x.b.op == opConst {
			return x.a
		}
	case condNot:
		return subject(x.x)
	case condAnd, condOr:
		if v := subject(x.y); v != nil && v == subject(x.x) {
			return v
		}
	}
	return nil
}

// parts are the operands of nested ands or ors. What has a subject is not taken apart.
func (x *cond) parts() []*cond {
	var all []*cond
	c := x
	for ; c.kind == x.kind && (c == x || subject(c) == nil); c = c.x {
		if c.y.kind == x.kind && subject(c.y) == nil {
			inner := c.y.parts()
			slices.Reverse(inner)
			all = append(all, inner...)
		} else {
			all = append(all, c.y)
		}
	}
	all = append(all, c)
	slices.Reverse(all)
	return all
}

// equal reports whether two conditions make the same tests.
func (x *cond) equal(y *cond) bool {
	if x == y {
		return true
	}
	if x == nil || y == nil || x.kind != y.kind || x.tests != y.tests || x.kind == condSet {
		return false
	}
	return x.rel == y.rel && x.a == y.a && x.b == y.b && x.x.equal(y.x) && x.y.equal(y.y)
}
