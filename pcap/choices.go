// Implements what is known of values where ways meet: the few numbers that a value can be.

package pcap

import "slices"

// choice is a value and the numbers that it can be.
type choice struct {
	v       *value
	numbers []uint32
}

// choices are the values of which it is known that they are one of a few numbers, at some place.
type choices []choice

const (
	maxChoices = 16 // values to keep track of at a place
	maxNumbers = 8  // numbers of each
)

func (c choices) of(v *value) []uint32 {
	for i := range c {
		if c[i].v == v {
			return c[i].numbers
		}
	}
	return nil
}

// after is what is known behind a test with the given result.
func (c choices) after(n *node, result bool) choices {
	if n.kind != nodeTest || n.b.op != opConst || n.t == n.f {
		return c
	}
	numbers := c.of(n.a)
	switch {
	case numbers != nil:
		numbers = slices.DeleteFunc(slices.Clone(numbers), func(k uint32) bool { return n.rel.holds(k, n.b.k) != result })
	case n.rel == relEqual && result:
		numbers = []uint32{n.b.k}
	}
	if len(numbers) == 0 { // nothing is known, or no packet comes here
		return c
	}
	out := choices{{n.a, numbers}}
	for _, other := range c {
		if other.v != n.a && len(out) < maxChoices {
			out = append(out, other)
		}
	}
	return out
}

// meet is what is known where a way with c and one with d meet.
func (c choices) meet(d choices) choices {
	var out choices
	for _, x := range c {
		other := d.of(x.v)
		if other == nil {
			continue
		}
		all := slices.Clone(x.numbers)
		for _, k := range other {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
		if len(all) <= maxNumbers {
			out = append(out, choice{x.v, all})
		}
	}
	return out
}

// choicesOf finds out what is known on the ways out of each node: behind node i, 2i for t and 2i+1 for f.
func choicesOf(nodes []*node) []choices {
	in := make([]choices, len(nodes))
	entered := make([]bool, len(nodes))
	out := make([]choices, 2*len(nodes))
	for i, n := range nodes {
		if !n.inner() {
			continue
		}
		for side, next := range []*node{n.t, n.f} {
			c := in[i].after(n, side == 0)
			out[2*i+side] = c
			if entered[next.at] {
				c = in[next.at].meet(c)
			}
			in[next.at], entered[next.at] = c, true
		}
	}
	return out
}
