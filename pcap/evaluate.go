// Implements the evaluation of conditions for explanations, as they stand: without graph or code.

package pcap

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// result is what a calculation gives, if it can be made.
type result struct {
	n  uint32
	ok bool
}

// evaluation is that of a condition for a packet. It has the three outcomes of tests for conditions too, which
// combine as in Kleene's logic: what holds whatever the impossible tests would give, holds. Like that logic,
// the joining of alternatives by the compiler (zip.go) keeps to the laws of distributive lattices, so both find
// the same.
type evaluation struct {
	packet *spec.Packet
	vars   map[int]result
	onward bool // go on behind an impossible test
	doubt  int  // how many conditions around are undecided: variables that are set there are not known
	short  *Look

	term  *Term // to note tests in, or nil
	link  *linkRow
	looks []Look
}

// terms evaluates c, whose terms t is to show.
func (e *evaluation) terms(c *cond, t *Term) Outcome {
	switch t.Operator {
	case Primitive:
		e.term = t
		t.Outcome = e.cond(c.x)
	case Not:
		t.Outcome = opposite(e.terms(c.x, t.Terms[0]))
	default:
		parts := chain(c)
		t.Outcome = e.series(t.Operator == And, len(parts), func(i int) Outcome { return e.terms(parts[i], t.Terms[i]) })
	}
	return t.Outcome
}

func opposite(o Outcome) Outcome {
	switch o {
	case True:
		return False
	case False:
		return True
	}
	return o
}

// series is the conjunction, or the disjunction, of n conditions, as far as they have to be asked.
func (e *evaluation) series(and bool, n int, ask func(int) Outcome) Outcome {
	result, decided := outcomeOf(and), outcomeOf(!and)
	before := e.doubt
	defer func() { e.doubt = before }()
	for i := range n {
		switch o := ask(i); {
		case o == decided:
			return o
		case o == Impossible:
			if result = o; !e.onward {
				return o
			}
			e.doubt = before + 1
		}
	}
	return result
}

func (e *evaluation) cond(c *cond) Outcome {
	switch c.kind {
	case condTrue:
		return True
	case condFalse:
		return False
	case condNot:
		return opposite(e.cond(c.x))
	case condAnd, condOr:
		parts := chain(c)
		return e.series(c.kind == condAnd, len(parts), func(i int) Outcome { return e.cond(parts[i]) })
	case condSet:
		e.looks = nil
		v := e.value(c.a)
		e.vars[c.n] = result{v.n, v.ok && e.doubt == 0}
		if !v.ok {
			e.note(Test{Left: e.text(c.a), Relation: "=", Outcome: Impossible})
			return Impossible
		}
		return True
	}
	return e.test(c)
}

func (e *evaluation) test(c *cond) Outcome {
	e.looks = nil
	a := e.value(c.a)
	if !a.ok && !e.onward {
		e.note(Test{Left: e.text(c.a), Right: e.text(c.b), Relation: relations[c.rel], Outcome: Impossible})
		return Impossible
	}
	b := e.value(c.b)
	o := Impossible
	if a.ok && b.ok {
		o = outcomeOf(c.rel.holds(a.n, b.n))
	} else {
		a.n, b.n = 0, 0
	}
	if e.term != nil {
		e.note(Test{Left: e.text(c.a), Right: e.text(c.b), Relation: relations[c.rel], A: a.n, B: b.n,
			Field: e.field(c.a), Outcome: o, digits: digitsOf(c.a)})
	}
	return o
}

var relations = [...]string{relEqual: "=", relGreater: ">", relGreaterEqual: ">=", relAnyBit: "&"}

func (e *evaluation) note(t Test) {
	if e.term == nil {
		return
	}
	for _, o := range e.term.Tests { // the parts of a primitive may ask for the same
		if o.Left == t.Left && o.Right == t.Right && o.Relation == t.Relation && o.A == t.A && o.Outcome == t.Outcome {
			return
		}
	}
	t.Looks = e.looks
	e.term.Tests = append(e.term.Tests, t)
}

// value calculates v.
func (e *evaluation) value(v *value) result {
	switch v.op {
	case opConst:
		return result{v.k, true}
	case opLength:
		return result{uint32(e.packet.Len()), true}
	case opMeta:
		return result{metadataOf(e.packet, v.k), true}
	case opVar:
		if n, ok := e.vars[int(v.k)]; ok {
			return n
		}
		return result{0, true}
	case opFail:
		return result{}
	case opLoad:
		at := result{0, true}
		if v.a != nil {
			at = e.value(v.a)
		}
		if !at.ok {
			return result{}
		}
		return e.load(at.n+v.k, int(v.size))
	case opHeader:
		n := e.load(v.k, 1)
		return result{n.n & 15 << 2, n.ok}
	case opNeg:
		n := e.value(v.a)
		return result{-n.n, n.ok}
	}
	a := e.value(v.a)
	b := e.value(v.b)
	if !a.ok || !b.ok {
		return result{}
	}
	n, ok := compute(v.op, a.n, b.n)
	return result{n, ok}
}

// load reads as the machine does (classic.VM), which counts offsets that are negative as signed numbers from
// the network header or the link layer header.
func (e *evaluation) load(k uint32, size int) result {
	at := int(int32(k))
	switch {
	case at >= 0:
	case at >= classic.NetworkOffset:
		at += e.packet.NetworkOffset - classic.NetworkOffset
	case at >= classic.LinkOffset:
		at -= classic.LinkOffset
	}
	if at < 0 || at > len(e.packet.Data)-size {
		look := Look{Offset: int(k), Length: size, Outside: true}
		if e.looks = append(e.looks, look); e.short == nil {
			e.short = &look
		}
		return result{}
	}
	var n uint32
	for _, b := range e.packet.Data[at : at+size] {
		n = n<<8 | uint32(b)
	}
	e.looks = append(e.looks, Look{Offset: at, Length: size, Value: n})
	return result{n, true}
}

// metadataOf is what a load of Linux's metadata gives.
func metadataOf(p *spec.Packet, k uint32) uint32 {
	switch k {
	case metaType:
		return uint32(p.PktType)
	case metaIfIndex:
		return p.IfIndex
	case metaVLANTag:
		return uint32(p.VLANTCI)
	case metaVLANSeen:
		if p.VLANPresent {
			return 1
		}
	}
	return 0
}

// text is v for people, with the offsets that its loads have in this packet.
func (e *evaluation) text(v *value) string {
	if e.term == nil {
		return ""
	}
	switch v.op {
	case opConst:
		return fmt.Sprintf("%#x", v.k)
	case opLength:
		return "len"
	case opMeta:
		return map[uint32]string{metaType: "packet type", metaIfIndex: "ifindex", metaVLANTag: "VLAN tag", metaVLANSeen: "VLAN tag present"}[v.k]
	case opVar:
		return fmt.Sprint(e.vars[int(v.k)].n)
	case opFail:
		return "[beyond all bytes]"
	case opLoad:
		at := result{0, true}
		if v.a != nil {
			at = e.quietly(v.a)
		}
		if !at.ok {
			return fmt.Sprintf("[?:%d]", v.size)
		}
		return fmt.Sprintf("[%d:%d]", at.n+v.k, v.size)
	case opHeader:
		return fmt.Sprintf("4*([%d:1]&0xf)", v.k)
	case opNeg:
		return "-" + e.operand(v.a)
	}
	return e.operand(v.a) + " " + signs[v.op] + " " + e.operand(v.b)
}

var signs = [...]string{opAdd: "+", opSub: "-", opMul: "*", opDiv: "/", opMod: "%", opAnd: "&", opOr: "|", opXor: "^", opShl: "<<", opShr: ">>"}

// operand is text, in parentheses if it is a calculation.
func (e *evaluation) operand(v *value) string {
	if v.a == nil || v.op == opLoad {
		if v.op == opConst && v.k < 10 {
			return fmt.Sprint(v.k)
		}
		return e.text(v)
	}
	return "(" + e.text(v) + ")"
}

// quietly calculates v without noting what it looks at.
func (e *evaluation) quietly(v *value) result {
	looks, short := e.looks, e.short
	n := e.value(v)
	e.looks, e.short = looks, short
	return n
}

// field is the name of a field of common headers.
func (e *evaluation) field(v *value) string {
	if v.op == opAnd && v.b.op == opConst {
		v = v.a
	}
	if e.link == nil || e.link.family != familyEther || v.op != opLoad || v.a != nil {
		return ""
	}
	header := e.link.payload + e.link.net
	size := int(v.size)
	switch at := int(v.k); {
	case at == e.link.typ && size == 2:
		return "ethertype"
	case header+9 == at && size == 1 && e.version(header) == 4:
		return "protocol"
	case header+6 == at && size == 1 && e.version(header) == 6:
		return "next header"
	}
	return ""
}

// version is that of the IP header at an offset, 0 if there is none right behind the Ethernet header.
func (e *evaluation) version(header int) int {
	if len(e.packet.Data) <= header {
		return 0
	}
	switch binary.BigEndian.Uint16(e.packet.Data[e.link.typ:]) {
	case etherIP:
		return 4
	case etherIP6:
		return 6
	}
	return 0
}

// digitsOf is how many hexadecimal digits a number of v is to be shown with, 0 for a decimal number.
func digitsOf(v *value) int {
	switch v.op {
	case opLength, opMeta, opVar, opConst:
		return 0
	case opLoad:
		return 2 * int(v.size)
	case opAnd:
		return digitsOf(v.a)
	}
	return max(2, (bits.Len32(widest(v))+3)/4)
}

// digitsText is a number with that many digits.
func digitsText(n uint32, digits int) string {
	if digits == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("0x%0*x", digits, n)
}
