// Implements programs and collections as plain data.

package spec

import "github.com/skepbpf/skep/isa"

// Collection is what one file holds: programs and the maps they share.
type Collection struct {
	Programs []Program
	Maps     []Map
}

// Program is one program, not yet judged.
type Program struct {
	Name       string
	Type       ProgramType
	AttachType uint32 // the kernel's enum bpf_attach_type, for the types it matters to
	License    string
	Flags      ProgramFlags
	Insns      []isa.Instruction

	// Maps and Calls are the places where the code names something outside itself. A loader replaces the
	// immediates there; what the instruction held before is ignored.
	Maps  []MapRef
	Calls []CallRef

	// Symbols and Lines are for people: names of places in the code and its source. Both may be nil.
	Symbols []Symbol
	Lines   []Line
}

// ProgramFlags is a set of flags of a program.
type ProgramFlags uint32

// The flags, which match BPF_F_STRICT_ALIGNMENT and BPF_F_ANY_ALIGNMENT of the kernel.
const (
	StrictAlignment ProgramFlags = 1 << iota
	AnyAlignment
)

// MapRef makes the wide load at slot Insn refer to a map.
type MapRef struct {
	Insn   int    // slot index of the wide load
	Map    string // name of the map
	Value  bool   // load the address of the map's value instead of the map
	Offset uint32 // offset into the value, bytes; only with Value
}

// CallRef makes the call at slot Insn refer to a helper by name.
type CallRef struct {
	Insn   int
	Helper string
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
	Contents   []MapEntry
	Fields     []MapField // special fields of a value that nothing else declares
	Inner      *Map       // the inner map's definition, for maps of maps
}

// MapEntry is an initial element of a map.
type MapEntry struct {
	Key     []byte
	Value   []byte
	Program string // instead of Value: the program's name, in a prog_array
}

// MapField says that a map's value has a field the kernel treats specially.
type MapField struct {
	Kind   FieldKind
	Offset uint32 // bytes from the start of the value
}

// FieldKind is the sort of a special field.
type FieldKind string

// The special fields.
const (
	SpinLock FieldKind = "spin_lock"
	Timer    FieldKind = "timer"
	Kptr     FieldKind = "kptr"
)
