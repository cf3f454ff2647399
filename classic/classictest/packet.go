// Implements the generator of random packets.

package classictest

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/skepbpf/skep/spec"
)

// Packet returns a random packet with random metadata: mostly an Ethernet frame with IPv4, IPv6 or ARP inside,
// with or without a VLAN tag, whole or cut short, and sometimes bytes without a meaning.
func Packet(r *rand.Rand) *spec.Packet {
	p := &spec.Packet{
		Protocol:     [...]uint16{0x0800, 0x0806, 0x86dd, 0x8100, uint16(r.Uint32())}[r.IntN(5)],
		PktType:      uint8(r.IntN(5)),
		HardwareType: [...]uint16{1, 772, uint16(r.Uint32())}[r.IntN(3)],
		IfIndex:      uint32(r.IntN(8)),
		Queue:        uint32(r.IntN(1 << 16)),
		Mark:         r.Uint32() >> r.IntN(32),
		Priority:     r.Uint32() >> r.IntN(32),
		Hash:         r.Uint32(),
	}
	p.NetworkOffset = 14
	p.Data = random(r, r.IntN(200))
	switch r.IntN(8) {
	case 0:
		p.NetworkOffset = r.IntN(len(p.Data) + 20)
	default:
		frame(r, p)
	}
	if r.IntN(4) == 0 {
		p.VLANPresent = true
		p.VLANTCI = uint16(r.Uint32())
		p.VLANProto = [...]uint16{0x8100, 0x88a8}[r.IntN(2)]
	}
	if r.IntN(4) == 0 {
		p.WireLen = len(p.Data)
		p.Data = p.Data[:r.IntN(len(p.Data)+1)]
	}
	return p
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// frame makes an Ethernet frame of p.
func frame(r *rand.Rand, p *spec.Packet) {
	var network []byte
	switch p.Protocol = [...]uint16{0x0800, 0x86dd, 0x0806}[r.IntN(3)]; p.Protocol {
	case 0x0800:
		network = append(random(r, 20), p.Data...)
		network[0] = 0x45
		if r.IntN(4) == 0 {
			network[0] = 0x40 | byte(r.IntN(16))
		}
		binary.BigEndian.PutUint16(network[2:], uint16(len(network)))
		if r.IntN(4) != 0 {
			network[6], network[7] = 0x40, 0 // no fragment
		}
		network[9] = transport(r)
	case 0x86dd:
		network = append(random(r, 40), p.Data...)
		network[0] = 0x60
		binary.BigEndian.PutUint16(network[4:], uint16(len(p.Data)))
		network[6] = transport(r)
	default:
		network = append([]byte{0, 1, 8, 0, 6, 4, 0, byte(1 + r.IntN(2))}, random(r, 20)...)
	}
	link := random(r, 12)
	if r.IntN(4) == 0 {
		link = binary.BigEndian.AppendUint16(link, 0x8100)
		link = append(link, random(r, 2)...)
		link = binary.BigEndian.AppendUint16(link, p.Protocol)
		p.Protocol = 0x8100
	} else {
		link = binary.BigEndian.AppendUint16(link, p.Protocol)
	}
	p.Data = append(link, network...)
}

func transport(r *rand.Rand) byte {
	return [...]byte{6, 17, 1, 58, 132, 44, 0, 43, 60, 47, 4, 41, byte(r.IntN(256))}[r.IntN(13)]
}
