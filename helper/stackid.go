// Implements the helper that stores stack traces in a map.

package helper

import "github.com/skepbpf/skep/spec"

var stackIDs = []Helper{
	{ID: 27, Name: "get_stackid", GPL: true, Args: []Arg{Context, MapRef, Any}, Maps: []spec.MapType{spec.StackTrace}, Func: func(c *Call, _, m, flags, _, _ uint64) (uint64, error) {
		l := c.Map(m)
		if l == nil {
			return 0, ErrNoMap
		}
		trace := c.task().KernelStack
		if flags&stackUser != 0 {
			trace = c.task().UserStack
		}
		return uint64(l.StackID(trace, flags)), nil
	}},
}
