// Implements the code generator: the decision graph as classic instructions.

package pcap

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
)

// Opcodes, as linux/bpf_common.h puts them together.
const (
	ldConst  = 0x00
	ldMemory = 0x60
	ldLength = 0x80
	ldAbs    = 0x20 // word; half and byte are ldHalf and ldByte more
	ldIndex  = 0x40
	ldHalf   = 0x08
	ldByte   = 0x10

	ldxConst  = 0x01
	ldxMemory = 0x61
	ldxLength = 0x81
	ldxHeader = 0xb1

	storeA = 0x02
	negA   = 0x84
	jump   = 0x05
	ret    = 0x06
	tax    = 0x07
	txa    = 0x87
	byX    = 0x08 // the operand of arithmetic or of a comparison is X
)

var arithmetic = [...]uint16{
	opAdd: 0x04, opSub: 0x14, opMul: 0x24, opDiv: 0x34, opMod: 0x94, opAnd: 0x54, opOr: 0x44, opXor: 0xa4,
	opShl: 0x64, opShr: 0x74,
}

var comparison = [...]uint16{relEqual: 0x15, relGreater: 0x25, relGreaterEqual: 0x35, relAnyBit: 0x45}

// registers is what is known to be in A and X; nil stands for anything.
type registers struct{ a, x *value }

func (r registers) meet(s registers) registers {
	if r.a != s.a {
		r.a = nil
	}
	if r.x != s.x {
		r.x = nil
	}
	return r
}

// emitter turns a graph into code.
type emitter struct {
	pool    *pool
	code    []bpf.RawInstruction
	regs    registers
	slots   map[int]uint32 // words of scratch memory by variable
	vars    int            // how many there are
	temps   int            // words in use behind them
	tooDeep bool
}

// block is the code of a node.
type block struct {
	code []bpf.RawInstruction
	n    *node
	t, f *block // ways out; without a choice, t alone
	at   int    // place among the blocks
	far  uint8  // 1: the jump to t needs a ja, 2: that to f does
	from int    // place of its first instruction
}

var (
	errTooLong = fmt.Errorf("the program would have more than %d instructions", classic.MaxInstructions)
	errTooDeep = errors.New("the expression needs more scratch memory than the machine has")
)

// emit returns the code of g. With reuse, values that are still in a register are not calculated again.
func (g *graph) emit(snapLen uint32, reuse bool) ([]bpf.RawInstruction, error) {
	g.initialize()
	g.joinEnds()
	nodes := retsLast(g.order(), g)
	e := &emitter{pool: g.pool}
	e.slots, e.vars = slots(nodes)
	if e.vars > classic.MemoryWords {
		return nil, errTooDeep
	}
	in := map[*node]registers{}
	seen := map[*node]bool{}
	blocks := make([]*block, len(nodes))
	for i, n := range nodes {
		e.code, e.regs = nil, registers{}
		if reuse {
			e.regs = in[n]
		}
		e.node(n, snapLen)
		blocks[i] = &block{code: e.code, n: n}
		for _, next := range []*node{n.t, n.f} {
			if next == nil {
				continue
			}
			if seen[next] {
				in[next] = in[next].meet(e.regs)
			} else {
				in[next], seen[next] = e.regs, true
			}
		}
	}
	if e.tooDeep {
		return nil, errTooDeep
	}
	code := link(connect(blocks, reuse))
	if len(code) > classic.MaxInstructions {
		return nil, errTooLong
	}
	return code, nil
}

// retsLast moves the two ends behind all else and renumbers the nodes.
func retsLast(nodes []*node, g *graph) []*node {
	var list []*node
	for _, n := range nodes {
		if n.inner() {
			list = append(list, n)
		}
	}
	for _, end := range []*node{g.keep, g.drop} {
		for _, n := range nodes {
			if n == end {
				list = append(list, n)
			}
		}
	}
	for i, n := range list {
		n.at = i
	}
	return list
}

func (e *emitter) node(n *node, snapLen uint32) {
	switch n.kind {
	case nodeKeep:
		e.put(ret, snapLen)
	case nodeDrop:
		e.put(ret, 0)
	case nodeSet:
		e.loadA(n.a)
		e.put(storeA, e.slots[n.n])
		e.forget(n.n)
		e.regs.a = e.pool.variable(n.n)
	case nodeTest:
		op := comparison[n.rel]
		if n.b.op == opConst {
			e.loadA(n.a)
			if n.t != n.f {
				e.put(op, n.b.k)
			}
			return
		}
		e.loadBoth(n.a, n.b, n.rel == relEqual || n.rel == relAnyBit)
		if n.t != n.f {
			e.put(op|byX, 0)
		}
	}
}

func (e *emitter) put(op uint16, k uint32) {
	e.code = append(e.code, bpf.RawInstruction{Op: op, K: k})
}

// forget drops what depends on variable n from the registers.
func (e *emitter) forget(n int) {
	if mentions(e.regs.a, n) {
		e.regs.a = nil
	}
	if mentions(e.regs.x, n) {
		e.regs.x = nil
	}
}

func mentions(v *value, n int) bool {
	return v != nil && (v.op == opVar && v.k == uint32(n) || mentions(v.a, n) || mentions(v.b, n))
}

// loadA calculates v into A. It may change X.
func (e *emitter) loadA(v *value) {
	switch {
	case e.regs.a == v:
		return
	case e.regs.x == v:
		e.put(txa, 0)
		e.regs.a = v
		return
	}
	switch v.op {
	case opConst:
		e.put(ldConst, v.k)
	case opLength:
		e.put(ldLength, 0)
	case opVar:
		e.put(ldMemory, e.slots[int(v.k)])
	case opMeta:
		e.put(ldAbs, v.k)
	case opLoad:
		op := uint16(ldAbs)
		if v.a != nil {
			e.loadX(v.a)
			op = ldIndex
		}
		e.put(op+[...]uint16{1: ldByte, 2: ldHalf, 4: 0}[v.size], v.k)
	case opHeader:
		e.loadX(v)
		e.put(txa, 0)
	case opFail: // a load that is outside every packet
		e.put(ldAbs, 1<<31-4)
	case opNeg:
		e.loadA(v.a)
		e.put(negA, 0)
	default:
		if v.b.op == opConst && !(v.b.k == 0 && (v.op == opDiv || v.op == opMod)) {
			e.loadA(v.a)
			e.put(arithmetic[v.op], v.b.k&mask(v.op))
			break
		}
		switch v.op {
		case opAdd, opMul, opAnd, opOr, opXor:
			e.loadBoth(v.a, v.b, true)
		default:
			e.loadBoth(v.a, v.b, false)
		}
		e.put(arithmetic[v.op]|byX, 0)
	}
	e.regs.a = v
}

// mask is what of a constant operand counts.
func mask(op valueOp) uint32 {
	if op == opShl || op == opShr {
		return 31
	}
	return ^uint32(0)
}

// loadX calculates v into X. It may change A.
func (e *emitter) loadX(v *value) {
	if e.regs.x == v {
		return
	}
	if e.regs.a != v && e.loadXAlone(v) {
		return
	}
	e.loadA(v)
	e.put(tax, 0)
	e.regs.x = v
}

// loadXAlone loads X without touching A, if one instruction can.
func (e *emitter) loadXAlone(v *value) bool {
	switch v.op {
	case opConst:
		e.put(ldxConst, v.k)
	case opLength:
		e.put(ldxLength, 0)
	case opVar:
		e.put(ldxMemory, e.slots[int(v.k)])
	case opHeader:
		e.put(ldxHeader, v.k)
	default:
		return false
	}
	e.regs.x = v
	return true
}

// loadBoth calculates a into A and b into X, or the other way round if that may be.
func (e *emitter) loadBoth(a, b *value, swap bool) {
	simple := func(v *value) bool {
		return v.op == opConst || v.op == opLength || v.op == opVar || v.op == opHeader
	}
	if swap && (e.regs.a == b || e.regs.x == a || simple(a) && !simple(b)) {
		a, b = b, a
	}
	switch {
	case simple(b):
		e.loadA(a)
		if e.regs.x != b {
			e.loadXAlone(b)
		}
	case e.regs.x == b && !usesX(a, b):
		e.loadA(a)
	case !usesX(a, nil):
		e.loadX(b)
		e.loadA(a)
	case swap && !usesX(b, nil):
		e.loadX(a)
		e.loadA(b)
	default:
		e.loadA(b)
		slot := uint32(e.vars + e.temps)
		e.temps++
		if slot >= classic.MemoryWords {
			e.tooDeep = true
			slot = 0
		}
		e.put(storeA, slot)
		e.loadA(a)
		e.put(ldxMemory, slot)
		e.regs.x = b
		e.temps--
	}
}

// usesX reports whether calculating v into A needs X for something other than x.
func usesX(v, x *value) bool {
	if v == nil {
		return false
	}
	switch v.op {
	case opHeader:
		return true
	case opLoad:
		return v.a != nil && v.a != x
	case opConst, opLength, opMeta, opVar, opFail:
		return false
	case opNeg:
		return usesX(v.a, x)
	}
	if v.b.op == opConst && !(v.b.k == 0 && (v.op == opDiv || v.op == opMod)) {
		return usesX(v.a, x)
	}
	return v.b != x || usesX(v.a, x)
}

// connect gives blocks their ways out. With share, blocks with the same code and the same ways out become one,
// the last of them: a test may serve for different values that stand in A.
func connect(blocks []*block, share bool) []*block {
	same := map[string]*block{}
	by := make([]*block, len(blocks)) // the block that stands for a node's
	var kept []*block
	for i := len(blocks) - 1; i >= 0; i-- {
		b := blocks[i]
		var key []byte
		for _, in := range b.code {
			key = fmt.Append(key, in.Op, " ", in.K, ";")
		}
		if b.n.inner() {
			b.t = by[b.n.t.at]
			if b.n.kind == nodeTest && b.n.t != b.n.f {
				b.f = by[b.n.f.at]
			}
			key = fmt.Appendf(key, "%p %p", b.t, b.f)
		}
		if other := same[string(key)]; share && other != nil {
			by[i] = other
			continue
		}
		same[string(key)], by[i] = b, b
		kept = append(kept, b)
	}
	slices.Reverse(kept)
	for i, b := range kept {
		b.at = i
	}
	return kept
}

// link fills in the jumps. Where a conditional jump would be longer than its 8 bits, it jumps to a ja behind it.
func link(blocks []*block) []bpf.RawInstruction {
	for i, b := range blocks {
		if b.t != nil && b.f == nil && b.t.at != i+1 {
			b.far = 1
		}
	}
	for changed := true; changed; {
		changed = false
		place := 0
		for _, b := range blocks {
			b.from = place
			place += len(b.code) + bits.OnesCount8(b.far)
		}
		for _, b := range blocks {
			if b.f == nil {
				continue
			}
			end := b.from + len(b.code)
			for bit, to := range map[uint8]*block{1: b.t, 2: b.f} {
				if b.far&bit == 0 && to.from-end > 255 {
					b.far, changed = b.far|bit, true
				}
			}
		}
	}
	var out []bpf.RawInstruction
	for _, b := range blocks {
		out = append(out, b.code...)
		end := len(out)
		switch {
		case b.f != nil:
			// way is the distance to a block, or to a ja that leads to it.
			way := func(bit uint8, to *block) uint8 {
				if b.far&bit == 0 {
					return uint8(to.from - end)
				}
				out = append(out, bpf.RawInstruction{Op: jump, K: uint32(to.from - len(out) - 1)})
				return uint8(len(out) - 1 - end)
			}
			t, f := way(1, b.t), way(2, b.f)
			out[end-1].Jt, out[end-1].Jf = t, f
		case b.far != 0:
			out = append(out, bpf.RawInstruction{Op: jump, K: uint32(b.t.from - end - 1)})
		}
	}
	return out
}
