// Implements the kernel functions for arenas: pages that programs allocate and give back.

package helper

import "github.com/skepbpf/skep/spec"

var arenaMap = []spec.MapType{spec.Arena}

var arenaKfuncs = []Helper{
	{Name: "bpf_arena_alloc_pages", Kfunc: true, Args: []Arg{MapRef, Any | Ignored, Any, Any, Any}, Maps: arenaMap,
		Func: func(c *Call, m, ptr, n, _, flags uint64) (uint64, error) {
			l := c.Map(m)
			if l == nil {
				return 0, ErrNoMap
			}
			if a := l.Arena(); a != nil && flags == 0 {
				return a.Alloc(ptr, uint32(n)), nil
			}
			return 0, nil
		}},
	{Name: "bpf_arena_free_pages", Kfunc: true, Args: []Arg{MapRef, Any | Ignored, Any}, Maps: arenaMap, Result: Void,
		Func: func(c *Call, m, ptr, n, _, _ uint64) (uint64, error) {
			l := c.Map(m)
			if l == nil {
				return 0, ErrNoMap
			}
			if a := l.Arena(); a != nil {
				a.Free(ptr, uint32(n))
			}
			return 0, nil
		}},
	{Name: "bpf_arena_reserve_pages", Kfunc: true, Args: []Arg{MapRef, Any | Ignored, Any}, Maps: arenaMap,
		Func: func(c *Call, m, ptr, n, _, _ uint64) (uint64, error) {
			l := c.Map(m)
			if l == nil {
				return 0, ErrNoMap
			}
			if a := l.Arena(); a != nil {
				return uint64(uint32(-int32(a.Reserve(ptr, uint32(n))))), nil
			}
			return eINVAL.result32()
		}},
}
