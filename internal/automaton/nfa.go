// Implements the automata that patterns are written as first: states with ranges of bytes, alternatives and assertions.

package automaton

import (
	"errors"
	"unicode/utf8"
)

type kind uint8

const (
	kindBytes kind = iota // a byte from lo to hi, then out
	kindSplit             // out or alt
	kindMatch
	kindBegin // at the start of the text, out
	kindEnd   // at its end, out
)

type state struct {
	kind     kind
	lo, hi   byte
	out, alt int
}

// nfa is written from its end: each method returns the state that stands for something ahead of next.
type nfa struct {
	states []state
	strict bool // it says something about what is no UTF-8
}

// maxStates bounds the size of a pattern.
const maxStates = 20000

// errLarge is the error of patterns that are too large.
var errLarge = errors.New("the pattern is too large")

func (n *nfa) add(s state) int {
	n.states = append(n.states, s)
	return len(n.states) - 1
}

func (n *nfa) full() bool { return len(n.states) > maxStates }

func (n *nfa) bytes(lo, hi byte, next int) int {
	return n.add(state{kind: kindBytes, lo: lo, hi: hi, out: next})
}
func (n *nfa) split(a, b int) int { return n.add(state{kind: kindSplit, out: a, alt: b}) }

// loop returns a state that goes through body any number of times, and then to next. body gets the loop's own state.
func (n *nfa) loop(body func(next int) int, next int) int {
	s := n.add(state{kind: kindSplit, alt: next})
	out := body(s)
	n.states[s].out = out
	return s
}

// runes matches a character of ranges, in pairs of bounds, in UTF-8.
func (n *nfa) runes(ranges []rune, next int) int {
	out := -1
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if lo <= utf8.RuneError && utf8.RuneError <= hi {
			n.strict = true
		}
		// Surrogates have no encoding.
		if lo < 0xd800 && hi > 0xdfff {
			out = n.join(n.span(lo, 0xd7ff, next), out)
			lo = 0xe000
		}
		if lo >= 0xd800 && lo <= 0xdfff {
			lo = 0xe000
		}
		if hi >= 0xd800 && hi <= 0xdfff {
			hi = 0xd7ff
		}
		if lo <= hi {
			out = n.join(n.span(lo, hi, next), out)
		}
	}
	if out < 0 { // no character at all
		return n.add(state{kind: kindBytes, lo: 1, hi: 0, out: next})
	}
	return out
}

// join is the alternative of two, of which the second may be none.
func (n *nfa) join(a, b int) int {
	if b < 0 {
		return a
	}
	return n.split(a, b)
}

// lengths are the greatest characters of each length in UTF-8.
var lengths = [...]rune{0x7f, 0x7ff, 0xffff, 0x10ffff}

// span matches a character from lo to hi.
func (n *nfa) span(lo, hi rune, next int) int {
	out := -1
	for _, top := range lengths {
		if lo > top {
			continue
		}
		end := min(hi, top)
		var a, b [utf8.UTFMax]byte
		size := utf8.EncodeRune(a[:], lo)
		utf8.EncodeRune(b[:], end)
		out = n.join(n.sequence(a[:size], b[:size], next), out)
		if lo = end + 1; lo > hi {
			break
		}
	}
	return out
}

// sequence matches the sequences of bytes between two of the same length whose bytes but the first go from 0x80 to
// 0xbf.
func (n *nfa) sequence(a, b []byte, next int) int {
	if len(a) == 1 {
		return n.bytes(a[0], b[0], next)
	}
	if a[0] == b[0] {
		return n.bytes(a[0], a[0], n.sequence(a[1:], b[1:], next))
	}
	low, high := fill(len(a)-1, 0x80), fill(len(a)-1, 0xbf)
	out := n.bytes(a[0], a[0], n.sequence(a[1:], high, next))
	out = n.split(out, n.bytes(b[0], b[0], n.sequence(low, b[1:], next)))
	if a[0]+1 < b[0] {
		out = n.split(out, n.bytes(a[0]+1, b[0]-1, n.sequence(low, high, next)))
	}
	return out
}

func fill(n int, b byte) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = b
	}
	return out
}
