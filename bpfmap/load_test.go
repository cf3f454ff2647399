// Implements the tests of buffers under load: nothing is lost, nothing comes twice.

package bpfmap_test

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/perf"
	"github.com/skepbpf/skep/bpfmap/ringbuf"
	"github.com/skepbpf/skep/spec"
)

// record numbers what a writer wrote: its own number, a count, and then bytes that follow from both.
func fillRecord(b []byte, who, n uint32) {
	binary.LittleEndian.PutUint32(b, who)
	binary.LittleEndian.PutUint32(b[4:], n)
	for i := 8; i < len(b); i++ {
		b[i] = byte(who + n + uint32(i))
	}
}

func goodRecord(b []byte) (who, n uint32, ok bool) {
	if len(b) < 8 {
		return 0, 0, false
	}
	who, n = binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	for i := 8; i < len(b); i++ {
		if b[i] != byte(who+n+uint32(i)) {
			return who, n, false
		}
	}
	return who, n, true
}

// TestRingUnderLoad has writers that reserve, submit, discard and output records of all sizes in a small buffer,
// which goes round many times, and a reader that counts.
func TestRingUnderLoad(t *testing.T) {
	const writers, size = 4, 4096
	records := uint32(20000)
	if testing.Short() {
		records = 4000
	}
	m, err := bpfmap.New(&spec.Map{Type: spec.RingBuf, MaxEntries: size}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var discarded, full, wrapped atomic.Uint64
	var wg sync.WaitGroup
	for who := range uint32(writers) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(who), 1))
			for n := uint32(0); n < records; {
				length := 8 + r.IntN(200)
				if r.IntN(4) == 0 {
					b := make([]byte, length)
					fillRecord(b, who, n)
					if m.Output(b, 0) != 0 {
						full.Add(1)
						runtime.Gosched()
						continue
					}
					n++
					continue
				}
				off, ok := m.Reserve(uint64(length))
				if !ok {
					full.Add(1)
					runtime.Gosched()
					continue
				}
				if off+length > size {
					wrapped.Add(1)
				}
				b := m.Memory()[off : off+length]
				if r.IntN(5) == 0 {
					discarded.Add(1)
					m.Discard(off, 0)
					continue
				}
				fillRecord(b, who, n)
				m.Submit(off, 0)
				n++
			}
		})
	}
	r, err := ringbuf.NewReader(m)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	r.SetDeadline(time.Now().Add(2 * time.Minute))
	var next [writers]uint32
	var rec ringbuf.Record
	for range records * writers {
		if err := r.ReadInto(&rec); err != nil {
			t.Fatalf("%v after %v of %d each", err, next, records)
		}
		who, n, ok := goodRecord(rec.RawSample)
		if !ok || who >= writers || n != next[who] {
			t.Fatalf("record %d of writer %d (whole: %v), expected %v", n, who, ok, next)
		}
		next[who]++
	}
	wg.Wait()
	if left := m.Query(bpfmap.RingAvailData); left != 0 {
		if _, _, ok := m.Consume(nil); ok {
			t.Errorf("there is a record too many in %d bytes", left)
		}
	}
	if discarded.Load() == 0 || wrapped.Load() == 0 || full.Load() == 0 {
		t.Errorf("discarded %d, went over the end %d, full %d", discarded.Load(), wrapped.Load(), full.Load())
	}
	t.Logf("%d read, %d discarded, %d over the end, %d times full", records*writers, discarded.Load(), wrapped.Load(), full.Load())
}

// TestPerfUnderLoad has writers on several CPUs that are faster than the reader: what is read and what is said to
// be lost is what was written.
func TestPerfUnderLoad(t *testing.T) {
	const cpus, records = 3, 20000
	m, err := bpfmap.New(&spec.Map{Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: cpus}, &bpfmap.Options{CPUs: cpus})
	if err != nil {
		t.Fatal(err)
	}
	r, err := perf.NewReader(m, 4096)
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Uint64
	var wg sync.WaitGroup
	for cpu := range cpus {
		wg.Go(func() {
			b := make([]byte, 60)
			for n := range uint32(records) {
				fillRecord(b, uint32(cpu), n)
				if e := m.PerfOutput(cpu, b[:7], b[7:]); e == bpfmap.ENOSPC {
					refused.Add(1)
				} else if e != 0 {
					panic(e)
				}
				if n%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	go func() {
		wg.Wait()
		r.Flush()
	}()
	var lost, read uint64
	last := [cpus]int{-1, -1, -1}
	for {
		rec, err := r.Read()
		if err == perf.ErrFlushed {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.LostSamples > 0 {
			lost += rec.LostSamples
			continue
		}
		who, n, ok := goodRecord(rec.RawSample)
		if !ok || int(who) != rec.CPU || int(n) <= last[who] {
			t.Fatalf("record %d of CPU %d (whole: %v) after %v", n, who, ok, last)
		}
		last[who] = int(n)
		read++
	}
	if lost != refused.Load() || read+lost != cpus*records {
		t.Errorf("%d read and %d lost of %d; %d refused", read, lost, cpus*records, refused.Load())
	}
}

// TestUserRing has Go code write records that a program drains.
func TestUserRing(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Type: spec.UserRingBuf, MaxEntries: 4096}, nil)
	if err != nil {
		t.Fatal(err)
	}
	const records = 5000
	go func() {
		for n := uint32(0); n < records; {
			b := make([]byte, 8+n%300)
			fillRecord(b, 1, n)
			switch m.UserOutput(b) {
			case 0:
				n++
			case bpfmap.ENOSPC:
				runtime.Gosched()
			default:
				panic("user output")
			}
		}
	}()
	next := uint32(0)
	for next < records {
		n, e := m.Drain(func(off, size int) bool {
			if _, again := m.Drain(nil); again != bpfmap.EBUSY {
				t.Error("two drains at once")
			}
			_, n, ok := goodRecord(m.ReadMemory(off, size))
			if !ok || n != next || size != int(8+n%300) {
				t.Errorf("record %d (whole: %v), expected %d", n, ok, next)
			}
			next++
			return next%7 == 0
		})
		if e != 0 {
			t.Fatal(e)
		}
		if n == 0 {
			runtime.Gosched()
		}
	}
	if e := m.UserOutput(make([]byte, 5000)); e != bpfmap.E2BIG {
		t.Error(e)
	}
}

// TestRingSizes checks records as large as the buffer allows, and bad offsets.
func TestRingSizes(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Type: spec.RingBuf, MaxEntries: 4096}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		size uint64
		good bool
	}{{0, true}, {1, true}, {4080, true}, {4081, false}, {4088, false}, {4089, false}, {1 << 31, false}, {1<<64 - 1, false}} {
		off, ok := m.Reserve(c.size)
		if ok != c.good {
			t.Errorf("%d bytes: %v", c.size, ok)
		}
		if !ok {
			continue
		}
		for _, bad := range []int{off + 8, off - 8, -8, 0, 1, 1 << 30, off + 4096, off + 1} {
			m.Submit(bad, 0)
		}
		if _, _, ok := m.Consume(nil); ok {
			t.Errorf("%d bytes: read before it was submitted", c.size)
		}
		m.Submit(off, 0)
		m.Submit(off, 0)
		if b, _, ok := m.Consume(nil); !ok || len(b) != int(c.size) {
			t.Errorf("%d bytes: read %d (%v)", c.size, len(b), ok)
		}
	}
}

// TestRingWakeup checks when a reader that waits is woken.
func TestRingWakeup(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Type: spec.RingBuf, MaxEntries: 4096}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ringbuf.NewReader(m)
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 10)
	go func() {
		for {
			rec, err := r.Read()
			if err != nil {
				close(got)
				return
			}
			got <- string(rec.RawSample)
		}
	}()
	time.Sleep(20 * time.Millisecond)
	m.Output([]byte("quiet"), bpfmap.RingNoWakeup)
	select {
	case s := <-got:
		t.Errorf("%q woke the reader", s)
	case <-time.After(20 * time.Millisecond):
	}
	m.Output([]byte("loud"), bpfmap.RingForceWakeup)
	if a, b := <-got, <-got; a != "quiet" || b != "loud" {
		t.Errorf("%q %q", a, b)
	}
	r.Close()
	if _, open := <-got; open {
		t.Error("the reader goes on")
	}
}
