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
			if err := m.WriteMemory(off, data); err != nil {
				t.Fatal(err)
			}
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

// TestFrozenStays checks that nothing changes a map that programs may have been proved safe with.
func TestFrozenStays(t *testing.T) {
	def := spec.Map{Name: "v", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	other, err := New(&def, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Put(uint32(0), uint64(5)); err != nil {
		t.Fatal(err)
	}
	def.Frozen = true
	m, err := New(&def, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]error{"put": m.Put(uint32(0), uint64(5)), "write": m.WriteMemory(0, []byte{1}), "restore": m.Restore(other.Snapshot())} {
		if change == nil {
			t.Errorf("%s changed a frozen map", name)
		}
	}
	if err := m.Restore(m.Snapshot()); err != nil {
		t.Error(err)
	}
	if got := m.ReadMemory(0, 8); !bytes.Equal(got, make([]byte, 8)) {
		t.Errorf("%x", got)
	}
}
