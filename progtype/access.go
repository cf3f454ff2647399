// Implements what programs may do with a field of a context, and what they get.

package progtype

import "github.com/skepbpf/skep/spec"

// Attach is a set of attach types. The empty set stands for all.
type Attach uint64

// Of returns the set of the given attach types.
func Of(types ...spec.AttachType) Attach {
	var s Attach
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in the set.
func (s Attach) Has(t spec.AttachType) bool { return s == 0 || t < 64 && s>>t&1 != 0 }

// Sizes is a set of access sizes: the sum of those of 1, 2, 4 and 8 bytes.
type Sizes uint8

// The sets of sizes that most fields have.
const (
	None   Sizes = 0
	Narrow Sizes = 1 | 2 | 4     // a word or an aligned part of one
	Any    Sizes = 1 | 2 | 4 | 8 // whatever is aligned
)

// Access says how programs may read, or write, a field. The zero value is: not at all.
type Access struct {
	Sizes      Sizes  // each at offsets in the context that are multiples of the size
	First      bool   // only at the field's first byte
	Attach     Attach // in programs of these attach types
	Privileged bool   // only by programs whose loader has CAP_BPF
}

// Value says what a program gets by reading a field: for the verifier.
type Value uint8

// The values of fields.
const (
	Scalar Value = iota
	PacketStart
	PacketEnd
	PacketMeta
	Socket           // struct bpf_sock
	SocketOrNull     // the same, or zero
	SockCommon       // struct bpf_sock of which the common part is there, or zero
	FlowKeys         // struct bpf_flow_keys
	Buffer           // memory that a raw tracepoint lets programs write
	Object           // a kernel's structure, named in Field.Object
	BTFArgument      // what the type of the function's argument says
	valueKinds   int = iota
)

var valueNames = [valueKinds]string{"scalar", "packet start", "packet end", "packet metadata", "socket", "socket or null",
	"common part of a socket or null", "flow keys", "tracepoint buffer", "kernel object", "argument of the function"}

// String returns the value in words.
func (v Value) String() string { return valueNames[v] }

// Access returns the field, if there is one, that programs of attach type at may read or, with write, change by
// size bytes (1, 2, 4 or 8) at off, and what the rule is.
func (l *Layout) Access(at spec.AttachType, off, size int, write bool) (*Field, Access) {
	switch {
	case l.Memory && off >= 0 && off+size <= l.Size:
		return l.Field(off), bytes
	case l.Memory || off < 0 || off%size != 0:
		return nil, Access{}
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		a := f.Read
		if write {
			a = f.Write
		}
		inside := off == f.Off || off > f.Off && !a.First
		if inside && off+size <= f.Off+f.Size && a.Sizes&Sizes(size) != 0 && a.Attach.Has(at) {
			return f, a
		}
	}
	return nil, Access{}
}

// Field returns the field that the byte at off is in, whether programs may access it or not; nil if none.
func (l *Layout) Field(off int) *Field {
	for i := range l.Fields {
		if f := &l.Fields[i]; off >= f.Off && off < f.Off+f.Size {
			return f
		}
	}
	return nil
}
