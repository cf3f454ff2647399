// Implements the search for a packet's payload, the meaning of ld poff.

package helper

import (
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

// maxHeaders bounds how many headers PayOffset goes through.
const maxHeaders = 15

// PayOffset returns where in p.Data the payload starts, behind the link, network and transport headers as far
// as they are known, or 0 if the packet is not understood. It is what ld poff reads (skb_get_poff in the
// kernel's net/core/flow_dissector.c). It starts at p.NetworkOffset with p.Protocol and goes through VLAN
// tags, PPPoE, MPLS, IPv4, IPv6 with its extension headers, and IP, Ethernet or PPP inside IP or GRE; of a
// fragment it returns where the data of the fragment starts.
func PayOffset(p *spec.Packet) uint32 {
	d := dissector{data: p.Data, at: p.NetworkOffset, ether: p.Protocol}
	if p.VLANPresent {
		d.ether, d.inner, d.tagged = p.VLANProto, p.Protocol, true
	}
	if d.at < 0 || !d.run() {
		return 0
	}
	off := uint32(min(uint16(d.at), uint16(p.Len()))) // the kernel keeps 16 bits of both
	if d.fragment {
		return off
	}
	return off + d.transport(int(off))
}

// EtherTypes that PayOffset knows (IEEE 802 numbers as in linux/if_ether.h).
const (
	etherIPv4  = 0x0800
	etherARP   = 0x0806
	etherTEB   = 0x6558 // Ethernet inside GRE
	etherRARP  = 0x8035
	etherVLAN  = 0x8100
	etherIPv6  = 0x86dd
	etherMPLS  = 0x8847
	etherMPLSM = 0x8848
	etherPPPoE = 0x8864
	etherQinQ  = 0x88a8
	etherPPP   = 0x880b // PPP inside GRE
	etherTIPC  = 0x88ca
	etherPTP   = 0x88f7 // IEEE 1588
	etherPRP   = 0x88fb // redundancy tag
	etherCFM   = 0x8902 // IEEE 802.1ag
	etherFCoE  = 0x8906
	etherHSR   = 0x892f // redundancy tag
)

// IP protocols that PayOffset knows (IANA protocol numbers).
const (
	ipHopByHop = 0
	ipICMP     = 1
	ipIGMP     = 2
	ipIPv4     = 4
	ipTCP      = 6
	ipUDP      = 17
	ipDCCP     = 33
	ipIPv6     = 41
	ipRouting  = 43
	ipFragment = 44
	ipGRE      = 47
	ipICMPv6   = 58
	ipOptions  = 60
	ipSCTP     = 132
	ipUDPLite  = 136
	ipMPLS     = 137
)

// PPP protocols that PayOffset knows (IANA PPP numbers).
const (
	pppIPv4  = 0x21
	pppIPv6  = 0x57
	pppMPLS  = 0x281
	pppMPLSM = 0x283
)

// dissector walks the headers of a packet.
type dissector struct {
	data     []byte
	at       int    // where the next header starts
	ether    uint16 // EtherType of that header
	tagged   bool   // ether is that of a tag that was taken off the bytes
	inner    uint16 // EtherType behind that tag
	ip       uint8  // protocol of the IP header seen last
	fragment bool   // a fragment other than the first
}

// next is what the walk does after a header.
type next uint8

const (
	unknown next = iota // the packet is not understood
	done                // d.at is the end of the headers
	network             // d.ether says what follows
	upper               // d.ip says what follows
)

// run goes through all headers before the transport header. It reports whether it understood them.
func (d *dissector) run() bool {
	step := network
	for n := 0; n <= maxHeaders; n++ {
		if step == network {
			step = d.networkHeader()
		}
		if step == upper {
			step = d.upperHeader()
		}
		if step == done || step == unknown {
			return step == done
		}
	}
	return true
}

// has returns the next n bytes, or nil if the packet ends before.
func (d *dissector) has(n int) []byte {
	if d.at > len(d.data)-n {
		return nil
	}
	return d.data[d.at : d.at+n]
}

func (d *dissector) networkHeader() next {
	switch d.ether {
	case etherIPv4:
		return d.ipv4()
	case etherIPv6:
		h := d.has(40)
		if h == nil {
			return unknown
		}
		d.ip = h[6]
		d.at += 40
		return upper
	case etherVLAN, etherQinQ:
		return d.vlan()
	case etherPPPoE:
		return d.pppoe()
	case etherPRP, etherHSR:
		h := d.has(6)
		if h == nil {
			return unknown
		}
		d.ether = binary.BigEndian.Uint16(h[4:])
		d.at += 6
		return network
	case etherMPLS, etherMPLSM:
		d.at += 4 // to the next label or whatever follows the first one
		return done
	case etherARP, etherRARP, etherCFM:
		return done
	case etherTIPC:
		return d.whole(16, 0)
	case etherPTP:
		return d.whole(34, 34)
	case etherFCoE:
		return d.whole(38, 38)
	}
	return unknown
}

// whole ends the walk behind the first n bytes of a header that must have size bytes.
func (d *dissector) whole(size, n int) next {
	if d.has(size) == nil {
		return unknown
	}
	d.at += n
	return done
}

func (d *dissector) ipv4() next {
	h := d.has(20)
	if h == nil || h[0]&0xf < 5 {
		return unknown
	}
	d.at += int(h[0]&0xf) * 4
	d.ip = h[9]
	switch frag := binary.BigEndian.Uint16(h[6:]); {
	case frag&0x1fff != 0:
		d.fragment = true
		return done
	case frag&0x2000 != 0: // the first of several
		return done
	}
	return upper
}

func (d *dissector) vlan() next {
	if d.tagged {
		d.ether, d.tagged = d.inner, false
		return network
	}
	h := d.has(4)
	if h == nil {
		return unknown
	}
	d.ether = binary.BigEndian.Uint16(h[2:])
	d.at += 4
	return network
}

func (d *dissector) pppoe() next {
	h := d.has(8)
	if h == nil || h[0] != 0x11 || h[1] != 0 { // version 1, type 1, session data
		return unknown
	}
	protocol := binary.BigEndian.Uint16(h[6:])
	d.at += 8
	switch protocol {
	case pppIPv4:
		d.ether = etherIPv4
	case pppIPv6:
		d.ether = etherIPv6
	case pppMPLS:
		d.ether = etherMPLS
	case pppMPLSM:
		d.ether = etherMPLSM
	default:
		if protocol&0x101 == 1 { // a well-formed PPP protocol number
			return done
		}
		return unknown
	}
	return network
}

func (d *dissector) upperHeader() next {
	switch d.ip {
	case ipHopByHop, ipRouting, ipOptions:
		if d.ether != etherIPv6 {
			return done
		}
		h := d.has(2)
		if h == nil {
			return unknown
		}
		d.ip = h[0]
		d.at += (int(h[1]) + 1) * 8
		return upper
	case ipFragment:
		if d.ether != etherIPv6 {
			return done
		}
		h := d.has(8)
		if h == nil {
			return unknown
		}
		d.ip = h[0]
		d.fragment = binary.BigEndian.Uint16(h[2:])&0xfff8 != 0
		d.at += 8
		return done
	case ipIPv4:
		d.ether = etherIPv4
		return network
	case ipIPv6:
		d.ether = etherIPv6
		return network
	case ipMPLS:
		d.ether = etherMPLS
		return network
	case ipGRE:
		return d.gre()
	}
	return done
}

// gre goes through a GRE header (RFC 2784, RFC 2890; version 1 is PPTP, RFC 2637).
func (d *dissector) gre() next {
	const checksum, routing, key, sequence, ack, version = 0x8000, 0x4000, 0x2000, 0x1000, 0x80, 7
	h := d.has(4)
	if h == nil {
		return unknown
	}
	flags := binary.BigEndian.Uint16(h)
	protocol := binary.BigEndian.Uint16(h[2:])
	if flags&routing != 0 || flags&version > 1 {
		return done
	}
	d.ether = protocol
	pptp := flags&version == 1
	if pptp && (protocol != etherPPP || flags&key == 0) {
		return done
	}
	size := 4
	for _, field := range [...]uint16{checksum, key, sequence} {
		if flags&field == 0 {
			continue
		}
		size += 4
		if field == key && d.has(size) == nil {
			return unknown
		}
	}
	if pptp {
		return d.pptp(size, flags&ack != 0)
	}
	if protocol == etherTEB {
		size += 14
		h := d.has(size)
		if h == nil {
			return unknown
		}
		d.ether = binary.BigEndian.Uint16(h[size-2:])
	}
	d.at += size
	return network
}

// pptp goes through the rest of a PPTP GRE header and the PPP header behind it.
func (d *dissector) pptp(size int, ack bool) next {
	if ack {
		size += 4
	}
	size += 4
	h := d.has(size)
	if h == nil {
		return unknown
	}
	switch binary.BigEndian.Uint16(h[size-2:]) {
	case pppIPv4:
		d.ether = etherIPv4
	case pppIPv6:
		d.ether = etherIPv6
	}
	d.at += size
	return network
}

// transport returns the length of the transport header at off; options count for TCP only.
func (d *dissector) transport(off int) uint32 {
	switch d.ip {
	case ipTCP:
		if off+12 >= len(d.data) {
			return 0
		}
		return max(20, uint32(d.data[off+12]&0xf0)>>2)
	case ipUDP, ipUDPLite, ipICMP, ipICMPv6, ipIGMP:
		return 8
	case ipDCCP, ipSCTP:
		return 12
	}
	return 0
}
