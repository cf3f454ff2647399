// Implements the rows of calls that go from a program to a helper.

package main

import (
	"fmt"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bench/native"
	"github.com/skepbpf/skep/helper"
)

// The helpers return their first argument less the second.

func goHelper() (helper.Helper, error) {
	return helper.Helper{ID: 1000, Name: "sub", Args: make([]helper.Arg, 2),
		Func: func(_ *helper.Call, a, b, _, _, _ uint64) (uint64, error) { return a - b, nil }}, nil
}

func nativeHelper() (h helper.Helper, err error) {
	if h, err = goHelper(); err == nil {
		h.Native, err = native.Sub()
	}
	return h, err
}

func programHelper() (helper.Helper, error) {
	p, err := asm.Assemble("sub", "r0 = r1\nr0 -= r2\nexit\n", nil)
	return helper.Helper{ID: 1000, Name: "sub", Args: make([]helper.Arg, 2), Program: p}, err
}

// helperCalls calls a helper in a loop; the other loop copies a register instead.
func helperCalls(opts *skep.Options, h func() (helper.Helper, error)) func() (*callers, error) {
	return func() (*callers, error) {
		sub, err := h()
		if err != nil {
			return nil, err
		}
		o := *opts
		o.Helpers = []helper.Helper{sub}
		var runs [2]func(n int)
		for i, body := range []string{"call 1000", "r0 = r1"} {
			p, err := asm.Assemble("calls", fmt.Sprintf(`
				r6 = %d
				r7 = 0
			again:
				r1 = r6
				r2 = 0
				%s
				r7 += r0
				r6 -= 1
				if r6 != 0 goto again
				r0 = r7
				exit
			`, callsInLoop, body), nil)
			if err != nil {
				return nil, err
			}
			prog, err := load(p, &o)
			if err != nil {
				return nil, err
			}
			inst := prog.NewInstance()
			if r0, err := inst.Run(nil); err != nil || r0 != sum {
				return nil, fmt.Errorf("the loop gives %d, not %d (%v)", r0, sum, err)
			}
			runs[i] = func(n int) {
				for range n {
					inst.Run(nil)
				}
			}
		}
		return &callers{runs[0], callsInLoop, runs[1]}, nil
	}
}
