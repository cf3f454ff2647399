// Implements the making of maps.

package bpfmap

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/skepbpf/skep/spec"
)

// Options says how to make a map. Nil is like the zero value.
type Options struct {
	// CPUs is how many values an element of a per-CPU map has; 0 means runtime.NumCPU().
	CPUs int

	// MaxMemory is how many bytes the map may take at most, all of its elements counted; 0 means 1 GiB, or
	// 256 MiB where addresses have 32 bits. What is not used is not taken from the system.
	MaxMemory uint64

	// Seed changes how keys are spread, and with it the order of iteration. 0 is a fixed seed, so that runs
	// are the same every time.
	Seed uint64

	// Programs resolves the names of programs in the contents of a prog_array.
	Programs map[string]any

	// Now gives the time in nanoseconds; nil means a clock that starts with the process.
	Now func() uint64
}

var lastID atomic.Uint32

// New makes a map with its initial contents. An error wraps an Errno: the kernel's for a definition that the
// kernel would not accept either, ENOMEM for a map above Options.MaxMemory. A per-CPU element in Contents has
// one value for all CPUs, or one for each, rounded up to 8 bytes. A map that is Frozen is read-only for Go code from
// then on.
//
// As loaders of objects do, New fills in what follows from the type and the machine: event arrays and cpumaps
// with no entries or more than there are CPUs get one for each CPU, and sizes of 0 become the 4 bytes that
// the type's keys or values have.
func New(def *spec.Map, opts *Options) (*Local, error) {
	m, err := newMap(def, opts)
	if err != nil {
		return nil, fmt.Errorf("map %q: %w", def.Name, err)
	}
	return m, nil
}

// complete returns a definition with what follows from the type and the number of CPUs.
func complete(def *spec.Map, cpus int) *spec.Map {
	out := *def
	switch def.Type {
	case spec.PerfEventArray, spec.CPUMap:
		if def.MaxEntries == 0 || def.MaxEntries > uint32(cpus) {
			out.MaxEntries = uint32(cpus)
		}
	case spec.ArrayOfMaps, spec.HashOfMaps:
		if def.ValueSize == 0 {
			out.ValueSize = 4
		}
	}
	if def.Type == spec.PerfEventArray {
		if def.KeySize == 0 {
			out.KeySize = 4
		}
		if def.ValueSize == 0 {
			out.ValueSize = 4
		}
	}
	return &out
}

func newMap(def *spec.Map, opts *Options) (*Local, error) {
	o := Options{}
	if opts != nil {
		o = *opts
	}
	if o.CPUs <= 0 {
		o.CPUs = runtime.NumCPU()
	}
	if o.MaxMemory == 0 {
		o.MaxMemory = 1 << 30
		if math.MaxInt == math.MaxInt32 {
			o.MaxMemory = 256 << 20
		}
	}
	def = complete(def, o.CPUs)
	if err := checkDefinition(def); err != nil {
		return nil, err
	}
	m := &Local{def: *def, id: lastID.Add(1), cpus: o.CPUs, full: int(def.ValueSize)}
	m.def.Contents = nil
	if perCPU(def.Type) {
		m.full = int(round8(def.ValueSize)) * o.CPUs
	}
	var ok bool
	if m.fields, ok = newFields(def); !ok {
		return nil, fmt.Errorf("a special field does not fit into the value: %w", EINVAL)
	}
	if need := m.memoryNeeded(); need > o.MaxMemory || need > math.MaxInt/2 {
		return nil, fmt.Errorf("%d elements of %d and %d bytes take %d bytes, more than the limit of %d: %w",
			def.MaxEntries, def.KeySize, m.full, need, o.MaxMemory, ENOMEM)
	}
	m.impl = rules[def.Type].make(m, &o)
	m.objects, _ = m.impl.(objectImpl)
	for i := range def.Contents {
		if err := m.putContent(&def.Contents[i], &o); err != nil {
			return nil, fmt.Errorf("contents[%d]: %w", i, err)
		}
	}
	m.frozen.Store(def.Frozen)
	return m, nil
}

// memoryNeeded estimates from above what the elements take.
func (m *Local) memoryNeeded() uint64 {
	n := uint64(m.def.MaxEntries)
	switch m.def.Type {
	case spec.RingBuf, spec.UserRingBuf:
		return 3 * n
	case spec.BloomFilter:
		return bloomBits(&m.def) / 8
	case spec.Queue, spec.Stack:
		return n * uint64(m.def.ValueSize)
	case spec.Arena:
		return n * pageSize
	case spec.LPMTrie:
		return n * (round8(m.def.ValueSize) + 2*(trieData+round8(m.def.KeySize)))
	}
	value := round8(m.def.ValueSize)
	if perCPU(m.def.Type) {
		value *= uint64(m.cpus)
	}
	each := value + round8(m.def.KeySize)
	if m.def.KeySize != 4 || m.def.Type != spec.Array && m.def.Type != spec.PerCPUArray {
		each += 24
	}
	if each > 1<<31 { // then the product could wrap around
		each = 1 << 31
	}
	return n * each
}

// putContent writes an initial element.
func (m *Local) putContent(e *spec.MapEntry, o *Options) error {
	if len(e.Key) != int(m.def.KeySize) {
		return fmt.Errorf("the key is %d bytes long, not %d: %w", len(e.Key), m.def.KeySize, EINVAL)
	}
	if e.Program != "" {
		p, ok := o.Programs[e.Program]
		if !ok {
			return fmt.Errorf("program %q is not there: %w", e.Program, EBADF)
		}
		if m.objects == nil {
			return fmt.Errorf("a map of type %s does not hold programs: %w", m.def.Type, EINVAL)
		}
		return errorOf("update", m.objects.put(e.Key, p, 0))
	}
	value := e.Value
	if a := m.Arena(); a != nil {
		return errorOf("update", a.fill(value))
	}
	if perCPU(m.def.Type) && len(value) == int(m.def.ValueSize) && len(value) != m.full {
		one := make([]byte, round8(m.def.ValueSize))
		copy(one, value)
		value = slices.Repeat(one, m.cpus)
	}
	if len(value) != m.full {
		return fmt.Errorf("the value is %d bytes long, not %d: %w", len(value), m.def.ValueSize, EINVAL)
	}
	if m.def.KeySize == 0 {
		return errorOf("update", m.impl.push(value, 0))
	}
	return errorOf("update", m.impl.update(e.Key, value, 0, allCPUs))
}
