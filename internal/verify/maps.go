// Implements what is known of maps ahead of the walk: which instruction refers to which, what is constant, and
// whether the verifier knows them at all.

package verify

import (
	"encoding/binary"
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// The flags of maps that matter here (BPF_F_RDONLY_PROG, BPF_F_WRONLY_PROG).
const (
	mapReadOnlyProg  = 1 << 7
	mapWriteOnlyProg = 1 << 8
)

// known checks, ahead of any judgement, that the verifier knows what the program uses, and finds its maps.
func (v *verifier) known() error {
	v.mapAt = fresh(&v.pool.mapAt, len(v.p.Ins))
	v.mapRef = fresh(&v.pool.mapRef, len(v.p.Ins))
	for i := range v.mapAt {
		v.mapAt[i] = -1
	}
	for i := range v.opts.Maps {
		v.maps = append(v.maps, &v.opts.Maps[i])
	}
	for k, ref := range v.p.Source.Maps {
		at, ok := slices.BinarySearch(v.p.Slots, ir.Slot(ref.Insn))
		n := slices.IndexFunc(v.opts.Maps, func(m spec.Map) bool { return m.Name == ref.Map })
		if !ok || n < 0 || v.rows[at].Kind != isa.KindLoadImm {
			return &Unsupported{Slot: ir.Slot(ref.Insn), Text: v.sprintf("it refers to map %q, which there is not", ref.Map)}
		}
		v.mapAt[at], v.mapRef[at] = int32(n), int32(k)
		if err := v.directValue(ir.Index(at), &ref, v.maps[n]); err != nil {
			return err
		}
		if err := v.mapForType(ir.Index(at), v.maps[n]); err != nil {
			return err
		}
	}
	if err := v.findExterns(); err != nil {
		return err
	}
	if err := v.findTarget(); err != nil {
		return err
	}
	if !v.plain() && v.opts.Type.Layout() == nil {
		return &Unsupported{Slot: -1, Text: v.sprintf("programs of type %s are not known to the verifier", v.opts.Type.Type)}
	}
	if err := v.knownInstructions(); err != nil {
		return err
	}
	if !v.plain() {
		if err := v.findGlobals(); err != nil {
			return err
		}
	}
	if at := v.attach(); !v.opts.Type.Attach.Has(at) {
		return v.failAt(0, BadAttach, "programs of type %s are not made for attach type %d", v.opts.Type.Type, at)
	}
	return nil
}

// directValue checks the address of a map's value that an instruction loads.
func (v *verifier) directValue(at ir.Index, ref *spec.MapRef, m *spec.Map) error {
	if !ref.Value {
		return nil
	}
	if m.Type != spec.Array && m.Type != spec.Arena || m.Type == spec.Array && m.MaxEntries != 1 {
		return v.failAt(at, BadMap, "the address of a value of map %q, a %s with %d entries: only arrays of one entry have one", m.Name, m.Type, m.MaxEntries)
	}
	if m.Type == spec.Array && ref.Offset >= m.ValueSize {
		return v.failAt(at, BadMapValue, "offset %d of the value of map %q, which has %d bytes", ref.Offset, m.Name, m.ValueSize)
	}
	return nil
}

// tracers are the program types that run wherever the kernel is.
var tracers = []spec.ProgramType{spec.Kprobe, spec.Tracepoint, spec.PerfEvent, spec.RawTracepoint, spec.RawTracepointWritable}

// notTraced are the fields of values that such programs may not have, besides locks.
var notTraced = []spec.FieldKind{spec.Timer, spec.WorkQueue, spec.ListHead, spec.RBRoot}

// sleepersMaps are the maps that programs may use that may sleep.
var sleepersMaps = []spec.MapType{spec.Hash, spec.LRUHash, spec.Array, spec.PerCPUHash, spec.PerCPUArray, spec.LRUPerCPUHash, spec.ArrayOfMaps,
	spec.HashOfMaps, spec.RingBuf, spec.UserRingBuf, spec.InodeStorage, spec.SkStorage, spec.TaskStorage, spec.CgrpStorage, spec.Queue, spec.Stack, spec.Arena}

// mapForType checks that programs of the type may use a map at all.
func (v *verifier) mapForType(at ir.Index, m *spec.Map) error {
	t := v.opts.Type.Type
	traces := slices.Contains(tracers, t)
	for _, f := range m.Fields {
		lock := f.Kind == spec.SpinLock || f.Kind == spec.ResSpinLock
		if lock && t == spec.SocketFilter || traces && (lock || slices.Contains(notTraced, f.Kind)) {
			return v.failAt(at, BadMap, "map %q, whose values have a %s, in a program of type %s, which may not use one", m.Name, f.Kind, t)
		}
	}
	if sleeps := v.p.Source.Flags&spec.Sleepable != 0 || t == spec.Syscall; sleeps && !slices.Contains(sleepersMaps, m.Type) {
		return v.failAt(at, BadMap, "map %q, a %s, in a program that may sleep, which may not use one", m.Name, m.Type)
	}
	return nil
}

// knownInstructions checks that the helpers and wide loads are known.
func (v *verifier) knownInstructions() error {
	for i := range v.p.Ins {
		at := ir.Index(i)
		row := v.rows[i]
		unknown := func(format string, args ...any) error {
			return &Unsupported{Slot: v.p.Slots[at], Text: v.sprintf(format, args...)}
		}
		switch row.Op {
		case isa.Call, isa.CallKfunc:
			if h := v.helper(at); (row.Op == isa.CallKfunc || h != nil && h.Kfunc) && !gplCompatible(v.p.Source.License) && !v.plain() {
				return v.failAt(at, BadHelper, "kernel functions may be called only by programs whose license is compatible with the GPL, and this one's is %q", v.p.Source.License)
			}
		case isa.LdMapFD, isa.LdMapValue, isa.LdMapIdx, isa.LdMapIdxValue:
			if v.mapAt[i] < 0 {
				return unknown("it refers to a map by a number, and nothing says which map that is")
			}
		case isa.LdVarAddr, isa.CallReg, isa.AddrSpaceCast:
			if v.externAt[at] != nil {
				continue
			}
			return unknown("%s is not known to the verifier", row.Op)
		}
	}
	for _, ref := range v.p.Source.Maps {
		n := slices.IndexFunc(v.opts.Maps, func(m spec.Map) bool { return m.Name == ref.Map })
		if v.sleepable() && !sleepableMap(v.maps[n].Type) {
			at, _ := slices.BinarySearch(v.p.Slots, ir.Slot(ref.Insn))
			return v.failAt(ir.Index(at), BadMap, "map %q is a %s, which programs that may sleep cannot use", ref.Map, v.maps[n].Type)
		}
		if !knownMap(v.maps[n].Type) {
			return &Unsupported{Slot: ir.Slot(ref.Insn), Text: v.sprintf("map %q is a %s, which the verifier does not know", ref.Map, v.maps[n].Type)}
		}
	}
	return nil
}

// sleepableMap reports whether programs that may sleep can use maps of a type.
func sleepableMap(t spec.MapType) bool {
	switch t {
	case spec.Hash, spec.LRUHash, spec.Array, spec.PerCPUHash, spec.PerCPUArray, spec.LRUPerCPUHash, spec.ArrayOfMaps, spec.HashOfMaps,
		spec.RingBuf, spec.UserRingBuf, spec.InodeStorage, spec.SkStorage, spec.TaskStorage, spec.CgrpStorage, spec.Queue, spec.Stack, spec.Arena:
		return true
	}
	return false
}

func knownMap(t spec.MapType) bool {
	switch t {
	case spec.StructOpsMap, spec.Arena, spec.UnspecMap:
		return false
	}
	return t <= spec.Arena
}

// innerMap returns the number of the map in a map of maps.
func (v *verifier) innerMap(m int32) int32 {
	inner := v.maps[m].Inner
	if n := slices.Index(v.maps, inner); n >= 0 {
		return int32(n)
	}
	v.maps = append(v.maps, inner)
	return int32(len(v.maps) - 1)
}

// readOnlyMap reports whether programs may not change the values of a map. The kernel makes those of devices so.
func readOnlyMap(m *spec.Map) bool {
	return m.Flags&mapReadOnlyProg != 0 || m.Type == spec.Devmap || m.Type == spec.DevmapHash
}

// sockChangers are the program types that may change maps of sockets by the helpers for all maps.
var sockChangers = []spec.ProgramType{spec.SocketFilter, spec.SchedCLS, spec.SchedACT, spec.XDP, spec.SkReuseport, spec.FlowDissector, spec.SkLookup}

// changesSockets reports whether the program may change a map of sockets by a helper for all maps.
func (v *verifier) changesSockets(h *helper.Helper) bool {
	t := v.opts.Type.Type
	return slices.Contains(sockChangers, t) || t == spec.SockOps && len(h.Args) == 2 || t == spec.Tracing && v.attach() == spec.AttachTraceIter
}

// isConstant reports whether nothing changes a map's contents any more.
func isConstant(m *spec.Map) bool {
	return m.Type == spec.Array && m.Flags&mapReadOnlyProg != 0 && m.Frozen
}

// firstValue returns the value of an array's first element.
func firstValue(m *spec.Map) []byte {
	for _, e := range m.Contents {
		if len(e.Key) == 4 && binary.LittleEndian.Uint32(e.Key) == 0 {
			return e.Value
		}
	}
	return nil
}

// constantOf returns the number of size bytes at an offset of a map that does not change.
func constantOf(m *spec.Map, off int64, size int, signed bool) (uint64, bool) {
	if !isConstant(m) || m.MaxEntries != 1 || off < 0 || off+int64(size) > int64(m.ValueSize) {
		return 0, false
	}
	var b [8]byte
	if value := firstValue(m); off < int64(len(value)) {
		copy(b[:size], value[off:])
	}
	n := binary.LittleEndian.Uint64(b[:])
	if signed && size < 8 {
		shift := 64 - 8*size
		n = uint64(int64(n<<shift) >> shift)
	}
	return n, true
}
