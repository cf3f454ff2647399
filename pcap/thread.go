// Implements jump threading: ways through the graph that skip tests whose result is known on them.

package pcap

import "slices"

// A fact is the result of a test on every way to some place in the graph: those of the tests that dominate
// it, by one of their two ways out. Facts are about numbers that do not change, so a fact stays true when
// other ways are moved; moving one never lets a packet reach a place that it did not reach before.
type fact struct {
	rel  relation
	b    *value
	true bool
}

// places are a graph's nodes and ways: node i is place 3i, its way t 3i+1, its way f 3i+2.
type places struct {
	nodes  []*node
	parent []int32 // the place that dominates it immediately
	depth  []int32
	kids   [][]int32
}

func newPlaces(nodes []*node) *places {
	d := &places{nodes: nodes, parent: make([]int32, 3*len(nodes)), depth: make([]int32, 3*len(nodes)),
		kids: make([][]int32, 3*len(nodes))}
	entered := make([]bool, len(nodes))
	enter := func(from int32, to *node) {
		at := int32(3 * to.at)
		if !entered[to.at] {
			entered[to.at] = true
			d.parent[at] = from
			return
		}
		d.parent[at] = d.meet(d.parent[at], from)
	}
	for i, n := range nodes {
		at := int32(3 * i)
		d.depth[at] = 0
		if i > 0 {
			d.depth[at] = d.depth[d.parent[at]] + 1
			d.kids[d.parent[at]] = append(d.kids[d.parent[at]], at)
		}
		if !n.inner() {
			continue
		}
		for side, next := range []*node{n.t, n.f} {
			if side == 1 && n.kind == nodeSet {
				break
			}
			way := at + 1 + int32(side)
			d.parent[way], d.depth[way] = at, d.depth[at]+1
			d.kids[at] = append(d.kids[at], way)
			enter(way, next)
		}
	}
	return d
}

// meet is the last place that dominates both a and b.
func (d *places) meet(a, b int32) int32 {
	for a != b {
		if d.depth[a] < d.depth[b] {
			a, b = b, a
		}
		a = d.parent[a]
	}
	return a
}

// threader walks a graph by dominance and knows what holds where it is.
type threader struct {
	g      *graph
	strong bool
	facts  map[*value][]fact
	loaded map[*value]int // loads that have been made, and how often
	length int64          // bytes that the packet has at least
	few    []choices      // by way, what is known of values that can be one of a few numbers
	now    choices        // of the way that is being moved
	change bool
}

// thread moves ways past tests with known results. It reports whether it moved any.
func (g *graph) thread(strong bool) bool {
	nodes := g.order()
	d := newPlaces(nodes)
	t := &threader{g: g, strong: strong, facts: map[*value][]fact{}, loaded: map[*value]int{}, few: choicesOf(nodes)}
	t.walk(d)
	t.now = nil
	t.move(&g.root) // a test known by itself, or one without consequence, may stand first
	return t.change
}

// walk visits the places from each to those it dominates.
func (t *threader) walk(d *places) {
	type frame struct {
		place  int32
		kid    int
		length int64 // to restore
		fact   bool  // to take back
	}
	stack := []frame{{place: 0, length: t.length}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if kids := d.kids[top.place]; top.kid < len(kids) {
			place := kids[top.kid]
			top.kid++
			length := t.length
			stack = append(stack, frame{place: place, length: length, fact: t.enter(d, place)})
			continue
		}
		t.leave(d, top.place, top.fact)
		t.length = top.length
		stack = stack[:len(stack)-1]
	}
}

// enter learns what holds at a place, and moves it if it is a way. It reports whether it learned a fact.
func (t *threader) enter(d *places, place int32) (learned bool) {
	if place%3 == 0 {
		return false
	}
	n, way := d.nodes[place/3], &d.nodes[place/3].t
	if place%3 == 2 {
		way = &n.f
	}
	t.touch(n.a, 1)
	t.touch(n.b, 1)
	if learned = n.kind == nodeTest && n.t != n.f; learned {
		t.facts[n.a] = append(t.facts[n.a], fact{rel: n.rel, b: n.b, true: place%3 == 1})
	}
	t.now = t.few[2*(place/3)+place%3-1]
	t.move(way)
	if n.kind == nodeSet {
		n.f = n.t
	}
	return learned
}

// leave takes back what enter learned.
func (t *threader) leave(d *places, place int32, learned bool) {
	if place%3 == 0 {
		return
	}
	n := d.nodes[place/3]
	t.touch(n.a, -1)
	t.touch(n.b, -1)
	if learned {
		facts := t.facts[n.a]
		t.facts[n.a] = facts[:len(facts)-1]
	}
}

// touch notes that the loads of v have been made, or takes that back.
func (t *threader) touch(v *value, n int) {
	if v == nil || !v.risky {
		return
	}
	t.loaded[v] += n
	if n > 0 && (v.op == opLoad || v.op == opHeader) && v.a == nil {
		t.length = max(t.length, int64(v.k)+int64(max(v.size, 1)))
	}
	t.touch(v.a, n)
	t.touch(v.b, n)
}

// safe reports whether calculating v cannot end the program here.
func (t *threader) safe(v *value) bool {
	switch {
	case v == nil || !v.risky || t.loaded[v] > 0:
		return true
	case v.op == opLoad && v.a == nil || v.op == opHeader:
		return int64(v.k)+int64(max(v.size, 1)) <= t.length
	case v.op == opLoad || v.op == opFail:
		return false
	case (v.op == opDiv || v.op == opMod) && (v.b.op != opConst || v.b.k == 0):
		return false
	}
	return t.safe(v.a) && t.safe(v.b)
}

// move leads a way past the tests whose result is known where it begins.
func (t *threader) move(way **node) {
	for {
		n := *way
		if n.kind == nodeSet && n.t == t.g.drop { // its loads can do no more than drop the packet
			*way, t.change = n.t, true
		}
		if n.kind != nodeTest {
			return
		}
		next := n
		switch result, known := t.result(n); {
		case n.t == n.f && (n.t == t.g.drop || t.safe(n.a) && t.safe(n.b)):
			next = n.t
		case known && t.safe(n.a) && t.safe(n.b):
			next = n.f
			if result {
				next = n.t
			}
		case known && n.t != n.f: // its loads still have to be made
			next = &node{kind: nodeTest, rel: n.rel, a: n.a, b: n.b, t: n.f, f: n.f}
			if result {
				next.t, next.f = n.t, n.t
			}
		}
		if next == n {
			return
		}
		*way, t.change = next, true
	}
}

// result is what is known of the outcome of a test here.
func (t *threader) result(n *node) (result, known bool) {
	if a, known := fixed(n.a); known {
		if b, known := fixed(n.b); known {
			return n.rel.holds(a, b), true
		}
	}
	if t.strong && n.a == n.b && n.rel != relAnyBit {
		return n.rel != relGreater, true
	}
	if !t.strong && t.g.vague(n.a) {
		return false, false
	}
	for _, f := range t.facts[n.a] {
		if f.rel == n.rel && f.b == n.b {
			return f.true, true
		}
		if f.rel == relEqual && f.true && n.rel == relEqual && f.b.op == opConst && n.b.op == opConst {
			return f.b.k == n.b.k, true
		}
	}
	if n.b.op != opConst {
		return false, false
	}
	if numbers := t.now.of(n.a); numbers != nil {
		result = n.rel.holds(numbers[0], n.b.k)
		if !slices.ContainsFunc(numbers, func(k uint32) bool { return n.rel.holds(k, n.b.k) != result }) {
			return result, true
		}
	}
	if t.strong {
		return t.inRange(n)
	}
	return false, false
}

// bounds are the least and the greatest that v can be here.
func (t *threader) bounds(v *value) (low, high uint32) {
	low, high = 0, widest(v)
	if v.op == opConst {
		return v.k, v.k
	}
	for _, f := range t.facts[v] {
		if f.b.op != opConst {
			continue
		}
		k := f.b.k
		switch {
		case f.rel == relEqual && f.true:
			return k, k
		case f.rel == relEqual && k == low && low < high:
			low++
		case f.rel == relEqual && k == high && low < high:
			high--
		case f.rel == relGreater && f.true && k < ^uint32(0):
			low = max(low, k+1)
		case f.rel == relGreater && !f.true:
			high = min(high, k)
		case f.rel == relGreaterEqual && f.true:
			low = max(low, k)
		case f.rel == relGreaterEqual && !f.true && k > 0:
			high = min(high, k-1)
		}
	}
	if v.b != nil && v.b.op == opConst && v.op != opNeg {
		if l, h := t.bounds(v.a); l == h {
			if k, ok := compute(v.op, l, v.b.k); ok {
				return k, k
			}
		}
	}
	return low, high
}

// inRange decides a test against a constant by the range of its value.
func (t *threader) inRange(n *node) (result, known bool) {
	low, high := t.bounds(n.a)
	k := n.b.k
	if low > high { // no packet comes here
		return false, true
	}
	if low == high {
		return n.rel.holds(low, k), true
	}
	switch n.rel {
	case relEqual:
		return false, k < low || k > high
	case relGreater:
		return low > k, low > k || high <= k
	case relGreaterEqual:
		return low >= k, low >= k || high < k
	}
	return false, coverOf(high)&k == 0
}
