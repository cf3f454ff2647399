// Implements the line that tells a person what a packet is.

package main

import (
	"fmt"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepbpf/skep/internal/capture"
)

// summary says in a few words who sends what to whom.
func summary(rec *capture.Record) string {
	p := gopacket.NewPacket(rec.Packet.Data, layers.LinkType(rec.LinkType), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	network, transport := p.NetworkLayer(), p.TransportLayer()
	switch {
	case network != nil && transport != nil:
		n, t := network.NetworkFlow(), transport.TransportFlow()
		add("%s %s %s > %s", network.LayerType(), strings.ToLower(transport.LayerType().String()),
			endpoint(n.Src(), t.Src()), endpoint(n.Dst(), t.Dst()))
	case network != nil:
		n := network.NetworkFlow()
		add("%s %s > %s", network.LayerType(), n.Src(), n.Dst())
	case p.LinkLayer() != nil:
		n := p.LinkLayer().LinkFlow()
		add("%s %s > %s", p.LinkLayer().LayerType(), n.Src(), n.Dst())
	}
	if rest := innermost(p, transport == nil); rest != "" {
		add("%s", rest)
	}
	add("length %d", rec.Packet.Len())
	return strings.Join(parts, ", ")
}

func endpoint(host, port gopacket.Endpoint) string { return fmt.Sprintf("%s.%s", host, port) }

// innermost names the last layer that is more than plain bytes or a part of what has been said.
func innermost(p gopacket.Packet, wanted bool) string {
	name := ""
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.TCP:
			name = "flags " + tcpFlags(l)
		case gopacket.NetworkLayer, gopacket.LinkLayer, gopacket.TransportLayer, *gopacket.Payload, *gopacket.DecodeFailure:
		default:
			if wanted || l.LayerType() == layers.LayerTypeDNS || l.LayerType() == layers.LayerTypeTLS {
				name = l.LayerType().String()
			}
		}
	}
	return name
}

// tcpFlags writes flags as tcpdump does.
func tcpFlags(t *layers.TCP) string {
	s := ""
	for _, f := range []struct {
		set  bool
		name string
	}{{t.FIN, "F"}, {t.SYN, "S"}, {t.RST, "R"}, {t.PSH, "P"}, {t.URG, "U"}, {t.ECE, "E"}, {t.CWR, "W"}, {t.ACK, "."}} {
		if f.set {
			s += f.name
		}
	}
	return "[" + s + "]"
}
