// Implements percpu_array: an array for each CPU.

package bpfmap

import "encoding/binary"

// percpuArray is an array for each CPU, one after the other.
type percpuArray struct {
	unsupported
	m       *Local
	stride  int
	each1   int // bytes from one CPU's value to the next one's
	entries uint32
}

func newPerCPUArray(m *Local, _ *Options) impl {
	a := &percpuArray{m: m, stride: int(round8(m.def.ValueSize)), entries: m.def.MaxEntries}
	a.each1 = a.stride * int(a.entries)
	m.mem = newMemory(uint64(a.each1) * uint64(m.cpus))
	return a
}

func (a *percpuArray) lookup(key []byte, cpu int) (int, bool) {
	i := binary.LittleEndian.Uint32(key)
	return a.m.cpuOf(cpu)*a.each1 + int(i)*a.stride, i < a.entries
}

func (a *percpuArray) update(key, value []byte, flags uint64, cpu int) Errno {
	i := binary.LittleEndian.Uint32(key)
	if e := checkIndexed(i, a.entries, flags); e != 0 {
		return e
	}
	off := int(i) * a.stride
	if cpu != allCPUs {
		a.m.mem.storeValue(off+a.m.cpuOf(cpu)*a.each1, value, &a.m.fields)
		return 0
	}
	a.m.storeAll(off, a.each1, value)
	return 0
}

func (a *percpuArray) remove([]byte) Errno { return EINVAL }

func (a *percpuArray) read(key, out []byte, _ uint64) Errno {
	i := binary.LittleEndian.Uint32(key)
	if i >= a.entries {
		return ENOENT
	}
	a.m.loadAll(out, int(i)*a.stride, a.each1)
	return 0
}

func (a *percpuArray) next(key, out []byte) Errno { return nextIndex(key, out, a.entries) }

func (a *percpuArray) each(cpu int, f func([]byte, int) bool) (int, Errno) {
	base := a.m.cpuOf(cpu) * a.each1
	return eachIndex(a.entries, func(i uint32) int { return base + int(i)*a.stride }, f)
}

// storeAll writes the values of all CPUs, which are step bytes apart and start at off.
func (m *Local) storeAll(off, step int, values []byte) {
	n, size := int(round8(m.def.ValueSize)), int(m.def.ValueSize)
	for cpu := range m.cpus {
		m.mem.storeValue(off+cpu*step, values[cpu*n:cpu*n+size], &m.fields)
	}
}

// loadAll reads the values of all CPUs, which are step bytes apart and start at off.
func (m *Local) loadAll(out []byte, off, step int) {
	n, size := int(round8(m.def.ValueSize)), int(m.def.ValueSize)
	for cpu := range m.cpus {
		v := out[cpu*n : (cpu+1)*n]
		m.mem.loadValue(v[:size], off+cpu*step, &m.fields)
		clear(v[size:])
	}
}
