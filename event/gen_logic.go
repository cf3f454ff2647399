// Implements the code of what is true or false: it is nothing but jumps.

package event

import (
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// ways are where to go: if something is true, if it is false, and if it has no value. fall is the one of them that
// comes next, or none.
type ways struct{ t, f, e, fall emit.Label }

func (w ways) then(fall emit.Label) ways { w.fall = fall; return w }

// cond writes the code of a node that is true or false.
func (g *gen) cond(n *node, w ways) {
	if g.err != nil {
		return
	}
	switch n.op {
	case opConst:
		if n.val.i != 0 {
			g.end(w.t, w.fall)
		} else {
			g.end(w.f, w.fall)
		}
	case opField:
		r := g.value(n, w.e)
		g.choose(emit.Ne, r, 0, w.t, w.f, w.fall)
		g.release(r)
	case opNot:
		g.cond(n.args[0], ways{w.f, w.t, w.e, w.fall})
	case opAnd:
		g.all(n.args, w)
	case opOr:
		g.some(n.args, w)
	case opIf:
		if g.selects(n, w) {
			return
		}
		yes, no := g.c.Label(), g.c.Label()
		g.cond(n.args[0], ways{yes, no, w.e, yes})
		g.bind(yes)
		g.cond(n.args[1], w.then(none))
		g.bind(no)
		g.cond(n.args[2], w)
	case opHas:
		g.has(&g.s.Fields[n.field], w)
	default:
		g.test(n, w)
	}
}

// selects writes a choice between two comparisons of the same field with constants, by a bool of a Go struct, which is 0 or
// 1, as one comparison with a number that is computed. It reports whether n is that.
func (g *gen) selects(n *node, w ways) bool {
	by, a, b := n.args[0], n.args[1], n.args[2]
	if !g.s.host || by.op != opField || n.fails || a.op != opCompare || b.op != opCompare || a.cmp != b.cmp {
		return false
	}
	x, y := a.args[0], b.args[0]
	one, other := a.args[1], b.args[1]
	plain := func(c *node) bool {
		return c.op == opConst && c.kind.integer() && (c.kind != Uint || c.val.i >= 0) && int64(int32(c.val.i)) == c.val.i && (x.kind != Uint || c.val.i >= 0)
	}
	diff := one.val.i - other.val.i
	if x.op != opField || y.op != opField || x.field != y.field || !x.kind.integer() || !plain(one) || !plain(other) || int64(int32(diff)) != diff {
		return false
	}
	r := g.value(x, w.e)
	limit := g.take(g.value(by, w.e))
	g.op(isa.Mul64Imm, limit, 0, 0, int32(diff))
	g.op(isa.Add64Imm, limit, 0, 0, int32(other.val.i))
	g.chooseReg(conds[sign(x.kind)][a.cmp], r, limit, w.t, w.f, w.fall)
	g.release(r, limit)
	return true
}

// test writes the code of tests of values.
func (g *gen) test(n *node, w ways) {
	switch n.op {
	case opCompare:
		g.compare(n, w)
	case opPrefix, opSuffix, opContains, opAutomaton:
		g.textTest(n, w)
	case opIn:
		g.in(n, w)
	case opNet:
		g.net(n, w)
	default:
		g.err = fail(n, "operation %d is no test", n.op)
	}
}

// all goes to t if all are true, to f if one is false, and to e otherwise. After one without a value, the others may
// still be false: that takes a second copy of them, unless nobody can tell.
func (g *gen) all(args []*node, w ways) {
	last := len(args) - 1
	for i, a := range args[:last] {
		next := g.c.Label()
		switch {
		case w.e == w.t && w.e != w.f:
			g.cond(a, ways{next, w.f, next, next})
		case w.e == w.f || !a.fails:
			g.cond(a, ways{next, w.f, w.e, next})
		default:
			doubt := g.c.Label()
			g.cond(a, ways{next, w.f, doubt, next})
			g.bind(next)
			g.all(args[i+1:], w.then(none))
			g.bind(doubt)
			g.all(args[i+1:], ways{w.e, w.f, w.e, w.fall})
			return
		}
		g.bind(next)
	}
	g.cond(args[last], w)
}

// some is all with true and false exchanged.
func (g *gen) some(args []*node, w ways) {
	last := len(args) - 1
	for i, a := range args[:last] {
		next := g.c.Label()
		switch {
		case w.e == w.f:
			g.cond(a, ways{w.t, next, next, next})
		case w.e == w.t || !a.fails:
			g.cond(a, ways{w.t, next, w.e, next})
		default:
			doubt := g.c.Label()
			g.cond(a, ways{w.t, next, doubt, next})
			g.bind(next)
			g.some(args[i+1:], w.then(none))
			g.bind(doubt)
			g.some(args[i+1:], ways{w.t, w.e, w.e, w.fall})
			return
		}
		g.bind(next)
	}
	g.cond(args[last], w)
}

// has goes to t if a field is there.
func (g *gen) has(f *Field, w ways) {
	base := g.base(f, w.f)
	switch {
	case f.Form == goAddr:
		r := g.alloc()
		g.op(isa.Ldx64, r, base, f.Offset+16, 0)
		g.choose(emit.Ne, r, 0, w.t, w.f, w.fall)
		g.release(r)
	case f.Kind == IP && f.Form != InPlace:
		t := g.text(f, w.f)
		g.ifConst(emit.Eq, t.size, 4, w.t)
		g.choose(emit.Eq, t.size, 16, w.t, w.f, w.fall)
		g.drop(t)
	case f.Form == Span || f.Form == DataLoc || f.Form == RelLoc:
		g.drop(g.text(f, w.f))
		g.end(w.t, w.fall)
	default:
		g.end(w.t, w.fall)
	}
	g.release(base)
}
