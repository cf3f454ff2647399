// Implements pointers to objects that values of maps hold.

package helper

import "encoding/binary"

// Place is an owner of values that nothing but its address tells of: an inode or a socket that is no object of Skep's.
type Place uint64

// kept are the objects that values of a map hold pointers to, by the pointer's offset in the map's memory.
type keptKey struct{ off int }

// kptr is a pointer that a value holds. The word in memory only says whether it does.
type kptr struct {
	object any
	image  []byte // bytes of an object that is memory
}

var kptrs = []Helper{
	{ID: 194, Name: "kptr_xchg", Args: []Arg{KptrField, Object | OrNull | Releases}, Result: ResultObject | MayBeNull | Acquires, Func: kptrXchg},
}

// kptrXchg puts a pointer into a value and returns the one that was there.
func kptrXchg(c *Call, field, ptr, _, _, _ uint64) (uint64, error) {
	word, err := c.Bytes(field, 8, true)
	if err != nil {
		return 0, err
	}
	m, off := c.MapAt(field)
	if m == nil {
		old := binary.LittleEndian.Uint64(word)
		binary.LittleEndian.PutUint64(word, ptr) // of an object of the program's own
		return old, nil
	}
	slot := m.Attach(keptKey{off}, func() any { return &keptSlot{} }).(*keptSlot)
	in, err := c.keep(ptr)
	if err != nil {
		return 0, err
	}
	slot.mu.Lock()
	out := slot.kptr
	if binary.LittleEndian.Uint64(word) == 0 {
		out = nil // the element is a new one
	}
	slot.kptr = in
	binary.LittleEndian.PutUint64(word, ptr)
	slot.mu.Unlock()
	return c.unkeep(out)
}

// keep makes a pointer outlast the run.
func (c *Call) keep(ptr uint64) (*kptr, error) {
	if ptr == 0 {
		return nil, nil
	}
	o := c.objectAt(ptr)
	if b, ok := o.(*block); ok {
		image, err := c.Bytes(ptr, b.size, false)
		if err != nil {
			return nil, err
		}
		return &kptr{object: b, image: append([]byte(nil), image...)}, nil
	}
	if o == nil {
		o = Place(ptr)
	}
	return &kptr{object: o}, nil
}

// unkeep returns the address that a kept pointer has in this run.
func (c *Call) unkeep(k *kptr) (uint64, error) {
	if k == nil {
		return 0, nil
	}
	switch o := k.object.(type) {
	case *block:
		return c.newBlock(o.size, k.image)
	case Place:
		return uint64(o), nil
	case *Task:
		return c.taskPointer(o)
	case *Cgroup:
		return c.imageOf(o, o.Struct)
	}
	return c.handleOf(k.object)
}
