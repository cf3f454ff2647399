// Implements making collections from what programs come in: object files, specifications of cilium/ebpf, spec.

package skep

import (
	"fmt"
	"time"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/spec"
)

// Source is what a collection can be made from: spec's own form, or that of cilium/ebpf, as its loader and the code
// that bpf2go generates return it.
type Source interface {
	*spec.Collection | *ebpf.CollectionSpec
}

// The names of cilium/ebpf that code which tests programs is full of, so that such code changes one import line.
type (
	// CollectionSpec is cilium/ebpf's form of an object file.
	CollectionSpec = ebpf.CollectionSpec
	// Map is a live map.
	Map = bpfmap.Local
	// MapUpdateFlags tell Map.Update whether the key may or must exist.
	MapUpdateFlags = ebpf.MapUpdateFlags
)

// The flags of Map.Update.
const (
	UpdateAny     = ebpf.UpdateAny
	UpdateNoExist = ebpf.UpdateNoExist
	UpdateExist   = ebpf.UpdateExist
	UpdateLock    = ebpf.UpdateLock
)

// The errors of maps, which are those of cilium/ebpf.
var (
	ErrKeyNotExist = ebpf.ErrKeyNotExist
	ErrKeyExist    = ebpf.ErrKeyExist
	ErrReadOnly    = ebpf.ErrReadOnly
)

// LoadCollectionSpec reads an object file with cilium/ebpf. LoadCollection takes files that this refuses.
func LoadCollectionSpec(file string) (*CollectionSpec, error) { return ebpf.LoadCollectionSpec(file) }

// LoadCollection reads an object file, makes its maps and loads its programs. See NewCollectionWithOptions for errors.
func LoadCollection(file string) (*Collection, error) { return LoadCollectionWithOptions(file, nil) }

// LoadCollectionWithOptions is LoadCollection with options, which may be nil.
func LoadCollectionWithOptions(file string, opts *CollectionOptions) (*Collection, error) {
	if opts == nil {
		opts = &CollectionOptions{}
	}
	c, err := elf.LoadFile(file, &opts.Object)
	if err != nil {
		return nil, err
	}
	return newCollection(c, opts)
}

// NewCollection makes the maps of a collection and loads its programs. See NewCollectionWithOptions for errors.
func NewCollection[S Source](from S) (*Collection, error) {
	return NewCollectionWithOptions(from, nil)
}

// NewCollectionWithOptions is NewCollection with options, which may be nil. The error names the map or program at
// fault: it is an *elf.Error, wraps a bpfmap.Errno, or is one of Load. from may change afterwards.
func NewCollectionWithOptions[S Source](from S, opts *CollectionOptions) (*Collection, error) {
	if opts == nil {
		opts = &CollectionOptions{}
	}
	c, err := collectionOf(from, opts)
	if err != nil {
		return nil, err
	}
	return newCollection(c, opts)
}

func collectionOf(from any, opts *CollectionOptions) (*spec.Collection, error) {
	switch from := from.(type) {
	case *ebpf.CollectionSpec:
		if from == nil {
			return nil, fmt.Errorf("the collection is nil")
		}
		return elf.FromCollectionSpec(from, &opts.Object)
	case *spec.Collection:
		if from != nil {
			return from, nil
		}
	}
	return nil, fmt.Errorf("the collection is nil")
}

// NewProgram loads a program of cilium/ebpf. Maps that it names by reference are those of opts.Maps.
func NewProgram(from *ebpf.ProgramSpec, opts *Options) (*Program, error) {
	p, err := elf.FromProgramSpec(from, nil, nil)
	if err != nil {
		return nil, err
	}
	return Load(p, opts)
}

// Test runs the program on data and returns its verdict and the data as the program left it, which is the caller's.
// Its shape is that of cilium/ebpf's method of the name. What the context says of the packet beside its bytes is
// what they tell: its protocol, and whether it is for one or for many.
func (prog *Program) Test(in []byte) (verdict uint32, out []byte, err error) {
	opts := RunOptions{Data: in, DataOut: make([]byte, 0, len(in)+256), Packet: prog.packetOf(in)}
	verdict, err = prog.Run(&opts)
	return verdict, opts.DataOut, err
}

// packetOf tells what the bytes of a packet tell: of an Ethernet frame, or, for types of programs that see packets
// from the network header on, of IP. It is nil for programs that do not run on packets.
func (prog *Program) packetOf(in []byte) *spec.Packet {
	const multicast, broadcast = 2, 1 // of linux/if_packet.h
	p := &spec.Packet{IfIndex: 1}
	switch t := prog.Type(); {
	case !prog.typ.Packet:
		return nil
	case t == spec.CGroupSKB || t == spec.LWTIn || t == spec.LWTOut || t == spec.LWTXmit:
		if len(in) > 0 && in[0]>>4 == 4 {
			p.Protocol = 0x0800
		} else if len(in) > 0 && in[0]>>4 == 6 {
			p.Protocol = 0x86dd
		}
	case len(in) >= 14:
		p.Protocol, p.NetworkOffset = uint16(in[12])<<8|uint16(in[13]), 14
		if [6]byte(in) == [6]byte{255, 255, 255, 255, 255, 255} {
			p.PktType = broadcast
		} else if in[0]&1 != 0 {
			p.PktType = multicast
		}
	}
	return p
}

// Benchmark runs the program on data repeat times and returns the last verdict and the mean time of a run. reset, if
// not nil, is called before each measurement; here there is one.
func (prog *Program) Benchmark(in []byte, repeat int, reset func()) (verdict uint32, each time.Duration, err error) {
	if repeat < 1 {
		return 0, 0, fmt.Errorf("repeat is %d, it must be at least 1", repeat)
	}
	if reset != nil {
		reset()
	}
	inst := prog.NewInstance()
	start := time.Now()
	var r0 uint64
	for range repeat {
		if r0, err = inst.Run(in); err != nil {
			return 0, 0, err
		}
	}
	return uint32(r0), time.Since(start) / time.Duration(repeat), nil
}
