// Implements a packet as plain data: bytes and what a kernel knows about them.

package spec

import "encoding/binary"

// Packet is the input of packet programs: the bytes and the metadata that classic ancillary loads and
// __sk_buff fields show. The zero value of each field is what a packet without that property has.
type Packet struct {
	Data    []byte // from the link layer header on
	WireLen int    // length before capture cut it; 0 means len(Data)

	Protocol     uint16 // EtherType, host order
	PktType      uint8  // PACKET_HOST, PACKET_BROADCAST, …
	HardwareType uint16 // ARPHRD_ value
	IfIndex      uint32
	Queue        uint32
	Mark         uint32
	Priority     uint32
	Hash         uint32

	VLANPresent bool   // a VLAN tag was taken off the bytes
	VLANTCI     uint16 // its tag control information
	VLANProto   uint16 // its EtherType, host order

	NetworkOffset   int // where the network header starts in Data
	TransportOffset int // where the transport header starts in Data, 0 if not known

	IngressIfIndex uint32    // interface it came in by, where that is not IfIndex (skb_iif)
	EgressIfIndex  uint32    // interface that an XDP program of a device map sends by
	TCIndex        uint32    // set by traffic control
	TCClassID      uint32    // its class
	CB             [5]uint32 // left by another program
	NAPIID         uint32    // of the receive queue's poller
	Timestamp      uint64    // nanoseconds of the clock that TimestampType says
	TimestampType  uint8     // 0: real time, 1: monotonic, 2: TAI
	HWTimestamp    uint64    // the device's own, nanoseconds
	GSOSegs        uint32    // how many packets it is to be cut into
	GSOSize        uint32    // bytes of payload of each
	Checked        uint8     // how many checksums are known to be right, from the outermost (CHECKSUM_UNNECESSARY)
	Encapsulated   bool      // there is an inner packet that offloads know of
	Socket         *Socket   // that it belongs to, nil: none
	Tunnel         *Tunnel   // that it came through, nil: none
}

// Len returns the packet's length on the wire.
func (p *Packet) Len() int {
	if p.WireLen > 0 {
		return p.WireLen
	}
	return len(p.Data)
}

// Ethernet returns a packet of the given bytes with what a kernel learns from their Ethernet header when it receives
// them: protocol, packet type and where the network header starts. PktType is PACKET_BROADCAST, PACKET_MULTICAST or
// PACKET_OTHERHOST by the destination, or PACKET_HOST if that is host. Bytes that are no whole header give nothing.
func Ethernet(data []byte, host [6]byte) Packet {
	p := Packet{Data: data}
	if len(data) < 14 {
		return p
	}
	p.NetworkOffset = 14
	switch dst := [6]byte(data); {
	case dst == [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}:
		p.PktType = 1
	case dst[0]&1 != 0:
		p.PktType = 2
	case dst != host:
		p.PktType = 3
	}
	p.Protocol = EtherType(data)
	return p
}

// The protocols of frames that carry a length instead of an EtherType, as the kernel names them: IEEE 802.3 without LLC
// (as IPX uses it) and with.
const (
	raw8023 = 1
	with802 = 4
)

// EtherType returns the protocol of a frame of at least 14 bytes, as the kernel sees it (eth_type_trans).
func EtherType(frame []byte) uint16 {
	t := binary.BigEndian.Uint16(frame[12:])
	switch {
	case t >= 0x600:
		return t
	case len(frame) >= 16 && frame[14] == 0xff && frame[15] == 0xff:
		return raw8023
	}
	return with802
}
