// Implements decision diagrams: functions of many bits in canonical form.

// Package diagram holds functions from bits to numbers as shared, ordered, reduced decision diagrams: two functions
// are equal exactly if they are the same Node. Bits come in words of 32, most significant first; a Word is 32
// functions with the values 0 and 1, on which it can calculate as a processor does. Nothing here knows BPF.
package diagram

import "errors"

// Node is a function of the bits of a Space. A Node belongs to the Space that made it.
type Node uint32

// The functions that are always 0 and always 1.
const (
	False Node = iota
	True
)

// ErrTooLarge says that a function would need more nodes than its Space allows.
var ErrTooLarge = errors.New("the decision diagram grows too large")

// WordBits is the number of bits of a word.
const WordBits = 32

// node is a decision on a bit, or a constant.
type node struct {
	level    uint16 // which bit: 32 times the word, and the place in it from the most significant bit; constant if none
	off, on  Node   // the function for either value of the bit
	constant uint64
}

const noLevel = 1<<16 - 1

type triple [3]Node

// Space holds nodes. It is not safe for concurrent use.
type Space struct {
	nodes     []node
	constants map[uint64]Node
	unique    map[triple]Node // level, off, on
	chosen    map[triple]Node // results of Choose
	limit     int
	steps     int
}

// maxCached is how many results of Choose are kept.
const maxCached = 1 << 20

// New returns a Space of at most limit nodes; 0 means a million. What would need more, or about twenty steps a node,
// panics with ErrTooLarge: Guard turns that into an error.
func New(limit int) *Space {
	if limit == 0 {
		limit = 1 << 20
	}
	s := &Space{constants: map[uint64]Node{}, unique: map[triple]Node{}, chosen: map[triple]Node{}, limit: limit}
	s.Constant(0)
	s.Constant(1)
	return s
}

// Guard calls f and returns ErrTooLarge if that is how it ended.
func Guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r == ErrTooLarge {
			err = ErrTooLarge
		} else if r != nil {
			panic(r)
		}
	}()
	return f()
}

func (s *Space) add(n node) Node {
	if len(s.nodes) >= s.limit {
		panic(ErrTooLarge)
	}
	s.nodes = append(s.nodes, n)
	return Node(len(s.nodes) - 1)
}

// Constant returns the function that is always v.
func (s *Space) Constant(v uint64) Node {
	n, ok := s.constants[v]
	if !ok {
		n = s.add(node{level: noLevel, constant: v})
		s.constants[v] = n
	}
	return n
}

// Value returns the value of a function that is constant.
func (s *Space) Value(f Node) (uint64, bool) {
	n := &s.nodes[f]
	return n.constant, n.level == noLevel
}

// Word returns the word that f looks at first, or -1 if f is constant.
func (s *Space) Word(f Node) int {
	if l := s.nodes[f].level; l != noLevel {
		return int(l) / WordBits
	}
	return -1
}

func (s *Space) decide(level uint16, off, on Node) Node {
	if off == on {
		return off
	}
	key := triple{Node(level), off, on}
	n, ok := s.unique[key]
	if !ok {
		n = s.add(node{level: level, off: off, on: on})
		s.unique[key] = n
	}
	return n
}

// split returns f for both values of the bit at a level that is not below f's own.
func (s *Space) split(f Node, level uint16) (off, on Node) {
	if n := &s.nodes[f]; n.level == level {
		return n.off, n.on
	}
	return f, f
}

// Choose returns the function that is f where c is 1 and g where c is 0. c must have no other values.
func (s *Space) Choose(c, f, g Node) Node {
	switch {
	case c == True || f == g:
		return f
	case c == False:
		return g
	case f == True && g == False:
		return c
	}
	key := triple{c, f, g}
	if n, ok := s.chosen[key]; ok {
		return n
	}
	level := min(s.nodes[c].level, s.nodes[f].level, s.nodes[g].level)
	c0, c1 := s.split(c, level)
	f0, f1 := s.split(f, level)
	g0, g1 := s.split(g, level)
	n := s.decide(level, s.Choose(c0, f0, g0), s.Choose(c1, f1, g1))
	if s.steps++; s.steps > 20*s.limit {
		panic(ErrTooLarge)
	}
	if len(s.chosen) >= maxCached {
		clear(s.chosen)
	}
	s.chosen[key] = n
	return n
}

// And, Or, Xor and Not calculate with functions whose values are 0 and 1.
func (s *Space) And(a, b Node) Node { return s.Choose(a, b, False) }

// Or is the function that is 1 where a or b is.
func (s *Space) Or(a, b Node) Node { return s.Choose(a, True, b) }

// Xor is the function that is 1 where a and b differ.
func (s *Space) Xor(a, b Node) Node { return s.Choose(a, s.Not(b), b) }

// Not is the function that is 1 where a is 0.
func (s *Space) Not(a Node) Node { return s.Choose(a, False, True) }

// Combine returns the function whose values are op's of those of f and g.
func (s *Space) Combine(f, g Node, op func(a, b uint64) uint64) Node {
	done := map[[2]Node]Node{}
	var walk func(f, g Node) Node
	walk = func(f, g Node) Node {
		key := [2]Node{f, g}
		if n, ok := done[key]; ok {
			return n
		}
		level := min(s.nodes[f].level, s.nodes[g].level)
		var n Node
		if level == noLevel {
			n = s.Constant(op(s.nodes[f].constant, s.nodes[g].constant))
		} else {
			f0, f1 := s.split(f, level)
			g0, g1 := s.split(g, level)
			n = s.decide(level, walk(f0, g0), walk(f1, g1))
		}
		done[key] = n
		return n
	}
	return walk(f, g)
}

// Restrict returns a function, often a smaller one, that is f wherever care is 1. If f is constant there, so is the
// result.
func (s *Space) Restrict(f, care Node) Node {
	done := map[[2]Node]Node{}
	var walk func(f, c Node) Node
	walk = func(f, c Node) Node {
		nf, nc := s.nodes[f], s.nodes[c]
		if c == True || nf.level == noLevel {
			return f
		}
		key := [2]Node{f, c}
		if n, ok := done[key]; ok {
			return n
		}
		var n Node
		if nc.level < nf.level {
			n = walk(f, s.Or(nc.off, nc.on))
		} else {
			c0, c1 := s.split(c, nf.level)
			switch {
			case c0 == False:
				n = walk(nf.on, c1)
			case c1 == False:
				n = walk(nf.off, c0)
			default:
				n = s.decide(nf.level, walk(nf.off, c0), walk(nf.on, c1))
			}
		}
		done[key] = n
		return n
	}
	if care == False {
		return f
	}
	return walk(f, care)
}

// Size returns how many nodes f consists of, its constants included.
func (s *Space) Size(f Node) int {
	n := 0
	s.visit(f, func(Node) { n++ })
	return n
}

// Values returns the values that f has, in no particular order.
func (s *Space) Values(f Node) []uint64 {
	var all []uint64
	s.visit(f, func(n Node) {
		if v, ok := s.Value(n); ok {
			all = append(all, v)
		}
	})
	return all
}

func (s *Space) visit(f Node, do func(Node)) {
	seen := map[Node]bool{}
	var walk func(Node)
	walk = func(f Node) {
		if seen[f] {
			return
		}
		seen[f] = true
		do(f)
		if n := s.nodes[f]; n.level != noLevel {
			walk(n.off)
			walk(n.on)
		}
	}
	walk(f)
}

// Find returns values of the first n words for which f has the value v, the least such from the first word on.
func (s *Space) Find(f Node, v uint64, n int) ([]uint32, bool) {
	dead := map[Node]bool{}
	words := make([]uint32, n)
	var walk func(Node) bool
	walk = func(f Node) bool {
		d := s.nodes[f]
		if d.level == noLevel {
			return d.constant == v
		}
		if dead[f] {
			return false
		}
		w, bit := d.level/WordBits, uint32(1)<<(WordBits-1-d.level%WordBits)
		if walk(d.off) {
			return true
		}
		words[w] |= bit
		if walk(d.on) {
			return true
		}
		words[w] &^= bit
		dead[f] = true
		return false
	}
	return words, walk(f)
}

// At returns the value of f for given words.
func (s *Space) At(f Node, words []uint32) uint64 {
	for {
		n := &s.nodes[f]
		switch {
		case n.level == noLevel:
			return n.constant
		case words[n.level/WordBits]>>(WordBits-1-n.level%WordBits)&1 != 0:
			f = n.on
		default:
			f = n.off
		}
	}
}
