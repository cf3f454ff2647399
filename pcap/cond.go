// Implements conditions: what a packet must satisfy, as a tree of tests in the order they are made.

package pcap

// relation is how a test compares; both sides are unsigned.
type relation uint8

const (
	relEqual relation = iota
	relGreater
	relGreaterEqual
	relAnyBit // some bit is set in both
)

func (r relation) holds(a, b uint32) bool {
	switch r {
	case relEqual:
		return a == b
	case relGreater:
		return a > b
	case relGreaterEqual:
		return a >= b
	}
	return a&b != 0
}

type condKind uint8

const (
	condTest condKind = iota
	condAnd
	condOr
	condNot
	condTrue
	condFalse
	condSet  // sets a variable, and is true
	condTerm // x, which a term of the expression stands for; never in what is compiled
)

// cond is a condition. Its tests are made from left to right, and no more of them than are needed. A test whose
// load lies outside the packet rejects the packet at once, whatever stands around it.
type cond struct {
	kind  condKind
	rel   relation
	a, b  *value // of a test
	n     int    // number of the variable to set, to a
	x, y  *cond
	tests int // in it
	term  *source
}

var (
	always = &cond{kind: condTrue}
	never  = &cond{kind: condFalse}
)

func test(a *value, rel relation, b *value) *cond {
	return &cond{kind: condTest, rel: rel, a: a, b: b, tests: 1}
}

func set(n int, v *value) *cond { return &cond{kind: condSet, n: n, a: v, tests: 1} }

func not(x *cond) *cond {
	switch x.kind {
	case condNot:
		return x.x
	case condTrue:
		return never
	case condFalse:
		return always
	}
	return &cond{kind: condNot, x: x, tests: x.tests}
}

// and is the conjunction of conditions in their order; nil ones do not count.
func and(all ...*cond) *cond { return join(condAnd, always, all) }

// or is the disjunction of conditions in their order; nil ones do not count.
func or(all ...*cond) *cond { return join(condOr, never, all) }

func join(kind condKind, empty *cond, all []*cond) *cond {
	var c *cond
	for _, x := range all {
		switch {
		case x == nil:
		case c == nil:
			c = x
		default:
			c = &cond{kind: kind, x: c, y: x, tests: c.tests + x.tests}
		}
	}
	if c == nil {
		return empty
	}
	return c
}

// when does the sets of y if x holds, and is true in either case.
func when(x, y *cond) *cond { return or(and(x, y, never), always) }
