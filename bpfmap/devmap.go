// Implements devmap: network interfaces to redirect to, by index.

package bpfmap

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

// targets is an array of values that may be empty: devices or CPUs. Programs can read what is there.
type targets struct {
	unsupported
	m       *Local
	check   func(index uint32, value []byte) (empty bool, e Errno)
	present []uint32   // 1 for elements that are there
	mu      sync.Mutex // of writers
}

func newTargets(m *Local, check func(uint32, []byte) (bool, Errno)) *targets {
	m.mem = newMemory(8 * uint64(m.def.MaxEntries))
	return &targets{m: m, check: check, present: make([]uint32, m.def.MaxEntries)}
}

func newDevmap(m *Local, _ *Options) impl {
	return newTargets(m, func(_ uint32, value []byte) (bool, Errno) { return checkDevice(value) })
}

// checkDevice checks a device: the number of an interface, and perhaps a program's descriptor, of which there
// are none here. Interface 0 empties the element. Which interfaces exist nobody asks.
func checkDevice(value []byte) (empty bool, e Errno) {
	if len(value) == 8 && int32(binary.LittleEndian.Uint32(value[4:])) > 0 {
		return false, EINVAL
	}
	return binary.LittleEndian.Uint32(value) == 0, 0
}

func (t *targets) lookup(key []byte, _ int) (int, bool) {
	i := binary.LittleEndian.Uint32(key)
	if i >= uint32(len(t.present)) || atomic.LoadUint32(&t.present[i]) == 0 {
		return 0, false
	}
	return int(i) * 8, true
}

func (t *targets) update(key, value []byte, flags uint64, _ int) Errno {
	i := binary.LittleEndian.Uint32(key)
	switch {
	case flags > updateExist:
		return EINVAL
	case i >= uint32(len(t.present)):
		return E2BIG
	case flags == updateNoExist:
		return EEXIST
	}
	empty, e := t.check(i, value)
	if e != 0 {
		return e
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if empty {
		storeHalf(&t.present[i], 0)
		return 0
	}
	t.m.mem.store(int(i)*8, value[:4]) // there is no program, whatever the value said
	storeHalf(&t.present[i], 1)
	return 0
}

func (t *targets) read(key, out []byte, _ uint64) Errno {
	off, ok := t.lookup(key, 0)
	if !ok {
		return ENOENT
	}
	t.m.mem.load(out, off)
	return 0
}

func (t *targets) remove(key []byte) Errno {
	i := binary.LittleEndian.Uint32(key)
	if i >= uint32(len(t.present)) {
		return EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	storeHalf(&t.present[i], 0)
	return 0
}

func (t *targets) next(key, out []byte) Errno { return nextIndex(key, out, uint32(len(t.present))) }
