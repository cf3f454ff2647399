// Implements the invented network: its hosts, and how packets are put together and into the capture.

package main

import (
	"bytes"
	"net"
	"net/netip"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// host is a station of the network.
type host struct {
	mac    net.HardwareAddr
	v4, v6 net.IP
}

func newHost(number byte, v4, v6 string) host {
	return host{net.HardwareAddr{2, 0, 0, 0, 0, number}, net.IP(netip.MustParseAddr(v4).AsSlice()), net.IP(netip.MustParseAddr(v6).AsSlice())}
}

var (
	alice   = newHost(1, "192.0.2.10", "2001:db8::10")
	bob     = newHost(2, "192.0.2.20", "2001:db8::20")
	printer = newHost(3, "192.0.2.30", "2001:db8::30")
	router  = newHost(4, "192.0.2.1", "2001:db8::1") // also resolves names and knows the time

	// These are reached through the router and so have its address on the link.
	web  = host{router.mac, net.IP{198, 51, 100, 7}, net.IP(netip.MustParseAddr("2001:db8:1::7").AsSlice())}
	mail = host{router.mac, net.IP{203, 0, 113, 25}, net.IP(netip.MustParseAddr("2001:db8:2::25").AsSlice())}
)

var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// link is a capture being made: the packets so far and the clock.
type link struct {
	out   bytes.Buffer
	file  *pcapgo.Writer
	now   time.Time
	count int
	err   error
	vlan  uint16 // if not 0, packets carry this tag
	ident uint16 // of the last IPv4 packet
}

func newLink() *link {
	l := &link{now: time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC)}
	l.file = pcapgo.NewWriter(&l.out)
	l.err = l.file.WriteFileHeader(65535, layers.LinkTypeEthernet)
	return l
}

// wait lets time pass.
func (l *link) wait(d time.Duration) { l.now = l.now.Add(d) }

// send puts a packet of the given layers on the link, with lengths and checksums set.
func (l *link) send(src, dst net.HardwareAddr, proto layers.EthernetType, parts ...gopacket.SerializableLayer) {
	eth := &layers.Ethernet{SrcMAC: src, DstMAC: dst, EthernetType: proto}
	all := []gopacket.SerializableLayer{eth}
	if l.vlan != 0 {
		eth.EthernetType = layers.EthernetTypeDot1Q
		all = append(all, &layers.Dot1Q{VLANIdentifier: l.vlan, Type: proto})
	}
	buf := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(all, parts...)...)
	if err != nil && l.err == nil {
		l.err = err
	}
	l.write(buf.Bytes())
}

func (l *link) write(frame []byte) {
	l.wait(137 * time.Microsecond)
	info := gopacket.CaptureInfo{Timestamp: l.now, CaptureLength: len(frame), Length: len(frame)}
	if err := l.file.WritePacket(info, frame); err != nil && l.err == nil {
		l.err = err
	}
	l.count++
}

// ip4 sends an IPv4 packet.
func (l *link) ip4(from, to host, proto layers.IPProtocol, parts ...gopacket.SerializableLayer) {
	l.ident++
	ip := &layers.IPv4{Version: 4, TTL: 64, Id: l.ident, Protocol: proto, SrcIP: from.v4, DstIP: to.v4, Flags: layers.IPv4DontFragment}
	l.over(ip, parts)
	l.send(from.mac, to.mac, layers.EthernetTypeIPv4, append([]gopacket.SerializableLayer{ip}, parts...)...)
}

// ip6 sends an IPv6 packet.
func (l *link) ip6(from, to host, proto layers.IPProtocol, parts ...gopacket.SerializableLayer) {
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: from.v6, DstIP: to.v6}
	if proto == layers.IPProtocolICMPv6 {
		ip.HopLimit = 255
	}
	l.over(ip, parts)
	l.send(from.mac, to.mac, layers.EthernetTypeIPv6, append([]gopacket.SerializableLayer{ip}, parts...)...)
}

// over tells the transport layers which network layer their checksum covers.
func (l *link) over(ip gopacket.NetworkLayer, parts []gopacket.SerializableLayer) {
	for _, part := range parts {
		if t, ok := part.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if err := t.SetNetworkLayerForChecksum(ip); err != nil && l.err == nil {
				l.err = err
			}
		}
	}
}

// udp sends a datagram.
func (l *link) udp(from, to host, six bool, sport, dport layers.UDPPort, payload []byte) {
	send := l.ip4
	if six {
		send = l.ip6
	}
	send(from, to, layers.IPProtocolUDP, &layers.UDP{SrcPort: sport, DstPort: dport}, gopacket.Payload(payload))
}
