// Implements what helpers remember of a run: objects behind addresses, buffers, the return value.

package helper

import "sync/atomic"

// runState is what helpers remember of the run. It is void when the run is over.
type runState struct {
	handle  uint64 // by which the run knows it: how to tell that it is still the same run
	objects map[uint64]any
	addrs   map[any]uint64
	blocks  []blockAt // by address
	keys    []scratch // for bpf_for_each_map_elem
	nested  int       // calls of it that are under way
	retval  int32
	cookie  uint64 // address of bpf_session_cookie's word
}

// scratch is memory of the run for helpers to use again.
type scratch struct {
	addr uint64
	data []byte
}

// state returns the state of this run.
func (c *Call) state() (*runState, error) {
	if s := c.remembered; s != nil && c.Run != nil && c.Object(s.handle) == any(s) {
		return s, nil
	}
	s := &runState{objects: map[uint64]any{}, addrs: map[any]uint64{}}
	h, err := c.Handle(s)
	if err != nil {
		return nil, err
	}
	s.handle, c.remembered = h, s
	return s, nil
}

// current returns the state of this run if there is one.
func (c *Call) current() *runState {
	if s := c.remembered; s != nil && c.Run != nil && c.Object(s.handle) == any(s) {
		return s
	}
	return nil
}

// bind remembers what object an address of this run stands for, and the reverse.
func (c *Call) bind(addr uint64, object any) error {
	s, err := c.state()
	if err != nil {
		return err
	}
	s.objects[addr], s.addrs[object] = object, addr
	return nil
}

// objectAt returns the object that an address stands for, or nil.
func (c *Call) objectAt(addr uint64) any {
	if addr == 0 || c.Run == nil {
		return nil
	}
	if s := c.current(); s != nil {
		if o, ok := s.objects[addr]; ok {
			return o
		}
	}
	return c.Object(addr)
}

// handleOf returns an address that stands for an object, always the same one in a run.
func (c *Call) handleOf(object any) (uint64, error) {
	s, err := c.state()
	if err != nil {
		return 0, err
	}
	if addr, ok := s.addrs[object]; ok {
		return addr, nil
	}
	addr, err := c.Handle(object)
	if err != nil {
		return 0, err
	}
	return addr, c.bind(addr, object)
}

// imageOf is handleOf for an object that has bytes to read: the address is that of a copy of them.
func (c *Call) imageOf(object any, image []byte) (uint64, error) {
	if len(image) == 0 {
		return c.handleOf(object)
	}
	s, err := c.state()
	if err != nil {
		return 0, err
	}
	if addr, ok := s.addrs[object]; ok {
		return addr, nil
	}
	addr, data, err := c.Alloc(len(image), false)
	if err != nil {
		return 0, err
	}
	copy(data, image)
	return addr, c.bind(addr, object)
}

// retval returns where the return value that cgroup programs see is.
func (c *Call) retval() (*int32, error) {
	if c.Env != nil && c.Env.Retval != nil {
		return c.Env.Retval, nil
	}
	s, err := c.state()
	if err != nil {
		return nil, err
	}
	return &s.retval, nil
}

var returnValue = []Helper{
	{ID: 186, Name: "get_retval", Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		p, err := c.retval()
		if err != nil {
			return 0, err
		}
		return uint64(int64(atomic.LoadInt32(p))), nil
	}},
	{ID: 187, Name: "set_retval", Args: []Arg{Any}, Func: func(c *Call, v, _, _, _, _ uint64) (uint64, error) {
		p, err := c.retval()
		if err != nil {
			return 0, err
		}
		atomic.StoreInt32(p, int32(v))
		return 0, nil
	}},
}
