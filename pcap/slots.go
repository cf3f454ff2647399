// Implements scratch memory: which word of it each variable gets.

package pcap

import (
	"maps"
	"slices"
)

// variablesOf calls f for each variable that v depends on.
func variablesOf(v *value, f func(n int)) {
	if v == nil {
		return
	}
	if v.op == opVar {
		f(int(v.k))
	}
	variablesOf(v.a, f)
	variablesOf(v.b, f)
}

// variables is a set of variables, one bit each.
type variables []uint64

func (s variables) has(n int) bool { return n/64 < len(s) && s[n/64]>>(n%64)&1 != 0 }

// with is s and n. s itself stays as it is.
func (s variables) with(n int) variables {
	if s.has(n) {
		return s
	}
	out := make(variables, max(len(s), n/64+1))
	copy(out, s)
	out[n/64] |= 1 << (n % 64)
	return out
}

// union is what is in s or in t.
func (s variables) union(t variables) variables {
	if len(s) < len(t) {
		s, t = t, s
	}
	out := slices.Clone(s)
	for i := range t {
		out[i] |= t[i]
	}
	return out
}

// common is what is in s and in t.
func (s variables) common(t variables) variables {
	out := slices.Clone(s[:min(len(s), len(t))])
	for i := range out {
		out[i] &= t[i]
	}
	return out
}

// initialize puts a set to 0 in front of the graph for each variable that may be used without having been set:
// behind "geneve or", the offsets of what Geneve carries are asked for even where there is no Geneve.
func (g *graph) initialize() {
	nodes := g.order()
	before := make([]variables, len(nodes)) // variables set on all ways to a node
	entered := make([]bool, len(nodes))
	bare := map[int]bool{}
	for i, n := range nodes {
		use := func(v int) {
			if !before[i].has(v) {
				bare[v] = true
			}
		}
		variablesOf(n.a, use)
		variablesOf(n.b, use)
		if !n.inner() {
			continue
		}
		out := before[i]
		if n.kind == nodeSet {
			out = out.with(n.n)
		}
		for _, next := range []*node{n.t, n.f} {
			if entered[next.at] {
				before[next.at] = before[next.at].common(out)
			} else {
				before[next.at], entered[next.at] = out, true
			}
		}
	}
	for _, v := range slices.Sorted(maps.Keys(bare)) {
		g.root = &node{kind: nodeSet, n: v, a: g.pool.constant(0), t: g.root, f: g.root}
	}
}

// dropSets makes of each set of a variable that nobody uses a test without consequence, for its loads.
func (g *graph) dropSets() {
	nodes := g.order()
	used := make([]variables, len(nodes)) // from a node on
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		if !n.inner() {
			continue
		}
		if n.kind == nodeSet && !used[n.t.at].has(n.n) {
			*n = node{kind: nodeTest, rel: relEqual, a: n.a, b: g.pool.constant(0), t: n.t, f: n.t, at: n.at}
		}
		all := used[n.t.at]
		if len(used[n.f.at]) > 0 && n.t != n.f {
			all = all.union(used[n.f.at])
		}
		add := func(v int) { all = all.with(v) }
		variablesOf(n.a, add)
		variablesOf(n.b, add)
		used[i] = all
	}
}

// slots gives each variable a word of scratch memory, the same one to variables that are not in use at the
// same time. The nodes are in the order of their code. It returns the words and how many are taken.
func slots(nodes []*node) (map[int]uint32, int) {
	last := map[int]int{}
	for i, n := range nodes {
		use := func(v int) { last[v] = i }
		variablesOf(n.a, use)
		variablesOf(n.b, use)
	}
	words := map[int]uint32{}
	var taken []int // by word, the last use of the variable that has it
	for i, n := range nodes {
		if n.kind != nodeSet {
			continue
		}
		if _, known := words[n.n]; known {
			continue
		}
		word := slices.IndexFunc(taken, func(end int) bool { return end <= i })
		if word < 0 {
			word = len(taken)
			taken = append(taken, 0)
		}
		taken[word] = last[n.n]
		words[n.n] = uint32(word)
	}
	return words, len(taken)
}
