// Implements deterministic automata: what patterns become, and running them.

package automaton

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// The first three states.
const (
	Dead   = 0 // the text does not match, whatever follows
	Match  = 1 // it matches, whatever follows
	Unsure = 2 // it is no UTF-8, which the automaton does not know about
)

// Automaton is a deterministic automaton. States from Accept on accept a text that ends there; those from Doubt on
// do not know.
type Automaton struct {
	Start         int
	Accept, Doubt int
	Next          [][256]uint16
}

// maxDFA bounds the states of an automaton: each takes 512 bytes of a table.
const maxDFA = 1000

// Run returns whether the automaton accepts a text; sure is false if it does not know.
func (a *Automaton) Run(text []byte) (match, sure bool) {
	s := a.Start
	for _, b := range text {
		if s <= Unsure {
			break
		}
		s = int(a.Next[s][b])
	}
	switch {
	case s <= Unsure:
		return s == Match, s != Unsure
	case s >= a.Doubt:
		return false, false
	}
	return s >= a.Accept, true
}

// builder makes an automaton.
type builder struct {
	n      *nfa
	number map[string]int
	sets   []set
	next   [][256]uint16
}

// set is a state: the states of the first automaton that it stands for, none of which is an alternative, and where in
// an encoding of UTF-8 it is.
type set struct {
	states []int
	utf8   uint8
}

// determine makes n, from start on, deterministic.
func (n *nfa) determine(start int) (*Automaton, error) {
	if n.full() {
		return nil, errLarge
	}
	b := &builder{n: n, number: map[string]int{}, sets: make([]set, 3), next: make([][256]uint16, 3)}
	first, err := b.state(b.closure([]int{start}, true), 0)
	if err != nil {
		return nil, err
	}
	for i := 3; i < len(b.sets); i++ {
		if err := b.row(i); err != nil {
			return nil, err
		}
	}
	return b.order(first), nil
}

// closure returns the states that are reached from some without reading anything: those that read, match, or look for
// the end.
func (b *builder) closure(from []int, begin bool) []int {
	var out []int
	seen := map[int]bool{}
	todo := slices.Clone(from)
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		switch s := &b.n.states[i]; s.kind {
		case kindSplit:
			todo = append(todo, s.out, s.alt)
		case kindBegin:
			if begin {
				todo = append(todo, s.out)
			}
		default:
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// state returns the number of a set, which is given one if it is new.
func (b *builder) state(states []int, utf8 uint8) (int, error) {
	if utf8 == invalid {
		return Unsure, nil
	}
	if len(states) == 0 && utf8 == 0 {
		return Dead, nil
	}
	for _, s := range states {
		if b.n.states[s].kind == kindMatch {
			return Match, nil
		}
	}
	if len(states) == 0 {
		return Dead, nil
	}
	key := []byte{utf8}
	for _, s := range states {
		key = binary.LittleEndian.AppendUint32(key, uint32(s))
	}
	if i, ok := b.number[string(key)]; ok {
		return i, nil
	}
	if len(b.sets) == maxDFA {
		return 0, fmt.Errorf("the pattern needs more than %d states", maxDFA)
	}
	b.number[string(key)] = len(b.sets)
	b.sets = append(b.sets, set{states, utf8})
	b.next = append(b.next, [256]uint16{})
	return len(b.sets) - 1, nil
}

// row fills in where a state goes.
func (b *builder) row(i int) error {
	from := b.sets[i]
	// Bytes that the same ranges have go the same way.
	var bounds [257]bool
	for _, s := range from.states {
		if st := &b.n.states[s]; st.kind == kindBytes && st.lo <= st.hi {
			bounds[st.lo], bounds[int(st.hi)+1] = true, true
		}
	}
	last, lastUTF8 := -1, uint8(0)
	for c := range 256 {
		utf8 := uint8(0)
		if b.n.strict {
			utf8 = follow(from.utf8, byte(c))
		}
		if last >= 0 && !bounds[c] && utf8 == lastUTF8 {
			b.next[i][c] = uint16(last)
			continue
		}
		var to []int
		for _, s := range from.states {
			if st := &b.n.states[s]; st.kind == kindBytes && st.lo <= byte(c) && byte(c) <= st.hi {
				to = append(to, st.out)
			}
		}
		n, err := b.state(b.closure(to, false), utf8)
		if err != nil {
			return err
		}
		b.next[i][c] = uint16(n)
		last, lastUTF8 = n, utf8
	}
	return nil
}

// accepts reports whether a text may end in a set.
func (b *builder) accepts(s set) bool {
	todo, seen := slices.Clone(s.states), map[int]bool{}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[i] {
			continue
		}
		seen[i] = true
		switch st := &b.n.states[i]; st.kind {
		case kindMatch:
			return true
		case kindEnd:
			todo = append(todo, st.out)
		case kindSplit:
			todo = append(todo, st.out, st.alt)
		}
	}
	return false
}

// order numbers the states so that those that accept come last, and those that do not know behind them.
func (b *builder) order(start int) *Automaton {
	class := make([]int, len(b.sets))
	for i := 3; i < len(b.sets); i++ {
		switch {
		case b.sets[i].utf8 != 0:
			class[i] = 2
		case b.accepts(b.sets[i]):
			class[i] = 1
		}
	}
	number := []int{Dead: Dead, Match: Match, Unsure: Unsure}
	number = append(number, make([]int, len(b.sets)-3)...)
	a := &Automaton{}
	n := 3
	for c := range 3 {
		switch c {
		case 1:
			a.Accept = n
		case 2:
			a.Doubt = n
		}
		for i := 3; i < len(b.sets); i++ {
			if class[i] == c {
				number[i] = n
				n++
			}
		}
	}
	a.Start = number[start]
	a.Next = make([][256]uint16, len(b.sets))
	for s := range uint16(3) {
		for c := range 256 {
			a.Next[s][c] = s
		}
	}
	for i := 3; i < len(b.sets); i++ {
		for c, to := range b.next[i] {
			a.Next[number[i]][c] = uint16(number[to])
		}
	}
	a.prune()
	return a
}

// Where in an encoding of UTF-8 a text is: between two characters, or with so many bytes to come, of which the next
// may be limited.
const (
	more1   = iota + 1 // one more byte
	more2              // two more
	more3              // three more
	moreE0             // two, the next from 0xa0
	moreED             // two, the next up to 0x9f
	moreF0             // three, the next from 0x90
	moreF4             // three, the next up to 0x8f
	invalid            // it is no UTF-8
)

// follow returns where a text is after a byte.
func follow(at uint8, c byte) uint8 {
	between := func(lo, hi byte, then uint8) uint8 {
		if c < lo || c > hi {
			return invalid
		}
		return then
	}
	switch at {
	case more1:
		return between(0x80, 0xbf, 0)
	case more2:
		return between(0x80, 0xbf, more1)
	case more3:
		return between(0x80, 0xbf, more2)
	case moreE0:
		return between(0xa0, 0xbf, more1)
	case moreED:
		return between(0x80, 0x9f, more1)
	case moreF0:
		return between(0x90, 0xbf, more2)
	case moreF4:
		return between(0x80, 0x8f, more2)
	}
	switch {
	case c < 0x80:
		return 0
	case c >= 0xc2 && c <= 0xdf:
		return more1
	case c == 0xe0:
		return moreE0
	case c == 0xed:
		return moreED
	case c >= 0xe1 && c <= 0xef:
		return more2
	case c == 0xf0:
		return moreF0
	case c == 0xf4:
		return moreF4
	case c >= 0xf1 && c <= 0xf3:
		return more3
	}
	return invalid
}
