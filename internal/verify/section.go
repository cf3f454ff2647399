// Implements sections that the program must leave before its end, and exceptions.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
)

// sectionKinds are the states that sections stand for.
var sectionKinds = map[helper.Section]refKind{helper.RCURead: refRCU, helper.PreemptOff: refPreempt, helper.InterruptsOff: refIRQ}

// section enters or leaves a section, in which the program must not sleep and which it must leave before its end.
func (v *verifier) section(h *helper.Helper) error {
	switch {
	case h.Enters == helper.InterruptsOff || h.Leaves == helper.InterruptsOff: // the flags on the stack tell
	case h.Enters != helper.NoSection:
		k := sectionKinds[h.Enters]
		if r := v.cur.holding(k); k == refRCU && r != nil {
			return v.fail(LockMisuse, "%s inside the section entered at instruction %d", h.Name, v.p.Slots[r.at])
		}
		v.cur.refs = append(v.cur.refs, reference{kind: k, at: v.at})
	case h.Leaves != helper.NoSection:
		k := sectionKinds[h.Leaves]
		for i := len(v.cur.refs) - 1; i >= 0; i-- {
			if v.cur.refs[i].kind == k {
				v.cur.refs = slices.Delete(v.cur.refs, i, i+1)
				if k == refRCU {
					v.leaveRCU()
				}
				return nil
			}
		}
		return v.fail(LockMisuse, "%s, and the program is in no such section", h.Name)
	}
	if h.Sleeps && (v.cur.holding(refRCU) != nil || v.cur.holding(refPreempt) != nil || v.cur.holding(refIRQ) != nil) {
		return v.fail(LockHeld, "%s may sleep, and the program is in a section in which it must not", h.Name)
	}
	if h.UnderRCU && !v.inRCU() {
		return v.fail(LockMisuse, "%s must be called where RCU protects what it gives: after bpf_rcu_read_lock", h.Name)
	}
	return nil
}

// leaveRCU makes what RCU has protected uncertain.
func (v *verifier) leaveRCU() {
	end := func(r *reg) {
		if r.has(rcu) && (r.kind == Object || r.kind == Iter) {
			r.flags = r.flags&^(rcu|orNull) | untrusted
		}
	}
	v.cur.eachReg(end)
	for _, f := range v.cur.frames {
		for i := range f.stack {
			if f.stack[i].bytes[7] == byteIter {
				end(&f.stack[i].reg)
			}
		}
	}
}

// throw walks through a call that ends the program.
func (v *verifier) throw(h *helper.Helper) (ir.Index, error) {
	if err := v.noneHeld(h.Name); err != nil {
		return 0, err
	}
	if v.cur.top().fn != 0 {
		if r1 := &v.cur.regs()[1]; r1.kind != Scalar {
			return 0, v.failReg(BadReturn, 1, "%s in a function is given %s, and takes a number", h.Name, r1.describe())
		}
		return -1, nil
	}
	return -1, v.returns(1, h.Name)
}

// interruptFlag checks the place on the stack where the state of interrupts is kept.
func (v *verifier) interruptFlag(a *args, kind helper.Arg, r uint8, x *reg) error {
	off := int64(x.off) + int64(x.Bits.Value)
	if !x.IsConst() || off%8 != 0 || off < -maxStack || off > -8 {
		return v.failReg(BadDynptr, r, "the state of interrupts must lie at a constant offset of the stack that is a multiple of 8")
	}
	frame := int(x.frame)
	f := v.cur.frames[frame]
	f.grow(int(off))
	v.depths[f.fn] = max(v.depths[f.fn], int(-off))
	n, _ := position(int(off))
	s := &f.stack[n]
	class := int32(0)
	if a.h.Locks || a.h.Unlocks {
		class = 1
	}
	if kind.Has(helper.Fresh) {
		if s.bytes[0] == byteIRQ {
			return v.failReg(BadDynptr, r, "the state of interrupts is at stack offset %d already", off)
		}
		if err := v.destroySpecial(frame, int(off), 8); err != nil {
			return err
		}
		id := v.newID()
		v.cur.refs = append(v.cur.refs, reference{kind: refIRQ, id: id, at: v.at})
		for b := range s.bytes {
			s.bytes[b] = byteIRQ
		}
		s.reg = reg{Scalar: zeroOffset, kind: Iter, obj: class, ref: id}
		v.cur.markWritten(frame, 1<<n)
		return nil
	}
	if s.bytes[7] != byteIRQ || s.bytes[0] != byteIRQ {
		return v.failReg(BadDynptr, r, "R%d must point to a state of interrupts, and none is at stack offset %d", r, off)
	}
	v.readSlots(frame, int(off), int(off)+8)
	held := v.cur.holding(refIRQ)
	switch {
	case s.reg.obj != class:
		return v.failReg(LockMisuse, r, "the state of interrupts was not saved by the partner of %s", a.h.Name)
	case held == nil || held.id != s.reg.ref:
		return v.failReg(LockMisuse, r, "states of interrupts must be restored in the reverse order of saving")
	}
	v.cur.refs = slices.DeleteFunc(v.cur.refs, func(x reference) bool { return x.kind == refIRQ && x.id == s.reg.ref })
	*s = slot{}
	return nil
}
