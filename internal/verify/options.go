// Implements what a verification is told and what it tells.

package verify

import (
	"io"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Options says how to verify a program. Type must be set; the zero value of the rest works.
type Options struct {
	Type    progtype.Type
	Profile isa.Profile // the 2014 profile refuses loops and unreachable code
	Maps    []spec.Map  // the maps that the program can refer to
	Helper  func(id int32) *helper.Helper

	// Kernel returns the types of the kernel and then of its modules. If it is nil or returns none, they are not at hand,
	// and there is no verdict on what needs them.
	Kernel func() []*btf.Spec

	// Externs are the places where the program loads the address of something of the kernel's.
	Externs []spec.ExternRef

	// Strict refuses programs that let addresses become visible, as the kernel does for users that may load
	// programs but not look at the kernel's memory (CAP_BPF without CAP_PERFMON).
	Strict bool

	// Limit is the greatest number of instructions to walk through, on all paths together; 0 means a million.
	Limit int

	// Log, if not nil, gets each instruction walked through with what is known of the registers it changed, in
	// the form of the kernel's log at level 2.
	Log io.Writer

	// Rejected, if not nil, is called for each path on which the program goes wrong, with the instructions of the path
	// from the first of the program on. If it returns true, the walk goes on for more such paths. The error of the first
	// counts.
	Rejected func(path []ir.Index, e *Error) bool

	// Graph, if not nil, gets the control-flow graph in the DOT language, with what is known at the start of each block.
	Graph io.Writer
}

// Result is what a verification has found out about a program that it accepts, and what it cost in any case.
type Result struct {
	Processed  int // instructions walked through, on all paths together
	States     int // checkpoints kept at the end
	PeakStates int // checkpoints and branches at once, at most
	StackDepth int // bytes of stack that the deepest chain of calls uses
	Facts      *Facts
}

// Verify decides whether p is safe to run. The error is an *Error if it is not, or an *Unsupported if the program
// uses what the verifier does not know. The Result is there in either case.
func Verify(p *ir.Program, opts *Options) (*Result, error) {
	v := newVerifier(p, opts)
	err := v.run()
	return v.result(), err
}
