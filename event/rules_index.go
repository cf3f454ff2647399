// Implements the index of a rule set: for what many rules ask of a field, the rules that each value leaves.

package event

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"slices"
)

// index is the fields that rules are chosen by.
type index struct {
	fields []indexed
	bytes  int // of a row: a bit for each rule
	left   []*node
	exact  int // rules without anything left to judge
}

// indexed is a field, and the rows that its values lead to: the rules that may hold then.
type indexed struct {
	n      *node // the field
	rows   [][]byte
	none   int           // row of what is not there
	ranges []valueRange  // of numbers; all numbers are in one
	texts  map[int][]row // of texts, by size
	other  int           // row of other texts
}

// valueRange is a range of numbers and its row. Signed numbers are moved so that they are ordered as unsigned ones.
type valueRange struct {
	lo, hi uint64
	row    int
}

type row struct {
	text string
	n    int
}

// The index is worth its cost for at least so many rules, of which a share has a test of a field.
const (
	indexRules  = 12
	indexFields = 4
)

// term is what a rule asks of a field: that a number is in ranges, or a text one of some.
type term struct {
	rule   int
	ranges [][2]uint64
	texts  []string
}

// newIndex makes the index of rules of records of s.
func newIndex(s *Schema, roots []*node) *index {
	x := &index{bytes: (len(roots) + 63) / 64 * 8, left: slices.Clone(roots)}
	if len(roots) < indexRules {
		return x
	}
	counts := map[int]int{}
	for _, root := range roots {
		seen := map[int]bool{}
		for _, n := range conjuncts(root) {
			if _, ok := s.term(n); ok && !seen[n.args[0].field] {
				seen[n.args[0].field] = true
				counts[n.args[0].field]++
			}
		}
	}
	var order []int
	for f, n := range counts {
		if n >= 4 && n*16 >= len(roots) {
			order = append(order, f)
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(counts[b]-counts[a], a-b) })
	for _, f := range order[:min(len(order), indexFields)] {
		x.add(s, f, roots)
	}
	for _, n := range x.left {
		if n.op == opConst {
			x.exact++
		}
	}
	return x
}

func (x *index) names(s *Schema) (out []string) {
	for i := range x.fields {
		out = append(out, s.Fields[x.fields[i].n.field].Name)
	}
	return out
}

// conjuncts are what must all be true for n to be.
func conjuncts(n *node) []*node {
	if n.op == opAnd {
		return n.args
	}
	return []*node{n}
}

// moved is a number as an unsigned one in the same order.
func moved(k Kind, v int64) uint64 {
	if k == Uint {
		return uint64(v)
	}
	return uint64(v) ^ 1<<63
}

// term returns what a test asks of a field, if it says nothing else.
func (s *Schema) term(n *node) (term, bool) {
	if (n.op != opCompare && n.op != opIn) || n.args[0].op != opField || n.args[0].raw {
		return term{}, false
	}
	k := n.args[0].kind
	switch {
	case k.text():
		return textTerm(n)
	case !k.integer():
		return term{}, false
	}
	var t term
	if n.op == opIn {
		for _, v := range n.list {
			u := moved(k, v.i)
			t.ranges = append(t.ranges, [2]uint64{u, u})
		}
		t.ranges = merge(t.ranges)
		return t, true
	}
	c := n.args[1]
	if c.op != opConst || c.val.kind == Float {
		return t, false
	}
	v := new(big.Int).Set(c.val.rat().Num())
	if !fitsKind(k, v) {
		return t, false
	}
	u := moved(k, int64(v.Uint64()))
	if k != Uint {
		u = moved(k, v.Int64())
	}
	t.ranges = rangesOf(n.cmp, u)
	return t, true
}

// rangesOf are the numbers that compare with u.
func rangesOf(op Comparison, u uint64) [][2]uint64 {
	const top = math.MaxUint64
	var out [][2]uint64
	if op == Less || op == LessEqual || op == NotEqual {
		switch {
		case op == LessEqual:
			out = append(out, [2]uint64{0, u})
		case u > 0:
			out = append(out, [2]uint64{0, u - 1})
		}
	}
	if op == Equal {
		out = append(out, [2]uint64{u, u})
	}
	if op == Greater || op == GreaterEqual || op == NotEqual {
		switch {
		case op == GreaterEqual:
			out = append(out, [2]uint64{u, top})
		case u < top:
			out = append(out, [2]uint64{u + 1, top})
		}
	}
	return out
}

func textTerm(n *node) (term, bool) {
	var t term
	switch {
	case n.op == opIn:
		for _, v := range n.list {
			t.texts = append(t.texts, v.s)
		}
	case n.cmp == Equal && n.args[1].op == opConst:
		t.texts = []string{n.args[1].val.s}
	default:
		return t, false
	}
	return t, !slices.ContainsFunc(t.texts, func(s string) bool { return len(s) > maxText })
}

// add adds a field: each rule's first test of it goes into the index, and is not judged again.
func (x *index) add(s *Schema, field int, roots []*node) {
	f := indexed{texts: map[int][]row{}}
	base := make([]byte, x.bytes) // rules that do not ask
	var terms []term
	for i := range roots {
		terms = x.take(s, field, i, base, terms, &f)
	}
	known := map[string]int{}
	number := func(bits []byte) int {
		n, ok := known[string(bits)]
		if !ok {
			n = len(f.rows)
			known[string(bits)] = n
			f.rows = append(f.rows, bits)
		}
		return n
	}
	f.none = number(base)
	if f.n.kind.text() {
		f.addTexts(base, terms, number)
	} else {
		f.addRanges(base, terms, number)
	}
	if len(f.rows) <= math.MaxUint16 {
		x.fields = append(x.fields, f)
	}
}

// take takes a rule's first test of a field out of what is left to judge, or sets the rule's bit in base if there is none.
func (x *index) take(s *Schema, field, rule int, base []byte, terms []term, f *indexed) []term {
	args := conjuncts(x.left[rule])
	for i, n := range args {
		if n.op != opCompare && n.op != opIn || n.args[0].op != opField || n.args[0].field != field {
			continue
		}
		t, ok := s.term(n)
		if !ok {
			continue
		}
		t.rule = rule
		f.n = n.args[0]
		rest := slices.Delete(slices.Clone(args), i, i+1)
		x.left[rule] = many(&node{op: opAnd, args: rest, kind: Bool, fails: slices.ContainsFunc(rest, func(n *node) bool { return n.fails })})
		return append(terms, t)
	}
	setBit(base, rule)
	return terms
}

func setBit(bits []byte, n int) { bits[n/8] |= 1 << (n % 8) }

func (f *indexed) addTexts(base []byte, terms []term, number func([]byte) int) {
	f.other = f.none
	byText := map[string][]byte{}
	for _, t := range terms {
		for _, s := range t.texts {
			if byText[s] == nil {
				byText[s] = slices.Clone(base)
			}
			setBit(byText[s], t.rule)
		}
	}
	var texts []string
	for s := range byText {
		texts = append(texts, s)
	}
	slices.Sort(texts)
	for _, s := range texts {
		f.texts[len(s)] = append(f.texts[len(s)], row{s, number(byText[s])})
	}
}

func (f *indexed) addRanges(base []byte, terms []term, number func([]byte) int) {
	cuts := []uint64{0}
	for _, t := range terms {
		for _, r := range t.ranges {
			cuts = append(cuts, r[0])
			if r[1] != math.MaxUint64 {
				cuts = append(cuts, r[1]+1)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	rows := make([][]byte, len(cuts))
	for i := range rows {
		rows[i] = slices.Clone(base)
	}
	for _, t := range terms {
		for _, r := range t.ranges {
			i, _ := slices.BinarySearch(cuts, r[0])
			for ; i < len(cuts) && cuts[i] <= r[1]; i++ {
				setBit(rows[i], t.rule)
			}
		}
	}
	for i, lo := range cuts {
		hi := uint64(math.MaxUint64)
		if i+1 < len(cuts) {
			hi = cuts[i+1] - 1
		}
		f.ranges = append(f.ranges, valueRange{lo, hi, number(rows[i])})
	}
}

// table is the rows of a field as bytes.
func (f *indexed) table() []byte {
	out := slices.Concat(f.rows...)
	return append(out, make([]byte, f.room()*len(f.rows[0])-len(out))...)
}

// room is how many rows the table has: as many as there are numbers of so many bits, so that none is outside.
func (f *indexed) room() int { return 1 << bits.Len(uint(len(f.rows)-1)) }

// word is a word of a row.
func (f *indexed) word(row, w int) uint64 { return binary.LittleEndian.Uint64(f.rows[row][8*w:]) }
