// Implements the test that what programs do to maps does not allocate.

package bpfmap_test

import (
	"testing"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

func TestNoAllocation(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	key4, key8, value := make([]byte, 4), make([]byte, 8), make([]byte, 8)
	key8[0] = 32
	keyed := func(key []byte) func(*bpfmap.Local) {
		return func(m *bpfmap.Local) {
			m.UpdateElem(key, value, 0, 0)
			m.LookupOffset(key, 0)
			m.DeleteElem(key)
			m.UpdateElem(key, value, 0, 0)
		}
	}
	pushed := func(m *bpfmap.Local) {
		m.Push(value, 0)
		m.Peek(value)
		m.Pop(value)
	}
	var buf [64]byte
	for _, c := range []struct {
		def spec.Map
		f   func(*bpfmap.Local)
	}{
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2}, keyed(key4)},
		{spec.Map{Type: spec.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 2}, keyed(key4)},
		{spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 2}, keyed(key4)},
		{spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 2}, keyed(key8)},
		{spec.Map{Type: spec.PerCPUHash, KeySize: 4, ValueSize: 8, MaxEntries: 2}, keyed(key4)},
		{spec.Map{Type: spec.LRUHash, KeySize: 4, ValueSize: 8, MaxEntries: 1}, keyed(key4)},
		{spec.Map{Type: spec.LPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: 2, Flags: 1}, keyed(key8)},
		{spec.Map{Type: spec.Queue, ValueSize: 8, MaxEntries: 2}, pushed},
		{spec.Map{Type: spec.Stack, ValueSize: 8, MaxEntries: 2}, pushed},
		{spec.Map{Type: spec.BloomFilter, ValueSize: 8, MaxEntries: 2}, pushed},
		{spec.Map{Type: spec.RingBuf, MaxEntries: 4096}, func(m *bpfmap.Local) {
			if off, ok := m.Reserve(20); ok {
				m.Submit(off, 0)
			}
			m.Output(value, 0)
			for {
				if _, _, ok := m.Consume(buf[:]); !ok {
					break
				}
			}
		}},
	} {
		m := mustNew(t, c.def, nil)
		c.f(m)
		if n := testing.AllocsPerRun(100, func() { c.f(m) }); n != 0 {
			t.Errorf("%s: %v allocations", c.def.Type, n)
		}
	}
}
