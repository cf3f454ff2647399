// Implements the code that goes through texts: parts, patterns, characters.

package event

import (
	"encoding/binary"
	"strings"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/internal/automaton"
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

// contains looks for s, which is not empty, in a text, which it drops: for its first word, then for the rest.
func (g *gen) contains(t text, s string, w ways) {
	size := 8
	for size > len(s) {
		size /= 2
	}
	g.atLeast(t, len(s), w.f)
	if !g.live {
		g.drop(t)
		return
	}
	end := g.address(t)
	g.addSize(end, t)
	g.op(isa.Add64Imm, end, 0, 0, int32(-len(s)))
	if !t.fixed {
		g.release(t.size)
	}
	p := g.start(t)
	word, k, spare := g.alloc(), g.alloc(), g.alloc()
	first := chunk{0, size}.of(s)
	g.constant(k, first)
	found, next := g.c.Label(), g.c.Label()
	loop := g.head()
	g.op(loads[log(size)][0], word, p, 0, 0)
	g.ifReg(emit.Eq, word, k, found)
	g.bind(next)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.back(emit.Le, p, end, loop)
	g.goTo(w.f)
	g.bind(found)
	for _, c := range chunks(len(s)) {
		if c == (chunk{0, size}) {
			continue
		}
		g.op(loads[log(c.size)][0], word, p, c.off, 0)
		g.constant(spare, c.of(s))
		g.back(emit.Ne, word, spare, next)
	}
	g.end(w.t, w.fall)
	g.release(p, end, word, k, spare)
}

// rowShift is the binary logarithm of the size of a state's row in an automaton's table: 256 states of 16 bits.
const rowShift = 9

// automaton runs an automaton over a text, which it drops.
func (g *gen) automaton(t text, a *automaton.Automaton, w ways) {
	if a.Start <= automaton.Match {
		g.drop(t)
		if a.Start == automaton.Match {
			g.end(w.t, w.fall)
		} else {
			g.end(w.f, w.fall)
		}
		return
	}
	table := make([]byte, 0, len(a.Next)<<rowShift)
	for _, row := range a.Next {
		for _, to := range row {
			table = binary.LittleEndian.AppendUint16(table, to)
		}
	}
	end := g.address(t)
	g.addSize(end, t)
	if !t.fixed {
		g.release(t.size)
	}
	p := g.start(t)
	s, b := g.alloc(), g.alloc()
	g.constant(s, uint64(a.Start))
	over := g.c.Label()
	loop := g.head()
	g.ifReg(emit.Eq, p, end, over)
	g.op(isa.Lsh64Imm, s, 0, 0, rowShift)
	g.op(isa.Ldx8, b, p, 0, 0)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.op(isa.Lsh64Imm, b, 0, 0, 1)
	g.op(isa.Add64Reg, s, b, 0, 0)
	if g.live {
		g.c.Table(b, table)
	}
	g.op(isa.Add64Reg, s, b, 0, 0)
	g.op(isa.Ldx16, s, s, 0, 0)
	g.constant(b, automaton.Unsure)
	g.back(emit.Gt, s, b, loop)
	if strict := a.Doubt < len(a.Next); strict {
		g.ifConst(emit.Eq, s, automaton.Unsure, g.punt)
	}
	g.choose(emit.Eq, s, automaton.Match, w.t, w.f, none)
	g.bind(over)
	if a.Doubt < len(a.Next) {
		g.ifConst(emit.Ge, s, uint64(a.Doubt), g.punt)
	}
	g.choose(emit.Ge, s, uint64(a.Accept), w.t, w.f, w.fall)
	g.release(p, end, s, b)
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
