// Implements readers of ring buffers, for maps of Skep and of the kernel.

package ringbuf

import (
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
	ErrFlushed = ringbuf.ErrFlushed
)

// Record is what was read: RawSample is the data of one record, Remaining the bytes left in the buffer.
type Record = ringbuf.Record

// Reader reads the records of a ring buffer in the order in which programs reserved them. It is safe for
// concurrent use.
type Reader struct {
	m      *bpfmap.Local
	kernel *ringbuf.Reader // instead of m
	stop   bpfmap.Interrupt

	mu       sync.Mutex // of one Read at a time, and deadline
	deadline time.Time
}

// NewReader makes a reader of a ring buffer: a *bpfmap.Local, or a *bpfmap.Kernel, which is read by
// cilium/ebpf's reader.
func NewReader(m bpfmap.Map) (*Reader, error) {
	if m.Type() != spec.RingBuf {
		return nil, fmt.Errorf("a map of type %s is no ring buffer", m.Type())
	}
	switch m := m.(type) {
	case *bpfmap.Local:
		return &Reader{m: m}, nil
	case *bpfmap.Kernel:
		r, err := ringbuf.NewReader(m.Map)
		return &Reader{kernel: r}, err
	}
	return nil, fmt.Errorf("%T cannot be read as a ring buffer", m)
}

// Read returns the next record, and waits for it if there is none. After Close it returns ErrClosed, when the
// deadline has passed and everything is read os.ErrDeadlineExceeded, after Flush and everything that was there ErrFlushed.
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
			return fmt.Errorf("ring buffer: %w", ErrClosed)
		}
		if data, remaining, ok := r.m.Consume(rec.RawSample); ok {
			rec.RawSample, rec.Remaining = data, remaining
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

// Close ends the reading. It interrupts Read. The map stays.
func (r *Reader) Close() error {
	if r.kernel != nil {
		return r.kernel.Close()
	}
	r.stop.Close()
	return nil
}

// BufferSize returns the size of the ring buffer in bytes.
func (r *Reader) BufferSize() int {
	if r.kernel != nil {
		return r.kernel.BufferSize()
	}
	return int(r.m.MaxEntries())
}

// AvailableBytes returns how many bytes are there to be read, headers and records that are not submitted yet
// included.
func (r *Reader) AvailableBytes() int {
	if r.kernel != nil {
		return r.kernel.AvailableBytes()
	}
	return int(r.m.Query(bpfmap.RingAvailData))
}
