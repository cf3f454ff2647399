// Implements the state of code generation: which registers hold what, and jumps that keep track of it.

package event

import (
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// gen writes the code of predicates. R1 is the address of the record, R2, if records are bytes, its length. The code
// is to be a plain Go function: it uses neither R8 nor the stack.
//
// What is loaded stays in its register until that is needed, so that the next test of the same field finds it. What
// registers hold at a label is what they hold on all ways there.
type gen struct {
	c      *emit.Code
	s      *Schema
	regs   state
	clock  int
	live   bool // something leads here
	at     map[emit.Label]*state
	paths  map[string]int // numbers of the pointers that fields are reached by
	punt   emit.Label     // where to go for what the code leaves to Go
	used   map[emit.Label]bool
	loops  bool // something jumps back
	tables int  // bytes of automata's tables
	err    error
}

// state is what registers hold.
type state [isa.NumRegisters]slot

type slot struct {
	key  key
	held int // how many want it to stay
	last int // when it was used
}

// key says what a register holds. The zero value is nothing anybody looks for.
type key struct {
	what part
	n    int // field or path
}

// part is a part of a field's value.
type part uint8

const (
	nothing part = iota
	number
	textAt   // address of a text
	textSize // bytes it has
	textLen  // bytes up to the first NUL
	high     // the upper half of a pair, and of a number that is one
	low
	pointer // what a path leads to
)

// none is no label.
const none = emit.Label(-1)

// reg is a register.
type reg = isa.Register

func newGen(c *emit.Code, s *Schema) *gen {
	return &gen{c: c, s: s, live: true, at: map[emit.Label]*state{}, paths: map[string]int{}, used: map[emit.Label]bool{}, punt: c.Label()}
}

// pool is the registers that values are put in.
func (g *gen) pool() []reg {
	if g.s.host {
		return []reg{isa.R2, isa.R3, isa.R4, isa.R5, isa.R0, isa.R6, isa.R7, isa.R9}
	}
	return []reg{isa.R3, isa.R4, isa.R5, isa.R0, isa.R6, isa.R7, isa.R9}
}

// alloc returns a register to use, which the caller holds.
func (g *gen) alloc() reg {
	best, found := isa.R0, false
	for _, r := range g.pool() {
		s := &g.regs[r]
		if s.held > 0 {
			continue
		}
		if b := &g.regs[best]; !found || b.key != (key{}) && (s.key == (key{}) || s.last < b.last) {
			best, found = r, true
		}
	}
	if !found && g.err == nil {
		g.err = &Error{Text: tooManyRegisters}
	}
	g.regs[best] = slot{held: 1}
	return best
}

// tooManyRegisters is the error of expressions for which registers do not suffice.
const tooManyRegisters = "the expression needs more registers than there are"

func (g *gen) hold(r reg) reg {
	g.regs[r].held++
	g.clock++
	g.regs[r].last = g.clock
	return r
}

func (g *gen) release(list ...reg) {
	for _, r := range list {
		if g.regs[r].held > 0 {
			g.regs[r].held--
		}
	}
}

// cached returns the register that holds something, held.
func (g *gen) cached(k key) (reg, bool) {
	for _, r := range g.pool() {
		if g.regs[r].key == k {
			return g.hold(r), true
		}
	}
	return 0, false
}

// keep says what a register holds, so that it is found.
func (g *gen) keep(r reg, k key) reg {
	g.regs[r].key = k
	g.clock++
	g.regs[r].last = g.clock
	return r
}

// take makes a held register one that may be changed: itself if nobody else holds it, else a copy.
func (g *gen) take(r reg) reg {
	if r != isa.R1 && g.regs[r].held == 1 {
		g.regs[r].key = key{}
		return r
	}
	out := g.alloc()
	g.op(isa.Mov64Reg, out, r, 0, 0)
	g.release(r)
	return out
}

// copyOf is take for a register that is to stay as it is.
func (g *gen) copyOf(r reg) reg {
	out := g.alloc()
	g.op(isa.Mov64Reg, out, r, 0, 0)
	return out
}

func (g *gen) op(op isa.Op, dst, src reg, off int, imm int32) {
	if int(int16(off)) != off && g.err == nil {
		g.err = &Error{Text: "a text lies too far from the start of its record"}
	}
	if g.live {
		g.c.Op(op, dst, src, int16(off), imm)
	}
}

func (g *gen) constant(dst reg, v uint64) {
	if g.live {
		g.c.Const(dst, v)
	}
}

// leads says that a jump goes to a label from here.
func (g *gen) leads(l emit.Label) {
	g.used[l] = true
	old := g.at[l]
	if old == nil {
		now := g.regs
		for r := range now {
			now[r].held = 0
		}
		g.at[l] = &now
		return
	}
	old.meet(&g.regs)
}

// meet forgets what is not the same in both.
func (s *state) meet(o *state) {
	for r := range s {
		if s[r].key != o[r].key {
			s[r].key = key{}
		}
	}
}

// goTo jumps.
func (g *gen) goTo(l emit.Label) {
	if !g.live {
		return
	}
	g.leads(l)
	g.c.Goto(l)
	g.live = false
}

// bind puts a label here.
func (g *gen) bind(l emit.Label) {
	g.c.Bind(l)
	before := g.at[l]
	switch {
	case before == nil:
		return
	case g.live:
		g.regs.meet(before)
	default:
		held := g.regs
		g.regs = *before
		for r := range g.regs {
			g.regs[r].held = held[r].held
		}
	}
	g.live = true
}

// head puts a label here that something further on jumps back to.
func (g *gen) head() emit.Label {
	l := g.c.Label()
	g.c.Bind(l)
	g.loops = true
	return l
}

// back jumps back to a head on a condition. No register may have been given away since.
func (g *gen) back(cond emit.Cond, a, b reg, l emit.Label) {
	if g.live {
		g.c.If(cond, a, b, l)
	}
}

// ifReg jumps on a condition of two registers.
func (g *gen) ifReg(cond emit.Cond, a, b reg, l emit.Label) {
	if g.live {
		g.leads(l)
		g.c.If(cond, a, b, l)
	}
}

// ifConst jumps on a condition of a register and a constant.
func (g *gen) ifConst(cond emit.Cond, a reg, v uint64, l emit.Label) {
	if !g.live {
		return
	}
	if v == uint64(int64(int32(v))) {
		g.leads(l)
		g.c.IfConst(cond, a, v, 0, l)
		return
	}
	spare := g.alloc()
	g.constant(spare, v)
	g.ifReg(cond, a, spare, l)
	g.release(spare)
}

// choose goes to t or f by a condition of a register and a constant; fall is the one that comes next.
func (g *gen) choose(cond emit.Cond, a reg, v uint64, t, f, fall emit.Label) {
	if fall == t && cond != emit.Set {
		g.ifConst(cond.Inverse(), a, v, f)
		return
	}
	g.ifConst(cond, a, v, t)
	g.end(f, fall)
}

// chooseReg is choose for two registers.
func (g *gen) chooseReg(cond emit.Cond, a, b reg, t, f, fall emit.Label) {
	if fall == t && cond != emit.Set {
		g.ifReg(cond.Inverse(), a, b, f)
		return
	}
	g.ifReg(cond, a, b, t)
	g.end(f, fall)
}

// end goes to l unless that comes next.
func (g *gen) end(l, fall emit.Label) {
	if l != fall {
		g.goTo(l)
	}
}

// search goes to a case's label by the number in a register.
func (g *gen) search(r reg, cases []emit.Case, other emit.Label) {
	if !g.live {
		return
	}
	spare := g.alloc()
	for _, k := range cases {
		g.leads(k.To)
	}
	g.leads(other)
	g.c.Search(r, cases, spare, other)
	g.release(spare)
	g.live = false
}
