// Implements readers of event arrays, for maps of Skep and of the kernel.

package perf

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Errors that Read returns; compare with errors.Is.
var (
	ErrClosed  = os.ErrClosed
	ErrFlushed = ringbuf.ErrFlushed // the same as that of cilium/ebpf's package perf, which not every system has
)

// Record is one that was read: data, or a number of records that were lost.
type Record struct {
	CPU         int    // buffer that it was read from
	RawSample   []byte // data with 0 to 7 zeros behind it, as many as the kernel's readers see bytes there
	LostSamples uint64 // records that did not fit into the buffer before this one; then there is no data
	Remaining   int    // bytes left in the buffer, at least
}

// ReaderOptions are those of cilium/ebpf. Skep's buffers can be read at any time, so that numbers of events
// and bytes to wait for only say when Read wakes up from waiting.
type ReaderOptions struct {
	WakeupEvents int  // of the kernel only
	Watermark    int  // of the kernel only
	Overwritable bool // of the kernel only
}

// Reader reads the records of all CPUs. It is safe for concurrent use.
type Reader struct {
	m       *bpfmap.Local
	kernel  kernelReader // instead of m
	buffers []*bpfmap.PerfBuffer
	stop    bpfmap.Interrupt

	mu       sync.Mutex // of one Read at a time, and what follows
	deadline time.Time
	next     int // buffer to read from
}

// kernelReader is cilium/ebpf's reader.
type kernelReader interface {
	ReadInto(rec *Record) error
	SetDeadline(t time.Time)
	Flush() error
	Close() error
	Pause() error
	Resume() error
	BufferSize() int
}

// NewReader makes a reader with a buffer for each CPU, of perCPUBuffer bytes, rounded up to pages, and puts the buffers into the
// array: a *bpfmap.Local, or a *bpfmap.Kernel, which is read by cilium/ebpf's reader.
func NewReader(array bpfmap.Map, perCPUBuffer int) (*Reader, error) {
	return NewReaderWithOptions(array, perCPUBuffer, ReaderOptions{})
}

// NewReaderWithOptions is NewReader with options.
func NewReaderWithOptions(array bpfmap.Map, perCPUBuffer int, opts ReaderOptions) (*Reader, error) {
	if array.Type() != spec.PerfEventArray {
		return nil, fmt.Errorf("a map of type %s is no event array", array.Type())
	}
	if perCPUBuffer < 1 {
		return nil, errors.New("perCPUBuffer must be larger than 0")
	}
	switch m := array.(type) {
	case *bpfmap.Local:
		r := &Reader{m: m}
		for cpu := range min(m.CPUs(), int(m.MaxEntries())) {
			r.buffers = append(r.buffers, bpfmap.NewPerfBuffer(cpu, perCPUBuffer))
		}
		return r, r.Resume()
	case *bpfmap.Kernel:
		k, err := newKernelReader(m, perCPUBuffer, opts)
		return &Reader{kernel: k}, err
	}
	return nil, fmt.Errorf("%T cannot be read as an event array", array)
}

// Read returns the next record, and waits for it if there is none; CPUs take turns. After Close it returns ErrClosed,
// when the deadline has passed and everything is read os.ErrDeadlineExceeded, after Flush and everything that was there
// ErrFlushed.
func (r *Reader) Read() (Record, error) {
	var rec Record
	err := r.ReadInto(&rec)
	return rec, err
}

// ReadInto is Read that uses the memory of rec.RawSample if it is large enough.
func (r *Reader) ReadInto(rec *Record) error {
	if r.kernel != nil {
		return r.kernel.ReadInto(rec)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		if r.stop.Closed() {
			return fmt.Errorf("perf buffer: %w", ErrClosed)
		}
		if r.take(rec) {
			return nil
		}
		if r.stop.Flushed() {
			return ErrFlushed
		}
		if err := r.stop.Wait(r.m, r.deadline); err != nil {
			return err
		}
	}
}

// take reads a record from the first buffer that has one.
func (r *Reader) take(rec *Record) bool {
	for range r.buffers {
		b := r.buffers[r.next]
		r.next = (r.next + 1) % len(r.buffers)
		data, lost, remaining, ok := r.m.PerfRead(b, rec.RawSample)
		if ok {
			rec.CPU, rec.RawSample, rec.LostSamples, rec.Remaining = b.CPU(), data, lost, remaining
			return true
		}
	}
	return false
}

// SetDeadline says until when Read waits for records. The zero time is no limit. It must not be called while
// Read waits.
func (r *Reader) SetDeadline(t time.Time) {
	if r.kernel != nil {
		r.kernel.SetDeadline(t)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deadline = t
}

// Flush makes Read return what is there, and then ErrFlushed.
func (r *Reader) Flush() error {
	if r.kernel != nil {
		return r.kernel.Flush()
	}
	r.stop.Flush()
	return nil
}

// Pause takes the buffers out of the array: programs that write get ENOENT.
func (r *Reader) Pause() error {
	if r.kernel != nil {
		return r.kernel.Pause()
	}
	if r.stop.Closed() {
		return ErrClosed
	}
	return r.remove()
}

func (r *Reader) remove() error {
	for _, b := range r.buffers {
		var held *bpfmap.PerfBuffer
		if held = r.m.PerfBuffer(b.CPU()); held != b {
			continue // another reader's
		}
		if err := r.m.Delete(uint32(b.CPU())); err != nil {
			return err
		}
	}
	return nil
}

// Resume puts the buffers into the array again after Pause.
func (r *Reader) Resume() error {
	if r.kernel != nil {
		return r.kernel.Resume()
	}
	if r.stop.Closed() {
		return ErrClosed
	}
	for _, b := range r.buffers {
		if err := r.m.Put(uint32(b.CPU()), b); err != nil {
			return err
		}
	}
	return nil
}

// Close ends the reading and takes the buffers out of the array. It interrupts Read.
func (r *Reader) Close() error {
	if r.kernel != nil {
		return r.kernel.Close()
	}
	if r.stop.Closed() {
		return nil
	}
	r.stop.Close()
	return r.remove()
}

// BufferSize returns the size of each buffer in bytes.
func (r *Reader) BufferSize() int {
	if r.kernel != nil {
		return r.kernel.BufferSize()
	}
	if len(r.buffers) == 0 {
		return 0
	}
	return r.buffers[0].Size()
}
