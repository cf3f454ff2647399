// Implements compiling a program for a machine of package interp: what the code is like, and its plan of registers.

package jit

import (
	"fmt"
	"math"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// stackSize is the size of a stack frame in bytes.
const stackSize = 512

// GuestOptions is what a program is compiled with.
type GuestOptions struct {
	Layout *amd64.Layout
	OpSize int32 // what the count grows by for an instruction
	Frames int32 // how many stack frames there are

	// Trusted code checks nothing: its addresses are those of the host.
	Trusted bool
	// Pure code, which is trusted, is a Go function of two words, R1 and R2, and needs no machine: a Leaf that
	// returns the result and 0 or, when the scheduler wants the goroutine, anything and 1, without a way to go on. It is
	// for programs without stack, calls and packet access that do not name R8.
	Pure bool
	// Metered code counts instructions. Other code pauses when the scheduler wants it to.
	Metered bool
	// Batch code runs the program once for each packet of a batch. It is for programs that have no loops and
	// see nothing of the packet but what ld_abs and ld_ind read and, in the context, its length.
	Batch   bool
	Clear   int     // words of the stack, from the top, that are cleared for each packet of a batch
	Lengths []int32 // bytes of the context at which batch code puts each packet's length on the wire

	Zero         ir.Regs // registers that are zero at the start
	Context      uint32  // what R1 is at the start; 0: what the machine says
	ContextSize  int32   // 0: R1 is not the address of a context, or nobody knows its size
	DataWritable bool

	// Native returns the address of the native helper that an isa.Call instruction calls, or 0; nil: there are
	// none. With Tidy, R1 to R5 are zero after such calls, since the program may look.
	Native func(ir.Index) uint64
	Tidy   bool
	// Facts is what has been proved; nil: nothing.
	Facts *ir.Facts
	// Map returns where the map lies that the wide load at an instruction loads, or nil if what is done with it is to be
	// calls. MapCall tells what a call does with the map that R1 stands for. Either may be nil.
	Map     func(load ir.Index) *Map
	MapCall func(call ir.Index) MapCall
	// Moves tells of a call that pointers to the packet are void behind it; nil: of none.
	Moves func(ir.Index) bool
	// GoCalls tells that whoever enters the code can call helpers.
	GoCalls bool
}

// Guest is code that runs inside a machine.
//
// It is entered at Start, or with the machine's registers and the address to go on at in the machine at
// Resume. It returns with the reason in R11; see amd64.LeaveStep. All state is in the machine then, unless the
// reason is LeaveDone or LeaveCall, so the caller can do as it likes in between.
//
// The code adds the length of a piece to the count when it leaves the piece by itself. A piece is a basic
// block or, if it has local calls, what lies between them. When the caller takes over inside a piece, nothing
// of it has been added yet, except with LeaveYield; when it goes on inside one, the code will add the whole
// of it.
type Guest struct {
	Code []byte
	// Leaf is where the code can be entered as a Go function of its machine that returns two values, the
	// result and the reason, or -1: in the registers of Go's own convention, AX, and AX and BX. The code then
	// keeps R14 and the frame pointer, as that asks for.
	Leaf   int
	Start  int
	Resume int
	Back   int        // where a function that a helper calls goes on that has ended: the code returns as at the program's end
	Entry  []uint32   // offset at which each instruction starts
	First  []ir.Index // first instruction of each instruction's piece
	Behind []uint32   // offset behind each local call, 0 for other instructions
	Saved  []ir.Regs  // of each function, those of R6 to R9 that it saves
	Funcs  []NativeFunc
	Plan   amd64.Guest
}

// Native returns the code in the form of stand-alone code, for listings. What lies behind the program counts
// as its last function's tail.
func (g *Guest) Native() *Native {
	n := &Native{Code: g.Code, Insns: make([]int, len(g.Entry)), Funcs: append([]NativeFunc(nil), g.Funcs...)}
	for i, off := range g.Entry {
		n.Insns[i] = int(off)
	}
	n.Funcs[len(n.Funcs)-1].End = len(g.Code)
	return n
}

// noInsn stands for the local call that goes on at the machine's resume address.
const noInsn = math.MaxUint32 >> 2

// NoInsn is the number of the instruction that LeaveStep gives for a local call that finds no frame left. The
// call is the one before the machine's resume address, and has been counted.
const NoInsn = noInsn

// CompileGuest compiles p for x86-64.
func CompileGuest(p *ir.Program, o GuestOptions) (*Guest, error) {
	n := len(p.Ins)
	g := guest{
		o: o, calls: findCalls(p), late: map[amd64.Label]bool{},
		out: &Guest{Entry: make([]uint32, n), First: make([]ir.Index, n), Behind: make([]uint32, n), Saved: make([]ir.Regs, len(p.Funcs)), Funcs: make([]NativeFunc, len(p.Funcs))},
	}
	if o.Trusted && g.calls.depth > int(o.Frames) {
		return nil, fmt.Errorf("%w: trusted code that may call itself or enter more than %d functions", ErrNotSupported, o.Frames)
	}
	g.asm = amd64.Guest{Code: amd64.NewCode(int(numLabels) + 6*n + len(p.Blocks) + 2*len(p.Funcs)), L: o.Layout, Map: &amd64.SandboxMap}
	if o.Trusted {
		g.asm.Map = &amd64.Map
	}
	g.compiler = compiler{p: p, regs: g.asm.Map, code: g.asm.Code}
	r1 := ir.Unknown
	if o.ContextSize > 0 {
		r1 = ir.InContext
	}
	g.places = p.Places(r1)
	for i := range p.Ins {
		op := p.Ins[i].Op
		g.moving = g.moving || o.Moves != nil && (op == isa.CallReg || op == isa.Call && o.Moves(ir.Index(i)))
	}
	g.reach, g.live = findReach(p, g.moves), p.Live()
	g.survey()
	if o.Pure && !g.leaf {
		return nil, fmt.Errorf("%w: pure code for a program with a stack frame, calls, packet access or R8", ErrNotSupported)
	}
	err := g.settle(g.write)
	if err == nil && o.Pure && g.used[labelSave] {
		err = fmt.Errorf("%w: pure code that leaves an instruction to others", ErrNotSupported)
	}
	g.out.Code, g.out.Plan = g.code.Bytes(), g.asm
	return g.out, err
}

// calls is what is known about the local calls of a program.
type calls struct {
	called []bool // whether each function is called
	depth  int    // greatest number of stack frames in use; too many for programs that call themselves or very deep
	// callbacks tells that helpers may call functions, at any depth.
	callbacks bool
}

// maxCallDepth is how deep calls are followed: deeper than any machine has stack frames.
const maxCallDepth = 64

func findCalls(p *ir.Program) calls {
	c := calls{called: make([]bool, len(p.Funcs))}
	callees := make([][]int, len(p.Funcs))
	for i := range p.Ins {
		if op := p.Ins[i].Op; op == isa.CallLocal || op == isa.LdFunc {
			from, to := p.FuncAt(ir.Index(i)), p.FuncAt(ir.Index(p.Ins[i].Off))
			c.called[to] = true
			c.callbacks = c.callbacks || op == isa.LdFunc
			callees[from] = append(callees[from], to)
		}
	}
	// Longest paths, at least a step longer each round; a cycle never comes to an end, and beyond some depth
	// nobody asks.
	depth := make([]int, len(p.Funcs))
	depth[0] = 1
	for c.depth = 1; c.depth <= maxCallDepth; {
		again := false
		for from, list := range callees {
			for _, to := range list {
				if depth[from] > 0 && depth[to] < depth[from]+1 {
					depth[to], again = depth[from]+1, true
					c.depth = max(c.depth, depth[to])
				}
			}
		}
		if !again {
			return c
		}
	}
	c.depth = math.MaxInt
	return c
}

// Depth returns the greatest number of stack frames that a program uses at a time, or a very large number if
// it may call itself or calls very deep.
func Depth(p *ir.Program) int { return findCalls(p).depth }

// survey plans the use of registers.
func (g *guest) survey() {
	var named ir.Regs
	var helpers, native, packets, accesses, loops bool
	for i := range g.p.Ins {
		i := ir.Index(i)
		row := g.p.Row(i)
		w := g.p.After(i, 0)
		named |= w | g.p.Reads(i)
		if in := &g.p.Ins[i]; in.Op == isa.CallLocal || isa.Register(in.Dst) == isa.R10 || isa.Register(in.Src) == isa.R10 {
			named |= 1 << isa.R10
		}
		g.out.Saved[g.p.FuncAt(i)] |= w & 0x3c0
		switch {
		case row.Kind == isa.KindCall && row.Op != isa.CallLocal:
			helpers = true
			native = native || g.native(row, i) != 0
		case row.Kind == isa.KindPacket:
			packets = true
		case row.Kind == isa.KindLoad && isa.Register(g.p.Ins[i].Src) != isa.R10,
			row.Kind == isa.KindStore && isa.Register(g.p.Ins[i].Dst) != isa.R10:
			accesses = true
		case row.Kind == isa.KindMayGoto:
			g.budget = loopBudget
		}
	}
	g.heads = make([]bool, len(g.p.Blocks))
	for b := range g.p.Blocks {
		for _, next := range g.p.Blocks[b].Succ {
			if next <= b {
				loops, g.heads[next] = true, true
			}
		}
	}
	if helpers {
		named |= 0x3f
	}
	g.named = named | 1
	if g.calls.callbacks {
		named |= 1 << isa.R10
		g.named = named | 1
	}
	g.leaf = !helpers && (!loops || g.o.Pure) && !(packets && g.o.Pure) && !g.o.Batch && g.calls.depth == 1 && g.budget == 0 && g.named>>isa.R8&1 == 0 &&
		!(g.o.Trusted && g.named>>isa.R10&1 != 0)
	g.pin(helpers, native, packets, accesses, loops)
}

// pin gives slots registers that the program does not name: those first that are used most. RCX and RDX are no
// use, which shifts and divisions need for a moment.
func (g *guest) pin(helpers, native, packets, accesses, loops bool) {
	var free []amd64.Reg
	for r := isa.R9; r >= isa.R1; r-- {
		if r == isa.R3 || r == isa.R4 {
			continue
		}
		if g.named>>r&1 == 0 && (r >= isa.R6 || !helpers) && !(r == isa.R8 && g.leaf) {
			free = append(free, g.asm.Map[r])
		}
	}
	if g.o.Trusted && !native {
		// The register of R10 in the other map.
		free = append(free, amd64.R9)
	}
	give := func(slots ...amd64.Slot) {
		for _, s := range slots {
			if len(free) > 0 {
				g.asm.Pinned[s], g.asm.Pin[s] = true, free[0]
				free = free[1:]
			}
		}
	}
	switch {
	case g.o.Pure:
		g.asm.Pinned[amd64.G], g.asm.Pin[amd64.G] = true, amd64.R14 // Go's convention has it there
		return
	case g.o.Batch:
		give(amd64.Packet, amd64.Length, amd64.Next, amd64.Out, amd64.End, amd64.G)
		return
	case loops && accesses && !g.o.Trusted:
		give(amd64.DataBias)
	}
	switch {
	case loops && g.o.Metered:
		give(amd64.Fuel)
	case loops:
		give(amd64.G)
	}
	if packets {
		give(amd64.Packet, amd64.Length)
	}
}

// frame says what function n does when it is called.
func (g *guest) frame(n int) *amd64.Frame {
	f := &amd64.Frame{Budget: g.budget, Trusted: g.o.Trusted, Shallow: g.o.Trusted || g.calls.depth <= int(g.o.Frames) && !g.calls.callbacks}
	for r := 6; r <= 9; r++ {
		if g.out.Saved[n]>>r&1 != 0 {
			f.Saved = append(f.Saved, r)
		}
	}
	return f
}
