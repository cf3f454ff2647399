// Implements the grammar of ids: the numbers, addresses and names that qualifiers stand in front of.

package pcap

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// id reads what qualifiers stand in front of: a number, an address, or several of them in parentheses.
func (p *parser) id(q qualifiers) *cond {
	defer p.deeper()()
	t, at := p.peek(), p.at
	p.gen.pos = t.pos
	switch {
	case p.numberAhead():
		return p.mark(at, q, p.numbered(p.parenthesized(), q))
	case p.accept("("):
		c := p.ids(q)
		p.close()
		return c
	case t.keyword("not"):
		p.at++
		return p.not(p.id(q))
	}
	return p.mark(at, q, p.address(q))
}

// ids reads what stands inside the parentheses of an id. By the grammar it begins neither with further
// parentheses (but around a number) nor with a number alone.
func (p *parser) ids(q qualifiers) *cond {
	var c *cond
	p.gen.pos = p.peek().pos
	switch t, at := p.peek(), p.at; {
	case p.numberAhead():
		c = p.mark(at, q, p.numbered(p.parenthesized(), q))
		if t := p.peek(); !t.keyword("and") && !t.keyword("or") {
			p.expected(`"and" or "or"`)
		}
	case t.is("("):
		p.expected("an address")
	default:
		c = p.id(q)
	}
	for t := p.peek(); t.keyword("and") || t.keyword("or"); t = p.peek() {
		p.at++
		c = p.combine(t, c, p.id(q))
	}
	return c
}

// numberAhead reports whether a number follows, alone or with parentheses around it.
func (p *parser) numberAhead() bool {
	open := 0
	for p.ahead(open).is("(") {
		open++
	}
	if !p.ahead(open).isNumber() {
		return false
	}
	for i := range open {
		if !p.ahead(open + 1 + i).is(")") {
			return false
		}
	}
	return true
}

// parenthesized reads such a number.
func (p *parser) parenthesized() uint32 {
	open := 0
	for p.accept("(") {
		open++
	}
	n := p.plainNumber()
	for range open {
		p.close()
	}
	return n
}

// plainNumber reads a number without parentheses.
func (p *parser) plainNumber() uint32 {
	if !p.peek().isNumber() {
		p.expected("a number")
	}
	return p.next().number()
}

// numbered is the condition for an id that is a number.
func (p *parser) numbered(n uint32, q qualifiers) *cond {
	if q.none {
		p.gen.fail("%d needs a word in front that says what it is, such as host or port: the condition before it has none to take over", n)
	}
	switch q.typ {
	case typePort, typePortRange:
		ip := p.gen.transportOf(q)
		if n > 0xffff {
			p.gen.fail("%d is no port: expected 0 to 65535", n)
		}
		return p.gen.ports(n, n, q.typ == typePort, ip, q.dir)
	case typeProto:
		return p.gen.proto(n, q.proto)
	case typeProtoChain:
		return p.gen.protoChain(n, q.proto)
	case typeGateway:
		p.gen.fail("gateway needs the name of a host, and is not supported: use ether host ADDRESS and not host ADDRESS")
	}
	mask := ^uint32(0)
	if q.typ == typeNet {
		for n != 0 && n>>24 == 0 { // 10 is 10.0.0.0
			n, mask = n<<8, mask<<8
		}
	}
	return p.gen.host4(n, mask, q)
}

// address reads an id other than a number.
func (p *parser) address(q qualifiers) *cond {
	t := p.peek()
	switch t.kind {
	case tokName, tokIPv4, tokIPv6, tokMAC, tokARCnet:
		p.at++
	default:
		p.expected(idName(q))
	}
	if q.none {
		p.gen.fail("%s needs a word in front that says what it is, such as host or port: the condition before it has none to take over", t.text)
	}
	switch t.kind {
	case tokIPv4:
		return p.ipv4(t, q)
	case tokIPv6:
		return p.ipv6(t, q)
	case tokMAC:
		if q.proto != protoLink || q.typ != typeDefault && q.typ != typeHost {
			p.gen.fail("an Ethernet address goes with ether host, ether src or ether dst")
		}
		return p.gen.hostMAC(t.mac, q.dir)
	case tokARCnet:
		if q.proto != protoLink || q.typ != typeDefault && q.typ != typeHost {
			p.gen.fail("an ARCnet address goes with link host, link src or link dst")
		}
		return p.gen.hostARCNET(t.n, q.dir)
	}
	return p.named(t.text, q)
}

// idName says what an id may be.
func idName(q qualifiers) string {
	switch q.typ {
	case typePort:
		return "a port number or service name"
	case typePortRange:
		return "a range of ports, such as 6000-6008"
	case typeNet:
		return "a network, such as 10.1.0.0/16"
	case typeProto, typeProtoChain:
		return `a protocol number or name (behind a backslash if it is also a keyword: \tcp)`
	case typeGateway:
		return "a host name"
	}
	return "an address or host name"
}

// ipv4 is the condition for two to four numbers with dots.
func (p *parser) ipv4(t *token, q qualifiers) *cond {
	v, parts, err := dotted(t.text)
	if q.proto == protoDECnet {
		return p.decnet(t, q)
	}
	if err != nil {
		p.gen.fail("%s: %v", t.text, err)
	}
	shift := 32 - 8*parts
	v, mask := v<<shift, ^uint32(0)<<shift
	switch {
	case p.accept("/"):
		n := p.plainNumber()
		if n > 32 {
			p.gen.fail("a prefix of IPv4 has up to 32 bits, not %d", n)
		}
		mask = uint32(uint64(0xffffffff) << (32 - n))
		if v&^mask != 0 {
			network := netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, v&mask)))
			p.gen.fail("%s has bits set behind the %d of the network: expected %s/%d", t.text, n, network, n)
		}
	case p.acceptKeyword("mask"):
		m := p.peek()
		if m.kind != tokIPv4 {
			p.expected("a mask such as 255.255.255.0")
		}
		p.at++
		k, parts, err := dotted(m.text)
		if err != nil {
			p.failAt(m, "%s: %v", m.text, err)
		}
		mask = k << (32 - 8*parts)
		if v&^mask != 0 {
			p.gen.fail("%s has bits set that the mask %s leaves out", t.text, m.text)
		}
	default:
		return p.ipv4Bare(t, v, mask, q)
	}
	if q.typ != typeNet {
		p.gen.fail("an address with a mask is a network: expected net before it")
	}
	return p.gen.host4(v, mask, q)
}

// ipv4Bare is the condition for an IPv4 address without a mask of its own.
func (p *parser) ipv4Bare(t *token, v, mask uint32, q qualifiers) *cond {
	switch q.typ {
	case typePort, typePortRange:
		p.gen.fail("%s is no port", t.text)
	case typeProto, typeProtoChain:
		p.gen.fail("%s is no protocol", t.text)
	case typeGateway:
		p.gen.fail("gateway needs the name of a host, and is not supported: use ether host ADDRESS and not host ADDRESS")
	}
	return p.gen.host4(v, mask, q)
}

// decnet is the condition for a DECnet address: an area and a node.
func (p *parser) decnet(t *token, q qualifiers) *cond {
	area, node, _ := strings.Cut(t.text, ".")
	a, errA := strconv.ParseUint(area, 10, 6)
	n, errN := strconv.ParseUint(node, 10, 10)
	if errA != nil || errN != nil {
		p.gen.fail("%s is no DECnet address: expected an area up to 63, a dot, and a node up to 1023", t.text)
	}
	return p.gen.host4(uint32(a<<10|n), ^uint32(0), q)
}

// ipv6 is the condition for an IPv6 address.
func (p *parser) ipv6(t *token, q qualifiers) *cond {
	a, err := netip.ParseAddr(t.text)
	if err != nil {
		p.gen.fail("%q is no IPv6 address", t.text)
	}
	n := uint32(128)
	if p.accept("/") {
		if n = p.plainNumber(); n > 128 {
			p.gen.fail("a prefix of IPv6 has up to 128 bits, not %d", n)
		}
	}
	prefix, _ := a.Prefix(int(n))
	if prefix.Addr() != a {
		p.gen.fail("%s has bits set behind the %d of the network: expected %s", t.text, n, prefix)
	}
	switch {
	case q.typ != typeDefault && q.typ != typeHost && q.typ != typeNet:
		p.gen.fail("an IPv6 address goes with host or net")
	case q.typ != typeNet && n != 128:
		p.gen.fail("an address with a mask is a network: expected net before it")
	}
	return p.gen.host6(a.As16(), maskOf(int(n)), q)
}

// maskOf is a mask of n bits.
func maskOf(n int) (mask [16]byte) {
	for i := range n {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return mask
}

// named is the condition for a name.
func (p *parser) named(name string, q qualifiers) *cond {
	g := p.gen
	check := func(err error) {
		if err != nil {
			g.fail("%v", err)
		}
	}
	switch q.typ {
	case typePort:
		ip := g.transportOf(q)
		port, of, err := portNumber(name)
		if err != nil && strings.Contains(name, "-") {
			g.fail("%v (a range of ports goes with portrange)", err)
		}
		check(err)
		p.sameTransport(name, ip, of)
		return g.ports(port, port, true, max(ip, of), q.dir)
	case typePortRange:
		ip := g.transportOf(q)
		from, to, found := strings.Cut(name, "-")
		if !found {
			g.fail("%s is no range of ports: expected two ports with a hyphen between them, such as 6000-6008", name)
		}
		low, of, err := portNumber(from)
		check(err)
		high, other, err := portNumber(to)
		check(err)
		if of != other {
			of = 0
		}
		p.sameTransport(name, ip, of)
		return g.ports(min(low, high), max(low, high), false, max(ip, of), q.dir)
	case typeProto, typeProtoChain:
		n, err := protocolNumber(name, q.proto)
		check(err)
		if q.typ == typeProto {
			return g.proto(n, q.proto)
		}
		return g.protoChain(n, q.proto)
	case typeNet:
		v, parts, err := network(name)
		check(err)
		return g.host4(v<<(32-8*parts), ^uint32(0)<<(32-8*parts), q)
	case typeGateway:
		g.fail("gateway is not supported: use ether host ADDRESS and not host ADDRESS")
	}
	switch q.proto {
	case protoLink:
		mac, err := etherHost(name)
		check(err)
		return g.hostMAC(mac, q.dir)
	case protoDECnet:
		g.fail("%s: DECnet hosts go by address, such as 10.123", name)
	}
	return p.resolved(name, q)
}

// sameTransport refuses a service of one transport protocol behind the qualifier of another.
func (p *parser) sameTransport(name string, asked, of uint32) {
	if asked != 0 && of != 0 && asked != of {
		names := map[uint32]string{ipTCP: "tcp", ipUDP: "udp", ipSCTP: "sctp"}
		p.gen.fail("the service %s is of %s, not of %s", name, names[of], names[asked])
	}
}

// resolved is the condition for a host name: any of its addresses.
func (p *parser) resolved(name string, q qualifiers) *cond {
	g := p.gen
	if g.opts.Resolve == nil {
		g.fail("%q is a host name; expected an address, since nothing was set to look names up", name)
	}
	all, err := g.opts.Resolve(name)
	if err != nil {
		g.fail("host %q: %v", name, err)
	}
	var c *cond
	for _, a := range all {
		switch a = a.Unmap(); {
		case a.Is4() && q.proto != protoIP6:
			b := a.As4()
			v := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			c = or(c, g.host4(v, ^uint32(0), q))
		case a.Is6() && !slices.Contains([]protocol{protoIP, protoARP, protoRARP}, q.proto):
			c = or(c, g.host6(a.As16(), maskOf(128), q))
		}
	}
	if c == nil {
		g.fail("host %q has no address that fits", name)
	}
	return c
}
