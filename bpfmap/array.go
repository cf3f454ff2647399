// Implements array: values side by side, all there from the start.

package bpfmap

import (
	"encoding/binary"
	"math/bits"
)

// array is an array of values; value i is at i*stride.
type array struct {
	unsupported
	m       *Local
	stride  int
	entries uint32
}

func newArray(m *Local, _ *Options) impl {
	a := &array{m: m, stride: int(round8(m.def.ValueSize)), entries: m.def.MaxEntries}
	m.mem = newMemory(uint64(a.stride) * uint64(a.entries))
	return a
}

func (a *array) lookup(key []byte, _ int) (int, bool) {
	i := binary.LittleEndian.Uint32(key)
	return int(i) * a.stride, i < a.entries
}

// checkIndexed is what arrays check before an update.
func checkIndexed(i, entries uint32, flags uint64) Errno {
	switch {
	case flags&^updateLock > updateExist:
		return EINVAL
	case i >= entries:
		return E2BIG
	case flags&updateNoExist != 0:
		return EEXIST
	}
	return 0
}

func (a *array) update(key, value []byte, flags uint64, _ int) Errno {
	i := binary.LittleEndian.Uint32(key)
	if e := checkIndexed(i, a.entries, flags); e != 0 {
		return e
	}
	off := int(i) * a.stride
	if flags&updateLock != 0 {
		a.m.mem.lockValue(off, &a.m.fields)
		defer a.m.mem.unlockValue(off, &a.m.fields)
	}
	a.m.mem.storeValue(off, value, &a.m.fields)
	return 0
}

func (a *array) remove([]byte) Errno { return EINVAL }

func (a *array) read(key, out []byte, flags uint64) Errno {
	off, ok := a.lookup(key, 0)
	if !ok {
		return ENOENT
	}
	if flags&updateLock != 0 {
		a.m.mem.lockValue(off, &a.m.fields)
		defer a.m.mem.unlockValue(off, &a.m.fields)
	}
	a.m.mem.loadValue(out, off, &a.m.fields)
	return 0
}

func (a *array) next(key, out []byte) Errno { return nextIndex(key, out, a.entries) }

// nextIndex is next for maps whose keys are 0 to entries-1.
func nextIndex(key, out []byte, entries uint32) Errno {
	i := uint32(0)
	if key != nil {
		i = binary.LittleEndian.Uint32(key)
		switch {
		case i >= entries:
			i = 0
		case i == entries-1:
			return ENOENT
		default:
			i++
		}
	}
	binary.LittleEndian.PutUint32(out, i)
	return 0
}

func (a *array) each(_ int, f func([]byte, int) bool) (int, Errno) {
	return eachIndex(a.entries, func(i uint32) int { return int(i) * a.stride }, f)
}

func eachIndex(entries uint32, at func(uint32) int, f func([]byte, int) bool) (int, Errno) {
	key := make([]byte, 4)
	for i := range entries {
		binary.LittleEndian.PutUint32(key, i)
		if f(key, at(i)) {
			return int(i) + 1, 0
		}
	}
	return int(entries), 0
}

// powerAbove returns the smallest power of two that is not below n.
func powerAbove(n uint64) uint64 {
	if n <= 1 {
		return 1
	}
	return 1 << bits.Len64(n-1)
}
