// Implements arithmetic on addresses.

package verify

import (
	"math"
	"math/bits"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// maxOffset bounds the offsets of addresses, bytes.
const maxOffset = 1 << 29

// pointerArith walks through ptr op off, or off op ptr if swapped. The result goes to the destination.
func (v *verifier) pointerArith(in *ir.Ins, row *isa.Row, ptr reg, off *reg, swapped bool) error {
	dst := &v.cur.regs()[in.Dst]
	at := in.Dst
	if swapped {
		at = in.Src
	}
	fail := func(format string, args ...any) error { return v.failReg(PointerArith, at, format, args...) }
	known := off.IsConst()
	switch {
	case !off.Consistent():
		dst.setUnknown()
		return nil
	case row.Width != 64:
		if row.Fn == isa.FnSub && !v.opts.Strict {
			dst.setUnknown()
			return nil
		}
		return hinted(fail("R%d is %s: 32-bit arithmetic would cut it", at, ptr.describe()), "compute with all 64 bits of an address")
	case ptr.has(orNull):
		return v.failReg(MaybeNull, at, "R%d is %s: compare it with 0 before computing with it", at, ptr.describe())
	case ptr.kind == Mem && ptr.has(untrusted):
		return nil
	}
	switch ptr.kind {
	case Context, MapValue, MapKey, Stack, PacketMeta, Packet, Object, Mem, Buf, Func, Dynptr:
	case FlowKeys:
		if !known {
			return fail("R%d is %s, to which only constants can be added", at, ptr.describe())
		}
	case Map:
		if !known || off.UMin != 0 || row.Fn != isa.FnAdd {
			return hinted(fail("R%d is a map: no arithmetic on it is allowed", at), "pass the map to helpers as it is")
		}
	case Arena:
		*dst = ptr
		return nil
	default:
		return fail("R%d is %s: no arithmetic on it is allowed", at, ptr.describe())
	}
	if v.opts.Strict && row.From == isa.FromReg && ptr.kind != Stack && ptr.kind != MapValue {
		return fail("R%d is %s, to which only constants in the instruction can be added: a processor could run ahead with another number", at, ptr.describe())
	}
	number := at
	if row.From == isa.FromReg {
		number = in.Src
	}
	if swapped {
		number = in.Dst
	}
	if err := v.saneOffset(number, off, &ptr); err != nil {
		return err
	}
	if err := v.saneOffset(at, &ptr, &ptr); err != nil {
		return err
	}
	out := ptr
	var m mask
	var left bool
	if v.needsMask(row) {
		var err error
		if m, left, err = v.maskBefore(row, &ptr, off, swapped, at); err != nil {
			return err
		}
	}
	switch row.Fn {
	case isa.FnAdd:
		v.pointerAdd(&out, &ptr, off, known)
	case isa.FnSub:
		if swapped {
			return fail("R%d -= R%d: %s is subtracted from a number", in.Dst, in.Src, ptr.describe())
		}
		if ptr.kind == Stack {
			return hinted(fail("R%d is an address on the stack: subtraction from it is not allowed", at), "add a negative number")
		}
		v.pointerSub(&out, &ptr, off, known)
	default:
		return hinted(fail("R%d is %s: %s on it is not allowed, only adding and subtracting is", at, ptr.describe(), opSign(row)),
			"compute with numbers, and add the result to the address")
	}
	*dst = out
	if err := v.saneOffset(in.Dst, dst, &ptr); err != nil {
		return err
	}
	dst.UMin32, dst.UMax32, dst.SMin32, dst.SMax32 = 0, math.MaxUint32, math.MinInt32, math.MaxInt32
	dst.Sync()
	dst.Repair()
	if err := v.strictBounds(in.Dst, dst); err != nil || !m.set {
		return err
	}
	return v.maskAfter(m, left, dst, in.Dst)
}

// saneOffset checks that an offset is so small that sums of them do not overflow.
func (v *verifier) saneOffset(at uint8, r, ptr *reg) error {
	switch {
	case r.IsConst() && (int64(r.Bits.Value) >= maxOffset || int64(r.Bits.Value) <= -maxOffset):
		return v.failReg(PointerArith, at, "the number that is added to %s is %d, and allowed are less than %d to both sides", ptr.describe(), int64(r.Bits.Value), int64(maxOffset))
	case r.pointer() && (r.off >= maxOffset || r.off <= -maxOffset):
		return v.failReg(PointerArith, at, "%s would be moved by %d, and allowed are less than %d to both sides", ptr.describe(), r.off, int64(maxOffset))
	case r.SMin == math.MinInt64:
		return v.failReg(PointerArith, at, "the number that is added to %s has no lower bound", ptr.describe())
	case r.SMin >= maxOffset || r.SMin <= -maxOffset:
		return v.failReg(PointerArith, at, "the number that is added to %s may be %d, and allowed are less than %d to both sides", ptr.describe(), r.SMin, int64(maxOffset))
	}
	return nil
}

// pointerAdd adds an offset: to the fixed part if it is known, else to the variable part.
func (v *verifier) pointerAdd(out, ptr, off *reg, known bool) {
	if sum := int64(ptr.off) + off.SMin; known && sum == int64(int32(sum)) {
		out.off = int32(sum)
		return
	}
	least, fits := addSigned(ptr.SMin, off.SMin)
	most, too := addSigned(ptr.SMax, off.SMax)
	if out.SMin, out.SMax = least, most; !fits || !too {
		out.SMin, out.SMax = math.MinInt64, math.MaxInt64
	}
	lo, c1 := bits.Add64(ptr.UMin, off.UMin, 0)
	hi, c2 := bits.Add64(ptr.UMax, off.UMax, 0)
	if out.UMin, out.UMax = lo, hi; c1 != 0 || c2 != 0 {
		out.UMin, out.UMax = 0, math.MaxUint64
	}
	out.Bits = ptr.Bits.Add(off.Bits)
	if ptr.inPacket() {
		out.id, out.n = v.newID(), 0
	}
}

// pointerSub subtracts an offset.
func (v *verifier) pointerSub(out, ptr, off *reg, known bool) {
	if diff := int64(ptr.off) - off.SMin; known && diff == int64(int32(diff)) {
		out.off = int32(diff)
		return
	}
	out.SMin, out.SMax = ptr.SMin-off.SMax, ptr.SMax-off.SMin
	if (out.SMin > ptr.SMin) != (off.SMax < 0) || (out.SMax > ptr.SMax) != (off.SMin < 0) {
		out.SMin, out.SMax = math.MinInt64, math.MaxInt64
	}
	if ptr.UMin < off.UMax {
		out.UMin, out.UMax = 0, math.MaxUint64
	} else {
		out.UMin, out.UMax = ptr.UMin-off.UMax, ptr.UMax-off.UMin
	}
	out.Bits = ptr.Bits.Sub(off.Bits)
	if ptr.inPacket() {
		if out.id = v.newID(); off.SMin < 0 {
			out.n = 0
		}
	}
}

// addSigned adds, and reports whether the sum fits.
func addSigned(a, b int64) (int64, bool) {
	s := a + b
	return s, (s < a) == (b < 0)
}

// strictBounds checks, where addresses must not become visible, that arithmetic stays inside what is pointed to.
func (v *verifier) strictBounds(at uint8, r *reg) error {
	if !v.opts.Strict {
		return nil
	}
	switch r.kind {
	case Stack:
		if !r.IsConst() {
			return v.failReg(BadStack, at, "R%d is an address on the stack with an offset that is not constant", at)
		}
		if off := int64(r.off) + int64(r.Bits.Value); off < -maxStack || off >= 0 {
			return v.failReg(BadStack, at, "R%d leaves the stack: offset %d", at, off)
		}
	case MapValue:
		if err := v.region(at, r, 0, 1, int64(v.maps[r.obj].ValueSize), BadMapValue, "the map's value"); err != nil {
			return v.failReg(BadMapValue, at, "R%d leaves the map's value", at)
		}
		return v.specialFields(at, r, 0, 1, v.maps[r.obj])
	}
	return nil
}
