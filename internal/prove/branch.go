// Implements what jumps tell.

package prove

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// fork returns the states behind a conditional jump.
func (p *prover) fork(s *state, i ir.Index, row *isa.Row, b *ir.Block) []end {
	in := &p.p.Ins[i]
	var out []end
	for n, next := range b.Succ {
		first := p.p.Blocks[next].First
		taken, falls := first == ir.Index(in.Off), first == i+1
		t := s
		if n+1 < len(b.Succ) {
			t = s.clone()
		}
		possible := true
		if taken != falls {
			possible = p.assume(t, row, in, taken)
		}
		if possible {
			out = append(out, end{next, t})
		}
	}
	return out
}

// opposite is the comparison that holds where another does not.
var opposite = map[isa.Fn]isa.Fn{isa.FnEq: isa.FnNe, isa.FnNe: isa.FnEq, isa.FnGt: isa.FnLe, isa.FnGe: isa.FnLt, isa.FnLt: isa.FnGe, isa.FnLe: isa.FnGt}

// assume makes known that a comparison holds, or does not. It reports whether that is possible, as far as it knows.
func (p *prover) assume(s *state, row *isa.Row, in *ir.Ins, holds bool) bool {
	fn := row.Fn
	if !holds {
		fn = opposite[fn]
	}
	if _, ok := opposite[fn]; !ok || row.Width != 64 {
		return true // comparisons of signed numbers, of bits and of halves tell nothing
	}
	a := s.regs[in.Dst]
	b := value{scalar, 0, number(int64(in.Imm))}
	switch {
	case row.From == isa.FromReg:
		b = s.regs[in.Src]
	case in.Imm == 0 && a.kind == maybe:
		if fn == isa.FnNe {
			s.regs[in.Dst].kind = pointer
		}
		return true
	case in.Imm >= uint64(inf):
		return true
	}
	if a.kind != b.kind || a.kind == maybe || a.kind == pointer && (a.obj != b.obj || !p.inOrder(s, a) || !p.inOrder(s, b)) {
		return true
	}
	f := &s.facts
	if d, ok := b.e.plus(a.e, -1); ok && (fn == isa.FnLt || fn == isa.FnLe) || ok && (fn == isa.FnGt || fn == isa.FnGe) {
		if fn == isa.FnGt || fn == isa.FnGe {
			d, _ = a.e.plus(b.e, -1)
		}
		if most := f.about(d); most < 0 || most == 0 && (fn == isa.FnLt || fn == isa.FnGt) {
			return false
		}
	}
	switch fn {
	case isa.FnEq:
		f.learnLE(a.e, b.e, 0)
		f.learnLE(b.e, a.e, 0)
		return !f.le(a.e, b.e, 1) && !f.le(b.e, a.e, 1)
	case isa.FnNe:
		below, above := f.le(a.e, b.e, 0), f.le(b.e, a.e, 0)
		switch {
		case below && above:
			return false
		case below:
			f.learnLE(a.e, b.e, 1)
		case above:
			f.learnLE(b.e, a.e, 1)
		}
	case isa.FnLt:
		f.learnLE(a.e, b.e, 1)
	case isa.FnLe:
		f.learnLE(a.e, b.e, 0)
	case isa.FnGt:
		f.learnLE(b.e, a.e, 1)
	case isa.FnGe:
		f.learnLE(b.e, a.e, 0)
	}
	return true
}

// inOrder reports whether addresses in an object compare as their offsets: they do if none is below 0. Memory begins at
// lowest at least, unless it is empty.
func (p *prover) inOrder(s *state, v value) bool {
	if !s.le(v.e, p.objects[v.obj].len, -limit) {
		return false
	}
	if s.le(number(0), v.e, 0) {
		return true
	}
	return s.le(number(-lowest), v.e, 0) && s.le(number(1), p.objects[v.obj].len, 0)
}
