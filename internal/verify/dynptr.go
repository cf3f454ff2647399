// Implements dynptrs: pointers with bounds of their own, of which the verifier knows only that they are there.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
)

// dynptrKind is the sort of memory that a dynptr points to.
type dynptrKind int32

const (
	dynptrLocal dynptrKind = iota
	dynptrRing
	dynptrPacket
)

// dynptrArg checks a dynptr that a helper makes, uses or releases.
func (v *verifier) dynptrArg(a *args, i int, kind helper.Arg, r uint8, x *reg) error {
	if x.kind == Dynptr {
		if kind.Has(helper.Fresh) || kind.Has(helper.Releases) {
			return v.failReg(BadDynptr, r, "R%d is a dynptr that belongs to the helper: it can only be read", r)
		}
		a.dynptr = *x
		return nil
	}
	off := int64(x.off) + int64(x.Bits.Value)
	if !x.IsConst() || off%8 != 0 {
		return v.failReg(BadDynptr, r, "a dynptr must lie at a constant offset of the stack that is a multiple of 8")
	}
	if off < -maxStack || off > -16 {
		return v.failReg(BadDynptr, r, "a dynptr takes 16 bytes of the stack, and R%d is at offset %d", r, off)
	}
	frame := int(x.frame)
	f := v.cur.frames[frame]
	f.grow(int(off))
	fn := v.cur.frames[frame].fn
	v.depths[fn] = max(v.depths[fn], int(-off))
	n, _ := position(int(off))
	if kind.Has(helper.Fresh) {
		if a.ref != 0 && kind.Has(helper.RingBuf) {
			a.ref = 0
		}
		return v.makeDynptr(a, kind, frame, n, int(off))
	}
	s := &f.stack[n]
	if s.bytes[0] != byteDynptr || s.reg.n != 1 {
		return v.failReg(BadDynptr, r, "R%d must point to a dynptr, and none is at stack offset %d", r, off)
	}
	if kind.Has(helper.RingBuf) && s.reg.obj != int32(dynptrRing) || kind.Has(helper.Local) && s.reg.obj != int32(dynptrLocal) {
		return v.failReg(BadDynptr, r, "the dynptr at stack offset %d is of another kind than %s takes", off, a.h.Name)
	}
	v.readSlots(frame, int(off), int(off)+16)
	a.dynptr = s.reg
	if kind.Has(helper.Releases) {
		if s.reg.ref == 0 {
			return v.failReg(NotReference, r, "the dynptr at stack offset %d is no reference that %s could release", off, a.h.Name)
		}
		v.cur.release(s.reg.ref)
		v.endDynptrs(s.reg.ref)
	}
	return nil
}

// makeDynptr puts a dynptr into two slots of the stack.
func (v *verifier) makeDynptr(a *args, kind helper.Arg, frame, n, off int) error {
	f := v.cur.frames[frame]
	for _, k := range []int{n, n - 1} {
		if err := v.destroySpecial(frame, -8*(k+1), 8); err != nil {
			return err
		}
	}
	x := pointerTo(Dynptr)
	x.id = v.newID()
	switch {
	case kind.Has(helper.RingBuf):
		x.obj = int32(dynptrRing)
		x.ref = v.newID()
		v.cur.refs = append(v.cur.refs, reference{kind: refObject, id: x.ref, at: v.at})
	case kind.Has(helper.Local):
		x.obj = int32(dynptrLocal)
	case a.dynptr.kind == Dynptr: // a copy
		x.obj, x.ref = a.dynptr.obj, a.dynptr.ref
	default:
		x.obj = int32(dynptrPacket)
	}
	for _, k := range []int{n, n - 1} {
		for b := range f.stack[k].bytes {
			f.stack[k].bytes[b] = byteDynptr
		}
		f.stack[k].reg = x
	}
	f.stack[n].reg.n = 1
	v.cur.markWritten(frame, 1<<n|1<<(n-1))
	return nil
}

// destroyDynptr ends the dynptr of which a part is in slot n, since it is overwritten.
func (v *verifier) destroyDynptr(f *frame, n int) error {
	if f.stack[n].reg.n != 1 {
		n++
	}
	x := f.stack[n].reg
	if x.ref != 0 {
		return v.fail(BadDynptr, "the dynptr at stack offset %d, which must be released, is overwritten", -8*(n+1))
	}
	f.stack[n], f.stack[n-1] = slot{}, slot{}
	v.dropSlices(x.id)
	return nil
}

// dropSlices makes memory that belongs to a dynptr unusable.
func (v *verifier) dropSlices(id uint32) {
	v.cur.eachReg(func(r *reg) {
		if r.dyn == id && r.kind != Scalar {
			if *r = (reg{Scalar: zeroOffset}); !v.opts.Strict {
				r.setUnknown()
			}
		}
	})
}

// endDynptrs ends all dynptrs of a reference, and what was taken from them.
func (v *verifier) endDynptrs(ref uint32) {
	v.invalidate(ref)
	for _, f := range v.cur.frames {
		for i := range f.stack {
			if s := &f.stack[i]; s.bytes[0] == byteDynptr && s.reg.ref == ref {
				id := s.reg.id
				*s = slot{}
				v.dropSlices(id)
			}
		}
	}
}

// Iterators.

// iterSlots is how many slots of the stack an iterator takes.
var iterSlots = map[string]int{"bpf_iter_num": 1, "bpf_iter_bits": 2, "bpf_iter_task": 3}

// The states of an iterator, in reg.n.
const (
	iterActive  = 1
	iterDrained = 2
)

// isNext reports whether a kernel function gives the next element of an iterator.
func isNext(h *helper.Helper) bool {
	return h.Kfunc && len(h.Args) > 0 && h.Args[0] == helper.Iterator
}

// iterArg checks an iterator that a kernel function makes, uses or destroys.
func (v *verifier) iterArg(a *args, i int, kind helper.Arg, r uint8, x *reg) error {
	name := a.h.Objects[i]
	slots := iterSlots[name]
	if slots == 0 {
		return v.unsupported("the iterator %s", name)
	}
	off := int64(x.off) + int64(x.Bits.Value)
	if !x.IsConst() || off%8 != 0 || off < -maxStack || off+int64(8*slots) > 0 {
		return v.failReg(BadDynptr, r, "an iterator must lie at a constant offset of the stack that is a multiple of 8, %d bytes", 8*slots)
	}
	frame := int(x.frame)
	f := v.cur.frames[frame]
	f.grow(int(off))
	v.depths[f.fn] = max(v.depths[f.fn], int(-off))
	n, _ := position(int(off))
	obj := int32(slots)
	if kind.Has(helper.Fresh) {
		for k := range slots {
			if f.stack[n-k].bytes[0] == byteIter {
				return v.failReg(BadDynptr, r, "an iterator is at stack offset %d already", off)
			}
			if err := v.destroySpecial(frame, -8*(n-k+1), 8); err != nil {
				return err
			}
		}
		ref := v.newID()
		protection := flags(0)
		if a.h.UnderRCU {
			if protection = untrusted; v.inRCU() {
				protection = rcu
			}
		}
		v.cur.refs = append(v.cur.refs, reference{kind: refObject, id: ref, at: v.at})
		for k := range slots {
			s := &f.stack[n-k]
			for b := range s.bytes {
				s.bytes[b] = byteIter
			}
			s.reg = reg{Scalar: zeroOffset, kind: Iter, obj: obj, flags: protection}
			if k == 0 {
				s.reg.n, s.reg.ref = iterActive, ref
			}
		}
		return nil
	}
	for k := range slots {
		s := &f.stack[n-k]
		if s.bytes[7] == byteIter && s.reg.has(untrusted) {
			return v.failReg(LockMisuse, r, "the iterator at stack offset %d is used outside the section of RCU that it was made in", off)
		}
		if s.bytes[7] != byteIter || s.reg.obj != obj || (k == 0) != (s.reg.ref != 0) {
			return v.failReg(BadDynptr, r, "R%d must point to an iterator, and none that is in order is at stack offset %d", r, off)
		}
	}
	v.readSlots(frame, int(off), int(off)+8*slots)
	a.iter = place{uint8(frame), true, uint8(n)}
	if kind.Has(helper.Releases) {
		v.cur.release(f.stack[n].reg.ref)
		v.invalidate(f.stack[n].reg.ref)
		for k := range slots {
			f.stack[n-k] = slot{}
		}
	}
	return nil
}

// next walks through a kernel function that gives the next element of an iterator: there is one, or the iterator is at
// its end.
func (v *verifier) next(a *args) error {
	it := v.cur.register(a.iter)
	if it.n == iterActive {
		on, err := v.push(v.at + 1)
		if err != nil {
			return err
		}
		oit := on.register(a.iter)
		oit.off++
		r0 := &on.regs()[0]
		r0.flags &^= orNull
		r0.id = 0
		if p := v.cur.parent; p != nil {
			if before := v.earlier(p.parent, v.at); before != nil {
				v.widen(before, on)
			}
		}
		it.n, it.off = iterDrained, 0
	}
	v.cur.regs()[0] = constScalar(0)
	return nil
}

// iterActive reports whether the iterator that the current instruction asks is not at its end.
func (v *verifier) iterActive() bool {
	x := &v.cur.regs()[1]
	if x.kind != Stack || !x.IsConst() {
		return false
	}
	n, _ := position(int(x.off) + int(int64(x.Bits.Value)))
	f := v.cur.frames[x.frame]
	return n >= 0 && n < len(f.stack) && f.stack[n].bytes[7] == byteIter && f.stack[n].reg.n == iterActive
}

// itersDiffer reports whether iterators have gone on between two states.
func itersDiffer(a, b *state) bool {
	return !slices.EqualFunc(a.frames, b.frames, func(x, y *frame) bool {
		for n := range min(len(x.stack), len(y.stack)) {
			s, t := &x.stack[n], &y.stack[n]
			if s.bytes[7] == byteIter && s.reg.n == iterActive && t.bytes[7] == byteIter && s.reg.off != t.reg.off {
				return false
			}
		}
		return true
	})
}
