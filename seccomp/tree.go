// Implements the choice of tests: from a function of calls to a tree, or rather a graph, of comparisons.

package seccomp

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/skepbpf/skep/internal/diagram"
	"github.com/skepbpf/skep/isa"
)

// test is a question that one jump instruction can ask: word & mask op k.
type test struct {
	word int
	mask uint32 // all ones: none
	fn   isa.Fn // FnEq, FnGe or FnSet
	k    uint32
}

// block is a piece of the program: an answer, or a test and where it leads. Equal blocks are one.
type block struct {
	answer  bool
	action  Action
	test    test
	yes, no *block
}

// builder makes blocks.
type builder struct {
	*model
	blocks map[block]*block
	built  map[diagram.Node][]coverage
	asked  map[test]diagram.Node
	work   int
	weight map[uint64]float64 // how often calls come, by architecture number and number; may be nil
}

// coverage tells for which calls a block gives a function's answer.
type coverage struct {
	care  diagram.Node
	block *block
}

func newBuilder(m *model) *builder {
	return &builder{model: m, blocks: map[block]*block{}, built: map[diagram.Node][]coverage{}, asked: map[test]diagram.Node{}}
}

func (b *builder) share(k block) *block {
	if k.yes != nil && k.yes == k.no {
		return k.yes
	}
	p, ok := b.blocks[k]
	if !ok {
		p = &k
		b.blocks[k] = p
	}
	return p
}

func (b *builder) answer(n diagram.Node) *block {
	v, ok := b.Value(n)
	if !ok {
		panic("seccomp: a function that is not constant is taken for an answer")
	}
	return b.share(block{answer: true, action: Action(v)})
}

// holds returns a test as a function.
func (b *builder) holds(t test) diagram.Node {
	n, ok := b.asked[t]
	if !ok {
		w := b.variables[t.word]
		if t.mask != ^uint32(0) {
			w = b.AndWord(w, diagram.Number(t.mask))
		}
		switch k := diagram.Number(t.k); t.fn {
		case isa.FnEq:
			n = b.Eq(w, k)
		case isa.FnGe:
			n = b.Ge(w, k)
		default:
			n = b.Set(w, k)
		}
		b.asked[t] = n
	}
	return n
}

// arguments returns a block that answers as f does for all calls in care; f looks at arguments only, and the given
// tests tell all that it depends on. loaded is the word that was asked about last.
func (b *builder) arguments(f, care diagram.Node, tests []test, loaded int) *block {
	f = b.Restrict(f, care)
	if _, ok := b.Value(f); ok {
		return b.answer(f)
	}
	for _, c := range b.built[f] {
		if b.And(care, b.Not(c.care)) == diagram.False {
			return c.block
		}
	}
	if p := b.manyValues(f, care, tests); p != nil {
		return p
	}
	use, left := b.best(f, care, tests, loaded)
	c := b.holds(use)
	p := b.share(block{test: use,
		yes: b.arguments(f, b.And(care, c), left, use.word),
		no:  b.arguments(f, b.And(care, b.Not(c)), left, use.word)})
	b.built[f] = append(b.built[f], coverage{care, p})
	return p
}

// many is the number of tests of a word from which on its values are searched like numbers of calls.
const many = 8

// manyValues returns what arguments does for a function that has many tests of the word that it looks at first, or
// nil if it has not, or if they are no comparisons.
func (b *builder) manyValues(f, care diagram.Node, tests []test) *block {
	w := b.Word(f)
	n := 0
	for _, t := range tests {
		if t.word == w {
			n++
		}
	}
	if n < many {
		return nil
	}
	cut, ok := b.Intervals(f, w, 2*n+1)
	if !ok {
		return nil
	}
	spans := make([]span, len(cut))
	for i, c := range cut {
		in := b.And(care, b.Ge(b.variables[w], diagram.Number(c.First)))
		if c.Last != ^uint32(0) {
			in = b.And(in, b.Not(b.Ge(b.variables[w], diagram.Number(c.Last+1))))
		}
		if in == diagram.False {
			in = diagram.True
		}
		spans[i] = span{c.First, c.Last, b.arguments(c.Then, in, tests, w), 1}
	}
	p := b.numbers(w, spans)
	b.built[f] = append(b.built[f], coverage{care, p})
	return p
}

// maxWork bounds the search for good tests, in nodes looked at.
const maxWork = 50e6

// best returns the test that leaves least to be found out, and the tests that tell something at all.
func (b *builder) best(f, care diagram.Node, tests []test, loaded int) (use test, left []test) {
	type choice struct {
		larger, sum, reload int
	}
	var best choice
	for _, t := range tests {
		c := b.holds(t)
		yes, no := b.And(care, c), b.And(care, b.Not(c))
		if yes == diagram.False || no == diagram.False {
			continue
		}
		left = append(left, t)
		sy, sn := b.Size(b.Restrict(f, yes)), b.Size(b.Restrict(f, no))
		if b.work += sy + sn; b.work > maxWork {
			panic(diagram.ErrTooLarge)
		}
		this := choice{max(sy, sn), sy + sn, 0}
		if t.word != loaded {
			this.reload = 1
		}
		if use == (test{}) || this.larger < best.larger || this.larger == best.larger &&
			(this.sum < best.sum || this.sum == best.sum && this.reload < best.reload) {
			best, use = this, t
		}
	}
	if use == (test{}) {
		panic("seccomp: the tests of a policy do not tell what it says")
	}
	return use, left
}

// testsOf returns the questions that decide a policy's tests of arguments, fewest instructions first.
func testsOf(args []Arg, narrow bool) []test {
	const all = ^uint32(0)
	set := map[test]bool{}
	points := map[int][]uint32{}
	ask := func(word int, mask uint32, fn isa.Fn, k uint32) {
		if fn == isa.FnGe && k == 0 || mask == 0 {
			return
		}
		if fn == isa.FnEq && mask != all && k == 0 {
			fn, mask, k = isa.FnSet, all, mask
		} else if fn == isa.FnEq && k == mask && bits.OnesCount32(mask) == 1 {
			fn, mask, k = isa.FnSet, all, mask
		}
		set[test{word, mask, fn, k}] = true
		if fn == isa.FnEq && mask == all {
			points[word] = append(points[word], k)
		}
	}
	for _, a := range args {
		high, low := wordArgs+2*a.Index, wordArgs+2*a.Index+1
		h, l := uint32(a.Value>>32), uint32(a.Value)
		switch a.Op {
		case MaskedEqual:
			ask(high, uint32(a.Mask>>32), isa.FnEq, h)
			ask(low, uint32(a.Mask), isa.FnEq, l)
			continue
		case Equal, NotEqual:
			ask(low, all, isa.FnEq, l)
		case Less, GreaterEqual:
			ask(low, all, isa.FnGe, l)
			ask(high, all, isa.FnGe, h)
		case Greater, LessEqual:
			if l != all {
				ask(low, all, isa.FnGe, l+1)
			}
			ask(high, all, isa.FnGe, h)
		}
		ask(high, all, isa.FnEq, h)
		if h != all {
			ask(high, all, isa.FnGe, h+1)
		}
	}
	for word, ks := range points { // of many points, a comparison leaves half
		slices.Sort(ks)
		if ks = slices.Compact(ks); len(ks) > 3 && len(ks) < many {
			for _, k := range ks {
				ask(word, all, isa.FnGe, k)
			}
		}
	}
	tests := slices.SortedFunc(maps.Keys(set), func(a, b test) int {
		return slices.Compare([]uint32{uint32(a.word), ^a.mask, uint32(a.fn), a.k}, []uint32{uint32(b.word), ^b.mask, uint32(b.fn), b.k})
	})
	if narrow {
		tests = slices.DeleteFunc(tests, func(t test) bool { return t.word&1 == 0 })
	}
	return tests
}

// span is an interval of numbers and where its calls go on.
type span struct {
	first, last uint32
	then        *block
	weight      float64
}

// numbers returns a block that goes on by the value of a word: a search tree in which a span's depth is, but for two
// steps at the most, the logarithm of how rare it is, and of how many there are.
func (b *builder) numbers(word int, spans []span) *block {
	if len(spans) == 1 {
		return spans[0].then
	}
	ask := func(fn isa.Fn, k uint32, yes, no *block) *block {
		return b.share(block{test: test{word, ^uint32(0), fn, k}, yes: yes, no: no})
	}
	total := 0.0
	for _, s := range spans {
		total += s.weight
	}
	for i, s := range spans { // one that is more than half of all, or one in the midst of others
		if s.first != s.last || len(spans) > 3 && s.weight*2 <= total {
			continue
		}
		rest := without(spans, i)
		if len(rest) == 1 || s.weight*2 > total {
			return ask(isa.FnEq, s.first, s.then, b.numbers(word, rest))
		}
	}
	cut, sum := 1, spans[0].weight
	for cut < len(spans)-1 && sum+spans[cut].weight/2 <= total/2 {
		sum += spans[cut].weight
		cut++
	}
	return ask(isa.FnGe, spans[cut].first, b.numbers(word, spans[cut:]), b.numbers(word, spans[:cut]))
}

// without returns the spans when one, of a single number, has been dealt with: its neighbour takes its place, and
// neighbours that lead to the same place become one.
func without(spans []span, i int) []span {
	var out []span
	for j, s := range spans {
		switch {
		case j == i && j > 0:
			out[len(out)-1].last = s.last
		case j == i:
		case j == 1 && i == 0:
			s.first = spans[0].first
			out = append(out, s)
		case len(out) > 0 && out[len(out)-1].then == s.then:
			out[len(out)-1].last = s.last
			out[len(out)-1].weight += s.weight
		default:
			out = append(out, s)
		}
	}
	return out
}

// program returns the block that a whole policy begins with.
func (b *builder) program(p *Policy, f diagram.Node) (*block, error) {
	tokens, ok := b.Intervals(f, wordArch, 2*len(archRows))
	if !ok {
		return nil, fmt.Errorf("seccomp: more architectures than there are")
	}
	start := b.answer(b.action(p.OtherArch))
	order := p.arches()
	for i := len(order) - 1; i >= 0; i-- {
		a := order[i]
		at := slices.IndexFunc(tokens, func(c diagram.Interval) bool { return c.First <= a.Audit() && a.Audit() <= c.Last })
		if slices.ContainsFunc(order[:i], func(o Arch) bool { return o.Audit() == a.Audit() }) {
			continue // amd64 and x32
		}
		calls, err := b.calls(p, a, tokens[at].Then)
		if err != nil {
			return nil, err
		}
		start = b.share(block{test: test{wordArch, ^uint32(0), isa.FnEq, a.Audit()}, yes: calls, no: start})
	}
	return start, nil
}

// maxSpans is how many intervals of numbers there may be: more than there are calls, of which each is up to two.
const maxSpans = 4096

// calls returns the block that goes on by the number, for an architecture and those that share its number.
func (b *builder) calls(p *Policy, a Arch, f diagram.Node) (*block, error) {
	cut, ok := b.Intervals(f, wordNr, maxSpans)
	if !ok {
		return nil, fmt.Errorf("seccomp: more than %d intervals of numbers", maxSpans)
	}
	spans := make([]span, len(cut))
	total := 0.0
	for i, c := range cut {
		var questions []test
		if _, ok := b.Value(c.Then); !ok {
			questions = p.questions(a.Audit(), c.First)
		}
		spans[i] = span{first: c.First, last: c.Last, then: b.arguments(c.Then, diagram.True, questions, wordNr)}
		for nr, w := range b.weight {
			if uint32(nr>>32) == a.Audit() && c.First <= uint32(nr) && uint32(nr) <= c.Last {
				spans[i].weight += w
				total += w
			}
		}
	}
	for i := range spans { // the rarest count as if one in that many calls went there
		spans[i].weight = spans[i].weight/max(total, 1) + 1/float64(len(spans))
	}
	return b.numbers(wordNr, spans), nil
}

// questions returns the tests that decide a call.
func (p *Policy) questions(audit, nr uint32) []test {
	var args []Arg
	narrow := false
	for _, a := range p.arches() {
		if a.Audit() != audit || !a.has(nr) {
			continue
		}
		narrow = a.Narrow()
		for i := range p.Rules {
			for _, name := range p.Rules[i].Syscalls {
				if n, ok := a.Number(name); ok && n == nr {
					args = append(args, p.Rules[i].Args...)
				}
				m := multiplexed[name]
				if n, ok := a.Number(m.by); ok && n == nr {
					args = append(args, Arg{Op: MaskedEqual, Mask: m.mask(), Value: uint64(m.call)})
				}
			}
		}
	}
	return testsOf(args, narrow)
}
