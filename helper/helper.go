// Implements what a helper is: number, name, signature, effects, body; and the rules it must keep.

package helper

import (
	"errors"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/spec"
)

// Func is the body of a helper. It gets R1 to R5 as they are, all five whatever the signature says. An
// error ends the program's run with a fault that wraps it; ErrExit ends it without a fault. A panic passes
// through to the caller of Run, and the program can be run again afterwards. Func must be safe for
// concurrent use if the program is.
type Func func(c *Call, r1, r2, r3, r4, r5 uint64) (uint64, error)

// Helper is a function that programs can call. It has a body in Go, Func, or is a BPF function itself, Program.
// The verifier knows of a helper only what stands here.
type Helper struct {
	ID     int32  // the number in the call instruction; kernel functions (Kfunc) get one when they are registered
	Name   string // without the kernel's "bpf_" prefix; kernel functions: the whole name
	Args   []Arg  // at most MaxArgs
	Result Result

	Objects      [MaxArgs]string // names of the structures of arguments of kind Object
	ResultObject string          // name of the structure of a ResultObject
	ResultSize   uint32          // bytes of a ResultFixed

	// Variants are signatures that differ from Args for programs of some types.
	Variants []Variant

	Maps          []spec.MapType // types that the MapRef argument may have; nil: any
	Callback      *Callback      // what the Function argument is called with
	GPL           bool           // only for programs whose license is compatible with the GPL
	Sleeps        bool           // only for programs that may sleep
	PacketMemory  bool           // memory that it takes may lie in the packet
	ChangesPacket bool           // pointers to the packet that the program holds are void afterwards
	ChangesMap    bool           // changes the map that it gets: not one that programs may only read
	TailCall      bool           // does not come back if it succeeds
	Locks         bool           // takes the lock that it gets
	Unlocks       bool           // gives it back
	WhileLocked   bool           // may be called while a lock is held
	Kfunc         bool           // a kernel function, which programs call by name

	// What the arguments of kernel functions that are Objects must be (KF_TRUSTED_ARGS, KF_RCU), and whether RCU must
	// protect what it gives (KF_RCU_PROTECTED).
	TrustedArgs, RCUArgs, UnderRCU bool

	// Types are the program types that may call a kernel function; nil: all. What helpers each type may call stands in
	// package progtype.
	Types []spec.ProgramType

	Inline Inline  // what machine code may do in place of the call
	Enters Section // what it begins: the program must end it again
	Leaves Section // what it ends
	Throws bool    // it ends the program, and does not come back

	Func Func

	// Program, if not nil, is the body: a function of R1 to R5 that returns R0. It becomes part of the program
	// that calls it, on every engine, with a stack frame of its own and its instructions counted. Only its
	// instructions, calls and lines count.
	Program *spec.Program

	// Native, if not zero, is the address of machine code for this system and processor that does the same as
	// Func, which other engines use. The JIT calls it by one call instruction. The code follows the System V
	// convention, except that the stack may be aligned to 8 bytes only; it must use no more than 256 bytes of
	// stack, must not fault and must not call Go. Its arguments are the program's: addresses among them mean
	// something to the host only if the program is trusted. Whatever it is in, it must stay there as long as
	// programs may run. This is for assembly (TEXT symbols with NOSPLIT); compiled Go does not qualify.
	Native uintptr
}

// Inline is what the JIT knows to do by itself instead of calling a helper. It must be the same.
type Inline uint8

// The helpers that the JIT knows.
const (
	NoInline     Inline = iota
	InlineLookup        // map_lookup_elem
	InlineUpdate        // map_update_elem
	InlineDelete        // map_delete_elem
	InlineCPU           // get_smp_processor_id
)

// Section is a state that a program can be in for a while.
type Section uint8

// The sections.
const (
	NoSection     Section = iota
	RCURead               // what RCU protects is not freed
	PreemptOff            // the processor is not given to others
	InterruptsOff         // nor interrupted
)

// CallbackArg is the kind of what a helper passes to a function that it calls.
type CallbackArg uint8

// The kinds of callbacks' arguments.
const (
	CallbackNone    CallbackArg = iota // nothing that can be read
	CallbackScalar                     // a number
	CallbackMap                        // the map that the helper got
	CallbackKey                        // address of a key of the map, read-only
	CallbackValue                      // address of a value of the map
	CallbackPointer                    // the StackMem argument of the helper
	CallbackDynptr                     // a dynptr, read-only
	CallbackObject                     // pointer to a kernel's structure, named in Callback.Object
	CallbackFirst                      // what the helper's first argument is
)

// Callback says how a helper calls a function of the program.
type Callback struct {
	Args     [MaxArgs]CallbackArg
	Object   string // name of the structure of a CallbackObject
	Min, Max int32  // the results that the function may have
	Later    bool   // it is called after the program has ended, as timers do
}

// ErrExit, returned by a helper, ends the whole program at once; its result is what the helper returned.
var ErrExit = errors.New("helper ends the program")

// ErrTailCall is what Call.TailCall returns, for the helper to hand on: the program ends here, and another goes on.
var ErrTailCall = errors.New("helper goes on with another program")

// ErrTooManyArgs is what Check's error wraps for a helper of more than five arguments.
var ErrTooManyArgs = errors.New("too many arguments")

// Variant is what a helper takes in programs of some types.
type Variant struct {
	Types []spec.ProgramType
	Args  []Arg
}

// ArgsIn returns what h takes in programs of a type.
func (h *Helper) ArgsIn(t spec.ProgramType) []Arg {
	for _, v := range h.Variants {
		if slices.Contains(v.Types, t) {
			return v.Args
		}
	}
	return h.Args
}

// Check reports what is wrong with h, or nil.
func (h *Helper) Check() error {
	switch {
	case h.Name == "":
		return fmt.Errorf("helper %d has no name", h.ID)
	case h.Func == nil && h.Program == nil:
		return fmt.Errorf("helper %s (%d) has no body", h.Name, h.ID)
	case h.Program != nil && (h.Func != nil || h.Native != 0):
		return fmt.Errorf("helper %s (%d) has two bodies, a program and another", h.Name, h.ID)
	case len(h.Args) > MaxArgs:
		return fmt.Errorf("helper %s (%d): %w: it declares %d, and a call passes at most %d (R1 to R5)",
			h.Name, h.ID, ErrTooManyArgs, len(h.Args), MaxArgs)
	}
	for i, a := range h.Args {
		switch {
		case a.Kind() >= argKinds:
			return fmt.Errorf("helper %s (%d): argument %d is of no known kind (%d)", h.Name, h.ID, i+1, a)
		case a.Kind() == Iterator && h.Objects[i] == "":
			return fmt.Errorf("helper %s (%d): argument %d is an iterator, and nothing says of which kind", h.Name, h.ID, i+1)
		case a.IsSize() != (i > 0 && h.Args[i-1].sized()):
			return fmt.Errorf("helper %s (%d): argument %d: a size must follow its memory argument, and nothing else", h.Name, h.ID, i+1)
		case a.Kind() == Function && h.Callback == nil:
			return fmt.Errorf("helper %s (%d): argument %d is a function, and nothing says what it is called with", h.Name, h.ID, i+1)
		}
	}
	if n := len(h.Args); n > 0 && h.Args[n-1].sized() {
		return fmt.Errorf("helper %s (%d): argument %d is memory without a size after it", h.Name, h.ID, n)
	}
	return nil
}
