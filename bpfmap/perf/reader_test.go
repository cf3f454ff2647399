// Implements the tests of readers.

package perf

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

func TestReader(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Name: "e", Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}, &bpfmap.Options{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	if e := m.PerfOutput(0, []byte("x")); e != bpfmap.ENOENT {
		t.Error(e)
	}
	r, err := NewReader(m, 4096)
	if err != nil {
		t.Fatal(err)
	}
	if e := m.PerfOutput(2, []byte("x")); e != bpfmap.E2BIG {
		t.Error(e)
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		m.PerfOutput(1, []byte("hel"), []byte("lo"))
	}()
	rec, err := r.Read()
	if err != nil || string(rec.RawSample) != "hello\x00\x00\x00\x00\x00\x00\x00" || rec.CPU != 1 {
		t.Errorf("%q from %d: %v", rec.RawSample, rec.CPU, err)
	}
	stored := 0
	for m.PerfOutput(0, make([]byte, 100)) == 0 {
		stored++
	}
	got, lost := 0, uint64(0)
	r.SetDeadline(time.Now())
	for {
		rec, err := r.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.LostSamples > 0 {
			lost += rec.LostSamples
		} else {
			got++
		}
	}
	if got != stored || lost != 1 {
		t.Errorf("%d of %d, lost %d", got, stored, lost)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if e := m.PerfOutput(0, []byte("x")); e != bpfmap.ENOENT {
		t.Error(e)
	}
}

// TestKernelReader reads an event array of the kernel, in which there is nothing.
func TestKernelReader(t *testing.T) {
	k, err := maptest.NewKernel(t, &spec.Map{Type: spec.PerfEventArray})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(k, 4096)
	if err != nil {
		t.Skip(err)
	}
	r.SetDeadline(time.Now())
	if _, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := errors.Join(r.Pause(), r.Resume(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

// TestPause takes the buffers away and brings them back.
func TestPause(t *testing.T) {
	m, err := bpfmap.New(&spec.Map{Type: spec.PerfEventArray}, &bpfmap.Options{CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(m, 1)
	if err != nil {
		t.Fatal(err)
	}
	if r.BufferSize() != 4096 {
		t.Error(r.BufferSize())
	}
	for _, want := range []bpfmap.Errno{0, bpfmap.ENOENT, 0} {
		if e := m.PerfOutput(1, []byte("x")); e != want {
			t.Errorf("%v, want %v", e, want)
		}
		change := r.Pause
		if want != 0 {
			change = r.Resume
		}
		if err := change(); err != nil {
			t.Error(err)
		}
	}
}
