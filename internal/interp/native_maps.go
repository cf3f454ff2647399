// Implements telling machine code where maps are, so that it looks them up itself.

package interp

import (
	"math"
	"unsafe"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// lookups returns which calls are look-ups in maps, and where maps are.
func (o *Options) lookups(p *ir.Program) (lookup func(ir.Index) bool, where func(ir.Index) *amd64.ArrayMap) {
	if o.World == nil || len(o.World.maps) == 0 || o.Helper == nil {
		return nil, nil
	}
	lookup = func(call ir.Index) bool {
		h := o.Helper(int32(p.Ins[call].Imm))
		return h != nil && h.Inline == helper.InlineLookup
	}
	return lookup, func(load ir.Index) *amd64.ArrayMap {
		n := (p.Ins[load].Imm - mem.MapHandles) / handleStep
		if p.Ins[load].Op != isa.LdMapFD || n == 0 || n > uint64(len(o.World.maps)) {
			return nil
		}
		return o.array(int(n) - 1)
	}
}

// array returns where the values of an array map are, or nil if a map is no such map.
func (o *Options) array(n int) *amd64.ArrayMap {
	m := o.World.maps[n]
	l := m.Layout()
	if l.Kind != bpfmap.LayoutArray || l.Entries > math.MaxInt32 {
		return nil
	}
	if read, _ := m.ProgAccess(); !read || o.World.addrs[n] == 0 {
		return nil
	}
	out := &amd64.ArrayMap{Base: uint64(o.World.addrs[n]), Count: l.Entries, Stride: uint32(l.ValueStride), PerCPU: uint64(l.CPUStride)}
	if o.Trusted {
		out.Base = uint64(uintptr(unsafe.Pointer(&m.Memory()[0])))
	}
	return out
}
