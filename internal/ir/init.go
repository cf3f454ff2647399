// Implements a first fact about programs: which register reads are certain to find a value.

package ir

import "github.com/skepbpf/skep/isa"

// Regs is a set of registers, bit n standing for Rn.
type Regs uint16

const (
	argRegs   Regs = 0x3e  // R1 to R5
	savedRegs Regs = 0x3c0 // R6 to R9
	allRegs   Regs = 0x7ff
)

// roles turns the roles of a row into the registers of an instruction.
func roles(set isa.Roles, in *Ins) (r Regs) {
	if set&isa.RoleDst != 0 {
		r |= 1 << in.Dst
	}
	if set&isa.RoleSrc != 0 {
		r |= 1 << in.Src
	}
	if set&isa.RoleR0 != 0 {
		r |= 1 << isa.R0
	}
	if set&isa.RoleR6 != 0 {
		r |= 1 << isa.R6
	}
	if set&isa.RoleArgs != 0 {
		r |= argRegs
	}
	return r
}

func writes(row *isa.Row, in *Ins) Regs { return roles(row.Writes, in) }

// Reads returns the registers that instruction i reads. Calls list none of their arguments and exit lists
// R0 in the main function alone: what a function returns need not be read.
func (p *Program) Reads(i Index) Regs {
	row := p.Row(i)
	if row.Kind == isa.KindExit && i >= p.Funcs[0].End {
		return 0
	}
	return roles(row.Reads, &p.Ins[i])
}

// After returns the registers that hold a value after instruction i, when those of before held one ahead
// of it. For local calls the callee decides about R0; here it counts as set.
func (p *Program) After(i Index, before Regs) Regs {
	row := p.Row(i)
	w := writes(row, &p.Ins[i])
	if row.Writes&isa.RoleArgs != 0 {
		before &^= argRegs
		w &^= argRegs
	}
	return before | w
}

// Uninitialized returns the first instruction that may read a register nothing has written on some path
// from the start (ignoring what conditions rule out), with the registers in question; ok is false when
// there is none, and then no run of the program can read an unset register. entry lists the registers set
// at the start besides R10.
func (p *Program) Uninitialized(entry Regs) (at Index, regs Regs, ok bool) {
	a := newInitAnalysis(p, entry)
	a.run()
	for n, b := range p.Blocks {
		state := a.in[n]
		for i := b.First; i < b.End; i++ {
			if missing := p.Reads(i) &^ state; missing != 0 {
				return i, missing, true
			}
			state = a.step(i, state)
		}
	}
	return 0, 0, false
}

// initAnalysis computes the greatest fixed point over all functions at once: in[b] is what every path to
// block b has set, entry[f] what every call of f passes, exit[f] whether every return of f has set R0. Each
// only ever loses registers, so a block is looked at some dozen times at the most.
type initAnalysis struct {
	p           *Program
	in          []Regs
	entry, exit []Regs
	first       []int   // entry block of each function
	callers     [][]int // blocks that call each function
	work        []int   // blocks to look at
	queued      []bool
}

func newInitAnalysis(p *Program, entry Regs) *initAnalysis {
	a := &initAnalysis{p: p, in: make([]Regs, len(p.Blocks)), queued: make([]bool, len(p.Blocks)),
		entry: make([]Regs, len(p.Funcs)), exit: make([]Regs, len(p.Funcs)),
		first: make([]int, len(p.Funcs)), callers: make([][]int, len(p.Funcs))}
	for f := range a.entry {
		a.entry[f], a.exit[f] = allRegs&^(savedRegs|1), 1
	}
	a.entry[0] = entry | 1<<isa.R10
	for n := len(p.Blocks) - 1; n >= 0; n-- { // the first is looked at first
		b := p.Blocks[n]
		a.in[n] = allRegs
		a.push(n)
		if b.First == p.Funcs[b.Func].Entry {
			a.first[b.Func] = n
		}
		for i := b.First; i < b.End; i++ {
			if p.Ins[i].Op == isa.CallLocal {
				f := p.FuncAt(Index(p.Ins[i].Off))
				a.callers[f] = append(a.callers[f], n)
			}
		}
	}
	return a
}

func (a *initAnalysis) push(block int) {
	if !a.queued[block] {
		a.queued[block] = true
		a.work = append(a.work, block)
	}
}

func (a *initAnalysis) run() {
	for len(a.work) > 0 {
		n := a.work[len(a.work)-1]
		a.work = a.work[:len(a.work)-1]
		a.queued[n] = false
		a.block(n)
	}
}

// step is After with what is known about callees.
func (a *initAnalysis) step(i Index, state Regs) Regs {
	after := a.p.After(i, state)
	if a.p.Ins[i].Op == isa.CallLocal {
		after = after&^1 | a.exit[a.p.FuncAt(Index(a.p.Ins[i].Off))]
	}
	return after
}

// narrow takes from a set what by lacks, and reports whether that was anything.
func narrow(set *Regs, by Regs) bool {
	old := *set
	*set &= by
	return *set != old
}

// block hands what a block leaves set to its successors, its callees and its callers.
func (a *initAnalysis) block(n int) {
	b := a.p.Blocks[n]
	if n == a.first[b.Func] {
		a.in[n] &= a.entry[b.Func]
	}
	state := a.in[n]
	for i := b.First; i < b.End; i++ {
		switch a.p.Ins[i].Op {
		case isa.CallLocal:
			if f := a.p.FuncAt(Index(a.p.Ins[i].Off)); narrow(&a.entry[f], state&argRegs|1<<isa.R10) {
				a.push(a.first[f])
			}
		case isa.Exit:
			if narrow(&a.exit[b.Func], state&1) {
				for _, c := range a.callers[b.Func] {
					a.push(c)
				}
			}
		}
		state = a.step(i, state)
	}
	for _, s := range b.Succ {
		if narrow(&a.in[s], state) {
			a.push(s)
		}
	}
}
