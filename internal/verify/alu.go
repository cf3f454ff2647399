// Implements what arithmetic instructions do to numbers and moves to all else.

package verify

import (
	"math"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// alu walks through an arithmetic instruction, and notes what came out.
func (v *verifier) alu(in *ir.Ins, row *isa.Row) error {
	err := v.compute(in, row)
	return err
}

func (v *verifier) compute(in *ir.Ins, row *isa.Row) error {
	regs := v.cur.regs()
	if row.From == isa.FromReg {
		if err := v.reads(in.Src); err != nil {
			return err
		}
	}
	if row.Reads&isa.RoleDst != 0 {
		if err := v.reads(in.Dst); err != nil {
			return err
		}
	}
	dst, src := &regs[in.Dst], &regs[in.Src]
	switch row.Fn {
	case isa.FnMov, isa.FnMovSX:
		if row.From == isa.FromImm {
			imm := in.Imm
			if row.Width == 32 {
				imm = uint64(uint32(imm))
			}
			*dst = constScalar(imm)
			return nil
		}
		return v.move(in, row, dst, src)
	case isa.FnNeg, isa.FnLE, isa.FnBE, isa.FnBSwap:
		if v.opts.Strict && dst.pointer() {
			return v.failReg(PointerArith, in.Dst, "R%d is %s, and %s would let it become visible", in.Dst, dst.describe(), row.Op)
		}
		v.unary(row, dst)
		return nil
	}
	if err := v.constantOperand(in, row); err != nil {
		return err
	}
	return v.arithmetic(in, row, dst, src)
}

// unary walks through a negation or a change of byte order.
func (v *verifier) unary(row *isa.Row, dst *reg) {
	s := dst.Scalar
	switch {
	case dst.kind != Scalar:
		s = value.Unknown
	case row.Fn == isa.FnNeg:
		s.Neg(row.Width)
	case row.Fn == isa.FnLE:
		s.Truncate(int(row.Size / 8))
	default:
		s.Swap(int(row.Size / 8))
	}
	v.setNumber(dst, s)
}

// constantOperand checks divisors and shift counts that are constants.
func (v *verifier) constantOperand(in *ir.Ins, row *isa.Row) error {
	if row.From != isa.FromImm {
		return nil
	}
	switch row.Fn {
	case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
		if in.Imm == 0 {
			return v.fail(DivisionByZero, "division by zero")
		}
	case isa.FnLsh, isa.FnRsh, isa.FnArsh:
		if in.Imm >= uint64(row.Width) {
			return v.fail(BadShift, "shift by %d: the count must be from 0 to %d", int64(in.Imm), row.Width-1)
		}
	}
	return nil
}

// setNumber makes a register a number. One whose parts contradict each other comes from a branch that is never taken.
func (v *verifier) setNumber(r *reg, s value.Scalar) {
	s.Repair()
	*r = reg{Scalar: s, kind: Scalar, precise: r.precise && r.kind == Scalar}
}

// identify gives a number an identity, so that copies learn from each other.
func (v *verifier) identify(r *reg) {
	if r.IsConst() {
		return
	}
	if r.has(addConst) {
		r.id, r.flags, r.off = 0, 0, 0
	}
	if r.id == 0 {
		r.id = v.newID()
	}
}

// move walks through a move from a register, with or without an extension of the sign.
func (v *verifier) move(in *ir.Ins, row *isa.Row, dst, src *reg) error {
	whole := row.Fn == isa.FnMov && row.Width == 64
	if src.pointer() && !whole {
		if v.opts.Strict {
			return v.failReg(PointerArith, in.Src, "R%d is %s, and a copy of a part of it would let it become visible", in.Src, src.describe())
		}
		*dst = reg{Scalar: value.Unknown, kind: Scalar}
		if row.Width == 32 {
			dst.ZeroExtend32()
		}
		return nil
	}
	if src.kind != Scalar {
		*dst = *src
		return nil
	}
	// Whether the value stays what it is.
	same := true
	switch {
	case row.Fn == isa.FnMovSX:
		same = src.UMax < 1<<(row.Size-1)
	case row.Width == 32:
		same = src.UMax <= 0xffffffff
	}
	if same {
		v.identify(src)
	}
	*dst = *src
	if !same {
		dst.id, dst.flags, dst.off = 0, 0, 0
	}
	switch {
	case row.Fn == isa.FnMovSX:
		dst.SignExtend(int(row.Size/8), row.Width)
	case row.Width == 32:
		dst.ZeroExtend32()
	}
	dst.Repair()
	return nil
}

// arithmetic walks through a binary operation.
func (v *verifier) arithmetic(in *ir.Ins, row *isa.Row, dst, src *reg) error {
	if row.From == isa.FromReg {
		switch {
		case src.pointer() && dst.pointer():
			if row.Fn == isa.FnSub && !v.opts.Strict {
				dst.setUnknown()
				return nil
			}
			return v.failReg(PointerArith, in.Dst, "R%d %s R%d: both are addresses", in.Dst, opSign(row), in.Src)
		case src.pointer():
			v.precise(in.Dst)
			off := *dst
			return v.pointerArith(in, row, *src, &off, true)
		case dst.pointer():
			v.precise(in.Src)
			return v.pointerArith(in, row, *dst, src, false)
		case dst.precise:
			v.precise(in.Src)
		}
	} else {
		imm := constScalar(in.Imm)
		if dst.pointer() {
			return v.pointerArith(in, row, *dst, &imm, false)
		}
		src = &imm
	}
	if err := v.maskNumbers(row, in.Dst); err != nil {
		return err
	}
	old := *dst
	s := dst.Scalar
	if !operate(&s, row, &src.Scalar) {
		s = value.Unknown
	}
	v.setNumber(dst, s)
	if d, ok := difference(row, &old, src); ok {
		dst.id, dst.flags, dst.off = old.id, addConst, d
		if row.Width == 32 {
			dst.flags |= narrow
		}
	}
	return nil
}

// difference returns how much an operation makes a number with an identity greater, if that is a constant that copies
// can learn by.
func difference(row *isa.Row, old, src *reg) (int32, bool) {
	if old.id == 0 || old.has(addConst) || !src.IsConst() || row.Width == 32 && old.UMax > math.MaxUint32 {
		return 0, false
	}
	d := int32(src.Bits.Value)
	if row.Width == 64 && int64(src.Bits.Value) != int64(d) {
		return 0, false
	}
	switch {
	case row.Fn == isa.FnAdd:
		return d, true
	case row.Fn == isa.FnSub && d != math.MinInt32:
		return -d, true
	}
	return 0, false
}

// operate computes dst op src and reports whether anything is known of the result.
func operate(dst *value.Scalar, row *isa.Row, src *value.Scalar) bool {
	switch row.Fn {
	case isa.FnAdd:
		dst.Add(src, row.Width)
	case isa.FnSub:
		dst.Sub(src, row.Width)
	case isa.FnMul:
		dst.Mul(src, row.Width)
	case isa.FnAnd:
		dst.And(src, row.Width)
	case isa.FnOr:
		dst.Or(src, row.Width)
	case isa.FnXor:
		dst.Xor(src, row.Width)
	case isa.FnLsh, isa.FnRsh, isa.FnArsh:
		count, ok := shiftCount(src, row.Width)
		if !ok {
			return false
		}
		switch row.Fn {
		case isa.FnLsh:
			dst.Lsh(count, row.Width)
		case isa.FnRsh:
			dst.Rsh(count, row.Width)
		default:
			dst.Arsh(count, row.Width)
		}
	default:
		return false
	}
	return true
}

// shiftCount returns the count of a shift if it is known and below the width.
func shiftCount(s *value.Scalar, width uint8) (uint, bool) {
	if width == 32 {
		return uint(s.UMin32), s.Const32() && s.UMin32 == s.UMax32 && s.UMax < 32
	}
	return uint(s.UMin), s.IsConst() && s.UMin < 64
}

func opSign(row *isa.Row) string {
	switch row.Fn {
	case isa.FnAdd:
		return "+="
	case isa.FnSub:
		return "-="
	case isa.FnMul:
		return "*="
	case isa.FnDiv, isa.FnSDiv:
		return "/="
	case isa.FnMod, isa.FnSMod:
		return "%="
	case isa.FnAnd:
		return "&="
	case isa.FnOr:
		return "|="
	case isa.FnXor:
		return "^="
	case isa.FnLsh:
		return "<<="
	case isa.FnRsh:
		return ">>="
	}
	return "s>>="
}

// loadImm walks through a wide load: of a constant, a map, an address in a map's value, or a function's address.
func (v *verifier) loadImm(in *ir.Ins, row *isa.Row) error {
	dst := &v.cur.regs()[in.Dst]
	switch {
	case v.mapAt[v.at] >= 0:
		m := v.mapAt[v.at]
		ref := &v.p.Source.Maps[v.mapRef[v.at]]
		if !ref.Value {
			*dst = pointerTo(Map)
			dst.obj = m
			return nil
		}
		*dst = pointerTo(MapValue)
		dst.obj, dst.off = m, int32(ref.Offset)
		if v.maps[m].Type == spec.Arena {
			*dst = pointerTo(Arena)
		}
	case v.externAt[v.at] != nil:
		*dst = v.extern(v.externAt[v.at])
	case row.Op == isa.LdImm64:
		*dst = constScalar(in.Imm)
	case row.Op == isa.LdFunc:
		*dst = pointerTo(Func)
		dst.obj = in.Off
	default:
		return v.unsupported("%s is not known to the verifier", row.Op)
	}
	return nil
}

// extension walks through an instruction that the user has added: a number comes out of it.
func (v *verifier) extension(in *ir.Ins, row *isa.Row) error {
	regs := v.cur.regs()
	for _, r := range []struct {
		role isa.Roles
		n    uint8
	}{{isa.RoleDst, in.Dst}, {isa.RoleSrc, in.Src}} {
		if row.Reads&r.role == 0 {
			continue
		}
		if err := v.reads(r.n); err != nil {
			return err
		}
		if regs[r.n].pointer() {
			return v.failReg(PointerArith, r.n, "R%d is %s, and %s computes with numbers", r.n, regs[r.n].describe(), row.Mnemonic)
		}
	}
	if row.Writes&isa.RoleDst != 0 {
		regs[in.Dst].setUnknown()
	}
	return nil
}
