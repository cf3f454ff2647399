// Implements the readable engine: every instruction by its row, one at a time.

package interp

import (
	"encoding/binary"
	"errors"
	"unsafe"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// at returns the index of the instruction being executed, the one before m.ip.
func (m *Machine) at() ir.Index {
	return ir.Index((uintptr(m.ip)-uintptr(unsafe.Pointer(&m.code.ops[0])))/opSize) - 1
}

// step executes the instruction in, whose successor is at m.ip. It knows every instruction of the table, by
// its row; the run loop only does the same faster. It reports whether the program ended.
func (m *Machine) step(in *op) (done bool, err error) {
	i := m.at()
	row := m.code.prog.Row(i)
	ok := true
	switch row.Kind {
	case isa.KindALU:
		*m.reg(in.dst) = isa.EvalALU(row, *m.reg(in.dst), m.operand(row, in))
	case isa.KindJump:
		if isa.EvalJump(row, *m.reg(in.dst), m.operand(row, in)) {
			m.jump(in)
		}
	case isa.KindGoto:
		m.jump(in)
	case isa.KindMayGoto:
		if m.budget--; m.budget < 0 {
			m.jump(in)
		}
	case isa.KindLoad:
		ok = m.load(row, &m.code.prog.Ins[i])
	case isa.KindStore:
		ok = m.store(row, &m.code.prog.Ins[i])
	case isa.KindAtomic:
		ok = m.atomic(row, in)
	case isa.KindLoadAcq:
		ok = m.acquire(row, in)
	case isa.KindStoreRel:
		ok = m.release(row, in)
	case isa.KindLoadImm:
		*m.reg(in.dst) = in.imm
	case isa.KindPacket:
		return m.packet(row, in)
	case isa.KindCall:
		return m.call(in)
	case isa.KindExit:
		if m.depth == m.floor {
			return true, nil
		}
		m.pop()
	case isa.KindExtension:
		slots := m.code.prog.Source.Insns[in.off : int(in.off)+row.Slots]
		v := row.Extension().Eval(*m.reg(in.dst), *m.reg(in.src), slots)
		if row.Writes != 0 {
			*m.reg(in.dst) = v
		}
	default:
		return false, m.unsupported(row)
	}
	if !ok {
		return false, m.memoryFault()
	}
	return false, nil
}

// operand returns the second operand of arithmetic and jumps.
func (m *Machine) operand(row *isa.Row, in *op) uint64 {
	if row.From == isa.FromReg {
		return *m.reg(in.src)
	}
	return in.imm
}

// jump goes to the target of in.
func (m *Machine) jump(in *op) {
	m.straight(unsafe.Add(m.ip, in.off))
}

func (m *Machine) load(row *isa.Row, in *ir.Ins) bool {
	size := uint64(row.Size / 8)
	addr := m.r[in.Src] + uint64(int64(in.Off))
	p := m.Space.Load(addr, size)
	if p == nil {
		return m.probe(row, in, addr, size)
	}
	m.r[in.Dst] = isa.EvalLoad(row, loadSize(p, size))
	return true
}

// probe is a load from the kernel's memory, which has addresses that the program's own cannot have.
func (m *Machine) probe(row *isa.Row, in *ir.Ins, addr, size uint64) bool {
	var b [8]byte
	if addr < 1<<32 || m.Host == nil || !m.Host.Probe(b[:size], addr) {
		return false
	}
	m.r[in.Dst] = isa.EvalLoad(row, binary.LittleEndian.Uint64(b[:]))
	return true
}

func (m *Machine) store(row *isa.Row, in *ir.Ins) bool {
	size := uint64(row.Size / 8)
	addr := m.r[in.Dst] + uint64(int64(in.Off))
	p := m.Space.Store(addr, size)
	if p == nil {
		p = m.contextField(addr, size)
	}
	if p == nil && addr >= 1<<32 && m.Host != nil {
		p = unsafe.Pointer(unsafe.SliceData(m.Host.Change(addr, int(size)))) // an object that the program was given
	}
	if p == nil {
		return false
	}
	v := in.Imm
	if row.From == isa.FromReg {
		v = m.r[in.Src]
	}
	storeSize(p, size, v)
	return true
}

func loadSize(p unsafe.Pointer, size uint64) uint64 {
	switch size {
	case 1:
		return uint64(*(*uint8)(p))
	case 2:
		return uint64(load16(p))
	case 4:
		return uint64(load32(p))
	}
	return load64(p)
}

func storeSize(p unsafe.Pointer, size, v uint64) {
	switch size {
	case 1:
		*(*uint8)(p) = uint8(v)
	case 2:
		store16(p, uint16(v))
	case 4:
		store32(p, uint32(v))
	default:
		store64(p, v)
	}
}

// contextField returns a pointer into the context if a program may write there.
func (m *Machine) contextField(addr, size uint64) unsafe.Pointer {
	if addr/mem.GranuleSize != mem.Context/mem.GranuleSize || m.ContextWritable == nil ||
		!m.ContextWritable(int(addr%mem.GranuleSize), int(size)) {
		return nil
	}
	return m.Space.At(addr).Ptr(addr)
}

// call executes a call of a function of the program or of a helper.
func (m *Machine) call(in *op) (done bool, err error) {
	var h *helper.Helper
	switch in.code {
	case isa.CallLocal:
		if err := m.push(); err != nil {
			return false, err
		}
		m.jump(in)
		return false, nil
	case isa.Call:
		h = m.code.helpers[in.off]
	default:
		if h = m.code.lookup(int32(*m.reg(in.dst))); h == nil {
			return false, m.unknownHelper(int32(*m.reg(in.dst)))
		}
	}
	r := &m.r
	m.slow = true
	r0, err := h.Func(&m.Call, r[1], r[2], r[3], r[4], r[5])
	m.slow = false
	r[0] = r0
	// Programs cannot read these now or, where nobody watches, find them zero.
	r[1], r[2], r[3], r[4], r[5] = 0, 0, 0, 0, 0
	switch {
	case err == nil:
		return false, nil
	case err == helper.ErrTailCall && m.tail != nil:
		return m.follow()
	case errors.Is(err, helper.ErrExit):
		return m.leaveAll(err)
	}
	return false, m.helperFault(h, err)
}

// Classic programs reach headers through negative offsets (the kernel's SKF_NET_OFF and SKF_LL_OFF).
const (
	netOff = -0x100000
	llOff  = -0x200000
)

// packet executes a packet access. One outside the packet ends the function with 0, as in the kernel.
func (m *Machine) packet(row *isa.Row, in *op) (done bool, err error) {
	if m.CtxAddr == 0 || m.r[6] != m.CtxAddr {
		return false, m.badContext()
	}
	off := int32(in.imm)
	if row.From == isa.FromReg {
		off += int32(*m.reg(in.src))
	}
	b := m.packetAt(int64(off), int(row.Size/8))
	switch len(b) {
	case 1:
		m.r[0] = uint64(b[0])
	case 2:
		m.r[0] = uint64(binary.BigEndian.Uint16(b))
	case 4:
		m.r[0] = uint64(binary.BigEndian.Uint32(b))
	default:
		m.r[0] = 0
		if m.depth == m.floor {
			return true, nil
		}
		m.pop()
	}
	return false, nil
}

// packetAt returns the size bytes that a packet access at the given offset reads, or nil if they are outside.
func (m *Machine) packetAt(off int64, size int) []byte {
	switch {
	case off >= 0:
	case off >= netOff:
		off += int64(m.Network) - netOff
	case off >= llOff:
		off -= llOff
	default:
		return nil
	}
	if off < 0 || off+int64(size) > int64(len(m.Packet)) {
		return nil
	}
	return m.Packet[off : off+int64(size)]
}
