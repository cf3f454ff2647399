// Implements filling in what wide loads stand for: addresses of maps, variables and functions.

package ir

import "github.com/skepbpf/skep/isa"

// Resolve returns a copy of p in which value has given the wide loads other than plain ones (isa.LdImm64) what
// they load, as Imm. Casts between address spaces are moves of 32 bits: pointers into an arena are guest addresses.
// Engines take it as it is.
func (p *Program) Resolve(value func(i Index, row *isa.Row) (uint64, error)) (*Program, error) {
	out := *p
	copied := false
	set := func(i int, in Ins) {
		if !copied {
			out.Ins, copied = append([]Ins(nil), p.Ins...), true
		}
		out.Ins[i] = in
	}
	for i := range p.Ins {
		row := p.Row(Index(i))
		in := p.Ins[i]
		if row.Kind == isa.KindCast {
			in.Op, in.Imm = isa.Mov32Reg, 0
			set(i, in)
			continue
		}
		if row.Kind != isa.KindLoadImm || row.Op == isa.LdImm64 {
			continue
		}
		v, err := value(Index(i), row)
		if err != nil {
			return nil, err
		}
		in.Imm = v
		set(i, in)
	}
	return &out, nil
}

// Decided returns a copy of p in which conditional jumps that always go one way, since the other leads to instructions
// that no run reaches, are plain ones.
func (p *Program) Decided(f *Facts) *Program {
	if f == nil || f.Dead == nil {
		return p
	}
	out := *p
	out.Ins = append([]Ins(nil), p.Ins...)
	for i := range out.Ins {
		in := &out.Ins[i]
		if p.Row(Index(i)).Kind != isa.KindJump || f.Dead[i] {
			continue
		}
		switch taken, not := f.Dead[in.Off], f.Dead[i+1]; {
		case taken && !not:
			*in = Ins{Op: isa.Goto, Off: int32(i) + 1}
		case not && !taken:
			*in = Ins{Op: isa.Goto, Off: in.Off}
		}
	}
	return &out
}

// Callbacks reports whether the program takes the address of one of its functions, so that helpers may call it.
func (p *Program) Callbacks() bool {
	for i := range p.Ins {
		if p.Ins[i].Op == isa.LdFunc {
			return true
		}
	}
	return false
}
