// Implements the walk over all pairs of ways through two decision graphs.

package pcap

import (
	"context"
	"fmt"

	"github.com/skepbpf/skep/classic"
)

// walker follows pairs of ways.
type walker struct {
	ctx     context.Context
	pool    *pool
	vms     [2]*classic.VM
	link    LinkType
	snapLen uint32
	drop    *node

	store  *store
	short  bool           // also follow the ways of packets that are too short
	inside map[*value]int // loads that are known to lie in the packet, and divisions by what is known not to be 0
	steps  int
	left   int // bits that may still be decided
	open   int // pairs of ways that accept differently, as far as known
	stop   bool
	out    Comparison
}

// side is where one of the two ways is, and what its variables hold.
type side struct {
	n   *node
	env *environment
}

// round follows all pairs of ways.
func (w *walker) round(roots [2]*node, short bool) Comparison {
	w.store, w.short, w.inside = newStore(w.pool, w.link, w.snapLen), short, map[*value]int{}
	w.steps, w.left, w.open, w.stop, w.out = 0, maxAll, 0, false, Comparison{}
	start := &environment{}
	w.walk(side{roots[0], start}, side{roots[1], start})
	switch {
	case w.out.Packet != nil:
		w.out.Result, w.out.Reason = Different, ""
	case w.out.Reason == "":
		w.out.Result = Equal
	}
	return w.out
}

func (w *walker) giveUp(format string, args ...any) {
	if w.out.Reason == "" {
		w.out.Reason = fmt.Sprintf(format, args...)
	}
}

// walk goes on with both ways, until both have ended.
func (w *walker) walk(a, b side) {
	if w.steps += stepCost; w.ctx.Err() != nil {
		w.giveUp("%v", w.ctx.Err())
		w.stop = true
	}
	if w.steps > maxSteps {
		w.giveUp("the programs have more ways through them than can be followed")
		w.stop = true
	}
	if w.stop || a.n == b.n && a.env.equal(b.env) {
		return
	}
	switch {
	case a.n.inner():
		if next := w.skip(b); next != b {
			w.walk(a, next)
			return
		}
		w.step(a, func(next side) { w.walk(next, b) })
	case b.n.inner():
		if next := w.skip(b); next != b {
			w.walk(a, next)
			return
		}
		w.step(b, func(next side) { w.walk(a, next) })
	case a.n.kind != b.n.kind:
		w.differ(a.n.kind == nodeKeep)
	default:
		w.out.Ways++
	}
}

// try goes on with a claim, unless it contradicts what is known.
func (w *walker) try(c claim, on func()) {
	here := w.store.mark()
	if w.store.add(c) {
		if c.kind == claimInside {
			w.inside[c.a]++
			defer func() { w.inside[c.a]-- }()
		}
		on()
	}
	w.store.undo(here)
}

// step makes the calculations and the test of a node, and goes on with each way that is possible.
func (w *walker) step(x side, on func(side)) {
	n := x.n
	a, b, ok := w.resolve(x)
	if !ok {
		w.giveUp("a load lies at an offset that is negative as a signed number")
		return
	}
	if r := w.risk(a, b); r != nil {
		w.risky(x, r, on)
		return
	}
	switch {
	case n.kind == nodeSet:
		on(side{n.t, x.env.with(n.n, a)})
	case n.t == n.f:
		on(side{n.t, x.env})
	default:
		w.try(claim{rel: n.rel, a: a, b: b, yes: true}, func() { on(side{n.t, x.env}) })
		w.try(claim{rel: n.rel, a: a, b: b}, func() { on(side{n.f, x.env}) })
	}
}

// risky goes on with x where r ends the program, and where it does not.
func (w *walker) risky(x side, r *value, on func(side)) {
	dropped := side{w.drop, x.env}
	switch r.op {
	case opFail:
		on(dropped)
	case opLoad, opHeader:
		if w.short {
			w.try(claim{kind: claimOutside, a: r}, func() { on(dropped) })
		}
		w.try(claim{kind: claimInside, a: r}, func() { w.step(x, on) })
	default: // a division
		zero := w.pool.constant(0)
		w.try(claim{rel: relEqual, a: r.b, b: zero, yes: true}, func() { on(dropped) })
		w.try(claim{rel: relEqual, a: r.b, b: zero}, func() { w.inside[r]++; w.step(x, on); w.inside[r]-- })
	}
}

// skip goes past nodes as long as it is known where to.
func (w *walker) skip(x side) side {
	for x.n.inner() {
		next, moved := w.known(x)
		if !moved {
			break
		}
		w.steps++
		x = next
	}
	return x
}

// known goes past a node if it is known where to.
func (w *walker) known(x side) (side, bool) {
	a, b, ok := w.resolve(x)
	if !ok || w.risk(a, b) != nil {
		return x, false
	}
	switch {
	case x.n.kind == nodeSet:
		return side{x.n.t, x.env.with(x.n.n, a)}, true
	case x.n.t == x.n.f:
		return side{x.n.t, x.env}, true
	}
	left, right := w.store.vec(a), w.store.vec(b)
	if p, ok := left.number(); ok {
		if q, ok := right.number(); ok {
			if x.n.rel.holds(p, q) {
				return side{x.n.t, x.env}, true
			}
			return side{x.n.f, x.env}, true
		}
	}
	here := w.store.mark()
	yes := w.store.add(claim{rel: x.n.rel, a: a, b: b, yes: true})
	w.store.undo(here)
	if !yes {
		return side{x.n.f, x.env}, true
	}
	no := w.store.add(claim{rel: x.n.rel, a: a, b: b})
	w.store.undo(here)
	return side{x.n.t, x.env}, !no
}

// risk is a calculation in values that may end the program, as far as known, nil if there is none. What it needs
// itself cannot.
func (w *walker) risk(values ...*value) *value {
	for _, v := range values {
		if v == nil || !v.risky {
			continue
		}
		if r := w.risk(v.a, v.b); r != nil {
			return r
		}
		switch {
		case w.inside[v] > 0:
		case v.op == opFail:
			return v
		case v.op == opHeader, v.op == opLoad:
			if v.a != nil || uint64(v.k)+uint64(max(v.size, 1)) > w.store.low {
				return v
			}
		case (v.op == opDiv || v.op == opMod) && (v.b.op != opConst || v.b.k == 0):
			return v
		}
	}
	return nil
}

// differ handles a pair of ways of which one accepts and the other does not.
func (w *walker) differ(first bool) {
	w.out.Ways++
	left := min(maxChoice, w.left)
	w.left -= left
	if few := min(maxRefute, left); w.store.refute(&few) {
		w.left += left
		return
	}
	tries := 0
	result := w.store.search(func() bool {
		if tries++; tries > 20 {
			w.left += left
			left = 0
			return false
		}
		p := w.store.packet()
		x, y := w.vms[0].Run(p, nil) != 0, w.vms[1].Run(p, nil) != 0
		if x != y {
			w.out.Packet, w.out.First, w.stop = p, x, true
		}
		return x != y
	}, &left)
	w.left += max(left, 0)
	if result != unknown {
		return
	}
	w.giveUp("no packet was found for a pair of ways that may differ")
	if w.open++; w.open > maxOpen || w.left <= 0 {
		w.stop = true
	}
}

// environment is what variables hold: values without variables. It does not change.
type environment struct {
	vars map[int]*value
	memo map[*value]*value
}

func (e *environment) with(n int, v *value) *environment {
	vars := map[int]*value{n: v}
	for k, other := range e.vars {
		if k != n {
			vars[k] = other
		}
	}
	return &environment{vars: vars}
}

func (e *environment) equal(other *environment) bool {
	if e == other {
		return true
	}
	if len(e.vars) != len(other.vars) {
		return false
	}
	for k, v := range e.vars {
		if other.vars[k] != v {
			return false
		}
	}
	return true
}

// resolve is the numbers of a node without variables. It reports false if one lies at an odd offset.
func (w *walker) resolve(x side) (a, b *value, ok bool) {
	if a, ok = w.insert(x.n.a, x.env); !ok {
		return nil, nil, false
	}
	b, ok = w.insert(x.n.b, x.env)
	return a, b, ok
}

// insert is v with what its variables hold.
func (w *walker) insert(v *value, e *environment) (*value, bool) {
	if v == nil || v.a == nil && v.op != opVar {
		return v, true
	}
	if v.op == opVar {
		if held := e.vars[int(v.k)]; held != nil {
			return held, true
		}
		return w.pool.constant(0), true
	}
	if done := e.memo[v]; done != nil {
		return done, true
	}
	a, ok := w.insert(v.a, e)
	if !ok {
		return nil, false
	}
	b, ok := w.insert(v.b, e)
	if !ok {
		return nil, false
	}
	out := v
	switch {
	case a == v.a && b == v.b:
	case v.op == opLoad:
		if a.op == opConst && (a.k+v.k >= 1<<31 || a.k+v.k < a.k) {
			return nil, false
		}
		out = w.pool.load(v.size, a, v.k)
	case v.op == opNeg:
		out = w.pool.negate(a)
	default:
		out = w.pool.binary(v.op, a, b)
	}
	if e.memo == nil {
		e.memo = map[*value]*value{}
	}
	e.memo[v] = out
	return out, true
}
