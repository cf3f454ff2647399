// Implements what must hold, where addresses must not become visible, for sums that the kernel keeps in bounds even on
// a processor that runs ahead: each instruction needs one mask for all paths.

package verify

import "github.com/skepbpf/skep/isa"

// mask is how the kernel keeps an instruction's sum in bounds. The zero value: not known yet.
type mask struct {
	set, pointer      bool
	negative, toRight bool // the number's sign; whether the number is the source
	constant          bool
	limit             int64
}

// reasons are why there is no mask.
const (
	mixedSigns = "the number added to it may be negative or not, and allowed is one of both"
	otherMask  = "this instruction computed with another address, number or bound on another path, and allowed is one for all"
	leaves     = "the sum may leave what is pointed to"
)

// needsMask reports whether the current instruction gets a mask.
func (v *verifier) needsMask(row *isa.Row) bool {
	return v.opts.Strict && row.From == isa.FromReg && (row.Fn == isa.FnAdd || row.Fn == isa.FnSub)
}

// maskNumbers notes that the current instruction computes with numbers alone.
func (v *verifier) maskNumbers(row *isa.Row, at uint8) error {
	if !v.needsMask(row) {
		return nil
	}
	return v.setMask(mask{set: true}, at)
}

// maskBefore returns the mask for adding off to ptr, with the limit before it is done.
func (v *verifier) maskBefore(row *isa.Row, ptr, off *reg, swapped bool, at uint8) (m mask, left bool, err error) {
	if !off.IsConst() && (off.SMin < 0) != (off.SMax < 0) {
		return m, false, v.failReg(PointerArith, at, "R%d is %s: %s", at, ptr.describe(), mixedSigns)
	}
	m = mask{set: true, pointer: true, negative: off.SMin < 0, constant: off.IsConst(), toRight: !swapped}
	left = (row.Fn == isa.FnAdd) == m.negative
	if m.limit, err = v.maskLimit(ptr, left, at); err == nil && !m.constant {
		v.exactNumbers = true
	}
	return m, left, err
}

// maskAfter completes a mask by what the sum is, and notes it.
func (v *verifier) maskAfter(m mask, left bool, sum *reg, at uint8) error {
	limit, err := v.maskLimit(sum, left, at)
	if err != nil {
		return err
	}
	if m.limit -= limit; m.limit < 0 {
		m.limit = -m.limit
	}
	return v.setMask(m, at)
}

// maskLimit returns how far an address may still be moved in a direction.
func (v *verifier) maskLimit(ptr *reg, left bool, at uint8) (int64, error) {
	var limit, most int64
	switch {
	case ptr.kind == Stack:
		limit, most = -(int64(ptr.Bits.Value) + int64(ptr.off)), maxStack
		if left {
			most++
		}
	case left:
		limit, most = ptr.SMin+int64(ptr.off), int64(v.maps[ptr.obj].ValueSize)
	default:
		limit, most = int64(ptr.UMax)+int64(ptr.off), int64(v.maps[ptr.obj].ValueSize)
	}
	if uint32(limit) >= uint32(most) {
		return 0, v.failReg(PointerArith, at, "R%d is %s: %s", at, ptr.describe(), leaves)
	}
	return limit, nil
}

// setMask notes the mask of the current instruction, which must be the same on all paths.
func (v *verifier) setMask(m mask, at uint8) error {
	if v.masks == nil {
		v.masks = make([]mask, len(v.p.Ins))
	}
	if old := v.masks[v.at]; old.set && old != m {
		return v.failReg(PointerArith, at, "R%d is %s: %s", at, v.cur.regs()[at].describe(), otherMask)
	}
	v.masks[v.at] = m
	return nil
}
