// Implements the verbs of checked memory access and of packet access.

package amd64

import "math/bits"

// sizeIndex is the place of a size of 8, 16, 32 or 64 bits among the four.
func sizeIndex(size uint8) int { return bits.TrailingZeros8(size / 8) }

// Checked checks an access of size bits at guest address base+off against the regions and goes to slow if
// it is not allowed. Otherwise the bytes are at the operand it returns.
//
// The check is that of mem.Granule: with the granule that bits 24 to 31 of the address name, the address
// less the granule's base, plus the size, must not be above the granule's limit.
func (g *Guest) Checked(write bool, size uint8, base Reg, off int32, slow Label) Mem {
	n, l := int32(size/8), g.L
	g.lea(true, tmp0, at(base, off))
	g.Mov(false, tmp1, tmp0)
	g.rr(false, 5, tmp1, 0xc1) // shr
	g.byte(24)
	g.rr(false, 4, tmp1, 0xc1) // shl
	g.byte(5)
	granule := func(off int32) Mem { return Mem{Base: Machine, Index: tmp1, Scale: 1, Off: l.Granules + off} }
	g.rm(true, false, tmp0, granule(l.GranuleBase), 0x2b)
	g.groupImm(grpAdd, true, tmp0, n)
	limit := l.GranuleRead
	if write {
		limit = l.GranuleWrite
	}
	g.rm(true, false, tmp0, granule(limit), 0x3b)
	g.jcc(ccAbove, slow)
	g.rm(true, false, tmp0, granule(l.GranulePtr), 0x03)
	return at(tmp0, -n)
}

// InData checks an access of size bits at guest address base+off against the data alone and goes to slow if
// it is somewhere else. Otherwise the bytes are at the operand it returns.
func (g *Guest) InData(size uint8, base Reg, off int32, slow Label) Mem {
	g.lea(true, tmp0, at(base, off-g.L.DataBase))
	g.rm(true, false, tmp0, g.state(g.L.DataFits[sizeIndex(size)]), 0x3b)
	g.jcc(ccAboveOrEqual, slow)
	return Mem{Base: g.inSlot(DataBias, tmp1), Index: base, Scale: 1, Off: off}
}

// InFrame is InData for the stack of a program that has but one frame.
func (g *Guest) InFrame(size uint8, base Reg, off int32, slow Label) Mem {
	g.lea(true, tmp0, at(base, off-g.L.StackBase))
	g.groupImm(grpCmp, true, tmp0, stackSize+1-int32(size/8))
	g.jcc(ccAboveOrEqual, slow)
	return Mem{Base: Machine, Index: base, Scale: 1, Off: g.L.Stack - g.L.StackBase + off}
}

// Aligned goes to slow if the guest address base+off is no multiple of size bits.
func (g *Guest) Aligned(size uint8, base Reg, off int32, slow Label) {
	if size == 8 {
		return
	}
	g.lea(false, tmp0, at(base, off))
	g.rr(false, 0, tmp0, 0xf7)
	g.imm32(int32(size/8 - 1))
	g.jcc(ccNotEqual, slow)
}

// InContext returns the operand of the context's byte off.
func (g *Guest) InContext(off int32) Mem {
	g.LoadMem(64, false, tmp0, g.state(g.L.ContextPtr))
	return at(tmp0, off)
}

// OnStack returns the operand of the byte off of the current stack frame, counted from its top. fixed tells
// that the frame is the first.
func (g *Guest) OnStack(off int32, fixed bool) Mem {
	if fixed {
		return g.state(g.L.Stack + stackSize + off)
	}
	return Mem{Base: Machine, Index: R9, Scale: 1, Off: g.L.Stack - g.L.StackBase + off}
}

// lea computes an address, w for 64 bits.
func (g *Guest) lea(w bool, dst Reg, m Mem) { g.rm(w, false, dst, m, 0x8d) }

// HasContext goes to slow if a register does not hold the context's address.
func (g *Guest) HasContext(ctx Reg, slow Label) {
	g.rm(true, false, ctx, g.state(g.L.Context), 0x3b)
	g.jcc(ccNotEqual, slow)
}

// PacketAt loads size bits of the packet, in network order, into RAX from the constant offset k, which is
// not negative. If reach is not zero it first makes sure that the packet has that many bytes, or goes to out.
func (g *Guest) PacketAt(size uint8, k, reach int32, out Label) {
	if reach != 0 {
		g.slotImm(grpCmp, Length, reach)
		g.jcc(ccBelow, out)
	}
	g.Load(size, false, RAX, g.inSlot(Packet, tmp0), k)
	g.network(size)
}

// PacketInd is PacketAt at offset k plus the lower half of a register, taken together as 32 bits with a
// sign. It always looks at the length.
func (g *Guest) PacketInd(size uint8, k int32, index Reg, out Label) {
	n := int32(size / 8)
	g.lea(false, tmp0, at(index, k))
	g.groupImm(grpAdd, true, tmp0, n)
	g.slot(true, tmp0, Length, 0x3b)
	g.jcc(ccAbove, out)
	g.LoadMem(size, false, RAX, Mem{Base: g.inSlot(Packet, tmp1), Index: tmp0, Scale: 1, Off: -n})
	g.network(size)
}

// IfNegative goes to l if k plus the lower half of a register, taken together as 32 bits, is negative.
func (g *Guest) IfNegative(k int32, index Reg, l Label) {
	g.lea(false, tmp0, at(index, k))
	g.test(false, tmp0, tmp0)
	g.jcc(ccSign, l)
}

// network turns the bytes that were loaded into RAX, zero-extended, into a number.
func (g *Guest) network(size uint8) {
	switch size {
	case 16:
		g.byte(0x66)
		g.rr(false, 0, RAX, 0xc1) // rol
		g.byte(8)
	case 32:
		g.Swap(size, RAX)
	}
}
