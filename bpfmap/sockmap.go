// Implements sockmap: sockets by index. They are recorded, nothing is sent.

package bpfmap

import "github.com/skepbpf/skep/spec"

func newSockmap(m *Local, _ *Options) impl {
	a := newObjectArray(m, acceptAny)
	a.hidden, a.anyFlags, a.deleteBeyond, a.deleteMissing = hiddenSocket(&m.def), true, EINVAL, EINVAL
	a.acceptFirst = true
	return a
}

// hiddenSocket is what reading a socket's number gives: it needs 8 bytes.
func hiddenSocket(def *spec.Map) Errno {
	if def.ValueSize != 8 {
		return ENOSPC
	}
	return 0
}

// Object returns the Go value that a map holds for a key: a program, map, socket, cgroup or buffer. It is false
// if there is none, or the map holds plain values.
func (m *Local) Object(key []byte) (any, bool) {
	if m.objects == nil {
		return nil, false
	}
	o := m.objects.held(key)
	if o == nil {
		return nil, false
	}
	return o.v, true
}

// UpdateObject puts a Go value, as helpers such as bpf_sock_map_update do.
func (m *Local) UpdateObject(key []byte, v any, flags uint64) Errno {
	if m.objects == nil {
		return EINVAL
	}
	return m.objects.put(key, v, flags)
}
