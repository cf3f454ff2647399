// Implements the generator's link layer addresses, broadcast and multicast.

package pcap

// hostMAC is the condition that a link layer address of six bytes is mac.
func (g *generator) hostMAC(mac [6]byte, d direction) *cond {
	if g.link.family == familyWLAN {
		return g.hostWLAN(mac, d)
	}
	if d >= dirAddr1 {
		g.fail("%s is an address of 802.11 headers, which packets of %s do not have", directionName(d), g.link.number)
	}
	if g.link.flags&hasMAC == 0 {
		g.fail("packets of %s have no Ethernet addresses", g.link.number)
	}
	one := func(n int) func() *cond {
		return func() *cond { return g.bytes(g.header, g.link.mac+n, mac[:]) }
	}
	return and(g.withHeader(), g.either(d, "addresses", one(6+g.link.gap), one(0)))
}

// withHeader is the condition that there is a link layer header to look at, nil if that is sure.
func (g *generator) withHeader() *cond {
	switch {
	case g.tunnel:
		return g.ethernetInTunnel()
	case g.inLANE:
		return g.emulated()
	}
	return nil
}

// hostARCNET is the condition that an ARCnet address is a.
func (g *generator) hostARCNET(a uint32, d direction) *cond {
	if g.link.family != familyARCNET {
		g.fail("packets of %s have no ARCnet addresses", g.link.number)
	}
	if d >= dirAddr1 {
		g.fail("%s is an address of 802.11 headers, which packets of %s do not have", directionName(d), g.link.number)
	}
	one := func(n int) func() *cond {
		return func() *cond { return g.equal(g.header, n, 1, a) }
	}
	return g.either(d, "ARCnet addresses", one(0), one(1))
}

// broadcast is the primitive of that name.
func (g *generator) broadcast(p protocol) *cond {
	switch p {
	case protoDefault, protoLink:
		switch {
		case g.link.family == familyARCNET:
			return g.hostARCNET(0, dirDst)
		case g.link.flags&hasMAC != 0 || g.link.family == familyWLAN:
			return g.hostMAC([6]byte{255, 255, 255, 255, 255, 255}, dirDst)
		}
		g.fail("packets of %s have no broadcast address", g.link.number)
	case protoIP:
		host := ^g.opts.netmask()
		if host == 0 {
			g.fail("ip broadcast: the netmask leaves no bits for the host")
		}
		return and(g.linkType(etherIP), or(g.masked(g.network(), 16, 4, host, 0), g.masked(g.network(), 16, 4, host, host)))
	}
	g.fail("%s has no broadcast address: expected ether, ip or nothing before broadcast", p)
	return nil
}

// multicast is the primitive of that name.
func (g *generator) multicast(p protocol) *cond {
	switch p {
	case protoDefault, protoLink:
		group := func(n int) *cond { return g.anyBit(g.header, n, 1, 1) }
		switch {
		case g.link.family == familyARCNET:
			return g.hostARCNET(0, dirDst)
		case g.link.family == familyWLAN:
			return g.destination(group)
		case g.link.flags&hasMAC != 0:
			return and(g.withHeader(), group(g.link.mac))
		}
		g.fail("packets of %s have no link layer multicast addresses", g.link.number)
	case protoIP:
		return and(g.linkType(etherIP), g.compare(g.network(), 16, 1, relGreaterEqual, 224))
	case protoIP6:
		return and(g.linkType(etherIP6), g.equal(g.network(), 24, 1, 255))
	}
	g.fail("%s has no multicast addresses: expected ether, ip, ip6 or nothing before multicast", p)
	return nil
}

// 802.11. The first byte holds type (bits 2 and 3) and subtype (4 to 7), the second the direction (0 and 1).

func (g *generator) frameBit(n int, bit uint32) *cond { return g.anyBit(g.header, n, 1, bit) }

const (
	wlanControl = 4 // bits of the first byte
	wlanData    = 8
	wlanToDS    = 1 // bits of the second byte
	wlanFromDS  = 2
)

// dataFrame is the condition that an 802.11 frame is of type data.
func (g *generator) dataFrame() *cond {
	return and(not(g.frameBit(0, wlanControl)), g.frameBit(0, wlanData))
}

// hostWLAN is hostMAC for 802.11.
func (g *generator) hostWLAN(mac [6]byte, d direction) *cond {
	is := func(n int) *cond { return g.bytes(g.header, n, mac[:]) }
	control := g.masked(g.header, 0, 1, 0x0c, wlanControl)
	short := or(g.masked(g.header, 0, 1, 0xf0, 0xc0), g.masked(g.header, 0, 1, 0xf0, 0xd0)) // CTS and ACK
	switch d {
	case dirAddr1:
		return is(4)
	case dirAddr2:
		return and(not(and(control, short)), is(10))
	case dirAddr3:
		return and(not(control), is(16))
	case dirAddr4:
		return and(g.masked(g.header, 1, 1, 3, 3), is(24))
	case dirRA:
		return and(g.frameBit(0, wlanData), is(4))
	case dirTA:
		return and(g.frameBit(0, wlanData), not(and(control, short)), is(10))
	}
	return g.either(d, "addresses", func() *cond { return g.source(is) }, func() *cond { return g.destination(is) })
}

// destination is the condition that the destination address of an 802.11 frame is as is says for the offset
// that it stands at: the first address, or the third if the frame goes to the distribution system.
func (g *generator) destination(is func(int) *cond) *cond {
	toDS := g.frameBit(1, wlanToDS)
	data := and(g.frameBit(0, wlanData), or(and(not(toDS), is(4)), and(toDS, is(16))))
	return and(not(g.frameBit(0, wlanControl)), or(and(not(g.frameBit(0, wlanData)), is(4)), data))
}

// source is destination for the source address: the second address, or the third if the frame comes from the
// distribution system, or the fourth if it also goes to it.
func (g *generator) source(is func(int) *cond) *cond {
	toDS, fromDS := g.frameBit(1, wlanToDS), g.frameBit(1, wlanFromDS)
	data := and(g.frameBit(0, wlanData), or(and(not(fromDS), is(10)),
		and(fromDS, or(and(not(toDS), is(16)), and(toDS, is(24))))))
	return and(not(g.frameBit(0, wlanControl)), or(and(not(g.frameBit(0, wlanData)), is(10)), data))
}

// wlanField is the condition that the bits of mask in byte n of an 802.11 header are k.
func (g *generator) wlanField(n int, mask, k uint32) *cond {
	if g.link.family != familyWLAN || g.link.number == LinkTypePPI { // libpcap leaves PPI out, too
		g.fail("the fields of 802.11 headers cannot be asked for in packets of %s", g.link.number)
	}
	return g.masked(g.header, n, 1, mask, k)
}

// wlanSubtypes are the names of 802.11 subtypes by type, both in place in the first byte of the header.
var wlanSubtypes = []struct {
	typeNames []string
	typ       uint32
	subtypes  map[string]uint32
}{
	{[]string{"mgt"}, 0x00, map[string]uint32{
		"assoc-req": 0x00, "assocreq": 0x00, "assoc-resp": 0x10, "assocresp": 0x10, "reassoc-req": 0x20, "reassocreq": 0x20,
		"reassoc-resp": 0x30, "reassocresp": 0x30, "probe-req": 0x40, "probereq": 0x40, "probe-resp": 0x50, "proberesp": 0x50,
		"beacon": 0x80, "atim": 0x90, "disassoc": 0xa0, "disassociation": 0xa0, "auth": 0xb0, "authentication": 0xb0,
		"deauth": 0xc0, "deauthentication": 0xc0}},
	{[]string{"ctl"}, 0x04, map[string]uint32{
		"ps-poll": 0xa0, "rts": 0xb0, "cts": 0xc0, "ack": 0xd0, "cf-end": 0xe0, "cf-end-ack": 0xf0}},
	{[]string{"data"}, 0x08, map[string]uint32{
		"data": 0x00, "data-cf-ack": 0x10, "data-cf-poll": 0x20, "data-cf-ack-poll": 0x30, "null": 0x40, "cf-ack": 0x50,
		"cf-poll": 0x60, "cf-ack-poll": 0x70, "qos-data": 0x80, "qos-data-cf-ack": 0x90, "qos-data-cf-poll": 0xa0,
		"qos-data-cf-ack-poll": 0xb0, "qos": 0xc0, "qos-cf-poll": 0xe0, "qos-cf-ack-poll": 0xf0}},
}

// prologue finds out, before all else, where variable headers of 802.11 captures end. It computes what of that
// the condition uses.
func (g *generator) prologue(c *cond) *cond {
	uses := func(n int) bool { return c.mentions(n, map[*cond]bool{}) }
	switch g.opts.LinkType.row().family {
	case familyWLAN:
	case familyPFLog: // the header's own length, rounded up to words
		if !uses(g.frame) {
			return nil
		}
		length := g.pool.add(g.load(offset{}, 0, 1), 3)
		return set(g.frame, g.pool.binary(opAnd, length, g.pool.constant(^uint32(3))))
	default:
		return nil
	}
	number := g.opts.LinkType
	var radio *value // length of the radio header
	var all *cond
	frame := uses(g.frame)
	if number == LinkTypePPI { // of its many link types, 802.11 alone is understood
		all = g.equal(offset{}, 4, 4, 105<<24)
	}
	if g.radioed() {
		radio = g.pool.variable(g.radio)
		if frame || uses(g.radio) {
			all = and(all, g.radioLength(number))
		}
	}
	if !frame {
		return all
	}
	start := offset{base: radio}
	byte0 := func(bit uint32) *cond { return g.anyBit(start, 0, 1, bit) }
	here := g.pool.variable(g.frame)
	all = and(all, set(g.frame, g.pool.add(radio, 24)))
	qos := when(byte0(0x80), set(g.frame, g.pool.add(here, 2)))
	isData := and(byte0(wlanData), not(byte0(wlanControl)))
	if number != LinkTypeRadiotap {
		return and(all, when(isData, qos))
	}
	// The flags field of radiotap tells whether the frame is padded to words; a time stamp may stand before it.
	word := func(bits uint32) *cond { return g.anyBit(offset{}, 4, 4, bits) }
	const flagsPresent, morePresent, stampPresent = 0x2000000, 0x80, 0x1000000
	padded := or(and(word(stampPresent), g.anyBit(offset{}, 16, 1, 0x20)), and(not(word(stampPresent)), g.anyBit(offset{}, 8, 1, 0x20)))
	pad := set(g.frame, g.pool.binary(opAnd, g.pool.add(here, 3), g.pool.constant(^uint32(3))))
	return and(all, when(isData, and(qos, when(and(word(flagsPresent), not(word(morePresent)), padded), pad))))
}

// radioed reports whether a radio header of variable length stands before the 802.11 header.
func (g *generator) radioed() bool {
	row := g.opts.LinkType.row()
	return row.flags&hasRadio != 0 || row.number == LinkTypePPI
}

// radioLength puts the length of the radio header into its variable.
func (g *generator) radioLength(number LinkType) *cond {
	here := func(n int, size uint8) *value { return g.load(offset{}, n, size) }
	switch number {
	case LinkTypeAVS:
		return set(g.radio, here(4, 4))
	case LinkTypePrism: // either Prism's of fixed length, or AVS by its magic number
		isAVS := g.masked(offset{}, 0, 4, 0xfffff000, 0x80211000)
		return or(and(isAVS, set(g.radio, here(4, 4))), set(g.radio, g.pool.constant(144)))
	}
	high := g.pool.binary(opShl, here(3, 1), g.pool.constant(8)) // little endian
	return set(g.radio, g.pool.binary(opOr, here(2, 1), high))
}

// mentions reports whether variable n is used in c.
func (c *cond) mentions(n int, seen map[*cond]bool) bool {
	for c != nil && !seen[c] {
		seen[c] = true
		if mentions(c.a, n) || mentions(c.b, n) || c.y.mentions(n, seen) {
			return true
		}
		c = c.x
	}
	return false
}
