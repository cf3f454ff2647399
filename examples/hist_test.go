package examples_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"os"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap/ringbuf"
	"github.com/skepbpf/skep/helper"
)

// TestHistogram hands writes of several sizes to the tracepoint's program.
func TestHistogram(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		c := load(t, "hist", engine, func(o *skep.CollectionOptions) {
			o.Programs.Env = &helper.Env{Now: func() uint64 { return 42 }, Task: &helper.Task{PID: 8, TGID: 7, Comm: "writer"}}
			o.Variables = map[string]any{"large": uint64(1000)}
		})
		defer c.Close()
		r, err := ringbuf.NewReader(c.Maps["events"])
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var want [32]uint64
		var large []uint64
		for _, size := range []uint64{0, 1, 2, 3, 4, 999, 1000, 1024, 4095, 65536, 1 << 31, 1 << 40, ^uint64(0)} {
			ctx := make([]byte, 40)
			binary.LittleEndian.PutUint64(ctx[16:], 5)
			binary.LittleEndian.PutUint64(ctx[32:], size)
			if _, err := c.Programs["hist"].Run(&skep.RunOptions{Context: ctx}); err != nil {
				t.Fatal(err)
			}
			want[min(31, max(0, bits.Len64(size)-1))]++
			if size >= 1000 {
				large = append(large, size)
			}
		}
		var got [32]uint64
		if err := c.Variables["sizes"].Get(&got); err != nil || got != want {
			t.Errorf("%v, %v, want %v", got, err, want)
		}
		r.SetDeadline(time.Now().Add(-time.Second))
		for _, size := range large {
			var e struct {
				Time    uint64
				PID, FD uint32
				Bytes   uint64
				Comm    [16]byte
			}
			rec, err := r.Read()
			if err != nil {
				t.Fatal(err)
			}
			if err := binary.Read(bytes.NewReader(rec.RawSample), binary.LittleEndian, &e); err != nil ||
				e.Time != 42 || e.PID != 7 || e.FD != 5 || e.Bytes != size || string(bytes.TrimRight(e.Comm[:], "\x00")) != "writer" {
				t.Errorf("%+v, %v, want %d bytes", e, err, size)
			}
		}
		if rec, err := r.Read(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("one more: %v, %v", rec, err)
		}
	})
}
