// Implements reading and writing pieces of values, as global variables are.

package bpfmap

import (
	"encoding/binary"
	"sync/atomic"
)

// ReadMemory returns a copy of n bytes of Memory from off. Aligned words of 4 and 8 bytes are read in one piece.
func (m *Local) ReadMemory(off, n int) []byte {
	start := off &^ 7
	b := make([]byte, (off+n+7)&^7-start)
	m.mem.load(b, start)
	return b[off-start : off-start+n]
}

// WriteMemory writes data at off of Memory. Aligned words of 4 and 8 bytes are written in one piece, and nothing
// beside data changes. A frozen map gives EPERM.
func (m *Local) WriteMemory(off int, data []byte) error {
	if m.frozen.Load() {
		return errorOf("write", EPERM)
	}
	for len(data) > 0 {
		switch {
		case off%8 == 0 && len(data) >= 8:
			atomic.StoreUint64(m.mem.word(off), binary.NativeEndian.Uint64(data))
			data, off = data[8:], off+8
		case off%4 == 0 && len(data) >= 4:
			atomic.StoreUint32(m.mem.half(off), binary.NativeEndian.Uint32(data))
			data, off = data[4:], off+4
		default:
			n := min(4-off%4, len(data))
			m.mem.storeInHalf(off, data[:n])
			data, off = data[n:], off+n
		}
	}
	return nil
}

// storeInHalf writes a part of a 32-bit half word.
func (m *memory) storeInHalf(off int, data []byte) {
	p := m.half(off &^ 3)
	for {
		old := atomic.LoadUint32(p)
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], old)
		copy(b[off%4:], data)
		if atomic.CompareAndSwapUint32(p, old, binary.NativeEndian.Uint32(b[:])) {
			return
		}
	}
}
