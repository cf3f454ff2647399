// Implements the tests of what tcpdump cannot be asked, or gets wrong: vxlan, chains of headers, and others.

package pcap_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep/pcap"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func ethernet(etherType uint16, payload []byte) []byte {
	return join([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}, binary.BigEndian.AppendUint16(nil, etherType), payload)
}

func ipv4(proto byte, payload []byte) []byte {
	return join([]byte{0x45, 0, 0, byte(20 + len(payload)), 0, 0, 0, 0, 64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, payload)
}

func ipv6(next byte, payload []byte) []byte {
	return join([]byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 64}, make([]byte, 32), payload)
}

func udp(port uint16, payload []byte) []byte {
	return join([]byte{0x30, 0x39}, binary.BigEndian.AppendUint16(nil, port), []byte{0, byte(8 + len(payload)), 0, 0}, payload)
}

func TestMeaning(t *testing.T) {
	tcp := []byte{0, 80, 1, 187, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0}
	vxlan := func(vni byte, frame []byte) []byte { return join([]byte{8, 0, 0, 0, 0, 0, vni, 0}, frame) }
	inner := ethernet(0x800, ipv4(6, tcp))
	overlay4 := ethernet(0x800, ipv4(17, udp(4789, vxlan(5, inner))))
	overlay6 := ethernet(0x86dd, ipv6(17, udp(4789, vxlan(5, inner))))
	extension := func(next byte, units int) []byte { return join([]byte{next, byte(units)}, make([]byte, 6+8*units)) }
	authentication := func(next byte, words int) []byte { return join([]byte{next, byte(words)}, make([]byte, 4*words+6)) }
	options := ethernet(0x86dd, ipv6(0, join(extension(43, 1), extension(60, 0), extension(51, 2), authentication(6, 4), tcp)))
	fragment := ethernet(0x86dd, ipv6(44, join(extension(17, 0), udp(53, nil))))
	secure := ethernet(0x800, ipv4(51, join(authentication(51, 4), authentication(50, 2), tcp)))
	long := tcp
	for range 20 {
		long = join(extension(60, 0), long)
	}
	tests := []struct {
		expr   string
		packet []byte
		link   pcap.LinkType
		want   bool
	}{
		{"vxlan", overlay4, pcap.LinkTypeEthernet, true},
		{"vxlan", overlay6, pcap.LinkTypeEthernet, true},
		{"vxlan", inner, pcap.LinkTypeEthernet, false},
		{"vxlan 5", overlay4, pcap.LinkTypeEthernet, true},
		{"vxlan 6", overlay4, pcap.LinkTypeEthernet, false},
		{"vxlan 5 and tcp port 80", overlay4, pcap.LinkTypeEthernet, true},
		{"vxlan 5 and tcp port 80", overlay6, pcap.LinkTypeEthernet, true},
		{"vxlan and tcp dst port 443 and ether src 2:0:0:0:0:2", overlay6, pcap.LinkTypeEthernet, true},
		{"vxlan and udp", overlay4, pcap.LinkTypeEthernet, false},
		{"vxlan and ether[0] = 2", overlay4, pcap.LinkTypeEthernet, true},
		{"vxlan and tcp", overlay4[14:], pcap.LinkTypeRaw, true},
		{"udp and vxlan and not ip6", overlay6, pcap.LinkTypeEthernet, true},

		{"ip6 protochain 6", options, pcap.LinkTypeEthernet, true},
		{"ip6 protochain 51", options, pcap.LinkTypeEthernet, true},
		{"ip6 protochain 43", options, pcap.LinkTypeEthernet, true},
		{"ip6 protochain 60", options, pcap.LinkTypeEthernet, true},
		{"ip6 protochain 17", options, pcap.LinkTypeEthernet, false},
		{"ip6 proto 6", options, pcap.LinkTypeEthernet, false},
		{"protochain \\udp", fragment, pcap.LinkTypeEthernet, true},
		{"ip6 proto 17", fragment, pcap.LinkTypeEthernet, true},
		{"ip protochain 50", secure, pcap.LinkTypeEthernet, true},
		{"ip protochain 51", secure, pcap.LinkTypeEthernet, true},
		{"ip protochain 6", secure, pcap.LinkTypeEthernet, false},
		{"protochain 6", ethernet(0x86dd, ipv6(60, long)), pcap.LinkTypeEthernet, false}, // beyond the limit
		{"protochain 6", inner, pcap.LinkTypeEthernet, true},

		{"byte 0 & 2", inner, pcap.LinkTypeEthernet, true},
		{"byte 0 & 1", inner, pcap.LinkTypeEthernet, false},
		{"byte 1 | 0", inner, pcap.LinkTypeEthernet, false},
		{"byte 1 | 4", inner, pcap.LinkTypeEthernet, true},
		{"vci != 5", []byte{2, 0, 0, 5}, pcap.LinkTypeSunATM, false},
		{"vci != 5", []byte{2, 0, 0, 6}, pcap.LinkTypeSunATM, true},
		{"opc != 5", []byte{0, 0, 0, 0, 0, 0x40, 1, 0}, pcap.LinkTypeMTP2, false},
		{"ip[0] / ip[8] = 1", inner, pcap.LinkTypeEthernet, true},
		{"ip[10] / ip[1] = 1", inner, pcap.LinkTypeEthernet, false}, // by zero
		{"not ip[10] / ip[1] = 1", inner, pcap.LinkTypeEthernet, false},
		{"link src $3", []byte{3, 4, 0xd4}, pcap.LinkTypeARCNET, true},
		{"not ip[200] = 1", inner, pcap.LinkTypeEthernet, false}, // too short, whatever stands around it
	}
	for _, test := range tests {
		for _, plain := range []bool{false, true} {
			p, err := pcap.Compile(test.expr, &pcap.Options{LinkType: test.link, NoOptimize: plain})
			if err != nil {
				t.Errorf("%s: %v", test.expr, err)
				continue
			}
			if got := run(p.Raw(), test.packet) != 0; got != test.want {
				t.Errorf("%s of %x: %v (plain: %v)\n%v", test.expr, test.packet, got, plain, p)
			}
		}
	}
}
