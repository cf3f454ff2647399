// Implements the comparison of states.

package verify

import "slices"

// idmap pairs the identities of two states. Zero pairs with zero only.
type idmap struct {
	pairs []idPair
	tmp   uint32
}

type idPair struct{ old, cur uint32 }

func (m *idmap) reset(from uint32) { m.pairs, m.tmp = m.pairs[:0], from }

// same reports whether the identities correspond.
func (m *idmap) same(old, cur uint32) bool {
	if old == 0 || cur == 0 {
		return old == cur
	}
	for i := range m.pairs {
		if p := m.pairs[i]; p.old == old || p.cur == cur {
			return p.old == old && p.cur == cur
		}
	}
	m.pairs = append(m.pairs, idPair{old, cur})
	return true
}

// sameScalar is same for numbers, of which one without an identity corresponds to any other that nothing else does.
func (m *idmap) sameScalar(old, cur uint32) bool {
	if old == 0 {
		m.tmp++
		old = m.tmp
	}
	if cur == 0 {
		m.tmp++
		cur = m.tmp
	}
	return m.same(old, cur)
}

// statesEqual reports whether all that was safe from old on is safe from cur on.
func (v *verifier) statesEqual(old, cur *state, how exactness) bool {
	if len(old.frames) != len(cur.frames) {
		return false
	}
	v.idmap.reset(v.ids)
	if !v.refsEqual(old, cur) {
		return false
	}
	for i := range old.frames {
		a, b := old.frames[i], cur.frames[i]
		if a.callsite != b.callsite || a.fn != b.fn || a.depth > b.depth || a.async != b.async || (a.callback == nil) != (b.callback == nil) {
			return false
		}
		at := old.at
		if i+1 < len(old.frames) {
			at = old.frames[i+1].callsite
		}
		live := v.live[at]
		for r := range a.regs {
			if live>>r&1 != 0 && !v.regSafe(&a.regs[r], &b.regs[r], how) {
				return false
			}
		}
		read := old.read[i]
		if how != notExact || old.branches > 0 || old.inLoop {
			read = ^uint64(0)
		}
		if !v.stackSafe(a, b, read, how) {
			return false
		}
	}
	return true
}

func (v *verifier) refsEqual(old, cur *state) bool {
	return slices.EqualFunc(old.refs, cur.refs, func(a, b reference) bool {
		return a.kind == b.kind && v.idmap.same(a.id, b.id) && (a.kind != refLock || a.obj == b.obj)
	})
}

// regSafe reports whether what was safe with old in a register is safe with cur.
func (v *verifier) regSafe(old, cur *reg, how exactness) bool {
	if how == exact {
		return v.regExact(old, cur)
	}
	if old.kind == NotInit {
		return true
	}
	if old.kind != cur.kind || old.flags&^scalarFlags != cur.flags&^scalarFlags {
		return false
	}
	switch old.kind {
	case Scalar:
		if v.exactNumbers {
			return v.numbersExact(old, cur)
		}
		if !old.precise && how == notExact {
			return true
		}
		if old.flags != cur.flags || old.has(addConst) && old.off != cur.off {
			return false
		}
		return old.Contains(&cur.Scalar) && v.idmap.sameScalar(old.id, cur.id)
	case MapKey, MapValue, Mem, Buf:
		return old.off == cur.off && old.n == cur.n && old.obj == cur.obj && old.Contains(&cur.Scalar) &&
			v.idmap.same(old.id, cur.id) && v.idmap.same(old.ref, cur.ref) && v.idmap.same(old.dyn, cur.dyn)
	case Packet, PacketMeta:
		return old.n <= cur.n && old.off == cur.off && v.idmap.same(old.id, cur.id) && old.Contains(&cur.Scalar)
	}
	return v.regExact(old, cur)
}

// regExact reports whether the two say the same.
func (v *verifier) regExact(a, b *reg) bool {
	return a.kind == b.kind && a.flags == b.flags && a.frame == b.frame && a.off == b.off && a.n == b.n && a.obj == b.obj &&
		a.Scalar == b.Scalar && v.idmap.same(a.id, b.id) && v.idmap.same(a.ref, b.ref) && v.idmap.same(a.dyn, b.dyn)
}

// numbersExact reports whether two numbers are the same, and were copied from the same.
func (v *verifier) numbersExact(a, b *reg) bool {
	return a.Scalar == b.Scalar && a.flags == b.flags && a.off == b.off && v.idmap.sameScalar(a.id, b.id)
}

var anyNumber = unknownScalar()

// number returns the register that a load of all of the slot would give if that is a number, or nil.
func (v *verifier) number(s *slot) *reg {
	if s.bytes[7] == byteSpill {
		if s.bytes[0] == byteSpill && s.reg.kind == Scalar {
			return &s.reg
		}
		return nil
	}
	for _, b := range s.bytes {
		if b != byteMisc && (b != byteInvalid || v.opts.Strict) {
			return nil
		}
	}
	return &anyNumber
}

// stackSafe reports whether what was safe with the stack of old is safe with that of cur. Only the slots in read
// matter.
func (v *verifier) stackSafe(old, cur *frame, read uint64, how exactness) bool {
	for n := range old.stack {
		a := &old.stack[n]
		if how == exact && (n >= len(cur.stack) || a.bytes != cur.stack[n].bytes) {
			return false
		}
		if read>>n&1 == 0 || v.empty(a) {
			continue
		}
		if n >= len(cur.stack) {
			return false
		}
		if !v.slotSafe(a, &cur.stack[n], how) {
			return false
		}
	}
	return true
}

// empty reports whether nothing can depend on what the slot holds.
func (v *verifier) empty(s *slot) bool {
	for _, b := range s.bytes {
		if b != byteInvalid && (b != byteMisc || v.opts.Strict) {
			return false
		}
	}
	return true
}

func (v *verifier) slotSafe(a, b *slot, how exactness) bool {
	x, y := v.number(a), v.number(b)
	if x != nil && y != nil {
		return v.regSafe(x, y, how)
	}
	for i, k := range a.bytes {
		switch {
		case k == byteInvalid, k == byteMisc && !v.opts.Strict, k == b.bytes[i], k == byteMisc && b.bytes[i] == byteZero:
		default:
			return false
		}
	}
	switch a.bytes[7] {
	case byteSpill:
		return v.regSafe(&a.reg, &b.reg, how)
	case byteDynptr:
		return v.regExact(&a.reg, &b.reg)
	case byteIter:
		x, y := &a.reg, &b.reg
		return x.obj == y.obj && x.n == y.n && x.flags == y.flags && v.idmap.same(x.ref, y.ref)
	case byteIRQ:
		return a.reg.obj == b.reg.obj && v.idmap.same(a.reg.ref, b.reg.ref)
	}
	return true
}
