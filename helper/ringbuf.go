// Implements the helpers for ring buffers.

package helper

import (
	"fmt"

	"github.com/skepbpf/skep/bpfmap"
)

// wakeupFlags are those that records are sent with (BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP).
const wakeupFlags = 3

var ringBuffers = []Helper{
	{ID: 130, Name: "ringbuf_output", Args: []Arg{MapRef, Mem, SizeOr0, Any}, Maps: ringBuffer, Func: func(c *Call, m, data, size, flags, _ uint64) (uint64, error) {
		l := c.Map(m)
		if l == nil {
			return 0, ErrNoMap
		}
		b, err := c.Bytes(data, int(min(size, 1<<31)), false)
		if err != nil {
			return 0, err
		}
		if flags&^wakeupFlags != 0 {
			return eINVAL.result()
		}
		return mapErrno(l.Output(b, flags))
	}},
	{ID: 131, Name: "ringbuf_reserve", Args: []Arg{MapRef, RecordSize, Any}, Maps: ringBuffer, Result: ResultRecord | MayBeNull | Acquires,
		Func: func(c *Call, m, size, flags, _, _ uint64) (uint64, error) {
			l := c.Map(m)
			if l == nil {
				return 0, ErrNoMap
			}
			if flags != 0 {
				return 0, nil
			}
			off, ok := l.Reserve(size)
			if !ok {
				return 0, nil
			}
			return c.MapAddr(l, off)
		}},
	{ID: 132, Name: "ringbuf_submit", Args: []Arg{Record | Releases, Any}, Result: Void, Func: func(c *Call, record, flags, _, _, _ uint64) (uint64, error) {
		return c.commit(record, flags, (*bpfmap.Local).Submit)
	}},
	{ID: 133, Name: "ringbuf_discard", Args: []Arg{Record | Releases, Any}, Result: Void, Func: func(c *Call, record, flags, _, _, _ uint64) (uint64, error) {
		return c.commit(record, flags, (*bpfmap.Local).Discard)
	}},
	{ID: 134, Name: "ringbuf_query", Args: []Arg{MapRef, Any}, Maps: ringBuffer, Func: func(c *Call, m, what, _, _, _ uint64) (uint64, error) {
		l := c.Map(m)
		if l == nil {
			return 0, ErrNoMap
		}
		return l.Query(what), nil
	}},
	{ID: 198, Name: "ringbuf_reserve_dynptr", Args: []Arg{MapRef, Any, Any, DynptrRef | Fresh | RingBuf}, Maps: ringBuffer, Func: reserveDynptr},
	{ID: 199, Name: "ringbuf_submit_dynptr", Args: []Arg{DynptrRef | RingBuf | Releases, Any}, Result: Void,
		Func: func(c *Call, ptr, flags, _, _, _ uint64) (uint64, error) {
			return c.commitDynptr(ptr, flags, (*bpfmap.Local).Submit)
		}},
	{ID: 200, Name: "ringbuf_discard_dynptr", Args: []Arg{DynptrRef | RingBuf | Releases, Any}, Result: Void,
		Func: func(c *Call, ptr, flags, _, _, _ uint64) (uint64, error) {
			return c.commitDynptr(ptr, flags, (*bpfmap.Local).Discard)
		}},
}

// commit ends a record.
func (c *Call) commit(record, flags uint64, end func(m *bpfmap.Local, off int, flags uint64)) (uint64, error) {
	m, off := c.MapAt(record)
	if m == nil {
		return 0, fmt.Errorf("%#x is no record of a ring buffer", record)
	}
	if _, ok := m.Reserved(off); !ok {
		return 0, fmt.Errorf("%#x is no record that ring buffer %q has reserved", record, m.Spec().Name)
	}
	end(m, off, flags)
	return 0, nil
}

func reserveDynptr(c *Call, m, size, flags, ptr, _ uint64) (uint64, error) {
	l := c.Map(m)
	if l == nil {
		return 0, ErrNoMap
	}
	d, err := c.dynptr(ptr, true)
	if err != nil {
		return 0, err
	}
	d.clear()
	switch {
	case flags != 0:
		return eINVAL.result()
	case uint32(size) > dynptrMax:
		return e2BIG.result()
	}
	off, ok := l.Reserve(uint64(uint32(size)))
	if !ok {
		return eINVAL.result()
	}
	addr, err := c.MapAddr(l, off)
	if err != nil {
		return 0, err
	}
	d.set(addr, dynptrRing, 0, uint32(size))
	return 0, nil
}

func (c *Call) commitDynptr(ptr, flags uint64, end func(m *bpfmap.Local, off int, flags uint64)) (uint64, error) {
	d, err := c.dynptr(ptr, true)
	if err != nil || d.data() == 0 {
		return 0, err
	}
	record := d.data()
	d.clear()
	return c.commit(record, flags, end)
}
