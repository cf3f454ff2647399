// Implements the memory of verified programs, whose addresses are the host's: what they may reach, and nothing else.

package interp

import (
	"fmt"
	"unsafe"

	"github.com/skepbpf/skep/internal/mem"
)

// ownMemory is a machine as the memory of helpers. What a verified program passes as memory is sound, but helpers also
// get addresses that are mere numbers (bpf_probe_read).
type ownMemory Machine

// Bytes implements helper.Memory.
func (o *ownMemory) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if p := (*Machine)(o).find(addr, n); p != nil {
		return unsafe.Slice((*byte)(p), n), nil
	}
	// Variables may be initialised with addresses of others, which are those of checked programs.
	if g := o.Space.At(addr); n > 0 && addr >= mem.Free && addr < 1<<32 && addr-g.Base+uint64(n) <= g.N && (!write || addr-g.Base+uint64(n) <= g.W) {
		return unsafe.Slice((*byte)(g.Ptr(addr)), n), nil
	}
	return nil, &mem.Fault{Code: mem.OutOfBounds, Addr: addr, Size: n, Write: write,
		Text: fmt.Sprintf("access of %d bytes at %#x, where the program has no memory", n, addr)}
}

// find returns where the n bytes at an address are that the program may reach, or nil.
func (m *Machine) find(addr uint64, n int) unsafe.Pointer {
	if n < 0 {
		return nil
	}
	inside := func(b []byte) unsafe.Pointer {
		off := addr - uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
		if off >= uint64(len(b)) || uint64(n) > uint64(len(b))-off {
			return nil
		}
		return unsafe.Pointer(&b[off])
	}
	stack := unsafe.Slice((*byte)(unsafe.Pointer(&m.trusted)), unsafe.Sizeof(m.trusted))
	for _, b := range [][]byte{stack, m.Host.Context(), m.data(), m.scratch[0], m.scratch[1]} {
		if p := inside(b); p != nil {
			return p
		}
	}
	for n := 0; ; n++ {
		l, _ := m.mapNumber(n)
		if l == nil {
			return nil
		}
		if p := inside(l.Memory()); p != nil {
			return p
		}
	}
}

// data returns the packet with its metadata, or the data of a plain function.
func (m *Machine) data() []byte {
	size := m.host[1] - m.host[2]
	if len(m.Packet) == 0 || size < uintptr(len(m.Packet)) {
		return m.Packet
	}
	return unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(&m.Packet[0]), -int(size-uintptr(len(m.Packet))))), size)
}
