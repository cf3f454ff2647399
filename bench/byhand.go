// Implements some of the filters by hand, as an anchor: what the Go compiler makes of them.

package main

import "encoding/binary"

const keep = 262144

var be = binary.BigEndian

// byHand holds the filters by name. They give the verdicts of the programs in classic/testdata/filters.
var byHand = map[string]func(p []byte) uint32{
	"arp":         func(p []byte) uint32 { return verdict(etherType(p) == 0x806, keep) },
	"ip":          func(p []byte) uint32 { return verdict(etherType(p) == 0x800, ^uint32(0)) },
	"ip6":         func(p []byte) uint32 { return verdict(etherType(p) == 0x86dd, keep) },
	"multicast":   func(p []byte) uint32 { return verdict(len(p) > 0 && p[0]&1 != 0, ^uint32(0)) },
	"tcp-port-80": func(p []byte) uint32 { return verdict(port(p, 6, 80), keep) },
	"udp-port-53": func(p []byte) uint32 { return verdict(port(p, 17, 53), keep) },
	"tcp-syn": func(p []byte) uint32 {
		h := ipv4(p, 6)
		return verdict(h > 0 && h+13 < len(p) && p[h+13]&0x12 == 2, ^uint32(0))
	},
	"port-range": func(p []byte) uint32 {
		h := max(ipv4(p, 6), ipv4(p, 17))
		if h == 0 || h+4 > len(p) {
			return 0
		}
		to := be.Uint16(p[h+2:])
		return verdict(to >= 1024 && to <= 32767, ^uint32(0))
	},
}

func verdict(yes bool, v uint32) uint32 {
	if yes {
		return v
	}
	return 0
}

func etherType(p []byte) uint16 {
	if len(p) < 14 {
		return 0
	}
	return be.Uint16(p[12:])
}

// ipv4 returns the offset of what follows the IPv4 header of an unfragmented packet of that protocol, or 0.
func ipv4(p []byte, protocol byte) int {
	if len(p) < 24 || be.Uint16(p[12:]) != 0x800 || p[23] != protocol || be.Uint16(p[20:])&0x1fff != 0 {
		return 0
	}
	return 14 + int(p[14]&15)*4
}

// port reports whether the packet is from or to a port. Like the programs it looks at the source port of the
// packet even if the other one is cut off.
func port(p []byte, protocol byte, n uint16) bool {
	h := ipv4(p, protocol)
	if h == 0 || h+4 > len(p) {
		return false
	}
	return be.Uint16(p[h:]) == n || be.Uint16(p[h+2:]) == n
}
