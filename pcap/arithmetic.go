// Implements the grammar of arithmetic and of comparisons.

package pcap

// Arithmetic, to be held beside pcap-filter(7):
//
//	arithmetic = operand { operator operand } .
//	operand    = NUMBER | "len" | "-" operand | "(" arithmetic ")"
//	           | protocol "[" arithmetic [ ":" NUMBER ] "]" .
//
// From the loosest to the tightest, the operators are | & <<,>> +,- *,/ and all these bind to the left. % and ^
// stand outside of that order: whatever is on their right belongs to their right operand.

// arithmeticValue is a number, and what a packet must be for it to be there. needs is nil if it always is. As in
// libpcap, of two operands the left one's needs count.
type arithmeticValue struct {
	*value
	needs *cond
}

var precedence = map[string]int{"|": 1, "&": 2, "<<": 3, ">>": 3, "+": 4, "-": 4, "*": 5, "/": 5, "%": 9, "^": 9}

const unaryPrecedence = 6

var operations = map[string]valueOp{"|": opOr, "&": opAnd, "<<": opShl, ">>": opShr, "+": opAdd, "-": opSub,
	"*": opMul, "/": opDiv, "%": opMod, "^": opXor}

// arithmeticRest reads the rest of a calculation that begins with x, as far as operators bind as tightly as
// least.
func (p *parser) arithmeticRest(x *arithmeticValue, least int) *arithmeticValue {
	defer p.deeper()()
	for {
		t := p.peek()
		bind := precedence[t.text]
		if t.kind != tokOperator || bind == 0 || bind < least {
			return x
		}
		p.at++
		y := p.arithmeticOperand()
		if bind == 9 {
			y = p.arithmeticRest(y, 0)
		} else {
			y = p.arithmeticRest(y, bind+1)
		}
		x = p.calculate(t, x, y)
	}
}

func (p *parser) calculate(t *token, x, y *arithmeticValue) *arithmeticValue {
	op := operations[t.text]
	if k, known := constantOf(y.value); known {
		switch {
		case k == 0 && (op == opDiv || op == opMod):
			p.failAt(t, "the number behind %s is 0", t.text)
		case k > 31 && (op == opShl || op == opShr):
			p.failAt(t, "a number has 32 bits: it cannot be shifted by %d", k)
		}
	}
	return &arithmeticValue{p.gen.pool.binary(op, x.value, y.value), x.needs}
}

// constantOf calculates v if it does not depend on the packet.
func constantOf(v *value) (uint32, bool) {
	switch v.op {
	case opConst:
		return v.k, true
	case opNeg:
		k, known := constantOf(v.a)
		return -k, known
	}
	if v.a == nil || v.b == nil {
		return 0, false
	}
	a, known := constantOf(v.a)
	if !known {
		return 0, false
	}
	b, known := constantOf(v.b)
	if !known {
		return 0, false
	}
	return compute(v.op, a, b)
}

func (p *parser) arithmeticOperand() *arithmeticValue {
	defer p.deeper()()
	pool := p.gen.pool
	t := p.peek()
	switch {
	case t.isNumber():
		p.at++
		return &arithmeticValue{pool.constant(t.number()), nil}
	case t.keyword("len"):
		p.at++
		return &arithmeticValue{pool.length(), nil}
	case p.accept("-"):
		x := p.arithmeticRest(p.arithmeticOperand(), unaryPrecedence)
		return &arithmeticValue{pool.negate(x.value), x.needs}
	case p.accept("("):
		x := p.arithmeticRest(p.arithmeticOperand(), 0)
		p.close()
		return x
	case t.class(classProtocol):
		return p.index()
	}
	p.expected("a number, len, or bytes of a protocol such as ip[0]")
	return nil
}

// index reads proto[...].
func (p *parser) index() *arithmeticValue {
	t := p.next()
	proto := protocol(t.key.value)
	if !p.accept("[") {
		p.expected("[ and an index behind " + t.text)
	}
	x := p.arithmeticRest(p.arithmeticOperand(), 0)
	size := uint32(1)
	if p.accept(":") {
		n := p.peek()
		if !n.isNumber() {
			p.expected("a number of bytes")
		}
		p.at++
		if size = n.number(); size != 1 && size != 2 && size != 4 {
			p.failAt(n, "%d bytes cannot be read at once: expected 1, 2 or 4", size)
		}
	}
	if !p.accept("]") {
		p.expected("] or an operator")
	}
	p.gen.pos = t.pos
	base, needs := p.gen.base(proto)
	return &arithmeticValue{p.gen.indexed(base, x.value, uint8(size)), both(x.needs, needs)}
}

// both is and that stays nil without a condition.
func both(x, y *cond) *cond {
	if x == nil && y == nil {
		return nil
	}
	return and(x, y)
}

// base is where proto[0] stands, and what a packet must be for it to be there.
func (g *generator) base(p protocol) (offset, *cond) {
	switch protocols[p].index {
	case indexLink:
		return g.header, nil
	case indexRadio:
		if g.link.flags&hasRadio == 0 {
			g.fail("packets of %s have no radio header", g.link.number)
		}
		return offset{}, nil
	case indexNetwork:
		return g.network(), g.protocolOnly(p)
	case indexTransport:
		return g.transport4(), and(g.linkType(etherIP), g.protocolOnly(p), g.unfragmented())
	case indexICMP6:
		return g.transport6(), and(g.linkType(etherIP6), g.equal(g.network(), 6, 1, protocols[p].values[0]))
	}
	g.fail("the bytes of %s cannot be indexed", p)
	return offset{}, nil
}

// indexed is a load of size bytes at x behind o.
func (g *generator) indexed(o offset, x *value, size uint8) *value {
	if x.op == opConst && o.base == nil {
		if k := uint32(o.k) + x.k; k <= 1<<31-1 {
			return g.pool.load(size, nil, k)
		}
	}
	if o.base != nil {
		x = g.pool.binary(opAdd, x, o.base)
	}
	return g.pool.load(size, x, uint32(o.k))
}

// comparison reads the operator behind x and what x is compared with.
func (p *parser) comparison(x *arithmeticValue) *cond {
	t := p.peek()
	rel, opposite, ok := relationOf(t)
	if !ok {
		p.expected("a comparison such as = or >")
	}
	p.at++
	y := p.arithmeticRest(p.arithmeticOperand(), 0)
	c := test(x.value, rel, y.value)
	if opposite {
		c = not(c)
	}
	return and(x.needs, y.needs, c)
}

// relationOf says which relation an operator stands for, or the opposite of which.
func relationOf(t *token) (rel relation, opposite, ok bool) {
	if t.kind != tokOperator {
		return 0, false, false
	}
	switch t.text {
	case "=", "==":
		return relEqual, false, true
	case "!=":
		return relEqual, true, true
	case ">":
		return relGreater, false, true
	case "<=":
		return relGreater, true, true
	case ">=":
		return relGreaterEqual, false, true
	case "<":
		return relGreaterEqual, true, true
	}
	return 0, false, false
}
