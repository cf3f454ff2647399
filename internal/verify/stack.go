// Implements reading and writing the stack: what is spilled keeps what is known of it.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/internal/value"
)

// grow makes room for slots up to the one that holds the byte at off, which is negative.
func (f *frame) grow(off int) {
	old, n := len(f.stack), (-off+7)/8
	if n <= old {
		return
	}
	f.stack = slices.Grow(f.stack, n-old)[:n]
	clear(f.stack[old:])
}

// position returns slot and byte of the stack offset off.
func position(off int) (n, b int) { return (-off - 1) / 8, (-off - 1) % 8 }

// stackRange checks that the offsets from lo to hi lie in a frame, and notes how deep it is.
func (v *verifier) stackRange(r uint8, ptr *reg, lo, hi int64, what string) error {
	if lo < -maxStack || lo >= 0 || hi > 0 {
		if !ptr.IsConst() {
			return hinted(v.failReg(BadStack, r, "%s through R%d, which may come to bytes %d to %d from R10: the stack has bytes -%d to -1", what, r, lo, hi-1, maxStack),
				"compare the index with the size of the variable right before the access, as an unsigned number, or & it with a mask")
		}
		return v.failReg(BadStack, r, "%s of %d bytes through R%d at offset %d from R10: the stack has bytes -%d to -1", what, hi-lo, r, lo, maxStack)
	}
	fn := v.cur.frames[ptr.frame].fn
	v.depths[fn] = max(v.depths[fn], int(-lo))
	return nil
}

// scrub makes a spilled register's bytes those of an unknown number.
func (s *slot) scrub() {
	for i := range s.bytes {
		if s.bytes[i] == byteSpill {
			s.bytes[i] = byteMisc
		}
	}
}

// pointerIn reports whether an address is spilled in the slot.
func (s *slot) pointerIn() bool { return s.bytes[7] == byteSpill && s.reg.kind != Scalar }

// storeStack writes size bytes of val at a known offset of a frame. valReg is the register that val is, or -1; val
// is nil if nothing is known of what is written.
func (v *verifier) storeStack(frame int, off, size int, val *reg, valReg int) error {
	f := v.cur.frames[frame]
	f.grow(off)
	n, b := position(off)
	s := &f.stack[n]
	if v.opts.Strict && s.pointerIn() && size != 8 {
		return v.fail(CorruptStack, "write of %d bytes to stack offset %d overwrites a part of a saved address", size, off)
	}
	if err := v.destroySpecial(frame, off, size); err != nil {
		return err
	}
	v.cur.markWritten(frame, wholeSlots(off, size))
	switch {
	case val != nil && b == 7 && val.kind == Scalar:
		v.spillScalar(s, size, val, valReg)
		v.note(slotAccess(frame, n), nil)
	case val != nil && val.pointer():
		if size != 8 || b != 7 {
			return v.fail(CorruptStack, "an address can be saved only whole, in an aligned slot: %d bytes at stack offset %d", size, off)
		}
		if val.kind == Stack && frame != v.cur.depth() {
			return v.fail(CorruptStack, "an address on the stack is saved in the stack of a calling function, which may outlive it")
		}
		s.bytes = [8]byteKind{byteSpill, byteSpill, byteSpill, byteSpill, byteSpill, byteSpill, byteSpill, byteSpill}
		s.reg = *val
		v.note(slotAccess(frame, n), nil)
	default:
		kind := byteMisc
		if val != nil && val.zero() {
			if kind = byteZero; valReg >= 0 {
				v.precise(uint8(valReg))
			}
		}
		v.fillStack(f, off, size, kind)
	}
	return nil
}

// spillScalar saves a number, or the lower bytes of one.
func (v *verifier) spillScalar(s *slot, size int, val *reg, valReg int) {
	keeps := size == 8 || val.UMax < 1<<(8*size)
	if keeps && valReg >= 0 {
		v.identify(val)
	}
	s.reg = *val
	s.reg.precise = false
	if !keeps {
		s.reg.id, s.reg.flags, s.reg.off = 0, 0, 0
	}
	for i := range 8 {
		switch {
		case i >= 8-size:
			s.bytes[i] = byteSpill
		case s.bytes[i] != byteZero && s.bytes[i] != byteInvalid:
			s.bytes[i] = byteMisc
		}
	}
}

// fillStack makes bytes of a stack those of an unknown number, or zero.
func (v *verifier) fillStack(f *frame, off, size int, kind byteKind) {
	for o := off; o < off+size; o++ {
		n, b := position(o)
		s := &f.stack[n]
		if s.bytes[7] == byteSpill {
			s.scrub()
		}
		s.bytes[b] = kind
	}
}

// wholeSlots is the set of slots that lie wholly in size bytes at off.
func wholeSlots(off, size int) (set uint64) {
	for o := (off + 7) &^ 7; o+8 <= off+size; o += 8 {
		n, _ := position(o)
		set |= 1 << n
	}
	return set
}

// storeStackVar writes size bytes somewhere between two offsets of a frame.
func (v *verifier) storeStackVar(r uint8, ptr *reg, lo, hi int, val *reg, valReg int) error {
	frame := int(ptr.frame)
	f := v.cur.frames[frame]
	f.grow(lo)
	zero := val != nil && val.zero()
	wroteZero := false
	for o := lo; o < hi; o++ {
		n, b := position(o)
		s := &f.stack[n]
		switch k := s.bytes[b]; {
		case k == byteDynptr || k == byteIter || k == byteIRQ:
			return v.failReg(BadDynptr, r, "write to an unknown place of the stack, where a dynptr or iterator is")
		case v.opts.Strict && k != byteMisc && k != byteZero:
			return v.failReg(UninitStack, r, "write to an unknown place of the stack from %d on: not all bytes it may be hold plain data", lo)
		case k == byteSpill && s.reg.zero() && zero:
			s.reg.id = 0
			wroteZero = true
			continue
		case k == byteSpill:
			s.scrub()
			s.bytes[b] = byteMisc
		case zero && k == byteZero:
			wroteZero = true
		default:
			if k == byteInvalid && !v.opts.Strict {
				s.bytes[b] = byteMisc
				continue
			}
			s.bytes[b] = byteMisc
		}
	}
	if wroteZero && valReg >= 0 {
		v.precise(uint8(valReg))
	}
	return nil
}

// loadStack reads size bytes at a known offset of a frame into dst, which may be nil.
func (v *verifier) loadStack(frame int, off, size int, dst *reg) error {
	f := v.cur.frames[frame]
	f.grow(off)
	n, b := position(off)
	s := &f.stack[n]
	v.readSlots(frame, off, off+size)
	if s.bytes[7] != byteSpill {
		zeros, err := v.countZeros(s, off, size)
		if err == nil && dst != nil {
			dst.setUnknown()
			if zeros == size {
				*dst = constScalar(0)
			}
		}
		return err
	}
	spilled := 1
	for i := 7; i > 0 && s.bytes[i-1] == byteSpill; i-- {
		spilled++
	}
	switch {
	case size == 8 && spilled == 8:
		if dst == nil {
			if v.opts.Strict && s.reg.pointer() {
				return v.fail(PointerLeak, "stack offset %d holds a saved address, which must not become visible", off)
			}
			break
		}
		if s.reg.kind == Scalar {
			v.identify(&s.reg)
		}
		*dst = s.reg
	case s.reg.kind != Scalar:
		return v.fail(CorruptStack, "read of %d bytes at stack offset %d: a part of a saved address (%s)", size, off, s.reg.describe())
	case dst == nil:
		return nil
	case size <= spilled && b == 7:
		if size == 4 && spilled == 4 && s.reg.UMax <= 1<<32-1 {
			v.identify(&s.reg)
		}
		*dst = s.reg
		if s.reg.UMax >= 1<<(8*size) {
			dst.id, dst.flags, dst.off = 0, 0, 0
		}
	default:
		return v.loadParts(s, frame, off, size, dst)
	}
	v.note(slotAccess(frame, n), nil)
	return nil
}

// loadParts reads bytes of a slot of which a number was spilled to some.
func (v *verifier) loadParts(s *slot, frame, off, size int, dst *reg) error {
	zeros, err := v.countZeros(s, off, size)
	if err != nil {
		return err
	}
	n, b := position(off)
	spills := 0
	for i := range size {
		if s.bytes[b-i] == byteSpill {
			spills++
		}
	}
	switch {
	case spills == size && s.reg.zero():
		*dst = constScalar(0)
		v.note(slotAccess(frame, n), nil)
	case zeros == size:
		*dst = constScalar(0)
	default:
		dst.setUnknown()
	}
	return nil
}

// countZeros checks that bytes of a slot can be read, and counts those that are zero.
func (v *verifier) countZeros(s *slot, off, size int) (zeros int, err error) {
	_, b := position(off)
	for i := range size {
		switch k := s.bytes[b-i]; {
		case k == byteMisc, k == byteSpill:
		case k == byteInvalid && !v.opts.Strict:
			v.facts.Unwritten = true
		case k == byteZero:
			zeros++
		case k == byteInvalid:
			return 0, v.fail(UninitStack, "read of %d bytes at stack offset %d: nothing was written to the byte at offset %d", size, off, off+i)
		default:
			return 0, v.fail(BadDynptr, "read of %d bytes at stack offset %d: a dynptr or iterator is there", size, off)
		}
	}
	return zeros, nil
}

// readSlots tells earlier checkpoints that the slots from lo to hi are read.
func (v *verifier) readSlots(frame, lo, hi int) {
	first, _ := position(hi - 1)
	last, _ := position(lo)
	var set uint64
	for n := first; n <= last; n++ {
		set |= 1 << n
	}
	v.cur.markRead(frame, set)
}

// loadStackVar reads size bytes somewhere between two offsets.
func (v *verifier) loadStackVar(ptr *reg, lo, hi, size int, dst *reg) error {
	frame := int(ptr.frame)
	f := v.cur.frames[frame]
	f.grow(lo)
	v.readSlots(frame, lo, hi)
	zero := true
	for o := lo; o < hi; o++ {
		n, b := position(o)
		s := &f.stack[n]
		switch s.bytes[b] {
		case byteZero:
		case byteMisc:
			zero = false
		case byteSpill:
			if s.reg.kind != Scalar && v.opts.Strict {
				return v.fail(CorruptStack, "read of an unknown place of the stack, where an address is saved")
			}
			zero = false
		case byteInvalid:
			if v.opts.Strict {
				return v.fail(UninitStack, "read of an unknown place of the stack from %d on: nothing was written to the byte at offset %d", lo, o)
			}
			zero, v.facts.Unwritten = false, true
		default:
			return v.fail(BadDynptr, "read of an unknown place of the stack, where a dynptr or iterator is")
		}
	}
	if dst != nil {
		if zero {
			*dst = constScalar(0)
		} else {
			*dst = reg{Scalar: value.OfSize(size), kind: Scalar}
		}
	}
	return nil
}

// destroySpecial ends dynptrs and iterators that are overwritten.
func (v *verifier) destroySpecial(frame, off, size int) error {
	f := v.cur.frames[frame]
	for o := off; o < off+size; o++ {
		n, b := position(o)
		switch f.stack[n].bytes[b] {
		case byteIter, byteIRQ:
			f.stack[n] = slot{bytes: [8]byteKind{byteMisc, byteMisc, byteMisc, byteMisc, byteMisc, byteMisc, byteMisc, byteMisc}}
		case byteDynptr:
			if err := v.destroyDynptr(f, n); err != nil {
				return err
			}
		}
	}
	return nil
}
