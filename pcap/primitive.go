// Implements the grammar of primitives.

package pcap

import (
	"slices"
	"strings"
)

// primitive reads a primitive: one with an id, or one of those below.
func (p *parser) primitive() (*cond, qualifiers) {
	none := qualifiers{none: true}
	t := p.peek()
	if t.kind != tokKeyword {
		p.expected("a condition")
	}
	switch t.key.class {
	case classProtocol, classDirection, classType:
		return p.qualified()
	case classATM:
		p.at++
		if t.key.name == "vpi" || t.key.name == "vci" {
			return p.fieldValues(t, func(rel relation, v uint32) *cond {
				if p.gen.opts.LinkType != LinkTypeSunATM {
					p.gen.fail("%s: packets of %s are not ATM cells", t.text, p.gen.opts.LinkType)
				}
				return p.gen.atmField(t.key.name, rel, v)
			}), none
		}
		return p.gen.atm(t.key.name), none
	case classMTP2:
		p.at++
		return p.gen.mtp2(t.key.name), none
	case classMTP3:
		p.at++
		return p.fieldValues(t, func(rel relation, v uint32) *cond { return p.gen.mtp3(t.key.name, rel, v) }), none
	}
	switch t.key.name {
	case "broadcast", "multicast", "type", "subtype", "dir":
		return p.qualified()
	}
	c := p.other(t)
	if c == nil {
		p.expected("a condition")
	}
	return c, none
}

// other reads a primitive that is known by its keyword alone. It returns nil if there is none of that name.
func (p *parser) other(t *token) *cond {
	g := p.gen
	p.at++
	switch t.key.name {
	case "less":
		return not(test(g.pool.length(), relGreater, g.pool.constant(p.plainNumber())))
	case "greater":
		return test(g.pool.length(), relGreaterEqual, g.pool.constant(p.plainNumber()))
	case "byte":
		return p.byteTest()
	case "inbound":
		return g.way(false)
	case "outbound":
		return g.way(true)
	case "ifindex":
		return g.ifindex(p.plainNumber())
	case "vlan":
		return g.vlan(p.optional())
	case "mpls":
		return g.mplsLabel(p.optional())
	case "pppoed":
		return g.linkType(etherPPPoED)
	case "pppoes":
		return g.pppoes(p.optional())
	case "geneve":
		return g.geneve(p.optional())
	case "vxlan":
		return g.vxlan(p.optional())
	case "llc":
		switch k := p.peek(); {
		case k.kind == tokName, k.keyword("rnr"):
			p.at++
			return g.llc(k.text)
		}
		return g.llc("")
	case "ifname":
		return g.pfName(t.text, pfIfName, p.name("the name of an interface"))
	case "rset":
		return g.pfName(t.text, pfRuleset, p.name("the name of a ruleset"))
	case "rnr":
		return g.pfNumber(t.text, pfRule, 4, p.plainNumber())
	case "srnr":
		return g.pfNumber(t.text, pfSubrule, 4, p.plainNumber())
	case "reason":
		if p.peek().isNumber() {
			return g.pfNumber(t.text, pfReason, 1, p.plainNumber())
		}
		return g.pfNumber(t.text, pfReason, 1, p.oneOf(pfReasons, "reason"))
	case "action":
		return g.pfNumber(t.text, pfAction, 1, p.oneOf(pfActions, "action"))
	}
	p.at--
	return nil
}

func (p *parser) name(what string) string {
	if p.peek().kind != tokName {
		p.expected(what)
	}
	return p.next().text
}

// oneOf reads a name and looks it up.
func (p *parser) oneOf(values map[string]uint32, what string) uint32 {
	t := p.peek()
	v, ok := values[p.name("a "+what)]
	if !ok {
		var names []string
		for name := range values {
			names = append(names, name)
		}
		slices.Sort(names)
		p.failAt(t, "there is no %s called %q: expected one of %s", what, t.text, strings.Join(names, ", "))
	}
	return v
}

// byteTest reads the rest of byte N op N, which compares a byte of the link layer header.
func (p *parser) byteTest() *cond {
	g := p.gen
	n := p.plainNumber()
	op := p.peek()
	if !slices.ContainsFunc([]string{"=", "==", "<", ">", "&", "|"}, op.is) {
		p.expected("one of = < > & |")
	}
	p.at++
	k := p.plainNumber()
	v := g.indexed(g.header, g.pool.constant(n), 1)
	switch op.text {
	case "<":
		return not(test(v, relGreaterEqual, g.pool.constant(k)))
	case ">":
		return test(v, relGreater, g.pool.constant(k))
	case "&":
		return test(v, relAnyBit, g.pool.constant(k))
	case "|":
		return not(test(g.pool.binary(opOr, v, g.pool.constant(k)), relEqual, g.pool.constant(0)))
	}
	return test(v, relEqual, g.pool.constant(k))
}

// fieldValues reads what a field is compared with: a number, an operator and a number, or several numbers with
// or between them in parentheses.
func (p *parser) fieldValues(t *token, compare func(relation, uint32) *cond) *cond {
	p.gen.pos = t.pos
	if p.accept("(") {
		c := compare(relEqual, p.plainNumber())
		for p.acceptKeyword("or") {
			c = or(c, compare(relEqual, p.plainNumber()))
		}
		p.close()
		return c
	}
	rel, opposite, ok := relationOf(p.peek())
	if ok {
		p.at++
	}
	if !ok && !p.peek().isNumber() {
		p.expected("a number, a comparison, or numbers in parentheses")
	}
	c := compare(rel, p.plainNumber())
	if opposite {
		return not(c)
	}
	return c
}

// wlan reads type, type and subtype, subtype, or dir of 802.11 headers.
func (p *parser) wlan() *cond {
	g := p.gen
	t := p.next()
	switch t.key.name {
	case "dir":
		names := map[string]uint32{"nods": 0, "tods": 1, "fromds": 2, "dstods": 3}
		k := uint32(0)
		if p.peek().isNumber() {
			k = p.plainNumber()
		} else {
			k = p.oneOf(names, "direction")
		}
		return g.wlanField(1, 3, k)
	case "subtype":
		name := p.peek()
		for _, row := range wlanSubtypes {
			if k, ok := row.subtypes[name.text]; ok && name.kind == tokName {
				p.at++
				return g.wlanField(0, 0xfc, row.typ|k)
			}
		}
		p.name("the name of a subtype")
		p.failAt(name, "there is no 802.11 subtype called %q", name.text)
	}
	typ := p.wlanType()
	if !p.acceptKeyword("subtype") {
		return g.wlanField(0, 0x0c, typ)
	}
	name := p.peek()
	if name.isNumber() {
		k := p.plainNumber()
		if k&^0xf0 != 0 {
			p.failAt(name, "%d is no 802.11 subtype: expected a multiple of 16 up to 240", k)
		}
		return g.wlanField(0, 0xfc, typ|k)
	}
	for _, row := range wlanSubtypes {
		if row.typ == typ {
			return g.wlanField(0, 0xfc, typ|p.oneOf(row.subtypes, "subtype of "+row.typeNames[0]))
		}
	}
	p.failAt(name, "subtypes of this type have no names: expected a number")
	return nil
}

// wlanType reads the name or number of an 802.11 type.
func (p *parser) wlanType() uint32 {
	t := p.peek()
	if t.isNumber() {
		k := p.plainNumber()
		if k&^0x0c != 0 {
			p.failAt(t, "%d is no 802.11 type: expected 0, 4, 8 or 12", k)
		}
		return k
	}
	names := map[string]uint32{}
	for _, row := range wlanSubtypes {
		for _, name := range row.typeNames {
			names[name] = row.typ
		}
	}
	return p.oneOf(names, "type")
}

// optional reads the number behind vlan and its like, nil if there is none.
func (p *parser) optional() *uint32 {
	if p.numberAhead() {
		n := p.parenthesized()
		return &n
	}
	if p.peek().is("(") {
		p.at++
		p.expected("a number")
	}
	return nil
}
