// Implements the methods of maps for Go code: values of Go types in, errors out.

package bpfmap

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
)

// buffers returns a buffer of n bytes, in small if it is large enough.
func buffer(small *[64]byte, n int) []byte {
	if n <= len(small) {
		return small[:n]
	}
	return make([]byte, n)
}

func (m *Local) marshalKey(key any, scratch *[16]byte) ([]byte, error) {
	b, err := marshal(key, int(m.def.KeySize), scratch)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return b, nil
}

func (m *Local) marshalValue(value any, scratch *[16]byte) ([]byte, error) {
	var b []byte
	var err error
	if m.full != int(m.def.ValueSize) || perCPU(m.def.Type) {
		b, err = marshalPerCPU(value, int(m.def.ValueSize), m.cpus)
	} else {
		b, err = marshal(value, m.full, scratch)
	}
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	return b, nil
}

func (m *Local) unmarshalValue(out any, b []byte) error {
	err := error(nil)
	if perCPU(m.def.Type) {
		err = unmarshalPerCPU(out, int(m.def.ValueSize), m.cpus, b)
	} else {
		err = unmarshal(out, b)
	}
	if err != nil {
		return fmt.Errorf("value: %w", err)
	}
	return nil
}

// mayRead and mayWrite check what Go code is allowed to do.
func (m *Local) mayRead() Errno {
	if m.def.Flags&flagWronly != 0 {
		return EPERM
	}
	return 0
}

func (m *Local) mayWrite() Errno {
	if m.def.Flags&flagRdonly != 0 || m.frozen.Load() {
		return EPERM
	}
	return 0
}

// Lookup reads the value of a key; see Map. Without special fields a value that another call updates is read
// as it was before or after.
func (m *Local) Lookup(key, valueOut any) error { return m.LookupWithFlags(key, valueOut, 0) }

// LookupWithFlags is Lookup that with ebpf.LookupLock takes the value's spin lock.
func (m *Local) LookupWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error {
	if e := m.mayRead(); e != 0 {
		return errorOf("lookup", e)
	}
	if e := m.checkLockFlag(uint64(flags)); e != 0 {
		return errorOf("lookup", e)
	}
	if m.def.KeySize == 0 {
		return m.peekInto(key, valueOut)
	}
	var small [64]byte
	b := buffer(&small, m.full)
	if s, ok := m.impl.(*storage); ok {
		if e := s.readOwner(key, b); e != 0 {
			return errorOf("lookup", e)
		}
		return m.unmarshalValue(valueOut, b)
	}
	var scratch [16]byte
	k, err := m.marshalKey(key, &scratch)
	if err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	if m.objects != nil {
		return m.lookupObject(bytes.Clone(k), valueOut)
	}
	if e := m.readBytes(k, b, uint64(flags)); e != 0 {
		return errorOf("lookup", e)
	}
	if err := m.unmarshalValue(valueOut, b); err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	return nil
}

// readBytes and updateBytes name the types that matter, so that the compiler sees that buffers stay on the stack.
func (m *Local) readBytes(key, out []byte, flags uint64) Errno {
	switch x := m.impl.(type) {
	case *hash:
		return x.read(key, out, flags)
	case *array:
		return x.read(key, out, flags)
	case *percpuArray:
		return x.read(key, out, flags)
	}
	own := bytes.Clone(out)
	e := m.impl.read(bytes.Clone(key), own, flags)
	copy(out, own)
	return e
}

func (m *Local) updateBytes(key, value []byte, flags uint64) Errno {
	e := Errno(0)
	switch x := m.impl.(type) {
	case *hash:
		e = x.update(key, value, flags, allCPUs)
	case *array:
		e = x.update(key, value, flags, allCPUs)
	case *percpuArray:
		e = x.update(key, value, flags, allCPUs)
	default:
		e = m.impl.update(bytes.Clone(key), bytes.Clone(value), flags, allCPUs)
	}
	fence()
	return e
}

func (m *Local) checkLockFlag(flags uint64) Errno {
	if flags&^updateLock != 0 || flags&updateLock != 0 && m.fields.spinLock < 0 {
		return EINVAL
	}
	return 0
}

func (m *Local) lookupObject(key []byte, out any) error {
	o, e := m.objects.get(key)
	if e != 0 {
		return errorOf("lookup", e)
	}
	if out != nil && setObject(out, o) {
		return nil
	}
	var b [8]byte
	littlePut(b[:m.full], o.id)
	if err := unmarshal(out, b[:m.full]); err != nil {
		return fmt.Errorf("lookup: value: %w", err)
	}
	return nil
}

// LookupBytes returns the value of a key as bytes, of a per-CPU map those of all CPUs, or nil if the key is
// not there.
func (m *Local) LookupBytes(key any) ([]byte, error) {
	if e := m.mayRead(); e != 0 {
		return nil, errorOf("lookup", e)
	}
	var scratch [16]byte
	k, err := m.marshalKey(key, &scratch)
	if err != nil {
		return nil, fmt.Errorf("lookup: %w", err)
	}
	b := make([]byte, m.full)
	switch e := m.readElement(k, b); e {
	case 0:
		return b, nil
	case ENOENT:
		return nil, nil
	default:
		return nil, errorOf("lookup", e)
	}
}

// readElement reads an element as bytes, of whatever type the map is.
func (m *Local) readElement(key, out []byte) Errno {
	if m.def.KeySize == 0 {
		return m.impl.peek(out)
	}
	return m.impl.read(key, out, 0)
}

// peekInto is Lookup for maps without keys.
func (m *Local) peekInto(key, out any) error {
	if _, err := m.marshalKey(key, new([16]byte)); err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	b := make([]byte, m.full)
	if f, ok := m.impl.(filter); ok {
		return m.askFilter(f, out)
	}
	if e := m.impl.peek(b); e != 0 {
		return errorOf("lookup", e)
	}
	if err := m.unmarshalValue(out, b); err != nil {
		return fmt.Errorf("lookup: %w", err)
	}
	return nil
}

// filter is an impl that is asked whether it has a value.
type filter interface{ has(value []byte) Errno }

func (m *Local) askFilter(f filter, value any) error {
	var scratch [16]byte
	b, err := marshal(value, m.full, &scratch)
	if err != nil {
		return fmt.Errorf("lookup: value: %w", err)
	}
	return errorOf("lookup", f.has(b))
}

// LookupAndDelete reads the value of a key and deletes it; of a queue or stack, with a nil key, the next
// element.
func (m *Local) LookupAndDelete(key, valueOut any) error {
	return m.LookupAndDeleteWithFlags(key, valueOut, 0)
}

// LookupAndDeleteWithFlags is LookupAndDelete that with ebpf.LookupLock takes the value's spin lock.
func (m *Local) LookupAndDeleteWithFlags(key, valueOut any, flags ebpf.MapLookupFlags) error {
	const op = "lookup and delete"
	if _, ok := m.impl.(*storage); ok {
		return errorOf(op, ENOTSUPP)
	}
	e := m.mayRead()
	if e == 0 {
		e = m.mayWrite()
	}
	if e == 0 {
		e = m.checkLockFlag(uint64(flags))
	}
	if e != 0 {
		return errorOf(op, e)
	}
	var scratch [16]byte
	k, err := m.marshalKey(key, &scratch)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	var small [64]byte
	b := buffer(&small, m.full)
	if m.def.KeySize == 0 {
		e = m.impl.pop(b)
	} else {
		e = m.impl.take(k, b, uint64(flags))
	}
	fence()
	if e != 0 {
		return errorOf(op, e)
	}
	if err := m.unmarshalValue(valueOut, b); err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	return nil
}

// Put is Update with ebpf.UpdateAny.
func (m *Local) Put(key, value any) error { return m.Update(key, value, ebpf.UpdateAny) }

// Update changes the value of a key; see Map. Maps of programs, maps and sockets take the Go value that is
// given, which programs' helpers then find: Program and Inner return it.
func (m *Local) Update(key, value any, flags ebpf.MapUpdateFlags) error {
	if e := m.mayWrite(); e != 0 {
		return errorOf("update", e)
	}
	if flags&updateLock != 0 && m.fields.spinLock < 0 {
		return errorOf("update", EINVAL)
	}
	var scratch, scratch2 [16]byte
	if s, ok := m.impl.(*storage); ok {
		v, err := m.marshalValue(value, &scratch2)
		if err != nil {
			return fmt.Errorf("update: %w", err)
		}
		return errorOf("update", s.updateOwner(key, v, uint64(flags)))
	}
	k, err := m.marshalKey(key, &scratch)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if m.objects != nil {
		return errorOf("update", m.objects.put(bytes.Clone(k), value, uint64(flags)))
	}
	v, err := m.marshalValue(value, &scratch2)
	if err != nil {
		return fmt.Errorf("update: %w", err)
	}
	if m.def.KeySize == 0 {
		return errorOf("update", m.impl.push(bytes.Clone(v), uint64(flags)))
	}
	return errorOf("update", m.updateBytes(k, v, uint64(flags)))
}

// Delete removes a key.
func (m *Local) Delete(key any) error {
	if e := m.mayWrite(); e != 0 {
		return errorOf("delete", e)
	}
	if _, ok := m.impl.(*storage); ok {
		return errorOf("delete", m.StorageDelete(key))
	}
	var scratch [16]byte
	k, err := m.marshalKey(key, &scratch)
	if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	e := m.impl.remove(bytes.Clone(k))
	fence()
	return errorOf("delete", e)
}

// NextKey finds the key after key; see Map.
func (m *Local) NextKey(key, nextKeyOut any) error {
	var scratch [16]byte
	var small [64]byte
	var k []byte
	if e := m.mayRead(); e != 0 {
		return errorOf("next key", e)
	}
	if _, ok := m.impl.(*storage); ok {
		return errorOf("next key", ENOTSUPP)
	}
	if key != nil {
		var err error
		if k, err = m.marshalKey(key, &scratch); err != nil {
			return fmt.Errorf("next key: %w", err)
		}
	}
	b := buffer(&small, int(m.def.KeySize))
	if e := m.impl.next(k, b); e != 0 {
		return errorOf("next key", e)
	}
	if err := unmarshal(nextKeyOut, b); err != nil {
		return fmt.Errorf("next key: %w", err)
	}
	return nil
}

// NextKeyBytes returns the key after key as bytes, or nil after the last one.
func (m *Local) NextKeyBytes(key any) ([]byte, error) {
	var b []byte
	err := m.NextKey(key, &b)
	if errors.Is(err, ebpf.ErrKeyNotExist) {
		return nil, nil
	}
	return b, err
}

// Freeze makes the map read-only for Go code. A second time it fails, as in the kernel.
func (m *Local) Freeze() error {
	if len(m.def.Fields) > 0 {
		return errorOf("freeze", ENOTSUPP)
	}
	if m.frozen.Swap(true) {
		return errorOf("freeze", EBUSY)
	}
	return nil
}

// Close does nothing: the map is given back when nobody refers to it any more.
func (m *Local) Close() error { return nil }
