// Implements maps whose values are objects of Go code: programs, maps, sockets, and what else the kernel
// knows by file descriptor.

package bpfmap

import (
	"encoding/binary"
	"reflect"
	"sync"
	"sync/atomic"
)

// object is what an element holds, with the number that Go code reads for it where it asks for a number.
type object struct {
	v  any
	id uint32
}

var lastObject atomic.Uint32

// newObject gives an object a number: its own, if it has an ID method, or the next one.
func newObject(v any) *object {
	switch n := v.(type) {
	case interface{ ID() uint32 }:
		return &object{v, n.ID()}
	case interface{ ID() (uint32, bool) }:
		if id, ok := n.ID(); ok {
			return &object{v, id}
		}
	}
	return &object{v, lastObject.Add(1)}
}

// objectImpl is an impl whose values are objects.
type objectImpl interface {
	impl
	put(key []byte, v any, flags uint64) Errno
	get(key []byte) (*object, Errno) // as Go code may read it
	held(key []byte) *object         // what is there, nil if nothing is
}

// objectArray is an array of objects. Elements can be empty.
type objectArray struct {
	unsupported
	slots                       []atomic.Pointer[object]
	accept                      func(v any) (any, Errno) // checks what is put, and may replace it
	hidden                      Errno                    // if not 0, what reading by Go code gives, as in the kernel
	anyFlags                    bool                     // BPF_NOEXIST and BPF_EXIST mean something
	acceptFirst                 bool                     // what is put is checked before the index
	deleteMissing, deleteBeyond Errno                    // what deleting gives for an empty element and for one above the last
}

func newObjectArray(m *Local, accept func(any) (any, Errno)) *objectArray {
	return &objectArray{slots: make([]atomic.Pointer[object], m.def.MaxEntries), accept: accept, deleteMissing: ENOENT, deleteBeyond: E2BIG}
}

// at returns the element of an index, nil if it is empty or there is none.
func (a *objectArray) at(i uint32) *object {
	if i >= uint32(len(a.slots)) {
		return nil
	}
	return a.slots[i].Load()
}

func (a *objectArray) put(key []byte, v any, flags uint64) Errno {
	return a.putChecked(key, v, flags, nil)
}

// putChecked is put that asks also, if it is not nil, about what is put, last of all.
func (a *objectArray) putChecked(key []byte, v any, flags uint64, also func(v any) Errno) Errno {
	i := binary.LittleEndian.Uint32(key)
	v, wrong := a.accept(v)
	switch {
	case wrong != 0 && a.acceptFirst:
		return wrong
	case flags > updateExist || flags != 0 && !a.anyFlags:
		return EINVAL
	case i >= uint32(len(a.slots)):
		return E2BIG
	case wrong != 0:
		return wrong
	}
	o := newObject(v)
	for {
		old := a.slots[i].Load()
		if e := checkPresence(flags, old != nil); e != 0 {
			return e
		}
		if also != nil {
			if e := also(v); e != 0 {
				return e
			}
		}
		if a.slots[i].CompareAndSwap(old, o) {
			return 0
		}
	}
}

func (a *objectArray) held(key []byte) *object { return a.at(binary.LittleEndian.Uint32(key)) }

func (a *objectArray) get(key []byte) (*object, Errno) {
	if a.hidden != 0 {
		return nil, a.hidden
	}
	o := a.at(binary.LittleEndian.Uint32(key))
	if o == nil {
		return nil, ENOENT
	}
	return o, 0
}

// update is for bytes: a number that stands for nothing here.
func (a *objectArray) update(key, _ []byte, flags uint64, _ int) Errno {
	return a.put(key, nil, flags)
}

func (a *objectArray) read(key, out []byte, _ uint64) Errno {
	o, e := a.get(key)
	if e == 0 {
		binary.LittleEndian.PutUint32(out, o.id)
	}
	return e
}

func (a *objectArray) remove(key []byte) Errno {
	i := binary.LittleEndian.Uint32(key)
	if i >= uint32(len(a.slots)) {
		return a.deleteBeyond
	}
	if a.slots[i].Swap(nil) == nil {
		return a.deleteMissing
	}
	return 0
}

func (a *objectArray) next(key, out []byte) Errno { return nextIndex(key, out, uint32(len(a.slots))) }

// objectHash is a hash map of objects: a table whose values are numbers of objects.
type objectHash struct {
	unsupported
	m      *Local
	keys   *hash
	accept func(v any) (any, Errno)
	hidden Errno

	mu      sync.RWMutex
	objects map[uint32]*object
	last    uint32
}

func newObjectHash(m *Local, o *Options, accept func(any) (any, Errno)) *objectHash {
	h := &objectHash{m: m, accept: accept, objects: map[uint32]*object{}}
	inner := &Local{def: m.def, cpus: 1, full: 4, fields: m.fields} // its memory is nothing for programs
	inner.def.ValueSize = 4
	h.keys = newHash(inner, o).(*hash)
	return h
}

// numberOf returns the number of the object of a key. The lock is held.
func (h *objectHash) numberOf(key []byte) (uint32, bool) {
	var n [4]byte
	if h.keys.read(key, n[:], 0) != 0 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(n[:]), true
}

func (h *objectHash) put(key []byte, v any, flags uint64) Errno {
	v, e := h.accept(v)
	if e == 0 {
		e = checkHashFlags(flags, false)
	}
	if e != 0 {
		return e
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old, there := h.numberOf(key)
	h.last++
	for h.objects[h.last] != nil {
		h.last++
	}
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], h.last)
	if e := h.keys.update(key, n[:], flags, allCPUs); e != 0 {
		return e
	}
	h.objects[h.last] = newObject(v)
	if there {
		delete(h.objects, old)
	}
	return 0
}

func (h *objectHash) held(key []byte) *object {
	h.mu.RLock()
	defer h.mu.RUnlock()
	n, ok := h.numberOf(key)
	if !ok {
		return nil
	}
	return h.objects[n]
}

func (h *objectHash) get(key []byte) (*object, Errno) {
	if h.hidden != 0 {
		return nil, h.hidden
	}
	o := h.held(key)
	if o == nil {
		return nil, ENOENT
	}
	return o, 0
}

func (h *objectHash) update(key, _ []byte, flags uint64, _ int) Errno { return h.put(key, nil, flags) }

func (h *objectHash) read(key, out []byte, _ uint64) Errno {
	o, e := h.get(key)
	if e == 0 {
		binary.LittleEndian.PutUint32(out, o.id)
	}
	return e
}

func (h *objectHash) remove(key []byte) Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n, ok := h.numberOf(key); ok {
		delete(h.objects, n)
	}
	return h.keys.remove(key)
}

func (h *objectHash) next(key, out []byte) Errno { return h.keys.next(key, out) }

// setObject stores what an element holds into the pointer out: the object itself if it fits there. It
// reports whether it did.
func setObject(out any, o *object) bool {
	p := reflect.ValueOf(out)
	if p.Kind() != reflect.Pointer || p.IsNil() {
		return false
	}
	if v := reflect.ValueOf(o.v); v.Type().AssignableTo(p.Type().Elem()) {
		p.Elem().Set(v)
		return true
	}
	return false
}

// acceptAny takes every object but bytes and numbers, which would be file descriptors.
func acceptAny(v any) (any, Errno) {
	switch reflect.ValueOf(v).Kind() {
	case reflect.Invalid, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint,
		reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Slice, reflect.String, reflect.Array:
		return nil, EBADF
	}
	return v, 0
}
