// Implements the generator's state: where in the packet what the expression speaks of stands.

package pcap

// An offset is a place in the packet: k bytes behind base, or behind the packet's start if base is nil.
type offset struct {
	base *value
	k    int
}

func (o offset) plus(n int) offset { return offset{o.base, o.k + n} }

// generator makes conditions from the primitives of an expression, in their order. Some primitives, such as
// vlan, move what the ones behind them look at.
type generator struct {
	pool *pool
	opts *Options
	vars int // variables in use
	pos  int // byte in the expression of the primitive at work, for errors

	link    linkRow // link type that the next primitives see; of it only family, mac, flags, mpls and names count
	header  offset  // link layer header
	typ     offset  // type field
	payload offset  // what the link layer header carries
	net     int     // from payload to the network layer header
	osi     int     // from payload to an OSI packet

	mpls   int  // labels passed so far
	inLANE bool // inside ATM LAN emulation
	tunnel bool // inside Geneve, where there may be no Ethernet header

	vlanSeen bool // the tag that the kernel keeps beside the packet has been asked for
	unsure   bool // libpcap does not look whether such an expression can match, so neither does Compile

	radio int // variable with the length of the radio header before an 802.11 header, if one may stand there
	frame int // variable with the place of the payload, if that depends on the packet
}

func newGenerator(p *pool, opts *Options) *generator {
	row := opts.LinkType.row()
	g := &generator{pool: p, opts: opts, link: row, net: row.net, osi: row.osi}
	g.header = offset{k: row.header}
	g.typ = offset{k: row.typ}
	g.payload = offset{k: row.payload}
	if row.family == familyWLAN {
		if row.flags&hasRadio != 0 || row.number == LinkTypePPI {
			g.radio = g.variable()
			g.header.base = p.variable(g.radio)
		}
		g.frame = g.variable()
		g.payload.base = p.variable(g.frame)
	}
	if row.family == familyPFLog {
		g.frame = g.variable()
		g.payload.base = p.variable(g.frame)
	}
	return g
}

func (g *generator) variable() int {
	g.vars++
	return g.vars - 1
}

// fail ends the compilation with an error at the primitive at work.
func (g *generator) fail(format string, args ...any) {
	panic(&Error{Column: g.pos + 1, Text: errorf(format, args...).Error()})
}

func (g *generator) load(o offset, n int, size uint8) *value {
	return g.pool.load(size, o.base, uint32(o.k+n))
}

// compare tests size bytes at n behind o against k.
func (g *generator) compare(o offset, n int, size uint8, rel relation, k uint32) *cond {
	return test(g.load(o, n, size), rel, g.pool.constant(k))
}

func (g *generator) equal(o offset, n int, size uint8, k uint32) *cond {
	return g.compare(o, n, size, relEqual, k)
}

// masked tests the bits of mask in size bytes at n behind o. Without a bit to test it is nil: nothing to do.
func (g *generator) masked(o offset, n int, size uint8, mask, k uint32) *cond {
	v := g.load(o, n, size)
	if mask != ^uint32(0) {
		v = g.pool.binary(opAnd, v, g.pool.constant(mask))
	}
	return test(v, relEqual, g.pool.constant(k))
}

func (g *generator) anyBit(o offset, n int, size uint8, bits uint32) *cond {
	return g.compare(o, n, size, relAnyBit, bits)
}

// bytes tests for data at n behind o. The last bytes are looked at first, in words as long as possible.
func (g *generator) bytes(o offset, n int, data []byte) *cond {
	var c *cond
	for end := len(data); end > 0; {
		size := 4
		switch {
		case end < 2:
			size = 1
		case end < 4:
			size = 2
		}
		end -= size
		var k uint32
		for _, b := range data[end : end+size] {
			k = k<<8 | uint32(b)
		}
		c = and(c, g.equal(o, n+end, uint8(size), k))
	}
	return c
}

// network is the place of the network layer header.
func (g *generator) network() offset { return g.payload.plus(g.net) }

// transport4 is the place behind the IPv4 header.
func (g *generator) transport4() offset {
	n := g.network()
	v := g.pool.header(n.base, uint32(n.k))
	if n.base == nil {
		return offset{v, n.k}
	}
	return offset{g.pool.binary(opAdd, v, n.base), n.k}
}

// transport6 is the place behind an IPv6 header without extensions.
func (g *generator) transport6() offset { return g.network().plus(40) }

// either combines a condition on a source and one on a destination address as the direction says. The
// conditions are made in the order of their use.
func (g *generator) either(d direction, what string, src, dst func() *cond) *cond {
	switch d {
	case dirSrc:
		return src()
	case dirDst:
		return dst()
	case dirAnd:
		return and(src(), dst())
	case dirDefault, dirOr:
		return or(src(), dst())
	}
	g.fail("%s chooses an address of an 802.11 header and does not go with %s", directionName(d), what)
	return nil
}

func directionName(d direction) string {
	for _, row := range keywordRows {
		if row.class == classDirection && row.value == uint32(d) {
			return row.spellings[0]
		}
	}
	return "src or dst"
}
