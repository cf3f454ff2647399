// Implements the verbs of map look-ups in place of a call.

package amd64

import "math/bits"

// ArrayMap is where the values of an array map are.
type ArrayMap struct {
	Base   uint64 // address of the first, as the program sees it
	Count  uint32
	Stride uint32 // bytes from one to the next
	PerCPU uint64 // bytes from those of one processor to those of the next; 0 if there is one value for all
}

// ArrayLookup puts the address of the value of the 32-bit key at an operand into RAX, or 0. RDX is lost if the map
// is per CPU.
func (g *Guest) ArrayLookup(m *ArrayMap, key Mem) {
	g.LoadMem(32, false, RAX, key)
	g.groupImm(grpCmp, false, RAX, int32(m.Count))
	miss := g.skip(ccAboveOrEqual)
	g.scale(RAX, uint64(m.Stride))
	if m.PerCPU != 0 {
		g.LoadMem(64, false, RDX, g.state(g.L.CPU))
		g.scale(RDX, m.PerCPU)
		g.group(grpAdd, true, RAX, RDX)
	}
	g.MovImm(tmp0, m.Base)
	g.group(grpAdd, true, RAX, tmp0)
	done := g.skipAlways()
	g.here(miss)
	g.MovImm(RAX, 0)
	g.here(done)
}

// scale multiplies a register by a constant, which fits 31 bits or is a power of two.
func (g *Guest) scale(r Reg, by uint64) {
	switch {
	case by == 1:
	case by&(by-1) == 0:
		g.rr(true, 4, r, 0xc1) // shl
		g.byte(byte(bits.TrailingZeros64(by)))
	case by < 1<<31:
		g.rr(true, r, r, 0x69) // imul
		g.imm32(int32(by))
	default:
		g.MovImm(tmp0, by)
		g.rr(true, r, tmp0, 0x0f, 0xaf)
	}
}
