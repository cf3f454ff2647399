// Implements the comparison of the kernel with the suite that all engines share.

package kernel_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

var (
	programs = flag.Int("programs", 1000, "how many random programs to compare with the kernel")
	seed     = flag.Uint64("seed", 0, "the number that random programs start from")
	stride   = flag.Int("stride", 11, "of the table rows' operand pairs every how many-eth to compare with the kernel; 1 for all")
)

// run is the kernel as an engine.
func run(_ testing.TB, v enginetest.Vector) (uint64, error) {
	if v.Program.Type == spec.SocketFilter {
		r, err := kernel.RunSocketFilter(v.Program.Insns, v.Mem)
		return uint64(r), err
	}
	r0, _, err := kernel.RunFunc(v.Program.Insns, v.Mem)
	return r0, err
}

func needKernel(t testing.TB) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
}

// Why the kernel does not run some vectors.
const (
	wideShift    = "the kernel refuses to shift by an immediate of the width or more"
	zeroDivisor  = "the kernel refuses to divide by the immediate 0"
	otherHelpers = "the kernel's helpers are not those of the public suite"
	noCallx      = "the kernel has no calls through registers"
	recursion    = "the kernel refuses recursion"
)

var notInKernel = map[string]string{
	"call-helper":             otherHelpers,
	"call-helper-memory":      otherHelpers,
	"call-helper-unwind":      otherHelpers,
	"call-helper-unwind-ends": otherHelpers,
	"callx-helper":            noCallx,
	"call-local-recursive":    recursion,
	"public/callx":            noCallx,
	"public/lsh32-imm-high":   wideShift,
	"public/lsh32-imm-neg":    wideShift,
	"public/rsh32-imm-high":   wideShift,
	"public/arsh32-imm-high":  wideShift,
	"public/arsh32-imm-neg":   wideShift,
	"public/arsh64-imm-high":  wideShift,
	"public/arsh64-imm-neg":   wideShift,
}

func whyNotInKernel(name string) string {
	switch {
	case strings.HasSuffix(name, "-imm-wide"):
		return wideShift
	case strings.HasSuffix(name, "-imm-zero"):
		return zeroDivisor
	}
	return notInKernel[name]
}

// TestVectors holds the vectors to what the kernel does. A vector that the kernel runs differently or not at
// all must be known as such.
func TestVectors(t *testing.T) {
	needKernel(t)
	agree, left := 0, 0
	for _, v := range append(enginetest.Vectors(t), enginetest.PublicVectors(t)...) {
		err := v.Check(run(t, v))
		reason := whyNotInKernel(v.Name)
		switch {
		case err != nil && reason == "":
			t.Errorf("%s: %v", v.Name, err)
		case err == nil && reason != "":
			t.Errorf("%s: the kernel agrees, though %s", v.Name, reason)
		case err == nil:
			agree++
		default:
			left++
		}
	}
	t.Logf("the kernel agrees on %d vectors and does not run %d", agree, left)
}

// refuses tells whether the kernel refuses a row with this immediate.
func refuses(row *isa.Row, imm int32) bool {
	if row.Kind != isa.KindALU || row.From != isa.FromImm {
		return false
	}
	switch row.Fn {
	case isa.FnDiv, isa.FnMod, isa.FnSDiv, isa.FnSMod:
		return imm == 0
	case isa.FnLsh, isa.FnRsh, isa.FnArsh:
		return uint32(imm) >= uint32(row.Width)
	}
	return false
}

func TestRows(t *testing.T) {
	needKernel(t)
	n, refused := 0, 0
	for _, row := range isa.Linux.Rows() {
		if row.Kind != isa.KindALU && row.Kind != isa.KindJump {
			continue
		}
		for v := range enginetest.RowVectors(row) {
			if n++; n%*stride != 0 {
				continue
			}
			r0, err := run(t, v)
			if refuses(row, immediate(v, row)) {
				refused++
				if err == nil {
					t.Errorf("%s: the kernel does not refuse it", v.Name)
				}
			} else if err := v.Check(r0, err); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
		}
	}
	t.Logf("%d of %d operand pairs compared, %d of them refused as expected", n / *stride, n, refused)
}

// immediate returns the immediate of the vector's instruction of the row.
func immediate(v enginetest.Vector, row *isa.Row) int32 {
	code := v.Program.Insns
	for i := 0; i < len(code); i += isa.Linux.Slots(code[i].Code) {
		if r, err := isa.Linux.Lookup(code, i); err == nil && r == row {
			return code[i].Imm
		}
	}
	return 0
}

// shapes are the random programs that the kernel is given.
var shapes = [...]enginetest.Options{{}, {Mem: 64}, {Mem: 40, Packet: true}, {Size: 60}, {Mem: 30, Size: 40}}

// TestRandom compares random programs. They are made for the kernel's verifier: it may give up on a few that
// have too many paths, but it must refuse none.
func TestRandom(t *testing.T) {
	needKernel(t)
	start, insns, tooMany := time.Now(), 0, 0
	for n := range *programs {
		number := *seed + uint64(n)
		o := shapes[number%uint64(len(shapes))]
		o.Kernel = true
		v, err := enginetest.RandomVector(rand.New(rand.NewPCG(number, 1)), o)
		if err != nil {
			t.Fatalf("seed %d: the reference machine fails: %v\n%s", number, err, enginetest.Listing(v.Program.Insns))
		}
		r0, err := run(t, v)
		if errors.Is(err, syscall.ENOMEM) || errors.Is(err, syscall.E2BIG) {
			tooMany++
		} else if err := v.Check(r0, err); err != nil {
			t.Fatalf("seed %d: %v\n%s", number, err, enginetest.Explain(t, v, run))
		}
		insns += len(v.Program.Insns)
	}
	took := time.Since(start)
	t.Logf("%d programs of %d instructions on average agree, %.0f a second; %d were too complex for the kernel",
		*programs-tooMany, insns / *programs, float64(*programs)/took.Seconds(), tooMany)
	if tooMany*100 > *programs {
		t.Error("that is too many")
	}
}
