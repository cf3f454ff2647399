// Implements the generator's encapsulations: primitives that move what the ones behind them look at.

package pcap

// vlan is the primitive of that name. id is nil if any VLAN will do.
func (g *generator) vlan(id *uint32) *cond {
	switch {
	case g.mpls > 0:
		g.fail("vlan cannot be found behind mpls")
	case g.link.flags&hasVLAN == 0:
		g.fail("packets of %s have no VLAN tags", g.link.number)
	case id != nil && *id > 4095:
		g.fail("%d is no VLAN: expected 0 to 4095", *id)
	}
	if g.opts.Source == SourceSocket && g.link.family == familyEther && !g.tunnelled() {
		return g.vlanOfSocket(id)
	}
	c := g.vlanTag(id)
	g.typ = g.typ.plus(4)
	g.payload = g.payload.plus(4)
	return c
}

func (g *generator) vlanTag(id *uint32) *cond {
	c := or(g.linkType(etherVLAN), g.linkType(etherQinQ), g.linkType(etherVLAN91))
	if id != nil {
		c = and(c, g.masked(g.network(), 0, 2, 0xfff, *id))
	}
	return c
}

// mplsLabel is the primitive mpls. label is nil if any will do.
func (g *generator) mplsLabel(label *uint32) *cond {
	if label != nil && *label > 1<<20-1 {
		g.fail("%d is no MPLS label: expected 0 to %d", *label, 1<<20-1)
	}
	var c *cond
	switch {
	case g.mpls > 0: // the label before is not the last
		c = g.masked(g.network(), -2, 1, 1, 0)
	case g.link.mpls == 0:
		g.fail("MPLS cannot be found in packets of %s", g.link.number)
	case g.link.family == familyPPP:
		c = g.equal(g.typ, 0, 2, g.link.mpls)
	default:
		c = g.linkType(g.link.mpls)
	}
	if label != nil {
		c = and(c, g.masked(g.network(), 0, 4, 0xfffff000, *label<<12))
	}
	g.net += 4
	g.osi += 4
	g.mpls++
	return c
}

// pppoes is the primitive of that name. session is nil if any will do.
func (g *generator) pppoes(session *uint32) *cond {
	if session != nil && *session > 0xffff {
		g.fail("%d is no PPPoE session: expected 0 to 65535", *session)
	}
	c := g.linkType(etherPPPoES)
	if session != nil {
		c = and(c, g.masked(g.network(), 0, 4, 0xffff, *session))
	}
	inner := g.network().plus(6)
	g.enter(LinkTypePPP, inner, inner, inner.plus(2))
	g.osi = 0
	return c
}

// enter makes the primitives that follow look at an inner packet.
func (g *generator) enter(t LinkType, header, typ, payload offset) {
	g.link = t.row()
	g.header, g.typ, g.payload = header, typ, payload
	g.net, g.osi = 0, g.link.osi
	g.inLANE, g.tunnel = false, false
}

func (g *generator) tunnelled() bool { return g.header != (offset{k: g.opts.LinkType.row().header}) }

// udpTo is the condition that a packet is UDP over IPv4 or IPv6 to a port, and what test says of the UDP
// payload, whose place is put into a variable.
func (g *generator) udpTo(port uint32, more func(offset) *cond) (*cond, *value) {
	n := g.variable()
	found := func(version uint32, proto int, unfragmented *cond, transport offset) *cond {
		payload := transport.plus(8)
		place := g.pool.constant(uint32(payload.k))
		if payload.base != nil {
			place = g.pool.add(payload.base, uint32(payload.k))
		}
		return and(g.linkType(version), g.equal(g.network(), proto, 1, ipUDP), unfragmented,
			g.equal(transport, 2, 2, port), more(payload), set(n, place))
	}
	return or(found(etherIP, 9, g.unfragmented(), g.transport4()), found(etherIP6, 6, nil, g.transport6())), g.pool.variable(n)
}

// geneve is the primitive of that name (RFC 8926). vni is nil if any will do.
func (g *generator) geneve(vni *uint32) *cond {
	if vni != nil && *vni > 1<<24-1 {
		g.fail("%d is no Geneve network: expected 0 to %d", *vni, 1<<24-1)
	}
	c, place := g.udpTo(6081, func(o offset) *cond {
		c := g.masked(o, 0, 1, 0xc0, 0) // version
		if vni != nil {
			c = and(c, g.masked(o, 4, 4, 0xffffff00, *vni<<8))
		}
		return c
	})
	g.unsure = true
	// Behind the header and its options stands an Ethernet frame, or right away what the header's type says.
	typ, header, payload := g.variable(), g.variable(), g.variable()
	here := offset{base: place}
	v := g.pool.variable
	words := g.pool.binary(opAnd, g.load(here, 0, 1), g.pool.constant(0x3f))
	length := g.pool.add(g.pool.binary(opMul, words, g.pool.constant(4)), 8)
	ethernet := and(g.equal(here, 2, 2, etherBridged),
		set(typ, g.pool.add(v(header), 12)), set(payload, g.pool.add(v(header), 14)))
	other := and(set(typ, g.pool.add(place, 2)), set(payload, v(header)))
	c = and(c, set(header, g.pool.binary(opAdd, length, place)), or(ethernet, other))
	g.enter(LinkTypeEthernet, offset{base: v(header)}, offset{base: v(typ)}, offset{base: v(payload)})
	g.osi, g.tunnel = 0, true
	return c
}

// ethernetInTunnel is the condition that the payload of a Geneve packet is an Ethernet frame.
func (g *generator) ethernetInTunnel() *cond {
	if g.payload.base == nil || g.header.base == nil {
		return nil
	}
	return not(test(g.payload.base, relEqual, g.header.base))
}

// vxlan is the primitive of that name (RFC 7348). vni is nil if any will do.
func (g *generator) vxlan(vni *uint32) *cond {
	if vni != nil && *vni > 1<<24-1 {
		g.fail("%d is no VXLAN: expected 0 to %d", *vni, 1<<24-1)
	}
	c, place := g.udpTo(4789, func(o offset) *cond {
		c := g.anyBit(o, 0, 1, 8) // the network is given
		if vni != nil {
			c = and(c, g.masked(o, 4, 4, 0xffffff00, *vni<<8))
		}
		return c
	})
	frame := offset{place, 8}
	g.enter(LinkTypeEthernet, frame, frame.plus(12), frame.plus(14))
	return c
}

// ATM cells as SunATM captures them: the lower four bits of the first byte tell what they carry.
const (
	atmLANE = 1
	atmLLC  = 2
)

func (g *generator) cell(kind uint32) *cond { return g.masked(g.header, 0, 1, 0x0f, kind) }

// lane is the primitive of that name: what follows looks at emulated Ethernet frames.
func (g *generator) lane() *cond {
	c := g.cell(atmLANE)
	frame := g.header.plus(6) // behind SunATM's header and two bytes of LAN emulation
	g.enter(LinkTypeEthernet, frame, frame.plus(12), frame.plus(14))
	g.inLANE = true
	return c
}

// emulated is the condition that a LAN emulation packet is no control packet.
func (g *generator) emulated() *cond { return not(g.equal(offset{}, 4, 2, 0xff00)) }

// circuit is the condition that a cell is of a virtual path, and of one of some channels.
func (g *generator) circuit(vpi uint32, vci ...uint32) *cond {
	var any *cond
	for _, v := range vci {
		any = or(any, g.atmField("vci", relEqual, v))
	}
	return and(g.atmField("vpi", relEqual, vpi), any)
}

func (g *generator) atmField(name string, rel relation, v uint32) *cond {
	if name == "vpi" {
		return g.compare(g.header, 1, 1, rel, v)
	}
	return g.compare(g.header, 2, 2, rel, v)
}

// atm is a primitive for SunATM without operands.
func (g *generator) atm(name string) *cond {
	if g.opts.LinkType != LinkTypeSunATM {
		g.fail("%s: packets of %s are not ATM cells", name, g.opts.LinkType)
	}
	message := func(kinds ...uint32) *cond { // type of a Q.2931 message
		var any *cond
		for _, k := range kinds {
			any = or(any, g.equal(g.header, 9, 1, k))
		}
		return any
	}
	const callProceeding, connect, setup, connectAck, release, releaseDone = 2, 7, 5, 15, 77, 90
	switch name {
	case "lane":
		return g.lane()
	case "metac":
		return g.circuit(0, 1)
	case "bcc":
		return g.circuit(0, 2)
	case "oamf4sc":
		return g.circuit(0, 3)
	case "oamf4ec":
		return g.circuit(0, 4)
	case "oam", "oamf4":
		return g.circuit(0, 3, 4)
	case "sc":
		return g.circuit(0, 5)
	case "ilmic":
		return g.circuit(0, 16)
	case "connectmsg":
		return and(g.circuit(0, 5), message(releaseDone, release, connectAck, connect, setup, callProceeding))
	}
	return and(g.circuit(0, 1), message(releaseDone, release, connect, setup, callProceeding)) // metaconnect
}
