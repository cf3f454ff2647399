// Implements the creation of maps and their initial contents.

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

// isStorage reports whether the kernel asks for the types of what maps hold for tasks, sockets and the like.
func isStorage(t spec.MapType) bool {
	return t == spec.SkStorage || t == spec.InodeStorage || t == spec.TaskStorage || t == spec.CgrpStorage
}

// createMap creates a map with its contents. A map that programs can only read is frozen once it is
// filled, so that the verifier takes its values for constants.
func createMap(m *spec.Map, opts *Options) (fd, error) {
	attr := mapCreateAttr{mapType: uint32(m.Type), keySize: m.KeySize, valueSize: m.ValueSize,
		maxEntries: m.MaxEntries, flags: m.Flags, name: objectName(m.Name)}
	if len(m.Fields) > 0 || isStorage(m.Type) {
		h, key, value, err := describeValue(m)
		if err != nil {
			return -1, fmt.Errorf("map %q: %w", m.Name, err)
		}
		defer h.Close()
		attr.btfFD, attr.btfKey, attr.btfValue = uint32(h.FD()), key, value
	}
	if m.Inner != nil {
		inner, err := createMap(m.Inner, opts)
		if err != nil {
			return -1, fmt.Errorf("inner map of %q: %w", m.Name, err)
		}
		defer inner.close()
		attr.innerFD = uint32(inner)
	}
	n, err := bpf(unix.BPF_MAP_CREATE, &attr)
	if err != nil {
		return -1, fmt.Errorf("map %q: the kernel does not create it (type %s, key %d bytes, value %d bytes, %d entries, flags %#x): %w",
			m.Name, m.Type, m.KeySize, m.ValueSize, m.MaxEntries, m.Flags, err)
	}
	out := fd(n)
	for i := range m.Contents {
		if err := out.put(m, &m.Contents[i], opts); err != nil {
			out.close()
			return -1, fmt.Errorf("map %q: contents[%d]: %w", m.Name, i, err)
		}
	}
	if m.Flags&unix.BPF_F_RDONLY_PROG != 0 {
		if _, err := bpf(unix.BPF_MAP_FREEZE, &mapFreezeAttr{mapFD: uint32(out)}); err != nil {
			out.close()
			return -1, fmt.Errorf("map %q: freeze: %w", m.Name, err)
		}
	}
	return out, nil
}

// MapCache keeps maps by their names. The zero value is ready. It is not safe for concurrent use.
type MapCache struct{ made map[string]fd }

// create returns a map and whether it is kept. Arrays of programs, which belong to the first program that uses them, are not.
func (c *MapCache) create(m *spec.Map, opts *Options) (fd, bool, error) {
	if c == nil || m.Type == spec.ProgArray {
		out, err := createMap(m, opts)
		return out, false, err
	}
	if out, ok := c.made[m.Name]; ok {
		return out, true, nil
	}
	out, err := createMap(m, opts)
	if err != nil {
		return out, false, err
	}
	if c.made == nil {
		c.made = map[string]fd{}
	}
	c.made[m.Name] = out
	return out, true, nil
}

// Close gives the maps back to the kernel.
func (c *MapCache) Close() error {
	var err error
	for _, m := range c.made {
		err = errors.Join(err, m.close())
	}
	clear(c.made)
	return err
}

var perCPU = []spec.MapType{spec.PerCPUHash, spec.PerCPUArray, spec.LRUPerCPUHash, spec.PerCPUCGroupStorage}

// put writes one element. Maps with a value for each CPU get the same one on all.
func (f fd) put(m *spec.Map, e *spec.MapEntry, opts *Options) error {
	value := e.Value
	if e.Program != "" {
		p := opts.Programs[e.Program]
		if p == nil {
			return fmt.Errorf("program %q is not loaded", e.Program)
		}
		value = binary.NativeEndian.AppendUint32(nil, uint32(p.fd))
	}
	if len(e.Key) != int(m.KeySize) {
		return fmt.Errorf("the key is %d bytes long, not %d", len(e.Key), m.KeySize)
	}
	if len(value) != int(m.ValueSize) {
		return fmt.Errorf("the value is %d bytes long, not %d", len(value), m.ValueSize)
	}
	if slices.Contains(perCPU, m.Type) {
		cpus, err := possibleCPUs()
		if err != nil {
			return err
		}
		one := make([]byte, (len(value)+7)/8*8)
		copy(one, value)
		value = slices.Repeat(one, cpus)
	}
	var pin pins
	defer pin.Unpin()
	attr := mapElemAttr{mapFD: uint32(f), key: pin.addr(e.Key), value: pin.addr(value)}
	_, err := bpf(unix.BPF_MAP_UPDATE_ELEM, &attr)
	return err
}

// possibleCPUs returns how many values an element of a per-CPU map has.
var possibleCPUs = sync.OnceValues(func() (int, error) {
	const file = "/sys/devices/system/cpu/possible"
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	n, err := countCPUs(strings.TrimSpace(string(text)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", file, err)
	}
	return n, nil
})

// countCPUs counts a list such as "0-3,5".
func countCPUs(list string) (int, error) {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		a, err1 := strconv.Atoi(from)
		b, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || a > b {
			return 0, fmt.Errorf("%q is no list of CPUs", list)
		}
		n += b - a + 1
	}
	return n, nil
}
