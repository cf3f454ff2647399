// Implements telling machine code where maps are, so that it looks them up itself.

package interp

import (
	"math"
	"unsafe"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// mapCalls returns what calls do with maps, and where maps are.
func (o *Options) mapCalls(p *ir.Program) (call func(ir.Index) jit.MapCall, where func(ir.Index) *jit.Map) {
	if o.World == nil || len(o.World.maps) == 0 || o.Helper == nil {
		return nil, nil
	}
	call = func(call ir.Index) jit.MapCall {
		switch h := o.Helper(int32(p.Ins[call].Imm)); {
		case h == nil:
		case h.Inline == helper.InlineLookup:
			return jit.MapLookup
		case h.Inline == helper.InlineUpdate:
			return jit.MapUpdate
		}
		return jit.NoMapCall
	}
	known := map[int]*jit.Map{}
	return call, func(load ir.Index) *jit.Map {
		n := int(p.Ins[load].Imm-mem.MapHandles)/handleStep - 1
		if p.Ins[load].Op != isa.LdMapFD || n < 0 || n >= len(o.World.maps) {
			return nil
		}
		m, ok := known[n]
		if !ok {
			m = o.nativeMap(n)
			known[n] = m
		}
		return m
	}
}

// nativeMap returns where a map is, or nil if code cannot look it up.
func (o *Options) nativeMap(n int) *jit.Map {
	m := o.World.maps[n]
	l := m.Layout()
	if read, _ := m.ProgAccess(); !read || o.World.addrs[n] == 0 || l.ValueStride > math.MaxInt32 {
		return nil
	}
	base := uint64(o.World.addrs[n])
	if o.Trusted {
		base = addrOf(unsafe.Pointer(&m.Memory()[0]))
	}
	host := addrOf(unsafe.Pointer(&m.Memory()[0]))
	if _, write := m.ProgAccess(); !write || len(m.Spec().Fields) > 0 || !amd64.CanCopy(l.ValueSize) || l.Kind == bpfmap.LayoutHash && !l.Replace {
		host = 0
	}
	switch {
	case l.Kind == bpfmap.LayoutArray && l.Entries <= math.MaxInt32:
		return &jit.Map{Array: &amd64.ArrayMap{Base: base, Host: host, Size: l.ValueSize, Count: l.Entries, Stride: uint32(l.ValueStride), PerCPU: uint64(l.CPUStride)}}
	case l.Kind == bpfmap.LayoutHash && amd64.CanHash(l.KeySize):
		return &jit.Map{Hash: &amd64.HashMap{Base: base, Host: host, Size: l.ValueSize, KeySize: l.KeySize, Stride: uint64(l.ValueStride), PerCPU: uint64(l.CPUStride),
			Seed: l.Seed, Multiplier: l.Multiplier, Mask: l.Mask, StripeMask: l.StripeMask,
			Buckets: addrOf(l.Buckets), Stripes: addrOf(l.Stripes) + uint64(l.StripeSeq), Elements: addrOf(l.Elements), Refs: addrOf(l.Refs),
			StripeStride: uint64(l.StripeStride), EntryStride: uint64(l.EntryStride),
			EntryNext: int32(l.EntryNext), EntryHash: int32(l.EntryHash), EntryKey: int32(l.EntryKey),
			Spare: int32(l.StripeSpare) - int32(l.StripeSeq)}}
	}
	return nil
}

func addrOf(p unsafe.Pointer) uint64 { return uint64(uintptr(p)) }
