// Implements the generator of random classic programs that are valid.

package classictest

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"golang.org/x/net/bpf"
)

// Subset says which programs to draw.
type Subset uint8

// The subsets.
const (
	Full     Subset = iota // everything that classic.Check admits
	Loadable               // whose translation calls none of Skep's own helpers, so that a kernel can load it
	XNet                   // which the VM of golang.org/x/net/bpf runs with the kernel's results
	Seccomp                // everything that classic.CheckSeccomp admits
)

// Program returns a random program of n instructions, between 1 and classic.MaxInstructions, that the check of
// its subset admits. Its packet loads mostly lie in the first 64 bytes, so that runs get far.
func Program(r *rand.Rand, n int, subset Subset) []bpf.RawInstruction {
	g := generator{r: r, subset: subset, size: n}
	for _, row := range classic.Rows() {
		if g.wants(row) {
			g.rows = append(g.rows, row)
		}
	}
	for len(g.prog) < n-1 {
		g.group(g.rows[r.IntN(len(g.rows))])
	}
	g.starts = append(g.starts, len(g.prog))
	if r.IntN(4) == 0 {
		g.add(0x06, g.constant())
	} else {
		g.add(0x16, 0)
	}
	g.jumps()
	g.memory()
	return g.prog
}

type generator struct {
	r      *rand.Rand
	subset Subset
	size   int
	rows   []*classic.Row
	prog   []bpf.RawInstruction
	starts []int // instructions that jumps may go to
}

func (g *generator) wants(row *classic.Row) bool {
	switch g.subset {
	case XNet:
		return row.Fn != isa.FnNeg && (row.Kind != classic.KindLoadLen || row.Reg == classic.A) // it lacks these two
	case Seccomp:
		return row.Seccomp
	}
	return true
}

func (g *generator) add(code uint16, k uint32) {
	g.prog = append(g.prog, bpf.RawInstruction{Op: code, K: k})
}

// group adds an instruction, together with others that make it run to some purpose. Jumps do not go into the
// middle of a group, so that what the others prepare holds.
func (g *generator) group(row *classic.Row) {
	const and, ldx = 0x54, 0x01
	if row.Kind == classic.KindReturn && g.r.IntN(4) != 0 {
		return // rarer, so that programs run longer
	}
	start := len(g.prog)
	x := row.From == isa.FromReg
	switch {
	case g.subset == XNet && (row.Kind == classic.KindMove && row.Reg == classic.X || row.Kind == classic.KindStore && row.Reg == classic.A):
		g.add(and, uint32(g.r.IntN(0x400))) // keep X and M small: x/net does not wrap x + k
	case x && (row.Fn == isa.FnLsh || row.Fn == isa.FnRsh) && (g.subset == XNet || g.r.IntN(2) == 0):
		g.add(ldx, uint32(g.r.IntN(32))) // x/net does not wrap the count
	case x && row.Kind == classic.KindLoadPacket && g.r.IntN(4) != 0:
		g.add(ldx, uint32(g.r.IntN(40)))
	}
	g.add(row.Code, g.k(row))
	if len(g.prog) > g.size-1 {
		g.prog = g.prog[:start] // no room for the group
		g.add(and, g.constant())
	}
	g.starts = append(g.starts, start)
}

// k returns a fit value for the k field; jumps get theirs later.
func (g *generator) k(row *classic.Row) uint32 {
	switch row.Kind {
	case classic.KindLoadPacket:
		return g.offset(row)
	case classic.KindLoadHeader:
		return uint32(g.r.IntN(40))
	case classic.KindLoadMem, classic.KindStore:
		return uint32(g.r.IntN(4))
	case classic.KindLoadImm:
		if row.Reg == classic.X && g.subset == XNet {
			return uint32(g.r.IntN(0x400))
		}
	case classic.KindALU:
		if row.From == isa.FromImm && (row.Fn == isa.FnLsh || row.Fn == isa.FnRsh) {
			return uint32(g.r.IntN(32))
		}
		if row.From == isa.FromImm && (row.Fn == isa.FnDiv || row.Fn == isa.FnMod) {
			return max(1, g.constant())
		}
	case classic.KindGoto, classic.KindMove:
		return 0
	}
	if row.From != isa.FromImm && row.Kind != classic.KindLoadImm {
		return 0
	}
	return g.constant()
}

func (g *generator) offset(row *classic.Row) uint32 {
	near := uint32(g.r.IntN(40))
	if g.subset == Seccomp {
		return uint32(g.r.IntN(classic.SeccompDataSize/4) * 4)
	}
	n := g.r.IntN(100)
	switch {
	case n >= 97:
		return g.constant() & 0xffff
	case g.subset == XNet || n < 70:
		return near
	case n < 75:
		return near + (1<<32 + classic.NetworkOffset)
	case n < 78:
		return near + (1<<32 + classic.LinkOffset)
	}
	if row.Operand != classic.OperandAbs {
		return near
	}
	all := classic.AllMetadata()
	m := all[g.r.IntN(len(all))]
	if g.subset == Loadable && m.Helper >= helper.ClassicPayOffset {
		return near
	}
	return m.Offset + (1<<32 + classic.AncillaryOffset)
}

// constant returns a number that is likely to matter.
func (g *generator) constant() uint32 {
	edges := [...]uint32{0, 1, 2, 4, 6, 17, 0xf, 0xff, 0x800, 0x806, 0x8100, 0x86dd, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff}
	switch g.r.IntN(3) {
	case 0:
		return uint32(g.r.IntN(256))
	case 1:
		return g.r.Uint32()
	}
	return edges[g.r.IntN(len(edges))]
}

// jumps sets where the jumps go: to starts of groups, mostly near ones.
func (g *generator) jumps() {
	next := 0 // index of the first start after the current instruction
	for i := range g.prog {
		for next < len(g.starts) && g.starts[next] <= i {
			next++
		}
		in := &g.prog[i]
		switch classic.Lookup(in.Op).Kind {
		case classic.KindGoto:
			in.K = g.skip(i, next, len(g.prog))
		case classic.KindJump:
			in.Jt, in.Jf = uint8(g.skip(i, next, 255)), uint8(g.skip(i, next, 255))
		}
	}
}

func (g *generator) skip(i, next, limit int) uint32 {
	for {
		reach := min(8, len(g.starts)-next)
		if g.r.IntN(16) == 0 {
			reach = len(g.starts) - next
		}
		n := g.starts[next+g.r.IntN(reach)] - i - 1
		if n <= limit {
			return uint32(n)
		}
	}
}

// memory turns the loads of words that may not have been written into loads of a constant.
func (g *generator) memory() {
	unwritten := make([]uint16, len(g.prog)+1) // words that some way to each instruction leaves unwritten
	var written uint16
	for i := range g.prog {
		in := &g.prog[i]
		written &^= unwritten[i]
		switch row := classic.Lookup(in.Op); row.Kind {
		case classic.KindStore:
			written |= 1 << in.K
		case classic.KindLoadMem:
			if written&(1<<in.K) == 0 {
				in.Op &= 0x07 // the same class in immediate mode
			}
		case classic.KindGoto:
			unwritten[i+1+int(in.K)] |= ^written
			written = ^uint16(0)
		case classic.KindJump:
			unwritten[i+1+int(in.Jt)] |= ^written
			unwritten[i+1+int(in.Jf)] |= ^written
			written = ^uint16(0)
		}
	}
}
