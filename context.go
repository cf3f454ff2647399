// Implements the context of packet programs: what a packet's metadata put there, and what a run leaves.

package skep

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// setPacket shows the packet to helpers: a copy, if there are any, for they change it.
func (i *Instance) setPacket(p *spec.Packet) {
	if i.prog.calls {
		i.meta = *p
		keys := i.outcome.FlowKeys
		i.outcome.Reset(&i.meta)
		i.outcome.FlowKeys = keys
		i.m.Call.Outcome = &i.outcome
		p = &i.meta
	}
	i.m.SetPacket(p)
}

// Outcome returns what helpers did in the last run. It is good until the next one.
func (i *Instance) Outcome() *helper.Outcome { return &i.outcome }

// finalOutcome returns the outcome of the last run with the metadata as the program left it, for the caller to keep.
func (i *Instance) finalOutcome() helper.Outcome {
	o := i.outcome
	meta := i.packet
	if o.Packet != nil {
		meta = i.meta
	}
	meta.Data = nil
	i.readBack(&meta)
	o.Packet = &meta
	o.Clones, o.Options, o.FlowKeys = slices.Clone(o.Clones), slices.Clone(o.Options), slices.Clone(o.FlowKeys)
	if o.Tunnel != nil {
		t := *o.Tunnel
		o.Tunnel = &t
	}
	return o
}

// fill fills in some fields of the context.
func (i *Instance) fill(fields []filled, p *spec.Packet) {
	for _, f := range fields {
		switch f.from {
		case progtype.CB:
			for n, v := range p.CB {
				i.putField(f.off+4*n, v)
			}
		case progtype.Timestamp:
			binary.LittleEndian.PutUint64(i.context[f.off:], p.Timestamp)
		case progtype.HWTimestamp:
			binary.LittleEndian.PutUint64(i.context[f.off:], p.HWTimestamp)
		case progtype.TimestampType:
			i.context[f.off] = p.TimestampType
		case progtype.Family, progtype.RemoteIP4, progtype.LocalIP4, progtype.RemoteIP6, progtype.LocalIP6, progtype.RemotePort, progtype.LocalPort:
			if p.Socket != nil {
				putSocket(i.context[f.off:f.off+f.size], f.from, p.Socket)
			}
		default:
			i.putField(f.off, i.field(f.from, p))
		}
	}
}

func (i *Instance) putField(off int, v uint32) { binary.LittleEndian.PutUint32(i.context[off:], v) }

// field returns the value of a context field of four bytes.
func (i *Instance) field(from progtype.Source, p *spec.Packet) uint32 {
	switch from {
	case progtype.Len:
		return uint32(p.Len())
	case progtype.WireLen:
		return uint32(p.Len())
	case progtype.PktType:
		return uint32(p.PktType)
	case progtype.Mark:
		return p.Mark
	case progtype.Queue, progtype.RxQueue:
		return p.Queue
	case progtype.Protocol:
		return uint32(bits.ReverseBytes16(p.Protocol))
	case progtype.VLANPresent:
		if p.VLANPresent {
			return 1
		}
		return 0
	case progtype.VLANTCI:
		return uint32(p.VLANTCI)
	case progtype.VLANProto:
		return uint32(bits.ReverseBytes16(p.VLANProto))
	case progtype.Priority:
		return p.Priority
	case progtype.IfIndex:
		return p.IfIndex
	case progtype.IngressIfIndex:
		return p.IngressIfIndex
	case progtype.EgressIfIndex:
		return p.EgressIfIndex
	case progtype.Hash:
		return p.Hash
	case progtype.TCIndex:
		return p.TCIndex
	case progtype.TCClassID:
		return p.TCClassID
	case progtype.NAPIID:
		return p.NAPIID
	case progtype.GSOSegs:
		return p.GSOSegs
	case progtype.GSOSize:
		return p.GSOSize
	case progtype.IPProtocol:
		return ipProtocol(p)
	case progtype.DataMeta:
		return mem.Data
	case progtype.DataStart:
		return uint32(mem.Data + i.data.meta)
	case progtype.DataEnd:
		return uint32(mem.Data + i.data.meta + len(i.m.Packet))
	}
	return 0
}

// ipProtocol returns the IP protocol of the packet's socket, or else that of its header.
func ipProtocol(p *spec.Packet) uint32 {
	at := p.NetworkOffset
	switch {
	case p.Socket != nil:
		return uint32(p.Socket.Protocol)
	case p.Protocol == 0x0800 && at >= 0 && at+20 <= len(p.Data):
		return uint32(p.Data[at+9])
	case p.Protocol == 0x86dd && at >= 0 && at+40 <= len(p.Data):
		return uint32(p.Data[at+6])
	}
	return 0
}

// putSocket writes a field that says something of the packet's socket.
func putSocket(b []byte, from progtype.Source, s *spec.Socket) {
	local, remote := s.Local.Addr().Unmap(), s.Remote.Addr().Unmap()
	put := func(raw []byte, of bool) {
		if of {
			copy(b, raw)
		}
	}
	switch from {
	case progtype.Family:
		binary.LittleEndian.PutUint32(b, 2)
		if local.Is6() {
			binary.LittleEndian.PutUint32(b, 10)
		}
	case progtype.RemoteIP4:
		put(remote.AsSlice(), remote.Is4())
	case progtype.LocalIP4:
		put(local.AsSlice(), local.Is4())
	case progtype.RemoteIP6:
		put(remote.AsSlice(), remote.Is6())
	case progtype.LocalIP6:
		put(local.AsSlice(), local.Is6())
	case progtype.RemotePort:
		binary.BigEndian.PutUint32(b, uint32(s.Remote.Port()))
	case progtype.LocalPort:
		binary.LittleEndian.PutUint32(b, uint32(s.Local.Port()))
	}
}

// Sizes and places in struct bpf_flow_keys.
const (
	flowKeysSize  = 56
	flowTransport = 2
	flowProtocol  = 10
)

// setObjects fills in the pointers to the packet's socket and to the flow keys.
func (i *Instance) setObjects(p *spec.Packet) error {
	for _, f := range i.prog.objects {
		var addr uint64
		var err error
		switch {
		case f.from == progtype.SocketRef && p.Socket != nil:
			i.m.Prepare()
			addr, err = i.m.Call.SocketAddr(p.Socket)
		case f.from == progtype.KeysRef && i.prog.typ.Type == spec.FlowDissector:
			i.m.Prepare()
			addr, i.outcome.FlowKeys, err = i.m.Alloc(flowKeysSize, true)
			if err == nil {
				at, protocol := networkHeader(p)
				binary.LittleEndian.PutUint16(i.outcome.FlowKeys, uint16(at))
				binary.LittleEndian.PutUint16(i.outcome.FlowKeys[flowTransport:], uint16(at))
				binary.BigEndian.PutUint16(i.outcome.FlowKeys[flowProtocol:], protocol)
			}
		}
		if err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(i.context[f.off:], addr)
	}
	return nil
}

// networkHeader returns where the packet's network header starts, and its protocol. Bytes of which nothing is known are taken
// for an Ethernet frame.
func networkHeader(p *spec.Packet) (at int, protocol uint16) {
	if p.Protocol == 0 && p.NetworkOffset == 0 && len(p.Data) >= 14 {
		return 14, spec.EtherType(p.Data)
	}
	return p.NetworkOffset, p.Protocol
}

// endDissection keeps the offsets that a flow dissector has found inside the packet, as the kernel does.
func (i *Instance) endDissection() {
	if i.outcome.FlowKeys == nil || i.prog.typ.Type != spec.FlowDissector {
		return
	}
	keys := i.outcome.FlowKeys
	start, _ := networkHeader(&i.packet)
	if i.m.Call.Packet != nil {
		start, _ = networkHeader(i.m.Call.Packet)
	}
	end := len(i.m.Packet)
	network := min(max(int(binary.LittleEndian.Uint16(keys)), start), end)
	transport := min(max(int(binary.LittleEndian.Uint16(keys[flowTransport:])), network), end)
	binary.LittleEndian.PutUint16(keys, uint16(network))
	binary.LittleEndian.PutUint16(keys[flowTransport:], uint16(transport))
}

// readBack takes the fields that the program may have written from the context into the packet's metadata.
func (i *Instance) readBack(p *spec.Packet) {
	l := i.prog.typ.Context
	if l == nil || len(i.context) < l.Size || i.prog.blind && !i.show {
		return
	}
	for _, f := range l.Fields {
		if f.Write.Sizes == progtype.None {
			continue
		}
		v := func(n int) uint32 { return binary.LittleEndian.Uint32(i.context[f.Off+4*n:]) }
		switch f.From {
		case progtype.Mark:
			p.Mark = v(0)
		case progtype.Queue:
			p.Queue = v(0)
		case progtype.Priority:
			p.Priority = v(0)
		case progtype.TCIndex:
			p.TCIndex = v(0)
		case progtype.TCClassID:
			p.TCClassID = v(0)
		case progtype.CB:
			for n := range p.CB {
				p.CB[n] = v(n)
			}
		case progtype.Timestamp:
			p.Timestamp = binary.LittleEndian.Uint64(i.context[f.Off:])
		}
	}
}
