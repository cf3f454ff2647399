// Implements the verbs of map look-ups in place of a call.

package amd64

import (
	"encoding/binary"
	"math/bits"
)

// ArrayMap is where the values of an array map are.
type ArrayMap struct {
	Base   uint64 // address of the first, as the program sees it
	Count  uint32
	Stride uint32 // bytes from one to the next
	Host   uint64 // address of the first, as the host sees it; 0: code cannot write there
	Size   uint32 // bytes of a value
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

// HashMap is where a hash map is; bpfmap.Layout says how it is looked up, and what the fields mean.
type HashMap struct {
	Base    uint64 // address of the values, as the program sees it
	Host    uint64 // the same, as the host sees it; 0: code cannot write there
	KeySize uint32 // bytes
	Size    uint32 // bytes of a value
	Stride  uint64 // bytes from a value to the next
	PerCPU  uint64 // bytes from the values of one processor to those of the next; 0 if there is one value for all

	Seed, Multiplier                 uint64
	Mask, StripeMask                 uint32
	Buckets, Stripes, Elements, Refs uint64 // addresses; Refs may be 0
	StripeStride, EntryStride        uint64
	EntryNext, EntryHash, EntryKey   int32
	Spare                            int32 // of a stripe's spare element, from the stripe's number
}

// hashSteps is how many elements of a chain code looks at.
const hashSteps = 4

// CanHash reports whether code can look up a map with keys of this many bytes.
func CanHash(keySize uint32) bool {
	last := keySize % 8
	return keySize > 0 && keySize <= 64 && (keySize > 8 || last == 0 || last == 1 || last == 2 || last == 4)
}

// CallLookup calls the routine at l for the key at an operand, and goes to slow if it leaves the work to others. The
// result is in RAX. RCX, RDX, RSI, RDI and R8 are lost.
func (g *Guest) CallLookup(l Label, key Mem, slow Label) {
	g.lea(true, RDI, key)
	g.CallLabel(l)
	g.jcc(ccBelow, slow)
}

// word loads the part of size bytes at base that starts at off into a register: eight bytes, or the last ones,
// zero-extended.
func (g *Guest) word(dst Reg, base Mem, size, off uint32) {
	from := func(off uint32) Mem { m := base; m.Off += int32(off); return m }
	switch n := size - off; {
	case n >= 8:
		g.LoadMem(64, false, dst, from(off))
	case n == 1 || n == 2 || n == 4:
		g.LoadMem(uint8(8*n), false, dst, from(off))
	default:
		g.LoadMem(64, false, dst, from(size-8))
		g.rr(true, 5, dst, 0xc1) // shr
		g.byte(byte(8 * (8 - n)))
	}
}

// HashLookup writes the routine: the address of the key in RDI, the result in RAX, the carry flag tells that the
// work is left to others.
func (g *Guest) HashLookup(m *HashMap) {
	g.hash(m, RSI)
	g.stripe(m)
	g.rm(false, false, RCX, at(tmp1, 0), 0x8b)
	g.rr(false, 0, RCX, 0xf6) // test
	g.byte(1)
	slow := []int{g.skip32(ccNotEqual)}
	g.bucket(m)
	g.MovImm(tmp0, m.Elements)
	var found, none []int
	for range hashSteps {
		g.test(false, RAX, RAX)
		none = append(none, g.skip32(ccEqual))
		next := g.compare(m, tmp0, RSI)
		found = append(found, g.skip32(always))
		g.here32(next...)
		g.rm(false, false, RAX, at(RDX, m.EntryNext), 0x8b)
	}
	g.here32(slow...)
	g.byte(0xf9, 0xc3) // stc; ret
	g.here32(none...)
	g.unchanged()
	g.MovImm(RAX, 0)
	g.byte(0xf8, 0xc3) // clc; ret
	g.here32(found...)
	g.unchanged()
	g.touch(m)
	g.valueAddress(m)
	g.byte(0xf8, 0xc3)
}

// hash puts the hash of the key into R8. RAX, RDX, R11 and tmp are lost.
func (g *Guest) hash(m *HashMap, tmp Reg) {
	g.MovImm(RAX, m.Seed)
	g.MovImm(tmp0, m.Multiplier)
	for off := uint32(0); off < m.KeySize; off += 8 {
		if m.KeySize-off >= 8 {
			g.rm(true, false, RAX, at(RDI, int32(off)), 0x33)
		} else {
			g.word(tmp, at(RDI, 0), m.KeySize, off)
			g.group(grpXor, true, RAX, tmp)
		}
		g.rr(true, 4, tmp0, 0xf7) // mul
		g.group(grpXor, true, RAX, RDX)
	}
	g.Mov(false, R8, RAX)
}

// stripe puts the address of the stripe's number into R10.
func (g *Guest) stripe(m *HashMap) {
	g.groupImm(grpAnd, false, RAX, int32(m.Mask&m.StripeMask))
	g.scale(RAX, m.StripeStride)
	g.MovImm(tmp1, m.Stripes)
	g.group(grpAdd, true, tmp1, RAX)
}

// bucket puts the number of the chain's first element into RAX.
func (g *Guest) bucket(m *HashMap) {
	g.Mov(false, RAX, R8)
	g.groupImm(grpAnd, false, RAX, int32(m.Mask))
	g.MovImm(tmp0, m.Buckets)
	g.rm(false, false, RAX, Mem{Base: tmp0, Index: RAX, Scale: 4}, 0x8b)
}

// compare puts the address of element RAX into RDX and compares hash and key; where they differ it goes to what it
// returns. elements holds the address of all elements.
func (g *Guest) compare(m *HashMap, elements, tmp Reg) (differ []int) {
	g.Mov(true, RDX, RAX)
	g.scaleBy(RDX, m.EntryStride)
	g.group(grpAdd, true, RDX, elements)
	g.rm(false, false, R8, at(RDX, m.EntryHash), 0x39)
	differ = append(differ, g.skip32(ccNotEqual))
	for off := uint32(0); off < m.KeySize; off += 8 {
		g.word(tmp, at(RDI, 0), m.KeySize, off)
		g.rm(true, false, tmp, at(RDX, m.EntryKey+int32(off)), 0x3b)
		differ = append(differ, g.skip32(ccNotEqual))
	}
	return differ
}

// scaleBy is scale without the use of R11, by less than 31 bits.
func (g *Guest) scaleBy(r Reg, by uint64) { g.scale(r, by&(1<<31-1)) }

// unchanged goes to others if somebody has written to the stripe meanwhile.
func (g *Guest) unchanged() {
	g.rm(false, false, RCX, at(tmp1, 0), 0x3b)
	same := g.skip(ccEqual)
	g.byte(0xf9, 0xc3)
	g.here(same)
}

// touch notes that element RAX was used.
func (g *Guest) touch(m *HashMap) {
	if m.Refs == 0 {
		return
	}
	ref := Mem{Base: RDX, Index: RAX, Scale: 4}
	g.MovImm(RDX, m.Refs)
	g.rm(false, false, 7, ref, 0x83) // cmp
	g.byte(0)
	used := g.skip(ccNotEqual)
	g.StoreImmMem(32, 1, ref)
	g.here(used)
}

// valueAddress turns the number of an element in RAX into the address of its value.
func (g *Guest) valueAddress(m *HashMap) {
	g.groupImm(grpSub, false, RAX, 1)
	g.scale(RAX, m.Stride)
	if m.PerCPU != 0 {
		g.LoadMem(64, false, RDX, g.state(g.L.CPU))
		g.scale(RDX, m.PerCPU)
		g.group(grpAdd, true, RAX, RDX)
	}
	g.MovImm(tmp0, m.Base)
	g.group(grpAdd, true, RAX, tmp0)
}

// always is the condition of skip32 that is always true.
const always = 0xff

// skip32 jumps forward, if a condition is true, to where here32 is called with what it returns.
func (c *Code) skip32(cc byte) int {
	if cc == always {
		c.byte(0xe9)
	} else {
		c.byte(0x0f, 0x80|cc)
	}
	c.imm32(0)
	return len(c.buf)
}

func (c *Code) here32(from ...int) {
	for _, at := range from {
		binary.LittleEndian.PutUint32(c.buf[at-4:], uint32(len(c.buf)-at))
	}
}
