// Implements the code of rule sets.

package event

import (
	"slices"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// ruleWriter writes the code of a rule set with an index.
type ruleWriter struct {
	*gen
	roots []*node
	x     *index
	hit   []emit.Label // where to go when a rule holds
	none  emit.Label
}

// lookUp finds the row of each field, and goes through the rules that are in all of them, a word at a time. The numbers
// of the rows, 16 bits each, are in one register.
func (w *ruleWriter) lookUp() {
	rows := w.alloc()
	w.constant(rows, 0)
	for i := range w.x.fields {
		w.find(&w.x.fields[i], rows, 16*i)
	}
	for n := range w.x.bytes / 8 {
		if w.empty(n) {
			continue
		}
		w.word(rows, n)
	}
	w.release(rows)
	w.goTo(w.none)
}

// empty reports whether no row of some field has a rule of a word.
func (w *ruleWriter) empty(n int) bool {
	return slices.ContainsFunc(w.x.fields, func(f indexed) bool {
		for r := range f.rows {
			if f.word(r, n) != 0 {
				return false
			}
		}
		return true
	})
}

// find puts the number of the row that a field's value leads to into a register, from some bit on.
func (w *ruleWriter) find(f *indexed, rows reg, shift int) {
	missing, join := w.c.Label(), w.c.Label()
	to := map[int]emit.Label{f.none: missing}
	label := func(row int) emit.Label {
		l, ok := to[row]
		if !ok {
			l = w.c.Label()
			to[row] = l
		}
		return l
	}
	if f.n.kind.text() {
		w.findText(f, label, missing)
	} else {
		r := w.take(w.value(f.n, missing))
		if f.n.kind != Uint {
			t := w.alloc()
			w.constant(t, 1<<63)
			w.op(isa.Xor64Reg, r, t, 0, 0)
			w.release(t)
		}
		var cases []emit.Case
		for _, v := range f.ranges {
			cases = append(cases, emit.Case{Lo: v.lo, Hi: v.hi, To: label(v.row)})
		}
		w.search(r, cases, missing)
		w.release(r)
	}
	t := w.alloc()
	var order []int
	for row := range to {
		order = append(order, row)
	}
	slices.Sort(order)
	for _, row := range order {
		w.bind(to[row])
		if row != 0 && w.live {
			w.constant(t, uint64(row)<<shift)
			w.op(isa.Or64Reg, rows, t, 0, 0)
		}
		w.goTo(join)
	}
	w.release(t)
	w.bind(join)
}

func (w *ruleWriter) findText(f *indexed, label func(int) emit.Label, missing emit.Label) {
	t := w.measured(w.textOf(f.n, missing))
	other := label(f.other)
	size := w.sizeReg(t)
	var sizes []int
	for n := range f.texts {
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	var cases []emit.Case
	for _, n := range sizes {
		cases = append(cases, emit.Case{Lo: uint64(n), Hi: uint64(n), To: w.c.Label()})
	}
	w.search(size, cases, other)
	for i, n := range sizes {
		w.bind(cases[i].To)
		var list []textCase
		for _, r := range f.texts[n] {
			list = append(list, textCase{r.text, label(r.n)})
		}
		w.sameSize(t, list, chunks(n), other)
	}
	if t.fixed {
		w.release(size)
	}
	w.drop(t)
}

// word judges the rules of a word that all rows have.
func (w *ruleWriter) word(rows reg, n int) {
	x, t := w.alloc(), w.alloc()
	for i := range w.x.fields {
		f := &w.x.fields[i]
		to := t
		if i == 0 {
			to = x
		}
		w.op(isa.Mov64Reg, to, rows, 0, 0)
		if i > 0 {
			w.op(isa.Rsh64Imm, to, 0, 0, int32(16*i))
		}
		w.op(isa.And64Imm, to, 0, 0, int32(f.room()-1))
		w.op(isa.Mul64Imm, to, 0, 0, int32(w.x.bytes))
		base := w.alloc()
		if w.live {
			w.c.Table(base, f.table())
		}
		w.op(isa.Add64Reg, to, base, 0, 0)
		w.release(base)
		w.op(isa.Ldx64, to, to, 8*n, 0)
		if i > 0 {
			w.op(isa.And64Reg, x, t, 0, 0)
		}
	}
	next := w.c.Label()
	w.ifConst(emit.Eq, x, 0, next)
	w.forget()
	again := w.head()
	// The lowest bit is the first rule.
	w.op(isa.Mov64Reg, t, x, 0, 0)
	w.op(isa.Neg64, t, 0, 0, 0)
	w.op(isa.And64Reg, t, x, 0, 0)
	var cases []emit.Case
	var bits []int
	for b := range 64 {
		if 64*n+b < len(w.roots) {
			cases = append(cases, emit.Case{Lo: 1 << b, Hi: 1 << b, To: w.c.Label()})
			bits = append(bits, b)
		}
	}
	w.search(t, cases, next)
	w.release(t)
	for i, b := range bits {
		w.bind(cases[i].To)
		w.judge(64*n+b, x, b, again, next)
	}
	w.release(x)
	w.bind(next)
}

// judge judges what is left of a rule; if it does not hold, its bit goes, and again has the next.
func (w *ruleWriter) judge(rule int, x reg, bit int, again, next emit.Label) {
	failed := w.c.Label()
	left := w.x.left[rule]
	if w.fits(left) {
		w.cond(left, ways{w.hit[rule], failed, failed, failed})
	} else {
		w.goTo(w.punt) // it needs registers that the set uses: Go judges the record
	}
	w.bind(failed)
	if !w.live {
		return
	}
	t := w.alloc()
	w.constant(t, ^uint64(1<<bit))
	w.op(isa.And64Reg, x, t, 0, 0)
	w.release(t)
	w.ifConst(emit.Eq, x, 0, next)
	w.jumpBack(again)
}

// fits reports whether a rule finds enough registers beside the two that the set holds.
func (w *ruleWriter) fits(n *node) bool {
	g := newGen(emit.New(""), w.s)
	g.alloc()
	g.alloc()
	t, f := g.c.Label(), g.c.Label()
	g.cond(n, ways{t, f, f, t})
	return g.err == nil || g.err.Error() != tooManyRegisters
}

// forget forgets what registers hold.
func (g *gen) forget() {
	for r := range g.regs {
		g.regs[r].key = key{}
	}
}
