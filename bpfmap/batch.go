// Implements operations on many elements at once.

package bpfmap

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

// MapBatchCursor says where a batch operation goes on. The zero value is the start. It belongs to the map it
// was first used with.
type MapBatchCursor struct {
	m      Map
	bucket uint64 // of hash maps: the next one
	key    []byte // of others: the last one read
	kernel ebpf.MapBatchCursor
}

func (c *MapBatchCursor) of(m Map) error {
	if c.m != nil && c.m != m {
		return errors.New("a cursor may not be reused across maps")
	}
	c.m = m
	return nil
}

// hashBatch and the others are the types that have batch operations, as in the kernel.
var (
	batchRead   = []spec.MapType{spec.Array, spec.PerCPUArray, spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash, spec.LPMTrie, spec.ArrayOfMaps, spec.HashOfMaps}
	batchUpdate = batchRead
	batchDelete = []spec.MapType{spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash, spec.LPMTrie, spec.HashOfMaps}
	batchTake   = []spec.MapType{spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash, spec.HashOfMaps}
)

func (m *Local) hasBatch(types []spec.MapType, e Errno) Errno {
	if e != 0 {
		return e
	}
	for _, t := range types {
		if t == m.def.Type {
			return 0
		}
	}
	return ENOTSUPP
}

// BatchLookup reads elements; see Map.
func (m *Local) BatchLookup(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error) {
	return m.batchLookup("batch lookup", m.hasBatch(batchRead, m.mayRead()), cursor, keysOut, valuesOut, opts, false)
}

// BatchLookupAndDelete reads elements and deletes them; see Map.
func (m *Local) BatchLookupAndDelete(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error) {
	e := m.mayRead()
	if e == 0 {
		e = m.mayWrite()
	}
	return m.batchLookup("batch lookup and delete", m.hasBatch(batchTake, e), cursor, keysOut, valuesOut, opts, true)
}

func (m *Local) batchLookup(op string, e Errno, cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions, remove bool) (int, error) {
	if e == 0 {
		e = m.checkBatchFlags(opts)
	}
	if e != 0 {
		return 0, errorOf(op, e)
	}
	count, err := m.batchCount(keysOut, valuesOut)
	if err == nil {
		err = cursor.of(m)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	b := batch{m: m, max: count, remove: remove}
	if h := m.hashImpl(); h != nil {
		e = b.readBuckets(h, cursor)
	} else {
		e = b.readKeys(cursor)
	}
	if e != 0 && e != ENOENT {
		return 0, errorOf(op, e)
	}
	if err := b.deliver(keysOut, valuesOut); err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	return b.n, errorOf(op, e)
}

func (m *Local) checkBatchFlags(opts *ebpf.BatchOptions) Errno {
	if opts == nil {
		return 0
	}
	if opts.Flags != 0 {
		return EINVAL
	}
	return m.checkLockFlag(opts.ElemFlags)
}

// hashImpl returns the table of keys of a hash map, or nil.
func (m *Local) hashImpl() *hash {
	switch x := m.impl.(type) {
	case *hash:
		return x
	case *objectHash:
		return x.keys
	}
	return nil
}

// batchCount returns how many elements the slices have room for.
func (m *Local) batchCount(keys, values any) (int, error) {
	k, err := sliceLen(keys)
	if err != nil {
		return 0, fmt.Errorf("keys: %w", err)
	}
	v, err := sliceLen(values)
	if err != nil {
		return 0, fmt.Errorf("values: %w", err)
	}
	want := k
	if perCPU(m.def.Type) {
		want = k * m.cpus
	}
	if v != want {
		return 0, fmt.Errorf("there are %d keys and %d values, %d are needed", k, v, want)
	}
	return k, nil
}

func sliceLen(v any) (int, error) {
	r := reflect.ValueOf(v)
	if r.Kind() != reflect.Slice {
		return 0, fmt.Errorf("%T is not a slice", v)
	}
	return r.Len(), nil
}

// batch collects elements as bytes.
type batch struct {
	m            *Local
	max, n       int
	keys, values []byte
	remove       bool
}

// readBuckets reads bucket by bucket: all of a bucket or nothing.
func (b *batch) readBuckets(h *hash, c *MapBatchCursor) Errno {
	t := h.t
	var chain []uint32
	for ; c.bucket < uint64(len(t.buckets)); c.bucket++ {
		chain = t.chain(uint32(c.bucket), chain[:0])
		if len(chain) > b.max-b.n {
			if b.n == 0 {
				return ENOSPC
			}
			return 0
		}
		for _, i := range chain {
			key := make([]byte, t.keySize)
			t.copyKey(i, key)
			b.add(key)
		}
	}
	return ENOENT
}

// add reads an element, and deletes it if that is wanted. Meanwhile it may have gone.
func (b *batch) add(key []byte) {
	v := make([]byte, b.m.full)
	var e Errno
	if b.remove {
		e = b.m.impl.take(key, v, 0)
	} else {
		e = b.m.impl.read(key, v, 0)
	}
	if e == 0 {
		b.keys, b.values = append(b.keys, key...), append(b.values, v...)
		b.n++
	}
}

// readKeys reads key by key.
func (b *batch) readKeys(c *MapBatchCursor) Errno {
	for b.n < b.max {
		next := make([]byte, b.m.def.KeySize)
		if e := b.m.impl.next(c.key, next); e != 0 {
			return e
		}
		c.key = next
		b.add(next)
	}
	return 0
}

// deliver stores what was read into the receiver's slices, the rest of which stays as it is.
func (b *batch) deliver(keysOut, valuesOut any) error {
	if err := unmarshalFirst(keysOut, b.n, b.keys); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if !perCPU(b.m.def.Type) {
		if err := unmarshalFirst(valuesOut, b.n, b.values); err != nil {
			return fmt.Errorf("values: %w", err)
		}
		return nil
	}
	r := reflect.ValueOf(valuesOut)
	for i := range b.n {
		part := r.Slice(i*b.m.cpus, (i+1)*b.m.cpus).Interface()
		if err := unmarshalPerCPU(part, int(b.m.def.ValueSize), b.m.cpus, b.values[i*b.m.full:(i+1)*b.m.full]); err != nil {
			return fmt.Errorf("values: element %d: %w", i, err)
		}
	}
	return nil
}

// unmarshalFirst stores data into the first n elements of a slice.
func unmarshalFirst(slice any, n int, data []byte) error {
	if n == 0 {
		return nil
	}
	return unmarshalElements(reflect.ValueOf(slice), n, data)
}

func unmarshalElements(r reflect.Value, n int, data []byte) error {
	size := len(data) / n
	part := r.Slice(0, n)
	if own := ownMemory(part.Interface()); len(own) == len(data) {
		copy(own, data)
		return nil
	}
	for i := range n {
		to := part.Index(i)
		if to.Kind() != reflect.Pointer || to.IsNil() {
			to = to.Addr()
		}
		if err := unmarshal(to.Interface(), data[i*size:(i+1)*size]); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// BatchUpdate writes elements; see Map. It stops at the first that fails.
func (m *Local) BatchUpdate(keys, values any, opts *ebpf.BatchOptions) (int, error) {
	const op = "batch update"
	e := m.hasBatch(batchUpdate, m.mayWrite())
	if e == 0 {
		e = m.checkBatchFlags(opts)
	}
	if e != 0 {
		return 0, errorOf(op, e)
	}
	count, err := m.batchCount(keys, values)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", op, err)
	}
	flags := ebpf.UpdateAny
	if opts != nil { // only the lock is allowed
		flags = ebpf.MapUpdateFlags(opts.ElemFlags)
	}
	k, v := reflect.ValueOf(keys), reflect.ValueOf(values)
	for i := range count {
		var value any
		if perCPU(m.def.Type) {
			value = v.Slice(i*m.cpus, (i+1)*m.cpus).Interface()
		} else {
			value = v.Index(i).Interface()
		}
		if err := m.Update(k.Index(i).Interface(), value, flags); err != nil {
			return i, fmt.Errorf("%s: element %d: %w", op, i, err)
		}
	}
	return count, nil
}

// BatchDelete deletes keys; see Map. It stops at the first that fails.
func (m *Local) BatchDelete(keys any, opts *ebpf.BatchOptions) (int, error) {
	const op = "batch delete"
	e := m.hasBatch(batchDelete, m.mayWrite())
	if e == 0 {
		e = m.checkBatchFlags(opts)
	}
	if e != 0 {
		return 0, errorOf(op, e)
	}
	count, err := sliceLen(keys)
	if err != nil {
		return 0, fmt.Errorf("%s: keys: %w", op, err)
	}
	k := reflect.ValueOf(keys)
	for i := range count {
		if err := m.Delete(k.Index(i).Interface()); err != nil {
			return i, fmt.Errorf("%s: element %d: %w", op, i, err)
		}
	}
	return count, nil
}
