// Implements the helpers that work on whole maps: queues, other processors' values, functions called for each element.

package helper

import "github.com/skepbpf/skep/bpfmap"

// mapValue returns the map and memory of the size of a value.
func (c *Call) mapValue(handle, value uint64, write bool) (*bpfmap.Local, []byte, error) {
	m := c.Map(handle)
	if m == nil {
		return nil, nil, ErrNoMap
	}
	v, err := c.Bytes(value, int(m.ValueSize()), write)
	return m, v, err
}

// mapErrno returns an error number of a map as a helper's result.
func mapErrno(e bpfmap.Errno) (uint64, error) { return failed(e), nil }

var wholeMaps = []Helper{
	{ID: 87, Name: "map_push_elem", PacketMemory: true, Args: []Arg{MapRef, MapValue, Any}, Maps: queues, ChangesMap: true, Func: func(c *Call, m, value, flags, _, _ uint64) (uint64, error) {
		l, v, err := c.mapValue(m, value, false)
		if err != nil {
			return 0, err
		}
		return mapErrno(l.Push(v, flags))
	}},
	{ID: 88, Name: "map_pop_elem", Args: []Arg{MapRef, MapValueOut}, Maps: popped, ChangesMap: true, Func: func(c *Call, m, value, _, _, _ uint64) (uint64, error) {
		l, v, err := c.mapValue(m, value, true)
		if err != nil {
			return 0, err
		}
		return mapErrno(l.Pop(v))
	}},
	{ID: 89, Name: "map_peek_elem", Args: []Arg{MapRef, MapValueOut}, Maps: queues, Func: func(c *Call, m, value, _, _, _ uint64) (uint64, error) {
		l, v, err := c.mapValue(m, value, true)
		if err != nil {
			return 0, err
		}
		return mapErrno(l.Peek(v))
	}},
	{ID: 195, Name: "map_lookup_percpu_elem", PacketMemory: true, Args: []Arg{MapRef, MapKey, Any}, Maps: perCPUMaps, Result: ResultMapValue | MayBeNull,
		Func: func(c *Call, m, key, cpu, _, _ uint64) (uint64, error) {
			l, k, err := mapKey(c, m, key)
			if err != nil || uint64(uint32(cpu)) >= uint64(l.CPUs()) {
				return 0, err
			}
			off, ok := l.LookupOffset(k, int(uint32(cpu)))
			if !ok {
				return 0, nil
			}
			return c.MapAddr(l, off)
		}},
	{ID: 164, Name: "for_each_map_elem", Args: []Arg{MapRef, Function, StackMem | OrNull, Any}, Maps: iterated,
		Callback: &Callback{Args: [MaxArgs]CallbackArg{CallbackMap, CallbackKey, CallbackValue, CallbackPointer}, Max: 1}, Func: forEach},
}

var mapKfuncs = []Helper{
	{Name: "bpf_map_sum_elem_count", Kfunc: true, Args: []Arg{MapRef}, Func: func(c *Call, m, _, _, _, _ uint64) (uint64, error) {
		l := c.Map(m)
		if l == nil {
			return 0, ErrNoMap
		}
		n, e := l.ForEach(c.CPU(), func([]byte, int) bool { return false })
		if e != 0 {
			return 0, nil // other types do not count
		}
		return uint64(n), nil
	}},
}

// dropFields ends what a value that goes or is overwritten has under way.
func (c *Call) dropFields(m *bpfmap.Local, key []byte) {
	if !hasAsync(m) {
		return
	}
	if off, ok := m.LookupOffset(key, c.CPU()); ok {
		cancelAsync(m, off)
	}
}

func forEach(c *Call, m, function, ctx, flags, _ uint64) (uint64, error) {
	l := c.Map(m)
	if l == nil {
		return 0, ErrNoMap
	}
	if flags != 0 {
		return eINVAL.result()
	}
	key, free, err := c.keyBuffer(int(l.KeySize()))
	if err != nil {
		return 0, err
	}
	defer free()
	var failed error
	n, e := l.ForEach(c.CPU(), func(k []byte, off int) bool {
		copy(key.data, k)
		addr, err := c.MapAddr(l, off)
		var r uint64
		if err == nil {
			r, err = c.CallFunction(function, m, key.addr, addr, ctx, 0)
		}
		failed = err
		return err != nil || r != 0
	})
	switch {
	case failed != nil:
		return 0, failed
	case e != 0:
		return mapErrno(e)
	}
	return uint64(n), nil
}

// keyBuffer returns memory for a key that the program can read.
func (c *Call) keyBuffer(size int) (scratch, func(), error) {
	s, err := c.state()
	if err != nil {
		return scratch{}, nil, err
	}
	for len(s.keys) <= s.nested {
		s.keys = append(s.keys, scratch{})
	}
	k := &s.keys[s.nested]
	if len(k.data) < size {
		if k.addr, k.data, err = c.Alloc(size, false); err != nil {
			return scratch{}, nil, err
		}
	}
	s.nested++
	return scratch{k.addr, k.data[:size]}, func() { s.nested-- }, nil
}
