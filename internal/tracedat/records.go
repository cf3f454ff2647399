// Implements records: of all buffers and processors, in the order of time.

package tracedat

import (
	"container/heap"
	"encoding/binary"
	"fmt"

	"github.com/skepbpf/skep/event"
)

// Record is a record of a trace buffer.
type Record struct {
	Buffer string // name of the instance; "": the top
	CPU    int
	Time   uint64 // of the buffer's clock, nanoseconds
	Event  *Event // nil: the file does not have its format
	Data   []byte // good until the next record
}

// Each calls f with every record, the earliest first. It ends with the first error of f.
func (f *File) Each(call func(*Record) error) error {
	var q queue
	for i := range f.buffers {
		b := &f.buffers[i]
		for _, p := range b.cpus {
			s := &stream{f: f, b: b, cpu: p.cpu, compressed: p.compressed}
			s.c = f.cursor(fmt.Sprintf("records of processor %d", p.cpu), int64(p.off))
			s.c.end = int64(p.off + p.size)
			if p.compressed && p.size > 0 {
				s.c.end = min(s.c.end+4, f.size) // the number of chunks does not count
				s.chunks = s.c.u32()
			}
			ok, err := s.next()
			if err != nil {
				return err
			}
			if ok {
				q = append(q, s)
			}
		}
	}
	heap.Init(&q)
	for len(q) > 0 {
		s := q[0]
		r := Record{Buffer: s.b.name, CPU: s.cpu, Time: s.records[0].Time, Data: s.records[0].Data}
		if len(r.Data) >= 2 {
			r.Event = f.formats[binary.LittleEndian.Uint16(r.Data)]
		}
		if err := call(&r); err != nil {
			return err
		}
		s.records = s.records[1:]
		ok, err := s.next()
		switch {
		case err != nil:
			return err
		case ok:
			heap.Fix(&q, 0)
		default:
			heap.Pop(&q)
		}
	}
	return nil
}

// stream is the records of a processor.
type stream struct {
	f          *File
	b          *buffer
	cpu        int
	c          *cursor
	compressed bool
	chunks     uint32 // that are still to come
	chunk      []byte // what is left of the one that was read
	records    []event.Record
	all        []event.Record // of a page
}

// next makes sure that there is a record, if there is another.
func (s *stream) next() (bool, error) {
	for len(s.records) == 0 {
		page, err := s.page()
		if page == nil || err != nil {
			return false, err
		}
		s.all = s.all[:0]
		if err := event.ReadPage(page, func(r event.Record) { s.all = append(s.all, r) }); err != nil {
			return false, fmt.Errorf("%s: the page that ends at byte %d: %w", s.c.in, s.c.at, err)
		}
		s.records = s.all
	}
	return true, nil
}

// page returns the next page, or nil.
func (s *stream) page() ([]byte, error) {
	size := uint64(s.b.page)
	if !s.compressed {
		if s.c.at >= s.c.end || s.c.err != nil {
			return nil, s.c.err
		}
		return s.c.bytes(min(size, uint64(s.c.end-s.c.at))), s.c.err
	}
	for len(s.chunk) == 0 {
		if s.chunks == 0 || s.c.err != nil {
			return nil, s.c.err
		}
		s.chunks--
		packed, whole := uint64(s.c.u32()), uint64(s.c.u32())
		s.chunk = s.f.unpack(s.c, packed, whole)
	}
	n := min(size, uint64(len(s.chunk)))
	page := s.chunk[:n]
	s.chunk = s.chunk[n:]
	return page, s.c.err
}

// queue is the streams, that with the earliest record first.
type queue []*stream

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	a, b := q[i].records[0].Time, q[j].records[0].Time
	return a < b || a == b && q[i].cpu < q[j].cpu
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(*stream)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	s := (*q)[last]
	*q = (*q)[:last]
	return s
}
