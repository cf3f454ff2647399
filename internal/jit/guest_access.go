// Implements the walk's part on memory and packets: which checks an access needs.

package jit

import (
	"math"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// isAccess reports whether an instruction loads or stores.
func isAccess(row *isa.Row) bool {
	switch row.Kind {
	case isa.KindLoad, isa.KindLoadAcq, isa.KindStore, isa.KindStoreRel:
		return true
	}
	return false
}

// access writes a load, a store or an atomic operation.
func (g *guest) access(i ir.Index, in *ir.Ins, row *isa.Row) {
	reg, write := in.Src, false
	if row.Kind != isa.KindLoad && row.Kind != isa.KindLoadAcq {
		reg, write = in.Dst, true
	}
	ordered := row.Kind != isa.KindLoad && row.Kind != isa.KindStore
	base, op := g.regs[reg], func(m amd64.Mem) { g.move(in, row, m) }
	if g.o.Trusted {
		if load := g.o.Facts.LoadAt(i); load != ir.LoadNumber {
			g.asm.PacketAddr(g.regs[in.Dst], int(load-ir.LoadPacket))
			return
		}
		op(amd64.Mem{Base: base, Off: in.Off})
		return
	}
	if m, ok := g.certain(reg, write, row.Size, in.Off, ordered); ok {
		op(m)
		return
	}
	if row.Kind == isa.KindAtomic && amd64.Loops(row.Fn, row.Fetch) {
		g.leave(i)
		return
	}
	slow := g.step(i)
	if ordered {
		g.asm.Aligned(row.Size, base, in.Off, slow)
	}
	guess := g.guess(reg, write)
	if guess == nil {
		op(g.asm.Checked(write, row.Size, base, in.Off, slow))
		return
	}
	g.later(g.miss(i), func() {
		op(g.asm.Checked(write, row.Size, base, in.Off, slow))
		g.code.Jump(g.behind(i))
	})
	op(guess(row.Size, base, in.Off, g.miss(i)))
	g.code.Bind(g.behind(i))
}

// guess returns the check of the place that an address is likely in, or nil if there is none: then all are
// looked through.
func (g *guest) guess(reg uint8, write bool) func(size uint8, base amd64.Reg, off int32, slow amd64.Label) amd64.Mem {
	switch kind := g.place[reg].Kind; {
	case kind == ir.Unknown && (g.o.DataWritable || !write):
		return g.asm.InData
	case kind == ir.NearStack && g.calls.depth == 1:
		return g.asm.InFrame
	}
	return nil
}

// certain returns the operand of an access that needs no check: to the stack, or a read of the context.
func (g *guest) certain(reg uint8, write bool, size uint8, off int32, ordered bool) (amd64.Mem, bool) {
	p, n := g.place[reg], int32(size/8)
	at := p.Off + off
	switch {
	case ordered && at%n != 0:
	case p.Kind == ir.OnStack && at >= -stackSize && at+n <= 0:
		return g.asm.OnStack(at, g.fn == 0 && !g.calls.called[0]), true
	case p.Kind == ir.InContext && !write && at >= 0 && at+n <= g.o.ContextSize:
		return g.asm.InContext(at), true
	}
	return amd64.Mem{}, false
}

// move writes the access itself.
func (g *guest) move(in *ir.Ins, row *isa.Row, m amd64.Mem) {
	dst, src := g.regs[in.Dst], g.regs[in.Src]
	switch {
	case row.Kind == isa.KindAtomic:
		g.code.AtomicMem(row.Fn, row.Size, row.Fetch, src, m)
	case row.Kind == isa.KindLoad || row.Kind == isa.KindLoadAcq: // every load of the machine acquires, every store releases
		g.code.LoadMem(row.Size, row.Signed, dst, m)
	case row.From == isa.FromReg:
		g.code.StoreMem(row.Size, src, m)
	default:
		g.code.StoreImmMem(row.Size, int32(in.Imm), m)
	}
}

// packet writes a packet access.
func (g *guest) packet(i ir.Index, in *ir.Ins, row *isa.Row) {
	k, n := int32(in.Imm), int32(row.Size/8)
	indirect := row.From == isa.FromReg
	if !indirect && (k < 0 || k > math.MaxInt32-n) {
		g.leave(i)
		return
	}
	if p := g.place[isa.R6]; !g.o.Trusted && (p.Kind != ir.InContext || p.Off != 0) {
		g.asm.HasContext(g.regs[isa.R6], g.step(i))
	}
	if indirect {
		src := g.regs[in.Src]
		g.later(g.miss(i), func() {
			// A negative offset means something else.
			g.asm.IfNegative(k, src, g.step(i))
			g.outside(i)
		})
		g.asm.PacketInd(row.Size, k, src, g.miss(i))
		return
	}
	reach := k + n
	if reach <= g.known {
		g.asm.PacketAt(row.Size, k, 0, 0)
		return
	}
	g.known = reach
	g.later(g.miss(i), func() { g.outside(i) })
	g.asm.PacketAt(row.Size, k, reach, g.miss(i))
}

// outside ends the function with 0 at a packet access outside the packet.
func (g *guest) outside(i ir.Index) {
	if g.o.Metered {
		g.asm.Count(int32(i-g.out.First[i]+1) * g.o.OpSize)
	}
	f := g.p.FuncAt(i)
	if f == 0 && !g.calls.called[0] {
		g.code.Jump(g.to(labelZero))
		return
	}
	g.code.MovImm(amd64.RAX, 0)
	g.code.Jump(g.functionExit(f))
}

// reachPasses bounds the passes of findReach. Code without loops takes one and a look that nothing has changed.
const reachPasses = 8

// findReach returns how many bytes the packet is known to have ahead of each block, because ld_abs has read
// that far on every path there. In programs of very unusual shape it knows nothing.
func findReach(p *ir.Program, moves func(ir.Index) bool) []int32 {
	in := make([]int32, len(p.Blocks))
	for n, b := range p.Blocks {
		if in[n] = math.MaxInt32; b.First == p.Funcs[b.Func].Entry {
			in[n] = 0
		}
	}
	for range reachPasses {
		changed := false
		for n, b := range p.Blocks {
			known := in[n]
			for i := b.First; i < b.End; i++ {
				if moves(i) {
					known = 0
				}
				row, k := p.Row(i), int32(p.Ins[i].Imm)
				if size := int32(row.Size / 8); row.Kind == isa.KindPacket && row.From != isa.FromReg && k >= 0 && k <= math.MaxInt32-size {
					known = max(known, k+size)
				}
			}
			for _, next := range b.Succ {
				if known < in[next] {
					in[next], changed = known, true
				}
			}
		}
		if !changed {
			return in
		}
	}
	return make([]int32, len(p.Blocks))
}
