// Implements verification by itself: whether a program is safe, and what finding that out cost.

package skep

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// VerifierError says why a program was refused: Code is the class, Slot the instruction, counted in eight-byte slots
// from 0, Line its source where it is known, Reg the register at fault or -1, Story how that came to be what it is,
// and Hint what would help.
type VerifierError = verify.Error

// VerifierStep is a step of a VerifierError's story: an instruction, by its slot, what it did, and its source where it is known.
type VerifierStep = verify.Step

// UnsupportedError says that a program uses something that the verifier does not know, so that it has no verdict. It
// wraps ErrNotSupported.
type UnsupportedError struct {
	Slot int // of the instruction that uses it, or -1
	Text string
}

func (e *UnsupportedError) Error() string {
	if e.Slot < 0 {
		return "not known to the verifier: " + e.Text
	}
	return fmt.Sprintf("not known to the verifier: instruction %d: %s", e.Slot, e.Text)
}

// Unwrap returns ErrNotSupported.
func (e *UnsupportedError) Unwrap() error { return ErrNotSupported }

// VerifyOptions says how to verify a program. The zero value, and nil, ask for what the kernel lets the superuser load.
type VerifyOptions struct {
	Profile isa.Profile     // the 2014 profile refuses loops and unreachable code
	Helpers []helper.Helper // helpers to add to the standard table, or to put in the place of some
	Strict  bool            // no address may become visible, as for users who have CAP_BPF but not CAP_PERFMON
	Limit   int             // instructions to walk through on all paths together, at most; 0: a million
	Log     io.Writer       // receives each instruction walked through and what it changed, as the kernel's log does
	// KernelTypes are the types (BTF) of a kernel, then those of its modules, which describe the contexts of tracing
	// programs and the kernel's structures. If it is empty, they are those of the running kernel; where there are none, there
	// is no verdict on such programs.
	KernelTypes []*btf.Spec

	Graph io.Writer // receives the control-flow graph in the DOT language, with what is known at the start of each block

	rejected func(path []ir.Index, e *verify.Error) bool // as verify.Options.Rejected
}

// Verification is what verifying a program has cost.
type Verification struct {
	Processed  int           // instructions walked through, on all paths together
	States     int           // states kept at the end
	PeakStates int           // states kept at once, at most
	StackDepth int           // bytes of stack that the deepest chain of calls uses
	Time       time.Duration // all in all

	// MaxInsns bounds how many instructions a run executes, and how many calls it makes as well; 0 if the program has
	// loops, or functions that helpers call.
	MaxInsns uint64
}

// Verify decides whether a program is safe to run, as the kernel does. maps are the maps that it can refer to. The
// error is a *VerifierError or a *DecodeError if it is not safe, and an *UnsupportedError if it uses what the verifier
// does not know. The Verification is there in any case. It is safe for concurrent use.
func Verify(p *spec.Program, maps []spec.Map, opts *VerifyOptions) (*Verification, error) {
	if opts == nil {
		opts = &VerifyOptions{}
	}
	return verifyWith(p, maps, opts, nil)
}

// verifyWith is Verify that keeps the decoded program.
func verifyWith(p *spec.Program, maps []spec.Map, opts *VerifyOptions, keep **ir.Program) (*Verification, error) {
	start := time.Now()
	out := &Verification{}
	err := out.verify(p, maps, opts, keep)
	out.Time = time.Since(start)
	var unknown *verify.Unsupported
	if errors.As(err, &unknown) {
		err = &UnsupportedError{Slot: int(unknown.Slot), Text: unknown.Text}
	}
	return out, err
}

// hostTypes are the types of the running kernel. They are read once.
var hostTypes = sync.OnceValues(btf.LoadKernelSpec)

// kernelTypes returns the types that were given, or those of the running kernel.
func kernelTypes(given []*btf.Spec) []*btf.Spec {
	if len(given) > 0 {
		return given
	}
	if host, err := hostTypes(); err == nil {
		return []*btf.Spec{host}
	}
	return nil
}

func (out *Verification) verify(p *spec.Program, maps []spec.Map, opts *VerifyOptions, keep **ir.Program) error {
	helpers, err := helpersOf(opts.Helpers)
	if err != nil {
		return err
	}
	source := p
	if len(p.Calls) > 0 {
		source, err = resolveCalls(p, helpers)
	}
	if errors.Is(err, ErrNotSupported) {
		return &UnsupportedError{Slot: -1, Text: err.Error()}
	}
	if err != nil {
		return err
	}
	prog, err := ir.Decode(source, ir.Options{Profile: opts.Profile})
	if err != nil {
		return err
	}
	if keep != nil {
		*keep = prog
	}
	frozen := maps
	for i := range maps {
		if is := constant(&maps[i]); is != maps[i].Frozen {
			if &frozen[0] == &maps[0] {
				frozen = slices.Clone(maps)
			}
			frozen[i].Frozen = is
		}
	}
	r, err := verify.Verify(prog, &verify.Options{
		Type: progtype.Find(p.Type), Profile: opts.Profile, Maps: frozen, Externs: p.Externs, Strict: opts.Strict, Limit: opts.Limit, Log: opts.Log, Graph: opts.Graph,
		Helper: helpers.provable, Kernel: func() []*btf.Spec { return kernelTypes(opts.KernelTypes) }, Rejected: opts.rejected,
	})
	out.MaxInsns = r.Facts.MaxInsns
	out.Processed, out.States, out.PeakStates, out.StackDepth = r.Processed, r.States, r.PeakStates, r.StackDepth
	return err
}
