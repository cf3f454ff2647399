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
	a := initAnalysis{p: p, in: make([]Regs, len(p.Blocks)), entry: make([]Regs, len(p.Funcs)), exit: make([]Regs, len(p.Funcs))}
	for i := range a.in {
		a.in[i] = allRegs
	}
	for i := range a.entry {
		a.entry[i], a.exit[i] = allRegs, 1
	}
	a.entry[0] = entry | 1<<isa.R10
	for n := 1; n < len(a.entry); n++ {
		a.entry[n] &^= savedRegs | 1<<isa.R0
	}
	for a.pass() {
	}
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
// block b has set, entry[f] what every call of f passes, exit[f] whether every return of f has set R0.
type initAnalysis struct {
	p           *Program
	in          []Regs
	entry, exit []Regs
}

// step is After with what is known about callees.
func (a *initAnalysis) step(i Index, state Regs) Regs {
	after := a.p.After(i, state)
	if a.p.Ins[i].Op == isa.CallLocal {
		after = after&^1 | a.exit[a.p.FuncAt(Index(a.p.Ins[i].Off))]
	}
	return after
}

func (a *initAnalysis) pass() (changed bool) {
	narrow := func(to *Regs, by Regs) {
		if *to&by != *to {
			*to &= by
			changed = true
		}
	}
	for n, b := range a.p.Blocks {
		if b.First == a.p.Funcs[b.Func].Entry {
			narrow(&a.in[n], a.entry[b.Func])
		}
		state := a.in[n]
		for i := b.First; i < b.End; i++ {
			switch op := a.p.Ins[i].Op; op {
			case isa.CallLocal:
				narrow(&a.entry[a.p.FuncAt(Index(a.p.Ins[i].Off))], state&argRegs|1<<isa.R10)
			case isa.Exit:
				narrow(&a.exit[b.Func], state&1)
			}
			state = a.step(i, state)
		}
		for _, s := range b.Succ {
			narrow(&a.in[s], state)
		}
	}
	return changed
}
