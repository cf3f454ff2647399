// Implements a second fact about programs: which registers hold the address of a known place.

package ir

import "github.com/skepbpf/skep/isa"

// PlaceKind says what is known about the value of a register.
type PlaceKind uint8

const (
	unreached PlaceKind = iota // no path leads here

	// Unknown is any value. If it is an address, it may well be that of the data: packet or plain memory.
	Unknown
	// Elsewhere is any value, too. If it is an address, it is likely that of something else than the data.
	Elsewhere
	// NearStack is any value, too. If it is an address, it is likely that of something on the stack.
	NearStack
	// OnStack is the value of R10 plus an offset, for certain.
	OnStack
	// InContext is the address of the context plus an offset, for certain.
	InContext
	// Loaded is what the wide load at instruction Off has loaded, for certain.
	Loaded
)

// Place is what is known about the value of a register.
type Place struct {
	Kind PlaceKind
	Off  int32 // of OnStack and InContext, bytes; of Loaded an Index
}

// State is what is known about all registers at some point.
type State [isa.NumRegisters]Place

// maxPlaceOff bounds the offsets that are kept, so that adding them up cannot overflow.
const maxPlaceOff = 1 << 20

// Places is the result of Program.Places.
type Places struct {
	p  *Program
	in []State // ahead of each block
}

// Places finds out where registers point, over every path (ignoring what conditions rule out). r1 is what
// the first argument is at the start.
func (p *Program) Places(r1 PlaceKind) *Places {
	a := &Places{p: p, in: make([]State, len(p.Blocks))}
	called := make([]bool, len(p.Funcs))
	for i := range p.Ins {
		if p.Ins[i].Op == isa.CallLocal {
			called[p.FuncAt(Index(p.Ins[i].Off))] = true
		}
	}
	var work []int
	for n, b := range p.Blocks {
		if b.First != p.Funcs[b.Func].Entry {
			continue
		}
		for r := range a.in[n] {
			a.in[n][r].Kind = Unknown
		}
		if a.in[n][isa.R10].Kind = OnStack; b.Func == 0 && !called[0] {
			a.in[n][isa.R1].Kind = r1
		}
		work = append(work, n)
	}
	for len(work) > 0 {
		n := work[len(work)-1]
		work = work[:len(work)-1]
		state := a.in[n]
		for i := p.Blocks[n].First; i < p.Blocks[n].End; i++ {
			a.Step(i, &state)
		}
		for _, next := range p.Blocks[n].Succ {
			if a.in[next].join(&state) {
				work = append(work, next)
			}
		}
	}
	return a
}

// In returns the state ahead of a block. Blocks that no path reaches have none: all their registers are unknown.
func (a *Places) In(block int) State {
	s := a.in[block]
	for r := range s {
		if s[r].Kind == unreached {
			s[r].Kind = Unknown
		}
	}
	return s
}

// join takes in what another path knows and reports whether anything changed. What is known only ever gets less.
func (s *State) join(by *State) bool {
	old := *s
	for r := range s {
		switch a, b := s[r], by[r]; {
		case a == b || b.Kind == unreached:
		case a.Kind == unreached:
			s[r] = b
		default:
			s[r] = Place{Kind: near(a, b)}
		}
	}
	return *s != old
}

// near is the guess at what may be one place or the other.
func near(a, b Place) PlaceKind {
	a, b = a.moved(), b.moved()
	if a.Kind == b.Kind {
		return a.Kind
	}
	return Elsewhere
}

// moved is the guess at a place that is moved by an unknown distance.
func (p Place) moved() Place {
	switch p.Kind {
	case OnStack:
		p.Kind = NearStack
	case InContext, Loaded:
		p.Kind = Elsewhere
	}
	return Place{Kind: p.Kind}
}

// Step changes a state from that ahead of instruction i to that behind it.
func (a *Places) Step(i Index, s *State) {
	in, row := &a.p.Ins[i], a.p.Row(i)
	dst, src := s[in.Dst], s[in.Src]
	w := writes(row, in)
	if row.Writes&isa.RoleArgs != 0 {
		w |= argRegs
	}
	for r := range s {
		if w>>r&1 != 0 {
			s[r] = Place{Kind: Unknown}
		}
	}
	if row.Kind == isa.KindCall && row.Op != isa.CallLocal {
		s[isa.R0].Kind = Elsewhere
	}
	if row.Kind == isa.KindLoadImm && row.Op != isa.LdImm64 {
		s[in.Dst] = Place{Loaded, int32(i)}
	}
	if row.Kind != isa.KindALU || row.Width != 64 {
		return
	}
	reg := row.From == isa.FromReg
	switch row.Fn {
	case isa.FnMov:
		if reg {
			s[in.Dst] = src
		}
	case isa.FnAdd:
		switch {
		case !reg:
			s[in.Dst] = dst.plus(int64(in.Imm))
		case dst.Kind == Unknown:
			s[in.Dst] = src.moved()
		default:
			s[in.Dst] = dst.moved()
		}
	case isa.FnSub:
		switch {
		case !reg:
			s[in.Dst] = dst.plus(-int64(in.Imm))
		default:
			s[in.Dst] = dst.moved()
		}
	}
}

// plus moves a place by a constant.
func (p Place) plus(n int64) Place {
	switch {
	case p.Kind <= NearStack:
		return p
	case p.Kind == Loaded:
		return p.moved()
	}
	off := int64(p.Off) + n
	if n < -maxPlaceOff || n > maxPlaceOff || off < -maxPlaceOff || off > maxPlaceOff {
		return p.moved()
	}
	p.Off = int32(off)
	return p
}
