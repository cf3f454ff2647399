// Implements linear expressions of unknowns, and what inequalities say about them.

package prove

import "math"

// sym is an unknown whole number.
type sym int32

// maxTerms bounds the unknowns of an expression; maxFactor their factors.
const (
	maxTerms  = 5
	maxFactor = 1 << 40
)

// inf stands for no bound; numbers from there on are as good.
const inf int64 = math.MaxInt64 / 4

type term struct {
	s sym
	k int64
}

// expr is c plus the unknowns times their factors, in the order of their numbers. Equal expressions are equal as values.
type expr struct {
	c int64
	n int
	t [maxTerms]term
}

func number(v int64) expr { return expr{c: v} }

func unknown(s sym) expr { return expr{n: 1, t: [maxTerms]term{{s, 1}}} }

func (e expr) constant() bool { return e.n == 0 }

// plus returns e + k*o, or false if it has too many terms or too large numbers.
func (e expr) plus(o expr, k int64) (out expr, ok bool) {
	if out.c, ok = mulAdd(e.c, o.c, k); !ok {
		return expr{}, false
	}
	i, j := 0, 0
	for i < e.n || j < o.n {
		var t term
		switch {
		case j == o.n || i < e.n && e.t[i].s < o.t[j].s:
			t = e.t[i]
			i++
		default:
			t.s = o.t[j].s
			base := int64(0)
			if i < e.n && e.t[i].s == t.s {
				base = e.t[i].k
				i++
			}
			if t.k, ok = mulAdd(base, o.t[j].k, k); !ok || t.k > maxFactor || t.k < -maxFactor {
				return expr{}, false
			}
			j++
		}
		if t.k == 0 {
			continue
		}
		if out.n == maxTerms {
			return expr{}, false
		}
		out.t[out.n] = t
		out.n++
	}
	return out, true
}

// mulAdd returns a + b*k, if that is no larger than what is counted as a number.
func mulAdd(a, b, k int64) (int64, bool) {
	p := b * k
	if b != 0 && (p/b != k || p > inf || p < -inf) {
		return 0, false
	}
	s := a + p
	return s, s < inf && s > -inf
}

// factor returns the factor of an unknown.
func (e expr) factor(s sym) int64 {
	for _, t := range e.t[:e.n] {
		if t.s == s {
			return t.k
		}
	}
	return 0
}

// with returns e with an expression in the place of an unknown.
func (e expr) with(s sym, by expr) (expr, bool) {
	k := e.factor(s)
	if k == 0 {
		return e, true
	}
	out, ok := e.plus(unknown(s), -k)
	if !ok {
		return out, false
	}
	return out.plus(by, k)
}

// bounds are those that an unknown always has.
type bounds struct{ lo, hi int64 }

// facts are expressions that are at most 0, and the bounds of unknowns.
type facts struct {
	list []expr
	of   *unknowns
}

// unknowns are all of a proof. work is how many sums have been tried.
type unknowns struct {
	bounds []bounds
	work   int
}

// interval returns the least upper bound of e that the bounds of unknowns give, inf if there is none.
func (f *facts) interval(e expr) int64 {
	sum := e.c
	for _, t := range e.t[:e.n] {
		b := f.of.bounds[t.s].hi
		if t.k < 0 {
			b = f.of.bounds[t.s].lo
		}
		if b >= inf || b <= -inf {
			return inf
		}
		var ok bool
		if sum, ok = mulAdd(sum, b, t.k); !ok {
			return inf
		}
	}
	return sum
}

// maxDepth is how many inequalities are added up at most, maxWork how many sums are tried for a bound, and maxInAll how many
// for a proof.
const (
	maxDepth = 5
	maxWork  = 3000
	maxInAll = 30_000_000
)

// upper returns an upper bound of e, inf if none is found. It looks no further once the bound is at most enough.
func (f *facts) upper(e expr, enough int64) int64 { return f.within(e, enough, maxDepth) }

// about is upper with few sums, for where no certain bound is asked for.
func (f *facts) about(e expr) int64 { return f.within(e, -inf, 2) }

func (f *facts) within(e expr, enough int64, most int) int64 {
	best := f.interval(e)
	for depth := 1; depth <= most && best > enough && len(f.list) > 0 && e.n > 0; depth++ {
		work := maxWork
		best = min(best, f.search(e, enough, depth, &work))
	}
	return best
}

// search tries sums of depth inequalities.
func (f *facts) search(e expr, enough int64, depth int, work *int) int64 {
	best := f.interval(e)
	if best <= enough || depth == 0 {
		return best
	}
	must := f.boundless(e)
	for i := range f.list {
		g := &f.list[i]
		for _, t := range g.t[:g.n] {
			if must >= 0 && t.s != must {
				continue
			}
			k := e.factor(t.s)
			if k == 0 || k/t.k < 1 || k%t.k != 0 {
				continue
			}
			f.of.work++
			if *work--; *work < 0 {
				return best
			}
			// e is (e - m*g) + m*g, and m*g is at most 0.
			if rest, ok := e.plus(*g, -(k / t.k)); ok {
				if best = min(best, f.search(rest, enough, depth-1, work)); best <= enough {
					return best
				}
			}
			break
		}
	}
	return best
}

// huge is a bound that nothing makes up for: an unknown that has none better has to go.
const huge = 1 << 40

// boundless returns an unknown of e without a bound that is of use, or -1.
func (f *facts) boundless(e expr) sym {
	for _, t := range e.t[:e.n] {
		if b := f.of.bounds[t.s]; t.k > 0 && b.hi >= huge || t.k < 0 && b.lo <= -huge {
			return t.s
		}
	}
	return -1
}

// holds reports whether e is at most 0.
func (f *facts) holds(e expr) bool {
	for i := range f.list {
		if g := &f.list[i]; g.c >= e.c && g.n == e.n && g.t == e.t {
			return true
		}
	}
	return f.upper(e, 0) <= 0
}

// le reports whether a + k is at most b.
func (f *facts) le(a, b expr, k int64) bool {
	d, ok := a.plus(b, -1)
	if !ok {
		return false
	}
	d.c += k
	return f.holds(d)
}

// learn adds that e is at most 0.
func (f *facts) learn(e expr) {
	if e.n == 0 || f.interval(e) <= 0 {
		return
	}
	for i, g := range f.list {
		if g.n == e.n && g.t == e.t {
			f.list[i].c = max(g.c, e.c)
			return
		}
	}
	if len(f.list) < maxFacts {
		f.list = append(f.list, e)
	}
}

// maxFacts bounds what is remembered.
const maxFacts = 200

// learnLE adds that a + k is at most b.
func (f *facts) learnLE(a, b expr, k int64) {
	if d, ok := a.plus(b, -1); ok {
		d.c += k
		f.learn(d)
	}
}

// forget drops what is known of an unknown.
func (f *facts) forget(s sym) {
	out := f.list[:0]
	for _, e := range f.list {
		if e.factor(s) == 0 {
			out = append(out, e)
		}
	}
	f.list = out
}
