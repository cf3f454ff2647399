// Implements atomic instructions on guest memory, which is little endian on every host.

package interp

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"github.com/skepbpf/skep/isa"
)

var bigEndianHost = func() bool {
	v := uint16(1)
	return *(*byte)(unsafe.Pointer(&v)) == 0
}()

// guest turns a word between host and guest order.
func guest32(v uint32) uint32 {
	if bigEndianHost {
		return bits.ReverseBytes32(v)
	}
	return v
}

func guest64(v uint64) uint64 {
	if bigEndianHost {
		return bits.ReverseBytes64(v)
	}
	return v
}

// atomic executes a KindAtomic instruction. It reports whether the memory access was allowed.
func (m *Machine) atomic(row *isa.Row, in *op) bool {
	size := uint64(row.Size / 8)
	addr := *m.reg(in.dst) + uint64(int64(in.off))
	if addr%size != 0 || m.Space.Load(addr, size) == nil {
		return false
	}
	p := m.Space.Store(addr, size)
	if p == nil || uintptr(p)%uintptr(size) != 0 {
		return false
	}
	src, old := *m.reg(in.src), uint64(0)
	switch {
	case size == 4:
		for w := (*uint32)(p); ; {
			v := atomic.LoadUint32(w)
			old = uint64(guest32(v))
			if atomic.CompareAndSwapUint32(w, v, guest32(uint32(isa.EvalAtomic(row, old, src, m.r[0])))) {
				break
			}
		}
	case row.Fn == isa.FnAdd && !bigEndianHost:
		old = atomic.AddUint64((*uint64)(p), src) - src
	default:
		for w := (*uint64)(p); ; {
			v := atomic.LoadUint64(w)
			old = guest64(v)
			if atomic.CompareAndSwapUint64(w, v, guest64(isa.EvalAtomic(row, old, src, m.r[0]))) {
				break
			}
		}
	}
	switch {
	case row.Fn == isa.FnCmpxchg:
		m.r[0] = old
	case row.Fetch:
		*m.reg(in.src) = old
	}
	return true
}

// acquire executes a load with acquire ordering. Go's atomics have no narrow forms, so bytes and half words
// come out of the 32-bit word around them.
func (m *Machine) acquire(row *isa.Row, in *op) bool {
	size := uint64(row.Size / 8)
	addr := *m.reg(in.src) + uint64(int64(in.off))
	p := m.Space.Load(addr, size)
	if p == nil || addr%size != 0 {
		return false
	}
	if m.Space.At(addr).W == 0 {
		// Memory that no program writes may be the caller's own slice, at any address, and has no writer to
		// be ordered with.
		*m.reg(in.dst) = loadSize(p, size)
		return true
	}
	if size == 8 {
		*m.reg(in.dst) = guest64(atomic.LoadUint64((*uint64)(p)))
		return true
	}
	w, shift := wordAround(p)
	*m.reg(in.dst) = uint64(guest32(atomic.LoadUint32(w))>>shift) & (1<<(8*size) - 1)
	return true
}

// release executes a store with release ordering.
func (m *Machine) release(row *isa.Row, in *op) bool {
	size := uint64(row.Size / 8)
	addr := *m.reg(in.dst) + uint64(int64(in.off))
	if addr%size != 0 {
		return false
	}
	p := m.Space.Store(addr, size)
	if p == nil || uintptr(p)%uintptr(size) != 0 {
		return false
	}
	v := *m.reg(in.src)
	if size == 8 {
		atomic.StoreUint64((*uint64)(p), guest64(v))
		return true
	}
	w, shift := wordAround(p)
	mask := uint32(1<<(8*size)-1) << shift
	for {
		old := atomic.LoadUint32(w)
		if atomic.CompareAndSwapUint32(w, old, guest32(guest32(old)&^mask|uint32(v)<<shift&mask)) {
			return true
		}
	}
}

// wordAround returns the aligned 32-bit word that holds the byte at p, and the byte's place in it, in bits of
// guest order. The word is inside the same allocation: memory that programs may write is allocated in multiples
// of eight bytes, and aligned.
func wordAround(p unsafe.Pointer) (*uint32, uint) {
	low := uintptr(p) & 3
	return (*uint32)(unsafe.Add(p, -int(low))), uint(low) * 8
}
