// Implements running a loaded program by BPF_PROG_TEST_RUN.

package kernel

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"

	"golang.org/x/sys/unix"
)

// notSupported is the kernel's own ENOTSUPP, which user space has no name for.
const notSupported = unix.Errno(524)

// ethernetHeader is the length of the header that every packet of a test run starts with.
const ethernetHeader = 14

// Room for what a run gives back, bytes: how much a packet may grow, and the largest context of any type.
const (
	growth     = 4096
	maxContext = 512
)

// contextOnly are the types whose test run takes a context and no packet, and which the kernel runs once a call.
var contextOnly = []spec.ProgramType{spec.RawTracepoint, spec.RawTracepointWritable, spec.Syscall, spec.SkLookup}

// Run runs the program repeat times (0 means once) on a packet, a context, or both, whatever its type takes;
// either may be nil. Changes that one run makes to the packet are there for the next.
//
// The packet is passed as it is, and the kernel takes its first 14 bytes for an Ethernet header. XDP, tc
// (sched_cls, sched_act) and flow_dissector programs see the packet from that header on. For all other
// types the packet starts behind it: offset 0 of a socket_filter is byte 14 of data. RunPacket evens that
// out. A packet shorter than the header is refused (EINVAL), and so is one that does not fit into a page of
// memory together with what the kernel keeps in it: from about 3,400 bytes on 4 KiB pages.
//
// A signal may interrupt a long repeat; the call is then made again from the start, on the original packet
// but with whatever the program has left in its maps.
func (p *Program) Run(data, ctx []byte, repeat int) (Result, error) {
	var pin pins
	defer pin.Unpin()
	attr := testRunAttr{progFD: uint32(p.fd)}
	var dataOut, ctxOut []byte
	if slices.Contains(contextOnly, p.progType) {
		if len(data) > 0 || repeat > 1 {
			return Result{}, fmt.Errorf("program %q: the kernel runs %s programs on a context alone and once a call", p.name, p.progType)
		}
	} else {
		attr.repeat = uint32(max(repeat, 1))
		dataOut = make([]byte, len(data)+growth)
		attr.dataIn, attr.dataSizeIn = pin.addr(data), uint32(len(data))
		attr.dataOut, attr.dataSizeOut = pin.addr(dataOut), uint32(len(dataOut))
	}
	if len(ctx) > 0 {
		// A syscall program works on the bytes given, in place; the others on a copy.
		ctx = slices.Clone(ctx)
		attr.ctxIn, attr.ctxSizeIn = pin.addr(ctx), uint32(len(ctx))
		switch p.progType {
		case spec.RawTracepoint, spec.RawTracepointWritable, spec.Syscall:
			ctxOut = ctx
		default:
			ctxOut = make([]byte, maxContext)
			attr.ctxOut, attr.ctxSizeOut = pin.addr(ctxOut), uint32(len(ctxOut))
		}
	}
	_, err := bpf(unix.BPF_PROG_TEST_RUN, &attr)
	switch {
	case errors.Is(err, unix.ENOTSUP) || errors.Is(err, notSupported):
		return Result{}, fmt.Errorf("program %q: the kernel has no test run for %s programs: %w", p.name, p.progType, errors.ErrUnsupported)
	case err != nil:
		return Result{}, fmt.Errorf("program %q: test run with %d bytes of packet and %d of context: %w", p.name, len(data), len(ctx), err)
	}
	r := Result{Retval: attr.retval, Duration: time.Duration(attr.duration)}
	if dataOut != nil {
		r.Data = dataOut[:min(int(attr.dataSizeOut), len(dataOut))]
	}
	if attr.ctxOut != 0 {
		ctxOut = ctxOut[:min(int(attr.ctxSizeOut), len(ctxOut))]
	}
	r.Ctx = ctxOut
	return r, nil
}

// fromLinkLayer are the types whose packet of a test run starts at the Ethernet header.
var fromLinkLayer = []spec.ProgramType{spec.XDP, spec.SchedCLS, spec.SchedACT, spec.FlowDissector}

// RunPacket runs the program on a packet such that offset 0 is its first byte, whatever the type: where the
// kernel would take an Ethernet header off, it puts one in front, a copy of the packet's own so that
// protocol and packet type are those of the packet. What the copy cannot mend: in those runs, offsets from
// the link layer (SKF_LL_OFF) find the copy, and offsets from the network layer (SKF_NET_OFF) the packet's
// first byte. Result.Data is without the copy.
func (p *Program) RunPacket(packet []byte, repeat int) (Result, error) {
	if slices.Contains(fromLinkLayer, p.progType) {
		return p.Run(packet, nil, repeat)
	}
	data := make([]byte, ethernetHeader, ethernetHeader+len(packet))
	if len(packet) >= ethernetHeader {
		copy(data, packet)
	}
	r, err := p.Run(append(data, packet...), nil, repeat)
	if err == nil && len(r.Data) >= ethernetHeader {
		r.Data = r.Data[ethernetHeader:]
	}
	return r, err
}

// RunSocketFilter loads code as a socket filter, runs it once on a packet as RunPacket does, and returns the
// low 32 bits of R0, which are all that a socket filter gives back. This is the way to run instructions of
// packet access, which functions cannot contain.
func RunSocketFilter(code []isa.Instruction, packet []byte) (uint32, error) {
	p, err := Load(&spec.Program{Name: "filter", Type: spec.SocketFilter, License: "GPL", Insns: code}, nil, &Options{Log: true})
	if err != nil {
		return 0, err
	}
	defer p.Close()
	r, err := p.RunPacket(packet, 1)
	return r.Retval, err
}
