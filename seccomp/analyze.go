// Implements the analysis of filters: all calls, sorted by architecture and number into cells of one behaviour.

package seccomp

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/internal/diagram"
)

// ErrTooComplex says that a filter calculates so much with its input that all of its behaviour cannot be listed.
// Such filters are rare: those that compare arguments with each other, or multiply them.
var ErrTooComplex = errors.New("the filter calculates too much to tell all that it does")

// cell is a set of calls, with numbers from first to last, and a function of their arguments.
type cell struct {
	arch        Arch // NoArch: of no architecture there is a table for
	audit       diagram.Interval
	first, last uint32
	name        string // of the system call, if there is one and first is last
	then        diagram.Node
}

// most is how many intervals of a word are listed.
const most = 1 << 14

// analyze calls do with a model that suits the filters and their functions in it.
func analyze(do func(m *model, fs []diagram.Node) error, filters ...*Filter) error {
	err := diagram.Guard(func() error {
		for _, bigEndian := range []bool{false, true} {
			m := newModel(bigEndian)
			var fs []diagram.Node
			for _, f := range filters {
				fs = append(fs, m.filter(f.code))
			}
			if !bigEndian && m.allBigEndian(fs) {
				continue // it is right either way, but simpler with the high halves first
			}
			return do(m, fs)
		}
		return nil
	})
	if errors.Is(err, diagram.ErrTooLarge) {
		return ErrTooComplex
	}
	return err
}

// allBigEndian reports whether functions tell apart architectures, all of them big-endian.
func (m *model) allBigEndian(fs []diagram.Node) bool {
	some := false
	for _, f := range fs {
		cut, _ := m.Intervals(f, wordArch, most)
		for _, c := range cut {
			if c.First == c.Last {
				if c.First&littleEndian != 0 {
					return false
				}
				some = true
			}
		}
	}
	return some
}

// data returns the call with given words, whose halves lie as the model has them.
func (m *model) data(w []uint32) Data {
	d := dataOf(w)
	if m.bigEndian != (d.Arch&littleEndian == 0) {
		d.IP = d.IP<<32 | d.IP>>32
		for i, a := range d.Args {
			d.Args[i] = a<<32 | a>>32
		}
	}
	return d
}

// cells returns all calls, by what f says of them.
func (m *model) cells(f diagram.Node) ([]cell, error) {
	tokens, ok := m.Intervals(f, wordArch, most)
	if !ok {
		return nil, ErrTooComplex
	}
	var out []cell
	for _, t := range tokens {
		cut, ok := m.Intervals(t.Then, wordNr, most)
		if !ok {
			return nil, ErrTooComplex
		}
		for _, c := range cut {
			out = append(out, name(t, c)...)
		}
	}
	return out, nil
}

// name cuts the calls of an interval of numbers into those that have names, and the rest.
func name(t, c diagram.Interval) []cell {
	if t.First != t.Last || ArchOf(t.First, 0) == NoArch && ArchOf(t.First, x32Bit) == NoArch {
		return []cell{{audit: t, first: c.First, last: c.Last, then: c.Then}}
	}
	var out []cell
	next := c.First
	rest := func(last uint32) {
		for next <= last { // amd64 and x32 are apart, and so is the number that is none
			end := last
			for _, edge := range []uint32{x32Bit - 1, noCall - 1} {
				if ArchOf(t.First, x32Bit) == X32 && next <= edge && edge < end {
					end = edge
				}
			}
			out = append(out, cell{ArchOf(t.First, next), t, next, end, "", c.Then})
			if next = end + 1; next == 0 {
				return
			}
		}
	}
	for _, a := range []Arch{ArchOf(t.First, 0), ArchOf(t.First, x32Bit)} {
		for _, n := range a.numbers() {
			if n < next || n > c.Last {
				continue
			}
			if n > next {
				rest(n - 1)
			}
			out = append(out, cell{a, t, n, n, a.Name(n), c.Then})
			next = n + 1
		}
	}
	if next <= c.Last {
		rest(c.Last)
	}
	return out
}

// numbers returns the numbers of the architecture's calls, in order.
func (a Arch) numbers() []uint32 {
	if a == NoArch {
		return nil
	}
	t := syscalls().tables[archRows[a].table]
	t.sort.Do(func() {
		for n := range t.name {
			t.sorted = append(t.sorted, n)
		}
		slices.Sort(t.sorted)
	})
	return t.sorted
}

// calls names the calls of a cell.
func (c *cell) calls() string {
	switch {
	case c.name != "":
		return c.name
	case c.first == c.last && c.first == noCall:
		return "number -1"
	case c.first == c.last:
		return fmt.Sprint("number ", c.first)
	case c.first == 0 && c.last == noCall:
		return "all calls"
	case c.last == noCall, c.last == noCall-1, c.last == x32Bit-1 && c.arch == AMD64:
		return fmt.Sprint("numbers from ", c.first)
	}
	return fmt.Sprintf("numbers %d to %d", c.first, c.last)
}

// Difference is a set of calls that two filters answer differently.
type Difference struct {
	Arch        Arch   // NoArch: architectures that there is no table for
	Name        string // of the system call; "" for numbers without one
	First, Last uint32 // numbers
	Calls       string // the same for people: "read", "numbers from 472"
	A, B        Action // what the first and the second filter answer
	Example     Data   // a call of the set, with those answers
	// Always says that all calls of the set are answered so, whatever their arguments.
	Always bool
}

// Diff returns the calls that two filters answer differently: a difference for each system call and each pair of
// answers to it. None at all is a proof that the filters are equal. It fails with ErrTooComplex if that cannot be
// found out.
func Diff(a, b *Filter) ([]Difference, error) {
	var out []Difference
	err := analyze(func(m *model, fs []diagram.Node) error {
		if fs[0] == fs[1] {
			return nil
		}
		pairs := m.Combine(fs[0], fs[1], func(a, b uint64) uint64 {
			if a == b {
				return 0
			}
			return a<<32 | b
		})
		cells, err := m.cells(pairs)
		if err != nil {
			return err
		}
		for _, c := range cells {
			out = append(out, m.differences(c)...)
		}
		return nil
	}, a, b)
	return out, err
}

// differences returns what two filters answer differently among a cell's calls.
func (m *model) differences(c cell) []Difference {
	var out []Difference
	values := m.Values(c.then)
	slices.Sort(values)
	for _, v := range values {
		if v == 0 {
			continue
		}
		w, _ := m.Find(c.then, v, words)
		w[wordArch], w[wordNr] = c.audit.First, c.first
		out = append(out, Difference{Arch: c.arch, Name: c.name, First: c.first, Last: c.last, Calls: c.calls(),
			A: Action(v >> 32), B: Action(v), Example: m.data(w), Always: len(values) == 1})
	}
	return out
}
