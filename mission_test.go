package skep_test

import (
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// The tests of this file are named after the requirements of the mission (docs/mission.md), the 2014
// description of internal BPF. Each runs on every engine there is.

var engines = func() []skep.Engine {
	all := []skep.Engine{skep.EngineInterp}
	if runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		all = append(all, skep.EngineJIT)
	}
	return all
}()

// assemble turns text in any dialect into a plain function.
func assemble(t testing.TB, text string) *spec.Program {
	t.Helper()
	p, err := asm.Assemble("test", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// each runs do as a subtest on every engine with the program loaded.
func each(t *testing.T, p *spec.Program, opts skep.Options, do func(t *testing.T, prog *skep.Program)) {
	t.Helper()
	on(t, engines, p, opts, do)
}

// watching are the engines that notice reads of registers and stack bytes that nothing has written.
var watching = []skep.Engine{skep.EngineInterp}

// on is each with the engines given.
func on(t *testing.T, engines []skep.Engine, p *spec.Program, opts skep.Options, do func(t *testing.T, prog *skep.Program)) {
	t.Helper()
	for _, e := range engines {
		t.Run(e.String(), func(t *testing.T) {
			opts := opts
			opts.Engine, opts.Unverified = e, true
			prog, err := skep.Load(p, &opts)
			if err != nil {
				t.Fatal(err)
			}
			do(t, prog)
		})
	}
}

// gives runs text on every engine and compares R0.
func gives(t *testing.T, text string, want uint64, helpers ...helper.Helper) {
	t.Helper()
	each(t, assemble(t, text), skep.Options{Helpers: helpers}, func(t *testing.T, prog *skep.Program) {
		if r, err := prog.RunContext(t.Context(), nil); err != nil || r.R0 != want {
			t.Errorf("R0 is %#x (%v), want %#x", r.R0, err, want)
		}
	})
}

// constant is a helper that returns v.
func constant(id int32, name string, v uint64) helper.Helper {
	return helper.Helper{ID: id, Name: name, Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return v, nil }}
}

// pack is a helper that puts the low bytes of its five arguments into one value, the first lowest.
func pack(id int32) helper.Helper {
	return helper.Helper{ID: id, Name: "pack", Args: make([]helper.Arg, 5), Func: func(_ *helper.Call, a, b, c, d, e uint64) (uint64, error) {
		return a&0xff | b&0xff<<8 | c&0xff<<16 | d&0xff<<24 | e&0xff<<32, nil
	}}
}

func TestMissionS01ResultInR0(t *testing.T) {
	gives(t, "call 1000\nexit", 42, constant(1000, "answer", 42))
}

const passFive = "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 1000\nexit"

func TestMissionS02ArgumentsInR1ToR5(t *testing.T) { gives(t, passFive, 0x0504030201, pack(1000)) }

func TestMissionS03R6ToR9SurviveCalls(t *testing.T) {
	gives(t, `
		r6 = 0x1111 ll
		r7 = 0x22220000 ll
		r8 = 0x333300000000 ll
		r9 = 0x4444000000000000 ll
		call trash          ; a function of the program
		call 1000           ; a helper
		r0 = r6
		r0 |= r7
		r0 |= r8
		r0 |= r9
		exit
	trash:
		r6 = -1
		r7 = -1
		r8 = -1
		r9 = -1
		r0 = 0
		exit`, 0x4444333322221111, constant(1000, "nothing", 0))
}

func TestMissionS04R10ReadOnlyFramePointer(t *testing.T) {
	for _, text := range []string{"r10 = 1\nexit", "r10 += 8\nexit", "r10 = *(u64 *)(r1 + 0)\nexit", "r10 = xchg_64(r1 + 0, r10)\nexit"} {
		_, err := skep.Load(assemble(t, text), nil)
		var e *skep.DecodeError
		if !errors.As(err, &e) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("%q: error %v, want that R10 is read-only", text, err)
		}
	}
	gives(t, "r1 = 77\n*(u64 *)(r10 - 8) = r1\nr0 = *(u64 *)(r10 - 8)\nexit", 77)
}

func TestMissionS05InterpreterPassesArguments(t *testing.T) {
	prog, err := skep.Load(assemble(t, passFive), &skep.Options{Engine: skep.EngineInterp, Helpers: []helper.Helper{pack(1000)}})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := prog.RunContext(t.Context(), nil); err != nil || r.R0 != 0x0504030201 {
		t.Errorf("R0 is %#x (%v)", r.R0, err)
	}
}

func TestMissionS08R0AfterCall(t *testing.T) {
	gives(t, "call 1000\nr6 = r0\nr0 += r6\nexit", 84, constant(1000, "answer", 42))
}

func TestMissionS09ProgramSavesScratch(t *testing.T) {
	gives(t, "r1 = 5\nr6 = r1\ncall 1000\nr0 = r6\nexit", 5, constant(1000, "answer", 42))
}

// The verifier's half of this row, that R2 to R5 are unreadable, is tested here by what a run does.
func TestMissionS10ContextInR1(t *testing.T) {
	p := assemble(t, "r0 = *(u32 *)(r1 + 0)\nexit")
	p.Type = spec.SocketFilter
	each(t, p, skep.Options{}, func(t *testing.T, prog *skep.Program) {
		if got, err := prog.Run(&skep.RunOptions{Data: make([]byte, 60)}); err != nil || got != 60 {
			t.Errorf("__sk_buff.len is %d (%v), want 60", got, err)
		}
	})
	for _, r := range []string{"r2", "r3", "r4", "r5"} {
		p := assemble(t, "r0 = "+r+"\nexit")
		p.Type = spec.SocketFilter
		on(t, watching, p, skep.Options{}, func(t *testing.T, prog *skep.Program) {
			_, err := prog.Run(&skep.RunOptions{Data: make([]byte, 60)})
			if err == nil || !strings.Contains(err.Error(), strings.ToUpper(r)) {
				t.Errorf("reading %s at entry: %v", r, err)
			}
		})
	}
}

func TestMissionS11SixArguments(t *testing.T) {
	h := constant(1000, "six", 0)
	h.Args = make([]helper.Arg, 6)
	_, err := skep.Load(assemble(t, "r0 = 0\nexit"), &skep.Options{Helpers: []helper.Helper{h}})
	if !errors.Is(err, helper.ErrTooManyArgs) || !strings.Contains(err.Error(), "six") {
		t.Errorf("error %v, want that helper six has too many arguments", err)
	}
}

// f2 of the mission's first example: f2(a) = f3(a+1, a).
const f2 = "bpf_mov R2, R1\nbpf_add R1, 1\nbpf_call 1003\nbpf_exit"

func TestMissionS16F1ReachesF2ThroughInterpreter(t *testing.T) {
	f3 := helper.Helper{ID: 1003, Name: "f3", Args: make([]helper.Arg, 2), Func: func(_ *helper.Call, a, b, _, _, _ uint64) (uint64, error) { return a - b, nil }}
	p := assemble(t, f2)
	p.Type = spec.Tracepoint // one whose argument is the context alone
	prog, err := skep.Load(p, &skep.Options{Engine: skep.EngineInterp, Helpers: []helper.Helper{f3}})
	if err != nil {
		t.Fatal(err)
	}
	f1 := func(_f2 func() (uint32, error)) (uint32, error) { return _f2() }
	if got, err := f1(func() (uint32, error) { return prog.Run(nil) }); err != nil || got != 1 {
		t.Errorf("f1() is %d (%v), want 1", got, err)
	}
}

// fooBar is the mission's second example, with the slip of its listing corrected: the second call passes 6
// to 9.
const fooBar = `
	bpf_mov R6, R1 /* save ctx */
	bpf_mov R2, 2
	bpf_mov R3, 3
	bpf_mov R4, 4
	bpf_mov R5, 5
	bpf_call 1001
	bpf_mov R7, R0 /* save foo() return value */
	bpf_mov R1, R6 /* restore ctx for next call */
	bpf_mov R2, 6
	bpf_mov R3, 7
	bpf_mov R4, 8
	bpf_mov R5, 9
	bpf_call 1002
	bpf_add R0, R7
	bpf_exit`

func TestMissionS23FooBar(t *testing.T) {
	var calls [][5]uint64
	var results [2]uint64
	record := func(id int32, name string) helper.Helper {
		return helper.Helper{ID: id, Name: name, Args: make([]helper.Arg, 5), Func: func(_ *helper.Call, a, b, c, d, e uint64) (uint64, error) {
			calls = append(calls, [5]uint64{a, b, c, d, e})
			return results[len(calls)-1], nil
		}}
	}
	opts := skep.Options{Helpers: []helper.Helper{record(1001, "foo"), record(1002, "bar")}}
	each(t, assemble(t, fooBar), opts, func(t *testing.T, prog *skep.Program) {
		rng := rand.New(rand.NewPCG(23, 0))
		for range 100 {
			calls, results = nil, [2]uint64{rng.Uint64(), rng.Uint64()}
			r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: make([]byte, 1+rng.IntN(64))})
			if err != nil || r.R0 != results[0]+results[1] {
				t.Fatalf("R0 is %#x (%v), want %#x + %#x", r.R0, err, results[0], results[1])
			}
			ctx := calls[0][0]
			if ctx == 0 || calls[0] != [5]uint64{ctx, 2, 3, 4, 5} || calls[1] != [5]uint64{ctx, 6, 7, 8, 9} {
				t.Fatalf("calls %v", calls)
			}
		}
	})
}

func TestMissionS24FullWidthResult(t *testing.T) {
	gives(t, "call 1000\nexit", 0xdeadbeefcafebabe, constant(1000, "pattern", 0xdeadbeefcafebabe))
}

// The rejections of S26 and S27 are the verifier's; what a run makes of the programs is tested here.
func TestMissionS26ReadAfterCallFaults(t *testing.T) {
	p := assemble(t, "bpf_mov R1, 1\nbpf_call 1000\nbpf_mov R0, R1\nbpf_exit")
	on(t, watching, p, skep.Options{Helpers: []helper.Helper{constant(1000, "foo", 9)}}, func(t *testing.T, prog *skep.Program) {
		_, err := prog.Run(nil)
		var f *skep.Fault
		if !errors.As(err, &f) || f.Code != skep.UninitReg || f.Insn != 2 ||
			!strings.Contains(err.Error(), "R1") || !strings.Contains(err.Error(), "call at instruction 1") {
			t.Errorf("error %v, want one that names R1 and the call at instruction 1", err)
		}
	})
}

func TestMissionS27SavedAcrossCall(t *testing.T) {
	gives(t, "bpf_mov R6, 1\nbpf_call 1000\nbpf_mov R0, R6\nbpf_exit", 1, constant(1000, "foo", 9))
}

func TestMissionS34Canary(t *testing.T) {
	canary := make([]byte, 4096+64)
	for i := range canary {
		canary[i] = 0xa5
	}
	data := canary[2048 : 2048+64 : 2048+64]
	tries := map[string]any{
		"*(u8 *)(r1 - 1) = 1\nr0 = 0\nexit":                                    skep.OutOfBounds,
		"*(u64 *)(r1 + 57) = 1\nr0 = 0\nexit":                                  skep.OutOfBounds,
		"r1 += 0x10000000\n*(u8 *)(r1 + 0) = 1\nr0 = 0\nexit":                  skep.OutOfBounds,
		"r1 = 0\nr0 = *(u64 *)(r1 + 0)\nexit":                                  skep.OutOfBounds,
		"r1 = 0xc000000000 ll\nr0 = *(u64 *)(r1 + 0)\nexit":                    skep.OutOfBounds,
		"r1 = -1\nr0 = *(u64 *)(r1 + 0)\nexit":                                 skep.OutOfBounds,
		"r1 = -8\n*(u64 *)(r1 + 8) = 1\nr0 = 0\nexit":                          skep.OutOfBounds,
		"r2 = 0x100000000 ll\nr1 += r2\nr0 = *(u8 *)(r1 + 0)\nexit":            skep.OutOfBounds,
		"*(u64 *)(r10 + 0) = 1\nr0 = 0\nexit":                                  skep.OutOfBounds,
		"*(u64 *)(r10 - 520) = 1\nr0 = 0\nexit":                                skep.OutOfBounds,
		"r0 = *(u64 *)(r10 - 8)\nexit":                                         skep.UninitStack,
		"*(u8 *)(r10 - 8) = 1\nr0 = *(u16 *)(r10 - 8)\nexit":                   skep.UninitStack,
		"r2 = r10\nr2 += -4\n*(u64 *)(r2 + 0) = 1\nr0 = 0\nexit":               skep.OutOfBounds,
		"r2 = 1\nlock *(u64 *)(r1 + 1) += r2\nr0 = 0\nexit":                    skep.Misaligned,
		"r2 = 1\nlock *(u64 *)(r1 + 64) += r2\nr0 = 0\nexit":                   skep.OutOfBounds,
		"r2 = 1\nstore_release((u64 *)(r1 + 64), r2)\nr0 = 0\nexit":            skep.OutOfBounds,
		"r0 = load_acquire((u64 *)(r1 + 60))\nexit":                            skep.Misaligned,
		"f: r6 = r1\ncall f\nr0 = 0\nexit":                                     skep.CallDepth,
		"r2 = 9999\ncallx r2\nexit":                                            skep.UnknownHelper,
		"if r1 == 0 goto +1\nr3 = 1\nr0 = r4\nexit":                            skep.UninitReg,
		"if r1 == 0 goto +1\nr3 = 1\ncall g\nexit\ng: r0 = r3\nr0 += r6\nexit": skep.UninitReg,
	}
	for text, code := range tries {
		able := engines
		if code == any(skep.UninitStack) || code == any(skep.UninitReg) {
			able = watching
		}
		on(t, able, assemble(t, text), skep.Options{}, func(t *testing.T, prog *skep.Program) {
			_, err := prog.Run(&skep.RunOptions{Data: data})
			var f *skep.Fault
			if !errors.As(err, &f) || any(f.Code) != code {
				t.Errorf("%q: error %v, want a fault of class %v", text, err, code)
			}
		})
	}
	for i, b := range canary {
		if b != 0xa5 {
			t.Fatalf("byte %d of the host's memory changed to %#x", i, b)
		}
	}
}

func TestMissionS35Deterministic(t *testing.T) {
	p := assemble(t, `
		r6 = r1
		r7 = r2
		r8 = 0
		r9 = 0
	next:
		if r9 >= r7 goto done
		r1 = r6
		r1 += r9
		r0 = *(u8 *)(r1 + 0)
		r8 ^= r0
		r8 *= 0x01000193
		call 7
		r8 += r0
		r9 += 1
		goto next
	done:
		r1 = r10
		r1 += -8
		*(u64 *)(r1 + 0) = r8
		r0 = *(u64 *)(r10 - 8)
		r0 ^= r1                 ; addresses are the same every time, too
		exit`)
	data := make([]byte, 100)
	for i := range data {
		data[i] = byte(i * 31)
	}
	random := func() func() uint32 {
		n := uint32(0)
		return func() uint32 { n = n*1664525 + 1013904223; return n }
	}
	// What the program computes, with the place of its stack, which is the same on all machines.
	const stack = 1<<24 + 512
	h, next := uint64(0), random()
	for _, b := range data {
		h = (h^uint64(b))*0x01000193 + uint64(next())
	}
	want := skep.Result{R0: h ^ (stack - 8), Insns: 4 + 100*10 + 7}
	var env helper.Env
	for run := range 1000 {
		each(t, p, skep.Options{Env: &env}, func(t *testing.T, prog *skep.Program) {
			env.Random = random()
			if r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: data}); err != nil || r != want {
				t.Fatalf("run %d gives %+v (%v), want %+v", run, r, err, want)
			}
		})
	}
}

// TestMissionS12OneCallSite runs the same programs through one call site, whatever the engine, and both ways: Go calls
// BPF, BPF calls Go, which calls BPF.
func TestMissionS12OneCallSite(t *testing.T) {
	inner := assemble(t, "r0 = r1\nr0 *= 3\nexit")
	outer := assemble(t, "r1 = 14\ncall 1000\nexit")
	call := func(prog *skep.Program, data []byte) uint64 {
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: data})
		if err != nil {
			t.Fatal(err)
		}
		return r.R0
	}
	for _, in := range engines {
		below, err := skep.Load(inner, &skep.Options{Engine: in})
		if err != nil {
			t.Fatal(err)
		}
		back := helper.Helper{ID: 1000, Name: "back", Args: []helper.Arg{helper.Any}, Func: func(_ *helper.Call, n, _, _, _, _ uint64) (uint64, error) {
			return n + call(below, nil), nil
		}}
		for _, out := range engines {
			above, err := skep.Load(outer, &skep.Options{Engine: out, Helpers: []helper.Helper{back}})
			if err != nil {
				t.Fatal(err)
			}
			if got := call(above, nil); got != 14 {
				t.Errorf("%s calling %s: %d, want 14", out, in, got)
			}
		}
	}
}

// TestMissionS22ImplicitPrologue checks that no instruction enters or leaves a frame: a program that uses its stack and
// registers R6 to R9 says nothing of them, and the engines agree.
func TestMissionS22ImplicitPrologue(t *testing.T) {
	for i := range isa.NumOps {
		if name := isa.Linux.Row(isa.Op(i)).Text; strings.Contains(name, "push") || strings.Contains(name, "pop") || strings.Contains(name, "enter") || strings.Contains(name, "leave") {
			t.Errorf("there is an instruction %q", name)
		}
	}
	gives(t, "r6 = 1\nr7 = 2\nr8 = 3\nr9 = 4\n*(u64 *)(r10 - 512) = 5\nr0 = *(u64 *)(r10 - 512)\nr0 += r6\nr0 += r7\nr0 += r8\nr0 += r9\nexit", 15)
}
