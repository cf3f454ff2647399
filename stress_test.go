package skep_test

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
)

// TestStress runs programs while everything that could disturb them goes on: collections without end, a CPU
// profile, an execution trace, block and mutex profiles, helpers that recurse, block, allocate, panic and run
// other programs, and faults. It checks every result. SKEP_STRESS says for how long ("1m").
func TestStress(t *testing.T) {
	length := time.Second
	if s := os.Getenv("SKEP_STRESS"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	defer debug.SetGCPercent(debug.SetGCPercent(1))
	runtime.SetBlockProfileRate(1)
	defer runtime.SetBlockProfileRate(0)
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(1))
	var profile, events bytes.Buffer
	if pprof.StartCPUProfile(&profile) == nil {
		defer pprof.StopCPUProfile()
	}
	if trace.Start(&events) == nil {
		defer trace.Stop()
	}

	const loop = "r6 = r1\nr7 = 0\nr8 = r1\nnext: r7 += 1\n*(u64 *)(r10 - 16) = r7\nr1 = *(u64 *)(r10 - 16)\nif r7 < 3000 goto next\nr0 = r1\nexit"
	inner := assemble(t, "r0 = r2\nexit")
	var runs atomic.Int64
	for _, e := range engines {
		nested, err := skep.Load(inner, &skep.Options{Engine: e})
		if err != nil {
			t.Fatal(err)
		}
		moods := helper.Helper{ID: 1000, Name: "moods", Func: func(c *helper.Call, n, _, _, _, _ uint64) (uint64, error) {
			switch n % 6 {
			case 0:
				return recurse(200), nil
			case 1:
				done := make(chan uint64)
				go func() { done <- 200 }()
				return <-done, nil
			case 2:
				runtime.GC()
			case 3:
				panic("mood")
			case 4:
				r, err := nested.Run(&skep.RunOptions{Data: make([]byte, 200)})
				return uint64(r), err
			}
			return uint64(len(bytes.Repeat([]byte{1}, 200))), nil
		}}
		looping, err := skep.Load(assemble(t, loop), &skep.Options{Engine: e})
		if err != nil {
			t.Fatal(err)
		}
		calling, err := skep.Load(assemble(t, "r6 = *(u8 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r6\nr1 = r6\ncall 1000\nr1 = *(u64 *)(r10 - 8)\nif r1 != r6 goto bad\nexit\nbad: r0 = -1\nexit"),
			&skep.Options{Engine: e, Helpers: []helper.Helper{moods}})
		if err != nil {
			t.Fatal(err)
		}
		faulting, err := skep.Load(assemble(t, "r1 += 0x1000000\nr0 = *(u64 *)(r1 + 0)\nexit"), &skep.Options{Engine: e})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for g := range 12 {
			wg.Go(func() {
				for start := time.Now(); time.Since(start) < length && !t.Failed(); runs.Add(1) {
					stressOnce(t, g, looping, calling, faulting)
				}
			})
		}
		wg.Wait()
	}
	t.Logf("%d rounds", runs.Load())
}

func stressOnce(t *testing.T, g int, looping, calling, faulting *skep.Program) {
	if r, err := looping.RunContext(t.Context(), nil); err != nil || r.R0 != 3000 {
		t.Errorf("loop: %+v, %v", r, err)
	}
	for n := range byte(6) {
		func() {
			defer func() {
				if r := recover(); (r != nil) != (n == 3) {
					t.Errorf("mood %d: recovered %v", n, r)
				}
			}()
			r, err := calling.RunContext(t.Context(), &skep.RunOptions{Data: []byte{n, byte(g)}})
			if err != nil || r.R0 != 200 {
				t.Errorf("mood %d: %+v, %v", n, r, err)
			}
		}()
	}
	if _, err := faulting.Run(&skep.RunOptions{Data: []byte{1}}); err == nil {
		t.Error("no fault")
	}
}

// recurse needs stack, so that it grows.
func recurse(n uint64) uint64 {
	var pad [64]byte
	pad[n%64] = 1
	if n == 0 {
		return uint64(pad[0]) - 1
	}
	return recurse(n-1) + uint64(pad[n%64])
}
