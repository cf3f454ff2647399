// Implements the code of numbers: loading them, and computing.

package event

import (
	"fmt"
	"math/big"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// base returns the register with the address that a field is at an offset of, held. It goes to absent if there is no
// such field.
func (g *gen) base(f *Field, absent emit.Label) reg {
	if f.Flag > 0 {
		r := g.alloc()
		bit := f.Flag - 1
		g.op(isa.Ldx8, r, isa.R1, bit/8, 0)
		g.op(isa.And64Imm, r, 0, 0, 1<<(bit%8))
		g.ifConst(emit.Eq, r, 0, absent)
		g.release(r)
	}
	at := g.hold(isa.R1)
	path := ""
	for _, off := range f.via {
		path = pathOf(path, off)
		n, ok := g.paths[path]
		if !ok {
			n = len(g.paths)
			g.paths[path] = n
		}
		k := key{pointer, n}
		r, ok := g.cached(k)
		if !ok {
			r = g.alloc()
			g.op(isa.Ldx64, r, at, off, 0)
			g.ifConst(emit.Eq, r, 0, absent)
			g.keep(r, k)
		}
		g.release(at)
		at = r
	}
	return at
}

// pathOf names a pointer by the offsets that lead to it.
func pathOf(path string, off int) string { return fmt.Sprint(path, off, "/") }

// loads are the instructions that load numbers, by the binary logarithm of their size; the second with their sign.
var loads = [...][2]isa.Op{{isa.Ldx8, isa.LdxS8}, {isa.Ldx16, isa.LdxS16}, {isa.Ldx32, isa.LdxS32}, {isa.Ldx64, isa.Ldx64}}

func log(size int) int { return map[int]int{1: 0, 2: 1, 4: 2, 8: 3}[size] }

// field returns the register with a field's number, held. Floats of 32 bits are in the upper half, so that their bits
// mean the same as those of 64.
func (g *gen) field(n int, absent emit.Label) reg {
	k := key{number, n}
	if r, ok := g.cached(k); ok {
		return r
	}
	f := &g.s.Fields[n]
	base := g.base(f, absent)
	r := g.alloc()
	signed := 0
	if f.Kind == Int && !f.Big {
		signed = 1
	}
	g.op(loads[log(f.Size)][signed], r, base, f.Offset, 0)
	if f.Big && f.Size > 1 {
		g.op([...]isa.Op{0, isa.BE16, isa.BE32, isa.BE64}[log(f.Size)], r, 0, 0, 0)
	}
	if f.Big && f.Kind == Int && f.Size < 8 {
		g.op([...]isa.Op{isa.MovSX8To64, isa.MovSX16To64, isa.MovSX32To64}[log(f.Size)], r, r, 0, 0)
	}
	if f.Kind == Float && f.Size == 4 {
		g.op(isa.Lsh64Imm, r, 0, 0, 32)
	}
	g.release(base)
	return g.keep(r, k)
}

// value returns a register with a number, held.
func (g *gen) value(n *node, e emit.Label) reg {
	switch n.op {
	case opConst:
		r := g.alloc()
		g.constant(r, uint64(n.val.i))
		return r
	case opField:
		return g.field(n.field, e)
	case opArith:
		return g.calc(n, e)
	case opConvert:
		r := g.value(n.args[0], e)
		g.ifConst(emit.SLt, r, 0, e)
		return r
	case opLog2:
		return g.bits(n, e)
	case opLen, opRunes:
		t := g.textOf(n.args[0], e)
		t = g.measured(t)
		if n.op == opRunes {
			g.ascii(t)
		}
		var r reg
		if t.fixed {
			r = g.alloc()
			g.constant(r, uint64(t.room))
		} else {
			r = g.hold(t.size)
		}
		g.drop(t)
		return r
	}
	if n.kind == Bool {
		return g.truth(n, e)
	}
	if g.err == nil {
		g.err = fail(n, "operation %d is no number", n.op)
	}
	return g.alloc()
}

// bits returns a register with the number of bits of a number: by halves.
func (g *gen) bits(n *node, e emit.Label) reg {
	x := g.take(g.value(n.args[0], e))
	r := g.alloc()
	g.constant(r, 0)
	if n.args[0].kind != Uint {
		positive := g.c.Label()
		g.ifConst(emit.SGe, x, 0, positive)
		g.constant(x, 0)
		g.bind(positive)
	}
	for shift := int32(32); shift > 0; shift /= 2 {
		small := g.c.Label()
		g.ifConst(emit.Lt, x, 1<<shift, small)
		g.op(isa.Rsh64Imm, x, 0, 0, shift)
		g.op(isa.Add64Imm, r, 0, 0, shift)
		g.bind(small)
	}
	g.op(isa.Add64Reg, r, x, 0, 0) // what is left is one bit
	g.release(x)
	return r
}

// truth returns a register with 1 or 0.
func (g *gen) truth(n *node, e emit.Label) reg {
	yes, no, done := g.c.Label(), g.c.Label(), g.c.Label()
	g.cond(n, ways{yes, no, e, yes})
	r := g.alloc()
	g.bind(yes)
	g.regs[r].key = key{}
	g.constant(r, 1)
	g.goTo(done)
	g.bind(no)
	g.regs[r].key = key{}
	g.constant(r, 0)
	g.bind(done)
	return r
}

// spans is the bounds of what a number can be.
func (g *gen) spans(n *node) (lo, hi *big.Int) {
	bits := func(k Kind, n uint) (lo, hi *big.Int) {
		one := big.NewInt(1)
		if k == Uint {
			return new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(one, n), one)
		}
		top := new(big.Int).Lsh(one, n-1)
		return new(big.Int).Neg(top), new(big.Int).Sub(top, one)
	}
	switch {
	case n.op == opConst && n.kind == Uint:
		v := new(big.Int).SetUint64(uint64(n.val.i))
		return v, v
	case n.op == opConst:
		v := big.NewInt(n.val.i)
		return v, v
	case n.op == opField:
		return bits(n.kind, uint(8*g.s.Fields[n.field].Size))
	case n.op == opLog2:
		return new(big.Int), big.NewInt(64)
	case n.op == opLen || n.op == opRunes:
		return new(big.Int), big.NewInt(maxInt)
	case n.op == opArith && n.arith <= Mul:
		a, b := g.spans(n.args[0])
		c, d := g.spans(n.args[1])
		ends := make([]*big.Int, 0, 4)
		for _, x := range []*big.Int{a, b} {
			for _, y := range []*big.Int{c, d} {
				v := new(big.Int)
				switch n.arith {
				case Add:
					v.Add(x, y)
				case Sub:
					v.Sub(x, y)
				case Mul:
					v.Mul(x, y)
				}
				ends = append(ends, v)
			}
		}
		lo, hi = ends[0], ends[0]
		for _, v := range ends {
			if v.Cmp(lo) < 0 {
				lo = v
			}
			if v.Cmp(hi) > 0 {
				hi = v
			}
		}
		if fitsKind(n.kind, lo) && fitsKind(n.kind, hi) {
			return lo, hi
		}
	}
	return bits(n.kind, 64)
}

func fitsKind(k Kind, v *big.Int) bool {
	if k == Uint {
		return v.IsUint64()
	}
	return v.IsInt64()
}

// surely reports whether a sum, difference or product fits its kind in any case.
func (g *gen) surely(n *node) bool {
	lo, hi := g.spans(n)
	full := *n
	full.op = opConvert // of no known bounds
	flo, fhi := g.spans(&full)
	return lo.Cmp(flo) > 0 || hi.Cmp(fhi) < 0
}

// calc returns a register with the result of an operation.
func (g *gen) calc(n *node, e emit.Label) reg {
	x := g.value(n.args[0], e)
	y := g.value(n.args[1], e)
	signed := n.kind != Uint
	var r reg
	switch n.arith {
	case BitAnd, BitOr, BitXor:
		r = g.take(x)
		g.op([...]isa.Op{isa.And64Reg, isa.Or64Reg, isa.Xor64Reg}[n.arith-BitAnd], r, y, 0, 0)
		g.release(y)
		return r
	case Div, Mod:
		g.ifConst(emit.Eq, y, 0, e)
		if signed {
			g.overflowingDivision(x, y, e)
		}
		r = g.take(x)
		ops := [...]isa.Op{isa.Div64Reg, isa.Mod64Reg}
		if signed {
			ops = [...]isa.Op{isa.SDiv64Reg, isa.SMod64Reg}
		}
		g.op(ops[n.arith-Div], r, y, 0, 0)
		g.release(y)
		return r
	}
	r = g.copyOf(x)
	g.op([...]isa.Op{isa.Add64Reg, isa.Sub64Reg, isa.Mul64Reg}[n.arith], r, y, 0, 0)
	if !g.surely(n) {
		g.overflow(n.arith, signed, x, y, r, e)
	}
	g.release(x, y)
	return r
}

// overflowingDivision goes to e for the one division of signed numbers whose result does not fit.
func (g *gen) overflowingDivision(x, y reg, e emit.Label) {
	fine := g.c.Label()
	g.ifConst(emit.Ne, y, ^uint64(0), fine)
	t := g.alloc()
	g.constant(t, 1<<63)
	g.ifReg(emit.Eq, x, t, e)
	g.release(t)
	g.bind(fine)
}

// overflow goes to e if r is not what x and y give.
func (g *gen) overflow(op Arithmetic, signed bool, x, y, r reg, e emit.Label) {
	switch {
	case op == Mul:
		g.overflowingProduct(signed, x, y, r, e)
	case !signed && op == Add:
		g.ifReg(emit.Lt, r, x, e)
	case !signed:
		g.ifReg(emit.Lt, x, y, e)
	default:
		// The signs of the operands (of the second, turned round, if it is subtracted) both differ from the result's.
		t, u := g.copyOf(r), g.copyOf(r)
		g.op(isa.Xor64Reg, t, x, 0, 0)
		if op == Add {
			g.op(isa.Xor64Reg, u, y, 0, 0)
		} else {
			g.op(isa.Mov64Reg, u, x, 0, 0)
			g.op(isa.Xor64Reg, u, y, 0, 0)
		}
		g.op(isa.And64Reg, t, u, 0, 0)
		g.ifConst(emit.SLt, t, 0, e)
		g.release(t, u)
	}
}

// overflowingProduct goes to e unless the product divided by x is y.
func (g *gen) overflowingProduct(signed bool, x, y, r reg, e emit.Label) {
	fine := g.c.Label()
	g.ifConst(emit.Eq, x, 0, fine)
	if signed {
		g.overflowingDivision(y, x, e)
	}
	t := g.copyOf(r)
	if signed {
		g.op(isa.SDiv64Reg, t, x, 0, 0)
	} else {
		g.op(isa.Div64Reg, t, x, 0, 0)
	}
	g.ifReg(emit.Ne, t, y, e)
	g.release(t)
	g.bind(fine)
}
