// Implements the walk over a program that writes code for a machine.

package jit

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

type guest struct {
	compiler
	o        GuestOptions
	asm      amd64.Guest
	out      *Guest
	calls    calls
	places   *ir.Places
	live     []ir.Regs // registers that matter, ahead of each instruction
	reach    []int32   // bytes that the packet is known to have, ahead of each block
	named    ir.Regs
	budget   int32
	heads    []bool                     // blocks that something jumps back to
	leaf     bool                       // the code can be entered as a Go function
	routines map[routineKey]amd64.Label // that look maps up
	moving   bool                       // some call may make the packet another

	// Of the pass that is being written.
	place ir.State
	lazy  lazy
	known int32
	cold  []func()             // what lies behind the program, out of its way
	late  map[amd64.Label]bool // the labels of that
	used  [numLabels]bool      // which of the common labels something leads to
}

// The labels behind those of the instructions.
const (
	labelSave  = amd64.Label(iota) // saves all registers and returns
	labelDone                      // the program has ended
	labelNext                      // the next packet of a batch
	labelEnd                       // there is none
	labelPause                     // the scheduler wants the goroutine between two packets
	labelDeep                      // a local call that finds no frame
	labelZero                      // the program has ended with 0
	labelBack                      // a function that a helper has called has ended
	numLabels
)

func (g *guest) n() amd64.Label                   { return amd64.Label(len(g.p.Ins)) }
func (g *guest) way(i ir.Index) amd64.Label       { return g.n() + amd64.Label(i) }
func (g *guest) behind(i ir.Index) amd64.Label    { return 2*g.n() + amd64.Label(i) }
func (g *guest) yieldWay(i ir.Index) amd64.Label  { return 3*g.n() + amd64.Label(i) }
func (g *guest) miss(i ir.Index) amd64.Label      { return 4*g.n() + amd64.Label(i) }
func (g *guest) common(l amd64.Label) amd64.Label { return 6*g.n() + l }
func (g *guest) function(f int) amd64.Label       { return g.common(numLabels) + amd64.Label(f) }
func (g *guest) functionExit(f int) amd64.Label   { return g.function(len(g.p.Funcs)) + amd64.Label(f) }

// write writes the whole code.
func (g *guest) write() {
	g.cold = g.cold[:0]
	clear(g.late)
	g.used, g.lazy = [numLabels]bool{}, lazy{}
	next := 0 // block; both are in the order of instructions
	for f := range g.p.Funcs {
		g.fn = f
		out := &g.out.Funcs[f]
		out.Start = g.code.Len()
		if f == 0 {
			g.start()
		}
		if g.calls.called[f] {
			g.enter(f)
		}
		out.Body = g.code.Len()
		for ; next < len(g.p.Blocks) && g.p.Blocks[next].Func == f; next++ {
			g.block(next)
		}
		out.Tail = g.code.Len()
		g.code.Bind(g.functionExit(f))
		g.leaveFunction(f)
		out.End = g.code.Len()
	}
	for i := 0; i < len(g.cold); i++ {
		g.cold[i]()
	}
	g.stubs()
}

// loopAlign is what the addresses of loop heads are multiples of.
const loopAlign = 32

// start writes what comes ahead of the program.
func (g *guest) start() {
	g.out.Leaf = -1
	if g.leaf {
		g.out.Leaf = g.code.Len()
		if g.o.Pure {
			g.code.Mov(true, g.regs[isa.R1], amd64.RAX)
			g.code.Mov(true, g.regs[isa.R2], amd64.RBX)
		} else {
			g.code.Mov(true, amd64.Machine, amd64.RAX)
		}
	}
	g.out.Start = g.code.Len()
	if !g.o.Pure {
		g.asm.LoadPins()
	}
	if g.o.Batch {
		g.code.Jump(g.to(labelNext))
		g.code.Align(loopAlign)
		g.code.Bind(g.common(labelDone))
		g.asm.PutResult()
		g.code.Bind(g.common(labelNext))
		g.asm.Poll(g.to(labelPause))
		g.asm.NextPacket(g.to(labelEnd))
		if len(g.o.Lengths) > 0 {
			g.asm.PutLength(g.o.Lengths)
		}
		for w := range g.o.Clear {
			g.code.StoreImmMem(64, 0, g.asm.OnStack(int32(-8*(w+1)), true))
		}
	}
	for r := isa.R0; r <= isa.R9; r++ {
		switch {
		case g.named>>r&1 == 0: // it may hold a slot
		case g.o.Zero>>r&1 != 0:
			g.code.MovImm(g.regs[r], 0)
		case g.o.Pure:
		case r == isa.R1 && g.o.Context != 0:
			g.code.MovImm(g.regs[r], uint64(g.o.Context))
		case r == isa.R1 || r == isa.R2:
			g.asm.LoadReg(int(r))
		}
	}
	if g.named>>isa.R10&1 != 0 {
		g.asm.FirstFrame(g.o.Trusted)
	}
	if g.calls.called[0] {
		g.code.Jump(0)
	}
}

// to returns a common label that something is to lead to.
func (g *guest) to(l amd64.Label) amd64.Label {
	g.used[l] = true
	return g.common(l)
}

// bind puts a common label here and reports whether anything leads to it.
func (g *guest) bind(l amd64.Label) bool {
	if g.used[l] {
		g.code.Bind(g.common(l))
	}
	return g.used[l]
}

// stubs writes what many instructions share, as far as any needs it.
func (g *guest) stubs() {
	if g.bind(labelPause) {
		g.asm.Leave(amd64.LeaveYield, noInsn, g.to(labelSave))
	}
	if g.calls.callbacks {
		g.out.Back = g.code.Len()
		g.code.Bind(g.common(labelBack))
		g.asm.ReturnDone(false, false)
		g.used[labelSave] = true
	}
	if g.bind(labelDeep) {
		g.asm.StoreResume()
		g.asm.Leave(amd64.LeaveStep, noInsn, g.to(labelSave))
	}
	if g.bind(labelSave) {
		g.registers(g.asm.SaveReg)
		g.asm.SavePins()
		if g.leaf {
			g.code.Mov(false, amd64.RBX, amd64.R11)
		}
		g.asm.Return()
		g.out.Resume = g.code.Len()
		g.asm.LoadPins()
		g.registers(g.asm.LoadReg)
		g.asm.Resume()
	}
	if g.bind(labelZero) {
		g.code.MovImm(amd64.RAX, 0)
		if g.o.Batch {
			g.code.Jump(g.to(labelDone))
		} else {
			g.used[labelDone] = true
		}
	}
	switch {
	case !g.o.Batch && g.bind(labelDone), g.o.Batch && g.bind(labelEnd):
		g.asm.ReturnDone(g.leaf, g.o.Pure)
	}
}

// registers calls f for each register that the program uses.
func (g *guest) registers(f func(r int)) {
	for r := range isa.NumRegisters {
		if g.named>>r&1 != 0 {
			f(r)
		}
	}
}

// enter writes the beginning of a function that is called.
func (g *guest) enter(f int) {
	g.code.Bind(g.function(f))
	frame := g.frame(f)
	deep := g.common(labelDeep)
	if !frame.Shallow {
		deep = g.to(labelDeep)
	}
	g.asm.Enter(frame, g.o.Frames, deep)
	if f == 0 {
		g.code.Jump(0)
	}
}

// leaveFunction writes the end of a function. What ran of it has been counted.
func (g *guest) leaveFunction(f int) {
	if f != 0 {
		if g.calls.called[f] {
			g.asm.Exit(g.frame(f))
		}
		return
	}
	if g.calls.called[0] {
		g.asm.IfFirst(g.to(labelDone))
		g.asm.Exit(g.frame(0))
		return
	}
	if g.o.Batch {
		g.code.Jump(g.to(labelDone))
		return
	}
	g.asm.ReturnDone(g.leaf, g.o.Pure)
}

// block writes a basic block.
func (g *guest) block(n int) {
	b := g.p.Blocks[n]
	if g.heads[n] {
		g.code.Align(loopAlign)
	}
	g.place, g.known = g.places.In(n), g.reach[n]
	back := false
	for _, next := range b.Succ {
		back = back || next <= n
	}
	for first := b.First; first < b.End; {
		end := first
		for end++; end < b.End && g.p.Ins[end-1].Op != isa.CallLocal; end++ {
		}
		g.piece(first, end, &b, back && end == b.End)
		first = end
	}
}

// piece writes instructions that are counted together. back tells that the last may jump back.
func (g *guest) piece(first, end ir.Index, b *ir.Block, back bool) {
	for i := first; i < end; i++ {
		kind := g.p.Row(i).Kind
		jumps := i+1 == end && (kind == isa.KindJump || kind == isa.KindGoto || kind == isa.KindMayGoto ||
			kind == isa.KindExit || g.p.Ins[i].Op == isa.CallLocal)
		if jumps {
			g.flush(g.live[i]) // ahead of where the code may go on
		}
		g.code.Bind(amd64.Label(i))
		g.out.Entry[i], g.out.First[i] = uint32(g.code.Len()), first
		if jumps {
			g.count(i, end-first, back || g.p.Ins[i].Op == isa.CallLocal)
		}
		live := g.after(i, b)
		g.instruction(i, live)
		if i+1 == end && !jumps {
			g.flush(live)
			g.count(i, end-first, false)
		}
		g.places.Step(i, &g.place)
	}
}

// count counts n instructions up to i. With stop it then looks whether to go on.
func (g *guest) count(i, n ir.Index, stop bool) {
	switch {
	case stop && g.o.Metered:
		g.asm.Spend(int32(n)*g.o.OpSize, g.yield(i))
	case stop:
		g.asm.Poll(g.yield(i))
	case g.o.Metered:
		g.asm.Count(int32(n) * g.o.OpSize)
	}
}

func (g *guest) yield(i ir.Index) amd64.Label {
	g.later(g.yieldWay(i), func() {
		if g.o.Pure {
			g.code.MovImm(amd64.RBX, 1)
			g.asm.Return()
			return
		}
		g.asm.Leave(amd64.LeaveYield, uint32(i), g.to(labelSave))
	})
	return g.yieldWay(i)
}

// step returns the label of an instruction's way out: the caller is to execute it.
func (g *guest) step(i ir.Index) amd64.Label {
	g.later(g.way(i), func() { g.asm.Leave(amd64.LeaveStep, uint32(i), g.to(labelSave)) })
	return g.way(i)
}

// later writes something behind the program, once for each label.
func (g *guest) later(l amd64.Label, write func()) {
	if g.late[l] {
		return
	}
	g.late[l] = true
	g.cold = append(g.cold, func() {
		g.code.Bind(l)
		write()
	})
}

// leave has the caller execute an instruction.
func (g *guest) leave(i ir.Index) { g.asm.Leave(amd64.LeaveStep, uint32(i), g.to(labelSave)) }

// instruction writes one instruction. live is what matters behind it.
func (g *guest) instruction(i ir.Index, live ir.Regs) {
	in, row := &g.p.Ins[i], g.p.Row(i)
	dst, src := g.regs[in.Dst], g.regs[in.Src]
	if row.Kind == isa.KindALU {
		if !g.lazyALU(in, row, live) {
			g.arithmetic(row, in, dst, g.ready(in, row, live))
		}
		return
	}
	if g.o.Trusted && row.Kind != isa.KindAtomic && g.o.Facts.LoadAt(i) == ir.LoadNumber && isAccess(row) {
		g.lazyAccess(in, row, live)
		return
	}
	g.flush(g.live[i])
	switch row.Kind {
	case isa.KindJump:
		if !g.verdict(i, in, row) {
			g.jump(row, in, dst, src)
		}
	case isa.KindGoto:
		if in.Off != int32(i)+1 {
			g.code.Jump(amd64.Label(in.Off))
		}
	case isa.KindMayGoto:
		g.asm.TakeBudget(amd64.Label(in.Off))
	case isa.KindLoad, isa.KindLoadAcq, isa.KindStore, isa.KindStoreRel, isa.KindAtomic:
		g.access(i, in, row)
	case isa.KindPacket:
		g.packet(i, in, row)
	case isa.KindCall:
		g.call(i, in, row)
		if g.moves(i) {
			g.known = 0
		}
	case isa.KindExit:
		switch {
		case i+1 == g.p.Funcs[g.fn].End:
		case g.fn == 0 && !g.calls.called[0]:
			g.leaveFunction(0)
		default:
			g.code.Jump(g.functionExit(g.fn))
		}
	default:
		if row.Kind == isa.KindLoadImm {
			g.code.MovImm(dst, in.Imm)
			return
		}
		g.leave(i)
	}
}

// verdict writes a jump between two ends of the program, of which one returns 1 and the other 0, without a jump, if it is
// one and the code is pure.
func (g *guest) verdict(i ir.Index, in *ir.Ins, row *isa.Row) bool {
	if !g.o.Pure {
		return false
	}
	yes, ok := g.ends(ir.Index(in.Off))
	no, also := g.ends(i + 1)
	if !ok || !also || yes == no {
		return false
	}
	if row.From == isa.FromReg {
		g.code.SetIf(row.Fn, row.Width == 64, g.regs[in.Dst], g.regs[in.Src], !yes)
	} else {
		g.code.SetIfImm(row.Fn, row.Width == 64, g.regs[in.Dst], int32(in.Imm), !yes)
	}
	g.leaveFunction(0)
	return true
}

// ends reports whether the program returns a constant from an instruction on, 1 or 0, and whether that is 1.
func (g *guest) ends(i ir.Index) (one, ok bool) {
	if int(i)+1 >= len(g.p.Ins) || g.p.Ins[i+1].Op != isa.Exit {
		return false, false
	}
	in, row := &g.p.Ins[i], g.p.Row(i)
	ok = row.Kind == isa.KindALU && row.Fn == isa.FnMov && row.From == isa.FromImm && in.Dst == uint8(isa.R0) && in.Imm <= 1
	return in.Imm == 1, ok
}

// moves reports whether the packet may be another after an instruction.
func (g *guest) moves(i ir.Index) bool {
	if g.p.Row(i).Kind != isa.KindCall || !g.moving {
		return false
	}
	return g.p.Ins[i].Op != isa.Call || g.calls.callbacks || g.o.Moves(i)
}

// native returns the address of the native helper that an instruction calls, or 0.
func (g *guest) native(row *isa.Row, i ir.Index) uint64 {
	if row.Op != isa.Call || g.o.Native == nil {
		return 0
	}
	return g.o.Native(i)
}

// call writes a call.
func (g *guest) call(i ir.Index, in *ir.Ins, row *isa.Row) {
	if row.Op == isa.CallLocal {
		g.asm.CallLocal(g.function(g.p.FuncAt(ir.Index(in.Off))), g.behind(i))
		g.out.Behind[i] = uint32(g.code.Len())
		return
	}
	if g.mapCall(i, row) {
		return
	}
	if addr := g.native(row, i); addr != 0 {
		g.asm.CallNative(addr, g.o.Trusted)
		for r := isa.R1; r <= isa.R5 && g.o.Tidy; r++ {
			g.code.MovImm(g.regs[r], 0)
		}
		return
	}
	if row.Op == isa.Call && g.o.GoCalls {
		g.asm.CallGo(uint32(i), g.behind(i))
		if g.moves(i) || g.calls.callbacks {
			g.asm.LoadPins()
		}
		return
	}
	g.leave(i)
}
