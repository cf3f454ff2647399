// Implements the generator's link layer: how a packet's protocol is told on each link type.

package pcap

// linkType is the condition that the link layer carries a protocol, given as an EtherType or an LLC SAP.
func (g *generator) linkType(t uint32) *cond {
	if g.mpls > 0 {
		return g.linkTypeMPLS(t)
	}
	switch g.link.family {
	case familyEther:
		if g.inLANE {
			return and(g.emulated(), g.linkTypeEther(t))
		}
		return g.linkTypeEther(t)
	case familyLLC:
		return g.linkTypeLLC(t)
	case familyWLAN:
		return and(g.dataFrame(), g.linkTypeLLC(t))
	case familySunATM:
		return and(g.cell(atmLLC), g.linkTypeLLC(t))
	case familyEtherType:
		return g.equal(g.typ, 0, 2, t)
	case familySLL:
		return g.linkTypeSLL(t)
	case familyHDLC:
		if t == sapISO {
			t = sapISO<<8 | sapISO
		}
		return g.equal(g.typ, 0, 2, t)
	case familyPPP:
		return g.equal(g.typ, 0, 2, pppType(t))
	case familyPPPBSDOS:
		if t == etherIP { // also with Van Jacobson's compression, of either kind
			return or(g.equal(g.typ, 0, 2, 0x21), g.equal(g.typ, 0, 2, 0x2d), g.equal(g.typ, 0, 2, 0x2f))
		}
		return g.equal(g.typ, 0, 2, pppType(t))
	case familyNone:
		g.fail("packets of %s do not tell their protocol; filters can test their bytes (link[0]) and length", g.link.number)
	}
	return g.linkTypeByTable(t)
}

// linkTypeByTable is linkType for families that know a handful of protocols and say so in one number.
func (g *generator) linkTypeByTable(t uint32) *cond {
	const afINET, afINET6, afINET6Solaris = 2, 10, 26
	is := func(n int, size uint8, k uint32) *cond { return g.equal(offset{}, n, size, k) }
	type key struct {
		family family
		t      uint32
	}
	switch (key{g.link.family, t}) {
	case key{familyNull, etherIP}:
		return is(0, 4, afINET<<24)
	case key{familyNull, etherIP6}:
		return is(0, 4, afINET6<<24)
	case key{familyLoop, etherIP}:
		return is(0, 4, afINET)
	case key{familyLoop, etherIP6}:
		return is(0, 4, afINET6)
	case key{familyPFLog, etherIP}:
		return is(1, 1, afINET)
	case key{familyPFLog, etherIP6}:
		return is(1, 1, afINET6)
	case key{familyIPNET, etherIP}:
		return is(1, 1, afINET)
	case key{familyIPNET, etherIP6}:
		return is(1, 1, afINET6Solaris)
	case key{familyNibble, etherIP}:
		return g.masked(offset{}, 0, 1, 0xf0, 0x40)
	case key{familyNibble, etherIP6}:
		return g.masked(offset{}, 0, 1, 0xf0, 0x60)
	case key{familyIPv4, etherIP}, key{familyIPv6, etherIP6}, key{familyLocalTalk, etherATalk}:
		return always
	case key{familyARCNET, etherIP}:
		return or(g.equal(g.typ, 0, 1, 212), g.equal(g.typ, 0, 1, 240))
	case key{familyARCNET, etherIP6}:
		return g.equal(g.typ, 0, 1, 196)
	case key{familyARCNET, etherARP}:
		return or(g.equal(g.typ, 0, 1, 213), g.equal(g.typ, 0, 1, 241))
	case key{familyARCNET, etherRARP}:
		return g.equal(g.typ, 0, 1, 214)
	case key{familyARCNET, etherATalk}:
		return g.equal(g.typ, 0, 1, 221)
	case key{familyFrameRelay, etherIP}: // an unnumbered frame (3), then the NLPID
		return is(2, 2, 0x3cc)
	case key{familyFrameRelay, etherIP6}:
		return is(2, 2, 0x38e)
	case key{familyFrameRelay, sapISO}:
		return or(is(2, 2, 0x381), is(2, 2, 0x382), is(2, 2, 0x383))
	}
	if g.link.family == familyMagic { // the protocol stands where it cannot be found, so any will do
		return g.masked(offset{}, 0, 4, g.link.mask, g.link.magic)
	}
	return never
}

func (g *generator) linkTypeMPLS(t uint32) *cond {
	bottom := g.masked(g.network(), -2, 1, 1, 1)
	switch t {
	case etherIP:
		return and(bottom, g.masked(g.network(), 0, 1, 0xf0, 0x40))
	case etherIP6:
		return and(bottom, g.masked(g.network(), 0, 1, 0xf0, 0x60))
	}
	g.fail("behind mpls only ip and ip6 can be told apart, and what they carry")
	return nil
}

// linkTypeEther is linkType for Ethernet frames, where the type field may be a length in front of LLC.
func (g *generator) linkTypeEther(t uint32) *cond {
	llc := func() *cond {
		c := not(g.compare(g.typ, 0, 2, relGreater, greatestLength))
		if g.tunnel {
			c = and(c, g.ethernetInTunnel())
		}
		return c
	}
	switch t {
	case sapISO, sapIP, sapNetBEUI:
		return and(llc(), g.equal(g.payload, 0, 2, t<<8|t))
	case sapIPX: // EtherType, SNAP, LLC, or raw 802.3 without LLC
		return or(g.equal(g.typ, 0, 2, etherIPX), and(llc(),
			or(g.snap(0, etherIPX), g.equal(g.payload, 0, 1, sapIPX), g.equal(g.payload, 0, 2, 0xffff))))
	case etherATalk:
		return or(g.equal(g.typ, 0, 2, t), and(llc(), g.snap(0x080007, t)))
	case etherAARP:
		return or(g.equal(g.typ, 0, 2, t), and(llc(), g.snap(0, t)))
	}
	if t <= greatestLength {
		return and(llc(), g.equal(g.payload, 0, 1, t))
	}
	return g.equal(g.typ, 0, 2, t)
}

// linkTypeSLL is linkType for Linux's cooked packets, which have numbers of Linux's own besides EtherTypes.
func (g *generator) linkTypeSLL(t uint32) *cond {
	const novell, llc = 1, 4
	isLLC := g.equal(g.typ, 0, 2, llc)
	switch t {
	case sapISO, sapIP, sapNetBEUI:
		return and(isLLC, g.equal(g.payload, 0, 2, t<<8|t))
	case sapIPX:
		return or(g.equal(g.typ, 0, 2, etherIPX), g.equal(g.typ, 0, 2, novell),
			and(isLLC, or(g.equal(g.payload, 0, 1, sapIPX), g.snap(0, etherIPX))))
	case etherATalk:
		return or(g.equal(g.typ, 0, 2, t), and(isLLC, g.snap(0x080007, t)))
	case etherAARP:
		return or(g.equal(g.typ, 0, 2, t), and(isLLC, g.snap(0, t)))
	}
	if t <= greatestLength {
		return and(isLLC, g.equal(g.payload, 0, 1, t))
	}
	return g.equal(g.typ, 0, 2, t)
}

// linkTypeLLC is linkType where an LLC header follows in any case.
func (g *generator) linkTypeLLC(t uint32) *cond {
	switch t {
	case sapISO, sapIP, sapNetBEUI:
		return g.equal(g.payload, 0, 2, t<<8|t)
	case sapIPX:
		return g.equal(g.payload, 0, 1, t)
	case etherATalk:
		return g.snap(0x080007, t)
	}
	if t <= greatestLength {
		return g.equal(g.payload, 0, 1, t)
	}
	return g.equal(g.payload, 6, 2, t) // whatever the organization of the SNAP header
}

// snap is the condition that a SNAP header of an organization with a protocol of its is there.
func (g *generator) snap(org, t uint32) *cond {
	return g.bytes(g.payload, 0, []byte{0xaa, 0xaa, 3, byte(org >> 16), byte(org >> 8), byte(org), byte(t >> 8), byte(t)})
}

// pppType is the PPP number of a protocol given as an EtherType or SAP.
func pppType(t uint32) uint32 {
	switch t {
	case etherIP:
		return 0x21
	case etherIP6:
		return 0x57
	case etherDECnet:
		return 0x27
	case etherATalk:
		return 0x29
	case etherNS:
		return 0x25
	case sapISO:
		return 0x23
	case sapSTP:
		return 0x31
	case sapIPX:
		return 0x2b
	}
	return t
}

// llc is the primitive of that name. What of the control field is asked for is compared under a mask.
func (g *generator) llc(kind string) *cond {
	if g.link.flags&hasLLC == 0 {
		g.fail("llc: packets of %s have no LLC header", g.link.number)
	}
	var has *cond
	switch g.link.family {
	case familyEther: // a length, and not raw Novell 802.3
		has = and(not(g.compare(g.typ, 0, 2, relGreater, greatestLength)), not(g.equal(g.payload, 0, 2, 0xffff)))
	case familySunATM:
		has = g.cell(atmLLC)
	case familyWLAN:
		has = g.dataFrame()
	}
	if kind == "" {
		return and(has)
	}
	for _, k := range llcKinds {
		if k.name != kind {
			continue
		}
		if k.mask == 1 {
			return and(has, not(g.anyBit(g.payload, 2, 1, 1)))
		}
		return and(has, g.masked(g.payload, 2, 1, k.mask, k.value))
	}
	g.fail("there is no kind of LLC frame called %q: expected i, s, u, rr, rnr, rej, ui, ua, disc, sabme, test, xid or frmr", kind)
	return nil
}

// llcKinds are the kinds of LLC frames, by the control field.
var llcKinds = []struct {
	name        string
	mask, value uint32
}{
	{"i", 1, 0}, {"s", 3, 1}, {"u", 3, 3},
	{"rr", 0x0f, 1}, {"rnr", 0x0f, 5}, {"rej", 0x0f, 9},
	{"ui", 0xef, 0x03}, {"ua", 0xef, 0x63}, {"disc", 0xef, 0x43}, {"sabme", 0xef, 0x6f},
	{"test", 0xef, 0xe3}, {"xid", 0xef, 0xaf}, {"frmr", 0xef, 0x87},
}
