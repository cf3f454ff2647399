// Implements programs and collections as plain data.

package spec

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
)

// Collection is what one file holds: programs and the maps they share.
type Collection struct {
	Programs []Program
	Maps     []Map

	// Variables are the global variables that stand in maps.
	Variables []Variable

	// Types are the file's type descriptions (BTF); nil if it has none. They are not part of spec JSON.
	Types *btf.Spec
}

// Variable is a global variable of a program's source: a piece of the value of a map.
type Variable struct {
	Name   string
	Map    string   // name of the map
	Offset uint32   // bytes from the start of the value
	Size   uint32   // bytes
	Type   btf.Type // nil if not known; not part of spec JSON
}

// Program is one program, not yet judged.
type Program struct {
	Name       string
	Type       ProgramType
	AttachType uint32 // the kernel's enum bpf_attach_type, for the types it matters to
	License    string
	Flags      ProgramFlags
	Insns      []isa.Instruction

	// Section is the section of an object file that the program stood in, such as "tp/sched/sched_switch",
	// and AttachTo what its name tells to attach the program to, "sched/sched_switch". Both may be empty.
	Section  string
	AttachTo string

	// Maps, Calls and Externs are the places where the code names something outside itself. A loader replaces
	// the immediates there; what the instruction held before is ignored.
	Maps    []MapRef
	Calls   []CallRef
	Externs []ExternRef

	// Funcs are the functions that the code consists of, by ascending slot, the first at 0. It is nil if the
	// file does not tell; calls show where functions start just as well.
	Funcs []Func

	// Symbols and Lines are for people: names of places in the code and its source. Both may be nil.
	Symbols []Symbol
	Lines   []Line
}

// ProgramFlags is a set of flags of a program.
type ProgramFlags uint32

// The flags, whose numbers are those of the kernel's BPF_F_STRICT_ALIGNMENT, BPF_F_ANY_ALIGNMENT,
// BPF_F_SLEEPABLE and BPF_F_XDP_HAS_FRAGS.
const (
	StrictAlignment ProgramFlags = 1 << 0
	AnyAlignment    ProgramFlags = 1 << 1
	Sleepable       ProgramFlags = 1 << 4 // may sleep, so may call what sleeps
	XDPFrags        ProgramFlags = 1 << 5 // takes packets in several pieces
)

// MapRef makes the wide load at slot Insn refer to a map.
type MapRef struct {
	Insn   int    // slot index of the wide load
	Map    string // name of the map
	Value  bool   // load the address of the map's value instead of the map
	Offset uint32 // offset into the value, bytes; only with Value
}

// CallRef makes the call at slot Insn refer to a function by name: to a helper, or, where the instruction is
// a call of a kernel function (kfunc), to that.
type CallRef struct {
	Insn   int
	Helper string
	Weak   bool      // the program can do without the function: it looks for it first, by an ExternRef
	Type   *btf.Func // the declaration; nil if not known; not part of spec JSON
}

// ExternRef makes the wide load at slot Insn load the address of something of the kernel's: a variable or a
// function. Of what is not there and Weak, the address is zero.
type ExternRef struct {
	Insn int
	Name string
	Weak bool
	Type btf.Type // *btf.Var or *btf.Func; nil if the program did not say; not part of spec JSON
}

// Func is a function of a program.
type Func struct {
	Insn   int // slot of its first instruction
	Name   string
	Static bool      // callers know the body: it is judged with them, not by itself
	Type   *btf.Func // the declaration; nil if not known; not part of spec JSON
}

// Symbol names the instruction at slot Insn: a label, or the start of a function.
type Symbol struct {
	Insn int
	Name string
}

// Line is the source of the instructions from slot Insn on.
type Line struct {
	Insn   int
	File   string
	Line   int // from 1; 0 if not known
	Column int // from 1; 0 if not known
	Text   string
}

// Map describes a map, not yet created.
type Map struct {
	Name       string
	Type       MapType
	KeySize    uint32 // bytes
	ValueSize  uint32 // bytes
	MaxEntries uint32
	Flags      uint32 // the kernel's BPF_F_ map flags
	Extra      uint64 // map_extra of the kernel: of a bloom filter, the number of hash functions
	Frozen     bool   // its contents do not change any more, so reading them gives constants
	Contents   []MapEntry
	Fields     []MapField // special fields of a value that nothing else declares
	Inner      *Map       // the inner map's definition, for maps of maps
	Methods    []Method   // the programs that a struct_ops map consists of
	Pointers   []Pointer  // addresses in the value of a map that holds variables

	// KeyType and ValueType describe the map's contents; nil if not known. They are not part of spec JSON.
	KeyType, ValueType btf.Type
}

// MapEntry is an initial element of a map.
type MapEntry struct {
	Key     []byte
	Value   []byte
	Program string // instead of Value: the program's name, in a prog_array
	Map     string // instead of Value: the map's name, in a map of maps
}

// Method says which program implements a function of a struct_ops map.
type Method struct {
	Offset  uint32 // of the pointer to it, bytes from the start of the value
	Program string // the program's name
}

// Pointer says that 8 bytes of a map's initial value are the address of another map's value, or of another place in
// its own, as a variable in C is initialised with the address of another. Without Value, they stand for the map itself.
type Pointer struct {
	Offset uint32 // of the address, bytes from the start of the value
	Map    string // the name of the map that it is an address in
	Value  bool
	To     uint32 // bytes from the start of that map's value
}

// MapField says that a map's value has a field the kernel treats specially.
type MapField struct {
	Kind   FieldKind
	Offset uint32 // bytes from the start of the value

	// Type is what a pointer points to, or the elements of a list or tree; nil if not known. Node is the name
	// of the field of such an element that links it. Neither is part of spec JSON.
	Type btf.Type
	Node string
}

// FieldKind is the sort of a special field.
type FieldKind string

// The special fields, named as the kernel's structures without "bpf_". A kptr is a pointer to an object of
// the kernel's that the map owns; an untrusted one does not own it; a uptr points to a user's memory.
const (
	SpinLock      FieldKind = "spin_lock"
	ResSpinLock   FieldKind = "res_spin_lock"
	Timer         FieldKind = "timer"
	WorkQueue     FieldKind = "wq"
	TaskWork      FieldKind = "task_work"
	Kptr          FieldKind = "kptr"
	KptrUntrusted FieldKind = "kptr_untrusted"
	PerCPUKptr    FieldKind = "percpu_kptr"
	Uptr          FieldKind = "uptr"
	ListHead      FieldKind = "list_head"
	ListNode      FieldKind = "list_node"
	RBRoot        FieldKind = "rb_root"
	RBNode        FieldKind = "rb_node"
	Refcount      FieldKind = "refcount"
)

var fieldKinds = []FieldKind{SpinLock, ResSpinLock, Timer, WorkQueue, TaskWork, Kptr, KptrUntrusted, PerCPUKptr, Uptr,
	ListHead, ListNode, RBRoot, RBNode, Refcount}
