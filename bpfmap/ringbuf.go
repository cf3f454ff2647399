// Implements ringbuf: one buffer of records for all CPUs, from programs to Go code.

package bpfmap

import (
	"sync"
	"sync/atomic"
)

// Flags and limits of ring buffers, as the kernel's UAPI has them.
const (
	RingNoWakeup    = 1 << 0 // BPF_RB_NO_WAKEUP: do not wake a reader that waits
	RingForceWakeup = 1 << 1 // BPF_RB_FORCE_WAKEUP: wake it even if it has something to read already

	RingAvailData = 0 // BPF_RB_AVAIL_DATA: bytes not yet read, headers included
	RingSize      = 1 // BPF_RB_RING_SIZE: bytes in the buffer
	RingConsPos   = 2 // BPF_RB_CONS_POS: how far the reader is, counted from the start
	RingProdPos   = 3 // BPF_RB_PROD_POS: how far writers are

	ringHeader    = 8
	ringMaxRecord = 1<<30 - 1 // a quarter of what 32 bits count
)

// What a record is, in its length word.
const (
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringLength  = ringDiscard - 1
)

// ring is a ring buffer. Record r starts at position r, counted in bytes from the start, with a header of 8
// bytes; its data is in Memory at r modulo the size, plus 8. Memory is twice the size, so that a record that
// starts before the end of the first half goes straight on into the second, and programs see every record in
// one piece; the bytes at the start of the first half that it stands for are not used then.
//
// What is in the header is also in lengths, which programs cannot reach: only that is believed.
type ring struct {
	unsupported
	m       *Local
	mask    uint64
	lengths []uint32 // of the record that starts at position 8*i modulo the size

	mu      sync.Mutex // of writers
	prod    atomic.Uint64
	pending uint64        // first record that may still be busy
	cons    atomic.Uint64 // changed by the reader only
	reading sync.Mutex    // of readers
	wait    waiter
}

func newRingBuf(m *Local, _ *Options) impl {
	n := uint64(m.def.MaxEntries)
	m.mem = newMemory(2 * n)
	return &ring{m: m, mask: n - 1, lengths: zeros[uint32](n / 8)}
}

func (m *Local) ring() *ring {
	r, _ := m.impl.(*ring)
	return r
}

// Reserve makes room for a record of size bytes and returns where in Memory its data is, as
// bpf_ringbuf_reserve does. The record is read after Submit or not at all after Discard; until then nothing
// behind it is. It fails if the buffer is full or the record too large.
func (m *Local) Reserve(size uint64) (off int, ok bool) {
	r := m.ring()
	if r == nil || size > ringMaxRecord {
		return 0, false
	}
	length := (size + ringHeader + 7) &^ 7
	if length > r.mask+1 {
		return 0, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	pos := r.prod.Load()
	r.pending = max(r.pending, r.cons.Load())
	for r.pending < pos {
		l := atomic.LoadUint32(r.length(r.pending))
		if l&ringBusy != 0 {
			break
		}
		r.pending += recordSpan(l)
	}
	if next := pos + length; next-r.cons.Load() > r.mask || next-r.pending > r.mask {
		return 0, false
	}
	r.setLength(pos, uint32(size)|ringBusy)
	r.prod.Store(pos + length)
	return int(pos&r.mask) + ringHeader, true
}

// length returns the length word of the record at a position.
func (r *ring) length(pos uint64) *uint32 { return &r.lengths[pos&r.mask/8] }

func (r *ring) setLength(pos uint64, l uint32) {
	atomic.StoreUint32(r.m.mem.half(int(pos&r.mask)), littleHalf(l))
	atomic.StoreUint32(r.length(pos), l)
}

// recordSpan returns how many bytes a record takes with its header.
func recordSpan(l uint32) uint64 { return (uint64(l&ringLength) + ringHeader + 7) &^ 7 }

// Submit hands a reserved record to the reader, as bpf_ringbuf_submit does. An offset that is not that of a
// reserved record is ignored.
func (m *Local) Submit(off int, flags uint64) { m.commit(off, 0, flags) }

// Discard gives up a reserved record, as bpf_ringbuf_discard does.
func (m *Local) Discard(off int, flags uint64) { m.commit(off, ringDiscard, flags) }

// Reserved returns the size of the reserved record with its data at off, or false if there is none.
func (m *Local) Reserved(off int) (size int, ok bool) {
	r := m.ring()
	if r == nil || off < ringHeader || off&7 != 0 || uint64(off-ringHeader) > r.mask {
		return 0, false
	}
	l := atomic.LoadUint32(r.length(uint64(off - ringHeader)))
	return int(l & ringLength), l&ringBusy != 0
}

func (m *Local) commit(off int, state uint32, flags uint64) {
	size, ok := m.Reserved(off)
	if !ok {
		return
	}
	r := m.ring()
	at := uint64(off - ringHeader)
	r.setLength(at, uint32(size)|state)
	if flags&RingForceWakeup != 0 || flags&RingNoWakeup == 0 && r.cons.Load()&r.mask == at {
		r.wait.wake()
	}
}

// Output adds a record with a copy of data, as bpf_ringbuf_output does.
func (m *Local) Output(data []byte, flags uint64) Errno {
	if flags&^(RingNoWakeup|RingForceWakeup) != 0 {
		return EINVAL
	}
	off, ok := m.Reserve(uint64(len(data)))
	if !ok {
		return EAGAIN
	}
	m.mem.store(off, data)
	m.Submit(off, flags)
	return 0
}

// Query returns what the flag asks for, one of RingAvailData and its like, as bpf_ringbuf_query does.
func (m *Local) Query(flags uint64) uint64 {
	r := m.ring()
	if r == nil {
		return 0
	}
	switch flags {
	case RingAvailData:
		cons := r.cons.Load() // first: it is never above what prod is afterwards
		return r.prod.Load() - cons
	case RingSize:
		return r.mask + 1
	case RingConsPos:
		return r.cons.Load()
	case RingProdPos:
		return r.prod.Load()
	}
	return 0
}

// Consume takes the next record out of a ring buffer and returns its data, in buf if it is large enough, and
// how many bytes are left behind it. It returns false if there is none to be read yet. It is for readers such
// as those of package bpfmap/ringbuf.
func (m *Local) Consume(buf []byte) (data []byte, remaining int, ok bool) {
	r := m.ring()
	if r == nil {
		return nil, 0, false
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	for pos := r.cons.Load(); pos < r.prod.Load(); pos = r.cons.Load() {
		l := atomic.LoadUint32(r.length(pos))
		if l&ringBusy != 0 {
			return nil, 0, false
		}
		n := int(l & ringLength)
		if l&ringDiscard == 0 {
			if cap(buf) < n {
				buf = make([]byte, n)
			}
			buf = buf[:n]
			m.mem.load(buf, int(pos&r.mask)+ringHeader)
		}
		r.cons.Store(pos + recordSpan(l))
		if l&ringDiscard == 0 {
			return buf, int(r.prod.Load() - r.cons.Load()), true
		}
	}
	return nil, 0, false
}

// readable reports whether Consume may find something.
func (r *ring) readable() bool {
	cons := r.cons.Load()
	return cons != r.prod.Load() && atomic.LoadUint32(r.length(cons))&ringBusy == 0
}
