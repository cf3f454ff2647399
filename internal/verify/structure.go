// Implements step one: whether all instructions are reached, loops where there may be none, and the places at which
// paths can meet.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// marks are properties of an instruction.
type marks uint8

const (
	markPrune     marks = 1 << iota // states are compared here
	markJump                        // paths come here from elsewhere than the instruction before
	markForce                       // a state is always kept here
	markCallback                    // the helper called here calls a function of the program
	markIter                        // the kernel function called here gives the next element of an iterator
	markReachable                   // some path leads here
	markSeen                        // was walked through
)

// visit is an instruction on the way through the program.
type visit struct {
	at   ir.Index
	next int // successor to look at
}

// structure does step one.
func (v *verifier) structure() error {
	v.marks = fresh(&v.pool.marks, len(v.p.Ins))
	onPath := fresh(&v.pool.onPath, len(v.p.Ins))
	var succ [3]ir.Index
	for _, entry := range v.entries() {
		if v.marks[entry]&markReachable != 0 {
			continue
		}
		v.marks[entry] |= markReachable
		path := append(v.pool.path[:0], visit{at: entry})
		onPath[entry] = true
		for len(path) > 0 {
			top := &path[len(path)-1]
			next := v.successors(top.at, succ[:0])
			if top.next == len(next) {
				onPath[top.at] = false
				path = path[:len(path)-1]
				continue
			}
			to := next[top.next]
			top.next++
			if onPath[to] && !v.loops {
				return v.failAt(top.at, Loop, "jump back to instruction %d: profile %s allows no loops", v.p.Slots[to], v.opts.Profile)
			}
			if v.marks[to]&markReachable == 0 {
				v.marks[to] |= markReachable
				onPath[to] = true
				path = append(path, visit{at: to})
			}
		}
		v.pool.path = path
	}
	if i := slices.IndexFunc(v.marks, func(m marks) bool { return m&markReachable == 0 }); i >= 0 {
		return v.failAt(ir.Index(i), Unreachable, "no path leads to instruction %d", v.p.Slots[i])
	}
	v.markPoints()
	return nil
}

// entries returns where paths begin: the first instruction and those of functions whose address is taken.
func (v *verifier) entries() []ir.Index {
	out := []ir.Index{0}
	for i := range v.p.Ins {
		if v.p.Ins[i].Op == isa.LdFunc {
			out = append(out, ir.Index(v.p.Ins[i].Off))
		}
	}
	return out
}

// successors appends the instructions that may follow i, a called function being one.
func (v *verifier) successors(i ir.Index, out []ir.Index) []ir.Index {
	in, row := &v.p.Ins[i], v.p.Row(i)
	switch row.Kind {
	case isa.KindExit:
		return out
	case isa.KindGoto:
		return append(out, ir.Index(in.Off))
	case isa.KindJump, isa.KindMayGoto:
		return append(out, i+1, ir.Index(in.Off))
	case isa.KindCall:
		if row.Op == isa.CallLocal {
			return append(out, i+1, ir.Index(in.Off))
		}
	}
	return append(out, i+1)
}

// markPoints marks where states are worth comparing.
func (v *verifier) markPoints() {
	meet := func(i ir.Index) {
		if int(i) < len(v.marks) {
			v.marks[i] |= markPrune | markJump
		}
	}
	for i := range v.p.Ins {
		i := ir.Index(i)
		in, row := &v.p.Ins[i], v.p.Row(i)
		switch row.Kind {
		case isa.KindLoadImm:
			if row.Op == isa.LdFunc {
				meet(ir.Index(in.Off))
			}
		case isa.KindGoto:
			meet(ir.Index(in.Off))
		case isa.KindJump:
			v.marks[i] |= markPrune
			meet(ir.Index(in.Off))
		case isa.KindMayGoto:
			v.marks[i] |= markPrune | markForce
			meet(ir.Index(in.Off))
		case isa.KindCall:
			meet(i + 1)
			if row.Op == isa.CallLocal {
				v.marks[i] |= markPrune
				meet(ir.Index(in.Off))
			} else if h := v.helper(i); h == nil {
			} else if isNext(h) {
				v.marks[i] |= markPrune | markForce | markIter
			} else if h.Callback != nil {
				v.marks[i] |= markPrune
				if !h.Callback.Later {
					v.marks[i] |= markForce | markCallback | markJump
				}
			}
		}
	}
}
