// Implements the table of calls: the way into programs and the way out to helpers.

package main

import (
	"context"
	"fmt"
	"math"
	"os"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bench/cpeer"
	"github.com/skepbpf/skep/helper"
)

// call is a row of the table: something that calls.
type call struct {
	name   string
	load   func() (*callers, error)
	anchor int // the row it is compared with, beside the first
}

// callers makes n calls, or n loops of callsInLoop calls with a loop without any to take off.
type callers struct {
	run  func(n int)
	loop func(n int)
}

// callsInLoop is how many calls a program makes in a run.
const callsInLoop = 1000

// The rows that others are compared with: the first, and wazero's.
const (
	rowGo     = 0
	rowWazero = 4
	rowHost   = 9
)

var callRows = []call{
	rowGo: {"Go function, not inlined", goFunction, rowWazero},
	1:     {"Go closure", goClosure, rowWazero},
	2:     {"cgo, empty C function", cgoEmpty, rowWazero},
	3:     {"wazero, Call", wazeroCall, rowWazero},

	rowWazero: {"wazero, CallWithStack", wazeroCallWithStack, rowWazero},

	5: {"Skep JIT, Instance.Run", heldInstance(skep.EngineJIT), rowWazero},
	6: {"Skep JIT, Program.Run", pooledInstance(skep.EngineJIT), rowWazero},
	7: {"Skep interpreter, Instance.Run", heldInstance(skep.EngineInterp), rowWazero},
	8: {"Skep interpreter, Program.Run", pooledInstance(skep.EngineInterp), rowWazero},
	// A batch by Instance.RunBatch, nanoseconds a packet of an empty program, is one more row here.

	rowHost: {"wazero, guest to Go and back", wazeroHost, rowHost},

	10: {"Skep JIT, Go helper", goHelper(skep.EngineJIT), rowHost},
	11: {"Skep interpreter, Go helper", goHelper(skep.EngineInterp), rowHost},
	// A native helper is one more row here.
}

func calls(rounds int, sel *selection) error {
	laps := make([]lap, 2*len(callRows)) // the calls, and the loops to take off
	var missing []string
	wanted := map[int]bool{}
	for i, row := range callRows {
		wanted[i] = sel.wants("calls", row.name)
	}
	for i, row := range callRows {
		needed := wanted[i]
		for k, other := range callRows {
			needed = needed || wanted[k] && (i == rowGo || i == other.anchor)
		}
		if !needed {
			continue
		}
		c, err := row.load()
		if err != nil {
			missing = append(missing, fmt.Sprintf("missing: %s: %v", row.name, err))
			continue
		}
		laps[i] = batches(c.run)
		if c.loop != nil {
			laps[len(callRows)+i] = batches(c.loop)
		}
	}
	if laps[rowGo] == nil {
		return nil
	}
	least, noise, err := race(rounds, laps)
	if err != nil {
		return err
	}
	for i := range callRows {
		if loop := least[len(callRows)+i]; !math.IsNaN(loop) {
			least[i] = (least[i] - loop) / callsInLoop
			noise[i] = max(noise[i], noise[len(callRows)+i])
		}
	}
	t := newTable(fmt.Sprintf("calls: nanoseconds a call. Calls out of a program are those of a loop of %d, less a loop without them.", callsInLoop),
		"call", []column{{"ns", "%.2f", false}, {"/ Go function", "%.2f", false}, {"/ wazero", "%.2f", false}}, nil)
	for i, row := range callRows {
		if laps[i] != nil {
			t.row(row.name, []float64{least[i], least[i] / least[rowGo], least[i] / least[row.anchor]}, noise[i])
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, m := range missing {
		fmt.Println(m)
	}
	return nil
}

// sum is what the loops compute: the numbers from 1 to callsInLoop, each handed through by a helper.
const sum = callsInLoop * (callsInLoop + 1) / 2

// sink keeps results alive.
var sink uint64

//go:noinline
func handThrough(v uint64) uint64 { return v }

func goFunction() (*callers, error) {
	return &callers{run: func(n int) {
		v := sink
		for range n {
			v = handThrough(v)
		}
		sink = v
	}}, nil
}

// closure is a variable of the package so that the compiler does not know what it calls.
var closure func(uint64) uint64

func goClosure() (*callers, error) {
	one := sink | 1
	closure = func(v uint64) uint64 { return v + one }
	return &callers{run: func(n int) {
		v := sink
		for range n {
			v = closure(v)
		}
		sink = v
	}}, nil
}

func cgoEmpty() (*callers, error) {
	run, err := cpeer.Empty()
	return &callers{run: run}, err
}

func readWazeroCalls() (*wazeroCalls, error) {
	wasm, err := os.ReadFile("programs/harness/calls.wasm")
	if err != nil {
		return nil, err
	}
	return loadWazeroCalls(context.Background(), wasm)
}

func wazeroCall() (*callers, error) {
	c, err := readWazeroCalls()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if _, err := c.empty.Call(ctx); err != nil {
		return nil, err
	}
	return &callers{run: func(n int) {
		for range n {
			c.empty.Call(ctx)
		}
	}}, nil
}

func wazeroCallWithStack() (*callers, error) {
	c, err := readWazeroCalls()
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	if err := c.empty.CallWithStack(ctx, nil); err != nil {
		return nil, err
	}
	return &callers{run: func(n int) {
		for range n {
			c.empty.CallWithStack(ctx, nil)
		}
	}}, nil
}

func wazeroHost() (*callers, error) {
	c, err := readWazeroCalls()
	if err != nil {
		return nil, err
	}
	ctx, stack := context.Background(), make([]uint64, 1)
	repeat := func(f func(context.Context, []uint64) error) func(n int) {
		return func(n int) {
			for range n {
				stack[0] = callsInLoop
				f(ctx, stack)
			}
		}
	}
	run, loop := repeat(c.calls.CallWithStack), repeat(c.loop.CallWithStack)
	for _, f := range []func(int){run, loop} {
		if f(1); stack[0] != sum {
			return nil, fmt.Errorf("the loop gives %d, not %d", stack[0], sum)
		}
	}
	return &callers{run, loop}, nil
}

// load assembles a function and loads it, with a helper that returns its argument.
func load(e skep.Engine, text string) (*skep.Program, error) {
	p, err := asm.Assemble("calls", text, nil)
	if err != nil {
		return nil, err
	}
	return skep.Load(p, &skep.Options{Engine: e, Helpers: []helper.Helper{{
		ID: 1000, Name: "hand_through", Args: []helper.Arg{helper.Any},
		Func: func(_ *helper.Call, v, _, _, _, _ uint64) (uint64, error) { return v, nil },
	}}})
}

const nothing = "r0 = 0\nexit\n"

func heldInstance(e skep.Engine) func() (*callers, error) {
	return func() (*callers, error) {
		prog, err := load(e, nothing)
		if err != nil {
			return nil, err
		}
		inst := prog.NewInstance()
		if r0, err := inst.Run(nil); err != nil || r0 != 0 {
			return nil, fmt.Errorf("the empty program gives %d, %v", r0, err)
		}
		return &callers{run: func(n int) {
			for range n {
				inst.Run(nil)
			}
		}}, nil
	}
}

func pooledInstance(e skep.Engine) func() (*callers, error) {
	return func() (*callers, error) {
		prog, err := load(e, nothing)
		if err != nil {
			return nil, err
		}
		if r0, err := prog.Run(nil); err != nil || r0 != 0 {
			return nil, fmt.Errorf("the empty program gives %d, %v", r0, err)
		}
		return &callers{run: func(n int) {
			for range n {
				prog.Run(nil)
			}
		}}, nil
	}
}

func goHelper(e skep.Engine) func() (*callers, error) {
	return func() (*callers, error) {
		var runs [2]func(n int)
		for i, body := range []string{"call 1000", "r0 = r1"} {
			prog, err := load(e, fmt.Sprintf(`
				r6 = %d
				r7 = 0
			again:
				r1 = r6
				%s
				r7 += r0
				r6 -= 1
				if r6 != 0 goto again
				r0 = r7
				exit
			`, callsInLoop, body))
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
		return &callers{runs[0], runs[1]}, nil
	}
}
