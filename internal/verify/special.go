// Implements the arguments that only some helpers take: locks, timers, constant strings, dynptrs.

package verify

import (
	"bytes"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// field finds the special field of a map's value that a pointer points to.
func (v *verifier) field(r uint8, x *reg, kind spec.FieldKind) error {
	m := v.maps[x.obj]
	if !x.IsConst() {
		return v.failReg(BadArgument, r, "R%d must point to the %s of a map's value, and its offset is not known", r, kind)
	}
	at := int64(x.off) + int64(x.Bits.Value)
	for _, f := range m.Fields {
		if f.Kind == kind && int64(f.Offset) == at {
			return nil
		}
	}
	return v.failReg(BadArgument, r, "R%d points to offset %d of the value of map %q, where no %s is", r, at, m.Name, kind)
}

// hasLock reports whether the values of a map have a lock.
func (v *verifier) hasLock(m int32) bool {
	for _, f := range v.maps[m].Fields {
		if f.Kind == spec.SpinLock || f.Kind == spec.ResSpinLock {
			return true
		}
	}
	return false
}

// lock takes a lock or gives it back.
func (v *verifier) lock(a *args, r uint8, x *reg) error {
	if err := v.field(r, x, spec.SpinLock); err != nil {
		return err
	}
	held := v.cur.holding(refLock)
	if a.h.Locks {
		if held != nil {
			return v.failReg(LockMisuse, r, "a lock is taken while the one taken at instruction %d is held", v.p.Slots[held.at])
		}
		v.cur.refs = append(v.cur.refs, reference{kind: refLock, id: x.id, at: v.at, obj: uint32(x.obj)})
		return nil
	}
	if held == nil {
		return v.failReg(LockMisuse, r, "a lock is given back, and none was taken")
	}
	if held.id != x.id || held.obj != uint32(x.obj) {
		return v.failReg(LockMisuse, r, "the lock given back is not the one taken at instruction %d", v.p.Slots[held.at])
	}
	for i := range v.cur.refs {
		if &v.cur.refs[i] == held {
			v.cur.refs = append(v.cur.refs[:i], v.cur.refs[i+1:]...)
			break
		}
	}
	return nil
}

// timerField checks the address of a timer.
func (v *verifier) timerField(a *args, r uint8, x *reg) error {
	a.mapIndex = x.obj
	return v.field(r, x, spec.Timer)
}

// constString checks that a constant string with its end is there.
func (v *verifier) constString(r uint8, x *reg) error {
	m := v.maps[x.obj]
	if !isConstant(m) {
		return v.failReg(BadArgument, r, "R%d must point to a string in a map that does not change, and map %q may", r, m.Name)
	}
	if !x.IsConst() {
		return v.failReg(BadArgument, r, "R%d must point to a string, and its offset is not known", r)
	}
	at := int64(x.off) + int64(x.Bits.Value)
	if at < 0 || at >= int64(m.ValueSize) {
		return v.failReg(BadMapValue, r, "R%d points to offset %d of the value of map %q, which has %d bytes", r, at, m.Name, m.ValueSize)
	}
	value := firstValue(m)
	if at < int64(len(value)) && bytes.IndexByte(value[at:], 0) < 0 && len(value) == int(m.ValueSize) {
		return v.failReg(BadArgument, r, "the string that R%d points to has no end", r)
	}
	return nil
}

// format checks that the string in register str is a format for the arguments of which register size tells the size.
func (v *verifier) format(size, str uint8) error {
	n := v.cur.regs()[size].Bits.Value
	if n%8 != 0 {
		return v.failReg(BadArgument, size, "the arguments of a format take 8 bytes each, and R%d is %d", size, n)
	}
	x := &v.cur.regs()[str]
	m := v.maps[x.obj]
	text := make([]byte, m.ValueSize)
	copy(text, firstValue(m))
	if !helper.CheckFormat(text[int64(x.off)+int64(x.Bits.Value):], int(n/8)) {
		return v.failReg(BadArgument, str, "the string that R%d points to is no format for %d arguments", str, n/8)
	}
	return nil
}

// alignedTo checks that a pointer is a multiple of n.
func (v *verifier) alignedTo(r uint8, x *reg, n int) error {
	if at := x.Bits.Value + uint64(int64(x.off)); x.kind == Stack && (x.Bits.Mask != 0 || at%uint64(n) != 0) {
		return v.failReg(Misaligned, r, "R%d must be a multiple of %d", r, n)
	}
	return nil
}
