// Implements pointers to objects that values of maps hold.

package helper

import (
	"encoding/binary"
	"sync"
)

// Place is an owner of values that nothing but its address tells of: an inode or a socket that is no object of Skep's.
type Place uint64

// keptKey is what a map keeps a keptSlot under: the offset of the field in its memory.
type keptKey struct{ off int }

// keptSlot is a pointer field of a map's value: what it points to, or nil. The word in memory only says whether it does.
type keptSlot struct {
	mu     sync.Mutex
	object any
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
	out := slot.object
	if binary.LittleEndian.Uint64(word) == 0 {
		out = nil // the element is a new one
	}
	slot.object = in
	binary.LittleEndian.PutUint64(word, ptr)
	slot.mu.Unlock()
	return c.unkeep(out)
}

// keep makes what a pointer points to outlast the run.
func (c *Call) keep(ptr uint64) (any, error) {
	if ptr == 0 {
		return nil, nil
	}
	switch o := c.objectAt(ptr).(type) {
	case *block:
		return o, o.save(c, ptr)
	case nil:
		return Place(ptr), nil
	default:
		return o, nil
	}
}

// unkeep returns the address that it has in this run.
func (c *Call) unkeep(object any) (uint64, error) {
	switch o := object.(type) {
	case nil:
		return 0, nil
	case *block:
		return c.blockAddr(o)
	case Place:
		return uint64(o), nil
	case *Task:
		return c.taskPointer(o)
	case *Cgroup:
		return c.imageOf(o, o.Struct)
	}
	return c.handleOf(object)
}
