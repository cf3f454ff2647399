// Implements the tests of readers.

package ringbuf

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

func newRing(t testing.TB, size uint32) *bpfmap.Local {
	t.Helper()
	m, err := bpfmap.New(&spec.Map{Name: "rb", Type: spec.RingBuf, MaxEntries: size}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReader(t *testing.T) {
	m := newRing(t, 4096)
	r, err := NewReader(m)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		m.Output([]byte("hello"), 0)
	}()
	rec, err := r.Read()
	if err != nil || string(rec.RawSample) != "hello" || rec.Remaining != 0 {
		t.Errorf("%q %d %v", rec.RawSample, rec.Remaining, err)
	}
	a, _ := m.Reserve(10)
	b, _ := m.Reserve(20)
	m.Submit(b, 0)
	r.SetDeadline(time.Now().Add(5 * time.Millisecond))
	if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read past a busy record: %v", err)
	}
	m.Discard(a, 0)
	if rec, err := r.Read(); err != nil || len(rec.RawSample) != 20 {
		t.Errorf("%d bytes, %v", len(rec.RawSample), err)
	}
	r.SetDeadline(time.Time{})
	r.Flush()
	if _, err := r.Read(); err != ErrFlushed {
		t.Error(err)
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		r.Close()
	}()
	if _, err := r.Read(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestKernelReader reads a ring buffer of the kernel, in which there is nothing.
func TestKernelReader(t *testing.T) {
	k, err := maptest.NewKernel(t, &spec.Map{Type: spec.RingBuf, MaxEntries: 4096})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(k)
	if err != nil {
		t.Fatal(err)
	}
	r.SetDeadline(time.Now())
	if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	r.SetDeadline(time.Time{})
	if err := r.Flush(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrFlushed) {
		t.Error(err)
	}
	if r.BufferSize() != 4096 || r.AvailableBytes() != 0 {
		t.Error(r.BufferSize(), r.AvailableBytes())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	hash, err := bpfmap.New(&spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(hash); err == nil {
		t.Error("a hash map is read as a ring buffer")
	}
}
