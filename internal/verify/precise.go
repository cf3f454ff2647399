// Implements precision: which numbers of earlier states something depends on, found by going the path back.

package verify

import (
	"math/bits"
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// jump is an entry of a path's history: an instruction that did not follow the one before it, or of which more must
// be known to go the path back.
type jump struct {
	at, prev ir.Index
	access   access
	linked   []place // registers that learnt from each other
}

// access tells what an instruction did with the stack.
type access uint16

const (
	accessStack access = 1 << 15 // loaded or stored the slot that the other bits tell
	srcStack    access = 1 << 14 // compared a stack address in its source
	dstStack    access = 1 << 13 // compared a stack address in its destination
)

func slotAccess(frame, slot int) access { return accessStack | access(frame)<<6 | access(slot) }

func (a access) slot() (frame, slot int) { return int(a>>6) & 7, int(a & 63) }

// place is a register, or a slot of a stack.
type place struct {
	frame uint8
	slot  bool
	n     uint8
}

// note adds the current instruction to the history, or to its entry there.
func (v *verifier) note(a access, linked []place) {
	if v.entry != nil {
		v.entry.access |= a
		v.entry.linked = append(v.entry.linked, linked...)
		return
	}
	v.cur.history = append(v.cur.history, jump{at: v.at, prev: v.prev, access: a, linked: linked})
	v.entry = &v.cur.history[len(v.cur.history)-1]
}

// backtrack is the set of registers and slots whose origin is looked for.
type backtrack struct {
	regs  [maxFrames]ir.Regs
	slots [maxFrames]uint64
	frame int
}

func (b *backtrack) setReg(frame, r int)  { b.regs[frame] |= 1 << r }
func (b *backtrack) setSlot(frame, n int) { b.slots[frame] |= 1 << n }

func (b *backtrack) empty() bool {
	var all uint64
	for i := range b.regs {
		all |= uint64(b.regs[i]) | b.slots[i]
	}
	return all == 0
}

func (b *backtrack) clear() { *b = backtrack{} }

func (b *backtrack) hasReg(r uint8) bool { return b.regs[b.frame]>>r&1 != 0 }
func (b *backtrack) clearReg(r uint8)    { b.regs[b.frame] &^= 1 << r }
func (b *backtrack) addReg(r uint8) {
	if r != uint8(isa.R10) {
		b.regs[b.frame] |= 1 << r
	}
}

// precise notes that something depends on the number in a register: states in which it differs are not the same.
func (v *verifier) precise(r uint8) {
	if v.cur.regs()[r].kind != Scalar {
		return
	}
	v.bt.setReg(v.cur.depth(), int(r))
	v.backtrack()
}

// preciseSlot is precise for a slot of a stack.
func (v *verifier) preciseSlot(frame, slot int) {
	v.bt.setSlot(frame, slot)
	v.backtrack()
}

// backtrack goes back from the current instruction, which does not count itself, and marks what the set depends on
// in all checkpoints until it was first known there.
func (v *verifier) backtrack() {
	b := &v.bt
	b.frame = v.cur.depth()
	defer b.clear()
	if b.empty() {
		return
	}
	s := v.cur
	at, first, after := v.at, s.first, ir.Index(-1)
	skip := true
	for {
		hist := len(s.history)
		for i := at; ; {
			if skip {
				skip = false
			} else {
				var e *jump
				if hist > 0 && s.history[hist-1].at == i {
					e = &s.history[hist-1]
				}
				if !v.undo(i, after, e) {
					v.allPrecise()
					return
				}
			}
			if b.empty() {
				return
			}
			after = i
			if i == first && (hist == 0 || hist == 1 && s.history[0].at == i) {
				break
			}
			if hist > 0 && s.history[hist-1].at == i {
				i = s.history[hist-1].prev
				hist--
			} else {
				i--
			}
			if i < 0 {
				v.allPrecise()
				return
			}
		}
		after = first
		if s = s.parent; s == nil {
			break
		}
		v.markState(s)
		if b.empty() {
			return
		}
		if at, first = s.last, s.first; at < 0 {
			return // what is left are arguments of a global function
		}
	}
	v.allPrecise()
}

// markState marks what the set holds in a checkpoint, and takes from the set what was marked there before.
func (v *verifier) markState(s *state) {
	b := &v.bt
	for f := b.frame; f >= 0; f-- {
		if f >= len(s.frames) {
			b.regs[f], b.slots[f] = 0, 0
			continue
		}
		fr := s.frames[f]
		for set := b.regs[f]; set != 0; set &= set - 1 {
			r := bits.TrailingZeros16(uint16(set))
			if x := &fr.regs[r]; x.kind != Scalar || x.precise {
				b.regs[f] &^= 1 << r
			} else {
				x.precise = true
			}
		}
		for set := b.slots[f]; set != 0; set &= set - 1 {
			n := bits.TrailingZeros64(set)
			if n >= len(fr.stack) || fr.stack[n].bytes[7] != byteSpill || fr.stack[n].reg.kind != Scalar || fr.stack[n].reg.precise {
				b.slots[f] &^= 1 << n
			} else {
				fr.stack[n].reg.precise = true
			}
		}
	}
}

// allPrecise marks all numbers in all checkpoints behind the current state: what to do if it cannot be found out
// which ones matter.
func (v *verifier) allPrecise() {
	mark := func(r *reg) {
		if r.kind == Scalar {
			r.precise = true
		}
	}
	for s := v.cur.parent; s != nil; s = s.parent {
		s.eachReg(mark)
	}
}

// link completes the set by the registers that learnt from those in it.
func (b *backtrack) link(e *jump) {
	if e == nil || len(e.linked) == 0 {
		return
	}
	has := func(p place) bool {
		if p.slot {
			return b.slots[p.frame]>>p.n&1 != 0
		}
		return b.regs[p.frame]>>p.n&1 != 0
	}
	if !slices.ContainsFunc(e.linked, has) {
		return
	}
	for _, p := range e.linked {
		if p.slot {
			b.setSlot(int(p.frame), int(p.n))
		} else {
			b.setReg(int(p.frame), int(p.n))
		}
	}
}

// undo turns the set of what matters after instruction i into that of what matters before it. after is the
// instruction that came next. It reports false if that cannot be told.
func (v *verifier) undo(i, after ir.Index, e *jump) bool {
	b := &v.bt
	b.link(e)
	in, row := &v.p.Ins[i], v.rows[i]
	ok := true
	switch row.Kind {
	case isa.KindALU:
		b.undoALU(in, row)
	case isa.KindLoad, isa.KindLoadAcq:
		if b.hasReg(in.Dst) {
			b.clearReg(in.Dst)
			if e != nil && e.access&accessStack != 0 {
				b.setSlot(e.access.slot())
			}
		}
	case isa.KindStore, isa.KindStoreRel, isa.KindAtomic:
		ok = b.undoStore(in, row, e)
	case isa.KindCall:
		ok = v.undoCall(i, after)
	case isa.KindExit:
		ok = v.undoExit(after)
	case isa.KindJump:
		if row.From == isa.FromReg && (b.hasReg(in.Dst) || b.hasReg(in.Src)) {
			if e == nil || e.access&srcStack == 0 {
				b.addReg(in.Src)
			}
			if e == nil || e.access&dstStack == 0 {
				b.addReg(in.Dst)
			}
		}
	case isa.KindLoadImm:
		b.clearReg(in.Dst)
	case isa.KindPacket:
		b.clearReg(uint8(isa.R0))
	case isa.KindExtension:
		b.clearReg(in.Dst)
	}
	b.link(e)
	return ok
}

func (b *backtrack) undoALU(in *ir.Ins, row *isa.Row) {
	if !b.hasReg(in.Dst) {
		return
	}
	if row.Fn == isa.FnMov || row.Fn == isa.FnMovSX {
		b.clearReg(in.Dst)
	}
	if row.From == isa.FromReg {
		b.addReg(in.Src)
	}
}

func (b *backtrack) undoStore(in *ir.Ins, row *isa.Row, e *jump) bool {
	if b.hasReg(in.Dst) {
		return false
	}
	if row.Kind == isa.KindAtomic {
		out := in.Src
		if row.Fn == isa.FnCmpxchg {
			out = 0
		}
		if row.Fetch && b.hasReg(out) {
			b.clearReg(out)
			if e != nil && e.access&accessStack != 0 {
				b.setSlot(e.access.slot())
			}
		}
		return true
	}
	if e == nil || e.access&accessStack == 0 {
		return true
	}
	f, n := e.access.slot()
	if b.slots[f]>>n&1 == 0 {
		return true
	}
	b.slots[f] &^= 1 << n
	if row.From == isa.FromReg {
		b.addReg(in.Src)
	}
	return true
}

// undoCall goes back over a call: out of the function that was called, or over a helper.
func (v *verifier) undoCall(i, after ir.Index) bool {
	b := &v.bt
	switch {
	case v.p.Ins[i].Op == isa.CallLocal && after != i+1, v.p.Ins[i].Op == isa.CallLocal && after == ir.Index(v.p.Ins[i].Off):
		args := b.regs[b.frame]
		if args&^argRegs != 0 || b.slots[b.frame] != 0 || b.frame == 0 {
			return false
		}
		b.regs[b.frame] = 0
		b.frame--
		b.regs[b.frame] |= args
		return true
	case v.p.Ins[i].Op == isa.CallLocal:
		b.clearReg(0) // a function verified by itself
		return b.regs[b.frame]&argRegs == 0
	case v.marks[i]&markCallback != 0 && after != i+1:
		if b.regs[b.frame]&^argRegs != 0 || b.slots[b.frame] != 0 || b.frame == 0 {
			return false
		}
		b.regs[b.frame] = 0
		b.frame--
		return true
	}
	if h := v.helper(i); h != nil && h.TailCall && after != i+1 { // back into the function that another program ended
		if !v.undoExit(after) {
			return false
		}
		b.clearReg(0)
		return true
	}
	b.clearReg(0)
	return b.regs[b.frame]&argRegs == 0
}

// undoExit goes back into a function that has returned.
func (v *verifier) undoExit(after ir.Index) bool {
	b := &v.bt
	if after < 0 {
		return true
	}
	if v.marks[after]&markCallback != 0 {
		b.regs[b.frame] &^= argRegs
	}
	if b.regs[b.frame]&argRegs != 0 || b.frame+1 >= maxFrames {
		return false
	}
	wanted := after > 0 && v.p.Ins[after-1].Op == isa.CallLocal && b.hasReg(0)
	b.clearReg(0)
	b.frame++
	b.regs[b.frame] = 0
	if wanted {
		b.regs[b.frame] = 1
	}
	return true
}
