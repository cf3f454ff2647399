package ringbuf

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/skepbpf/skep/bpfmap"
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
