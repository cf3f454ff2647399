// Implements the tests with many goroutines: they mean most with the race detector.

package bpfmap_test

import (
	"fmt"
	"testing"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// TestConcurrent uses every type from many goroutines.
func TestConcurrent(t *testing.T) {
	defs := append([]maptest.Def{
		{Map: spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 16, MaxEntries: 5}, Keys: hashKeys(4, 14)},
		{Map: spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 1}, Keys: hashKeys(4, 3)},
		{Map: spec.Map{Type: spec.LRUPerCPUHash, KeySize: 8, ValueSize: 4, MaxEntries: 6}, Keys: hashKeys(8, 14)},
		{Map: spec.Map{Type: spec.BloomFilter, ValueSize: 4, MaxEntries: 100}},
	}, kernelDefs...)
	for i := range defs {
		d := defs[i]
		t.Run(fmt.Sprintf("%s/%d", d.Type, i), func(t *testing.T) {
			maptest.Concurrent(t, &d, 300)
		})
	}
}

// TestLinearizable checks histories of the types whose elements are replaced as a whole.
func TestLinearizable(t *testing.T) {
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	for _, c := range []struct {
		def           spec.Map
		keys          int
		fixed, evicts bool
	}{
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 4}, 2, true, false},
		{spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}, 1, false, false},
		{spec.Map{Type: spec.Hash, KeySize: 12, ValueSize: 8, MaxEntries: 4}, 3, false, false},
		{spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 400, Flags: 1}, 3, false, false},
		{spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 16}, 3, false, false},
		{spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 2}, 4, false, true},
		{spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 1}, 2, false, true},
	} {
		t.Run(fmt.Sprintf("%s/%d/%d", c.def.Type, c.def.KeySize, c.def.MaxEntries), func(t *testing.T) {
			m, err := bpfmap.New(&c.def, nil)
			if err != nil {
				t.Fatal(err)
			}
			keys := hashKeys(int(c.def.KeySize), c.keys)
			if c.fixed {
				keys = indexKeys(c.keys)[:c.keys]
			}
			maptest.Linearizable(t, m, keys, rounds, c.fixed, c.evicts)
		})
	}
}

// TestOfOnePiece checks that long values are not torn.
func TestOfOnePiece(t *testing.T) {
	for _, def := range []spec.Map{
		{Type: spec.Hash, KeySize: 4, ValueSize: 64, MaxEntries: 8},
		{Type: spec.LRUHash, KeySize: 4, ValueSize: 64, MaxEntries: 8},
		{Type: spec.LPMTrie, KeySize: 8, ValueSize: 64, MaxEntries: 8, Flags: 1},
	} {
		t.Run(def.Type.String(), func(t *testing.T) {
			m, err := bpfmap.New(&def, nil)
			if err != nil {
				t.Fatal(err)
			}
			maptest.OfOnePiece(t, m, make([]byte, def.KeySize), 20000)
		})
	}
}
