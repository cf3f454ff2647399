// Implements going through all elements of a map.

package bpfmap

import (
	"bytes"
	"errors"
	"fmt"
	"iter"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

// Iterator goes through the elements of a map, as ebpf.MapIterator does. It is not safe for concurrent use.
//
// While others change the map, elements may be seen twice or not at all; a key that is deleted while the
// iteration is at it starts the iteration anew, which ends with ebpf.ErrIterationAborted after as many steps
// as the map can have elements.
type Iterator struct {
	m     Map
	raw   rawMap
	key   []byte
	count uint32
	limit uint32
	done  bool
	err   error
	other *ebpf.MapIterator // of kernel maps
}

// rawMap is what going through a map of Skep needs of it.
type rawMap interface {
	NextKeyBytes(key any) ([]byte, error)
	LookupBytes(key any) ([]byte, error)
}

// Iterate goes through all elements.
func (m *Local) Iterate() *Iterator {
	return &Iterator{m: m, raw: m, limit: m.iterationLimit()}
}

// iterationLimit returns how many elements the map can have.
func (m *Local) iterationLimit() uint32 {
	if m.def.Type == spec.StackTrace {
		return uint32(powerAbove(uint64(m.def.MaxEntries)))
	}
	return m.def.MaxEntries
}

// Next stores the next element into what the arguments point to. It returns false at the end, or when Err is
// not nil. Elements that are deleted during the iteration, and empty ones, are left out.
func (it *Iterator) Next(keyOut, valueOut any) bool {
	if it.other != nil {
		return it.other.Next(keyOut, valueOut)
	}
	for it.step() {
		err := it.m.Lookup(it.key, valueOut)
		if errors.Is(err, ebpf.ErrKeyNotExist) {
			continue
		}
		if err == nil {
			if err = unmarshal(keyOut, it.key); err == nil {
				return true
			}
			err = fmt.Errorf("key: %w", err)
		}
		it.err, it.done = err, true
	}
	return false
}

// step finds the next key.
func (it *Iterator) step() bool {
	if it.done || it.err != nil {
		return false
	}
	if it.count > it.limit {
		it.err = fmt.Errorf("%w: more than %d elements", ebpf.ErrIterationAborted, it.limit)
		return false
	}
	var from any
	if it.key != nil {
		from = it.key
	}
	next, err := it.raw.NextKeyBytes(from)
	if err != nil || next == nil {
		it.err, it.done = err, true
		return false
	}
	it.key = next
	it.count++
	return true
}

// Err returns why the iteration ended early, or nil.
func (it *Iterator) Err() error {
	if it.other != nil {
		return it.other.Err()
	}
	return it.err
}

// All goes through all elements as bytes; the value of a per-CPU map is those of all CPUs, each rounded up to
// 8 bytes. It ends early where Iterate would have an error.
func (m *Local) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		it := m.Iterate()
		for it.step() {
			v, err := m.LookupBytes(it.key)
			if err != nil {
				return
			}
			if v != nil && !yield(bytes.Clone(it.key), v) {
				return
			}
		}
	}
}
