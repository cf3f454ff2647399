// Implements what the readers of all forms of classic text share: errors, the token window, numbers.

package classic

import (
	"fmt"
	"math"

	"golang.org/x/net/bpf"
)

// SyntaxError says what is wrong with a text and where.
type SyntaxError struct {
	Name   string // name of the text, usually of its file
	Line   int    // from 1
	Column int    // in bytes, from 1
	Text   string // what is wrong and what was expected
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.Name, e.Line, e.Column, e.Text)
}

// Parse reads a program in any of the forms that Append writes; Detect tells which one it is, and text that
// Detect does not know is read as assembler. name stands for the text in errors, which are *SyntaxError.
// Parse does not judge the program: see Check.
func Parse(name, text string) ([]bpf.RawInstruction, error) {
	p := newParser(name, text)
	switch Detect(text) {
	case FormD:
		p.listing()
	case FormDD:
		p.initializers()
	case FormDDD:
		p.decimals()
	default:
		p.assembly()
	}
	return p.result()
}

// Assemble reads a program in the language of the kernel's bpf_asm (Documentation/networking/filter.rst). name
// stands for the text in errors, which are *SyntaxError. Assemble does not judge the program: see Check.
//
// A line holds an instruction, or labels, or both. Comments run from ; to the end of the line, from /* to */,
// or over a line that starts with #. Labels are of letters, digits, _ and dots; everything else may be written
// in either case. Numbers are decimal, 0x, 0b or octal with a leading 0, and may have a sign.
func Assemble(name, text string) ([]bpf.RawInstruction, error) {
	p := newParser(name, text)
	p.assembly()
	return p.result()
}

// parser is a window of two tokens on the text and what came of it so far. The first error ends the text: from
// then on tok is tokEnd.
type parser struct {
	name       string
	lex        lexer
	tok, ahead token
	err        error

	prog   []bpf.RawInstruction
	labels map[string]int // instruction that each label names
	refs   []labelRef
}

func newParser(name, text string) *parser {
	p := &parser{name: name, lex: lexer{text: text}, labels: map[string]int{}}
	p.advance()
	p.advance()
	return p
}

func (p *parser) result() ([]bpf.RawInstruction, error) {
	if p.err == nil && len(p.prog) == 0 {
		p.fail(p.tok, "expected an instruction, found %s", p.tok.show())
	}
	if p.err != nil {
		return nil, p.err
	}
	return p.prog, nil
}

func (p *parser) advance() {
	p.tok = p.ahead
	if p.err == nil {
		p.ahead = p.lex.next()
	}
}

// fail records an error at t, if it is the first, and ends the text.
func (p *parser) fail(t token, format string, args ...any) {
	if p.err == nil {
		p.err = &SyntaxError{Name: p.name, Line: t.line, Column: t.column, Text: fmt.Sprintf(format, args...)}
	}
	p.tok = token{line: t.line, column: t.column}
	p.ahead = p.tok
}

// expected fails because the current token is not what it should be.
func (p *parser) expected(what string) {
	p.fail(p.tok, "expected %s, found %s", what, p.tok.show())
}

// accept passes over the punctuation or word s. It reports false if something else stands there.
func (p *parser) accept(s string) bool {
	if !p.tok.is(s) {
		return false
	}
	p.advance()
	return true
}

// expect passes over s and fails if something else stands there.
func (p *parser) expect(s string) {
	if !p.accept(s) {
		p.expected(fmt.Sprintf("%q", s))
	}
}

// unsigned reads a number up to limit.
func (p *parser) unsigned(what string, limit uint64) uint64 {
	t := p.tok
	if t.kind != tokNumber {
		p.expected(what)
		return 0
	}
	if t.number > limit {
		p.fail(t, "%s is out of range: expected %s of at most %d", t.text, what, limit)
		return 0
	}
	p.advance()
	return t.number
}

// k reads a 32-bit number with or without a sign.
func (p *parser) k() uint32 {
	first := p.tok
	if p.accept("-") {
		n := p.unsigned("a number", 1<<32)
		if n > 1<<31 {
			p.fail(first, "-%d is out of range: the least 32-bit number is %d", n, math.MinInt32)
		}
		return uint32(-int64(n))
	}
	p.accept("+")
	return uint32(p.unsigned("a number", 1<<32-1))
}

// append adds an instruction that starts at t.
func (p *parser) append(t token, in bpf.RawInstruction) {
	if len(p.prog) == MaxInstructions {
		p.fail(t, "too many instructions: a program has at most %d", MaxInstructions)
		return
	}
	p.prog = append(p.prog, in)
}

func (p *parser) atLineEnd() bool { return p.tok.kind == tokNewline || p.tok.kind == tokEnd }

// endLine passes over the end of a line and fails if anything stands before it.
func (p *parser) endLine() {
	if !p.atLineEnd() {
		p.expected("end of line")
		return
	}
	p.advance()
}

// skipLines passes over empty lines.
func (p *parser) skipLines() {
	for p.tok.kind == tokNewline {
		p.advance()
	}
}
