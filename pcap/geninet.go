// Implements the generator's internet protocols: addresses, ports, protocols and their chains.

package pcap

import "encoding/binary"

// qualifiers stand before an id. An id without any takes over those of the id before it.
type qualifiers struct {
	proto protocol
	dir   direction
	typ   addressType
	none  bool // there are no qualifiers to take over

	// The words themselves, for those who keep terms as they are written: the tokens from one on, up to another.
	from, to int
}

// protocolOnly is the condition that a packet is of a protocol, by its keyword alone.
func (g *generator) protocolOnly(p protocol) *cond {
	row := &protocols[p]
	switch row.carrier {
	case carrierLink:
		return g.linkType(row.values[0])
	case carrierIP:
		return g.proto(row.values[0], protoDefault)
	case carrierIPv4:
		return g.proto(row.values[0], protoIP)
	case carrierIPv6:
		return g.proto(row.values[0], protoIP6)
	case carrierISO:
		return g.proto(row.values[0], protoISO)
	case carrierISIS:
		var c *cond
		for _, v := range row.values {
			c = or(c, g.proto(v, protoISIS))
		}
		return c
	}
	if p == protoRadio {
		g.fail("radio does not stand for packets; it can be indexed, as in radio[0]")
	}
	g.fail("%s alone does not stand for packets: expected an address, proto or an index behind it, as in %[1]s host, %[1]s proto or %[1]s[0]", p)
	return nil
}

// proto is the condition that a packet of p carries protocol v.
func (g *generator) proto(v uint32, p protocol) *cond {
	switch p {
	case protoDefault:
		return or(g.proto(v, protoIP), g.proto(v, protoIP6))
	case protoLink:
		return g.linkType(v)
	case protoIP:
		return and(g.linkType(etherIP), g.equal(g.network(), 9, 1, v))
	case protoIP6: // in the first header, or behind that of a fragment
		ip6 := g.linkType(etherIP6)
		return and(ip6, or(g.equal(g.network(), 6, 1, v), and(g.equal(g.network(), 6, 1, ipFragment), g.equal(g.network(), 40, 1, v))))
	case protoISO:
		switch g.link.family {
		case familyFrameRelay:
			return g.equal(g.header, 2, 2, 3<<8|v)
		case familyHDLC: // a byte of padding stands before the packet
			return and(g.linkType(sapISO), g.equal(g.payload, g.osi+1, 1, v))
		}
		return and(g.linkType(sapISO), g.equal(g.payload, g.osi, 1, v))
	case protoISIS:
		return and(g.proto(isoISIS, protoISO), g.equal(g.payload, g.osi+4, 1, v))
	}
	g.fail("%s packets do not say what protocol they carry: proto goes with ether, ip, ip6, iso, isis or nothing before it", p)
	return nil
}

// host4 is the condition that an IPv4 address is v under a mask.
func (g *generator) host4(v, mask uint32, q qualifiers) *cond {
	at := func(t uint32, src, dst int) *cond {
		one := func(n int) func() *cond {
			return func() *cond {
				if mask == 0 {
					return g.linkType(t)
				}
				return and(g.linkType(t), g.masked(g.network(), n, 4, mask, v))
			}
		}
		return g.either(q.dir, "an IP address", one(src), one(dst))
	}
	switch q.proto {
	case protoDefault:
		if g.mpls > 0 {
			return at(etherIP, 12, 16)
		}
		return or(at(etherIP, 12, 16), at(etherARP, 14, 24), at(etherRARP, 14, 24))
	case protoIP:
		return at(etherIP, 12, 16)
	case protoARP:
		return at(etherARP, 14, 24)
	case protoRARP:
		return at(etherRARP, 14, 24)
	case protoDECnet:
		return g.hostDECnet(v, q.dir)
	case protoLink:
		g.fail("%s needs an Ethernet address, such as 00:1b:21:0a:0b:0c", q.proto)
	}
	g.fail("%s packets have no IPv4 addresses of their own: expected ip, arp, rarp or nothing before the address", q.proto)
	return nil
}

// host6 is the condition that an IPv6 address is v under a mask.
func (g *generator) host6(v, mask [16]byte, q qualifiers) *cond {
	if q.proto != protoDefault && q.proto != protoIP6 {
		g.fail("%s packets have no IPv6 addresses of their own: expected ip6 or nothing before the address", q.proto)
	}
	one := func(n int) func() *cond {
		return func() *cond {
			c := g.linkType(etherIP6)
			for i := 0; i < 16; i += 4 {
				if m := binary.BigEndian.Uint32(mask[i:]); m != 0 {
					c = and(c, g.masked(g.network(), n+i, 4, m, binary.BigEndian.Uint32(v[i:])))
				}
			}
			return c
		}
	}
	return g.either(q.dir, "an IP address", one(8), one(24))
}

// hostDECnet is the condition that a DECnet address is v, for the long and the short header, each with and
// without a byte of padding.
func (g *generator) hostDECnet(v uint32, d direction) *cond {
	swapped := v<<8&0xff00 | v>>8&0xff
	one := func(short, long int) func() *cond {
		return func() *cond {
			n := g.network()
			return and(g.linkType(etherDECnet), or(
				and(g.masked(n, 2, 1, 7, 2), g.equal(n, 3+short, 2, swapped)),
				and(g.masked(n, 2, 2, 0xff07, 0x8102), g.equal(n, 4+short, 2, swapped)),
				and(g.masked(n, 2, 1, 7, 6), g.equal(n, 3+long, 2, swapped)),
				and(g.masked(n, 2, 2, 0xff07, 0x8106), g.equal(n, 4+long, 2, swapped))))
		}
	}
	return g.either(d, "a DECnet address", one(2, 14), one(0, 6))
}

// unfragmented is the condition that an IPv4 packet is not a fragment other than the first.
func (g *generator) unfragmented() *cond { return not(g.anyBit(g.network(), 6, 2, 0x1fff)) }

// ports is the condition that a port is from low to high. ip is the protocol; 0 stands for SCTP, TCP and UDP.
func (g *generator) ports(low, high uint32, single bool, ip uint32, d direction) *cond {
	list := []uint32{ipSCTP, ipTCP, ipUDP}
	if ip != 0 {
		list = []uint32{ip}
	}
	side := func(o offset, n int) func() *cond {
		return func() *cond {
			if single {
				return g.equal(o, n, 2, low)
			}
			return and(g.compare(o, n, 2, relGreaterEqual, low), not(g.compare(o, n, 2, relGreater, high)))
		}
	}
	at := func(o offset) *cond { return g.either(d, "ports", side(o, 0), side(o, 2)) }
	var six, four *cond
	ip6 := g.linkType(etherIP6)
	for _, p := range list {
		six = or(six, and(g.equal(g.network(), 6, 1, p), at(g.transport6())))
	}
	ip4 := g.linkType(etherIP)
	for _, p := range list {
		four = or(four, and(g.equal(g.network(), 9, 1, p), g.unfragmented(), at(g.transport4())))
	}
	return or(and(ip6, six), and(ip4, four))
}

// transportOf is the number of the protocol that port may be qualified with, 0 for none.
func (g *generator) transportOf(q qualifiers) uint32 {
	switch q.proto {
	case protoDefault:
		return 0
	case protoTCP, protoUDP, protoSCTP:
		return protocols[q.proto].values[0]
	}
	g.fail("%s packets have no ports of their own: expected tcp, udp, sctp or nothing before port", q.proto)
	return 0
}

// chainLength is how many headers of a chain are looked at behind the first. Classic programs cannot loop.
const chainLength = 12

// protoChain is the condition that some header in a packet's chain of headers is of protocol v.
func (g *generator) protoChain(v uint32, p protocol) *cond {
	if p == protoDefault {
		return or(g.protoChain(v, protoIP), g.protoChain(v, protoIP6))
	}
	if p != protoIP && p != protoIP6 {
		g.fail("%s packets have no chain of headers: expected ip, ip6 or nothing before protochain", p)
	}
	if g.payload.base != nil {
		g.fail("protochain: not where link layer headers vary in length, as they do on %s", g.link.number)
	}
	g.unsure = true
	net := g.network()
	if p == protoIP {
		return and(g.linkType(etherIP), g.chain(v, p, chainLength, g.load(net, 9, 1), g.pool.header(nil, uint32(net.k))))
	}
	return and(g.linkType(etherIP6), g.chain(v, p, chainLength, g.load(net, 6, 1), g.pool.constant(40)))
}

// chain is the condition that v is among the headers from one on: the protocol of that header and its place
// behind the network layer header's start are given.
func (g *generator) chain(v uint32, p protocol, left int, proto, place *value) *cond {
	proto, setProto := g.keep(proto)
	place, setPlace := g.keep(place)
	is := func(k uint32) *cond { return test(proto, relEqual, g.pool.constant(k)) }
	if left == 1 {
		return and(setProto, setPlace, is(v))
	}
	at := offset{place, g.network().k}
	next, nextPlace := g.variable(), g.variable()
	// An authentication header gives its length in words less 2, the others in double words less 1.
	hop := func(unit, more uint32) *cond {
		n := g.pool.binary(opAdd, g.load(at, 1, 1), g.pool.constant(more))
		n = g.pool.binary(opMul, n, g.pool.constant(unit))
		return and(set(next, g.load(at, 0, 1)), set(nextPlace, g.pool.binary(opAdd, n, place)))
	}
	hops := and(is(ipAH), hop(4, 2))
	if p == protoIP6 {
		const hopByHop, routing, options = 0, 43, 60
		hops = or(and(or(is(hopByHop), is(options), is(routing), is(ipFragment)), hop(8, 1)), hops)
	}
	rest := g.chain(v, p, left-1, g.pool.variable(next), g.pool.variable(nextPlace))
	return and(setProto, setPlace, or(is(v), and(not(is(ipNoNext)), hops, rest)))
}

// keep puts v into a variable, unless it is one.
func (g *generator) keep(v *value) (*value, *cond) {
	if v.op == opVar {
		return v, nil
	}
	n := g.variable()
	return g.pool.variable(n), set(n, v)
}
