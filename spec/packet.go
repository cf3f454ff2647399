// Implements a packet as plain data: bytes and what a kernel knows about them.

package spec

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
}

// Len returns the packet's length on the wire.
func (p *Packet) Len() int {
	if p.WireLen > 0 {
		return p.WireLen
	}
	return len(p.Data)
}
