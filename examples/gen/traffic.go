// Implements the traffic: what the hosts do, in order.

package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// capture returns the capture file and its number of packets.
func capture() ([]byte, int, error) {
	l := newLink()
	l.arp(alice, router)
	l.arp(bob, router)
	l.neighbour(alice, router)
	for i, name := range []string{"www.example.com", "mail.example.com", "www.example.net", "time.example.org"} {
		l.lookup(alice, uint16(0x1100+i), name, i == 2)
	}
	l.fetch(alice, web, false, 40001, 80, "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n", 9)
	l.fetch(alice, web, true, 40002, 80, "GET /news HTTP/1.1\r\nHost: www.example.com\r\n\r\n", 6)
	l.ping(alice, bob, 4)
	for i := range 16 {
		l.fetch(bob, web, i%2 == 1, layers.TCPPort(50001+i), 443, noise(uint64(i), 180), 5)
	}
	l.refused(bob, printer, 50100, 23)
	l.fetch(bob, mail, false, 50200, 25, "EHLO bob.example.com\r\n", 3)
	l.fetch(alice, bob, false, 40100, 22, "SSH-2.0-example\r\n", 12)
	l.clock(alice)
	l.clock(bob)
	l.vlan = 42
	l.arp(printer, bob)
	l.fetch(bob, printer, false, 50300, 631, "POST /print HTTP/1.1\r\nHost: printer\r\n\r\n", 4)
	l.lookup(printer, 0x2200, "update.example.com", false)
	l.vlan = 0
	l.fragments(alice, bob, 2600)
	l.fragments(bob, alice, 3900)
	l.spanningTree()
	l.scan(alice, printer, 40200, []layers.TCPPort{21, 22, 23, 25, 80, 110, 139, 143, 443, 445, 631, 993, 3306, 8080})
	for i := range 3 {
		l.fetch(alice, mail, i == 1, layers.TCPPort(40300+i), 993, noise(uint64(100+i), 90), 4+i)
	}
	l.ping(bob, web, 3)
	l.arp(alice, router)
	return l.out.Bytes(), l.count, l.err
}

// noise returns n bytes that look like encrypted data.
func noise(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// arp asks for an address and gets it.
func (l *link) arp(who, whom host) {
	ask := layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation: layers.ARPRequest, SourceHwAddress: who.mac, SourceProtAddress: who.v4, DstHwAddress: make([]byte, 6), DstProtAddress: whom.v4}
	l.send(who.mac, everybody, layers.EthernetTypeARP, &ask)
	answer := ask
	answer.Operation, answer.SourceHwAddress, answer.SourceProtAddress = layers.ARPReply, whom.mac, whom.v4
	answer.DstHwAddress, answer.DstProtAddress = who.mac, who.v4
	l.send(whom.mac, who.mac, layers.EthernetTypeARP, &answer)
	l.wait(time.Second)
}

// neighbour is arp for IPv6.
func (l *link) neighbour(who, whom host) {
	group := host{net.HardwareAddr{0x33, 0x33, 0xff, whom.v6[13], whom.v6[14], whom.v6[15]},
		nil, append(net.ParseIP("ff02::1:ff00:0")[:13:13], whom.v6[13:]...)}
	l.ip6(who, group, layers.IPProtocolICMPv6, &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)},
		&layers.ICMPv6NeighborSolicitation{TargetAddress: whom.v6,
			Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptSourceAddress, Data: who.mac}}})
	l.ip6(whom, who, layers.IPProtocolICMPv6, &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)},
		&layers.ICMPv6NeighborAdvertisement{Flags: 0x60, TargetAddress: whom.v6,
			Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: whom.mac}}})
}

// lookup resolves a name to an address of the web server.
func (l *link) lookup(who host, id uint16, name string, six bool) {
	kind, addr := layers.DNSTypeA, web.v4
	if six {
		kind, addr = layers.DNSTypeAAAA, web.v6
	}
	question := layers.DNS{ID: id, RD: true, Questions: []layers.DNSQuestion{{Name: []byte(name), Type: kind, Class: layers.DNSClassIN}}}
	answer := question
	answer.QR, answer.RA = true, true
	answer.Answers = []layers.DNSResourceRecord{{Name: []byte(name), Type: kind, Class: layers.DNSClassIN, TTL: 300, IP: addr}}
	port := layers.UDPPort(30000 + id%1000)
	l.ip4(who, router, layers.IPProtocolUDP, &layers.UDP{SrcPort: port, DstPort: 53}, &question)
	l.wait(11 * time.Millisecond)
	l.ip4(router, who, layers.IPProtocolUDP, &layers.UDP{SrcPort: 53, DstPort: port}, &answer)
	l.wait(40 * time.Millisecond)
}

// tcp is one end of a connection.
type tcp struct {
	host
	port layers.TCPPort
	seq  uint32
}

// segment sends a segment from one end to the other; flags are letters of S, A, P, F, R.
func (l *link) segment(from, to *tcp, six bool, flags, payload string) {
	has := func(f string) bool { return strings.Contains(flags, f) }
	t := &layers.TCP{SrcPort: from.port, DstPort: to.port, Seq: from.seq, Window: 64240,
		SYN: has("S"), ACK: has("A"), PSH: has("P"), FIN: has("F"), RST: has("R")}
	if has("A") {
		t.Ack = to.seq
	}
	if has("S") {
		t.Options = []layers.TCPOption{{OptionType: layers.TCPOptionKindMSS, OptionLength: 4, OptionData: []byte{5, 0xb4}}}
	}
	send := l.ip4
	if six {
		send = l.ip6
	}
	send(from.host, to.host, layers.IPProtocolTCP, t, gopacket.Payload(payload))
	from.seq += uint32(len(payload))
	if has("S") || has("F") {
		from.seq++
	}
	l.wait(3 * time.Millisecond)
}

// fetch opens a connection, sends a request, gets an answer in pieces, and closes.
func (l *link) fetch(who, whom host, six bool, sport, dport layers.TCPPort, request string, pieces int) {
	c := &tcp{who, sport, 1000 * uint32(sport)}
	s := &tcp{whom, dport, 7_000_000 + uint32(sport)}
	l.segment(c, s, six, "S", "")
	l.segment(s, c, six, "SA", "")
	l.segment(c, s, six, "A", "")
	l.segment(c, s, six, "PA", request)
	l.segment(s, c, six, "A", "")
	for i := range pieces {
		l.segment(s, c, six, "PA", noise(uint64(sport)<<8|uint64(i), 60+i*37%250))
		l.segment(c, s, six, "A", "")
	}
	l.segment(c, s, six, "FA", "")
	l.segment(s, c, six, "FA", "")
	l.segment(c, s, six, "A", "")
	l.wait(200 * time.Millisecond)
}

// refused tries to connect where nobody listens.
func (l *link) refused(who, whom host, sport, dport layers.TCPPort) {
	c, s := &tcp{who, sport, 1000 * uint32(sport)}, &tcp{whom, dport, 0}
	l.segment(c, s, false, "S", "")
	l.segment(s, c, false, "RA", "")
}

// scan tries many ports.
func (l *link) scan(who, whom host, sport layers.TCPPort, ports []layers.TCPPort) {
	for _, p := range ports {
		l.refused(who, whom, sport, p)
	}
}

// ping sends echo requests over IPv4 and one over IPv6, and their replies.
func (l *link) ping(who, whom host, times int) {
	for i := range uint16(times) {
		l.ip4(who, whom, layers.IPProtocolICMPv4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoRequest, 0), Id: 77, Seq: i},
			gopacket.Payload(strings.Repeat("ping", 14)))
		l.ip4(whom, who, layers.IPProtocolICMPv4, &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(layers.ICMPv4TypeEchoReply, 0), Id: 77, Seq: i},
			gopacket.Payload(strings.Repeat("ping", 14)))
		l.wait(time.Second)
	}
	l.ip6(who, whom, layers.IPProtocolICMPv6, &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoRequest, 0)},
		&layers.ICMPv6Echo{Identifier: 78, SeqNumber: 1}, gopacket.Payload("ping over six"))
	l.ip6(whom, who, layers.IPProtocolICMPv6, &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeEchoReply, 0)},
		&layers.ICMPv6Echo{Identifier: 78, SeqNumber: 1}, gopacket.Payload("ping over six"))
}

// clock asks for the time.
func (l *link) clock(who host) {
	request, answer := make([]byte, 48), make([]byte, 48)
	request[0], answer[0], answer[1] = 0x23, 0x24, 2
	l.udp(who, router, true, 123, 123, request)
	l.udp(router, who, true, 123, 123, answer)
}

// fragments sends a datagram that does not fit a frame, in pieces.
func (l *link) fragments(who, whom host, size int) {
	const most = 1480
	whole := gopacket.NewSerializeBuffer()
	u := &layers.UDP{SrcPort: 5004, DstPort: 5004}
	text := strings.Repeat(fmt.Sprintf("%d bytes in pieces. ", size), size)[:size]
	l.over(&layers.IPv4{SrcIP: who.v4, DstIP: whom.v4, Protocol: layers.IPProtocolUDP}, []gopacket.SerializableLayer{u})
	err := gopacket.SerializeLayers(whole, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, u, gopacket.Payload(text))
	if err != nil && l.err == nil {
		l.err = err
	}
	l.ident++
	for at, rest := 0, whole.Bytes(); len(rest) > 0; at += most {
		n := min(most, len(rest))
		ip := &layers.IPv4{Version: 4, TTL: 64, Id: l.ident, Protocol: layers.IPProtocolUDP, SrcIP: who.v4, DstIP: whom.v4, FragOffset: uint16(at / 8)}
		if n < len(rest) {
			ip.Flags = layers.IPv4MoreFragments
		}
		l.send(who.mac, whom.mac, layers.EthernetTypeIPv4, ip, gopacket.Payload(rest[:n]))
		rest = rest[n:]
	}
}

// spanningTree sends what bridges tell each other: frames with a length in place of an EtherType.
func (l *link) spanningTree() {
	for range 3 {
		frame := append([]byte{1, 0x80, 0xc2, 0, 0, 0}, router.mac...)
		frame = append(frame, 0, 38, 0x42, 0x42, 3, 0, 0, 0, 0)
		l.write(append(frame, make([]byte, 60-len(frame))...))
		l.wait(2 * time.Second)
	}
}
