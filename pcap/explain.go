// Implements explanations: which terms of an expression decide about a packet, and what they look at.

package pcap

import (
	"fmt"
	"net/netip"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// Outcome is what became of a term or of a test.
type Outcome uint8

const (
	// NotAsked means that the terms before had decided already.
	NotAsked Outcome = iota
	// True means that the packet satisfies it.
	True
	// False means that it does not.
	False
	// Impossible means that it asks for bytes outside the packet, or divides by 0. Where a program comes to
	// that, the packet is dropped, even behind not.
	Impossible
)

func (o Outcome) String() string {
	return [...]string{NotAsked: "not asked", True: "true", False: "false", Impossible: "impossible"}[o&3]
}

func outcomeOf(b bool) Outcome {
	if b {
		return True
	}
	return False
}

// Operator says what a Term is.
type Operator uint8

const (
	Primitive Operator = iota // what tests are made for: tcp port 80, or len > 100
	And
	Or
	Not
)

func (o Operator) String() string {
	return [...]string{Primitive: "primitive", And: "and", Or: "or", Not: "not"}[o&3]
}

// Term is a term of an expression as it is written, with what became of it for one packet.
type Term struct {
	Operator Operator
	// Column and Length are its place in the expression, in bytes, the column from 1.
	Column, Length int
	// Text is that of a primitive, with the qualifiers that it takes over: of "port 80 or 443", the second
	// primitive is "port 443". It is empty for and, or and not.
	Text string
	// Inherited says that a primitive takes over qualifiers of the primitive before it.
	Inherited bool
	Outcome   Outcome
	Terms     []*Term // operands: one of not, two or more of and and or
	Tests     []Test  // of a primitive, those that were made, in their order
}

// Test is a comparison of two numbers.
type Test struct {
	// Left and Right are the numbers as calculations from the packet's bytes: [12:2] is the two bytes from
	// offset 12 on, in network order.
	Left, Right string
	// Relation is one of = > >= and &, which asks for a bit that is set in both. Numbers are unsigned.
	Relation string
	// A and B are what the calculations give. They are 0 if the outcome is Impossible.
	A, B uint32
	// Field is what the packet's bytes on the left are called, "" if that is not known for sure.
	Field   string
	Outcome Outcome
	Looks   []Look // the bytes that the calculations needed, in their order

	digits int // how many to print the numbers with, 0 for decimal ones
}

// Look is a load from the packet.
type Look struct {
	Offset, Length int // in bytes
	Value          uint32
	Outside        bool // the packet has not so many bytes; Value is 0
}

// Explanation tells why a packet matches or not. It is not used any further by the Explainer.
type Explanation struct {
	// Match is the verdict of the compiled program.
	Match bool
	// Bytes is how many of the packet's bytes there are, Length its length on the wire.
	Bytes, Length int
	// Headers is what finds the headers, before all terms, on link types on which they vary in length. nil if
	// nothing has to be found.
	Headers *Term
	// Root is the expression; nil if it is empty.
	Root *Term
	// Outside is the load that dropped the packet, being outside of it. nil if none did.
	Outside *Look
	// Onward says that terms are shown as if tests that are Impossible did not drop the packet. So it is where
	// the compiled program makes its tests in another order than they are written, and finds that the packet
	// matches before it comes to them.
	Onward bool
}

// Explainer explains what an expression does to packets. It does not change; all its methods are safe for
// concurrent use.
type Explainer struct {
	program *Program
	vm      *classic.VM
	written *cond // the terms as they are written
	joined  *cond // what was compiled
	headers *cond // what is done before the written terms
	link    linkRow
}

// NewExplainer compiles an expression, like Compile, for explanations.
func NewExplainer(expr string, opts *Options) (*Explainer, error) {
	o := Options{LinkType: LinkTypeEthernet}
	if opts != nil {
		o = *opts
	}
	if look := o.Resolve; look != nil { // the expression is read twice, and is to mean the same
		known := map[string][]netip.Addr{}
		o.Resolve = func(host string) ([]netip.Addr, error) {
			if all, ok := known[host]; ok {
				return all, nil
			}
			all, err := look(host)
			if err == nil {
				known[host] = all
			}
			return all, err
		}
	}
	u, err := build(expr, &o, newPool())
	if err != nil {
		return nil, err
	}
	if u.nothing {
		return nil, ErrMatchesNothing
	}
	e := &Explainer{joined: u.cond, link: o.LinkType.row()}
	if e.program, err = u.program(&o); err != nil {
		return nil, err
	}
	if e.vm, err = classic.NewVM(e.program.code); err != nil {
		return nil, err
	}
	gen := newGenerator(newPool(), &o)
	if e.written, err = parseTerms(expr, gen); err != nil {
		return nil, err
	}
	if e.written != empty {
		e.headers = gen.prologue(e.written)
	}
	return e, nil
}

// Program returns the compiled program.
func (e *Explainer) Program() *Program { return e.program }

// Explain tells what the expression does to a packet, which is not kept. The verdict is that of the compiled
// program in all cases.
func (e *Explainer) Explain(p *spec.Packet) *Explanation {
	x := &Explanation{Match: e.vm.Run(p, nil) != 0, Bytes: len(p.Data), Length: p.Len()}
	outcome, short := e.look(x, p, false)
	switch {
	case !x.Match && outcome == Impossible:
		x.Outside = short
	case !x.Match && outcome == True: // the program came to a load outside before
		again := &evaluation{packet: p, vars: map[int]result{}}
		again.cond(e.joined)
		x.Outside = again.short
	case x.Match && outcome == Impossible:
		x.Onward = true
		e.look(x, p, true)
	}
	return x
}

// look fills in the terms.
func (e *Explainer) look(x *Explanation, p *spec.Packet, onward bool) (Outcome, *Look) {
	x.Headers, x.Root = nil, nil
	if e.written == empty {
		return True, nil
	}
	v := &evaluation{packet: p, vars: map[int]result{}, onward: onward, link: &e.link}
	outcome := True
	if e.headers != nil {
		x.Headers = &Term{Text: fmt.Sprintf("headers of %s", e.link.number)}
		v.term = x.Headers
		outcome = v.cond(e.headers)
		x.Headers.Outcome = outcome
	}
	x.Root = skeleton(e.written)
	if outcome == True || outcome == Impossible && onward {
		outcome = v.terms(e.written, x.Root)
	}
	return outcome, v.short
}

// skeleton is a condition's terms, nothing asked yet. Chains of and, and of or, become one term.
func skeleton(c *cond) *Term {
	switch c.kind {
	case condTerm:
		t := c.term
		return &Term{Column: t.pos + 1, Length: t.end - t.pos, Text: t.text, Inherited: t.inherited}
	case condNot:
		inner := skeleton(c.x)
		return &Term{Operator: Not, Column: inner.Column, Length: inner.Length, Terms: []*Term{inner}}
	}
	t := &Term{Operator: And}
	if c.kind == condOr {
		t.Operator = Or
	}
	for _, part := range chain(c) {
		t.Terms = append(t.Terms, skeleton(part))
	}
	first, last := t.Terms[0], t.Terms[len(t.Terms)-1]
	t.Column, t.Length = first.Column, last.Column+last.Length-first.Column
	return t
}

// chain are the operands of a chain of and, or of or.
func chain(c *cond) []*cond {
	n := 1
	for x := c; x.kind == c.kind; x = x.x {
		n++
	}
	all := make([]*cond, n)
	x := c
	for i := n - 1; i > 0; i, x = i-1, x.x {
		all[i] = x.y
	}
	all[0] = x
	return all
}
