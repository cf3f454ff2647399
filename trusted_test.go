package skep_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// The tests of trusted programs, and of helpers that are machine code or BPF themselves.

// f3Native is f3 of the mission's first example in assembly, with the same in Go for other engines.
func f3Native() helper.Helper {
	return helper.Helper{ID: 1003, Name: "f3", Args: make([]helper.Arg, 2), Native: f3Addr(),
		Func: func(_ *helper.Call, a, b, _, _, _ uint64) (uint64, error) { return a - b, nil }}
}

func TestMissionS32UnsafeTrust(t *testing.T) {
	p := assemble(t, "r0 = 0\nr2 += r1\nnext: if r1 == r2 goto end\nr3 = *(u8 *)(r1 + 0)\nr0 += r3\nr1 += 1\ngoto next\nend: exit")
	prog, err := skep.Load(p, &skep.Options{UnsafeTrust: true})
	if err != nil {
		t.Fatal(err)
	}
	if nativeHost != isTrusted(prog) || prog.Verified() {
		_, why := prog.Engine()
		t.Errorf("engine: %s", why)
	}
	if r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: []byte{1, 2, 3, 4}}); err != nil || r.R0 != 10 {
		t.Errorf("%+v, %v", r, err)
	}

	// The interpreter does not trust.
	wild := assemble(t, "r1 = 0xdead0000beef ll\nr0 = *(u64 *)(r1 + 0)\nexit")
	prog, err = skep.Load(wild, &skep.Options{UnsafeTrust: true, Engine: skep.EngineInterp})
	if err != nil {
		t.Fatal(err)
	}
	var fault *skep.Fault
	if _, err := prog.Run(nil); !errors.As(err, &fault) || fault.Addr != 0xdead0000beef {
		t.Errorf("error %v, want a fault", err)
	}
}

// TestMissionS50NativeHelpers calls machine code from a trusted program, and from one that is not trusted.
func TestMissionS50NativeHelpers(t *testing.T) {
	p := assemble(t, `
		r6 = 1000
		r7 = 0
		r8 = 8
		r9 = 9
		*(u64 *)(r10 - 8) = r8
	next:
		r1 = r6
		r2 = r7
		call 1003
		r7 = r0
		r6 -= 1
		if r6 != 0 goto next
		r1 = *(u64 *)(r10 - 8)
		r7 <<= 16
		r8 <<= 8
		r7 |= r8
		r7 |= r9
		r0 = r7
		r0 += r1
		exit`)
	want := uint64(0)
	for i := uint64(1000); i > 0; i-- {
		want = i - want
	}
	want = want<<16 | 8<<8 | 9
	want += 8
	for _, trust := range []bool{false, true} {
		each(t, p, skep.Options{UnsafeTrust: trust, Helpers: []helper.Helper{f3Native()}}, func(t *testing.T, prog *skep.Program) {
			if r, err := prog.RunContext(t.Context(), nil); err != nil || r.R0 != want {
				t.Errorf("%#x, %v; want %#x", r.R0, err, want)
			}
		})
	}
}

// TestMissionS51OneCall compares a loop that calls a native helper with the same loop in which the operation
// stands in the call's place: the benchmark of that name has the times.
func TestMissionS51OneCall(t *testing.T) {
	for name, text := range loops {
		prog, err := skep.Load(assemble(t, text), &skep.Options{UnsafeTrust: true, Helpers: []helper.Helper{f3Native()}})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := prog.RunContext(t.Context(), nil); err != nil || int64(r.R0) != -500 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// loops are a thousand calls of f3, as a helper, as a function of the program, and in place.
var loops = map[string]string{
	"helper":   "r6 = 1000\nr7 = 0\nnext: r1 = r6\nr2 = r7\ncall 1003\nr7 = r0\nr6 -= 1\nif r6 != 0 goto next\nr0 = r7\nexit",
	"function": "r6 = 1000\nr7 = 0\nnext: r1 = r6\nr2 = r7\ncall f3\nr7 = r0\nr6 -= 1\nif r6 != 0 goto next\nr0 = r7\nexit\nf3: r0 = r1\nr0 -= r2\nexit",
	"in place": "r6 = 1000\nr7 = 0\nnext: r1 = r6\nr2 = r7\nr1 -= r2\nr0 = r1\nr7 = r0\nr6 -= 1\nif r6 != 0 goto next\nr0 = r7\nexit",
}

func BenchmarkMissionS51OneCall(b *testing.B) {
	for _, name := range []string{"helper", "function", "in place"} {
		for _, trust := range []bool{false, true} {
			prog, err := skep.Load(assemble(b, loops[name]), &skep.Options{UnsafeTrust: trust, Helpers: []helper.Helper{f3Native()}})
			if err != nil {
				b.Fatal(err)
			}
			mode := "/checked"
			if trust {
				mode = "/trusted"
			}
			b.Run(name+mode, func(b *testing.B) {
				inst := prog.NewInstance()
				for b.Loop() {
					if _, err := inst.Run(nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/1000, "ns/round")
			})
		}
	}
}

// TestHelperPrograms calls helpers that are BPF themselves: one that calls another twice, by name, and a Go
// helper.
func TestHelperPrograms(t *testing.T) {
	body := func(text string) *spec.Program {
		t.Helper()
		p := assemble(t, text)
		p.Type = spec.Unspec
		return p
	}
	square := helper.Helper{ID: 2000, Name: "square", Program: body("r0 = r1\nr0 *= r1\nr1 = -1\nr6 = -1\nr9 = -1\nexit")}
	sum := helper.Helper{ID: 2001, Name: "sum_of_squares", Program: body(`
		r6 = r2
		call 2000
		r7 = r0
		*(u64 *)(r10 - 8) = r0
		r1 = r6
		call 2000
		r0 += r7
		r1 = r0
		call 2002
		exit`)}
	add := helper.Helper{ID: 2002, Name: "add_one", Func: func(_ *helper.Call, a, _, _, _, _ uint64) (uint64, error) { return a + 1, nil }}
	p := assemble(t, "r6 = 100\nr9 = 1000\nr1 = 3\nr2 = 4\ncall 2001\nr0 += r6\nr0 += r9\nexit")
	each(t, p, skep.Options{Helpers: []helper.Helper{square, sum, add}}, func(t *testing.T, prog *skep.Program) {
		r, err := prog.RunContext(t.Context(), nil)
		if err != nil || r.R0 != 1126 || r.Insns != 8+10+2*6 {
			t.Errorf("%+v, %v", r, err)
		}
	})
	for name, h := range map[string]helper.Helper{
		"instruction 1: control falls off": {ID: 2000, Name: "square", Program: body("r0 = 1\nexit")},
		"has two bodies":                   {ID: 2000, Name: "square", Program: square.Program, Func: add.Func},
		"has no body":                      {ID: 2000, Name: "square"},
	} {
		if strings.Contains(name, "falls off") {
			h.Program.Insns = h.Program.Insns[:1]
			name = "helper square (2000)"
		}
		_, err := skep.Load(assemble(t, "call 2000\nexit"), &skep.Options{Helpers: []helper.Helper{h}})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want that it %s", err, name)
		}
	}
}
