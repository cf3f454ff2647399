// Implements the verbs of sandboxed code: leaving to the caller, counting, and checked memory access.

package amd64

// Layout says where sandboxed code finds things, as offsets in bytes from the address in Machine. Whoever
// owns the structures fills it in.
type Layout struct {
	Ran      int32 // count, 64 bits
	Stop     int32 // count at which to leave, 64 bits
	Frame    int32 // address of the current stack frame's low end
	Packet   int32 // address of the packet
	Length   int32 // its length, 64 bits
	Context  int32 // guest address of the context, 64 bits
	Granules int32 // table of 256 granules of 32 bytes

	// Fields of a granule: host address, bytes to read, bytes to write, guest address.
	GranulePtr, GranuleRead, GranuleWrite, GranuleBase int32
}

// Leave returns to the caller with v in R11.
func (c *Code) Leave(v uint32) {
	c.rex(false, 0, R11, false)
	c.byte(0xb8 | byte(R11&7))
	c.imm32(int32(v))
	c.byte(0xc3)
}

// Count adds n to the count.
func (c *Code) Count(l *Layout, n int32) {
	if fits8(n) {
		c.rm(true, false, 0, Machine, l.Ran, 0x83)
		c.byte(byte(n))
		return
	}
	c.rm(true, false, 0, Machine, l.Ran, 0x81)
	c.imm32(n)
}

// LeaveIfStopped goes to out if the count has reached the stop.
func (c *Code) LeaveIfStopped(l *Layout, out Label) {
	c.Load(64, false, tmp0, Machine, l.Ran)
	c.rm(true, false, tmp0, Machine, l.Stop, 0x3b)
	c.jcc(ccAboveOrEqual, out)
}

// Guest checks an access of size bits at guest address base+off against the regions and goes to slow if it
// is not allowed. Otherwise the bytes are at the host address that HostBase and HostOff(size) give.
//
// The check is that of mem.Granule: with the granule that bits 24 to 31 of the address name, the address
// less the granule's base, plus the size, must not be above the granule's limit.
func (c *Code) Guest(l *Layout, write bool, size uint8, base Reg, off int32, slow Label) {
	n := int32(size / 8)
	c.rm(true, false, tmp0, base, off, 0x8d) // lea
	c.Mov(false, tmp1, tmp0)
	c.rr(false, 5, tmp1, 0xc1) // shr
	c.byte(24)
	c.rr(false, 4, tmp1, 0xc1) // shl
	c.byte(5)
	c.group(grpAdd, true, tmp1, Machine)
	c.rm(true, false, tmp0, tmp1, l.Granules+l.GranuleBase, 0x2b)
	c.groupImm(grpAdd, true, tmp0, n)
	limit := l.GranuleRead
	if write {
		limit = l.GranuleWrite
	}
	c.rm(true, false, tmp0, tmp1, l.Granules+limit, 0x3b)
	c.jcc(ccAbove, slow)
	c.rm(true, false, tmp0, tmp1, l.Granules+l.GranulePtr, 0x03)
}

// HostBase is the register that Guest, Frame and Packet leave a host address in.
const HostBase = tmp0

// HostOff is the offset from HostBase of the bytes that Guest has checked.
func HostOff(size uint8) int32 { return -int32(size / 8) }

// FrameBase puts the host address of the current stack frame's low end into HostBase.
func (c *Code) FrameBase(l *Layout) { c.Load(64, false, HostBase, Machine, l.Frame) }

// Packet loads size bits of the packet into RAX, in network order, at offset k plus, if index is not nil,
// the lower half of a register, taken together as 32 bits. It goes to slow if they are outside the packet
// or ctx does not hold the context.
func (c *Code) Packet(l *Layout, size uint8, k int32, index *Reg, ctx Reg, slow Label) {
	n := int32(size / 8)
	c.rm(true, false, ctx, Machine, l.Context, 0x3b)
	c.jcc(ccNotEqual, slow)
	if index != nil {
		c.rm(false, false, tmp0, *index, k, 0x8d) // lea, 32 bits
	} else {
		c.rex(false, 0, tmp0, false)
		c.byte(0xb8 | byte(tmp0&7))
		c.imm32(k)
	}
	c.groupImm(grpAdd, true, tmp0, n)
	c.rm(true, false, tmp0, Machine, l.Length, 0x3b)
	c.jcc(ccAbove, slow)
	c.rm(true, false, tmp0, Machine, l.Packet, 0x03)
	c.Load(size, false, RAX, tmp0, -n)
	if size > 8 {
		c.Swap(size, RAX)
	}
}
