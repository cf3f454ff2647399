// Implements what is known of a register.

package verify

import "github.com/skepbpf/skep/internal/value"

// Kind is what the value of a register is.
type Kind uint8

// The kinds. All but NotInit and Scalar are pointers.
const (
	NotInit    Kind = iota // nothing was written, or a call has made it unreadable
	Scalar                 // a number
	Context                // the program's context
	Map                    // a map
	MapValue               // in a value of a map
	MapKey                 // in a key of a map, inside a callback
	Stack                  // in the stack frame of number reg.frame
	Packet                 // in the packet
	PacketMeta             // in the metadata before the packet
	PacketEnd              // behind the packet's end
	FlowKeys               // struct bpf_flow_keys
	Socket                 // struct bpf_sock, full
	SockCommon             // struct bpf_sock, common part
	TCPSock                // struct bpf_tcp_sock
	XDPSock                // struct bpf_xdp_sock
	Mem                    // memory of reg.n bytes
	Buf                    // buffer of unknown length
	Object                 // a kernel's structure
	Func                   // a function of the program
	Dynptr                 // a dynptr that a callback got
	Arena                  // in the arena
	Iter                   // an iterator; only in the stack
	numKinds
)

var kindNames = [numKinds]string{"?", "scalar", "ctx", "map_ptr", "map_value", "map_key", "fp", "pkt", "pkt_meta", "pkt_end",
	"flow_keys", "sock", "sock_common", "tcp_sock", "xdp_sock", "mem", "buf", "ptr_", "func", "dynptr_ptr", "arena", "iter"}

// flags are properties of pointers.
type flags uint16

const (
	orNull    flags = 1 << iota // may be zero
	readOnly                    // the memory can only be read
	ringbuf                     // a ring buffer's record
	trusted                     // an Object that is certain to be there
	untrusted                   // an Object that may not be there any more
	addConst                    // a Scalar that is another of the same id plus off
	percpu                      // of each processor
	writeOnly                   // the memory can only be written
	narrow                      // with addConst: off was added in 32 bits, to a number of 32 bits
	rcu                         // an Object that is there as long as RCU protects it
	alloc                       // an Object of the program's own
	nonOwning                   // an Object of the program's own that a list or tree holds
	user                        // an Object in a user's memory
	foreign                     // a Mem that is the kernel's
)

// scalarFlags are the flags of numbers alone.
const scalarFlags = addConst | narrow

// reg is what is known of a register or of eight bytes of the stack. The Scalar is the number, or the variable part
// of a pointer's offset.
type reg struct {
	value.Scalar
	kind    Kind
	frame   uint8 // of a Stack pointer: the number of the frame
	flags   flags
	precise bool   // states that differ in this number are not the same
	off     int32  // the fixed part of a pointer's offset; of an addConst scalar, the difference
	n       int32  // bytes known to be there: of a Packet, behind off 0; of a Mem, its size
	obj     int32  // the map, function or structure
	id      uint32 // the same for registers with the same origin
	ref     uint32 // the reference that must be released, or 0
	dyn     uint32 // the dynptr that the memory is a slice of, or 0
}

// The values of reg.n of a Packet that is known to reach its end, or beyond.
const (
	atEnd     = -1
	beyondEnd = -2
)

func (r *reg) pointer() bool { return r.kind > Scalar }

func (r *reg) has(f flags) bool { return r.flags&f == f }

func (r *reg) inPacket() bool { return r.kind == Packet || r.kind == PacketMeta }

func (r *reg) packetAny() bool { return r.inPacket() || r.kind == PacketEnd }

// constant reports whether r is a known number.
func (r *reg) constant() bool { return r.kind == Scalar && r.IsConst() }

// zero reports whether r is the number 0.
func (r *reg) zero() bool { return r.constant() && r.Bits.Value == 0 }

var zeroOffset = value.Const(0)

// pointerTo is a pointer of a kind, with no offset.
func pointerTo(k Kind) reg { return reg{Scalar: zeroOffset, kind: k} }

func unknownScalar() reg { return reg{Scalar: value.Unknown, kind: Scalar} }

func constScalar(v uint64) reg { return reg{Scalar: value.Const(v), kind: Scalar} }

// setUnknown makes r a number of which nothing is known.
func (r *reg) setUnknown() { *r = reg{Scalar: value.Unknown, kind: Scalar} }

// nonNull reports whether a pointer is certain not to be zero.
func (r *reg) nonNull() bool {
	if r.has(orNull) {
		return false
	}
	switch r.kind {
	case Socket, TCPSock, MapValue, MapKey, SockCommon, Map:
		return true
	case Object:
		return r.isTrusted()
	case Mem:
		return !r.has(untrusted)
	}
	return false
}

// name is how the kernel calls a kind with its flags.
func (r *reg) name() string {
	s := kindNames[r.kind]
	switch {
	case r.has(ringbuf):
		s = "ringbuf_" + s
	case r.has(readOnly) && r.kind != Map:
		s = "rdonly_" + s
	case r.has(untrusted):
		s = "untrusted_" + s
	case r.has(trusted):
		s = "trusted_" + s
	case r.has(rcu):
		s = "rcu_" + s
	case r.has(percpu):
		s = "percpu_" + s
	}
	if r.has(orNull) {
		s += "_or_null"
	}
	return s
}
