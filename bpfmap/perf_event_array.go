// Implements perf_event_array: a buffer of records for each CPU, from programs to Go code.

package bpfmap

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// PerfCurrentCPU as the index in flags of bpf_perf_event_output stands for the CPU that the program runs on.
const PerfCurrentCPU = 0xffffffff

// eventArray is an array of buffers, which readers put there.
type eventArray struct {
	objectArray
	wait    waiter
	pending atomic.Int64 // records in all buffers, and reports of lost ones
}

func newEventArray(m *Local, _ *Options) impl {
	a := &eventArray{objectArray: *newObjectArray(m, acceptEvent)}
	a.hidden = ENOTSUPP
	return a
}

func acceptEvent(v any) (any, Errno) {
	if b, ok := v.(*PerfBuffer); ok && b != nil {
		return b, 0
	}
	return nil, EBADF
}

// ID numbers a buffer like a file.
func (b *PerfBuffer) ID() uint32 { return uint32(b.cpu) }

func (a *eventArray) readable() bool { return a.pending.Load() > 0 }

// PerfBuffer takes the records of one element of a perf_event_array. Put it there to have programs write to
// it. It has the size in bytes that the kernel's would have: what does not fit is lost and counted.
type PerfBuffer struct {
	cpu int

	mu    sync.Mutex
	data  []byte // a ring
	start int
	used  int
	lost  uint64
}

// A record is a header of perfHeader bytes, of which the first four are the size of the data and the next
// four 1 for a count of lost records, and the data.
const perfHeader = 12

// NewPerfBuffer makes a buffer of size bytes, rounded up to a power of two pages as the kernel's readers do,
// for records that are said to be from cpu.
func NewPerfBuffer(cpu, size int) *PerfBuffer {
	return &PerfBuffer{cpu: cpu, data: make([]byte, int(powerAbove(uint64((max(size, 1)+pageSize-1)/pageSize)))*pageSize)}
}

// Size returns the size of the buffer in bytes.
func (b *PerfBuffer) Size() int { return len(b.data) }

// CPU returns the CPU that records are from.
func (b *PerfBuffer) CPU() int { return b.cpu }

// PerfOutput adds a record made of all parts of data to the buffer of the element cpu, as
// bpf_perf_event_output does. It returns E2BIG if there is no such element, ENOENT if nobody reads it and ENOSPC
// if the record does not fit; then it counts as lost.
func (m *Local) PerfOutput(cpu int, data ...[]byte) Errno {
	a, ok := m.impl.(*eventArray)
	if !ok {
		return EINVAL
	}
	if uint(cpu) >= uint(len(a.slots)) {
		return E2BIG
	}
	o := a.slots[cpu].Load()
	if o == nil {
		return ENOENT
	}
	e := o.v.(*PerfBuffer).add(a, data)
	a.wait.wake()
	return e
}

func (b *PerfBuffer) add(a *eventArray, data [][]byte) Errno {
	n := 0
	for _, d := range data {
		n += len(d)
	}
	if n > 1<<16-perfHeader-8 { // the kernel counts the size of a record in 16 bits
		return E2BIG
	}
	size := (n+4+7)&^7 - 4 // what readers of the kernel's buffers see, filled up
	b.mu.Lock()
	defer b.mu.Unlock()
	need := perfHeader + size
	if b.lost > 0 {
		need += perfHeader + 8
	}
	if b.used+need > len(b.data) {
		if b.lost == 0 {
			a.pending.Add(1)
		}
		b.lost++
		return ENOSPC
	}
	if b.lost > 0 {
		var count [8]byte
		binary.LittleEndian.PutUint64(count[:], b.lost)
		b.header(8, 1)
		b.write(count[:])
		b.lost = 0
	}
	b.header(size, 0)
	for _, d := range data {
		b.write(d)
	}
	var fill [8]byte
	b.write(fill[:size-n])
	a.pending.Add(1)
	return 0
}

func (b *PerfBuffer) header(size, kind int) {
	var h [perfHeader]byte
	binary.LittleEndian.PutUint32(h[:], uint32(size))
	binary.LittleEndian.PutUint32(h[4:], uint32(kind))
	b.write(h[:])
}

func (b *PerfBuffer) write(d []byte) {
	at := (b.start + b.used) % len(b.data)
	n := copy(b.data[at:], d)
	copy(b.data, d[n:])
	b.used += len(d)
}

func (b *PerfBuffer) read(to []byte) {
	n := copy(to, b.data[b.start:])
	copy(to[n:], b.data)
	b.start = (b.start + len(to)) % len(b.data)
	b.used -= len(to)
}

// PerfRead takes the next record out of a buffer of this map: its data, in buf if that is large enough, or how
// many records were lost, and the bytes left in the buffer. It returns false if there is none. It is for readers
// such as those of package bpfmap/perf.
func (m *Local) PerfRead(b *PerfBuffer, buf []byte) (data []byte, lost uint64, remaining int, ok bool) {
	a, isArray := m.impl.(*eventArray)
	if !isArray {
		return nil, 0, 0, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used == 0 {
		if lost, b.lost = b.lost, 0; lost > 0 {
			a.pending.Add(-1)
		}
		return buf[:0], lost, 0, lost > 0
	}
	a.pending.Add(-1)
	var h [perfHeader]byte
	b.read(h[:])
	size := int(binary.LittleEndian.Uint32(h[:]))
	if cap(buf) < size {
		buf = make([]byte, size)
	}
	buf = buf[:size]
	b.read(buf)
	if h[4] != 0 {
		return buf[:0], binary.LittleEndian.Uint64(buf), b.used, true
	}
	return buf, 0, b.used, true
}

// PerfBuffer returns the buffer at an index of a perf_event_array, nil if there is none.
func (m *Local) PerfBuffer(index int) *PerfBuffer {
	a, ok := m.impl.(*eventArray)
	if !ok || index < 0 {
		return nil
	}
	o := a.at(uint32(index))
	if o == nil {
		return nil
	}
	return o.v.(*PerfBuffer)
}
