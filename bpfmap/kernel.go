// Implements the adapter that makes a map of the Linux kernel a Map.

package bpfmap

import (
	"errors"
	"iter"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

// Kernel is a map of the Linux kernel as a Map. Its other methods are those of the *ebpf.Map in it.
type Kernel struct {
	*ebpf.Map
	name string
}

var (
	_ Map = (*Local)(nil)
	_ Map = (*Kernel)(nil)
)

// FromKernel makes a map of the kernel a Map. The two share the file descriptor: closing one closes the other.
func FromKernel(m *ebpf.Map) *Kernel {
	k := &Kernel{Map: m}
	if info, err := m.Info(); err == nil {
		k.name = info.Name
	}
	return k
}

// Name returns the name that the kernel has for the map, which is cut to 15 bytes.
func (k *Kernel) Name() string { return k.name }

// Type returns the map's type.
func (k *Kernel) Type() spec.MapType { return spec.MapType(k.Map.Type()) }

// Iterate goes through all elements.
func (k *Kernel) Iterate() *Iterator { return &Iterator{m: k, other: k.Map.Iterate()} }

// All goes through all elements as bytes.
func (k *Kernel) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		it := &Iterator{m: k, raw: k.Map, limit: k.MaxEntries()}
		for it.step() {
			v, err := k.LookupBytes(it.key)
			if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
				return
			}
			if v != nil && !yield(it.key, v) {
				return
			}
		}
	}
}

// BatchLookup reads elements; see Map.
func (k *Kernel) BatchLookup(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error) {
	if err := cursor.of(k); err != nil {
		return 0, err
	}
	return k.Map.BatchLookup(&cursor.kernel, keysOut, valuesOut, opts)
}

// BatchLookupAndDelete reads elements and deletes them; see Map.
func (k *Kernel) BatchLookupAndDelete(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error) {
	if err := cursor.of(k); err != nil {
		return 0, err
	}
	return k.Map.BatchLookupAndDelete(&cursor.kernel, keysOut, valuesOut, opts)
}
