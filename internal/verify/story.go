// Implements stories: how the register at fault came to be what it is, or which way the program went.

package verify

import (
	"fmt"
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// story is told from the last moment of a path back. The last moment is that of the fault.
type story struct {
	v       *verifier
	moments []moment
	steps   []Step
	lost    loss
}

// loss says how an address became unusable.
type loss uint8

const (
	notLost loss = iota
	lostByPacket
	lostByRelease
	lostByCall
)

// add puts a step at the beginning, unless there is one of the same instruction, as in loops.
func (s *story) add(n int, text string) {
	slot := s.v.p.Slots[s.moments[n].at]
	if len(s.steps) < maxStory && !slices.ContainsFunc(s.steps, func(t Step) bool { return t.Slot == slot }) {
		s.steps = slices.Insert(s.steps, 0, Step{Slot: slot, Text: text, Line: s.v.p.Line(s.moments[n].at)})
	}
}

// text is the instruction of a moment, with the way that a jump went.
func (s *story) text(n int) string {
	at := s.moments[n].at
	text := s.v.text(at)
	if s.v.rows[at].Kind == isa.KindJump {
		if s.moments[n+1].at == at+1 {
			return text + ", not taken"
		}
		return text + ", taken"
	}
	return text
}

// follow tells where a register's value came from.
func (s *story) follow(r int) {
	v := s.v
	last := len(s.moments) - 1
	depth := s.moments[last].depth
	for n := last - 1; n >= 0 && len(s.steps) < maxStory; n-- {
		m, next := &s.moments[n], &s.moments[n+1]
		in, row := &v.p.Ins[m.at], v.rows[m.at]
		switch {
		case m.depth < depth && next.depth == depth: // what has called the function
			if r == 0 || r > 5 {
				return
			}
			if row.Op != isa.CallLocal {
				s.add(n, fmt.Sprintf("%s: R%d is what it passes to the function, %s", v.text(m.at), r, next.regs[r].inWords(v)))
				return
			}
			depth = m.depth
			continue
		case m.depth > depth && next.depth == depth && row.Kind == isa.KindExit && r == 0: // what the function has returned
			depth = m.depth
			continue
		case m.depth != depth || next.depth != depth:
			continue
		}
		before, after := &m.regs[r], &next.regs[r]
		if sameValue(before, after) {
			continue
		}
		s.add(n, s.text(n)+s.outcome(r, before, after, row))
		if r, n = s.origin(n, r, before, in, row, depth); n < 0 {
			return
		}
	}
}

// origin returns the register and the moment to go on with behind the change of register r, or a moment below 0.
func (s *story) origin(n, r int, before *reg, in *ir.Ins, row *isa.Row, depth int) (int, int) {
	switch {
	case row.Kind == isa.KindJump:
		return r, n
	case row.Kind == isa.KindALU && row.Fn == isa.FnMov && row.From == isa.FromReg && int(in.Dst) == r:
		return int(in.Src), n
	case row.Kind == isa.KindALU && row.Fn != isa.FnMov && row.Fn != isa.FnMovSX && int(in.Dst) == r:
		if row.From == isa.FromReg && before.pointer() {
			return int(in.Src), n // what was added is what matters
		}
		return r, n
	case row.Kind == isa.KindLoad && in.Src == uint8(isa.R10):
		if k := spilledAt(s.v, s.moments[:n], in, depth); k >= 0 {
			return int(s.v.p.Ins[s.moments[k].at].Src), k + 1
		}
	}
	return r, -1
}

// outcome says what a register is after an instruction.
func (s *story) outcome(r int, before, after *reg, row *isa.Row) string {
	call := row.Kind == isa.KindCall || row.Kind == isa.KindPacket
	switch {
	case call && r > 0 && r <= 5:
		if s.lost == notLost {
			s.lost = lostByCall
		}
		return fmt.Sprintf(" leaves R%d unreadable, as every call does R1 to R5", r)
	case call && r > 0 && before.packetAny() && !after.packetAny():
		s.lost = lostByPacket
		return fmt.Sprintf(" may move the packet: R%d is no address any more", r)
	case call && r > 0 && before.ref != 0 && after.ref == 0 && !after.pointer():
		s.lost = lostByRelease
		return fmt.Sprintf(" releases it: R%d is no address any more", r)
	}
	text := fmt.Sprintf(": R%d is then %s", r, after.inWords(s.v))
	if bounded(before) && after.kind == Scalar && !bounded(after) {
		text += ": its bounds are lost"
	}
	return text
}

// bounded reports whether a number is known well enough to be an offset.
func bounded(r *reg) bool {
	return r.kind == Scalar && r.SMin > -1<<40 && r.SMax < 1<<40
}

// spilledAt returns the moment at which the slot that a load reads was stored, or -1.
func spilledAt(v *verifier, moments []moment, load *ir.Ins, depth int) int {
	for n := len(moments) - 1; n >= 0; n-- {
		in, row := &v.p.Ins[moments[n].at], v.rows[moments[n].at]
		if moments[n].depth == depth && row.Kind == isa.KindStore && in.Dst == uint8(isa.R10) && in.Off == load.Off && row.From == isa.FromReg {
			return n
		}
	}
	return -1
}

// tooShort tells of the comparison with the packet's end that has come out against the access through x, and reports whether there was one.
func (s *story) tooShort(x *reg) bool {
	for n := len(s.moments) - 2; n >= 0; n-- {
		at := s.moments[n].at
		in, row := &s.v.p.Ins[at], s.v.rows[at]
		if row.Kind != isa.KindJump || row.From != isa.FromReg {
			continue
		}
		for _, r := range [2]uint8{in.Dst, in.Src} {
			before, after := &s.moments[n].regs[r], &s.moments[n+1].regs[r]
			if after.inPacket() && after.n < 0 && before.n >= 0 && after.id == x.id {
				most := "fewer than"
				if after.n == atEnd {
					most = "at most"
				}
				s.steps = append(s.steps, Step{Slot: s.v.p.Slots[at], Line: s.v.p.Line(at),
					Text: fmt.Sprintf("%s: the packet has %s %d bytes there", s.text(n), most, int64(after.off)+int64(after.UMax))})
				return true
			}
		}
	}
	return false
}

// acquired tells what is still held, and the way the program went since it was taken.
func (s *story) acquired() {
	refs := s.v.cur.refs
	if len(refs) == 0 {
		return
	}
	at := refs[len(refs)-1].at
	n := len(s.moments) - 1
	for n > 0 && s.moments[n].at != at {
		n--
	}
	s.decisions(n)
	what := "what it gives must be released"
	if refs[len(refs)-1].kind != refObject {
		what = "what it begins must be ended"
	}
	s.steps = slices.Insert(s.steps, 0, Step{Slot: s.v.p.Slots[at], Line: s.v.p.Line(at), Text: s.v.text(at) + ": " + what})
}

// decisions tells the last jumps since a moment that were not certain to go the way they went.
func (s *story) decisions(since int) {
	for n := len(s.moments) - 2; n >= since && len(s.steps) < maxStory/2; n-- {
		m := &s.moments[n]
		in, row := &s.v.p.Ins[m.at], s.v.rows[m.at]
		if row.Kind != isa.KindJump || m.regs[in.Dst].constant() && row.From == isa.FromImm {
			continue
		}
		s.add(n, s.text(n))
	}
}
