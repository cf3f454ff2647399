// Implements the comparison of expressions: whether they accept the same packets.

package pcap

import (
	"context"
	"fmt"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// Sameness says whether two expressions accept the same packets.
type Sameness uint8

const (
	// Undecided means that it was not found out: Comparison.Reason says why.
	Undecided Sameness = iota
	// Equal means that they accept the same packets, which is proved.
	Equal
	// EqualButShort means that they accept the same packets, which is proved, but for packets that end before
	// bytes that one of the programs asks for. Such packets are dropped there, which depends on the order of
	// the tests: it tells "host A or tcp" from "tcp or host A".
	EqualButShort
	// Different means that one of them accepts a packet that the other does not. That may be so by the order of
	// their tests alone where one divides by 0, which drops the packet.
	Different
)

func (s Sameness) String() string {
	return [...]string{Undecided: "undecided", Equal: "equal", EqualButShort: "equal but for short packets", Different: "different"}[s&3]
}

// Comparison is what Same finds out.
type Comparison struct {
	Result Sameness
	// Packet is one that the compiled program of one expression accepts and that of the other does not; both
	// have been run over it. It is nil if none was found, or there is none.
	Packet *spec.Packet
	// First says that the first expression accepts Packet, and not the second.
	First bool
	// Reason says why the answer is not known, for people; "" if it is. With EqualButShort and without a
	// Packet, it says why it is not known whether short packets are treated alike too.
	Reason string
	// Ways is how many pairs of ways through the two programs were followed.
	Ways int
}

// Limits on the work of each of the two rounds of a comparison: steps through the programs, bits to decide in
// searches for packets, for one pair of ways and in all, and pairs of ways without an answer to look at.
const (
	maxLength = 1<<20 - 8 // of packets; from 1 MiB on, offsets that are negative as signed numbers mean something
	maxSteps  = 40000 * stepCost
	stepCost  = 16 // of a test whose outcome is not known; a known one costs 1
	maxChoice = 2000
	maxRefute = 200
	maxAll    = 20000
	maxOpen   = 30
)

// Same decides whether two expressions accept the same packets: all packets of up to Options.SnapLen bytes (and of less than 1 MiB)
// that are there in full, so that their length on the wire is the number of their bytes. It follows all pairs of
// ways through the two programs, with what the tests on them say of the packet's bits. Where one way accepts and
// the other does not, it builds a packet and runs both programs over it. Equal is never wrong; Different comes
// with the packet. The work is bounded: a second or a few in the worst case. opts may be nil.
//
// Unlike Compile, Same takes expressions that can never match: they accept no packets. Its errors are otherwise
// those of Compile, with the number of the expression in front, and that of ctx when it ends.
func Same(ctx context.Context, a, b string, opts *Options) (Comparison, error) {
	o := Options{LinkType: LinkTypeEthernet}
	if opts != nil {
		o = *opts
	}
	o.NoOptimize = false
	if o.SnapLen == 0 {
		o.SnapLen = DefaultSnapLen
	}
	o.SnapLen = min(o.SnapLen, maxLength)
	w := &walker{ctx: ctx, pool: newPool(), link: o.LinkType, snapLen: o.SnapLen}
	var roots [2]*node
	one := map[nodeKey]*node{}
	for i, expr := range []string{a, b} {
		w.pool.fold = false
		u, err := build(expr, &o, w.pool)
		if err == nil {
			var p *Program
			if p, err = u.program(&o); err == nil {
				w.vms[i], err = classic.NewVM(p.code)
			}
		}
		if err != nil {
			return Comparison{}, fmt.Errorf("%s expression: %w", [...]string{"first", "second"}[i], err)
		}
		roots[i] = u.graph.shared(one)
	}
	w.pool.fold = true
	w.drop = &node{kind: nodeDrop}
	if k, ok := one[nodeKey{kind: nodeDrop}]; ok {
		w.drop = k
	}
	c := w.round(roots, false)
	if c.Result != Equal || ctx.Err() != nil {
		return c, ctx.Err()
	}
	short := w.round(roots, true)
	short.Ways += c.Ways
	switch short.Result {
	case Different:
		short.Result = EqualButShort
	case Undecided:
		short.Result = EqualButShort
		short.Reason = "short packets: " + short.Reason
	}
	return short, ctx.Err()
}

// shared is the graph's root, after nodes that do the same have become one in all graphs that were given the
// same map.
func (g *graph) shared(one map[nodeKey]*node) *node {
	nodes := g.order()
	same := map[*node]*node{}
	for i := len(nodes) - 1; i >= 0; i-- {
		n := nodes[i]
		key := nodeKey{kind: n.kind}
		if n.inner() {
			n.t, n.f = same[n.t], same[n.f]
			key = nodeKey{kind: n.kind, rel: n.rel, a: n.a.id, b: -1, n: n.n, t: n.t, f: n.f}
			if n.b != nil {
				key.b = n.b.id
			}
		}
		if one[key] == nil {
			one[key] = n
		}
		same[n] = one[key]
	}
	return same[g.root]
}
