// Implements the meaning of policies as decision diagrams.

package seccomp

import (
	"slices"

	"github.com/skepbpf/skep/internal/diagram"
)

// model makes diagrams over the words of a call. Their values are actions.
type model struct {
	*diagram.Space
	bigEndian bool
	variables [words]diagram.Word
}

func newModel(bigEndian bool) *model {
	m := &model{Space: diagram.New(0), bigEndian: bigEndian}
	for w := range m.variables {
		m.variables[w] = m.Variable(w)
	}
	return m
}

func (m *model) action(a Action) diagram.Node { return m.Constant(uint64(a)) }

// contradictory reports whether no call passes all tests.
func contradictory(args []Arg) bool {
	if len(args) < 2 {
		return false
	}
	m := newModel(false)
	return m.tests(args, false) == diagram.False
}

// tests returns whether all tests hold, as a function of the arguments.
func (m *model) tests(args []Arg, narrow bool) diagram.Node {
	all := diagram.True
	for _, a := range args {
		all = m.And(all, m.test(a, narrow))
	}
	return all
}

func (m *model) test(a Arg, narrow bool) diagram.Node {
	high, low := m.variables[wordArgs+2*a.Index], m.variables[wordArgs+2*a.Index+1]
	if narrow {
		high = diagram.Number(0)
	}
	number := func(v uint64) (h, l diagram.Word) { return diagram.Number(uint32(v >> 32)), diagram.Number(uint32(v)) }
	if a.Op == MaskedEqual {
		mh, ml := number(a.Mask)
		high, low = m.AndWord(high, mh), m.AndWord(low, ml)
	}
	h, l := number(a.Value)
	switch a.Op {
	case Equal, MaskedEqual:
		return m.And(m.Eq(high, h), m.Eq(low, l))
	case NotEqual:
		return m.Not(m.And(m.Eq(high, h), m.Eq(low, l)))
	case Less:
		return m.Not(m.Choose(m.Eq(high, h), m.Ge(low, l), m.Gt(high, h)))
	case GreaterEqual:
		return m.Choose(m.Eq(high, h), m.Ge(low, l), m.Gt(high, h))
	case Greater:
		return m.Choose(m.Eq(high, h), m.Gt(low, l), m.Gt(high, h))
	}
	return m.Not(m.Choose(m.Eq(high, h), m.Gt(low, l), m.Gt(high, h)))
}

// policy returns the function of a policy that has passed Check.
func (m *model) policy(p *Policy) diagram.Node {
	var tokens []uint32
	calls := map[uint32][]diagram.Interval{}
	other := m.action(p.OtherArch)
	for _, a := range p.arches() {
		token := a.Audit()
		if calls[token] == nil {
			tokens = append(tokens, token)
			calls[token] = []diagram.Interval{{First: 0, Last: noCall, Then: other}}
		}
		calls[token] = m.arch(p, a, calls[token])
	}
	slices.Sort(tokens)
	var cut []diagram.Interval
	next := uint32(0)
	for _, t := range tokens {
		if t > next {
			cut = append(cut, diagram.Interval{First: next, Last: t - 1, Then: other})
		}
		cut = append(cut, diagram.Interval{First: t, Last: t, Then: m.FromIntervals(wordNr, calls[t])})
		next = t + 1
	}
	cut = append(cut, diagram.Interval{First: next, Last: ^uint32(0), Then: other})
	return m.FromIntervals(wordArch, cut)
}

// arch puts what the policy says of an architecture's calls into the intervals of their numbers.
func (m *model) arch(p *Policy, a Arch, cut []diagram.Interval) []diagram.Interval {
	def := m.action(p.Default)
	switch a {
	case AMD64:
		cut = overlay(cut, 0, x32Bit-1, def)
	case X32:
		cut = overlay(cut, x32Bit, noCall-1, def)
	default:
		cut = overlay(cut, 0, noCall, def)
	}
	cut = overlay(cut, noCall, noCall, def)
	results := m.results(p, a)
	var numbers []uint32
	for n := range results {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	out := make([]diagram.Interval, 0, len(cut)+2*len(numbers))
	for _, c := range cut { // the numbers lie in one of the few intervals there are
		first := c.First
		for _, n := range numbers {
			if n < c.First || n > c.Last {
				continue
			}
			if n > first {
				out = append(out, diagram.Interval{First: first, Last: n - 1, Then: c.Then})
			}
			out = append(out, diagram.Interval{First: n, Last: n, Then: results[n]})
			first = n + 1
		}
		if first > c.First && first-1 == c.Last {
			continue
		}
		out = append(out, diagram.Interval{First: first, Last: c.Last, Then: c.Then})
	}
	return out
}

// overlay sets the function of an interval.
func overlay(cut []diagram.Interval, first, last uint32, then diagram.Node) []diagram.Interval {
	var out []diagram.Interval
	for _, c := range cut {
		if c.First < first {
			out = append(out, diagram.Interval{First: c.First, Last: min(c.Last, first-1), Then: c.Then})
		}
		if c.First <= first && first <= c.Last {
			out = append(out, diagram.Interval{First: first, Last: last, Then: then})
		}
		if c.Last > last {
			out = append(out, diagram.Interval{First: max(c.First, last+1), Last: c.Last, Then: c.Then})
		}
	}
	return out
}

// results returns for each number that a rule names what becomes of its calls.
func (m *model) results(p *Policy, a Arch) map[uint32]diagram.Node {
	results := map[uint32]diagram.Node{}
	get := func(n uint32) diagram.Node {
		if r, ok := results[n]; ok {
			return r
		}
		return m.action(p.Default)
	}
	for i := len(p.Rules) - 1; i >= 0; i-- {
		r := &p.Rules[i]
		action := m.action(r.Action)
		holds := m.tests(r.Args, a.Narrow())
		for _, name := range r.Syscalls {
			if n, ok := a.Number(name); ok {
				results[n] = m.Choose(holds, action, get(n))
			}
			mux, isMuxed := multiplexed[name]
			n, ok := a.Number(mux.by)
			if !isMuxed || !ok {
				continue
			}
			then := action
			if len(r.Args) > 0 {
				then = m.Combine(action, get(n), func(a, b uint64) uint64 { return uint64(stricter(Action(a), Action(b))) })
			}
			sub := m.test(Arg{Index: 0, Op: MaskedEqual, Mask: mux.mask(), Value: uint64(mux.call)}, true)
			results[n] = m.Choose(sub, then, get(n))
		}
	}
	return results
}
