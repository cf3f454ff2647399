// Implements the optimiser of decision graphs.

package pcap

// Passes over a graph, each of which leaves what the filter does to every packet as it is, a packet too short
// for its loads included:
//
//   - fold calculates constants and simplifies values (fold.go) and tests;
//   - merge joins nodes that do the same;
//   - dropSets leaves out variables that nobody uses (slots.go);
//   - thread leads ways past tests whose result is known on them, and past tests of no consequence (thread.go;
//     choices.go says what is known where ways meet).
//
// Code that nothing leads to is never emitted. The emitter leaves out loads of what a register still holds, and
// lets nodes with the same code share it (emit.go). Like tests have been put next to each other before, as the
// expression was read (zip.go).

// optimize runs the passes until none changes anything. It reports whether libpcap's kind of reasoning is
// enough to see that the filter matches nothing.
func (g *graph) optimize() (nothing bool) {
	g.countSets()
	g.fold(false)
	g.settle(false)
	nothing = g.root == g.drop
	g.fold(true)
	g.joinEnds()
	g.settle(true)
	return nothing
}

// countSets notes which variables are set in several places: libpcap reasons no further about them.
func (g *graph) countSets() {
	g.sets = map[int]int{}
	for _, n := range g.order() {
		if n.kind == nodeSet {
			g.sets[n.n]++
		}
	}
}

// vague reports whether v depends on a variable that is set in several places.
func (g *graph) vague(v *value) (vague bool) {
	variablesOf(v, func(n int) { vague = vague || g.sets[n] > 1 })
	return vague
}

// joinEnds makes one of the two ways to drop a packet, which only the question whether anything can match
// tells apart.
func (g *graph) joinEnds() {
	for _, n := range g.order() {
		if n.t == g.fail {
			n.t = g.drop
		}
		if n.f == g.fail {
			n.f = g.drop
		}
	}
	if g.root == g.fail {
		g.root = g.drop
	}
}

// settle merges and threads until nothing changes. strong lets thread use ranges and calculated values.
func (g *graph) settle(strong bool) {
	for range 100 {
		g.merge()
		g.dropSets()
		if !g.thread(strong) {
			return
		}
	}
}

// fold simplifies all values, and all tests by themselves.
func (g *graph) fold(strong bool) {
	g.pool.fold = true
	done := map[*value]*value{}
	for _, n := range g.order() {
		if n.kind == nodeSet || n.kind == nodeTest {
			n.a, n.b = g.pool.rebuild(n.a, done), g.pool.rebuild(n.b, done)
		}
		if n.kind == nodeTest {
			g.foldTest(n, strong)
		}
	}
}

// foldTest brings a test into its simplest form.
func (g *graph) foldTest(n *node, strong bool) {
	p := g.pool
	if n.a.op == opFail || n.b.op == opFail {
		n.rel, n.a, n.b, n.t, n.f = relEqual, p.constant(0), p.constant(0), g.fail, g.fail
		return
	}
	for {
		a, b := n.a, n.b
		if a.op == opConst && b.op != opConst { // the constant to the right
			n.a, n.b = b, a
			switch n.rel {
			case relGreater:
				n.rel, n.t, n.f = relGreaterEqual, n.f, n.t
			case relGreaterEqual:
				n.rel, n.t, n.f = relGreater, n.f, n.t
			}
			continue
		}
		if n.rel == relEqual && a.op == opSub && b.op == opConst && b.k == 0 { // a-b = 0 is a = b
			n.a, n.b = a.a, a.b
			continue
		}
		if b.op != opConst || a.b == nil || a.b.op != opConst {
			return
		}
		switch {
		case strong && n.rel == relEqual && a.op == opAdd:
			n.a, n.b = a.a, p.constant(b.k-a.b.k)
		case strong && n.rel == relEqual && a.op == opXor:
			n.a, n.b = a.a, p.constant(b.k^a.b.k)
		case n.rel == relEqual && a.op == opAnd && b.k == 0: // a&k = 0 is the opposite of a jset k
			n.rel, n.a, n.b, n.t, n.f = relAnyBit, a.a, a.b, n.f, n.t
		case n.rel == relEqual && a.op == opAnd && b.k == a.b.k && b.k&(b.k-1) == 0:
			n.rel, n.a, n.b = relAnyBit, a.a, a.b
		case n.rel == relGreater && a.op == opAnd && b.k == 0:
			n.rel, n.a, n.b = relAnyBit, a.a, a.b
		case n.rel == relAnyBit && a.op == opAnd:
			n.a, n.b = a.a, p.constant(a.b.k&b.k)
		default:
			return
		}
	}
}

// nodeKey tells nodes apart by what they do.
type nodeKey struct {
	kind    nodeKind
	rel     relation
	a, b, n int
	t, f    *node
}

// merge makes one node of those that do the same.
func (g *graph) merge() {
	nodes := g.order()
	one := map[nodeKey]*node{}
	same := map[*node]*node{}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if !n.inner() {
			same[n] = n
			continue
		}
		n.t, n.f = same[n.t], same[n.f]
		key := nodeKey{kind: n.kind, rel: n.rel, a: n.a.id, b: -1, n: n.n, t: n.t, f: n.f}
		if n.b != nil {
			key.b = n.b.id
		}
		if first, ok := one[key]; ok {
			same[n] = first
		} else {
			one[key], same[n] = n, n
		}
	}
	g.root = same[g.root]
}
