// Implements reuseport_sockarray: the sockets of a group that listen at one port, by index. They are recorded.

package bpfmap

// reuseportArray holds each socket once at most.
type reuseportArray struct{ *objectArray }

func newReuseportArray(m *Local, _ *Options) impl {
	a := newObjectArray(m, acceptAny)
	a.hidden, a.anyFlags = hiddenSocket(&m.def), true
	return reuseportArray{a}
}

func (r reuseportArray) put(key []byte, v any, flags uint64) Errno {
	return r.objectArray.putChecked(key, v, flags, func(v any) Errno {
		if v != nil && comparable(v) {
			for i := range r.slots {
				if o := r.slots[i].Load(); o != nil && comparable(o.v) && o.v == v {
					return EBUSY
				}
			}
		}
		return 0
	})
}

func (r reuseportArray) update(key, _ []byte, flags uint64, _ int) Errno {
	return r.put(key, nil, flags)
}
