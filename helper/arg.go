// Implements the kinds of helpers' arguments and results: what a program must pass and what it gets.

package helper

import "fmt"

// MaxArgs is the number of argument registers, R1 to R5. It is policy, not a limit of the format: the
// calling convention gives arguments no other place.
const MaxArgs = 5

// Arg is the kind of a helper's argument: what a program must pass. It is one of the kinds below, with flags,
// and for Fixed memory with its size.
type Arg uint64

// The kinds of arguments. What the kernel calls them is in parentheses where that helps (enum bpf_arg_type).
const (
	Any     Arg = iota // any value
	Context            // the context the program was called with

	Mem     // address of memory that the helper reads; the next argument is its size
	MemOut  // address of memory that the helper writes without reading it; the next argument is its size
	Size    // size in bytes of the memory before it, not zero
	SizeOr0 // the same, zero allowed

	MapRef      // a map, known when the program is loaded (CONST_MAP_PTR)
	MapKey      // address of memory of the size of a key of the map before it, read
	MapValue    // address of memory of the size of a value of the map before it, read
	MapValueOut // the same, written

	RecordSize // size in bytes of memory that the result points to, a constant (CONST_ALLOC_SIZE_OR_ZERO)
	Record     // memory that a helper has handed out whole, such as a ring buffer's record (RINGBUF_MEM)

	Function    // a function of the program, which the helper calls (FUNC)
	StackMem    // address on the stack (PTR_TO_STACK)
	ConstString // address of a constant string that ends with a zero byte, in a read-only map

	LockField  // address of a bpf_spin_lock in a map's value
	TimerField // address of a bpf_timer in a map's value
	KptrField  // address of a pointer field in a map's value
	DynptrRef  // address of a dynptr on the stack

	Socket     // full socket: struct bpf_sock or one that contains it (SOCKET)
	SockCommon // any socket (SOCK_COMMON, BTF_ID_SOCK_COMMON)
	Object     // pointer to a kernel's structure, named in Helper.Objects (BTF_ID)
	PerCPU     // address of a kernel's per-CPU variable (PERCPU_BTF_ID)

	// Of kernel functions.

	Iterator     // address of an iterator on the stack, named in Helper.Objects: Fresh is made, Releases is destroyed
	IRQFlag      // address of 8 bytes on the stack: Fresh receive the interrupt flag, Releases give it back
	ResLockField // address of a bpf_res_spin_lock in a map's value
	WorkField    // address of a bpf_wq in a map's value
	Constant     // a number known when the program is loaded
	ListHead     // address of a bpf_list_head in a map's value or an object of the program's
	ListNode     // address of a bpf_list_node in such an object
	TreeRoot     // address of a bpf_rb_root in a map's value or an object of the program's
	TreeNode     // address of a bpf_rb_node in such an object

	argKinds // behind the last

	kindMask Arg = 0xff
)

// The flags of arguments.
const (
	OrNull   Arg = 1 << (8 + iota) // may be zero
	Releases                       // ends the reference that the argument is
	Writes                         // memory that is read is written as well
	Fresh                          // a dynptr that the helper makes; what was there is overwritten
	Aligned                        // fixed memory must be aligned to its size
	Local                          // a dynptr of memory that the program owns: of a map value or the stack, not of a packet
	RingBuf                        // a dynptr of a ring buffer's record
	Ignored                        // Any of a kernel function that may be an address as well (__ign); others must be numbers
	Fixing                         // a size that must be known when the program is loaded; it is that of a ResultMem
	Zero                           // Any that must be the constant 0
	ViewOnly                       // a SockCommon that is no structure of the kernel, but what programs see of it

	sizeShift = 32
)

// Fixed returns the kind of memory of a fixed size in bytes: kind is Mem or MemOut, and no size follows.
func Fixed(kind Arg, size uint32) Arg { return kind | Arg(size)<<sizeShift }

// Kind returns the kind without flags and size.
func (a Arg) Kind() Arg { return a & kindMask }

// Has reports whether the kind has all the given flags.
func (a Arg) Has(flags Arg) bool { return a&flags == flags }

// FixedSize returns the size in bytes of Fixed memory, 0 for other kinds.
func (a Arg) FixedSize() uint32 { return uint32(a >> sizeShift) }

// IsSize reports whether the argument is the size of the memory before it.
func (a Arg) IsSize() bool { return a.Kind() == Size || a.Kind() == SizeOr0 }

// sized reports whether a size must follow.
func (a Arg) sized() bool { return (a.Kind() == Mem || a.Kind() == MemOut) && a.FixedSize() == 0 }

var argNames = [argKinds]string{"any", "context", "mem", "mem-out", "size", "size-or-0", "map", "map-key", "map-value",
	"map-value-out", "record-size", "record", "function", "stack", "const-string", "spin-lock", "timer", "kptr", "dynptr",
	"socket", "sock-common", "object", "per-cpu", "iterator", "irq-flag", "res-spin-lock", "wq", "constant", "list-head", "list-node", "tree-root", "tree-node"}

var argFlags = []struct {
	flag Arg
	name string
}{{OrNull, "or-null"}, {Releases, "releases"}, {Writes, "writes"}, {Fresh, "fresh"}, {Aligned, "aligned"}, {Local, "local"}, {RingBuf, "ringbuf"}, {Ignored, "ignored"}, {Fixing, "fixing"}, {Zero, "zero"}, {ViewOnly, "view-only"}}

// String returns the kind in words, such as "mem-out[4]|or-null".
func (a Arg) String() string {
	s := fmt.Sprintf("arg(%d)", uint64(a.Kind()))
	if a.Kind() < argKinds {
		s = argNames[a.Kind()]
	}
	if n := a.FixedSize(); n > 0 {
		s += fmt.Sprintf("[%d]", n)
	}
	for _, f := range argFlags {
		if a.Has(f.flag) {
			s += "|" + f.name
		}
	}
	return s
}

// Result is the kind of value a helper returns, with flags.
type Result uint32

// The kinds of results.
const (
	Scalar Result = iota // a number
	Void                 // nothing: R0 is 0

	ResultMapValue // address of a value of the map that was passed
	ResultRecord   // address of memory of the size that the RecordSize argument tells
	ResultMem      // address of memory whose size the argument after a dynptr and an offset tells (DYNPTR_MEM), or the Fixing one
	ResultSocket   // struct bpf_sock
	ResultTCPSock  // struct bpf_tcp_sock
	ResultCommon   // struct bpf_sock of which only the common part is there (SOCK_COMMON)
	ResultObject   // pointer to a kernel's structure, named in Helper.ResultObject
	ResultFixed    // address of memory of Helper.ResultSize bytes
	ResultVariable // what the PerCPU argument is, on the processor that was asked for

	resultMask Result = 0xff
)

// The flags of results.
const (
	MayBeNull Result = 1 << (8 + iota) // the program must look whether it is zero
	Acquires                           // the result is a reference that the program must release
	ReadOnly                           // memory that can only be read
	// Errno tells of a Scalar that it is 0 or more, or an error number down to -4095. The verifier uses it for
	// helpers of which the kernel's does so.
	Errno
	Trusted // a ResultObject that is certain to be there
)

// Kind returns the kind without flags.
func (r Result) Kind() Result { return r & resultMask }

// Has reports whether the kind has all the given flags.
func (r Result) Has(flags Result) bool { return r&flags == flags }
