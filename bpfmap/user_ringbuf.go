// Implements user_ringbuf: a buffer of records from Go code to programs.

package bpfmap

import (
	"sync"
	"sync/atomic"
)

// maxDrain is how many records a program drains at most at once (BPF_MAX_USER_RINGBUF_SAMPLES).
const maxDrain = 128 << 10

// userRing is a ring that Go code fills. Its memory is laid out as that of ring.
type userRing struct {
	unsupported
	m       *Local
	mask    uint64
	lengths []uint32

	mu    sync.Mutex // of writers
	prod  atomic.Uint64
	cons  atomic.Uint64
	drain atomic.Bool // a program is at it
}

func newUserRingBuf(m *Local, _ *Options) impl {
	n := uint64(m.def.MaxEntries)
	m.mem = newMemory(2 * n)
	return &userRing{m: m, mask: n - 1, lengths: zeros[uint32](n / 8)}
}

// UserOutput adds a record with a copy of data to a user ring buffer. It returns ENOSPC if there is no room
// now and E2BIG if there never is.
func (m *Local) UserOutput(data []byte) Errno {
	r, ok := m.impl.(*userRing)
	if !ok {
		return EINVAL
	}
	length := (uint64(len(data)) + ringHeader + 7) &^ 7
	if length > r.mask+1 || len(data) > ringMaxRecord {
		return E2BIG
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	pos := r.prod.Load()
	if pos+length-r.cons.Load() > r.mask+1 {
		return ENOSPC
	}
	at := int(pos & r.mask)
	atomic.StoreUint32(m.mem.half(at), littleHalf(uint32(len(data))))
	r.lengths[at/8] = uint32(len(data))
	m.mem.store(at+ringHeader, data)
	r.prod.Store(pos + length)
	return 0
}

// Drain calls f for the records of a user ring buffer, in order, with the offset of the data in Memory and
// its size, until f wants to stop, and removes them, as bpf_user_ringbuf_drain does. It returns how many it
// was called for. Two drains at once give EBUSY.
func (m *Local) Drain(f func(off, size int) (stop bool)) (int, Errno) {
	r, ok := m.impl.(*userRing)
	if !ok {
		return 0, EINVAL
	}
	if !r.drain.CompareAndSwap(false, true) {
		return 0, EBUSY
	}
	defer r.drain.Store(false)
	n := 0
	for n < maxDrain && r.cons.Load() != r.prod.Load() {
		pos := r.cons.Load()
		at := int(pos & r.mask)
		size := r.lengths[at/8]
		stop := f(at+ringHeader, int(size))
		r.cons.Store(pos + recordSpan(size))
		if n++; stop {
			break
		}
	}
	return n, 0
}
