// Implements binding: an expression gets the fields of a schema, its kinds are checked, and it becomes simpler.

package event

import (
	"cmp"
	"fmt"
	"math"
	"math/big"
	"net/netip"
	"slices"
	"strings"
)

// binder binds expressions to a schema.
type binder struct {
	s     *Schema
	depth int
}

// maxDepth bounds how deep expressions may be nested, maxNodes how large they may be.
const (
	maxDepth = 500
	maxList  = 1 << 16
)

// bind returns the expression as one that is true or false of records of s.
func bind(s *Schema, e Expr) (*node, error) {
	if e.n == nil {
		return nil, &Error{Text: "there is no expression"}
	}
	b := &binder{s: s}
	return b.boolean(e.n)
}

func fail(n *node, format string, args ...any) error {
	return &Error{Pos: n.pos, Text: fmt.Sprintf(format, args...)}
}

func truth(v bool) *node { return BoolValue(v).n }

// boolean binds what must be true or false.
func (b *binder) boolean(n *node) (*node, error) {
	out, err := b.any(n)
	if err == nil && out.kind != Bool {
		err = fail(n, "this is a %s, and must be true or false", out.kind)
	}
	return out, err
}

// any binds an expression of any kind.
func (b *binder) any(n *node) (*node, error) {
	if b.depth++; b.depth > maxDepth {
		return nil, fail(n, "expressions are nested more than %d deep", maxDepth)
	}
	defer func() { b.depth-- }()
	out := *n
	out.args = slices.Clone(n.args)
	for i, a := range n.args {
		bound, err := b.any(a)
		if err != nil {
			return nil, err
		}
		out.args[i] = bound
		out.cost += bound.cost
		out.fails = out.fails || bound.fails
	}
	if n.op == opNot || n.op == opAnd || n.op == opOr || n.op == opIf {
		for i, a := range out.args {
			if a.kind != Bool {
				return nil, fail(n.args[i], "this is a %s, and must be true or false", a.kind)
			}
		}
		return b.logic(&out), nil
	}
	return b.value(&out)
}

// value binds what is not logic; its arguments are bound.
func (b *binder) value(n *node) (*node, error) {
	switch n.op {
	case opConst:
		return n, nil
	case opField, opHas:
		return b.fieldNode(n)
	case opCompare:
		return b.compare(n)
	case opArith:
		return b.calc(n)
	case opConvert:
		return b.convert(n)
	case opLog2:
		if !n.args[0].kind.integer() {
			return nil, fail(n, "the bits of a %s", n.args[0].kind)
		}
		n.kind, n.cost = Uint, n.cost+6
		return n, nil
	case opLen, opRunes, opPrefix, opSuffix, opContains, opAutomaton:
		return b.textNode(n)
	case opIn:
		return b.in(n)
	case opNet:
		return b.net(n)
	}
	return nil, fail(n, "unknown operation %d", n.op)
}

func (b *binder) fieldNode(n *node) (*node, error) {
	n.field = slices.IndexFunc(b.s.Fields, func(f Field) bool { return f.Name == n.name })
	if why, ok := b.s.others[n.name]; ok && n.field < 0 {
		return nil, fail(n, "field %q cannot be used: %s", n.name, why)
	}
	if n.field < 0 {
		return nil, fail(n, "records of %s have no field %q; there are %s", b.s.Name, n.name, b.s.names())
	}
	f := &b.s.Fields[n.field]
	optional := f.Flag > 0 || len(f.via) > 0 || f.Form == goAddr || f.Kind == IP && f.Form != InPlace
	if n.kind, n.cost = f.Kind, 1+len(f.via); n.op == opHas {
		n.kind = Bool
		if !optional && f.Form < DataLoc {
			return truth(true), nil
		}
		return n, nil
	}
	n.fails = optional || f.Form == DataLoc || f.Form == RelLoc || f.Form == Span
	return n, nil
}

// logic makes a node of logic simpler.
func (b *binder) logic(n *node) *node {
	n.kind = Bool
	switch n.op {
	case opNot:
		switch a := n.args[0]; {
		case a.op == opConst:
			return truth(a.val.i == 0)
		case a.op == opNot:
			return a.args[0]
		case a.op == opCompare && (a.cmp == Equal || a.cmp == NotEqual):
			out := *a
			out.cmp ^= Equal ^ NotEqual
			return &out
		}
	case opIf:
		if c := n.args[0]; c.op == opConst {
			if c.val.i != 0 {
				return n.args[1]
			}
			return n.args[2]
		}
	case opAnd, opOr:
		return many(n)
	}
	return n
}

// many makes a conjunction or disjunction flat and puts what is cheap to find out first: the order does not matter.
func many(n *node) *node {
	var args []*node
	for _, a := range n.args {
		switch {
		case a.op == n.op:
			args = append(args, a.args...)
		case a.op == opConst && (a.val.i != 0) == (n.op == opAnd):
		case a.op == opConst:
			return a
		default:
			args = append(args, a)
		}
	}
	if n.op == opOr {
		args = joinEquals(args)
	}
	switch len(args) {
	case 0:
		return truth(n.op == opAnd)
	case 1:
		return args[0]
	}
	slices.SortStableFunc(args, func(a, b *node) int { return cmp.Compare(a.cost, b.cost) })
	n.args = args
	return n
}

// joinEquals makes comparisons of one field with several constants one look-up.
func joinEquals(args []*node) []*node {
	var out []*node
	lists := map[int]*node{}
	for _, a := range args {
		if a.op != opCompare || a.cmp != Equal || a.args[0].op != opField || a.args[1].op != opConst ||
			!a.args[0].kind.text() && !a.args[0].kind.integer() || a.args[1].val.kind == Float {
			out = append(out, a)
			continue
		}
		f := a.args[0].field
		l := lists[f]
		if l == nil {
			l = &node{op: opIn, pos: a.pos, args: a.args[:1], kind: Bool, cost: a.cost + 1, fails: a.fails}
			lists[f] = l
			out = append(out, l)
		}
		l.list = append(l.list, a.args[1].val)
	}
	for i, a := range out {
		if a.op == opIn && len(a.list) == 1 && slices.Contains(mapValues(lists), a) {
			out[i] = &node{op: opCompare, cmp: Equal, pos: a.pos, kind: Bool, cost: a.cost - 1, fails: a.fails, args: []*node{a.args[0], constant(a.list[0]).n}}
		}
	}
	return out
}

func mapValues(m map[int]*node) (out []*node) {
	for _, n := range m {
		out = append(out, n)
	}
	return out
}

func (b *binder) compare(n *node) (*node, error) {
	x, y := n.args[0], n.args[1]
	if x.op == opConst && y.op != opConst {
		x, y = y, x
		n.args = []*node{x, y}
		n.cmp = n.cmp.mirrored()
	}
	n.kind, n.cost = Bool, n.cost+1
	numbers := x.kind.number() && y.kind.number() && (x.kind == Duration) == (y.kind == Duration)
	if x.kind != y.kind && !numbers {
		return nil, fail(n, "a %s and a %s cannot be compared", x.kind, y.kind)
	}
	if x.op == opConst {
		c, ordered := x.val.compare(&y.val)
		return truth(holds(n.cmp, c, ordered)), nil
	}
	switch {
	case x.kind == Bool && n.cmp != Equal && n.cmp != NotEqual:
		return nil, fail(n, "true and false are not ordered (%s)", n.cmp)
	case x.kind == Bool:
		no := b.logic(&node{op: opNot, args: []*node{y}, kind: Bool, cost: y.cost, fails: y.fails})
		if n.cmp == NotEqual {
			y, no = no, y
		}
		return b.same(x, y, no), nil
	case x.kind == IP && n.cmp != Equal && n.cmp != NotEqual:
		return nil, fail(n, "addresses are not ordered (%s)", n.cmp)
	case (x.kind == Float) != (y.kind == Float) && y.op != opConst:
		return nil, fail(n, "a %s and a %s are compared, and neither is a constant", x.kind, y.kind)
	case x.kind == Float && y.op != opConst && b.s.Fields[x.field].Size != b.s.Fields[y.field].Size:
		return nil, fail(n, "numbers of %d and %d bytes are compared, and neither is a constant", b.s.Fields[x.field].Size, b.s.Fields[y.field].Size)
	case x.kind.text():
		n.cost += 3
	}
	return n, nil
}

// same is whether x is the same as y, no being what y is not.
func (b *binder) same(x, y, no *node) *node {
	if y.op == opConst {
		if y.val.i != 0 {
			return x
		}
		return b.logic(&node{op: opNot, args: []*node{x}, kind: Bool, cost: x.cost, fails: x.fails})
	}
	return &node{op: opIf, args: []*node{x, y, no}, kind: Bool, cost: x.cost + 2*y.cost, fails: x.fails || y.fails}
}

// holds reports whether a comparison is true of two values that compare as c.
func holds(op Comparison, c int, ordered bool) bool {
	if !ordered {
		return op == NotEqual
	}
	return [...]bool{c == 0, c != 0, c < 0, c <= 0, c > 0, c >= 0}[op]
}

// rat is a number that is not a NaN or infinite, exactly.
func (v *value) rat() *big.Rat {
	switch v.kind {
	case Float:
		return new(big.Rat).SetFloat64(v.f)
	case Uint:
		return new(big.Rat).SetUint64(uint64(v.i))
	}
	return new(big.Rat).SetInt64(v.i)
}

// compare compares two constants that can be compared; ordered is false for a NaN.
func (v *value) compare(o *value) (c int, ordered bool) {
	switch {
	case v.kind == Float && math.IsNaN(v.f) || o.kind == Float && math.IsNaN(o.f):
		return 0, false
	case v.kind == Float && math.IsInf(v.f, 0) || o.kind == Float && math.IsInf(o.f, 0):
		inf := func(v *value) float64 {
			if v.kind == Float && math.IsInf(v.f, 0) {
				return v.f
			}
			return 0
		}
		return cmp.Compare(inf(v), inf(o)), true
	case v.kind.number():
		return v.rat().Cmp(o.rat()), true
	case v.kind.text():
		return strings.Compare(v.s, o.s), true
	case v.kind == IP:
		return v.a.Compare(o.a), true
	case v.kind == Time:
		return v.t.Compare(o.t), true
	}
	return cmp.Compare(v.i, o.i), true
}

func (b *binder) in(n *node) (*node, error) {
	x := n.args[0]
	if len(n.list) > maxList {
		return nil, fail(n, "a list of %d values, at most %d", len(n.list), maxList)
	}
	n.kind, n.cost = Bool, n.cost+2
	var list []value
	var others []*node
	for i := range n.list {
		v := n.list[i]
		number := v.kind.number() && x.kind.number() && (v.kind == Duration) == (x.kind == Duration)
		switch {
		case v.kind == 0:
			return nil, fail(n, "value %d of the list is no constant", i+1)
		case v.kind != x.kind && !number:
			return nil, fail(n, "value %d of the list is a %s, and a %s is looked for", i+1, v.kind, x.kind)
		case x.kind.text() || x.kind.integer() && v.kind.integer():
			if w, ok := v.as(x.kind); ok {
				list = append(list, w)
			}
		case x.kind == IP:
			n.nets = append(n.nets, netip.PrefixFrom(v.a, v.a.BitLen()))
		default:
			c, err := b.compare(&node{op: opCompare, cmp: Equal, pos: n.pos, args: []*node{x, constant(v).n}, cost: x.cost, fails: x.fails})
			if err != nil {
				return nil, err
			}
			others = append(others, c)
		}
	}
	switch {
	case x.kind == IP:
		n.op = opNet
		return b.net(n)
	case len(others) > 0:
		return b.logic(&node{op: opOr, args: others, kind: Bool, fails: x.fails}), nil
	}
	n.list = list
	if x.op == opConst {
		return truth(slices.ContainsFunc(list, func(v value) bool { c, ok := v.compare(&x.val); return ok && c == 0 })), nil
	}
	return n, nil
}

// as is a whole number or text as one of another kind, if it fits.
func (v value) as(k Kind) (value, bool) {
	if k.integer() && (k == Uint) != (v.kind == Uint) && v.i < 0 {
		return v, false
	}
	v.kind = k
	return v, true
}

func (b *binder) net(n *node) (*node, error) {
	x := n.args[0]
	if x.kind != IP {
		return nil, fail(n, "networks have addresses, and this is a %s", x.kind)
	}
	n.kind, n.cost = Bool, n.cost+3
	nets := make([]netip.Prefix, 0, len(n.nets))
	for _, p := range n.nets {
		q, err := unmapped(p)
		if err != nil {
			return nil, fail(n, "%v", err)
		}
		nets = append(nets, q)
	}
	n.nets = nets
	if x.op == opConst {
		return truth(slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(x.val.a) })), nil
	}
	return n, nil
}

// unmapped is a network of addresses that are unmapped.
func unmapped(p netip.Prefix) (netip.Prefix, error) {
	if !p.IsValid() {
		return p, fmt.Errorf("a network that is not valid")
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return p, fmt.Errorf("network %s has addresses of version 4 and others", p)
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
