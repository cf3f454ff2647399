// Implements the verbs of local calls inside a machine: their records and stack frames.

package amd64

// Offsets in the record of a local call.
const (
	recordResume = 0
	recordSaved  = 8
	recordBudget = 40
)

// CallLocal calls a function of the program, which goes on at behind.
func (g *Guest) CallLocal(function, behind Label) {
	g.address(tmp0, behind)
	g.Jump(function)
	g.Bind(behind)
}

// Frame says what a function has to do when it is called and when it returns.
type Frame struct {
	Saved   []int // the registers among R6 to R9 that it changes
	Budget  int32 // of may_goto, 0: the program has none
	Trusted bool
	Shallow bool // calls cannot go deeper than there are frames
}

// record returns the operand of a part of the record of the call that entered the current frame's function,
// or is about to. Sandboxed, the record's place follows from R10, and tmp1 is lost.
func (g *Guest) record(f *Frame, off int32) Mem {
	if f.Trusted {
		return at(RBP, 16+off-TrustedFrame)
	}
	return Mem{Base: Machine, Index: tmp1, Scale: 1, Off: g.L.Frames - (g.L.StackBase+stackSize)/8 + off}
}

// findRecord makes record usable.
func (g *Guest) findRecord(f *Frame) {
	if !f.Trusted {
		g.Mov(false, tmp1, R9)
		g.rr(false, 5, tmp1, 0xc1) // shr
		g.byte(3)
	}
}

// Enter begins a function that was called by CallLocal. If there is no frame left it goes to deep.
func (g *Guest) Enter(f *Frame, frames int32, deep Label) {
	if !f.Shallow {
		g.groupImm(grpCmp, false, R9, g.L.StackBase+frames*stackSize)
		g.jcc(ccAboveOrEqual, deep)
	}
	g.findRecord(f)
	if f.Trusted {
		g.groupImm(grpAdd, true, RBP, TrustedFrame)
	}
	g.StoreMem(64, tmp0, g.record(f, recordResume))
	for _, r := range f.Saved {
		g.StoreMem(64, g.Map[r], g.record(f, recordSaved+8*int32(r-6)))
	}
	if f.Budget != 0 {
		g.LoadMem(64, false, tmp0, g.state(g.L.Budget))
		g.StoreMem(64, tmp0, g.record(f, recordBudget))
		g.StoreImmMem(64, f.Budget, g.state(g.L.Budget))
	}
	if !f.Trusted {
		g.groupImm(grpAdd, false, R9, stackSize)
		g.stackLimit(grpAdd)
	}
}

// Exit ends a function that was called by CallLocal.
func (g *Guest) Exit(f *Frame) {
	if !f.Trusted {
		g.groupImm(grpSub, false, R9, stackSize)
		g.stackLimit(grpSub)
	}
	g.findRecord(f)
	for _, r := range f.Saved {
		g.LoadMem(64, false, g.Map[r], g.record(f, recordSaved+8*int32(r-6)))
	}
	if f.Budget != 0 {
		g.LoadMem(64, false, tmp0, g.record(f, recordBudget))
		g.StoreMem(64, tmp0, g.state(g.L.Budget))
	}
	if f.Trusted {
		g.LoadMem(64, false, tmp0, g.record(f, recordResume))
		g.groupImm(grpSub, true, RBP, TrustedFrame)
		g.jumpReg(tmp0)
		return
	}
	g.jumpMem(g.record(f, recordResume))
}

// stackLimit moves the end of the stack by a frame.
func (g *Guest) stackLimit(group byte) {
	stack := g.L.Granules + 32*(g.L.StackBase>>24)
	g.stateImm(group, stack+g.L.GranuleRead, stackSize)
	g.stateImm(group, stack+g.L.GranuleWrite, stackSize)
}

// IfFirst goes to l if the current frame is the first.
func (g *Guest) IfFirst(l Label) {
	g.groupImm(grpCmp, false, R9, g.L.StackBase+stackSize)
	g.jcc(ccEqual, l)
}

// FrameAddr puts the address into a register that lies off bytes from the top of a sandboxed program's frame.
func (g *Guest) FrameAddr(r Reg, off int32) { g.lea(true, r, at(R9, off)) }

// FirstFrame sets R10 for the main function.
func (g *Guest) FirstFrame(trusted bool) {
	if trusted {
		g.lea(true, RBP, g.state(g.L.TrustedStack+stackSize))
		return
	}
	g.MovImm(R9, uint64(g.L.StackBase+stackSize))
}

// jumpReg goes to the address in a register.
func (g *Guest) jumpReg(r Reg) { g.rr(false, 4, r, 0xff) }
