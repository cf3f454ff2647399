// Implements the helpers that work on the elements of maps, and tail calls.

package helper

import (
	"errors"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Types of maps that helpers take.
var (
	programArray = []spec.MapType{spec.ProgArray}
	cgroupArray  = []spec.MapType{spec.CGroupArray}
	eventArray   = []spec.MapType{spec.PerfEventArray}
	ringBuffer   = []spec.MapType{spec.RingBuf}
	queues       = []spec.MapType{spec.Queue, spec.Stack, spec.BloomFilter}
	popped       = []spec.MapType{spec.Queue, spec.Stack}
	perCPUMaps   = []spec.MapType{spec.PerCPUArray, spec.PerCPUHash, spec.LRUPerCPUHash}
	iterated     = []spec.MapType{spec.Array, spec.PerCPUArray, spec.Hash, spec.PerCPUHash, spec.LRUHash, spec.LRUPerCPUHash}
	changed      = []spec.MapType{spec.Hash, spec.Array, spec.PerCPUHash, spec.PerCPUArray, spec.LRUHash, spec.LRUPerCPUHash, spec.LPMTrie, spec.Sockmap, spec.Sockhash}
	lookedUp     = append(changed[:len(changed):len(changed)], spec.ArrayOfMaps, spec.HashOfMaps, spec.Devmap, spec.DevmapHash, spec.XSKMap)
)

var mapElements = []Helper{
	{ID: 1, Name: "map_lookup_elem", PacketMemory: true, Args: []Arg{MapRef, MapKey}, Maps: lookedUp, Result: ResultMapValue | MayBeNull, Inline: InlineLookup, Func: mapLookup},
	{ID: 2, Name: "map_update_elem", PacketMemory: true, Args: []Arg{MapRef, MapKey, MapValue, Any}, Maps: changed, ChangesMap: true, Inline: InlineUpdate, Func: mapUpdate},
	{ID: 3, Name: "map_delete_elem", PacketMemory: true, Args: []Arg{MapRef, MapKey}, Maps: changed, ChangesMap: true, Inline: InlineDelete, Func: mapDelete},
	{ID: 12, Name: "tail_call", Args: []Arg{Context, MapRef, Any}, Maps: programArray, Result: Void, TailCall: true, Func: tailCall},
}

// mapKey returns a map and the key at an address.
func mapKey(c *Call, handle, key uint64) (*bpfmap.Local, []byte, error) {
	m := c.Map(handle)
	if m == nil {
		return nil, nil, ErrNoMap
	}
	k, err := c.Bytes(key, int(m.KeySize()), false)
	return m, k, err
}

// failed returns an error number as programs see it, 0 for none.
func failed(e bpfmap.Errno) uint64 { return uint64(-int64(e)) }

func mapLookup(c *Call, r1, r2, _, _, _ uint64) (uint64, error) {
	m, key, err := mapKey(c, r1, r2)
	if err != nil {
		return 0, err
	}
	switch m.Type() {
	case spec.ArrayOfMaps, spec.HashOfMaps:
		inner, ok := m.Inner(key)
		if !ok {
			return 0, nil
		}
		return c.MapHandle(inner)
	}
	off, ok := m.LookupOffset(key, c.CPU())
	if !ok {
		return 0, nil
	}
	return c.MapAddr(m, off)
}

func mapUpdate(c *Call, r1, r2, r3, flags, _ uint64) (uint64, error) {
	m, key, err := mapKey(c, r1, r2)
	if err != nil {
		return 0, err
	}
	value, err := c.Bytes(r3, int(m.ValueSize()), false)
	if err != nil {
		return 0, err
	}
	if len(m.Spec().Fields) > 0 {
		c.dropFields(m, key)
	}
	return failed(m.UpdateElem(key, value, flags, c.CPU())), nil
}

func mapDelete(c *Call, r1, r2, _, _, _ uint64) (uint64, error) {
	m, key, err := mapKey(c, r1, r2)
	if err != nil {
		return 0, err
	}
	if len(m.Spec().Fields) > 0 && m.Type() != spec.Array {
		c.dropFields(m, key)
	}
	return failed(m.DeleteElem(key)), nil
}

// tailCall fails, and the program goes on, if there is no program at the index or after too many calls.
func tailCall(c *Call, _, r2, index, _, _ uint64) (uint64, error) {
	m := c.Map(r2)
	if m == nil {
		return 0, ErrNoMap
	}
	p, ok := m.Program(uint32(index))
	if !ok {
		return failed(bpfmap.ENOENT), nil
	}
	err := c.TailCall(p)
	if errors.Is(err, ErrTailCall) {
		return 0, err
	}
	return failed(bpfmap.EINVAL), nil
}
