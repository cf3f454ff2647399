// Implements the options of loading and running, and the names of engines.

package skep

import (
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Engine is a way to run programs.
type Engine uint8

const (
	// EngineAuto leaves the choice to Load: the JIT where there is one that can run the program, else the
	// interpreter.
	EngineAuto Engine = iota
	// EngineInterp runs one instruction at a time, everywhere.
	EngineInterp
	// EngineJIT compiles to machine code, on linux/amd64. The code checks every memory access. It does not
	// watch what has been written: stack bytes that nothing has written read as with ZeroUninitialized, and
	// programs in which that might happen to a register are refused.
	EngineJIT
)

var engineNames = [...]string{"auto", "interp", "jit"}

// String returns the engine's name as the command line spells it.
func (e Engine) String() string { return engineNames[e] }

// Options says how to load a program. The zero value, and nil, load for today's Linux with the standard
// helpers and the best engine.
type Options struct {
	Engine     Engine
	Profile    isa.Profile     // which instructions the program may use, and how many
	Extensions []isa.Extension // instructions to add to the table

	// Maps are the maps that the program can name. Programs loaded with the same maps share them.
	Maps map[string]*bpfmap.Local

	// Externs is the memory of variables of the kernel that programs may read, by name. Other variables are an
	// error, but for weak ones, whose address is zero.
	Externs map[string][]byte

	// Type, if not nil, is the type of the program in place of the one it names: one that the embedder has declared, such
	// as by progtype.FromStruct.
	Type *progtype.Type

	Helpers []helper.Helper // helpers to add to the standard table, or to put in the place of some
	Env     *helper.Env     // clock, randomness and processor that helpers see; nil: the real ones
	Value   any             // handed to helpers as Call.Value

	// Unverified loads programs without proving them safe. They run with every memory access checked, and metered.
	Unverified bool
	// Strict has the verifier refuse programs that let addresses become visible, as the kernel does for users that may
	// load programs but not look at the kernel's memory (CAP_BPF without CAP_PERFMON).
	Strict bool

	// UnsafeTrust lets the JIT trust the program, for code that the host itself has made: no access is checked,
	// addresses are the host's own, instructions are not counted, no limit is kept. A program that does
	// anything wrong then crashes the process or silently destroys its memory. The interpreter does not trust,
	// and neither does the JIT where it cannot; Program.Engine says which it is.
	UnsafeTrust bool

	// PerfMap adds the program's machine code to the map file that Linux perf reads for this process, in the
	// directory for temporary files, so that its reports name the program, with "bpf:" before the name. Load fails
	// if that cannot be written. ProfileLabels has Program.RunContext and Program.Run label what they do, for
	// runtime/pprof: the label "bpf" is the program's name. The labels of the context given stand again afterwards.
	PerfMap       bool
	ProfileLabels bool

	// ZeroUninitialized makes registers and stack bytes that nothing has written read as zero; in the stack frame
	// of a function, bytes read as what an earlier call in the same run has left there. Otherwise
	// reading one ends the run with a Fault. The kernel lets privileged programs read such stack bytes.
	ZeroUninitialized bool

	watched bool // for registers, ZeroUninitialized does not count
}

// DefaultLimit is the instruction limit of runs that state none: a program that never ends is stopped
// after some seconds.
const DefaultLimit = 1 << 32

// NoLimit, as RunOptions.Limit, lets a program run until it ends or its context is cancelled.
const NoLimit = ^uint64(0)

// RunOptions says what a program runs on and receives what it leaves. The zero value, and nil, run it on
// nothing.
type RunOptions struct {
	// Data is the packet, or the memory given to a plain function (spec.Unspec). It is not changed.
	Data []byte
	// DataOut, if not nil, is replaced by Data as the program left it, using the slice's memory if it is large enough.
	// Of XDP programs it begins with the metadata that they put ahead of the packet, as BPF_PROG_TEST_RUN has it.
	DataOut []byte
	// Packet gives a packet's metadata, for packet programs. Its Data counts if Data is nil.
	Packet *spec.Packet

	// Context is the context structure for program types whose layout Skep does not fill in itself; for
	// those that it does, it replaces what Skep would put there, save for the fields that point to the
	// packet. ContextOut receives it as the program left it, like DataOut.
	Context    []byte
	ContextOut []byte

	// Outcome, if not nil, is replaced by what helpers did in the last run: where the packet was sent, and its metadata
	// as the program left them.
	Outcome *helper.Outcome

	// Repeat is how often to run; 0 means once. Each run starts with the same data and context.
	Repeat uint32
	// Limit is the greatest number of instructions that each run may execute; 0 means DefaultLimit.
	Limit uint64
}

// Result is the outcome of a run.
type Result struct {
	R0    uint64 // the program's exit value, all 64 bits
	Insns uint64 // instructions executed, by the last run; a wide instruction counts once. 0 where nobody counts: verified machine code without a limit
	Meta  int    // bytes of metadata at the start of RunOptions.DataOut
}
