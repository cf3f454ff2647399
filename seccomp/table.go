// Implements decision tables: all that a filter does.

package seccomp

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skepbpf/skep/internal/diagram"
)

// Row of a decision table: a set of calls, and what becomes of them.
type Row struct {
	Arch        Arch   // NoArch: architectures that there is no table for
	Name        string // of the system call; "" for numbers without one
	First, Last uint32 // numbers
	Calls       string // the same for people: "read", "numbers from 472"
	// Cases are looked at in order; the last has no condition. There is one if arguments do not matter.
	Cases []Case
}

// Case is an answer and when it is given.
type Case struct {
	// When is a condition such as "arg0 == 0x10 and arg2 < 0x9"; "" means always, or in all other cases. Numbers are
	// unsigned; arg0.low is the lower half of an argument whose upper half does not matter, though it has one.
	When   string
	Action Action
}

// Table returns all that a filter does: every architecture and number is in one row. It fails with ErrTooComplex if
// that cannot be found out.
func (f *Filter) Table() ([]Row, error) {
	var rows []Row
	err := analyze(func(m *model, fs []diagram.Node) error {
		cells, err := m.cells(fs[0])
		if err != nil {
			return err
		}
		for _, c := range cells {
			rows = append(rows, Row{c.arch, c.name, c.first, c.last, c.calls(), m.cases(c)})
		}
		return nil
	}, f)
	return rows, err
}

// maxCases is how many cases of a call are told apart.
const maxCases = 200

// cases returns the cases of a cell.
func (m *model) cases(c cell) []Case {
	var out []Case
	if !m.caseOf(c.then, c.arch, nil, &out) {
		out = nil
		for _, v := range m.Values(c.then) {
			out = append(out, Case{"for some arguments", Action(v)})
		}
		return append(out[:len(out)-1], Case{"", out[len(out)-1].Action})
	}
	if len(out) > 1 { // no two cases are about the same call: those with the last one's action are "otherwise"
		rest := out[len(out)-1].Action
		out = slices.DeleteFunc(out, func(c Case) bool { return c.Action == rest })
		out = append(out, Case{Action: rest})
	}
	return out
}

// caseOf appends the cases of a function under conditions. It reports false if there are too many.
func (m *model) caseOf(f diagram.Node, arch Arch, when []string, out *[]Case) bool {
	if v, ok := m.Value(f); ok {
		text := strings.Join(when, " and ")
		if inner, ok := strings.CutPrefix(text, "("); ok && len(when) == 1 {
			text = strings.TrimSuffix(inner, ")")
		}
		*out = append(*out, Case{text, Action(v)})
		return len(*out) <= maxCases
	}
	parts := m.parts(f, arch)
	if parts == nil {
		return false
	}
	for _, p := range parts {
		if !m.caseOf(p.then, arch, append(slices.Clone(when), p.text), out) {
			return false
		}
	}
	return true
}

// part is a set of values of an argument, and the function that remains.
type part struct {
	text string
	then diagram.Node
	size int // how complicated the set is
}

// parts cuts a function by the argument that it looks at first: by intervals of its values, or by bits, whichever is
// simpler. What is most complicated comes last, as the negation of the rest.
func (m *model) parts(f diagram.Node, arch Arch) []part {
	high := m.Word(f) &^ 1
	name := fmt.Sprintf("arg%d", (high-wordArgs)/2)
	if high == wordIP {
		name = "the instruction pointer"
	}
	ranges, okR := m.ranges(f, high)
	bits, okB := m.bits(f, high)
	var best []part
	if okR {
		whole := name
		if highs, _ := m.Intervals(f, high, 1); len(highs) == 1 && !arch.Narrow() {
			whole += ".low" // the filter does not look at the high half
		}
		best = gather(ranges, func(r span64) string { return r.text(whole) }, func(r span64) string { return r.negated(whole) })
	}
	if okB {
		byBits := gather(bits, func(p bits64) string { return p.text(name, "==") }, func(p bits64) string { return p.text(name, "!=") })
		if best == nil || complexity(byBits) < complexity(best) {
			best = byBits
		}
	}
	return best
}

func complexity(parts []part) int {
	n := 0
	for _, p := range parts[:len(parts)-1] {
		n += p.size
	}
	return n
}

// set is a piece of an argument's values.
type set interface{ node() diagram.Node }

// gather puts pieces with the same function together.
func gather[S set](pieces []S, text, negated func(S) string) []part {
	var order []diagram.Node
	byNode := map[diagram.Node][]S{}
	for _, p := range pieces {
		if byNode[p.node()] == nil {
			order = append(order, p.node())
		}
		byNode[p.node()] = append(byNode[p.node()], p)
	}
	slices.SortStableFunc(order, func(a, b diagram.Node) int { return cmp.Compare(len(byNode[a]), len(byNode[b])) })
	var parts []part
	for i, n := range order {
		var texts []string
		for _, p := range byNode[n] {
			texts = append(texts, text(p))
		}
		t := strings.Join(texts, " or ")
		if len(texts) > 1 {
			t = "(" + t + ")"
		}
		if i == len(order)-1 && i > 0 { // all that the others are not
			t = "otherwise"
			if first := byNode[order[0]]; len(order) == 2 && len(first) == 1 {
				t = negated(first[0])
			}
		}
		parts = append(parts, part{t, n, len(texts)})
	}
	return parts
}

// span64 is an interval of an argument's values.
type span64 struct {
	first, last uint64
	then        diagram.Node
}

func (r span64) node() diagram.Node { return r.then }

func (r span64) text(name string) string {
	switch {
	case r.first == r.last:
		return fmt.Sprintf("%s == %#x", name, r.first)
	case r.first == 0:
		return fmt.Sprintf("%s <= %#x", name, r.last)
	case r.last == ^uint64(0):
		return fmt.Sprintf("%s >= %#x", name, r.first)
	}
	return fmt.Sprintf("%#x <= %s <= %#x", r.first, name, r.last)
}

func (r span64) negated(name string) string {
	switch {
	case r.first == r.last:
		return fmt.Sprintf("%s != %#x", name, r.first)
	case r.first == 0:
		return fmt.Sprintf("%s > %#x", name, r.last)
	case r.last == ^uint64(0):
		return fmt.Sprintf("%s < %#x", name, r.first)
	}
	return fmt.Sprintf("(%s < %#x or %s > %#x)", name, r.first, name, r.last)
}

// bits64 is a set of an argument's values that have certain bits.
type bits64 struct {
	mask, value uint64
	then        diagram.Node
}

func (p bits64) node() diagram.Node { return p.then }

func (p bits64) text(name, op string) string {
	if p.mask == ^uint64(0) {
		return fmt.Sprintf("%s %s %#x", name, op, p.value)
	}
	return fmt.Sprintf("%s & %#x %s %#x", name, p.mask, op, p.value)
}

// most64 is how many pieces of an argument's values are told apart.
const most64 = 64

// ranges cuts an argument's values into intervals.
func (m *model) ranges(f diagram.Node, high int) ([]span64, bool) {
	var out []span64
	narrow := true // no test of the high half
	highs, ok := m.Intervals(f, high, most64)
	for _, h := range highs {
		narrow = narrow && len(highs) == 1
		lows, okLow := m.Intervals(h.Then, high+1, most64)
		ok = ok && okLow
		for _, l := range lows {
			first, last := uint64(h.First)<<32|uint64(l.First), uint64(h.Last)<<32|uint64(l.Last)
			if h.First != h.Last && (l.First != 0 || l.Last != ^uint32(0)) {
				if !narrow { // the same low halves under many high ones: no interval
					return nil, false
				}
				first, last = uint64(l.First), uint64(l.Last)
				if l.Last == ^uint32(0) {
					last = ^uint64(0)
				}
			}
			if n := len(out); n > 0 && out[n-1].then == l.Then && out[n-1].last+1 == first {
				out[n-1].last = last
			} else {
				out = append(out, span64{first, last, l.Then})
			}
		}
	}
	return out, ok && len(out) <= most64
}

// bits cuts an argument's values by bits.
func (m *model) bits(f diagram.Node, high int) ([]bits64, bool) {
	var out []bits64
	highs, ok := m.Patterns(f, high, most64)
	for _, h := range highs {
		lows, okLow := m.Patterns(h.Then, high+1, most64)
		ok = ok && okLow
		for _, l := range lows {
			out = append(out, bits64{uint64(h.Mask)<<32 | uint64(l.Mask), uint64(h.Bits)<<32 | uint64(l.Bits), l.Then})
		}
	}
	return out, ok && len(out) <= most64
}
