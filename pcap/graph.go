// Implements the decision graph: the tests of a filter as nodes with two ways out each, without cycles.

package pcap

type nodeKind uint8

const (
	nodeTest nodeKind = iota
	nodeSet           // variable n = a, then on to t
	nodeKeep          // the packet matches
	nodeDrop
)

// node is a test, with the node to go to if it holds (t) and if it does not (f). A test with t == f is there
// for its loads alone: they may end the program.
type node struct {
	kind nodeKind
	rel  relation
	a, b *value
	n    int
	t, f *node
	at   int // place in the last ordering
}

// graph is a filter: what happens from root on.
type graph struct {
	pool       *pool
	root       *node
	keep, drop *node
	sets       map[int]int // by variable, in how many places it is set
	fail       *node       // also drops the packet: a load that is outside every packet
}

func newGraph(p *pool, c *cond) *graph {
	g := &graph{pool: p, keep: &node{kind: nodeKeep}, drop: &node{kind: nodeDrop}, fail: &node{kind: nodeDrop}}
	g.root = g.lower(c, g.keep, g.drop)
	return g
}

// lower returns the node that decides c, going on to t or f.
func (g *graph) lower(c *cond, t, f *node) *node {
	switch c.kind {
	case condTrue:
		return t
	case condFalse:
		return f
	case condNot:
		return g.lower(c.x, f, t)
	case condAnd:
		return g.lower(c.x, g.lower(c.y, t, f), f)
	case condOr:
		return g.lower(c.x, t, g.lower(c.y, t, f))
	case condSet:
		return &node{kind: nodeSet, n: c.n, a: c.a, t: t, f: t}
	}
	if c.a.op == opFail || c.b.op == opFail {
		return g.fail
	}
	return &node{kind: nodeTest, rel: c.rel, a: c.a, b: c.b, t: t, f: f}
}

// inner reports whether n has ways out.
func (n *node) inner() bool { return n.kind == nodeTest || n.kind == nodeSet }

// order returns the nodes that can be reached, each behind all that lead to it, and numbers them. A node's t
// stands right behind it where possible.
func (g *graph) order() []*node {
	var list []*node
	seen := map[*node]bool{}
	// Depth first by hand: graphs can be as deep as a program is long.
	type frame struct {
		n    *node
		step int
	}
	stack := []frame{{n: g.root}}
	seen[g.root] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		var next *node
		if top.n.inner() && top.step < 2 {
			next = top.n.f
			if top.step == 1 {
				next = top.n.t
			}
			top.step++
			if !seen[next] {
				seen[next] = true
				stack = append(stack, frame{n: next})
			}
			continue
		}
		list = append(list, top.n)
		stack = stack[:len(stack)-1]
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	for i, n := range list {
		n.at = i
	}
	return list
}
