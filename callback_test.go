package skep_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// loop is bpf_loop in its simplest form: it calls a function with a number and a pointer.
var loop = helper.Helper{ID: 1100, Name: "repeat", Args: []helper.Arg{helper.Any, helper.Function, helper.StackMem | helper.OrNull},
	Callback: &helper.Callback{Args: [5]helper.CallbackArg{helper.CallbackScalar, helper.CallbackPointer}, Max: 1},
	Func: func(c *helper.Call, n, f, ctx, _, _ uint64) (uint64, error) {
		for i := range n {
			r, err := c.CallFunction(f, i, ctx, 0, 0, 0)
			if err != nil || r != 0 {
				return i, err
			}
		}
		return n, nil
	}}

// callbackEngines are the ways in which programs with callbacks run.
var callbackEngines = map[string]skep.Options{
	"interp":  {Engine: skep.EngineInterp},
	"jit":     {Engine: skep.EngineJIT},
	"trusted": {UnsafeTrust: true},
}

// TestCallbacks has helpers call functions, which call helpers and functions, and looks at registers, stack, counts
// and faults.
func TestCallbacks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       uint64
		insns      uint64
		fault      string
	}{
		{name: "sum", text: `
			r6 = 5
			r7 = 6
			*(u64 *)(r10 - 8) = 0
			r1 = 10
			r2 = func[sum]
			r3 = r10
			r3 += -8
			call repeat
			r1 = *(u64 *)(r10 - 8)
			r0 += r1
			r0 *= r6
			r0 += r7
			exit
		sum:
			r6 = r1
			r7 = 99
			r1 = *(u64 *)(r2 + 0)
			r1 += r6
			*(u64 *)(r2 + 0) = r1
			r0 = 0
			exit`, want: (10+45)*5 + 6, insns: 13 + 7*10},
		{name: "stops", text: `
			r1 = 10
			r2 = func[f]
			r3 = 0
			call repeat
			exit
		f:
			r0 = 0
			if r1 != 7 goto +1
			r0 = 1
			exit`, want: 7, insns: 5 + 7*3 + 4},
		{name: "nested", text: `
			*(u64 *)(r10 - 8) = 0
			r1 = 3
			r2 = func[outer]
			r3 = r10
			r3 += -8
			call repeat
			r0 = *(u64 *)(r10 - 8)
			exit
		outer:
			r3 = r2
			r1 = 4
			r2 = func[inner]
			call repeat
			r0 = 0
			exit
		inner:
			r1 = r2
			call add
			r0 = 0
			exit
		add:
			r2 = *(u64 *)(r1 + 0)
			r2 += 1
			*(u64 *)(r1 + 0) = r2
			r0 = 0
			exit`, want: 12},
		{name: "from a function", text: `
			r6 = 1
			call f
			r0 += r6
			exit
		f:
			r6 = 40
			r1 = 5
			r2 = func[g]
			r3 = 0
			call repeat
			r0 += r6
			exit
		g:
			r6 = 7
			r0 = 0
			exit`, want: 46},
		{name: "fault", text: `
			r1 = 10
			r2 = func[f]
			r3 = 0
			call repeat
			r0 = 0
			exit
		f:
			r0 = 0
			r2 = *(u64 *)(r0 + 16)
			exit`, fault: "instruction 8 (fault:10): read of 8 bytes at 0x10: a null pointer or a small number, no memory"},
		{name: "not a function", text: `
			r1 = 10
			r2 = 0x5000000
			r3 = 0
			call repeat
			exit`, fault: "is no function of the program"},
	} {
		p, err := asm.Assemble(c.name, c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.Type = spec.SocketFilter
		for engine, opts := range callbackEngines {
			if c.fault != "" && engine == "trusted" {
				continue
			}
			t.Run(c.name+"/"+engine, func(t *testing.T) {
				// Programs that were proved safe are not metered.
				opts.Helpers, opts.Unverified = []helper.Helper{loop}, c.fault != "" || c.insns != 0
				prog, err := skep.Load(p, &opts)
				if errors.Is(err, skep.ErrNotSupported) && engine == "jit" {
					t.Skip(err)
				}
				if err != nil {
					t.Fatal(err)
				}
				inst := prog.NewInstance()
				for range 3 {
					r0, err := inst.Run(make([]byte, 64))
					if c.fault != "" {
						if err == nil || !strings.Contains(err.Error(), c.fault) {
							t.Fatalf("%v, want %q", err, c.fault)
						}
						continue
					}
					if err != nil || r0 != c.want {
						t.Fatalf("got %d, %v, want %d", r0, err, c.want)
					}
					if c.insns != 0 && engine != "trusted" && inst.Insns() != c.insns {
						t.Errorf("%d instructions, want %d", inst.Insns(), c.insns)
					}
				}
			})
		}
	}
}

// TestCallbackLimit checks that what callbacks execute counts.
func TestCallbackLimit(t *testing.T) {
	p, err := asm.Assemble("limit", `
		r1 = 0x7fffffff
		r2 = func[f]
		r3 = 0
		call repeat
		r0 = 0
		exit
	f:
		r0 = 0
		exit`, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Type = spec.SocketFilter
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		prog, err := skep.Load(p, &skep.Options{Engine: engine, Unverified: true, Helpers: []helper.Helper{loop}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Limit: 1_000_000})
		if !errors.Is(err, skep.ErrLimit) || r.Insns < 999_000 || r.Insns > 1_000_000 {
			t.Errorf("%v: %d instructions, %v", engine, r.Insns, err)
		}
	}
}
