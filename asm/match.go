// Implements the matching of a statement against the spellings, and the message when none fits.

package asm

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/skepbpf/skep/isa"
)

// failure keeps how far the best attempt to match a statement came, and what it missed there.
type failure struct {
	at       int      // token
	expected []string // what could stand there
	note     string   // what is wrong with what stands there
	noteAt   int      // token that the note is about
}

// tok returns token i of the statement, or an end token.
func (p *parser) tok(i int) token {
	if i < len(p.toks) {
		return p.toks[i]
	}
	return token{col: p.stmtEnd, end: p.stmtEnd}
}

// expect records that the attempt fails at token i unless what stands there.
func (p *parser) expect(i int, what string) {
	if i > p.fail.at {
		p.fail = failure{at: i}
	}
	if i == p.fail.at && !slices.Contains(p.fail.expected, what) {
		p.fail.expected = append(p.fail.expected, what)
	}
}

// object records that token i has the right form but cannot be meant. The attempt came as far as token next.
func (p *parser) object(i, next int, note string) {
	if next > p.fail.at {
		p.fail = failure{at: next}
	}
	if next == p.fail.at && p.fail.note == "" && len(p.fail.expected) == 0 {
		p.fail.note, p.fail.noteAt = note, i
	}
}

// find returns the instruction that the whole statement spells, and keeps no record of failed attempts.
func (p *parser) find(s style) (*isa.Row, operands, bool) {
	p.fail = failure{at: math.MaxInt}
	row, o, ok := p.match(p.grammar.root[s], 0, operands{})
	p.fail = failure{}
	return row, o, ok
}

// match finds the instruction that the tokens from i on spell, below n. The operands read on the way are in o.
func (p *parser) match(n *node, i int, o operands) (*isa.Row, operands, bool) {
	t := p.tok(i)
	if t.kind == tokEnd || t.is("<") {
		if row := p.accept(n, i); row != nil {
			return row, o, true
		}
		if ll := n.words["ll"]; ll != nil && p.head.code >= 0 && t.kind == tokEnd {
			// The kernel's printer leaves "ll" out, but the opcode in front tells the wide load apart.
			if row := p.accept(ll, i); row != nil {
				return row, o, true
			}
		}
	}
	if t.kind != tokString {
		if to := n.words[t.text]; to != nil && t.kind != tokEnd {
			if row, o, ok := p.match(to, i+1, o); ok {
				return row, o, true
			}
		}
	}
	for _, e := range n.operands {
		o := o
		next, ok := p.operand(e, i, &o)
		if ok {
			if row, o, ok := p.match(e.to, next, o); ok {
				return row, o, true
			}
			continue
		}
		if what := e.place.describe(p.style); what != "" {
			p.expect(i, what)
		}
	}
	if i > 0 && i >= p.fail.at {
		for word := range n.words {
			p.expect(i, strconv.Quote(word))
		}
		if len(n.rows) > 0 {
			p.expect(i, endOfLine)
		}
	}
	return nil, o, false
}

const endOfLine = "the end of the line"

// accept returns the instruction whose spelling ends at n, if the statement ends at token i. Printers add
// the name of a jump's target there, as <LBB0_1>.
func (p *parser) accept(n *node, i int) *isa.Row {
	if p.tok(i).is("<") {
		last := p.tok(len(p.toks) - 1)
		if len(p.toks) < i+3 || !last.is(">") || !p.tok(i+1).name() {
			return nil
		}
	}
	for _, row := range n.rows {
		if p.head.row == row || p.head.row == nil && (p.head.code < 0 || p.head.code == int(row.Code)) {
			return row
		}
	}
	return nil
}

// describe says what an operand is, for messages. Operands that describe themselves return "".
func (pl place) describe(s style) string {
	reg := "a register"
	switch pl {
	case placeDst, placeSrc, placeXDst, placeXSrc:
		if s == styleText {
			reg = "a register r0 to r10"
		}
		return reg
	case placeWDst, placeWSrc:
		return "a register w0 to w10"
	case placeR0:
		return "r0"
	case placeW0:
		return "w0"
	case placeImm, placeImm64, placeValOff, placeOff16, placeSpaces:
		return "a number"
	case placeJump, placeLongJump, placeFunc:
		return "a label or a distance such as +5"
	case placeHelper:
		return "the name or number of a helper"
	case placeKfunc:
		return "the name or BTF id of a kernel function"
	case placeMap:
		return "the name of a map or its descriptor as fd:5"
	}
	return ""
}

// explain turns the failure into a message and the byte column in the line that it is about.
func (p *parser) explain() (col int, msg string) {
	f := &p.fail
	if f.at == 0 {
		return p.tok(0).col, p.unknown()
	}
	want := f.want()
	if f.note != "" {
		if want != "" {
			f.note += "; or " + want + " is missing after it"
		}
		return p.tok(f.noteAt).col, f.note
	}
	t := p.tok(f.at)
	if want == "" {
		want = endOfLine
	}
	msg = "expected " + want + " after " + p.tok(f.at-1).show()
	if t.kind != tokEnd {
		msg += ", found " + t.show()
	}
	return t.col, msg
}

// want lists what was expected: operands before fixed text, and not too many.
func (f *failure) want() string {
	slices.SortFunc(f.expected, func(a, b string) int {
		if qa, qb := rank(a), rank(b); qa != qb {
			return qa - qb
		}
		return strings.Compare(a, b)
	})
	const most = 6
	e := f.expected
	if len(e) > most {
		e = append(slices.Clone(e[:most-1]), fmt.Sprintf("one of %d others", len(e)-most+1))
	}
	switch len(e) {
	case 0:
		return ""
	case 1:
		return e[0]
	}
	return strings.Join(e[:len(e)-1], ", ") + " or " + e[len(e)-1]
}

// rank orders expectations: registers, other operands, operators, words, the end of the line.
func rank(s string) int {
	switch {
	case s == endOfLine:
		return 4
	case strings.HasPrefix(s, "a register"):
		return 0
	case s[0] != '"':
		return 1
	case !isLetter(s[1]):
		return 2
	}
	return 3
}

// unknown is the message for a statement whose first token starts no instruction.
func (p *parser) unknown() string {
	t := p.tok(0)
	other, word := UBPF, t.text
	foreign := false
	if p.style == styleMnemonic {
		other = Assign
		_, foreign = registerNumber(word)
	} else if strings.HasPrefix(word, docPrefix) {
		other, word = Doc, word[len(docPrefix):]
	}
	if foreign || p.grammar.root[1-p.style].words[word] != nil {
		return fmt.Sprintf("%s starts no instruction in %s; it does in %s, but a file has one dialect", t.show(), p.dialect.describe(), other.describe())
	}
	if t.kind == tokWord {
		return fmt.Sprintf("unknown instruction %s in %s", t.show(), p.dialect.describe())
	}
	return fmt.Sprintf("expected an instruction in %s, found %s", p.dialect.describe(), t.show())
}
