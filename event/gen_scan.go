// Implements the code that goes through texts: parts, patterns, characters.

package event

import (
	"strings"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// textTest writes a test of a text against a constant one, or a pattern.
func (g *gen) textTest(n *node, w ways) {
	if len(n.text) > maxText {
		g.err = fail(n, "a text of %d bytes, at most %d", len(n.text), maxText)
		return
	}
	t := g.textOf(n.args[0], w.e)
	s := n.text
	if t.nul && n.op != opAutomaton && strings.IndexByte(s, 0) >= 0 {
		g.drop(t)
		g.end(w.f, w.fall)
		return
	}
	switch n.op {
	case opPrefix:
		g.atLeast(t, len(s), w.f)
		if t.fixed && len(s) > t.room {
			break
		}
		g.bytes(t.at, t.off, s, w.f)
		g.end(w.t, w.fall)
	case opSuffix:
		t = g.measured(t)
		g.atLeast(t, len(s), w.f)
		if t.fixed {
			g.bytes(t.at, t.off+max(0, t.room-len(s)), s, w.f)
		} else {
			p := g.copyOf(t.at)
			g.op(isa.Add64Reg, p, t.size, 0, 0)
			g.bytes(p, t.off-len(s), s, w.f)
			g.release(p)
		}
		g.end(w.t, w.fall)
	case opContains:
		t = g.measured(t)
		g.contains(t, s, w)
		return
	case opAutomaton:
		t = g.measured(t)
		g.automaton(t, n.dfa, w)
		return
	}
	g.drop(t)
}

// atLeast goes to l if a text has fewer than n bytes. One that ends at a NUL may still be shorter.
func (g *gen) atLeast(t text, n int, l emit.Label) {
	switch {
	case !t.fixed:
		g.ifConst(emit.Lt, t.size, uint64(n), l)
	case t.room < n:
		g.goTo(l)
	}
}

// ascii goes to punt if a text has bytes that are not ASCII: counting its characters is left to Go.
func (g *gen) ascii(t text) {
	p := g.address(t)
	end, b := g.copyOf(p), g.alloc()
	g.addSize(end, t)
	over := g.c.Label()
	loop := g.head()
	g.ifReg(emit.Eq, p, end, over)
	g.op(isa.Ldx8, b, p, 0, 0)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.ifConst(emit.Gt, b, 127, g.punt)
	g.jumpBack(loop)
	g.bind(over)
	g.release(p, end, b)
}
