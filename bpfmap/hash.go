// Implements hash, percpu_hash, lru_hash and lru_percpu_hash: a table whose elements have values.

package bpfmap

import (
	"sync/atomic"

	"github.com/skepbpf/skep/spec"
)

// hash is a hash map. The value of element i is at (i-1)*stride, and in per-CPU maps that of CPU c another
// c*perCPU bytes on.
type hash struct {
	unsupported
	t      *table
	m      *Local
	stride int
	perCPU int // 0 for maps with one value
}

func newHash(m *Local, o *Options) impl { return newHashOf(m, o, m.def.MaxEntries) }

func newHashOf(m *Local, o *Options, entries uint32) *hash {
	lru := m.def.Type == spec.LRUHash || m.def.Type == spec.LRUPerCPUHash
	x := &hash{m: m, t: newTable(int(m.def.KeySize), entries, seedOf(o), lru), stride: int(round8(m.def.ValueSize))}
	size := x.stride * x.t.elements()
	m.mem = newMemory(uint64(size))
	if perCPU(m.def.Type) {
		x.perCPU = size
		m.mem = newMemory(uint64(size) * uint64(m.cpus))
	}
	return x
}

// seedOf returns the seed of a map's hash function.
func seedOf(o *Options) uint64 {
	const fixed = 0x243f6a8885a308d3 // the fraction of pi
	return fixed ^ o.Seed
}

func (x *hash) value(i uint32) int { return int(i-1) * x.stride }

func (x *hash) lookup(key []byte, cpu int) (int, bool) {
	i := x.t.find(x.t.hash(key), key)
	if i == 0 {
		return 0, false
	}
	if x.t.refs != nil {
		x.t.touch(i)
	}
	if x.perCPU != 0 {
		return x.value(i) + x.m.cpuOf(cpu)*x.perCPU, true
	}
	return x.value(i), true
}

// checkHashFlags is what hash maps check before an update.
func checkHashFlags(flags uint64, lockable bool) Errno {
	if lockable {
		flags &^= updateLock
	}
	if flags > updateExist {
		return EINVAL
	}
	return 0
}

func checkPresence(flags uint64, there bool) Errno {
	switch {
	case there && flags&updateNoExist != 0:
		return EEXIST
	case !there && flags&updateExist != 0:
		return ENOENT
	}
	return 0
}

func (x *hash) update(key, value []byte, flags uint64, cpu int) Errno {
	if e := checkHashFlags(flags, x.perCPU == 0 && x.t.refs == nil); e != 0 {
		return e
	}
	h := x.t.hash(key)
	if flags&updateLock != 0 {
		if e, done := x.updateLocked(h, key, value, flags); done {
			return e
		}
	}
	s := x.t.stripe(h)
	fresh := uint32(0) // element for a new key, taken outside the lock where that may take another
	for {
		n := s.lock()
		prev, i := x.t.before(h, key)
		e := checkPresence(flags, i != 0)
		switch {
		case e != 0:
		case i != 0 && x.perCPU != 0:
			x.store(i, value, cpu, false)
		case i != 0:
			x.exchange(s, h, prev, i, key, value)
		case fresh == 0:
			if fresh = x.t.alloc(); fresh == 0 && x.t.refs != nil {
				s.unlock(n)
				fresh = x.t.evictOne()
				continue
			} else if fresh == 0 {
				e = E2BIG
				break
			}
			fallthrough
		default:
			x.store(fresh, value, cpu, true)
			if x.t.refs != nil {
				storeHalf(&x.t.refs[fresh], 0)
			}
			x.t.link(h, fresh, key)
			fresh = 0
		}
		s.unlock(n)
		if fresh != 0 {
			x.t.release(fresh)
		}
		return e
	}
}

// exchange gives the key of element i, which stands behind prev, a new value in the spare element.
func (x *hash) exchange(s *stripe, h, prev, i uint32, key, value []byte) {
	with := s.spare
	x.store(with, value, allCPUs, true)
	if x.t.refs != nil {
		x.t.touch(with)
	}
	x.t.replace(h, prev, i, with, key)
	s.spare = i
}

// store writes the value of element i. A fresh element may hold anything.
func (x *hash) store(i uint32, value []byte, cpu int, fresh bool) {
	off := x.value(i)
	if fresh && x.m.fields.skip != nil {
		x.m.mem.zero(off, x.stride)
	}
	switch {
	case x.perCPU == 0:
		x.m.mem.storeValue(off, value, &x.m.fields)
	case cpu == allCPUs:
		x.m.storeAll(off, x.perCPU, value)
	default:
		cpu = x.m.cpuOf(cpu)
		for c := range x.m.cpus {
			if c == cpu {
				x.m.mem.storeValue(off+c*x.perCPU, value, &x.m.fields)
			} else if fresh {
				x.m.mem.zero(off+c*x.perCPU, x.stride)
			}
		}
	}
}

// updateLocked changes the value of a key that is there under its bpf_spin_lock, in place.
func (x *hash) updateLocked(h uint32, key, value []byte, flags uint64) (e Errno, done bool) {
	i := x.t.find(h, key)
	if i == 0 {
		return 0, false
	}
	if flags&updateNoExist != 0 {
		return EEXIST, true
	}
	off := x.value(i)
	x.m.mem.lockValue(off, &x.m.fields)
	x.m.mem.storeValue(off, value, &x.m.fields)
	x.m.mem.unlockValue(off, &x.m.fields)
	return 0, true
}

func (x *hash) remove(key []byte) Errno { return x.take(key, nil, 0) }

// load copies the value of element i for Go code.
func (x *hash) load(i uint32, out []byte) {
	if x.perCPU != 0 {
		x.m.loadAll(out, x.value(i), x.perCPU)
		return
	}
	x.m.mem.loadValue(out, x.value(i), &x.m.fields)
}

func (x *hash) read(key, out []byte, flags uint64) Errno {
	h := x.t.hash(key)
	s := x.t.stripe(h)
	if flags&updateLock != 0 {
		i := x.t.find(h, key)
		if i == 0 {
			return ENOENT
		}
		x.m.mem.lockValue(x.value(i), &x.m.fields)
		x.load(i, out)
		x.m.mem.unlockValue(x.value(i), &x.m.fields)
		return 0
	}
	for range maxTries {
		n := s.begin()
		i := x.t.walkAny(s, n, h, key)
		if i != 0 {
			x.load(i, out)
		}
		if s.same(n) {
			return found(i)
		}
	}
	n := s.lock()
	i := x.t.walk(s, n+1, h, key)
	if i != 0 {
		x.load(i, out)
	}
	s.unlock(n)
	return found(i)
}

func found(i uint32) Errno {
	if i == 0 {
		return ENOENT
	}
	return 0
}

// take deletes a key. It copies the value if out is not nil.
func (x *hash) take(key, out []byte, _ uint64) Errno {
	h := x.t.hash(key)
	s := x.t.stripe(h)
	n := s.lock()
	prev, i := x.t.before(h, key)
	if i != 0 {
		if out != nil {
			x.load(i, out)
		}
		x.t.unlink(h, prev, i)
	}
	s.unlock(n)
	if i == 0 {
		return ENOENT
	}
	x.t.release(i)
	return 0
}

func (x *hash) next(key, out []byte) Errno { return x.t.next(key, out) }

func (x *hash) each(cpu int, f func([]byte, int) bool) (int, Errno) {
	base := 0
	if x.perCPU != 0 {
		base = x.m.cpuOf(cpu) * x.perCPU
	}
	key := make([]byte, x.t.keySize)
	var chain []uint32
	n := 0
	for b := range x.t.buckets {
		chain = x.t.chain(uint32(b), chain[:0])
		for _, i := range chain {
			x.t.copyKey(i, key)
			n++
			if f(key, base+x.value(i)) {
				return n, 0
			}
		}
	}
	return n, 0
}

// touch notes that element i of an LRU map was used.
func (t *table) touch(i uint32) {
	if p := &t.refs[i]; atomic.LoadUint32(p) == 0 {
		storeHalf(p, 1)
	}
}
