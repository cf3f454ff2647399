package skep_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// foo is a helper of no arguments.
var foo = helper.Helper{ID: 1000, Name: "foo", Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 7, nil }}

// judge verifies a socket filter in text.
func judge(t *testing.T, text string, opts skep.VerifyOptions) error {
	t.Helper()
	p, err := asm.Assemble("test", text, &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type, p.License = "test", spec.SocketFilter, "GPL"
	opts.Helpers = append(opts.Helpers, foo)
	_, err = skep.Verify(p, nil, &opts)
	return err
}

// refused checks that a program is refused, with words in the reason.
func refused(t *testing.T, text, words string, opts skep.VerifyOptions) {
	t.Helper()
	err := judge(t, text, opts)
	var refusal *skep.VerifierError
	var decode *skep.DecodeError
	if !errors.As(err, &refusal) && !errors.As(err, &decode) || !strings.Contains(err.Error(), words) {
		t.Errorf("%s\n%v, want a refusal with %q", text, err, words)
	}
}

func accepted(t *testing.T, text string, opts skep.VerifyOptions) {
	t.Helper()
	if err := judge(t, text, opts); err != nil {
		t.Errorf("%s\n%v", text, err)
	}
}

func TestMissionS07ArgumentsUnreadableAfterCall(t *testing.T) {
	for r := 1; r <= 5; r++ {
		refused(t, fmt.Sprintf("r%d = 1\ncall foo\nr0 = r%d\nexit", r, r), fmt.Sprintf("R%d", r), skep.VerifyOptions{})
	}
}

func TestMissionS26InvalidAndS27Valid(t *testing.T) {
	refused(t, "r1 = 1\ncall foo\nr0 = r1\nexit", "R1", skep.VerifyOptions{})
	accepted(t, "r6 = 1\ncall foo\nr0 = r6\nexit", skep.VerifyOptions{})
}

// TestMissionS29StepOne checks the six refusals of the 2014 profile, each with a reason of its own.
func TestMissionS29StepOne(t *testing.T) {
	old := skep.VerifyOptions{Profile: isa.Profile2014}
	for _, c := range []struct{ text, words string }{
		{"r0 = 0\nl: r0 += 1\nif r0 != 5 goto l\nexit", "back"},
		{"r0 = 0\nl: goto l\nexit", ""},
		{"r0 = 0\nexit\nr0 = 1\nexit", "no path leads"},
		{".insn 0x0000000000090005\nexit", "outside"},
		{"r0 = 0\nr0 = 1", "falls off"},
	} {
		p, err := asm.Assemble("test", c.text, nil)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		p.Type, p.License = spec.SocketFilter, "GPL"
		if _, err = skep.Verify(p, nil, &old); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s\n%v, want a refusal with %q", c.text, err, c.words)
		}
	}
	// Wide instructions came after 2014.
	refused(t, ".insn 0x0000000000010005\nr0 = 1 ll\nexit", "middle", skep.VerifyOptions{})
}

func TestMissionS30StepTwo(t *testing.T) {
	for _, c := range []struct{ text, words string }{
		{"r0 = r3\nexit", "R3"},
		{"r2 = r10\nr2 += -8\nr1 = 1\nr1 = *(u64 *)(r1 + 0)\nr0 = 0\nexit", "R1"},
		{"*(u64 *)(r10 - 7) = 1\nr0 = 0\nexit", "no multiple"},
		{"*(u64 *)(r10 - 520) = 1\nr0 = 0\nexit", "stack"},
		{"r0 = *(u32 *)(r1 + 4096)\nexit", ""},
	} {
		refused(t, c.text, c.words, skep.VerifyOptions{})
	}
}

func TestMissionS31BoundedLoops(t *testing.T) {
	accepted(t, "r0 = 0\nl: r0 += 1\nif r0 != 50 goto l\nexit", skep.VerifyOptions{})
	refused(t, "r0 = 0\nl: r0 += 1\nr0 &= 1\nif r0 != 5 goto l\nexit", "", skep.VerifyOptions{})
}

// TestMissionS28TwoSteps loads what passes both steps, and says of what does not which instruction it is.
func TestMissionS28TwoSteps(t *testing.T) {
	p := assemble(t, "r0 = *(u32 *)(r1 + 0)\nr2 = *(u32 *)(r1 + 4096)\nexit")
	p.Type, p.License = spec.SocketFilter, "GPL"
	var refusal *skep.VerifierError
	if _, err := skep.Load(p, nil); !errors.As(err, &refusal) || refusal.Slot != 1 {
		t.Error(err)
	}
	var decode *skep.DecodeError
	p.Insns = p.Insns[:2]
	if _, err := skep.Load(p, nil); !errors.As(err, &decode) {
		t.Error(err)
	}
}

// TestMissionS48Spilling keeps a pointer on the stack: its type is known when it comes back, and the engines agree.
func TestMissionS48Spilling(t *testing.T) {
	text := `
		*(u64 *)(r10 - 8) = r1
		*(u64 *)(r10 - 16) = 5
		r1 = 0
		r2 = *(u64 *)(r10 - 8)
		r0 = *(u32 *)(r2 + 0)
		r3 = *(u64 *)(r10 - 16)
		r0 += r3
		exit`
	accepted(t, text, skep.VerifyOptions{})
	p := assemble(t, text)
	p.Type, p.License = spec.SocketFilter, "GPL"
	for _, e := range engines {
		prog, err := skep.Load(p, &skep.Options{Engine: e})
		if err != nil || !prog.Verified() {
			t.Fatal(err)
		}
		if r, err := prog.Run(&skep.RunOptions{Data: make([]byte, 60)}); err != nil || r != 65 {
			t.Errorf("%s: %d, %v", e, r, err)
		}
	}
}

// TestVerifiedEngine checks that proved programs run without checks, those that the verifier has no verdict on with
// them, and that a limit holds.
func TestVerifiedEngine(t *testing.T) {
	p := assemble(t, `
		r2 = *(u32 *)(r1 + 76)
		r3 = *(u32 *)(r1 + 80)
		r4 = r2
		r4 += 14
		r0 = 0
		if r4 > r3 goto out
		r0 = *(u8 *)(r2 + 13)
		*(u8 *)(r2 + 0) = 9
	out:
		exit`)
	p.Type, p.License = spec.SchedCLS, "GPL"
	prog, err := skep.Load(p, nil)
	if err != nil {
		t.Fatal(err)
	}
	if e, why := prog.Engine(); e == skep.EngineJIT && why != "machine code without checks, verified" || !prog.Verified() {
		t.Errorf("%s: %s", e, why)
	}
	data := make([]byte, 20)
	data[13] = 77
	for _, limit := range []uint64{0, 1000} {
		opts := skep.RunOptions{Data: data, DataOut: []byte{}, Limit: limit}
		if r, err := prog.RunContext(t.Context(), &opts); err != nil || r.R0 != 77 || opts.DataOut[0] != 9 || data[0] != 0 {
			t.Errorf("%d, %v, %x", r.R0, err, opts.DataOut)
		}
	}
	if r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: data, Limit: 3}); !errors.Is(err, skep.ErrLimit) || r.Insns != 3 {
		t.Errorf("%d, %v", r.Insns, err)
	}
	if r, err := prog.Run(&skep.RunOptions{Data: data[:13]}); err != nil || r != 0 {
		t.Errorf("%d, %v", r, err)
	}
}

// TestMissionS37StaticBounds compares what runs of random programs without loops execute with the bound that the
// verifier gives beforehand, and the calls that they make.
func TestMissionS37StaticBounds(t *testing.T) {
	calls := uint64(0)
	counting := helper.Helper{ID: 1000, Name: "count", Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) {
		calls++
		return 1, nil
	}}
	rng := rand.New(rand.NewPCG(37, 1))
	reached := false
	for range 500 {
		var b strings.Builder
		b.WriteString("r6 = *(u32 *)(r1 + 8)\nr0 = 0\n")
		for n := range 12 {
			switch rng.IntN(4) {
			case 0:
				fmt.Fprintf(&b, "if r6 & %d goto l%d\nr0 += 1\ncall count\nl%d:\n", 1<<rng.IntN(8), n, n)
			case 1:
				fmt.Fprintf(&b, "if r6 > %d goto out\n", rng.IntN(256))
			case 2:
				b.WriteString("call f\n")
			default:
				b.WriteString("r7 = 5\nr6 += 3\nr6 &= 255\n")
			}
		}
		b.WriteString("out:\nr0 = 1\nexit\nf:\nr0 = 2\ncall count\nif r0 > 5 goto +1\nr0 = 7\nexit\n")
		p, err := asm.Assemble("test", b.String(), &asm.Options{Helper: func(name string) (int32, bool) { return 1000, name == "count" }})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), "call f\n") { // a function that nobody calls is not there
			continue
		}
		p.Type, p.License = spec.SocketFilter, "GPL"
		v, err := skep.Verify(p, nil, &skep.VerifyOptions{Helpers: []helper.Helper{counting}})
		if err != nil || v.MaxInsns == 0 {
			t.Fatalf("%v, bound %d\n%s", err, v.MaxInsns, b.String())
		}
		prog, err := skep.Load(p, &skep.Options{Helpers: []helper.Helper{counting}, Engine: skep.EngineInterp})
		if err != nil {
			t.Fatal(err)
		}
		inst := prog.NewInstance()
		for mark := range uint32(64) {
			calls = 0
			if _, err := inst.RunPacket(&spec.Packet{Data: make([]byte, 20), Mark: mark * 4}); err != nil {
				t.Fatal(err)
			}
			if inst.Insns() > v.MaxInsns || calls > v.MaxInsns {
				t.Fatalf("%d instructions and %d calls, bound %d\n%s", inst.Insns(), calls, v.MaxInsns, b.String())
			}
			reached = reached || inst.Insns() == v.MaxInsns
		}
	}
	if !reached {
		t.Error("no run came up to its bound")
	}
}
