// Implements values that are computed late: copies, sums and shifts wait in registers until something needs them, so that
// they become parts of addresses, rotations and instructions with three operands, or nothing at all.

package jit

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// form is what a register stands for that has not been computed. It is made of what machine registers of others hold, or
// its own.
type form struct {
	kind  formKind
	width uint8 // of shifts, in bits
	base  uint8 // a BPF register
	index uint8 // of a sum: added to base, times 1 << shift, if has
	has   bool
	shift uint8 // of a shift: the count
	off   int32 // of a sum
}

type formKind uint8

const (
	real   formKind = iota // the machine register holds the value
	sum                    // base + index << shift + off
	copy32                 // the lower half of base
	left                   // base << shift
	right                  // base >> shift
)

func (f *form) names(r uint8) bool {
	return f.kind != real && (f.base == r || f.has && f.index == r)
}

// copies reports whether the form is another register's value.
func (f *form) copies() bool { return f.kind == sum && !f.has && f.off == 0 }

// lazy is the registers' forms. Whatever a form names is real, or was made to wait later and has still its old value.
type lazy struct {
	forms [isa.NumRegisters]form
	any   int // how many are not real
}

func (g *guest) set(r uint8, f form) {
	if g.lazy.forms[r].kind != real {
		g.lazy.any--
	}
	if f.kind != real {
		g.lazy.any++
	}
	g.lazy.forms[r] = f
}

// formOf is what a register stands for, as something to build on.
func (g *guest) formOf(r uint8) form {
	if f := g.lazy.forms[r]; f.kind != real {
		return f
	}
	return form{kind: sum, base: r}
}

// flush computes what waits of the registers in a set, and forgets the rest.
func (g *guest) flush(live ir.Regs) {
	for r := uint8(0); g.lazy.any > 0 && r < uint8(len(g.lazy.forms)); r++ {
		if live>>r&1 != 0 {
			g.compute(r, live)
		}
	}
	if g.lazy.any > 0 {
		g.lazy = lazy{}
	}
}

// compute makes a register hold what it stands for. Forms of registers outside live may be lost.
func (g *guest) compute(r uint8, live ir.Regs) {
	f := g.lazy.forms[r]
	if f.kind == real {
		return
	}
	g.set(r, form{})
	g.spoil(r, live)
	g.put(g.regs[r], &f)
}

// spoil gets ready for a register's change: what needs its old value is computed now if it is in live, or forgotten.
func (g *guest) spoil(r uint8, live ir.Regs) {
	for p := uint8(0); g.lazy.any > 0 && p < uint8(len(g.lazy.forms)); p++ {
		switch {
		case p == r || !g.lazy.forms[p].names(r):
		case live>>p&1 != 0:
			g.compute(p, live)
		default:
			g.set(p, form{})
		}
	}
}

// put writes the computation of a form.
func (g *guest) put(to amd64.Reg, f *form) {
	base := g.regs[f.base]
	switch f.kind {
	case copy32:
		g.code.Mov(false, to, base)
		return
	case left, right:
		wide := f.width == 64
		if to != base {
			g.code.Mov(wide, to, base)
		}
		fn := isa.FnLsh
		if f.kind == right {
			fn = isa.FnRsh
		}
		g.code.ALUImm(fn, wide, to, int32(f.shift))
		return
	}
	switch {
	case f.has && f.off == 0 && f.shift == 0 && to == base:
		g.code.ALU(isa.FnAdd, true, to, g.regs[f.index])
	case f.has && f.off == 0 && f.shift == 0 && to == g.regs[f.index]:
		g.code.ALU(isa.FnAdd, true, to, base)
	case f.has, to != base && f.off != 0:
		g.code.Lea(to, g.operand(f, 0))
	case to != base:
		g.code.Mov(true, to, base)
	case f.off != 0:
		g.code.ALUImm(isa.FnAdd, true, to, f.off)
	}
}

// operand is the memory at a sum.
func (g *guest) operand(f *form, off int32) amd64.Mem {
	m := amd64.Mem{Base: g.regs[f.base], Off: f.off + off}
	if f.has {
		m.Index, m.Scale = g.regs[f.index], 1<<f.shift
	}
	return m
}

// wait makes a register stand for a form, which it may name itself. live is what matters behind the instruction.
func (g *guest) wait(r uint8, f form, live ir.Regs) {
	waits := func(n uint8) bool { return n != r && g.lazy.forms[n].kind != real }
	if waits(f.base) || f.has && waits(f.index) {
		// What the form names has an old value still: the form must not outlive that, and others may wait for r.
		g.put(amd64.R11, &f)
		g.set(r, form{})
		g.spoil(r, live)
		g.code.Mov(true, g.regs[r], amd64.R11)
		return
	}
	if f.copies() && f.base == r {
		f = form{}
	}
	g.set(r, f)
}

// lazyALU makes the result of an instruction wait, and reports whether it has. live is what matters behind it.
func (g *guest) lazyALU(in *ir.Ins, row *isa.Row, live ir.Regs) bool {
	if live>>in.Dst&1 == 0 {
		g.set(in.Dst, form{})
		return true // nobody asks for it
	}
	wide := row.Width == 64
	switch {
	case row.Fn == isa.FnMov && row.From == isa.FromReg && wide:
		f := g.formOf(in.Src)
		if f.kind != sum {
			return false
		}
		g.wait(in.Dst, f, live)
		return true
	case row.Fn == isa.FnMov && row.From == isa.FromReg:
		f := g.formOf(in.Src)
		if !f.copies() {
			return false
		}
		g.wait(in.Dst, form{kind: copy32, base: f.base}, live)
		return true
	case (row.Fn == isa.FnAdd || row.Fn == isa.FnSub) && row.From == isa.FromImm && wide:
		d := int64(int32(in.Imm))
		if row.Fn == isa.FnSub {
			d = -d
		}
		f := g.formOf(in.Dst)
		if f.kind != sum || int64(f.off)+d != int64(int32(int64(f.off)+d)) {
			return false
		}
		f.off += int32(d)
		g.wait(in.Dst, f, live)
		return true
	case row.Fn == isa.FnAdd && row.From == isa.FromReg && wide:
		f, ok := add(g.formOf(in.Dst), g.formOf(in.Src))
		if ok {
			g.wait(in.Dst, f, live)
		}
		return ok
	case (row.Fn == isa.FnLsh || row.Fn == isa.FnRsh) && row.From == isa.FromImm:
		return g.lazyShift(in, row, live)
	case row.Fn == isa.FnOr && row.From == isa.FromReg:
		return g.rotate(in, row, live)
	}
	return false
}

// add adds two forms, if the sum is one.
func add(a, b form) (form, bool) {
	if a.kind == left {
		a, b = b, a
	}
	if a.kind != sum || a.has {
		return a, false
	}
	switch {
	case b.kind == left && b.width == 64 && b.shift <= 3:
		a.index, a.shift, a.has = b.base, b.shift, true
		return a, true
	case b.kind == sum && !b.has:
		off := int64(a.off) + int64(b.off)
		a.index, a.has, a.off = b.base, true, int32(off)
		return a, off == int64(int32(off))
	}
	return a, false
}

// lazyShift makes a shift by a constant wait.
func (g *guest) lazyShift(in *ir.Ins, row *isa.Row, live ir.Regs) bool {
	count := uint8(in.Imm) & (row.Width - 1)
	f := g.formOf(in.Dst)
	if count == 0 || !f.copies() && !(f.kind == copy32 && row.Width == 32) {
		return false
	}
	kind := left
	if row.Fn == isa.FnRsh {
		kind = right
	}
	g.wait(in.Dst, form{kind: kind, width: row.Width, base: f.base, shift: count}, live)
	return true
}

// rotate writes a rotation in place of an or of two shifts of the same number.
func (g *guest) rotate(in *ir.Ins, row *isa.Row, live ir.Regs) bool {
	a, b := g.lazy.forms[in.Dst], g.lazy.forms[in.Src]
	if a.kind == right {
		a, b = b, a
	}
	if a.kind != left || b.kind != right || a.base != b.base || a.width != row.Width || b.width != row.Width || a.shift+b.shift != row.Width {
		return false
	}
	wide, dst, from := row.Width == 64, g.regs[in.Dst], g.regs[a.base]
	g.set(in.Dst, form{})
	if a.base != in.Dst && g.lazy.forms[a.base].kind != real {
		from = amd64.R11 // what spoil computes may be what is rotated
		g.code.Mov(wide, from, g.regs[a.base])
	}
	g.spoil(in.Dst, live)
	if from != dst {
		g.code.Mov(wide, dst, from)
	}
	g.code.Rotate(wide, dst, a.shift)
	return true
}

// ready computes what an arithmetic instruction needs, and what its result would spoil. It returns the register that
// holds the source.
func (g *guest) ready(in *ir.Ins, row *isa.Row, live ir.Regs) amd64.Reg {
	if g.lazy.any == 0 {
		return g.regs[in.Src]
	}
	fromReg, width := row.From == isa.FromReg, row.Width
	live |= 1 << in.Dst
	if fromReg {
		live |= 1 << in.Src
	}
	if row.Fn == isa.FnMovSX {
		width = row.Size
	}
	if row.Reads&isa.RoleDst != 0 || fromReg && in.Src == in.Dst {
		g.compute(in.Dst, live)
	}
	g.set(in.Dst, form{})
	if fromReg && !g.readable(in.Src, width) {
		g.compute(in.Src, live)
	}
	g.spoil(in.Dst, live)
	if fromReg && g.lazy.forms[in.Src].kind != real {
		return g.regs[g.lazy.forms[in.Src].base]
	}
	return g.regs[in.Src]
}

// readable reports whether some machine register holds the low width bits of a register.
func (g *guest) readable(r, width uint8) bool {
	f := &g.lazy.forms[r]
	return f.kind == real || f.copies() || f.kind == copy32 && width <= 32
}

// after returns the registers that matter behind an instruction of a block.
func (g *guest) after(i ir.Index, b *ir.Block) (live ir.Regs) {
	if i+1 < b.End {
		return g.live[i+1]
	}
	for _, next := range b.Succ {
		live |= g.live[g.p.Blocks[next].First]
	}
	return live
}

// address returns the operand at the address in a register plus an offset, for code that checks nothing. live is what
// matters behind the instruction and what it reads.
func (g *guest) address(r uint8, off int32, live ir.Regs) amd64.Mem {
	if f := &g.lazy.forms[r]; f.kind != real && !(f.kind == sum && int64(f.off)+int64(off) == int64(f.off+off)) {
		g.compute(r, live)
	}
	f := g.formOf(r)
	return g.operand(&f, off)
}

// lazyAccess writes a load or a store that needs no check.
func (g *guest) lazyAccess(in *ir.Ins, row *isa.Row, live ir.Regs) {
	if row.Kind == isa.KindLoad || row.Kind == isa.KindLoadAcq {
		live |= 1 << in.Src
		if in.Dst != in.Src {
			g.set(in.Dst, form{})
		}
		g.address(in.Src, in.Off, live)
		g.spoil(in.Dst, live)
		m := g.address(in.Src, in.Off, live)
		g.set(in.Dst, form{})
		g.code.LoadMem(row.Size, row.Signed, g.regs[in.Dst], m)
		return
	}
	live |= 1 << in.Dst
	if row.From != isa.FromReg {
		g.code.StoreImmMem(row.Size, int32(in.Imm), g.address(in.Dst, in.Off, live))
		return
	}
	live |= 1 << in.Src
	g.address(in.Dst, in.Off, live)
	if !g.readable(in.Src, row.Size) {
		g.compute(in.Src, live)
	}
	m, src := g.address(in.Dst, in.Off, live), g.regs[in.Src]
	if f := &g.lazy.forms[in.Src]; f.kind != real {
		src = g.regs[f.base]
	}
	g.code.StoreMem(row.Size, src, m)
}
