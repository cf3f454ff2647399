package bpfmap

import (
	"bytes"
	"testing"

	"github.com/skepbpf/skep/spec"
)

// TestMemoryPieces writes and reads pieces of every size at every place and checks that nothing else changes.
func TestMemoryPieces(t *testing.T) {
	m, err := New(&spec.Map{Name: "v", Type: spec.Array, KeySize: 4, ValueSize: 40, MaxEntries: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]byte, 40)
	for off := range 40 {
		for n := 0; off+n <= 40; n++ {
			data := make([]byte, n)
			for i := range data {
				data[i] = byte(off*7 + n*13 + i)
			}
			m.WriteMemory(off, data)
			copy(want[off:], data)
			if got := m.ReadMemory(off, n); !bytes.Equal(got, data) {
				t.Fatalf("%d bytes at %d: %x, want %x", n, off, got, data)
			}
			if got := m.ReadMemory(0, 40); !bytes.Equal(got, want) {
				t.Fatalf("after %d bytes at %d: %x, want %x", n, off, got, want)
			}
		}
	}
}
