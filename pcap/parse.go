// Implements the grammar: expressions, terms, and the qualifiers in front of addresses.

package pcap

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The grammar, to be held beside pcap-filter(7). Words in capitals are tokens.
//
//	program    = [ expr ] .
//	expr       = term { ( "and" | "or" ) ( term | id ) } .          both bind alike, from left to right
//	term       = "not" term | "(" expr ")" | head id | protocol | comparison | primitive .
//	head       = [ protocol ] ( direction [ "host" | "net" | "port" | "portrange" ]
//	           | "host" | "net" | "port" | "portrange" | "gateway" | "proto" | "protochain" ) .
//	direction  = "src" | "dst" | "src" ( "or" | "and" ) "dst" | "dst" ( "or" | "and" ) "src"
//	           | "ra" | "ta" | "addr1" | "addr2" | "addr3" | "addr4" .
//	id         = number | "(" ids ")" | "not" id | address .
//	ids        = ( "not" id | address | number ( "and" | "or" ) id ) { ( "and" | "or" ) id } .
//	address    = NAME | IPv4 [ "/" NUMBER | "mask" IPv4 ] | IPv6 [ "/" NUMBER ] | MAC | ARCNET .
//	number     = NUMBER | "(" number ")" .
//	comparison = arithmetic ( "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" ) arithmetic .
//
// An id without a head takes over the qualifiers of the id before it. Arithmetic is in arithmetic.go, the
// primitives are in primitive.go.

type parser struct {
	tokens []token
	at     int
	gen    *generator
	depth  int

	written string // the expression, if its terms are to be kept as they are written (terms.go)
}

// empty is the condition of an empty expression.
var empty = &cond{kind: condTrue}

// parse returns the condition that expr stands for.
func parse(expr string, gen *generator) (*cond, error) { return (&parser{gen: gen}).parse(expr) }

func (p *parser) parse(expr string) (c *cond, err error) {
	p.tokens, err = split(expr)
	if err != nil {
		return nil, err
	}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *Error:
			c, err = nil, e
		default:
			panic(e)
		}
	}()
	if p.peek().kind == tokEnd {
		return empty, nil
	}
	c, _ = p.expr(qualifiers{none: true})
	if p.peek().kind != tokEnd {
		p.expected(`"and", "or" or the end of the expression`)
	}
	return c, nil
}

func (p *parser) peek() *token { return &p.tokens[p.at] }

// ahead is the token n further on, or the last.
func (p *parser) ahead(n int) *token { return &p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() *token {
	t := &p.tokens[p.at]
	if t.kind != tokEnd {
		p.at++
	}
	return t
}

// failAt ends parsing with an error at a token.
func (p *parser) failAt(t *token, format string, args ...any) {
	p.gen.pos = t.pos
	p.gen.fail(format, args...)
}

// expected ends parsing because the next token is not what was expected.
func (p *parser) expected(what string) {
	t := p.peek()
	switch {
	case t.kind == tokEnd:
		p.failAt(t, "the expression ends here: expected %s", what)
	case t.kind == tokKeyword:
		p.failAt(t, "expected %s, found the keyword %q", what, t.text)
	}
	p.failAt(t, "expected %s, found %q", what, t.text)
}

// keyword reports whether a token is the keyword of that name, in any spelling.
func (t *token) keyword(name string) bool { return t.kind == tokKeyword && t.key.name == name }

func (t *token) class(c class) bool { return t.kind == tokKeyword && t.key.class == c }

// isNumber reports whether a token is a number, or the name of one.
func (t *token) isNumber() bool { return t.kind == tokNumber || t.class(classNumber) }

func (t *token) number() uint32 {
	if t.kind == tokKeyword {
		return t.key.value
	}
	return t.n
}

// accept takes the next token if it is the operator.
func (p *parser) accept(operator string) bool {
	if p.peek().is(operator) {
		p.at++
		return true
	}
	return false
}

func (p *parser) acceptKeyword(name string) bool {
	if p.peek().keyword(name) {
		p.at++
		return true
	}
	return false
}

func (p *parser) close() {
	if !p.accept(")") {
		p.expected("a closing parenthesis")
	}
}

// deeper counts a level of nesting; the result takes it back.
func (p *parser) deeper() func() {
	if p.depth++; p.depth > maxDepth {
		p.failAt(p.peek(), "the expression nests deeper than %d levels", maxDepth)
	}
	return func() { p.depth-- }
}

// expr reads an expression. q are the qualifiers in force in front of it; it returns those of its last id.
func (p *parser) expr(q qualifiers) (*cond, qualifiers) {
	c, q := p.term(q)
	return p.exprRest(c, q)
}

// exprRest reads the rest of an expression that begins with c.
func (p *parser) exprRest(c *cond, q qualifiers) (*cond, qualifiers) {
	for {
		t := p.peek()
		if !t.keyword("and") && !t.keyword("or") {
			return c, q
		}
		p.at++
		var x *cond
		if p.idAhead() {
			x = p.id(q)
		} else {
			x, q = p.term(q)
		}
		c = p.combine(t, c, x)
	}
}

func (p *parser) combine(t *token, x, y *cond) *cond {
	c := p.joined(t, x, y)
	if c.tests > maxTests {
		p.failAt(t, "the expression up to here needs more than %d tests", maxTests)
	}
	return c
}

// idAhead reports whether what follows is an id that takes over qualifiers, rather than a term.
func (p *parser) idAhead() bool {
	n := 0
	for p.ahead(n).is("(") || p.ahead(n).keyword("not") {
		n++
	}
	switch t := p.ahead(n); {
	case t.kind == tokName || t.kind >= tokIPv4 && t.kind <= tokARCnet:
		return true
	case !t.isNumber():
		return false
	}
	// A number begins a comparison if an operator follows it and the parentheses around it alone.
	open := n
	for n++; p.ahead(n).is(")") && open > 0 && p.ahead(open-1).is("("); n++ {
		open--
	}
	return p.ahead(n).kind != tokOperator || p.ahead(n).is(")")
}

// term reads a term. It returns the qualifiers that an id behind it takes over.
func (p *parser) term(q qualifiers) (*cond, qualifiers) {
	start, at := p.peek(), p.at
	c, sum, q := p.operand(q)
	if c == nil {
		sum = p.arithmeticRest(sum, 0)
		if _, _, ok := relationOf(p.peek()); !ok && sum.op == opConst {
			p.failAt(start, "%s needs a word in front that says what it is, such as host or port, or a comparison behind it", start.text)
		}
		q = qualifiers{none: true}
		c = p.mark(at, q, p.comparison(sum))
	}
	return c, q
}

// operand reads what may stand at the start of a term: a whole term, or the first operand of arithmetic.
func (p *parser) operand(q qualifiers) (*cond, *arithmeticValue, qualifiers) {
	defer p.deeper()()
	t, at := p.peek(), p.at
	p.gen.pos = t.pos
	switch {
	case t.keyword("not"):
		p.at++
		c, q := p.term(q)
		return p.not(c), nil, q
	case t.is("("):
		p.at++
		outer := q
		c, sum, q := p.operand(q)
		if c == nil {
			sum = p.arithmeticRest(sum, 0)
			if p.accept(")") {
				return nil, sum, q
			}
			q = qualifiers{none: true}
			c = p.mark(at+1, q, p.comparison(sum))
		}
		c, _ = p.exprRest(c, q)
		p.close()
		return c, nil, outer
	case t.isNumber() || t.is("-") || t.keyword("len") || t.class(classProtocol) && p.ahead(1).is("["):
		return nil, p.arithmeticOperand(), q
	case t.kind == tokName || t.kind >= tokIPv4 && t.kind <= tokARCnet:
		p.failAt(t, "%s needs a word in front that says what it is, such as host, net or port%s", t.text, hint(t))
	}
	c, q := p.primitive()
	if q.none { // ids are marked one by one
		c = p.mark(at, q, c)
	}
	return c, nil, q
}

// direction reads src, dst, or both with or or and between them, or an address of 802.11.
func (p *parser) direction() direction {
	d := direction(p.next().key.value)
	if d != dirSrc && d != dirDst {
		return d
	}
	both := dirOr
	switch t := p.peek(); {
	case t.keyword("or"):
	case t.keyword("and"):
		both = dirAnd
	default:
		return d
	}
	p.at++
	other := "dst"
	if d == dirDst {
		other = "src"
	}
	if !p.acceptKeyword(other) {
		p.expected(other)
	}
	return both
}

// qualified reads qualifiers and what they qualify: an id, broadcast, multicast, or fields of 802.11. A
// protocol may also stand alone.
func (p *parser) qualified() (*cond, qualifiers) {
	var q qualifiers
	start := p.peek()
	q.from = p.at
	if start.class(classProtocol) {
		q.proto = protocol(p.next().key.value)
	}
	t := p.peek()
	switch {
	case t.class(classDirection):
		q.dir = p.direction()
		if t := p.peek(); t.class(classType) {
			q.typ = addressType(t.key.value)
			if q.typ > typePortRange {
				p.expected("host, net, port, portrange or an address")
			}
			p.at++
		}
		q.to = p.at
		return p.id(q), q
	case t.class(classType):
		q.typ = addressType(p.next().key.value)
		q.to = p.at
		return p.id(q), q
	case t.keyword("broadcast"):
		p.at++
		return p.gen.broadcast(q.proto), qualifiers{none: true}
	case t.keyword("multicast"):
		p.at++
		return p.gen.multicast(q.proto), qualifiers{none: true}
	case t.keyword("type"), t.keyword("subtype"), t.keyword("dir"):
		return p.wlan(), qualifiers{none: true}
	}
	if q.proto == protoDefault {
		p.expected("a condition")
	}
	if t.kind == tokName || t.kind == tokNumber || t.kind >= tokIPv4 && t.kind <= tokARCnet {
		p.failAt(t, "%s needs a word in front that says what it is, such as host, net or port%s", t.text, hint(t))
	}
	p.gen.pos = start.pos
	return p.gen.protocolOnly(q.proto), qualifiers{none: true}
}

// hint suggests a keyword that a name may be meant for.
func hint(t *token) string {
	if t.kind != tokName {
		return ""
	}
	name := strings.ToLower(t.text)
	if lookupKeyword(name) != nil {
		return fmt.Sprintf(" (is it %q? keywords are in lower case)", name)
	}
	for _, k := range slices.Sorted(maps.Keys(keywords())) {
		if len(name) > 2 && len(k) > 2 && alike(name, k) {
			return fmt.Sprintf(" (is it %q?)", k)
		}
	}
	return ""
}

// alike reports whether one letter more, less, another or two exchanged make a of b.
func alike(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch restA, restB := a[i:], b[i:]; {
	case len(a)+1 == len(b):
		return restA == restB[1:]
	case len(a) == len(b) && len(restA) > 0:
		return restA[1:] == restB[1:] || len(restA) > 1 && restA[0] == restB[1] && restA[1] == restB[0] && restA[2:] == restB[2:]
	}
	return false
}
