// Implements the folding of values: constants calculated, and calculations that change nothing left out.

package pcap

// simplify returns a shorter value equal to a op b, or nil. What it returns ends the program for the same
// packets: it never drops a load.
func (p *pool) simplify(op valueOp, a, b *value) *value {
	switch {
	case a.op == opFail:
		return a
	case b.op == opFail:
		return b
	case a.op == opConst && b.op == opConst:
		if k, ok := compute(op, a.k, b.k); ok {
			return p.constant(k)
		}
		return p.fail()
	case b.op == opConst:
		return p.simplifyConst(op, a, b.k)
	case a.op == opConst:
		switch op {
		case opAdd, opMul, opAnd, opOr, opXor:
			return p.binary(op, b, a)
		}
	}
	return nil
}

// fixed returns the number that v is whatever the packet, as it is where something is multiplied by 0. The
// loads in v may still end the program.
func fixed(v *value) (uint32, bool) {
	if v.op == opConst {
		return v.k, true
	}
	if v.op == opNeg {
		k, known := fixed(v.a)
		return -k, known
	}
	if v.b == nil {
		return 0, false
	}
	a, left := fixed(v.a)
	b, right := fixed(v.b)
	if left && right {
		return compute(v.op, a, b)
	}
	switch v.op {
	case opMul, opAnd:
		return 0, left && a == 0 || right && b == 0
	case opDiv, opMod, opShl, opShr:
		return 0, left && a == 0
	}
	return 0, false
}

// simplifyConst is simplify for a constant right operand.
func (p *pool) simplifyConst(op valueOp, a *value, k uint32) *value {
	switch op {
	case opSub:
		return p.binary(opAdd, a, p.constant(-k))
	case opAdd, opOr, opXor, opShl, opShr:
		if k == 0 || (op == opShl || op == opShr) && k&31 == 0 {
			return a
		}
	case opMul:
		if k == 1 {
			return a
		}
	case opDiv:
		switch k {
		case 0:
			return p.fail()
		case 1:
			return a
		}
	case opMod:
		if k == 0 {
			return p.fail()
		}
	case opAnd:
		if all := coverOf(widest(a)); k&all == all {
			return a
		}
	}
	if (op == opMul || op == opAnd) && k == 0 && !a.risky {
		return p.constant(0)
	}
	if v := headerOf(op, a, k); v != nil {
		return p.make(opHeader, 0, v.k, nil, nil)
	}
	// Two steps with constants become one: (x+1)+2 is x+3.
	if a.op == op && a.b.op == opConst {
		switch op {
		case opAdd, opAnd, opOr, opXor, opMul:
			joined, _ := compute(op, a.b.k, k)
			return p.binary(op, a.a, p.constant(joined))
		case opShl, opShr:
			if n := a.b.k&31 + k&31; n < 32 {
				return p.binary(op, a.a, p.constant(n))
			}
		}
	}
	return nil
}

// coverOf is the smallest number of the form 2^n-1 that is not below k.
func coverOf(k uint32) uint32 {
	for s := 1; s < 32; s *= 2 {
		k |= k >> s
	}
	return k
}

// headerOf returns the byte load of 4*(byte & 15), if a op k is that.
func headerOf(op valueOp, a *value, k uint32) *value {
	if !(op == opShl && k == 2 || op == opMul && k == 4) {
		return nil
	}
	if a.op == opAnd && a.b.op == opConst && a.b.k == 15 && a.a.op == opLoad && a.a.size == 1 && a.a.a == nil {
		return a.a
	}
	return nil
}
