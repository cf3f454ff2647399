// Implements the helpers for performance events: records for user space, counters, stack numbers.

package helper

import (
	"encoding/binary"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Flags of bpf_perf_event_output (BPF_F_INDEX_MASK, BPF_F_CTXLEN_MASK).
const (
	eventIndex   = 1<<32 - 1
	eventCurrent = 1<<32 - 1 // the element of the processor that the program runs on
	eventPacket  = (1<<20 - 1) << 32
)

var perfEvents = []Helper{
	{ID: 25, Name: "perf_event_output", GPL: true, Args: []Arg{Context, MapRef, Any, Mem, SizeOr0}, Maps: eventArray, Func: perfOutput},
	{ID: 22, Name: "perf_event_read", GPL: true, Args: []Arg{MapRef, Any}, Maps: eventArray, Func: func(c *Call, m, flags, _, _, _ uint64) (uint64, error) {
		v, e, err := c.counter(m, flags)
		switch {
		case err != nil:
			return 0, err
		case e != 0:
			return e.result()
		}
		return v.Value, nil
	}},
	{ID: 55, Name: "perf_event_read_value", GPL: true, Args: []Arg{MapRef, Any, MemOut, Size}, Maps: eventArray,
		Func: func(c *Call, m, flags, buf, size, _ uint64) (uint64, error) {
			b, err := c.Bytes(buf, int(uint32(size)), true)
			if err != nil {
				return 0, err
			}
			clear(b)
			if len(b) != counterSize {
				return eINVAL.result()
			}
			v, e, err := c.counter(m, flags)
			switch {
			case err != nil:
				return 0, err
			case e != 0:
				return e.result()
			}
			v.put(b)
			return 0, nil
		}},
	{ID: 56, Name: "perf_prog_read_value", GPL: true, Args: []Arg{Context, MemOut, Size}, Func: func(c *Call, _, buf, size, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(buf, int(uint32(size)), true)
		if err != nil {
			return 0, err
		}
		clear(b)
		if len(b) != counterSize {
			return eINVAL.result()
		}
		v, ok := c.readCounter(c.cpu())
		if !ok {
			return eINVAL.result()
		}
		v.put(b)
		return 0, nil
	}},
	{ID: 119, Name: "read_branch_records", GPL: true, Args: []Arg{Context, Mem | Writes | OrNull, SizeOr0, Any},
		Func: func(_ *Call, _, _, _, flags, _ uint64) (uint64, error) {
			if flags&^1 != 0 {
				return eINVAL.result()
			}
			return eNOENT.result() // the event records no branches
		}},
	{ID: 176, Name: "get_branch_snapshot", GPL: true, Args: []Arg{MemOut, SizeOr0}, Func: func(_ *Call, _, _, flags, _, _ uint64) (uint64, error) {
		if flags != 0 {
			return eINVAL.result()
		}
		return eNOENT.result()
	}},
}

// counterSize is the size of struct bpf_perf_event_value.
const counterSize = 24

func (v Counter) put(b []byte) {
	binary.LittleEndian.PutUint64(b, v.Value)
	binary.LittleEndian.PutUint64(b[8:], v.Enabled)
	binary.LittleEndian.PutUint64(b[16:], v.Running)
}

func (c *Call) readCounter(cpu uint32) (Counter, bool) {
	if c.Env == nil || c.Env.Counter == nil {
		return Counter{}, false
	}
	return c.Env.Counter(cpu)
}

// counter reads the counter that flags name.
func (c *Call) counter(m, flags uint64) (Counter, errno, error) {
	l := c.Map(m)
	if l == nil {
		return Counter{}, 0, ErrNoMap
	}
	index := flags & eventIndex
	if index == eventCurrent {
		index = uint64(c.cpu())
	}
	switch {
	case flags&^eventIndex != 0:
		return Counter{}, eINVAL, nil
	case index >= uint64(l.Spec().MaxEntries):
		return Counter{}, e2BIG, nil
	}
	v, ok := c.readCounter(uint32(index))
	if !ok {
		return Counter{}, eNOENT, nil
	}
	return v, 0, nil
}

// appendsPacket reports whether programs of a type may ask for the packet behind their record.
func appendsPacket(t spec.ProgramType) bool {
	switch t {
	case spec.SocketFilter, spec.SchedCLS, spec.SchedACT, spec.XDP, spec.CGroupSKB, spec.SkSKB, spec.LWTIn, spec.LWTOut, spec.LWTXmit, spec.LWTSeg6Local:
		return true
	}
	return false
}

func perfOutput(c *Call, _, m, flags, data, size uint64) (uint64, error) {
	l := c.Map(m)
	if l == nil {
		return 0, ErrNoMap
	}
	b, err := c.Bytes(data, int(min(size, 1<<31)), false)
	if err != nil {
		return 0, err
	}
	known, behind := uint64(eventIndex), []byte(nil)
	if appendsPacket(c.ProgramType()) {
		known |= eventPacket
		n, packet := flags&eventPacket>>32, c.packet()
		if flags&^known == 0 && n > uint64(len(packet)) {
			return eFAULT.result()
		}
		behind = packet[:min(n, uint64(len(packet)))]
	}
	if flags&^known != 0 {
		return eINVAL.result()
	}
	return c.event(l, flags&eventIndex, b, behind).result()
}

// event writes a record.
func (c *Call) event(m *bpfmap.Local, index uint64, parts ...[]byte) errno {
	if index == eventCurrent {
		index = uint64(c.cpu())
	}
	if index >= uint64(m.Spec().MaxEntries) {
		return e2BIG
	}
	return errno(m.PerfOutput(int(index), parts...))
}
