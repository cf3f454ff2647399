package bpfmap

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

func TestSmoke(t *testing.T) {
	for _, ty := range []spec.MapType{spec.Array, spec.Hash, spec.LRUHash} {
		m, err := New(&spec.Map{Name: "m", Type: ty, KeySize: 4, ValueSize: 12, MaxEntries: 100}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint32(100) {
			if err := m.Put(i, [3]uint32{i, i * 2, i * 3}); err != nil {
				t.Fatal(ty, i, err)
			}
		}
		for range 3 {
			for i := range uint32(100) {
				if err := m.Put(i, [3]uint32{i, i * 2, i * 3}); err != nil {
					t.Fatal(ty, i, err)
				}
			}
		}
		var k uint32
		var v [3]uint32
		n := 0
		for it := m.Iterate(); it.Next(&k, &v); n++ {
			if v != [3]uint32{k, k * 2, k * 3} {
				t.Error(k, v)
			}
		}
		if n != 100 {
			t.Error(ty, n)
		}
		err = m.Lookup(uint32(1000), &v)
		if !errors.Is(err, ebpf.ErrKeyNotExist) {
			t.Error(err)
		}
		t.Log(m.Put(uint32(1000), &v))
		s := m.Snapshot()
		if ty != spec.Array {
			if err := m.Delete(uint32(5)); err != nil {
				t.Error(err)
			}
		}
		m.Put(uint32(6), [3]uint32{})
		t.Log(s.Diff(m.Snapshot()))
		if err := m.Restore(s); err != nil {
			t.Error(err)
		}
		if d := s.Diff(m.Snapshot()); len(d) != 0 {
			t.Error(d)
		}
	}
}
