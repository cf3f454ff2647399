// Implements explanations: how the register at fault came to be what it is, told from the path that led to the fault.

package verify

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// maxStory is how many steps a story has at most, maxReplay how far back it can go, in instructions.
const (
	maxStory  = 6
	maxReplay = 4096
)

// Step is a step of a story: an instruction and what it did.
type Step struct {
	Slot ir.Slot
	Text string     // the instruction as it is written, and what was known afterwards
	Line *spec.Line // of its source; nil if not known
}

// String returns the step in one line.
func (s Step) String() string {
	place := ""
	if s.Line != nil && s.Line.Line > 0 {
		place = fmt.Sprintf(" (%s:%d)", s.Line.File, s.Line.Line)
	}
	return fmt.Sprintf("instruction %d%s: %s", s.Slot, place, s.Text)
}

// explain completes an error by the story of its register, or of the path, and by what would help.
func (v *verifier) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	if !tells(e) {
		return addHint(err)
	}
	path := v.path()
	if len(path) > 0 && path[0] == 0 { // else of a function that is called after the program has ended
		if moments := v.replay(path); len(moments) > 0 {
			v.story(e, moments)
		}
	}
	return addHint(err)
}

// tells reports whether there is a story behind an error.
func tells(e *Error) bool {
	switch e.Code {
	case Unreleased, LockHeld, UnreadRegister, UninitStack, BadReturn:
		return true
	}
	return e.Reg >= 0
}

// story tells what led to an error.
func (v *verifier) story(e *Error, moments []moment) {
	s := &story{v: v, moments: moments}
	if e.Reg >= 0 {
		s.follow(e.Reg)
		if why := lossHints[s.lost]; why != "" && (e.Code == NotPointer || e.Code == BadArgument || e.Code == UnreadRegister && s.lost != lostByCall) {
			e.Hint = why
		}
		if x := &moments[len(moments)-1].regs[e.Reg]; e.Code == BadPacket && x.inPacket() && x.n <= 0 && s.tooShort(x) {
			e.Hint = "on this branch the packet is too short: read on the other one"
		}
	}
	switch {
	case e.Code == Unreleased, e.Code == LockHeld:
		s.acquired()
	case len(s.steps) == 0 && (e.Code == UnreadRegister || e.Code == UninitStack || e.Code == BadReturn):
		s.decisions(0)
	}
	e.Story = s.steps
}

// addHint completes an error by what would help.
func addHint(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Hint == "" {
		e.Hint = hints[e.Code]
	}
	return err
}

// hinted gives an error that has a hint of its own.
func hinted(err error, hint string) error {
	var e *Error
	if errors.As(err, &e) {
		e.Hint = hint
	}
	return err
}

// path returns the instructions of the current path, from the first on.
func (v *verifier) path() []ir.Index {
	var back []ir.Index
	at := v.at
	for s := v.cur; s != nil; s = s.parent {
		hist := len(s.history)
		for i := at; ; {
			back = append(back, i)
			if i == s.first && (hist == 0 || hist == 1 && s.history[0].at == i) {
				break
			}
			if hist > 0 && s.history[hist-1].at == i {
				hist--
				i = s.history[hist].prev
			} else {
				i--
			}
			if i < 0 || len(back) > 4*defaultLimit {
				return nil
			}
		}
		if at = s.last; s.parent != nil {
			at = s.parent.last
		}
	}
	slices.Reverse(back)
	return back
}

// moment is what the registers of the running function were ahead of an instruction.
type moment struct {
	at    ir.Index
	depth int
	regs  [isa.NumRegisters]reg
}

// replay walks a path again and returns its last moments; the last one is that of the fault.
func (v *verifier) replay(path []ir.Index) []moment {
	opts := *v.opts
	opts.Log, opts.Graph = nil, nil
	r := newVerifier(v.p, &opts)
	if r.known() != nil || r.structure() != nil {
		return nil
	}
	r.cur, r.prev, r.pool = r.start(), -1, &pool{}
	var out []moment
	for n, at := range path {
		r.at, r.entry = at, nil
		if n >= len(path)-maxReplay {
			out = append(out, moment{at: at, depth: r.cur.depth(), regs: *r.cur.regs()})
		}
		if n == len(path)-1 {
			break
		}
		kept := len(r.branches)
		next, err := r.step()
		if err != nil {
			return nil
		}
		if want := path[n+1]; next != want {
			i := slices.IndexFunc(r.branches[kept:], func(b branch) bool { return b.at == want })
			if i < 0 {
				return nil
			}
			r.cur = r.branches[kept+i].s
		}
		r.branches = r.branches[:kept]
		r.cur.history, r.cur.parent = r.cur.history[:0], nil
		r.prev = at
	}
	return out
}

// sameValue reports whether two registers say the same, precision and identity apart.
func sameValue(a, b *reg) bool {
	return a.kind == b.kind && a.flags&^scalarFlags == b.flags&^scalarFlags && a.off == b.off && a.n == b.n && a.obj == b.obj && a.Scalar == b.Scalar
}

// text is an instruction as it is written.
func (v *verifier) text(at ir.Index) string {
	if h := v.helper(at); h != nil {
		return "call of " + h.Name
	}
	if m := v.mapAt[at]; m >= 0 {
		return fmt.Sprintf("r%d = map %q", v.p.Ins[at].Dst, v.maps[m].Name)
	}
	return asm.Format(v.p.Source.Insns, int(v.p.Slots[at]), &asm.Options{Helper: helper.ID})
}

// inWords says what a register is known to be.
func (r *reg) inWords(v *verifier) string {
	switch {
	case r.kind == NotInit:
		return "unreadable"
	case r.kind != Scalar:
		return r.pointerInWords(v)
	case r.IsConst():
		return fmt.Sprint(int64(r.Bits.Value))
	case r.IsUnknown():
		return "a number of which nothing is known"
	case r.SMin >= 0 && r.SMin == int64(r.UMin) && r.SMax == int64(r.UMax):
		return fmt.Sprintf("a number from %d to %d", r.UMin, r.UMax)
	case r.SMin > math.MinInt64 || r.SMax < math.MaxInt64:
		return fmt.Sprintf("a number from %d to %d", r.SMin, r.SMax)
	case r.UMin > 0 || r.UMax < math.MaxUint64:
		return fmt.Sprintf("a number from %d to %d, unsigned", r.UMin, r.UMax)
	}
	return "a number of which only some bits are known"
}

func (r *reg) pointerInWords(v *verifier) string {
	s := r.describe()
	switch r.kind {
	case MapValue, Map, MapKey:
		s = fmt.Sprintf("%s (map %q)", s, v.maps[r.obj].Name)
	case PacketEnd:
		return "the address of the packet's end"
	}
	switch {
	case !r.IsConst() && (r.SMin <= -1<<32 || r.SMax >= 1<<32):
		s += " at an offset without bounds"
	case !r.IsConst():
		s += fmt.Sprintf(" at offset %d to %d", int64(r.off)+r.SMin, int64(r.off)+r.SMax)
	case r.off != 0 || r.kind == Stack:
		s += fmt.Sprintf(" at offset %d", r.off)
	}
	if r.kind == Packet || r.kind == PacketMeta {
		switch {
		case r.n > 0:
			s += fmt.Sprintf(", where %d bytes are known to be there", r.n)
		case r.n == 0:
			s += ", of which no byte is known to be there"
		}
	}
	return s
}

// lostAt says which call made a register unreadable, if one on the path from the last checkpoint did.
func (v *verifier) lostAt(r uint8) string {
	if r > 5 {
		return ""
	}
	for i := v.at - 1; i >= 0 && v.marks[i+1]&markJump == 0 || i >= 0 && v.rows[i].Kind == isa.KindCall; i-- {
		switch row := v.rows[i]; row.Kind {
		case isa.KindCall, isa.KindPacket:
			return fmt.Sprintf(" since the call at instruction %d, which leaves R1 to R5 unreadable", v.p.Slots[i])
		case isa.KindJump, isa.KindGoto, isa.KindExit:
			return ""
		}
	}
	return ""
}
