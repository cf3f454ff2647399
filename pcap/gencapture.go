// Implements the generator's remaining primitives: direction, interface, the log of pf, and SS7.

package pcap

// Offsets of what Linux knows beside a packet's bytes (linux/filter.h, SKF_AD_OFF).
const (
	metaType     = 0xfffff000 + 4
	metaIfIndex  = 0xfffff000 + 8
	metaVLANTag  = 0xfffff000 + 44
	metaVLANSeen = 0xfffff000 + 48
)

const packetOutgoing = 4 // PACKET_OUTGOING of linux/if_packet.h, also in cooked captures

// metadata is a load of what Linux knows beside a packet's bytes.
func (g *generator) metadata(what string, k uint32) *value {
	if g.opts.Source == SourceFile {
		g.fail("%s: packets of %s in a file do not tell it", what, g.opts.LinkType)
	}
	return g.pool.metadata(k)
}

// way is the primitive inbound, or outbound.
func (g *generator) way(outbound bool) *cond {
	what, pick := "inbound", func(in, out uint32) uint32 { return in }
	if outbound {
		what, pick = "outbound", func(in, out uint32) uint32 { return out }
	}
	whole := offset{}
	var sent *cond
	switch t := g.link.number; {
	case t == LinkTypeSLIP:
		sent = not(g.equal(whole, 0, 1, 0))
	case t == LinkTypeLinuxSLL:
		sent = g.equal(whole, 0, 2, packetOutgoing)
	case t == LinkTypeLinuxSLL2:
		sent = g.equal(whole, 10, 1, packetOutgoing)
	case t == LinkTypeIPNET:
		return g.equal(whole, 2, 2, pick(2, 1))
	case t == LinkTypePFLog:
		return g.equal(whole, 60, 1, pick(1, 2))
	case t == LinkTypePPPPPPD:
		return g.equal(whole, 0, 1, pick(0, 1))
	case g.link.flags&hasDirection != 0:
		return g.masked(whole, 3, 1, 1, pick(1, 0))
	default:
		sent = test(g.metadata(what, metaType), relEqual, g.pool.constant(packetOutgoing))
	}
	if outbound {
		return sent
	}
	return not(sent)
}

// ifindex is the primitive of that name.
func (g *generator) ifindex(n uint32) *cond {
	if g.link.number == LinkTypeLinuxSLL2 {
		return g.equal(offset{}, 4, 4, n)
	}
	return test(g.metadata("ifindex", metaIfIndex), relEqual, g.pool.constant(n))
}

// vlanOfSocket is vlan where the kernel takes the outermost tag out of the packet and keeps it beside it. If it
// did not, the tag is looked for in the packet, and what follows stands four bytes further on, whether there is one or
// not: as it does behind vlan in a file.
func (g *generator) vlanOfSocket(id *uint32) *cond {
	if g.vlanSeen {
		c := g.vlanTag(id)
		g.typ, g.payload = g.typ.plus(4), g.payload.plus(4)
		return c
	}
	g.vlanSeen = true
	shift := g.variable()
	apart := test(g.metadata("vlan", metaVLANSeen), relEqual, g.pool.constant(1))
	c := or(and(apart, set(shift, g.pool.constant(0))), and(set(shift, g.pool.constant(4)), g.vlanTag(nil)))
	if id != nil {
		tag := g.pool.binary(opAnd, g.metadata("vlan", metaVLANTag), g.pool.constant(0xfff))
		inside := g.masked(g.network(), 0, 2, 0xfff, *id)
		c = and(c, or(and(apart, test(tag, relEqual, g.pool.constant(*id))), and(not(apart), inside)))
	}
	g.typ.base, g.payload.base = g.pool.variable(shift), g.pool.variable(shift)
	return c
}

// The log of pf (struct pfloghdr of OpenBSD).
const (
	pfAction   = 2
	pfReason   = 3
	pfIfName   = 4
	pfRuleset  = 20
	pfRule     = 36
	pfSubrule  = 40
	pfNameSize = 16
)

var pfReasons = map[string]uint32{"match": 0, "bad-offset": 1, "fragment": 2, "short": 3, "normalize": 4, "memory": 5,
	"bad-timestamp": 6, "congestion": 7, "ip-option": 8, "proto-cksum": 9, "state-mismatch": 10, "state-insert": 11,
	"state-limit": 12, "src-limit": 13, "synproxy": 14}

var pfActions = map[string]uint32{"pass": 0, "accept": 0, "drop": 1, "block": 1, "scrub": 2, "nat": 4,
	"binat": 6, "rdr": 8, "synproxy-drop": 10}

func (g *generator) needPF(what string) {
	if g.link.number != LinkTypePFLog {
		g.fail("%s: packets of %s are no log of pf", what, g.link.number)
	}
}

// pfNumber is a primitive that compares a number of the log.
func (g *generator) pfNumber(what string, at int, size uint8, v uint32) *cond {
	g.needPF(what)
	return g.equal(offset{}, at, size, v)
}

// pfName is a primitive that compares a name of the log, as far as the given one goes.
func (g *generator) pfName(what string, at int, name string) *cond {
	g.needPF(what)
	if len(name) >= pfNameSize {
		g.fail("%s: %q is longer than the %d characters that such names have", what, name, pfNameSize-1)
	}
	return g.bytes(offset{}, at, []byte(name))
}

// mtp2Header is where the length indicator of an SS7 signal unit stands.
func (g *generator) mtp2Header(what string) int {
	switch g.opts.LinkType {
	case LinkTypeMTP2:
		return 2
	case LinkTypeMTP2WithPHDR:
		return 6
	case LinkTypeERF:
		return 22
	}
	g.fail("%s: packets of %s are not of SS7's MTP2", what, g.opts.LinkType)
	return 0
}

// mtp2 is a primitive for signal units, which their length tells apart.
func (g *generator) mtp2(name string) *cond {
	at := g.mtp2Header(name)
	length := func(rel relation, k uint32) *cond {
		v := g.pool.binary(opAnd, g.load(offset{}, at, 1), g.pool.constant(0x3f))
		return test(v, rel, g.pool.constant(k))
	}
	if name[0] == 'h' { // at high speed the length has nine bits
		length = func(rel relation, k uint32) *cond {
			v := g.pool.binary(opAnd, g.load(offset{}, at+2, 2), g.pool.constant(0xff80))
			return test(v, rel, g.pool.constant(k<<7))
		}
		name = name[1:]
	}
	switch name {
	case "fisu":
		return length(relEqual, 0)
	case "msu":
		return length(relGreater, 2)
	}
	return and(length(relGreater, 0), not(length(relGreater, 2)))
}

// mtp3Field is a field of SS7's MTP3: where it stands from the length indicator, and how a number is written
// in its bits.
type mtp3Field struct {
	at   int
	size uint8
	mask uint32
	max  uint32
	bits func(uint32) uint32
}

var mtp3Fields = map[string]mtp3Field{
	"sio": {1, 1, 0xff, 255, func(v uint32) uint32 { return v }},
	"opc": {2, 4, 0x00c0ff0f, 16383, func(v uint32) uint32 { return v&3<<22 | v>>2&0xff<<8 | v>>10&0x0f }},
	"dpc": {2, 4, 0xff3f0000, 16383, func(v uint32) uint32 { return v&0xff<<24 | v>>8&0x3f<<16 }},
	"sls": {5, 1, 0xf0, 15, func(v uint32) uint32 { return v << 4 }},
}

// mtp3 is a comparison of such a field. The field is compared as its bits stand in the packet.
func (g *generator) mtp3(name string, rel relation, v uint32) *cond {
	at := g.mtp2Header(name)
	field, ok := mtp3Fields[name]
	if !ok { // at high speed, with h before the name, the header is three bytes longer
		field = mtp3Fields[name[1:]]
		at += 3
	}
	if v > field.max {
		g.fail("%d is too large for %s: expected 0 to %d", v, name, field.max)
	}
	value := g.load(offset{}, at+field.at, field.size)
	if field.mask != 0xff {
		value = g.pool.binary(opAnd, value, g.pool.constant(field.mask))
	}
	return test(value, rel, g.pool.constant(field.bits(v)))
}
