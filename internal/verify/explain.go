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
)

// maxStory is how many steps a story has at most, maxReplay how far back it can go, in instructions.
const (
	maxStory  = 6
	maxReplay = 4096
)

// explain completes an error by the story of its register and by what would help.
func (v *verifier) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	addHint(err)
	if e.Reg < 0 {
		return e
	}
	path := v.path()
	if len(path) == 0 || path[0] != 0 {
		return e // of a function that is called after the program has ended
	}
	e.Story = v.tell(v.replay(path), e.Reg)
	return e
}

// addHint completes an error by what would help.
func addHint(err error) error {
	var e *Error
	if errors.As(err, &e) {
		e.Hint = hints[e.Code]
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

// tell follows a register back through the moments, to where its value came from.
func (v *verifier) tell(moments []moment, r int) []string {
	if len(moments) == 0 {
		return nil
	}
	var story []string
	last := len(moments) - 1
	depth := moments[last].depth
	say := func(n int, r int) {
		m := &moments[n]
		after := &moments[n+1].regs[r]
		story = append(story, fmt.Sprintf("instruction %d: %s%s: R%d is then %s", v.p.Slots[m.at], v.text(m.at), v.sourceOf(m.at), r, after.inWords(v)))
	}
	for n := last - 1; n >= 0 && len(story) < maxStory; n-- {
		m := &moments[n]
		if m.depth != depth || moments[n+1].depth != depth {
			if m.depth < depth && r >= 1 && r <= 5 { // the call that passed it
				depth = m.depth
			}
			continue
		}
		before, after := &m.regs[r], &moments[n+1].regs[r]
		if sameValue(before, after) {
			continue
		}
		in, row := &v.p.Ins[m.at], v.rows[m.at]
		say(n, r)
		switch {
		case row.Kind == isa.KindJump:
		case row.Kind == isa.KindALU && row.Fn == isa.FnMov && row.From == isa.FromReg && int(in.Dst) == r:
			r = int(in.Src)
		case row.Kind == isa.KindALU && row.Fn != isa.FnMov && row.Fn != isa.FnMovSX && int(in.Dst) == r:
			if row.From == isa.FromReg && before.pointer() {
				r = int(in.Src) // what was added is what matters
			}
		case row.Kind == isa.KindLoad && in.Src == uint8(isa.R10):
			if k := spilledAt(v, moments[:n], in, depth); k >= 0 {
				n, r = k+1, int(v.p.Ins[moments[k].at].Src)
				continue
			}
			n = -1
		default:
			n = -1
		}
	}
	slices.Reverse(story)
	return story
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

// sourceOf is the line of source of an instruction, in parentheses.
func (v *verifier) sourceOf(at ir.Index) string {
	l := v.p.Line(at)
	if l == nil || l.Line == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s:%d)", l.File, l.Line)
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
	case !r.IsConst():
		s += fmt.Sprintf(" at offset %d to %d", int64(r.off)+r.SMin, int64(r.off)+r.SMax)
		if r.SMax >= 1<<32 || r.UMax > math.MaxInt64 {
			s = r.describe() + " at an offset without bounds"
		}
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

// hints say what would help, by the class of the error.
var hints = map[Code]string{
	Unreachable:    "remove the instructions, or the jump over them",
	Loop:           "unroll the loop, or use a profile that allows loops",
	InfiniteLoop:   "make something change in each round that the condition of the loop looks at",
	TooComplex:     "give loops smaller bounds, put branches that look alike into one, or split the program by tail calls",
	TooDeep:        "call fewer functions inside each other",
	StackTooDeep:   "use less stack: put large variables into a per-CPU array",
	Recursion:      "turn the recursion into a loop",
	UnreadRegister: "set the register first; what must survive a call belongs into R6 to R9 or on the stack",
	PointerArith:   "limit the number first, by & with a mask or by comparing it with both bounds",
	PointerCompare: "compare numbers, or compare with the packet's end or with 0",
	PointerLeak:    "do not store, pass or return the address itself",
	DivisionByZero: "divide by something else than 0",
	BadShift:       "shift by less than the width",
	NotPointer:     "use a register that holds an address; a number that was read from memory is none",
	MaybeNull:      "compare the register with 0 and use it only on the branch where it is not",
	BadStack:       "keep offsets from R10 between -512 and the size of the access below 0",
	UninitStack:    "write all bytes that are read, padding too",
	CorruptStack:   "save and load addresses as 8 bytes at a multiple of 8",
	BadContext:     "read a field at its offset and with its size; not all programs may access all fields",
	BadPacket:      "compare data plus the size of what is read with data_end first, and read only if it does not lie behind",
	BadMapValue:    "compare the index with the size of the value first, as an unsigned number",
	BadMemory:      "compare the offset with the size of the memory first, as an unsigned number",
	ReadOnly:       "write to a copy",
	WriteOnly:      "use another map: this one was made to be written only",
	Misaligned:     "access at a multiple of the size, or use smaller accesses",
	BadHelper:      "use a helper that programs of this type may call, or another type of program",
	BadArgument:    "pass what the helper takes; for a size, limit it first by & or by comparing it",
	BadMap:         "use a map of a type that the helper works on",
	BadReturn:      "set R0 to one of the allowed results on every path",
	BadCallback:    "let the callback return 0 to go on or 1 to stop",
	Unreleased:     "release it on every path, also on those that end early",
	NotReference:   "release what was acquired, once, after it was compared with 0",
	LockHeld:       "give the lock back first",
	LockMisuse:     "take one lock at a time, and give back the one that was taken",
	BadPacketLoad:  "use it in a socket filter or tc program, outside of functions, with the context in R6",
	BadDynptr:      "make the dynptr or iterator first, use it only through helpers, and release it",
	BadAtomic:      "use atomic operations on map values and the stack",
	MixedPointers:  "give each kind of pointer an access of its own",
	BadAttach:      "give an attach type of this type of program, and a target that the kernel has",
	BadObject:      "read whole fields at the offsets that the kernel's types say, directly or by bpf_core_read, which moves them for each kernel",
}
