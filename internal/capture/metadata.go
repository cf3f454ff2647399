// Implements what Linux would know about a packet of each link type.

package capture

import (
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

// Link types, LINKTYPE_ values of the public registry (tcpdump.org/linktypes.html).
const (
	linkNull     = 0
	linkEthernet = 1
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkRaw      = 101
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// Kinds of a packet and hardware types, as the kernel numbers them (linux/if_packet.h, linux/if_arp.h).
const (
	packetBroadcast = 1
	packetMulticast = 2

	hardwareEthernet = 1
	hardwareLoopback = 772
	hardwareNone     = 0xfffe
)

// EtherTypes, and the two numbers that Linux gives to frames that have a length instead.
const (
	protoIPv4  = 0x0800
	protoIPv6  = 0x86dd
	protoVLAN  = 0x8100
	protoQinQ  = 0x88a8
	proto8023  = 0x0001
	proto8022  = 0x0004
	firstProto = 0x0600
)

// setMetadata fills in what the link layer header of p.Data tells. Headers that are cut off tell nothing.
func setMetadata(p *spec.Packet, link uint16) {
	d := p.Data
	switch {
	case link == linkEthernet && len(d) >= 14:
		p.HardwareType = hardwareEthernet
		ethernet(p, d)
	case (link == linkRaw || link == linkRawBSD || link == linkRawOpen || link == linkIPv4 || link == linkIPv6) && len(d) > 0:
		p.HardwareType = hardwareNone
		p.Protocol = versionProtocol(d[0])
	case (link == linkNull || link == linkLoop) && len(d) > 4:
		p.HardwareType = hardwareLoopback
		p.NetworkOffset = 4
		p.Protocol = versionProtocol(d[4])
	case link == linkSLL && len(d) >= 16:
		p.PktType = uint8(binary.BigEndian.Uint16(d))
		p.HardwareType = binary.BigEndian.Uint16(d[2:])
		p.Protocol = binary.BigEndian.Uint16(d[14:])
		p.NetworkOffset = 16
	case link == linkSLL2 && len(d) >= 20:
		p.Protocol = binary.BigEndian.Uint16(d)
		p.IfIndex = binary.BigEndian.Uint32(d[4:])
		p.HardwareType = binary.BigEndian.Uint16(d[8:])
		p.PktType = d[10]
		p.NetworkOffset = 20
	}
}

func ethernet(p *spec.Packet, d []byte) {
	switch {
	case string(d[:6]) == "\xff\xff\xff\xff\xff\xff":
		p.PktType = packetBroadcast
	case d[0]&1 != 0:
		p.PktType = packetMulticast
	}
	p.Protocol, p.NetworkOffset = binary.BigEndian.Uint16(d[12:]), 14
	if (p.Protocol == protoVLAN || p.Protocol == protoQinQ) && len(d) >= 18 {
		p.Protocol, p.NetworkOffset = binary.BigEndian.Uint16(d[16:]), 18
	}
	if p.Protocol < firstProto {
		payload := d[p.NetworkOffset:]
		p.Protocol = proto8022
		if len(payload) >= 2 && payload[0] == 0xff && payload[1] == 0xff {
			p.Protocol = proto8023
		}
	}
}

// versionProtocol returns the EtherType of an IP packet by its first byte, 0 if it is neither version.
func versionProtocol(first byte) uint16 {
	switch first >> 4 {
	case 4:
		return protoIPv4
	case 6:
		return protoIPv6
	}
	return 0
}
