// Implements decoding: from wire slots to a Program, or the first thing wrong with them.

package ir

import (
	"fmt"
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Options tells Decode which machine to decode for. The zero value is today's.
type Options struct {
	Set     *isa.Set // nil means isa.Linux
	Profile isa.Profile
}

// Decode decodes p. The error is an *Error. p must not change afterwards.
func Decode(p *spec.Program, opts Options) (*Program, error) {
	d := decoder{code: p.Insns, profile: opts.Profile, p: &Program{Source: p, Set: opts.Set}}
	if d.p.Set == nil {
		d.p.Set = isa.Linux
	}
	if err := d.run(); err != nil {
		return nil, err
	}
	return d.p, nil
}

// decoder holds what decoding needs for a while.
type decoder struct {
	code    []isa.Instruction
	profile isa.Profile
	p       *Program
	index   []Index // by slot; -1 inside wide instructions
}

func (d *decoder) run() error {
	if len(d.code) == 0 {
		return &Error{Code: Empty, Text: "the program has no instructions"}
	}
	if limit := d.profile.MaxInstructions(); len(d.code) > limit {
		return &Error{Code: TooLong, Slot: Slot(limit), Text: fmt.Sprintf(
			"the program has %d instructions, more than the %d of profile %s", len(d.code), limit, d.profile)}
	}
	for _, step := range []func() error{d.instructions, d.targets, d.functions, d.jumpsStayInside} {
		if err := step(); err != nil {
			return err
		}
	}
	d.p.Blocks = blocks(d.p)
	return nil
}

func (d *decoder) fail(code Code, slot Slot, format string, args ...any) error {
	return &Error{Code: code, Slot: slot, Text: fmt.Sprintf(format, args...)}
}

// instructions looks up every instruction and fills Ins and Slots.
func (d *decoder) instructions() error {
	d.index = make([]Index, len(d.code))
	d.p.Ins, d.p.Slots = make([]Ins, 0, len(d.code)), make([]Slot, 0, len(d.code))
	for slot := 0; slot < len(d.code); {
		row, err := d.p.Set.Lookup(d.code, slot)
		if err != nil {
			return &Error{Code: BadInsn, Slot: Slot(slot), Err: err}
		}
		if !d.profile.Has(row) {
			return d.fail(NotInProfile, Slot(slot), "%s is not in profile %s (it came with Linux %s)", row.Op, d.profile, row.Since)
		}
		raw := d.code[slot]
		in := Ins{Op: row.Op, Dst: uint8(raw.Dst()), Off: int32(raw.Off), Imm: uint64(int64(raw.Imm))}
		if row.Src.Use == isa.Operand {
			in.Src = uint8(raw.Src())
		}
		switch {
		case row.Kind == isa.KindExtension:
			in.Off = int32(slot)
		case row.Kind == isa.KindLoadImm:
			in.Imm = uint64(uint32(raw.Imm)) | uint64(uint32(d.code[slot+1].Imm))<<32
		}
		if writes(row, &in)&(1<<isa.R10) != 0 {
			return d.fail(WritesR10, Slot(slot), "%s writes R10, the frame pointer, which is read-only", row.Op)
		}
		d.index[slot] = Index(len(d.p.Ins))
		for n := 1; n < row.Slots; n++ {
			d.index[slot+n] = -1
		}
		d.p.Ins = append(d.p.Ins, in)
		d.p.Slots = append(d.p.Slots, Slot(slot))
		slot += row.Slots
	}
	return nil
}

// targets makes jumps and calls absolute.
func (d *decoder) targets() error {
	for i := range d.p.Ins {
		in, row, slot := &d.p.Ins[i], d.p.Row(Index(i)), d.p.Slots[i]
		rel, what := int64(in.Off), "jump"
		switch {
		case row.Op == isa.CallLocal || row.Op == isa.LdFunc:
			rel, what = int64(int32(in.Imm)), "call"
		case row.Kind == isa.KindGoto && row.Imm.Use == isa.Operand:
			rel = int64(int32(in.Imm))
		case !jumps(row):
			continue
		}
		to := int64(slot) + 1 + rel
		if row.Op == isa.LdFunc {
			what = "function address"
		}
		if to < 0 || to >= int64(len(d.code)) {
			return d.fail(BadJump, slot, "%s to instruction %d, which is outside the program (0 to %d)", what, to, len(d.code)-1)
		}
		if d.index[to] < 0 {
			return d.fail(IntoWide, slot, "%s to %d, the middle of the wide instruction at %d", what, to, d.wideAt(to))
		}
		in.Off = int32(d.index[to])
	}
	return nil
}

func (d *decoder) wideAt(slot int64) int64 {
	for d.index[slot] < 0 {
		slot--
	}
	return slot
}

// functions finds where functions begin and end, and that none falls off its end.
func (d *decoder) functions() error {
	entries := []Index{0}
	for i := range d.p.Ins {
		if op := d.p.Ins[i].Op; op == isa.CallLocal || op == isa.LdFunc {
			entries = append(entries, Index(d.p.Ins[i].Off))
		}
	}
	slices.Sort(entries)
	entries = slices.Compact(entries)
	for n, e := range entries {
		end := Index(len(d.p.Ins))
		if n+1 < len(entries) {
			end = entries[n+1]
		}
		d.p.Funcs = append(d.p.Funcs, Func{Entry: e, End: end})
		if row := d.p.Row(end - 1); row.Kind != isa.KindExit && row.Kind != isa.KindGoto {
			return d.fail(FallsOff, d.p.Slots[end-1], "control falls off the end of the function: its last instruction must be exit or goto")
		}
	}
	return nil
}

func (d *decoder) jumpsStayInside() error {
	for n, f := range d.p.Funcs {
		for i := f.Entry; i < f.End; i++ {
			if !jumps(d.p.Row(i)) {
				continue
			}
			if to := Index(d.p.Ins[i].Off); to < f.Entry || to >= f.End {
				return d.fail(LeavesFunc, d.p.Slots[i], "jump to instruction %d, which belongs to another function (this one, number %d, is %d to %d)",
					d.p.Slots[to], n, d.p.Slots[f.Entry], d.p.Slots[f.End-1])
			}
		}
	}
	return nil
}

// jumps reports whether an instruction's Off is a jump target.
func jumps(r *isa.Row) bool {
	return r.Kind == isa.KindJump || r.Kind == isa.KindGoto || r.Kind == isa.KindMayGoto
}

// blocks splits the functions into basic blocks.
func blocks(p *Program) []Block {
	leader := make([]bool, len(p.Ins)+1)
	for _, f := range p.Funcs {
		leader[f.Entry] = true
	}
	for i := range p.Ins {
		row := p.Row(Index(i))
		if jumps(row) {
			leader[p.Ins[i].Off] = true
		}
		if jumps(row) || row.Kind == isa.KindExit {
			leader[i+1] = true
		}
	}
	n := 1
	for _, l := range leader[1:] {
		if l {
			n++
		}
	}
	out := make([]Block, 0, n)
	succ := make([]int, 0, 2*n)
	at := make([]int, len(p.Ins))
	for i := 0; i < len(p.Ins); {
		b := Block{First: Index(i), Func: p.FuncAt(Index(i))}
		for {
			at[i] = len(out)
			i++
			if i == len(p.Ins) || leader[i] {
				break
			}
		}
		b.End = Index(i)
		out = append(out, b)
	}
	for n := range out {
		last, from := out[n].End-1, len(succ)
		row := p.Row(last)
		if row.Kind != isa.KindExit && row.Kind != isa.KindGoto {
			succ = append(succ, n+1)
		}
		if jumps(row) {
			succ = append(succ, at[p.Ins[last].Off])
		}
		out[n].Succ = succ[from:len(succ):len(succ)]
	}
	return out
}
