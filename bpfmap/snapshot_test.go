// Implements the tests of snapshots.

package bpfmap_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// TestRestore changes maps of every type at random and brings them back.
func TestRestore(t *testing.T) {
	defs := append([]maptest.Def{{Map: spec.Map{Type: spec.BloomFilter, ValueSize: 4, MaxEntries: 100}}}, kernelDefs...)
	for i := range defs {
		d := defs[i]
		t.Run(fmt.Sprintf("%s/%d", d.Type, i), func(t *testing.T) {
			d.CPUs = 2
			m := mustNew(t, d.Map, &bpfmap.Options{CPUs: 2})
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 5 {
				for range 20 {
					d.Apply(m, d.Random(r))
				}
				s := m.Snapshot()
				for range 20 {
					d.Apply(m, d.Random(r))
				}
				if err := m.Restore(s); err != nil {
					t.Fatal(err)
				}
				if diff := s.Diff(m.Snapshot()); len(diff) != 0 {
					t.Fatalf("after going back: %v", diff)
				}
			}
		})
	}
}

func TestDiff(t *testing.T) {
	m := mustNew(t, spec.Map{Type: spec.Hash, KeySize: 1, ValueSize: 2, MaxEntries: 8}, nil)
	put := func(k byte, v uint16) {
		if err := m.Put([]byte{k}, v); err != nil {
			t.Fatal(err)
		}
	}
	put(1, 10)
	put(2, 20)
	put(3, 30)
	old := m.Snapshot()
	put(2, 21)
	put(4, 40)
	if err := m.Delete([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(old.Diff(m.Snapshot())), "[01: -0a00 02: -1400 +1500 04: +2800]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	q := mustNew(t, spec.Map{Type: spec.Stack, ValueSize: 1, MaxEntries: 8}, nil)
	q.Push([]byte{1}, 0)
	q.Push([]byte{2}, 0)
	s := q.Snapshot()
	q.Push([]byte{3}, 0)
	if got, want := fmt.Sprint(s.Diff(q.Snapshot())), "[00000000: -02 +03 00000001: -01 +02 00000002: +01]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	progs := mustNew(t, spec.Map{Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 2}, nil)
	a, b := &struct{ int }{1}, &struct{ int }{2}
	if err := progs.Put(uint32(1), a); err != nil {
		t.Fatal(err)
	}
	s = progs.Snapshot()
	if err := progs.Put(uint32(1), b); err != nil {
		t.Fatal(err)
	}
	if d := s.Diff(progs.Snapshot()); len(d) != 1 || d[0].Old.Object != any(a) || d[0].New.Object != any(b) {
		t.Errorf("%v", d)
	}
	if err := progs.Restore(s); err != nil {
		t.Error(err)
	}
	if p, ok := progs.Program(1); !ok || p != any(a) {
		t.Error(p, ok)
	}
}
