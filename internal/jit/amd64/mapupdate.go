// Implements the verbs of map updates in place of a call.

package amd64

// CanCopy reports whether code can copy a value of this many bytes.
func CanCopy(size uint32) bool {
	return size >= 8 && size <= 256 || size == 1 || size == 2 || size == 4
}

// UpdateArgs puts the addresses of key and value where updates want them, and goes to slow if RCX, the flags, is not
// zero.
func (g *Guest) UpdateArgs(key, value Mem, slow Label) {
	g.lea(true, RDI, key)
	g.lea(true, RSI, value)
	g.test(true, RCX, RCX)
	g.jcc(ccNotEqual, slow)
}

// ArrayUpdate copies the value at RSI to the element whose number is at RDI and puts 0 into RAX, or goes to slow. RDX
// and R8 are lost.
func (g *Guest) ArrayUpdate(m *ArrayMap, slow Label) {
	g.Load(32, false, RAX, RDI, 0)
	g.groupImm(grpCmp, false, RAX, int32(m.Count))
	g.jcc(ccAboveOrEqual, slow)
	g.scale(RAX, uint64(m.Stride))
	if m.PerCPU != 0 {
		g.LoadMem(64, false, RDX, g.state(g.L.CPU))
		g.scale(RDX, m.PerCPU)
		g.group(grpAdd, true, RAX, RDX)
	}
	g.MovImm(R8, m.Host)
	g.group(grpAdd, true, RAX, R8)
	g.copyWords(RAX, 0, RSI, m.Size, RDX)
	g.MovImm(RAX, 0)
}

// copyWords copies size bytes from src to dst+off in whole words, the last one filled up with zeros.
func (g *Guest) copyWords(dst Reg, off int32, src Reg, size uint32, tmp Reg) {
	for n := uint32(0); n < size; n += 8 {
		g.word(tmp, at(src, 0), size, n)
		g.Store(64, tmp, dst, off+int32(n))
	}
}

// CallUpdate calls the routine at l. If it leaves the work to others, RCX is zero again, and it goes to slow.
func (g *Guest) CallUpdate(l, slow Label) {
	g.CallLabel(l)
	done := g.skip(ccAboveOrEqual) // no carry
	g.MovImm(RCX, 0)
	g.Jump(slow)
	g.here(done)
}

// HashUpdate writes the routine that gives a key that is there a new value: the address of the key in RDI, that of
// the value in RSI. RAX is zero afterwards, or the carry flag tells that the work is left to others. RDI and RSI are
// kept.
func (g *Guest) HashUpdate(m *HashMap) {
	g.hash(m, RCX)
	g.stripe(m)
	// Take the lock, if it is free.
	g.rm(false, false, RAX, at(tmp1, 0), 0x8b)
	g.rr(false, 0, RAX, 0xf6) // test
	g.byte(1)
	slow := []int{g.skip32(ccNotEqual)}
	g.lea(false, RDX, at(RAX, 1))
	g.byte(lock)
	g.rm(false, false, RDX, at(tmp1, 0), 0x0f, 0xb1) // cmpxchg
	slow = append(slow, g.skip32(ccNotEqual))
	g.byte(0x53) // push rbx
	g.bucketWord(m)
	g.MovImm(RCX, m.Elements)
	var found, none []int
	for range hashSteps {
		g.test(false, RAX, RAX)
		none = append(none, g.skip32(ccEqual))
		next := g.compare(m, RCX, tmp0)
		found = append(found, g.skip32(always))
		g.here32(next...)
		g.lea(true, RBX, at(RDX, m.EntryNext))
		g.rm(false, false, RAX, at(RBX, 0), 0x8b)
	}
	g.here32(none...)
	g.stepNumber(grpSub)
	g.byte(0x5b) // pop rbx
	g.here32(slow...)
	g.byte(0xf9, 0xc3) // stc; ret
	g.here32(found...)
	g.exchange(m)
	g.stepNumber(grpAdd)
	g.byte(0x5b)
	g.MovImm(RAX, 0)
	g.byte(0xf8, 0xc3) // clc; ret
}

// stepNumber adds 1 to the number of the stripe at R10, or takes it off: nobody else writes it while it is odd.
func (g *Guest) stepNumber(group byte) {
	g.rm(false, false, Reg(group), at(tmp1, 0), 0x83)
	g.byte(1)
}

// bucketWord puts the address of the head of the chain into RBX and the number of its first element into RAX.
func (g *Guest) bucketWord(m *HashMap) {
	g.Mov(false, RAX, R8)
	g.groupImm(grpAnd, false, RAX, int32(m.Mask))
	g.MovImm(RBX, m.Buckets)
	g.lea(true, RBX, Mem{Base: RBX, Index: RAX, Scale: 4})
	g.rm(false, false, RAX, at(RBX, 0), 0x8b)
}

// exchange puts the stripe's spare element, with key and value, into the place of element RAX, whose number stands
// at RBX and whose address is in RDX; that is the spare then. RCX has the address of the elements.
func (g *Guest) exchange(m *HashMap) {
	g.rm(false, false, tmp0, at(tmp1, m.Spare), 0x8b)
	g.rm(false, false, RAX, at(tmp1, m.Spare), 0x89)
	g.rm(false, false, RDX, at(RDX, m.EntryNext), 0x8b)
	g.Mov(true, RAX, tmp0)
	g.scaleBy(RAX, m.EntryStride)
	g.group(grpAdd, true, RCX, RAX)
	g.rm(false, false, R8, at(RCX, m.EntryHash), 0x89)
	g.rm(false, false, RDX, at(RCX, m.EntryNext), 0x89)
	g.copyWords(RCX, m.EntryKey, RDI, m.KeySize, RAX)
	g.Mov(true, RAX, tmp0)
	g.groupImm(grpSub, false, RAX, 1)
	g.scaleBy(RAX, m.Stride)
	g.MovImm(RCX, m.Host)
	g.group(grpAdd, true, RCX, RAX)
	g.copyWords(RCX, 0, RSI, m.Size, RAX)
	g.rm(false, false, tmp0, at(RBX, 0), 0x89)
	if m.Refs != 0 {
		g.MovImm(RCX, m.Refs)
		g.StoreImmMem(32, 1, Mem{Base: RCX, Index: tmp0, Scale: 4})
	}
}
