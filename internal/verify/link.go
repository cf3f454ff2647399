// Implements numbers that are copies of each other, or differ by a constant: what one learns the others learn.

package verify

import (
	"github.com/skepbpf/skep/internal/value"
)

// maxLinked bounds how many registers learn from each other; others are set apart.
const maxLinked = 6

// linkedTo returns where the numbers with the identities of src and dst are.
func (v *verifier) linkedTo(src, dst *reg, fromReg bool) []place {
	var out []place
	if fromReg && src.kind == Scalar && src.id != 0 {
		out = v.collect(out, src.id)
	}
	if dst.kind == Scalar && dst.id != 0 && !(fromReg && src.kind == Scalar && src.id == dst.id) {
		out = v.collect(out, dst.id)
	}
	return out
}

// collect appends the places of numbers with an identity.
func (v *verifier) collect(out []place, id uint32) []place {
	for f := len(v.cur.frames) - 1; f >= 0; f-- {
		fr := v.cur.frames[f]
		for r := 0; r < 10; r++ {
			if x := &fr.regs[r]; x.id == id && x.kind == Scalar {
				out = v.add(out, place{uint8(f), false, uint8(r)}, x)
			}
		}
		for n := range fr.stack {
			if sl := &fr.stack[n]; sl.bytes[7] == byteSpill && sl.reg.id == id && sl.reg.kind == Scalar {
				out = v.add(out, place{uint8(f), true, uint8(n)}, &sl.reg)
			}
		}
	}
	return out
}

func (v *verifier) add(out []place, p place, r *reg) []place {
	if len(out) == maxLinked {
		r.id, r.flags, r.off = 0, 0, 0
		return out
	}
	return append(out, p)
}

// at returns the register at a place.
func (s *state) register(p place) *reg {
	if p.slot {
		return &s.frames[p.frame].stack[p.n].reg
	}
	return &s.frames[p.frame].regs[p.n]
}

// learn gives what is known of a number to those linked to it.
func (s *state) learn(known *reg, linked []place) {
	for _, p := range linked {
		r := s.register(p)
		if r == known || r.kind != Scalar || r.id != known.id {
			continue
		}
		if r.flags&scalarFlags == known.flags&scalarFlags && r.off == known.off {
			precise := r.precise
			*r = *known
			r.precise = precise
			continue
		}
		width := uint8(64)
		if (r.flags|known.flags)&narrow != 0 {
			if r.has(addConst) && known.has(addConst) && r.flags&narrow != known.flags&narrow {
				continue // one may have wrapped around where the other has not
			}
			width = 32
		}
		n := known.Scalar
		delta := value.Const(uint64(int64(r.delta()) - int64(known.delta())))
		n.Add(&delta, width)
		n.Repair()
		r.Scalar = n
	}
}

// delta is how much a number is above the one that gave it its identity.
func (r *reg) delta() int32 {
	if r.has(addConst) {
		return r.off
	}
	return 0
}
