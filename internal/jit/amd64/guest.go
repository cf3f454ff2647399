// Implements the verbs of code that runs inside a machine: its state, entering and leaving, counting.

package amd64

// Slot is a word of a machine's state that code uses often. It lies in memory, or in a register that the
// program has no use for.
type Slot uint8

// The slots.
const (
	Fuel     Slot = iota // how many instructions may still run, times the size of one in the count
	Packet               // address of the packet
	Length               // its length in bytes
	DataBias             // address of the data, less the address that it has for the program
	G                    // address of the goroutine's descriptor
	Next                 // address of the next packet of a batch, as a Go slice
	End                  // address behind the last
	Out                  // where the next result of the batch goes, 32 bits each
	NumSlots
)

// Layout says where code finds things, as offsets in bytes from the address in Machine. Whoever owns the
// structures fills it in.
type Layout struct {
	Slots  [NumSlots]int32
	Regs   int32 // R0 to R10
	Resume int32 // address at which to go on
	Budget int32 // of may_goto, 64 bits
	CPU    int32 // number of the processor, 64 bits
	Host   int32 // addresses of the packet, its end, and its metadata, as the host knows them, in the order of ir.Load

	Context    int32    // guest address of the context, 64 bits
	ContextPtr int32    // where it is
	LengthAt   int32    // address of the length on the wire of a batch's next packet, 32 bits
	LengthStep int32    // how far the lengths lie apart, bytes
	DataFits   [4]int32 // one more than the greatest offset in the data at which 1, 2, 4, 8 bytes can be read, or 0

	Granules int32 // table of 256 granules of 32 bytes
	// Fields of a granule: host address, bytes to read, bytes to write, guest address.
	GranulePtr, GranuleRead, GranuleWrite, GranuleBase int32

	// The stack of guest programs, its guest address, and that of the data.
	Stack               int32
	StackBase, DataBase int32

	// Records of local calls, 64 bytes each, the first at Frames: where to go on, then R6 to R9, then the
	// budget.
	Frames int32

	// The stack of trusted programs: frames of 512 bytes, two words that stay zero above each, and above
	// these a record like those at Frames.
	TrustedStack int32
}

// RecordSize is the size of the record of a local call, TrustedFrame that of a trusted program's frame with
// all that belongs to it.
const (
	SliceSize    = 24 // of a Go slice's header
	RecordSize   = 64
	TrustedFrame = stackSize + 16 + RecordSize
)

// Guest writes code that runs inside a machine.
type Guest struct {
	*Code
	L   *Layout
	Map *[11]Reg
	// Pinned tells which slots are in registers, and Pin in which.
	Pinned [NumSlots]bool
	Pin    [NumSlots]Reg
}

// Why code has left, in the low two bits of R11. The others are the number of an instruction.
const (
	LeaveDone  = 0 // the program has ended; all of R11 is zero
	LeaveStep  = 1 // the caller is to execute the instruction
	LeaveYield = 2 // the fuel ran out, or the scheduler wants the goroutine; go on at the instruction
	LeaveCall  = 3 // the instruction calls a helper: go on at the address in R10
)

func (g *Guest) state(off int32) Mem { return at(Machine, off) }

// slot writes an instruction on a register and a slot, whose opcode is that for a register or memory operand.
func (g *Guest) slot(w bool, reg Reg, s Slot, opcode ...byte) {
	if g.Pinned[s] {
		g.rr(w, reg, g.Pin[s], opcode...)
	} else {
		g.rm(w, false, reg, g.state(g.L.Slots[s]), opcode...)
	}
}

// inSlot returns a register that holds a slot: its own or, after a load, the given one.
func (g *Guest) inSlot(s Slot, spare Reg) Reg {
	if g.Pinned[s] {
		return g.Pin[s]
	}
	g.slot(true, spare, s, 0x8b)
	return spare
}

// slotImm writes an instruction of the arithmetic group on a slot and an immediate.
func (g *Guest) slotImm(n byte, s Slot, v int32) {
	switch {
	case g.Pinned[s]:
		g.groupImm(n, true, g.Pin[s], v)
	default:
		g.stateImm(n, g.L.Slots[s], v)
	}
}

// stateImm writes an instruction of the arithmetic group on a word of the state and an immediate.
func (g *Guest) stateImm(n byte, off, v int32) {
	if fits8(v) {
		g.rm(true, false, Reg(n), g.state(off), 0x83)
		g.byte(byte(v))
		return
	}
	g.rm(true, false, Reg(n), g.state(off), 0x81)
	g.imm32(v)
}

// LoadPins loads the registers that hold slots.
func (g *Guest) LoadPins() {
	for s := range NumSlots {
		if g.Pinned[s] {
			g.LoadMem(64, false, g.Pin[s], g.state(g.L.Slots[s]))
		}
	}
}

// changes tells of slots that code changes.
func changes(s Slot) bool { return s == Fuel || s == Next || s == Out }

// SavePins stores those of them that may have changed.
func (g *Guest) SavePins() {
	for s := range NumSlots {
		if g.Pinned[s] && changes(s) {
			g.StoreMem(64, g.Pin[s], g.state(g.L.Slots[s]))
		}
	}
}

// LoadReg loads a BPF register from the machine, SaveReg stores it there.
func (g *Guest) LoadReg(r int) { g.LoadMem(64, false, g.Map[r], g.state(g.L.Regs+8*int32(r))) }

// SaveReg stores a BPF register in the machine.
func (g *Guest) SaveReg(r int) { g.StoreMem(64, g.Map[r], g.state(g.L.Regs+8*int32(r))) }

// Leave goes to common, which saves all registers, with the reason for leaving.
func (g *Guest) Leave(reason uint8, insn uint32, common Label) {
	g.reason(reason, insn)
	g.Jump(common)
}

func (g *Guest) reason(reason uint8, insn uint32) {
	g.rex(false, 0, R11, false)
	g.byte(0xb8 | byte(R11&7))
	g.imm32(int32(insn<<2 | uint32(reason)))
}

// Return returns to whoever entered the code.
func (c *Code) Return() { c.byte(0xc3) }

// ReturnDone ends the program. leaf tells that RBX is to hold the reason as well, pure that it is all that is asked for.
func (g *Guest) ReturnDone(leaf, pure bool) {
	if !pure {
		g.SavePins()
		g.MovImm(R11, LeaveDone)
	}
	if leaf {
		g.MovImm(RBX, LeaveDone)
	}
	g.Return()
}

// Resume goes on where the machine says.
func (g *Guest) Resume() { g.jumpMem(g.state(g.L.Resume)) }

func (g *Guest) jumpMem(m Mem) { g.rm(false, false, 4, m, 0xff) }

// CallGo leaves for the call of a helper by whoever entered the code, and goes on behind it.
func (g *Guest) CallGo(insn uint32, behind Label) {
	g.SavePins()
	g.reason(LeaveCall, insn)
	g.address(R10, behind)
	g.Return()
	g.Bind(behind)
}

// CallNative calls machine code at addr that keeps the System V convention, alignment of the stack aside.
// Slots must not be in registers that the convention does not preserve.
func (g *Guest) CallNative(addr uint64, trusted bool) {
	if !trusted {
		g.StoreMem(64, R9, g.state(g.L.Regs+8*10))
	}
	g.MovImm(R11, addr)
	g.rr(false, 2, R11, 0xff)
	if !trusted {
		g.LoadMem(64, false, R9, g.state(g.L.Regs+8*10))
	}
}

// StoreResume makes the address in R11 the one to go on at.
func (g *Guest) StoreResume() { g.StoreMem(64, R11, g.state(g.L.Resume)) }

// address puts the address of a label into a register.
func (g *Guest) address(r Reg, l Label) {
	g.byte(0x48|byte(r>>3)<<2, 0x8d, byte(r&7)<<3|5)
	g.imm32(int32(g.labels[l] - (len(g.buf) + 4)))
}

// Spend takes n off the fuel and, if it is negative then, goes to out.
func (g *Guest) Spend(n int32, out Label) {
	g.slotImm(grpSub, Fuel, n)
	g.jcc(ccSign, out)
}

// Count takes n off the fuel.
func (g *Guest) Count(n int32) { g.slotImm(grpSub, Fuel, n) }

// stackGuard is where a goroutine's descriptor has the limit of its stack, which Go's scheduler makes very
// large, that is negative, when it wants the goroutine to pause (the first check of every Go function).
const stackGuard = 16

// PacketAddr loads one of the addresses at Layout.Host.
func (g *Guest) PacketAddr(r Reg, n int) { g.LoadMem(64, false, r, g.state(g.L.Host+8*int32(n))) }

// Poll goes to out if the scheduler wants the goroutine.
func (g *Guest) Poll(out Label) {
	r := g.inSlot(G, tmp0)
	g.rm(true, false, 7, at(r, stackGuard), 0x83)
	g.byte(0)
	g.jcc(ccLess, out)
}

// TakeBudget takes one off the budget of may_goto and jumps to l if it was used up.
func (g *Guest) TakeBudget(l Label) {
	g.stateImm(grpSub, g.L.Budget, 1)
	g.jcc(ccSign, l)
}

// NextPacket makes the next packet of a batch the current one, or goes to end.
func (g *Guest) NextPacket(end Label) {
	n := g.inSlot(Next, tmp1)
	g.slot(true, n, End, 0x3b)
	g.jcc(ccEqual, end)
	for i, s := range []Slot{Packet, Length} {
		r := tmp0
		if g.Pinned[s] {
			r = g.Pin[s]
		}
		g.Load(64, false, r, n, int32(8*i))
		if !g.Pinned[s] {
			g.StoreMem(64, r, g.state(g.L.Slots[s]))
		}
	}
	g.slotImm(grpAdd, Next, SliceSize)
}

// PutLength puts the length on the wire of the packet that NextPacket has chosen at some places of the context.
// It changes RAX.
func (g *Guest) PutLength(places []int32) {
	g.LoadMem(64, false, tmp1, g.state(g.L.LengthAt))
	g.Load(32, false, RAX, tmp1, 0)
	for _, off := range places {
		g.StoreMem(32, RAX, g.InContext(off))
	}
	g.rm(true, false, tmp1, g.state(g.L.LengthStep), 0x03)
	g.StoreMem(64, tmp1, g.state(g.L.LengthAt))
}

// PutResult stores R0 as the current packet's result.
func (g *Guest) PutResult() {
	g.Store(32, RAX, g.inSlot(Out, tmp1), 0)
	g.slotImm(grpAdd, Out, 4)
}
