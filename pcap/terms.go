// Implements the terms of an expression as they are written, which an explanation shows.

package pcap

import "strings"

// source is where a term stands in the expression.
type source struct {
	pos, end  int
	text      string // with the qualifiers that it takes over
	inherited bool   // it takes over the qualifiers of a term before it
}

// parseTerms is parse, but conditions that terms stand for are marked, and combined as they are written: by and,
// or and not alone.
func parseTerms(expr string, gen *generator) (*cond, error) {
	return (&parser{gen: gen, written: expr}).parse(expr)
}

// mark makes c that of the term from a token up to the next one, whose qualifiers are q.
func (p *parser) mark(from int, q qualifiers, c *cond) *cond {
	if p.written == "" {
		return c
	}
	words := func(from, to int) string {
		return strings.Join(strings.Fields(p.written[p.tokens[from].pos:p.tokens[to-1].end]), " ")
	}
	t := &source{pos: p.tokens[from].pos, end: p.tokens[p.at-1].end, text: words(from, p.at)}
	switch {
	case q.to == q.from: // no qualifiers
	case q.to == from:
		t.pos, t.text = p.tokens[q.from].pos, words(q.from, p.at)
	default:
		t.text, t.inherited = words(q.from, q.to)+" "+t.text, true
	}
	return &cond{kind: condTerm, x: c, tests: c.tests, term: t}
}

func (p *parser) not(c *cond) *cond {
	if p.written == "" {
		return not(c)
	}
	return &cond{kind: condNot, x: c, tests: c.tests}
}

// joined is x and y, or x or y, as the token says.
func (p *parser) joined(t *token, x, y *cond) *cond {
	switch and := t.keyword("and"); {
	case p.written != "" && and:
		return &cond{kind: condAnd, x: x, y: y, tests: x.tests + y.tests}
	case p.written != "":
		return &cond{kind: condOr, x: x, y: y, tests: x.tests + y.tests}
	case and:
		return and2(x, y)
	}
	return or2(x, y)
}
