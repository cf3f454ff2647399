// Implements array_of_maps and hash_of_maps.

package bpfmap

import (
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

func newArrayOfMaps(m *Local, _ *Options) impl {
	return newObjectArray(m, m.acceptMap)
}

func newHashOfMaps(m *Local, o *Options) impl {
	return newObjectHash(m, o, m.acceptMap)
}

// acceptMap takes maps that are like the inner definition, so that programs may rely on it.
func (m *Local) acceptMap(v any) (any, Errno) {
	in, ok := v.(*Local)
	if !ok || in == nil {
		return nil, EBADF
	}
	a, b := m.def.Inner, &in.def
	same := a.Type == b.Type && a.KeySize == b.KeySize && a.ValueSize == b.ValueSize && a.Flags == b.Flags &&
		len(a.Fields) == len(b.Fields)
	for i := range a.Fields {
		same = same && a.Fields[i] == b.Fields[i]
	}
	if sized(a) {
		same = same && a.MaxEntries == b.MaxEntries
	}
	if !same {
		return nil, EINVAL
	}
	return in, 0
}

// sized reports whether an inner map must have as many elements as the definition says.
func sized(def *spec.Map) bool {
	switch def.Type {
	case spec.Array, spec.PerCPUArray, spec.PerfEventArray, spec.CGroupArray, spec.XSKMap:
		return def.Flags&flagInnerMap == 0
	}
	return false
}

// Inner returns the map that a map of maps holds for a key.
func (m *Local) Inner(key []byte) (*Local, bool) {
	var o *object
	switch x := m.impl.(type) {
	case *objectArray:
		o = x.at(binary.LittleEndian.Uint32(key))
	case *objectHash:
		o = x.held(key)
	}
	if o == nil {
		return nil, false
	}
	in, ok := o.v.(*Local)
	return in, ok
}
