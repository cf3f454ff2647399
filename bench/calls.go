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
)

// call is a row of the table: something that calls.
type call struct {
	name string
	load func() (*callers, error)
	peer int // the row it is compared with, beside the first
}

// callers makes calls: run n times as many as it says, and loop as many less, to take off.
type callers struct {
	run   func(n int)
	calls int         // that one run makes
	loop  func(n int) // the same without the calls; nil: nothing is taken off
}

// callsInLoop is how many calls a program makes in a run.
const callsInLoop = 1000

// The rows that others are compared with.
const (
	rowGo     = 0
	rowWazero = 4
	rowHost   = 9
	rowXNet   = 18
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

	rowHost: {"wazero, guest to Go and back", wazeroHost, rowHost},

	10: {"Skep interpreter, Go helper", helperCalls(&skep.Options{Engine: skep.EngineInterp}, goHelper), rowHost},
	11: {"Skep JIT, Go helper", helperCalls(checked, goHelper), rowHost},
	12: {"Skep trusted, Go helper", helperCalls(trusted, goHelper), rowHost},
	13: {"Skep JIT, native helper", helperCalls(checked, nativeHelper), rowHost},
	14: {"Skep trusted, native helper", helperCalls(trusted, nativeHelper), rowHost},
	15: {"Skep JIT, BPF function as helper", helperCalls(checked, programHelper), rowHost},
	16: {"Skep trusted, BPF function as helper", helperCalls(trusted, programHelper), rowHost},

	17: {"filter: by hand in Go", filterByHand, rowXNet},

	rowXNet: {"filter: x/net/bpf, VM.Run", filterXNet, rowXNet},

	19: {"filter: Skep, Filter.Match (pooled)", filterMatch, rowXNet},
	20: {"filter: Skep, Instance.Run (held)", filterInstance, rowXNet},
	21: {"filter: Skep, Instance.RunBatch, a packet", filterBatch, rowXNet},
	22: {"filter: Skep, Filter.Matches, as gopacket's", filterMatches, rowXNet},
	23: {"filter: libpcap by cgo, as gopacket's BPF.Matches", filterCgo, rowXNet},
}

var (
	checked = &skep.Options{Engine: skep.EngineJIT}
	trusted = &skep.Options{Engine: skep.EngineJIT, UnsafeTrust: true}
)

func calls(rounds int, sel *selection) error {
	laps := make([]lap, 2*len(callRows)) // the calls, and the loops to take off
	perRun := make([]float64, len(callRows))
	var missing []string
	wanted := map[int]bool{}
	for i, row := range callRows {
		wanted[i] = sel.wants("calls", row.name)
	}
	for i, row := range callRows {
		needed := wanted[i]
		for k, other := range callRows {
			needed = needed || wanted[k] && (i == rowGo || i == other.peer)
		}
		if !needed {
			continue
		}
		c, err := row.load()
		if err != nil {
			missing = append(missing, fmt.Sprintf("missing: %s: %v", row.name, err))
			continue
		}
		laps[i], perRun[i] = batches(c.run), float64(c.calls)
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
			least[i] -= loop
			noise[i] = max(noise[i], noise[len(callRows)+i])
		}
		least[i] /= perRun[i]
	}
	t := newTable(fmt.Sprintf("calls: nanoseconds a call. Calls out of a program are those of a loop of %d, less a loop without them; native is\n"+
		"two instructions of assembly. The filter asks for IPv4 (3 classic instructions); a batch has %d packets. The peer\n"+
		"is wazero's CallWithStack, its call of a Go function, or the VM of x/net/bpf.", callsInLoop, batchPackets),
		"call", []column{{"ns", "%.2f", false}, {"/ Go function", "%.2f", false}, {"/ peer", "%.2f", false}}, nil)
	for i, row := range callRows {
		if laps[i] != nil {
			t.row(row.name, []float64{least[i], least[i] / least[rowGo], least[i] / least[row.peer]}, noise[i])
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
	return &callers{calls: 1, run: func(n int) {
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
	return &callers{calls: 1, run: func(n int) {
		v := sink
		for range n {
			v = closure(v)
		}
		sink = v
	}}, nil
}

func cgoEmpty() (*callers, error) {
	run, err := cpeer.Empty()
	return &callers{run: run, calls: 1}, err
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
	return &callers{calls: 1, run: func(n int) {
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
	return &callers{calls: 1, run: func(n int) {
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
	return &callers{run, callsInLoop, loop}, nil
}

const nothing = "r0 = 0\nexit\n"

func loadNothing(e skep.Engine) (*skep.Program, error) {
	p, err := asm.Assemble("calls", nothing, nil)
	if err != nil {
		return nil, err
	}
	return skep.Load(p, &skep.Options{Engine: e})
}

func heldInstance(e skep.Engine) func() (*callers, error) {
	return func() (*callers, error) {
		prog, err := loadNothing(e)
		if err != nil {
			return nil, err
		}
		inst := prog.NewInstance()
		if r0, err := inst.Run(nil); err != nil || r0 != 0 {
			return nil, fmt.Errorf("the empty program gives %d, %v", r0, err)
		}
		return &callers{calls: 1, run: func(n int) {
			for range n {
				inst.Run(nil)
			}
		}}, nil
	}
}

func pooledInstance(e skep.Engine) func() (*callers, error) {
	return func() (*callers, error) {
		prog, err := loadNothing(e)
		if err != nil {
			return nil, err
		}
		if r0, err := prog.Run(nil); err != nil || r0 != 0 {
			return nil, fmt.Errorf("the empty program gives %d, %v", r0, err)
		}
		return &callers{calls: 1, run: func(n int) {
			for range n {
				prog.Run(nil)
			}
		}}, nil
	}
}
