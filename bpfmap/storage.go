// Implements sk_storage, task_storage, inode_storage and cgrp_storage: a value for each object of a sort.

package bpfmap

import (
	"reflect"
	"slices"
	"sync"
)

// storage has a value for each owner, in a slot of memory.
type storage struct {
	unsupported
	m      *Local
	stride int
	slots  int

	mu     sync.RWMutex
	owners map[any]place
	list   []any // all owners
	free   []int // offsets of slots that were used before
	used   int   // slots that ever were used
}

// place is where an owner's value and the owner in the list are.
type place struct{ off, index int }

// storageMemory is how much memory a map of this sort may take, unless an owner's value alone takes more.
const storageMemory = 64 << 20

func newStorage(m *Local, o *Options) impl {
	stride := int(round8(m.def.ValueSize))
	slots := max(1, min(storageMemory, int(min(o.MaxMemory, 1<<30)))/stride)
	m.mem = newMemory(uint64(slots * stride))
	return &storage{m: m, stride: stride, slots: slots, owners: map[any]place{}}
}

// StorageGet returns the offset in Memory of the value that belongs to an owner, as bpf_sk_storage_get and
// its siblings do. With create, a missing value is made from init, which has the value's size, or zeros if it
// is nil. It fails if there is none, or there is no room for one more.
//
// Anything that can be compared can own a value. Values stay until StorageDelete.
func (m *Local) StorageGet(owner any, create bool, init []byte) (off int, ok bool) {
	s, isStorage := m.impl.(*storage)
	if !isStorage {
		return 0, false
	}
	if !comparable(owner) {
		return 0, false
	}
	s.mu.RLock()
	p, ok := s.owners[owner]
	s.mu.RUnlock()
	if ok || !create {
		return p.off, ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	off, e := s.make(owner, init)
	return off, e == 0
}

func comparable(owner any) bool { return owner != nil && reflect.ValueOf(owner).Comparable() }

// make returns the value of an owner, a new one if need be. The lock is held.
func (s *storage) make(owner any, init []byte) (int, Errno) {
	if p, ok := s.owners[owner]; ok {
		return p.off, 0
	}
	var off int
	if n := len(s.free); n > 0 {
		off, s.free = s.free[n-1], s.free[:n-1]
	} else if s.used < s.slots {
		off = s.used * s.stride
		s.used++
	} else {
		return 0, ENOMEM
	}
	s.m.mem.zero(off, s.stride)
	if init != nil {
		s.m.mem.storeValue(off, init, &s.m.fields)
	}
	s.owners[owner] = place{off, len(s.list)}
	s.list = append(s.list, owner)
	return off, 0
}

// StorageDelete removes the value of an owner, as bpf_sk_storage_delete and its siblings do.
func (m *Local) StorageDelete(owner any) Errno {
	s, ok := m.impl.(*storage)
	if !ok || !comparable(owner) {
		return EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.owners[owner]
	if !ok {
		return ENOENT
	}
	delete(s.owners, owner)
	last := len(s.list) - 1
	if p.index != last {
		moved := s.list[last]
		s.list[p.index] = moved
		s.owners[moved] = place{s.owners[moved].off, p.index}
	}
	s.list[last] = nil
	s.list = s.list[:last]
	s.free = append(s.free, p.off)
	return 0
}

// Owners returns whom a storage map has values of, in no order. Lookup, Update and Delete take an
// owner as the key.
func (m *Local) Owners() []any {
	s, ok := m.impl.(*storage)
	if !ok {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.list)
}

// readOwner copies the value of an owner.
func (s *storage) readOwner(owner any, out []byte) Errno {
	if !comparable(owner) {
		return EINVAL
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.owners[owner]
	if !ok {
		return ENOENT
	}
	s.m.mem.loadValue(out, p.off, &s.m.fields)
	return 0
}

// updateOwner writes the value of an owner.
func (s *storage) updateOwner(owner any, value []byte, flags uint64) Errno {
	if flags&^updateLock > updateExist || !comparable(owner) {
		return EINVAL
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, there := s.owners[owner]
	if e := checkPresence(flags, there); e != 0 {
		return e
	}
	off, e := s.make(owner, nil)
	if e == 0 {
		s.m.mem.storeValue(off, value, &s.m.fields)
	}
	return e
}
