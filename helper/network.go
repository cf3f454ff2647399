// Implements the network that helpers ask about: interfaces, routes, neighbours, sockets.

package helper

import (
	"net/netip"

	"github.com/skepbpf/skep/spec"
)

// Network is what a machine's network looks like to programs. It must not change while programs run. Without one
// there is what a new network namespace has: the loopback interface, number 1, and nothing else.
type Network struct {
	Devices   []Device
	Routes    []Route
	Neighbors []Neighbor
	Sockets   []*spec.Socket
	Cookie    uint64 // of the network namespace; 0: 1, that of the first one
	// Secret is the key of SYN cookies. The kernel chooses one by chance.
	Secret [16]byte
}

// Device is a network interface.
type Device struct {
	IfIndex    uint32
	MAC        [6]byte
	MTU        uint32 // 0: 1500
	HeaderLen  uint32 // of the link layer; 0: 14, Ethernet's, NoHeader: none
	NoHeader   bool
	Forwarding bool // packets that come in may be forwarded (the interface's sysctl forwarding)
}

// Route is a row of a routing table.
type Route struct {
	Table   uint32       // 0: main (254)
	Prefix  netip.Prefix // destinations
	Gateway netip.Addr   // next hop, of either family; the zero value: the destination is on the link
	IfIndex uint32       // of the interface to leave by
	Type    RouteType
	Metric  uint32     // the lowest of equally long prefixes wins
	MTU     uint32     // 0: the interface's
	Source  netip.Addr // preferred source address
	Mark    uint32     // if not 0, the route is for packets of this mark, which fib_lookup is asked with
	Encap   bool       // it leads into a tunnel of its own (lightweight)
}

// RouteType says what becomes of packets that a route is for.
type RouteType uint8

// The types of routes.
const (
	Unicast RouteType = iota
	Blackhole
	Unreachable
	Prohibit
	Own // this machine's own addresses, or broadcast
)

// Neighbor is an address on a link that is known to be reachable.
type Neighbor struct {
	IfIndex uint32
	Addr    netip.Addr
	MAC     [6]byte
}

// loopback is the network of a new namespace.
var loopback = &Network{Devices: []Device{{IfIndex: 1, MTU: 65536}}}

func (c *Call) network() *Network {
	if c.Env != nil && c.Env.Network != nil {
		return c.Env.Network
	}
	return loopback
}

// device returns an interface, or nil.
func (n *Network) device(index uint32) *Device {
	for i := range n.Devices {
		if n.Devices[i].IfIndex == index {
			return &n.Devices[i]
		}
	}
	return nil
}

func (d *Device) mtu() uint32 {
	if d.MTU == 0 {
		return 1500
	}
	return d.MTU
}

func (d *Device) headerLen() uint32 {
	switch {
	case d.NoHeader:
		return 0
	case d.HeaderLen == 0:
		return 14
	}
	return d.HeaderLen
}

const mainTable = 254

// route returns the best route to an address in a table, or nil: the longest prefix, then the lowest metric.
func (n *Network) route(table, mark uint32, to netip.Addr) *Route {
	var best *Route
	for i := range n.Routes {
		r := &n.Routes[i]
		in := r.Table == table || r.Table == 0 && table == mainTable
		if !in || !r.Prefix.Contains(to) || r.Mark != 0 && r.Mark != mark {
			continue
		}
		if best == nil || r.Prefix.Bits() > best.Prefix.Bits() || r.Prefix.Bits() == best.Prefix.Bits() && r.Metric < best.Metric {
			best = r
		}
	}
	return best
}

// neighbor returns a neighbour's hardware address.
func (n *Network) neighbor(index uint32, addr netip.Addr) ([6]byte, bool) {
	for i := range n.Neighbors {
		if b := &n.Neighbors[i]; b.IfIndex == index && b.Addr == addr {
			return b.MAC, true
		}
	}
	return [6]byte{}, false
}

// netnsCookie returns the number of the network namespace.
func (n *Network) netnsCookie() uint64 {
	if n.Cookie == 0 {
		return 1
	}
	return n.Cookie
}

// plainAddr returns an address with IPv4 inside IPv6 as IPv4.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// lookup finds the socket that a packet from remote to local is for, as inet_lookup does: one that is connected to
// both, else the one that listens, or of UDP the one that is bound, most exactly.
func (n *Network) lookup(protocol uint8, remote, local netip.AddrPort) *spec.Socket {
	var best *spec.Socket
	bestScore := 0
	for _, s := range n.Sockets {
		if score := matches(s, protocol, remote, local); score > bestScore {
			best, bestScore = s, score
		}
	}
	return best
}

// matches returns how exactly a socket is for packets from remote to local, 0 for not at all.
func matches(s *spec.Socket, protocol uint8, remote, local netip.AddrPort) int {
	own, peer := plainAddr(s.Local), plainAddr(s.Remote)
	switch {
	case s.Protocol != protocol || own.Port() != local.Port():
		return 0
	case peer.IsValid():
		if peer != remote || own.Addr() != local.Addr() {
			return 0
		}
		return 4
	case protocol == protoTCP && s.TCPState() != spec.TCPListen:
		return 0
	case own.Addr() == local.Addr():
		return 3
	case own.Addr().IsUnspecified() && own.Addr().Is4() == local.Addr().Is4():
		return 2
	case own.Addr().IsUnspecified() && own.Addr().Is6(): // of both families
		return 1
	}
	return 0
}

// IP protocols.
const (
	protoTCP = 6
	protoUDP = 17
)
