// Implements the description of program types and their look-up.

package progtype

import "github.com/skepbpf/skep/spec"

// Type describes a program type.
type Type struct {
	Type spec.ProgramType

	// Context is the structure that R1 points to, filled in for each run: UAPI structures, and what an embedder
	// has declared. Given is that of types whose context comes from the caller as it is; it may be shorter than
	// the layout. At most one of the two is there. Without either, R1 is the address of the data and R2 its length (spec.Unspec).
	Context *Layout
	Given   *Layout

	Packet  bool // runs on a packet
	LdAbs   bool // may use packet access instructions (ld_abs, ld_ind)
	Rewrite bool // may change the packet through pointers
	Pass    Pass // which helpers may be given addresses in the packet

	Attach  Attach          // the attach types that programs are loaded for; empty: any number, which nobody looks at
	Default spec.AttachType // what attach type 0 stands for
	Returns []Return        // what programs may return; nil: anything
	Verdict []Verdict
	BTF     bool   // made for a kernel's function or a structure's method, which BTF describes; context and results depend on it
	Missing string // why Skep does not run programs of the type, "" if it does
}

// Pass says which helpers may be given addresses in the packet where they take memory.
type Pass uint8

// The choices: those that are made for it (helper.Helper.PacketMemory), all, or none.
const (
	PassSome Pass = iota
	PassAny
	PassNone
)

// Layout returns the structure that R1 points to, wherever its bytes come from; nil if there is none.
func (t *Type) Layout() *Layout {
	if t.Context != nil {
		return t.Context
	}
	return t.Given
}

// Return says what programs of some attach types may return: R0 is between Min and Max.
type Return struct {
	Attach   Attach
	Min, Max int32
}

// Verdict names a result.
type Verdict struct {
	Value int32
	Name  string
}

// Range returns what programs of attach type at may return; ok is false if that is anything.
func (t *Type) Range(at spec.AttachType) (r Return, ok bool) {
	for _, r := range t.Returns {
		if r.Attach.Has(at) {
			return r, r.Min <= r.Max
		}
	}
	return Return{}, false
}

// VerdictName returns the name of a result, such as "XDP_PASS", or "".
func (t *Type) VerdictName(r0 uint32) string {
	for _, v := range t.Verdict {
		if v.Value == int32(r0) {
			return v.Name
		}
	}
	return ""
}

// Layout describes a context structure as programs see it (the kernel's UAPI structures, linux/bpf.h).
type Layout struct {
	Name   string
	Size   int // bytes
	Fields []Field
	Memory bool // plain memory: every access inside is allowed, aligned or not, across fields too
}

// Field is a field of a context. Where a part of a field has rules of its own there are several of the same name.
type Field struct {
	Name   string
	Off    int // bytes
	Size   int // bytes, of all elements
	From   Source
	Read   Access
	Write  Access
	Value  Value  // what reading yields
	Object string // name of the structure, for Value Object
}

// Source says where a context field's value comes from.
type Source uint8

// The sources. Zero is for fields that hold zero unless the caller says otherwise.
const (
	Zero Source = iota
	Len
	PktType
	Mark
	Queue
	Protocol // as it stands on the wire, big endian
	VLANPresent
	VLANTCI
	VLANProto // as it stands on the wire, big endian
	Priority
	IfIndex
	Hash
	DataStart
	DataEnd
	DataMeta
	IngressIfIndex
	EgressIfIndex
	RxQueue
	TCIndex
	TCClassID
	CB        // five words
	NAPIID    // number of the receive queue's poller
	Timestamp // nanoseconds
	TimestampType
	HWTimestamp // nanoseconds
	WireLen
	GSOSegs
	GSOSize
	Family     // of the packet's socket, as all that follows
	RemoteIP4  // big endian
	LocalIP4   // big endian
	RemoteIP6  // big endian
	LocalIP6   // big endian
	RemotePort // big endian in the upper half
	LocalPort  // host order
	SocketRef  // pointer to the packet's socket, or 0
	KeysRef    // pointer to the flow keys
	IPProtocol
	BindAny
)

// Writable reports whether programs may write size bytes at off, all of them inside one field: of some attach
// type, and in pieces of any size.
func (l *Layout) Writable(off, size int) bool {
	for _, f := range l.Fields {
		if f.Write.Sizes != 0 && off >= f.Off && off+size <= f.Off+f.Size {
			return true
		}
	}
	return false
}

// Find returns the row of a program type. Numbers that are none get a row with neither layout nor packet.
func Find(t spec.ProgramType) Type {
	if int(t) < len(rows) {
		return rows[t]
	}
	return Type{Type: t}
}
