// Implements the layout of programs: from blocks to instructions, back to front.

package seccomp

import (
	"slices"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/isa"
)

// Opcodes of the instructions that filters are made of (linux/bpf_common.h).
const (
	opLoad   = 0x20 // ld [k]
	opAnd    = 0x54
	opGoto   = 0x05
	opEqual  = 0x15
	opAtMost = 0x35 // jge
	opSet    = 0x45
	opReturn = 0x06
)

// maxJump is how far a conditional jump reaches.
const maxJump = 255

// held is what A holds: a word and what was left of it.
type held struct {
	word int
	mask uint32
}

var nothing = held{word: -1}

// entry tells where a block begins, counted in instructions from the end of the program; 0 is nowhere.
type entry struct {
	jump int // the test itself: A is what it needs
	word int // A holds the word, the mask is still to come; only if there is one
	load int // A is to be loaded
}

// layout writes a program from its end to its start.
type layout struct {
	bigEndian bool
	reversed  []bpf.RawInstruction
	entries   map[*block]entry
	size      map[*block]int
}

// emit returns the code of a block.
func emit(b *block, bigEndian bool) []bpf.RawInstruction {
	l := &layout{bigEndian: bigEndian, entries: map[*block]entry{}, size: map[*block]int{}}
	l.place(b, nothing)
	slices.Reverse(l.reversed)
	return l.reversed
}

func (l *layout) add(in bpf.RawInstruction) int {
	l.reversed = append(l.reversed, in)
	return len(l.reversed)
}

// needs is what A must hold for a block's test.
func (b *block) needs() held { return held{b.test.word, b.test.mask} }

// place makes sure that a block is there, for code that comes with A holding h, and returns where to enter it. It
// adds nothing if the block is there already.
func (l *layout) place(b *block, h held) int {
	e := l.entries[b]
	defer func() { l.entries[b] = e }()
	if b.answer {
		if e.jump == 0 {
			e.jump = l.add(bpf.RawInstruction{Op: opReturn, K: uint32(b.action)})
		}
		return e.jump
	}
	if e.jump == 0 {
		e.jump = l.test(b)
	}
	if h == b.needs() {
		return e.jump
	}
	behind := e.jump
	if mask := b.test.mask; mask != ^uint32(0) {
		if e.word == 0 {
			l.goTo(e.jump)
			e.word = l.add(bpf.RawInstruction{Op: opAnd, K: mask})
		}
		if h == (held{b.test.word, ^uint32(0)}) {
			return e.word
		}
		behind = e.word
	}
	if e.load == 0 {
		l.goTo(behind)
		e.load = l.add(bpf.RawInstruction{Op: opLoad, K: offset(b.test.word, l.bigEndian)})
	}
	return e.load
}

// goTo adds a jump to a place unless that is next anyway.
func (l *layout) goTo(at int) {
	if at != len(l.reversed) {
		l.add(bpf.RawInstruction{Op: opGoto, K: uint32(len(l.reversed) - at)})
	}
}

// test adds a block's jump, and before that what it leads to, and returns where it is.
func (l *layout) test(b *block) int {
	h := b.needs()
	first, second := b.yes, b.no
	if l.weigh(first) < l.weigh(second) {
		first, second = second, first // the smaller one comes next, so that the other is near
	}
	l.place(first, h)
	l.place(second, h)
	yes, no := l.near(b.yes, h), l.near(b.no, h)
	at := len(l.reversed)
	op := map[isa.Fn]uint16{isa.FnEq: opEqual, isa.FnGe: opAtMost, isa.FnSet: opSet}[b.test.fn]
	return l.add(bpf.RawInstruction{Op: op, Jt: uint8(at - yes), Jf: uint8(at - no), K: b.test.k})
}

// near returns a place from which the next instruction to be added can reach a block: the block's own, or that of a
// jump or of another copy of an answer, which it adds.
func (l *layout) near(b *block, h held) int {
	at := l.place(b, h)
	if len(l.reversed)-at <= maxJump-2 { // two: what this may add for the jump's other target
		return at
	}
	if b.answer {
		l.entries[b] = entry{}
		return l.place(b, h)
	}
	return l.add(bpf.RawInstruction{Op: opGoto, K: uint32(len(l.reversed) - at)})
}

// weigh returns about how many instructions a block and all behind it take.
func (l *layout) weigh(b *block) int {
	if b.answer {
		return 1
	}
	if n, ok := l.size[b]; ok {
		return n
	}
	n := 1 + l.weigh(b.yes) + l.weigh(b.no)
	l.size[b] = n
	return n
}
