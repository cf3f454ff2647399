// Implements the benchmarks of maps beside Go's own.

package bpfmap

import (
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep/spec"
)

func benchMap(b *testing.B, t spec.MapType) *Local {
	m, err := New(&spec.Map{Name: "m", Type: t, KeySize: 4, ValueSize: 8, MaxEntries: 1024}, nil)
	if err != nil {
		b.Fatal(err)
	}
	for i := range uint32(1000) {
		if e := m.UpdateElem(binary.LittleEndian.AppendUint32(nil, i), make([]byte, 8), 0, 0); e != 0 {
			b.Fatal(e)
		}
	}
	return m
}

var benchTypes = []spec.MapType{spec.Array, spec.PerCPUArray, spec.Hash, spec.PerCPUHash, spec.LRUHash}

// BenchmarkLookup is the look-up that programs call.
func BenchmarkLookup(b *testing.B) {
	for _, t := range benchTypes {
		b.Run(t.String(), func(b *testing.B) {
			m := benchMap(b, t)
			key := make([]byte, 4)
			i := uint32(0)
			for b.Loop() {
				binary.LittleEndian.PutUint32(key, i%1000)
				i += 7
				if _, ok := m.LookupOffset(key, 0); !ok {
					b.Fatal(i)
				}
			}
		})
	}
	b.Run("go_map", func(b *testing.B) {
		m := map[uint32]*uint64{}
		for i := range uint32(1000) {
			m[i] = new(uint64)
		}
		i := uint32(0)
		for b.Loop() {
			if m[i%1000] == nil {
				b.Fatal(i)
			}
			i += 7
		}
	})
}

// BenchmarkUpdate is the update of a key that is there, as programs call it.
func BenchmarkUpdate(b *testing.B) {
	for _, t := range benchTypes {
		b.Run(t.String(), func(b *testing.B) {
			m := benchMap(b, t)
			key, value := make([]byte, 4), make([]byte, 8)
			i := uint32(0)
			for b.Loop() {
				binary.LittleEndian.PutUint32(key, i%1000)
				i += 7
				if e := m.UpdateElem(key, value, 0, 0); e != 0 {
					b.Fatal(e)
				}
			}
		})
	}
	b.Run("go_map", func(b *testing.B) {
		m := map[uint32]uint64{}
		i := uint32(0)
		for b.Loop() {
			m[i%1000] = uint64(i)
			i += 7
		}
	})
}

// BenchmarkInsertDelete takes a key out and puts it in again.
func BenchmarkInsertDelete(b *testing.B) {
	for _, t := range []spec.MapType{spec.Hash, spec.LRUHash} {
		b.Run(t.String(), func(b *testing.B) {
			m := benchMap(b, t)
			key, value := make([]byte, 4), make([]byte, 8)
			i := uint32(0)
			for b.Loop() {
				binary.LittleEndian.PutUint32(key, i%1000)
				i += 7
				m.DeleteElem(key)
				if e := m.UpdateElem(key, value, 0, 0); e != 0 {
					b.Fatal(e)
				}
			}
		})
	}
	b.Run("go_map", func(b *testing.B) {
		m := map[uint32]uint64{}
		i := uint32(0)
		for b.Loop() {
			delete(m, i%1000)
			m[i%1000] = uint64(i)
			i += 7
		}
	})
}

// BenchmarkGo is the use by Go code, with values of Go types.
func BenchmarkGo(b *testing.B) {
	percpu := benchMap(b, spec.PerCPUHash)
	b.Run("lookup_percpu_hash", func(b *testing.B) {
		b.ReportAllocs()
		var k uint32
		v := make([]uint64, percpu.CPUs())
		for b.Loop() {
			k = (k + 7) % 1000
			if err := percpu.Lookup(&k, v); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, t := range []spec.MapType{spec.Array, spec.Hash} {
		m := benchMap(b, t)
		b.Run("lookup_"+t.String(), func(b *testing.B) {
			b.ReportAllocs()
			var k uint32
			var v uint64
			for b.Loop() {
				k = (k + 7) % 1000
				if err := m.Lookup(&k, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("update_"+t.String(), func(b *testing.B) {
			b.ReportAllocs()
			var k uint32
			var v uint64
			for b.Loop() {
				k = (k + 7) % 1000
				if err := m.Put(&k, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRing(b *testing.B) {
	m, err := New(&spec.Map{Name: "m", Type: spec.RingBuf, MaxEntries: 1 << 16}, nil)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 64)
	for b.Loop() {
		off, ok := m.Reserve(48)
		if !ok {
			b.Fatal("full")
		}
		m.Submit(off, 0)
		if buf, _, ok = m.Consume(buf); !ok {
			b.Fatal("empty")
		}
	}
}
