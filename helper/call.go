// Implements what a helper sees of the run that calls it.

package helper

import (
	"errors"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Memory is the guest memory of a run. Bytes returns the n bytes at a guest address, to read or, with
// write, to change; it fails if the program itself might not do so.
type Memory interface {
	Bytes(addr uint64, n int, write bool) ([]byte, error)
}

// Run is the run that calls a helper, as its engine shows it. Addresses are those that the program sees.
type Run interface {
	// Map returns the map that a program's map pointer stands for, or nil.
	Map(handle uint64) *bpfmap.Local
	// MapHandle returns the pointer by which programs of this run know a map.
	MapHandle(m *bpfmap.Local) (uint64, error)
	// MapAddr returns the address of a place in the memory of a map.
	MapAddr(m *bpfmap.Local, off int) (uint64, error)
	// MapAt returns the map whose memory an address is in, and the offset there; nil if it is in none.
	MapAt(addr uint64) (m *bpfmap.Local, off int)

	// Alloc returns n bytes of zeroed memory, aligned to 8, that lasts until the run ends, and its address.
	Alloc(n int, writable bool) (uint64, []byte, error)
	// Handle returns a pointer to nothing that stands for an object until the run ends; Object is the reverse.
	Handle(object any) (uint64, error)
	Object(handle uint64) any

	// CallFunction calls a function of the program, which a Function argument is the address of.
	CallFunction(function uint64, r1, r2, r3, r4, r5 uint64) (uint64, error)
	// TailCall prepares to go on with another program; its error is ErrTailCall, for the helper to return, or says
	// why that cannot be.
	TailCall(program any) error

	// PacketData returns the packet's bytes as the program sees and changes them, with the metadata in front of it
	// (data_meta), meta bytes. It is void after AdjustPacket.
	PacketData() (data []byte, meta int)
	// AdjustPacket adds front bytes ahead of the packet and back bytes behind it, zeroed; negative numbers take bytes
	// away. meta is the new size of the metadata, the last bytes ahead of the packet. Pointers in the context are updated. Programs that
	// may change packets only; ErrNotSupported else.
	AdjustPacket(front, back, meta int) error
	// PacketAddr returns the address of the packet's first byte, behind the metadata. It is void after AdjustPacket.
	PacketAddr() uint64
	// PacketFront returns how many bytes have been added ahead of the packet in this run, all in all.
	PacketFront() int
	// Context returns the context's bytes, to read and to change; nil if there is none.
	Context() []byte
	// CPU returns the number of the processor that the run is on: no other run of a program that uses per-CPU maps is.
	CPU() int
	// ProgramType returns the type of the program that runs.
	ProgramType() spec.ProgramType
	// AttachType returns where it is meant to be attached (spec.AttachCGroupInetEgress, …).
	AttachType() uint32
	// ProgramLicense returns its license, as the object says.
	ProgramLicense() string
}

// Call is what a helper can see of the run that calls it. It is valid during the call only.
type Call struct {
	Memory
	Run
	Packet *spec.Packet // the packet the program runs on; nil for other programs
	Env    *Env         // clock, randomness, processor, task and the rest of the world; never nil during a run
	Value  any          // Options.Value of the program

	// Later calls a function of the program, by its address, for a timer or work queue, on a run of its own: with
	// the map, a key and the value at an offset of the map's memory. It is safe for concurrent use and stays valid
	// after the call. Nil: the run cannot do so.
	Later func(function uint64, m *bpfmap.Local, key []byte, off int) error

	// Outcome receives what helpers do besides: where packets are to go. Nil: it is forgotten.
	Outcome *Outcome

	// TypeSize returns the size in bytes of a type of the program's own, by its number in the file's type descriptions.
	// Nil: there are none.
	TypeSize func(id uint64) (size int, ok bool)

	remembered *runState
}

// ErrNoMap is the error of a helper that got something that is no map.
var ErrNoMap = errors.New("the argument is no map")
