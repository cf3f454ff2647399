// Implements what a map is: the interface that all maps satisfy, and Skep's own.

package bpfmap

import (
	"encoding/binary"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/spec"
)

// Map is a map as Go code uses it, with the methods of cilium/ebpf's maps. *Local, a map of Skep, and *Kernel,
// one in the Linux kernel, satisfy it.
//
// Keys and values are converted as cilium/ebpf converts them: fixed-size values and structs of them, pointers
// to and slices of these, []byte, string, encoding.BinaryMarshaler; to read, pointers to the same, []byte to
// be filled, encoding.BinaryUnmarshaler. Elements of per-CPU maps have a slice of values, one for each CPU.
// Errors wrap those of cilium/ebpf: a key that is not there gives ebpf.ErrKeyNotExist.
//
// Methods are safe for concurrent use, except Close.
type Map interface {
	Name() string
	Type() spec.MapType
	KeySize() uint32    // bytes
	ValueSize() uint32  // bytes; of per-CPU maps, for one CPU
	MaxEntries() uint32 // elements; bytes for ring buffers
	Flags() uint32      // the kernel's BPF_F_ map flags

	// Lookup reads the value of a key; of a queue or stack, with a nil key, the element that is next. Of a
	// bloom filter, valueOut is what is looked for.
	Lookup(key, valueOut any) error
	// LookupAndDelete reads the value of a key and deletes it.
	LookupAndDelete(key, valueOut any) error
	// Update changes the value of a key; flags say whether it may or must exist.
	Update(key, value any, flags ebpf.MapUpdateFlags) error
	// Put is Update with ebpf.UpdateAny.
	Put(key, value any) error
	// Delete removes a key.
	Delete(key any) error
	// NextKey finds the key after key, or the first one if key is nil or not there. After the last key it
	// returns ebpf.ErrKeyNotExist.
	NextKey(key, nextKeyOut any) error

	// Iterate goes through all elements.
	Iterate() *Iterator
	// All goes through all elements as bytes. The slices are the receiver's to keep.
	All() iter.Seq2[[]byte, []byte]

	// BatchLookup reads elements into slices and returns how many; at the end it returns
	// ebpf.ErrKeyNotExist, possibly with elements. The cursor says where to go on.
	BatchLookup(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error)
	// BatchLookupAndDelete is BatchLookup that deletes what it read.
	BatchLookupAndDelete(cursor *MapBatchCursor, keysOut, valuesOut any, opts *ebpf.BatchOptions) (int, error)
	// BatchUpdate writes elements given as slices and returns how many were written.
	BatchUpdate(keys, values any, opts *ebpf.BatchOptions) (int, error)
	// BatchDelete deletes the keys of a slice and returns how many were deleted.
	BatchDelete(keys any, opts *ebpf.BatchOptions) (int, error)

	// Freeze makes the map read-only for Go code; programs are not concerned.
	Freeze() error
	// Close gives the map back. A Local map has nothing to give back and goes on working for programs.
	Close() error
}

// Local is a map of Skep. Go code uses it as a Map; engines and helpers use the methods that take bytes and
// offsets, which do what a program's helper does; look-ups, changes and records do not allocate. All methods are safe for concurrent
// use with each other and with programs that read and write values.
//
// Values are in guest byte order, which is little endian on every host.
type Local struct {
	def     spec.Map
	id      uint32
	cpus    int
	full    int // bytes of a value as Go code sees it: of all CPUs for per-CPU maps
	fields  fields
	mem     memory // all that programs can reach
	impl    impl
	objects objectImpl // of maps that hold objects, else nil
	frozen  atomic.Bool

	attached sync.Map // see Attach
}

// impl is what a type of map does. Keys and values have the sizes of the map. Methods for Go code get values
// for all CPUs, and so does update with allCPUs.
type impl interface {
	// lookup returns where the element's value is for a program on cpu.
	lookup(key []byte, cpu int) (off int, ok bool)
	// update writes an element, as a program on cpu or, with allCPUs, as Go code.
	update(key, value []byte, flags uint64, cpu int) Errno
	remove(key []byte) Errno
	// read copies a value for Go code. flags may have updateLock.
	read(key, out []byte, flags uint64) Errno
	// take is read that deletes the element.
	take(key, out []byte, flags uint64) Errno
	// next copies the key after key, or the first if key is nil.
	next(key, out []byte) Errno
	// each calls f for the elements as bpf_for_each_map_elem does.
	each(cpu int, f func(key []byte, off int) (stop bool)) (int, Errno)
	// push, pop and peek are for types without keys.
	push(value []byte, flags uint64) Errno
	pop(out []byte) Errno
	peek(out []byte) Errno
}

// unsupported is embedded by types of maps: what they do not have gives the kernel's usual error.
type unsupported struct{}

func (unsupported) lookup([]byte, int) (int, bool)                { return 0, false }
func (unsupported) update([]byte, []byte, uint64, int) Errno      { return ENOTSUPP }
func (unsupported) remove([]byte) Errno                           { return ENOTSUPP }
func (unsupported) read([]byte, []byte, uint64) Errno             { return ENOTSUPP }
func (unsupported) take([]byte, []byte, uint64) Errno             { return ENOTSUPP }
func (unsupported) next([]byte, []byte) Errno                     { return ENOTSUPP }
func (unsupported) push([]byte, uint64) Errno                     { return ENOTSUPP }
func (unsupported) pop([]byte) Errno                              { return ENOTSUPP }
func (unsupported) peek([]byte) Errno                             { return ENOTSUPP }
func (unsupported) each(int, func([]byte, int) bool) (int, Errno) { return 0, EINVAL }

// allCPUs in place of a CPU says that Go code updates: the value holds one for each CPU.
const allCPUs = -1

// Flags of updates, as the kernel's UAPI has them (BPF_NOEXIST, BPF_EXIST, BPF_F_LOCK).
const (
	updateNoExist = 1
	updateExist   = 2
	updateLock    = 4
)

// Name returns the map's name.
func (m *Local) Name() string { return m.def.Name }

// Type returns the map's type.
func (m *Local) Type() spec.MapType { return m.def.Type }

// KeySize returns the size of a key in bytes.
func (m *Local) KeySize() uint32 { return m.def.KeySize }

// ValueSize returns the size of a value in bytes, of a per-CPU map for one CPU.
func (m *Local) ValueSize() uint32 { return m.def.ValueSize }

// MaxEntries returns how many elements the map can hold, of a ring buffer its size in bytes.
func (m *Local) MaxEntries() uint32 { return m.def.MaxEntries }

// Flags returns the kernel's BPF_F_ map flags.
func (m *Local) Flags() uint32 { return m.def.Flags }

// Spec returns the definition that the map was made from, which must not be changed.
func (m *Local) Spec() *spec.Map { return &m.def }

// ID returns a number that no other map of this process has.
func (m *Local) ID() uint32 { return m.id }

// CPUs returns how many values an element of a per-CPU map has.
func (m *Local) CPUs() int { return m.cpus }

// String names the map for messages.
func (m *Local) String() string { return fmt.Sprintf("%s(%s)#%d", m.def.Type, m.def.Name, m.id) }

// Memory returns all memory that programs can reach through the map: values, or the data of a ring buffer. It
// is 8-byte aligned, does not move as long as the map is referred to, and is nil if there is none.
func (m *Local) Memory() []byte { return m.mem.bytes() }

// ProgAccess reports what programs may do with Memory: the flags BPF_F_WRONLY_PROG and BPF_F_RDONLY_PROG. Maps of
// devices programs can only read.
func (m *Local) ProgAccess() (read, write bool) {
	device := m.def.Type == spec.Devmap || m.def.Type == spec.DevmapHash
	return m.def.Flags&flagWronlyProg == 0, m.def.Flags&flagRdonlyProg == 0 && !device
}

// Frozen reports whether Freeze was called.
func (m *Local) Frozen() bool { return m.frozen.Load() }

// LookupOffset returns the offset in Memory of the value of a key, for a program that runs on cpu, as
// bpf_map_lookup_elem does. key must have the map's key size. CPUs count modulo those of the map.
func (m *Local) LookupOffset(key []byte, cpu int) (off int, ok bool) { return m.impl.lookup(key, cpu) }

// UpdateElem writes an element as bpf_map_update_elem does in a program that runs on cpu, and returns 0 or an
// error number. key and value must have the map's sizes; per-CPU maps change the value of this CPU only.
func (m *Local) UpdateElem(key, value []byte, flags uint64, cpu int) Errno {
	if m.readOnly() {
		return EPERM
	}
	if flags&updateLock != 0 && m.fields.spinLock < 0 {
		if m.def.Type == spec.Array || m.def.Type == spec.PerCPUArray { // they look at the index first
			if e := checkIndexed(binary.LittleEndian.Uint32(key), m.def.MaxEntries, flags); e != 0 {
				return e
			}
		}
		return EINVAL
	}
	return m.impl.update(key, value, flags, cpu)
}

// DeleteElem deletes an element as bpf_map_delete_elem does.
func (m *Local) DeleteElem(key []byte) Errno {
	if m.readOnly() {
		return EPERM
	}
	return m.impl.remove(key)
}

// readOnly reports whether programs may only read the map. The verifier refuses programs that change it; those that
// nobody has verified get EPERM, since proofs of others may rest on what it holds.
func (m *Local) readOnly() bool { return m.def.Flags&flagRdonlyProg != 0 }

// Push adds an element to a queue, stack or bloom filter, as bpf_map_push_elem does.
func (m *Local) Push(value []byte, flags uint64) Errno {
	if m.readOnly() {
		return EPERM
	}
	return m.impl.push(value, flags)
}

// Pop removes the next element of a queue or stack, as bpf_map_pop_elem does.
func (m *Local) Pop(out []byte) Errno {
	if m.readOnly() {
		return EPERM
	}
	return m.impl.pop(out)
}

// Peek reads the next element of a queue or stack, or asks a bloom filter for the value in out, as
// bpf_map_peek_elem does.
func (m *Local) Peek(out []byte) Errno { return m.impl.peek(out) }

// ForEach calls f for every element, with its key, which is valid during the call only, and the offset in
// Memory of its value for a program on cpu, until f wants to stop. It returns how many it called f for, as
// bpf_for_each_map_elem does; EINVAL if the type has no such iteration. f may change the map.
func (m *Local) ForEach(cpu int, f func(key []byte, off int) (stop bool)) (int, Errno) {
	return m.impl.each(cpu, f)
}

// cpuOf brings a CPU number into range.
func (m *Local) cpuOf(cpu int) int {
	if uint(cpu) < uint(m.cpus) {
		return cpu
	}
	return int(uint(cpu) % uint(m.cpus))
}

// perCPU reports whether elements have a value for each CPU.
func perCPU(t spec.MapType) bool {
	return t == spec.PerCPUArray || t == spec.PerCPUHash || t == spec.LRUPerCPUHash || t == spec.PerCPUCGroupStorage
}
