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

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/helper"
)

// TestStress runs programs while everything that could disturb them goes on: collections without end, a CPU
// profile, an execution trace, block and mutex profiles, dumps of all stacks, signals, helpers that recurse,
// block, allocate, panic and run other programs, and faults. It checks every result. SKEP_STRESS says for how long ("1m").
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

	stop := make(chan struct{})
	var storm sync.WaitGroup
	storm.Go(func() { disturb(stop) })

	kinds := []skep.Options{{Engine: skep.EngineInterp, Unverified: true}, {Unverified: true}, {UnsafeTrust: true}}
	var runs atomic.Int64
	var wg sync.WaitGroup
	for _, opts := range kinds {
		s := newStress(t, opts)
		for g := range 24 / len(kinds) {
			wg.Go(func() {
				for start := time.Now(); time.Since(start) < length && !t.Failed(); runs.Add(1) {
					s.once(t, g)
				}
			})
		}
	}
	wg.Wait()
	close(stop)
	storm.Wait()
	t.Logf("%d rounds", runs.Load())
}

// disturb collects garbage, dumps all stacks and sends signals until it is stopped.
func disturb(stop chan struct{}) {
	stacks := make([]byte, 1<<16)
	self, _ := os.FindProcess(os.Getpid())
	for {
		select {
		case <-stop:
			return
		default:
			runtime.GC()
			runtime.Stack(stacks, true)
			for range 10 {
				annoy(self)
				time.Sleep(200 * time.Microsecond)
			}
		}
	}
}

// stress is the programs of one kind.
type stress struct {
	looping, calling, nesting, faulting *skep.Program
	filter                              *filter.Filter
	packets                             [][]byte
}

func newStress(t *testing.T, opts skep.Options) *stress {
	load := func(text string, opts skep.Options) *skep.Program {
		prog, err := skep.Load(assemble(t, text), &opts)
		if err != nil {
			t.Fatal(err)
		}
		return prog
	}
	var s stress
	s.looping = load("r6 = r1\nr7 = 0\nr8 = r1\nnext: r7 += 1\n*(u64 *)(r10 - 16) = r7\nr1 = *(u64 *)(r10 - 16)\nif r7 < 3000 goto next\nr0 = r1\nexit", opts)
	inner := load("r0 = r2\nexit", opts)
	withHelper := opts
	withHelper.Helpers = []helper.Helper{{ID: 1000, Name: "moods", Func: func(c *helper.Call, n, _, _, _, _ uint64) (uint64, error) {
		return mood(n, inner)
	}}}
	s.calling = load("r6 = *(u8 *)(r1 + 0)\n*(u64 *)(r10 - 8) = r6\nr1 = r6\ncall 1000\nr1 = *(u64 *)(r10 - 8)\nif r1 != r6 goto bad\nexit\nbad: r0 = -1\nexit", withHelper)
	// The helper is called three frames down, with markers in the registers that must survive.
	s.nesting = load(`
		r6 = *(u8 *)(r1 + 0)
		r7 = 7
		r9 = 9
		r1 = r6
		call f
		if r7 != 7 goto bad
		if r9 != 9 goto bad
		exit
	bad:
		r0 = -1
		exit
	f:
		r7 = 70
		*(u64 *)(r10 - 8) = r1
		call g
		r1 = *(u64 *)(r10 - 8)
		if r7 != 70 goto wrong
		exit
	wrong:
		r0 = -2
		exit
	g:
		r6 = 60
		r9 = 90
		call 1000
		if r6 != 60 goto bad2
		if r9 != 90 goto bad2
		exit
	bad2:
		r0 = -3
		exit`, withHelper)
	checked := opts
	checked.UnsafeTrust = false // what faults must not be trusted
	s.faulting = load("r1 += 0x1000000\nr0 = *(u64 *)(r1 + 0)\nexit", checked)
	var err error
	if s.filter, err = filter.New(etherTCP, &opts); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		p := make([]byte, 20+n)
		p[12], p[23%len(p)] = 8, 6
		s.packets = append(s.packets, p)
	}
	return &s
}

// etherTCP accepts TCP in IPv4 in Ethernet.
var etherTCP = []bpf.RawInstruction{
	{Op: 0x28, K: 12}, {Op: 0x15, Jf: 3, K: 0x800}, {Op: 0x30, K: 23}, {Op: 0x15, Jf: 1, K: 6}, {Op: 0x06, K: 262144}, {Op: 0x06},
}

// mood does what a helper might do. All results are 200.
func mood(n uint64, nested *skep.Program) (uint64, error) {
	switch n % 6 {
	case 0:
		return recurse(200), nil
	case 1:
		done := make(chan uint64)
		go func() { done <- 200 }()
		return <-done, nil
	case 2:
		var callers [64]uintptr
		if runtime.Callers(0, callers[:]) < 5 {
			return 0, nil
		}
	case 3:
		panic("mood")
	case 4:
		r, err := nested.Run(&skep.RunOptions{Data: make([]byte, 200)})
		return uint64(r), err
	}
	return uint64(len(bytes.Repeat([]byte{1}, 200))), nil
}

func (s *stress) once(t *testing.T, g int) {
	if r, err := s.looping.RunContext(t.Context(), nil); err != nil || r.R0 != 3000 {
		t.Errorf("loop: %+v, %v", r, err)
	}
	for n := range byte(6) {
		for _, prog := range []*skep.Program{s.calling, s.nesting} {
			func() {
				defer func() {
					if r := recover(); (r != nil) != (n == 3) {
						t.Errorf("mood %d: recovered %v", n, r)
					}
				}()
				r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: []byte{n, byte(g)}})
				if err != nil || r.R0 != 200 {
					t.Errorf("mood %d: %+v, %v", n, r, err)
				}
			}()
		}
	}
	if _, err := s.faulting.Run(&skep.RunOptions{Data: []byte{1}}); err == nil {
		t.Error("no fault")
	}
	verdicts := make([]uint32, len(s.packets))
	s.filter.VerdictBatch(s.packets, verdicts)
	for i, p := range s.packets {
		if want := len(p) > 23; (verdicts[i] != 0) != want {
			t.Errorf("packet %d of %d bytes: %d", i, len(p), verdicts[i])
		}
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
