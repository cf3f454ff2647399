// Implements what instructions do to what is known.

package prove

import (
	"fmt"
	"math/bits"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// result names the unknown that an instruction makes, which is at most hi. What was known of the one that it made before
// is forgotten.
func (p *prover) result(s *state, i ir.Index, hi int64) expr {
	key := slot{obj: -1 - len(p.p.Blocks), off: int64(i)}
	n, ok := p.cells[key]
	if !ok {
		n = p.fresh(0, inf)
		p.cells[key] = n
	}
	s.forget(n)
	for r := range s.regs {
		switch {
		case s.regs[r].e.factor(n) == 0:
		case s.regs[r].kind == scalar:
			s.regs[r].e = unknown(p.fresh(0, inf))
		default:
			s.regs[r] = value{}
		}
	}
	e := unknown(n)
	if hi < inf {
		s.learnLE(e, number(hi), 0)
	}
	return e
}

// step goes through an instruction that is no conditional jump.
func (p *prover) step(s *state, i ir.Index, row *isa.Row) error {
	in := &p.p.Ins[i]
	dst, src := isa.Register(in.Dst), isa.Register(in.Src)
	switch row.Kind {
	case isa.KindALU:
		p.arithmetic(s, i, row, in)
	case isa.KindGoto, isa.KindExit:
	case isa.KindLoad, isa.KindLoadAcq:
		if err := p.access(s, src, in.Off, row.Size, false); err != nil {
			return err
		}
		s.regs[dst] = p.load(s, i, src, in.Off, row)
	case isa.KindStore, isa.KindStoreRel:
		return p.access(s, dst, in.Off, row.Size, true)
	case isa.KindAtomic:
		if err := p.access(s, dst, in.Off, row.Size, true); err != nil {
			return err
		}
		switch {
		case row.Fn == isa.FnCmpxchg:
			s.regs[isa.R0] = value{kind: scalar, e: p.result(s, i, inf)}
		case row.Fetch || row.Fn == isa.FnXchg:
			s.regs[src] = value{kind: scalar, e: p.result(s, i, inf)}
		}
	case isa.KindLoadImm:
		m := p.refs(i)
		if m == nil {
			s.regs[dst] = p.imm(s, i, in.Imm)
			return nil
		}
		n, ok := p.tables[i]
		if !ok {
			n = len(p.objects)
			p.objects = append(p.objects, object{Memory: m, len: number(int64(m.Size))})
			p.tables[i] = n
		}
		s.regs[dst] = value{pointer, n, number(0)}
	default:
		return fmt.Errorf("%s is not for plain functions", row.Op)
	}
	return nil
}

// imm is a constant.
func (p *prover) imm(s *state, i ir.Index, v uint64) value {
	if v < uint64(inf) {
		return value{kind: scalar, e: number(int64(v))}
	}
	return value{kind: scalar, e: p.result(s, i, inf)}
}

// load is what a safe load gives.
func (p *prover) load(s *state, i ir.Index, src isa.Register, off int32, row *isa.Row) value {
	v := s.regs[src]
	o := &p.objects[v.obj]
	at := v.e
	at.c += int64(off)
	hi := inf
	if row.Size < 64 && !row.Signed {
		hi = 1<<row.Size - 1
	}
	if !o.Writable {
		if a, ok := p.loadFrom(v.obj, at, row.Size); ok {
			return a
		}
		if o = &p.objects[v.obj]; o.Data != nil && !row.Signed {
			hi = min(hi, o.contents(at, row.Size))
		} else if at.constant() {
			return value{kind: scalar, e: unknown(p.memory(slot{v.obj, at.c, row.Size, row.Signed}, hi))}
		}
	}
	return value{kind: scalar, e: p.result(s, i, hi)}
}

// limit is how large numbers may be that are added to each other, so that no sum is taken for another one.
const limit = 1 << 50

// arithmetic goes through an operation.
func (p *prover) arithmetic(s *state, i ir.Index, row *isa.Row, in *ir.Ins) {
	a := s.regs[in.Dst]
	b := value{kind: scalar, e: number(0)}
	switch {
	case row.From == isa.FromReg:
		b = s.regs[in.Src]
	case int64(in.Imm) > -limit && int64(in.Imm) < limit:
		b.e = number(int64(in.Imm))
	case row.Fn == isa.FnMov:
		s.regs[in.Dst] = p.imm(s, i, in.Imm)
		return
	default:
		s.regs[in.Dst] = value{kind: scalar, e: p.result(s, i, inf)}
		return
	}
	if row.Fn == isa.FnMov && (row.Width == 64 || b.kind == scalar && s.upper(b.e, 1<<32-1) < 1<<32 && s.le(number(0), b.e, 0)) {
		if b.e.constant() && b.e.c < 0 {
			b = p.imm(s, i, uint64(b.e.c))
		}
		s.regs[in.Dst] = b
		return
	}
	if row.Width == 64 {
		if v, ok := p.exact(s, row.Fn, a, b); ok {
			s.regs[in.Dst] = v
			return
		}
	}
	hi := inf
	if a.kind == scalar && b.kind == scalar {
		hi = p.limits(s, row, a.e, b.e)
	}
	e := p.result(s, i, hi)
	if row.Fn == isa.FnAnd && a.kind == scalar && a.e.factor(e.t[0].s) == 0 {
		s.learnLE(e, a.e, 0)
	}
	s.regs[in.Dst] = value{kind: scalar, e: e}
}

// exact is the result of an operation that is linear, if it cannot wrap.
func (p *prover) exact(s *state, fn isa.Fn, a, b value) (value, bool) {
	small := func(e expr) bool { return s.upper(e, limit) <= limit }
	var out expr
	var ok bool
	switch {
	case fn == isa.FnAdd && a.kind == scalar && b.kind == pointer:
		return p.exact(s, fn, b, a)
	case fn == isa.FnAdd && b.kind == scalar && a.kind != maybe:
		out, ok = a.e.plus(b.e, 1)
		ok = ok && small(b.e) && (a.kind == pointer || small(a.e))
	case fn == isa.FnSub && a.kind == pointer && b.kind == pointer && a.obj == b.obj:
		out, ok = a.e.plus(b.e, -1)
		a.kind = scalar
	case fn == isa.FnSub && b.kind == scalar && a.kind != maybe:
		out, ok = a.e.plus(b.e, -1)
		ok = ok && small(b.e)
	case fn == isa.FnMul && a.kind == scalar && b.kind == scalar && b.e.constant():
		out, ok = expr{}.plus(a.e, b.e.c)
		ok = ok && b.e.c >= 0 && small(a.e)
	case fn == isa.FnLsh && a.kind == scalar && b.e.constant() && b.kind == scalar && b.e.c >= 0 && b.e.c < 32:
		out, ok = expr{}.plus(a.e, 1<<b.e.c)
		ok = ok && small(a.e)
	}
	if !ok {
		return value{}, false
	}
	if a.kind == scalar && !(s.le(number(0), out, 0) && small(out)) {
		return value{}, false
	}
	a.e = out
	return a, true
}

// limits is an upper bound of the result of an operation on two numbers.
func (p *prover) limits(s *state, row *isa.Row, a, b expr) int64 {
	word := inf
	if row.Width == 32 {
		word = 1<<32 - 1
	}
	x, y := s.about(a), s.about(b)
	full := func(v int64) int64 { // all bits below the highest
		if v < 0 || v >= inf {
			return inf
		}
		return 1<<bits.Len64(uint64(v)) - 1
	}
	switch row.Fn {
	case isa.FnAnd:
		if b.constant() && b.c < 0 {
			return min(word, x)
		}
		return min(word, min(x, y))
	case isa.FnOr, isa.FnXor:
		if x < inf && y < inf && s.le(number(0), b, 0) {
			return min(word, full(max(x, y)))
		}
	case isa.FnRsh:
		if b.constant() && b.c >= 0 && b.c < int64(row.Width) {
			if x < inf {
				return min(word, x>>b.c)
			}
			if b.c > 2 {
				return min(word, 1<<(64-b.c)-1)
			}
		}
		return min(word, x)
	case isa.FnMod:
		if b.constant() && b.c > 0 {
			return min(word, b.c-1)
		}
		return min(word, x)
	case isa.FnDiv:
		return min(word, x)
	case isa.FnBE, isa.FnLE, isa.FnBSwap:
		if row.Size < 64 {
			return 1<<row.Size - 1
		}
	}
	return word
}
