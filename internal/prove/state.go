// Implements states of the registers, and what two of them have in common.

package prove

import (
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// state is what is known at a place of the code.
type state struct {
	facts
	regs [isa.NumRegisters]value
	phis ir.Regs // registers whose value is the unknown of that register at the start of the block
}

func (s *state) clone() *state {
	out := *s
	out.list = append([]expr(nil), s.list...)
	return &out
}

// phi is the unknown that a register holds at the start of a block: a number, which is not below 0, or an offset.
func (p *prover) phi(block int, r isa.Register, k kind) sym {
	key := slot{obj: -1 - block, off: int64(r)}
	s, ok := p.cells[key]
	if !ok {
		if s = p.fresh(0, inf); k != scalar {
			p.known.bounds[s].lo = -inf
		}
		p.cells[key] = s
	}
	return s
}

// joiner finds what is known at the start of a block that is reached in two ways.
type joiner struct {
	p        *prover
	block    int
	old, now *state
	out      *state
	// What the unknowns of the block's registers were before, and are in the state that comes.
	before, then map[sym]expr
}

// join makes known what holds on both ways, and reports whether that is less than before.
func (p *prover) join(block int, now *state) bool {
	old := p.in[block]
	if old != nil && p.live[block] == 0 {
		return false
	}
	if old == nil {
		s := now.clone()
		p.keepLive(block, s)
		p.in[block] = s
		return true
	}
	j := &joiner{p: p, block: block, old: old, now: now, out: old.clone(), before: map[sym]expr{}, then: map[sym]expr{}}
	for r := range old.regs {
		if old.phis>>r&1 != 0 {
			v := value{}
			if a, b := old.regs[r], now.regs[r]; a.kind == scalar == (b.kind == scalar) && b.kind != nothing {
				v = b
			}
			j.then[p.phi(block, isa.Register(r), old.regs[r].kind)] = v.e
		}
	}
	changed := j.registers()
	changed = j.facts() || changed
	if changed {
		p.in[block] = j.out
	}
	return changed
}

// keepLive drops what nobody reads, and inequalities about what no register has.
func (p *prover) keepLive(block int, s *state) {
	for r := range s.regs {
		if p.live[block]>>r&1 == 0 {
			s.regs[r] = value{}
		}
	}
	s.phis = 0
	used := map[sym]bool{}
	mark := func(e expr) {
		for _, t := range e.t[:e.n] {
			used[t.s] = true
		}
	}
	for _, v := range s.regs {
		mark(v.e)
		if v.kind.addr() {
			mark(p.objects[v.obj].len)
		}
	}
	for again := true; again; { // what goes with these
		again = false
		for _, e := range s.list {
			known, others := false, false
			for _, t := range e.t[:e.n] {
				known, others = known || used[t.s], others || !used[t.s]
			}
			if known && others && e.n <= 3 {
				mark(e)
				again = true
			}
		}
	}
	out := s.list[:0]
	for _, e := range s.list {
		if e.n > 0 && used[e.t[0].s] {
			out = append(out, e)
		}
	}
	s.list = out
}

// registers finds what registers have in common; those that differ become unknowns.
func (j *joiner) registers() (changed bool) {
	var fresh []isa.Register
	for r := range j.old.regs {
		a, b := j.old.regs[r], j.now.regs[r]
		if a.kind == nothing {
			continue
		}
		same, ok := a.e, true
		for s, e := range j.then {
			if same, ok = same.with(s, e); !ok {
				break
			}
		}
		if ok && a.kind == b.kind && (!a.kind.addr() || a.obj == b.obj) && same == b.e {
			continue
		}
		mixed := a.kind == scalar != (b.kind == scalar) || a.kind.addr() && (!b.kind.addr() || a.obj != b.obj)
		switch {
		case b.kind == nothing || mixed:
			j.out.regs[r], j.out.phis = value{}, j.out.phis&^(1<<r)
			changed = true
			continue
		case a.kind == pointer && b.kind == maybe:
			j.out.regs[r].kind = maybe
			changed = true
		}
		if j.old.phis>>r&1 != 0 || ok && same == b.e {
			continue
		}
		s := j.p.phi(j.block, isa.Register(r), a.kind)
		j.before[s], j.then[s] = a.e, b.e
		j.out.regs[r].e = unknown(s)
		j.out.phis |= 1 << r
		fresh = append(fresh, isa.Register(r))
		changed = true
	}
	for i, r := range fresh {
		j.candidates(r)
		for _, o := range fresh[:i] {
			j.together(r, o)
		}
	}
	return changed
}

// both adds an inequality if it holds on both ways: e, of the block's unknowns, is at most 0.
// Weaker ones than there are count as well: a loop may keep them alone.
func (j *joiner) both(e expr, ok bool) {
	if !ok || e.n == 0 || len(j.out.list) >= maxFacts || slices.Contains(j.out.list, e) || j.out.interval(e) <= 0 {
		return
	}
	if j.holds(e, j.before, j.old) && j.holds(e, j.then, j.now) {
		j.out.list = append(j.out.list, e)
	}
}

// holds reports whether an inequality of the block's unknowns holds in a state.
func (j *joiner) holds(e expr, values map[sym]expr, s *state) bool {
	at := e
	at.n, at.t, at.c = 0, [maxTerms]term{}, e.c
	for _, t := range e.t[:e.n] {
		by, ok := values[t.s]
		if !ok {
			by = unknown(t.s)
		}
		if at, ok = at.plus(by, t.k); !ok {
			return false
		}
	}
	return s.facts.holds(at)
}

// candidates tries what may hold of a register that has become an unknown: bounds that are numbers, and that it is no
// more than other registers, or no less.
func (j *joiner) candidates(r isa.Register) {
	a, b, e := j.old.regs[r].e, j.now.regs[r].e, j.out.regs[r].e
	neg := func(e expr) expr { out, _ := expr{}.plus(e, -1); return out }
	if hi := max(j.old.about(a), j.now.about(b)); hi < inf {
		j.both(e.plus(number(hi), -1))
	}
	if lo := max(j.old.about(neg(a)), j.now.about(neg(b))); lo < inf {
		j.both(neg(e).plus(number(lo), -1))
	}
	if v := j.old.regs[r]; v.kind.addr() {
		l := j.p.objects[v.obj].len
		j.difference(e, a, b, l, l, l)
	}
	for q, v := range j.out.regs {
		if isa.Register(q) != r && v.kind != nothing && v.kind.addr() == j.old.regs[r].kind.addr() && (!v.kind.addr() || v.obj == j.old.regs[r].obj) {
			j.difference(e, a, b, v.e, j.old.regs[q].e, j.now.regs[q].e)
			j.difference(v.e, j.old.regs[q].e, j.now.regs[q].e, e, a, b)
		}
	}
}

// difference tries bounds of e - o, which were a - oa and are b - ob.
func (j *joiner) difference(e, a, b, o, oa, ob expr) {
	d, ok := e.plus(o, -1)
	da, oka := a.plus(oa, -1)
	db, okb := b.plus(ob, -1)
	if !ok || !oka || !okb {
		return
	}
	hi := max(j.old.about(da), j.now.about(db))
	if hi < inf {
		j.both(d.plus(number(hi), -1))
	}
	if hi < 0 { // as behind a comparison, whatever else is known now
		j.both(d.plus(number(1), 1))
	}
	if hi <= 0 {
		j.both(d, true)
	}
}

// together tries whether two registers have gone on by the same.
func (j *joiner) together(r, q isa.Register) {
	d, ok := j.out.regs[r].e.plus(j.out.regs[q].e, -1)
	if !ok {
		return
	}
	for _, old := range []struct {
		v expr
		k int64
	}{{j.old.regs[r].e, -1}, {j.old.regs[q].e, 1}} {
		if d, ok = d.plus(old.v, old.k); !ok {
			return
		}
	}
	j.both(d, true)
	j.both(expr{}.plus(d, -1))
}

// kept reports whether an inequality of the old state holds in it: of other unknowns than those that are new it does.
func (j *joiner) kept(e expr) bool {
	for _, t := range e.t[:e.n] {
		if _, ok := j.before[t.s]; ok {
			return j.holds(e, j.before, j.old)
		}
	}
	return true
}

// facts keeps what holds on both ways.
func (j *joiner) facts() (changed bool) {
	out := j.out.list[:0]
	fresh := len(j.old.list) // what has been added holds on both
	for i, e := range j.out.list {
		if i < fresh && !(j.kept(e) && j.holds(e, j.then, j.now)) {
			changed = true
			continue
		}
		out = append(out, e)
	}
	j.out.list = out
	return changed
}
