// Implements what must hold of the stacks of functions that call each other.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// maxAbove is how much stack the callers of a function that makes tail calls may use together, bytes; privateFrame is
// the size from which on a frame has a stack of its own, in programs whose frames can have one.
const (
	maxAbove     = 256
	privateFrame = 64
)

// privateStacks are the program types for which the kernel's compilers give large frames stacks of their own.
var privateStacks = []spec.ProgramType{spec.Kprobe, spec.Tracepoint, spec.PerfEvent, spec.RawTracepoint}

// callGraph is which functions call which.
type callGraph struct {
	v      *verifier
	calls  [][]call
	tails  []bool // functions that make tail calls
	own    []int  // bytes of stack that a function adds to those of its callers
	depth  []int  // of the deepest chain from a function on; 0: not known yet
	frames []int  // of the longest
	active []bool
	order  []int // callees ahead of callers
}

type call struct{ at, to ir.Index }

// stackDepths checks that no chain of calls needs more stack than there is, and that none is circular.
func (v *verifier) stackDepths() error {
	n := len(v.p.Funcs)
	g := &callGraph{v: v, calls: make([][]call, n), tails: make([]bool, n), own: make([]int, n), depth: make([]int, n), frames: make([]int, n), active: make([]bool, n)}
	for i := range v.p.Ins {
		at := ir.Index(i)
		f := v.p.FuncAt(at)
		switch op := v.p.Ins[i].Op; op {
		case isa.CallLocal, isa.LdFunc:
			g.calls[f] = append(g.calls[f], call{at, ir.Index(v.p.Ins[i].Off)})
		case isa.Call:
			h := v.helper(at)
			g.tails[f] = g.tails[f] || h != nil && h.TailCall
		}
	}
	private := slices.Contains(privateStacks, v.opts.Type.Type) && !slices.Contains(g.tails, true)
	for f := range g.own {
		g.own[f] = (v.depths[f] + 15) / 16 * 16 // as the kernel's compilers lay frames out
		if private && g.own[f] >= privateFrame {
			g.own[f] = 0
		}
	}
	for f := range v.p.Funcs {
		if err := g.walk(f); err != nil {
			return err
		}
		v.deepest = max(v.deepest, g.depth[f])
	}
	return g.tailCalls()
}

// walk finds the depth of a function.
func (g *callGraph) walk(f int) error {
	if g.frames[f] > 0 {
		return nil
	}
	v := g.v
	g.active[f] = true
	for _, c := range g.calls[f] {
		to := v.p.FuncAt(c.to)
		if v.p.Ins[c.at].Op == isa.LdFunc && v.later[to] {
			continue
		}
		if g.active[to] {
			return v.failAt(c.at, Recursion, "function at instruction %d calls itself, directly or through others", v.p.Slots[c.to])
		}
		if err := g.walk(to); err != nil {
			return err
		}
		g.depth[f], g.frames[f] = max(g.depth[f], g.depth[to]), max(g.frames[f], g.frames[to])
		if need := g.depth[to] + g.own[f]; need > maxStack {
			return v.failAt(c.at, StackTooDeep, "the functions called from here need %d bytes of stack together with this one, and there are %d", need, maxStack)
		}
		if g.frames[to] >= maxFrames {
			return v.failAt(c.at, TooDeep, "calls are nested %d deep, and at most %d functions can be active", g.frames[to]+1, maxFrames)
		}
	}
	g.active[f] = false
	g.depth[f] += g.own[f]
	g.frames[f]++
	g.order = append(g.order, f)
	return nil
}

// tailCalls checks that functions that make tail calls are not called with much stack in use.
func (g *callGraph) tailCalls() error {
	above := make([]int, len(g.own))
	for _, f := range slices.Backward(g.order) {
		for _, c := range g.calls[f] {
			to := g.v.p.FuncAt(c.to)
			above[to] = max(above[to], above[f]+g.own[f])
			if g.tails[to] && above[to] >= maxAbove {
				return g.v.failAt(c.at, StackTooDeep, "a function that makes tail calls is called with %d bytes of stack in use, and only less than %d are allowed", above[to], maxAbove)
			}
		}
	}
	return nil
}
