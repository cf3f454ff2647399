// Implements compiling for the interpreter: a copy of the decoded program with what can be known beforehand filled in.

package interp

import (
	"fmt"
	"math/bits"
	"slices"
	"sync"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// ErrNotSupported is what Compile's error wraps for instructions that need something this run does not have.
var ErrNotSupported = jit.ErrNotSupported

// Options is what a program is compiled with.
type Options struct {
	// Entry lists the argument registers, R1 to R5, that a run sets.
	Entry ir.Regs
	// Helper returns the helper with the given number, or nil.
	Helper func(id int32) *helper.Helper
	// Facts is what has been proved about the program. Trusted code needs them to load addresses of packets.
	Facts *ir.Facts
	// World is the maps that there are; nil: none. What wide loads of theirs give is in the program (ir.Program.Resolve).
	World *World
	// Loose lets the program read registers and stack bytes that nothing has written; see mem.Space.Init.
	// Registers are zero then.
	Loose bool
	// Watched has reads of registers that nothing has written be faults all the same.
	Watched bool
	// Native asks for machine code. Compile fails, with an error that wraps ErrNotSupported, where it cannot be had.
	Native bool
	// Trusted asks for machine code that checks and counts nothing.
	Trusted bool
	// PerfMap is the name under which perf is told of machine code; empty: it is not.
	PerfMap string
	// ContextSize is the size of the context that R1 points to, 0 if there is none or it varies; DataWritable whether programs may change the data.
	ContextSize int
	Context     uint32 // what R1 always is, 0 if a run says
	// Lengths are bytes of the context at which a batch puts the length of each packet, for programs that look.
	Lengths []int32

	pure         bool // the code is a Go function without a machine
	batch        bool // the code goes through a batch of packets
	clear        int  // words of the stack that it clears for each
	DataWritable bool
}

// op is one instruction as the run loop reads it.
type op struct {
	code     isa.Op // the row's number, or one of the codes below
	dst, src uint8  // eight times the register's number: its place among them in bytes
	off      int32  // memory offset; for jumps and calls, distance from the next op to the target, in bytes
	imm      uint64
}

// Codes beyond those of the table. The stack forms are loads and stores at a fixed place of the current
// frame, off bytes from its low end.
const (
	opLoadStack8 = isa.Op(isa.NumOps) + iota
	opLoadStack16
	opLoadStack32
	opLoadStack64
	opStoreStack8
	opStoreStack16
	opStoreStack32
	opStoreStack64
	opExtension
)

// Code is a program made ready to run. It does not change and is safe for concurrent use.
type Code struct {
	prog    *ir.Program
	ops     []op // and one more, so that a pointer behind the last stays inside
	helpers []*helper.Helper
	lookup  func(id int32) *helper.Helper
	native  *nativeCode // nil: the run loop runs the program
	world   *World
	// callback tells of instructions whether they are where a function begins that helpers may call; nil if there are none.
	callback []bool
	frames   int     // how many stack frames a run may use
	low      int     // first byte of the stack that a run may touch
	opts     Options // what it was compiled with
	batch    batch
	plainly  struct { // see interpreted
		once sync.Once
		code *Code
	}
	watch bool // some register read may find no value
	plain bool // no instruction names R10 or enters a function: the stack need not be made ready
	entry ir.Regs
	loose bool
}

// Compile makes p ready to run. It fails if p calls a helper that does not exist or loads what cannot be resolved.
func Compile(p *ir.Program, opts Options) (*Code, error) {
	c := &Code{prog: p, ops: make([]op, len(p.Ins)+1), lookup: opts.Helper, entry: opts.Entry, loose: opts.Loose, opts: opts}
	if c.world = opts.World; c.world == nil {
		c.world = &World{}
	}
	c.callback = callbacks(p)
	for i := range p.Ins {
		in := &p.Ins[i]
		c.ops[i] = op{code: in.Op, dst: in.Dst * 8, src: in.Src * 8, off: in.Off, imm: in.Imm}
		if err := c.specialize(&c.ops[i], ir.Index(i), opts); err != nil {
			return nil, fmt.Errorf("instruction %d: %w", p.Slots[i], err)
		}
	}
	c.plain = !slices.ContainsFunc(p.Ins, func(in ir.Ins) bool {
		return in.Op == isa.CallLocal || in.Op == isa.LdFunc || isa.Register(in.Dst) == isa.R10 || isa.Register(in.Src) == isa.R10
	})
	c.pair()
	_, _, c.watch = p.Uninitialized(opts.Entry)
	c.watch = c.watch && (!opts.Loose || opts.Watched)
	c.frames = min(jit.Depth(p), mem.Frames)
	if c.callback != nil {
		c.frames = mem.Frames
	}
	c.low = lowest(p)
	if opts.Native {
		if err := c.goNative(opts); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// callbacks finds the functions whose address the program takes.
func callbacks(p *ir.Program) (at []bool) {
	for i := range p.Ins {
		if p.Ins[i].Op == isa.LdFunc {
			if at == nil {
				at = make([]bool, len(p.Ins))
			}
			at[p.Ins[i].Off] = true
		}
	}
	return at
}

// interpreted returns the code without machine code.
func (c *Code) interpreted() *Code {
	if c.native == nil {
		return c
	}
	c.plainly.once.Do(func() {
		c.plainly.code = &Code{prog: c.prog, ops: c.ops, helpers: c.helpers, lookup: c.lookup, world: c.world, callback: c.callback,
			frames: c.frames, low: c.low, watch: c.watch, plain: c.plain, entry: c.entry, loose: c.loose, opts: c.opts}
	})
	return c.plainly.code
}

// cleanStack makes the stack ready for a run of so many frames. That of trusted code, which lies elsewhere, is cleared
// only if the program may read what it has not written.
func (m *Machine) cleanStack(frames int) {
	c := m.code
	m.Space.Reset(c.unclean(frames), frames)
	if n := c.native; n == nil || !n.trusted || c.opts.Facts == nil || !c.opts.Facts.Unwritten {
		return
	}
	if frames == 1 {
		clear(m.trusted[:mem.FrameSize/8])
		return
	}
	clear(m.trusted[:])
}

// unclean returns the first byte of a stack of so many frames that must be cleared before a run; see cleanStack.
func (c *Code) unclean(frames int) int {
	if c.native != nil && c.native.trusted {
		return frames * mem.FrameSize
	}
	return c.low
}

// lowest returns the first byte of the stack that a program may touch: 0 unless all it does with memory is to
// load and store at fixed places of its frame.
func lowest(p *ir.Program) int {
	low := int32(0)
	for i := range p.Ins {
		in, row := &p.Ins[i], p.Row(ir.Index(i))
		dst, src := isa.Register(in.Dst) == isa.R10, isa.Register(in.Src) == isa.R10
		base := false // whether R10 is the base of an access
		switch row.Kind {
		case isa.KindLoad:
			base, src = src, false
		case isa.KindStore:
			base, dst = dst, false
		case isa.KindAtomic, isa.KindLoadAcq, isa.KindStoreRel, isa.KindCall, isa.KindExtension:
			return 0
		}
		memory := row.Kind == isa.KindLoad || row.Kind == isa.KindStore
		if dst || src || memory && !base {
			return 0
		}
		if memory {
			low = min(low, in.Off)
		}
	}
	return max(0, mem.FrameSize+int(low)) &^ 7
}

// specialize fills in what is known about one instruction.
func (c *Code) specialize(o *op, i ir.Index, opts Options) error {
	row := c.prog.Row(i)
	switch {
	case row.Kind == isa.KindJump || row.Kind == isa.KindGoto || row.Kind == isa.KindMayGoto || row.Op == isa.CallLocal:
		o.off = (o.off - int32(i) - 1) * int32(opSize)
	case row.Op == isa.Call:
		h := opts.Helper(int32(o.imm))
		if h == nil {
			return fmt.Errorf("%w: call of helper %s", ErrNotSupported, helperName(int32(o.imm)))
		}
		o.off = int32(len(c.helpers))
		c.helpers = append(c.helpers, h)
	case row.Op == isa.CallKfunc:
		return fmt.Errorf("%w: call of kernel function %d", ErrNotSupported, int32(o.imm))
	case row.Kind == isa.KindCast:
		return fmt.Errorf("%w: arena address spaces", ErrNotSupported)
	case row.Kind == isa.KindLoadImm:
		o.code = isa.LdImm64
	case row.Kind == isa.KindExtension:
		o.code = opExtension
	case row.Kind == isa.KindLoad && isa.Register(o.src/8) == isa.R10 && !row.Signed:
		c.onStack(o, row, opLoadStack8)
	case row.Kind == isa.KindStore && isa.Register(o.dst/8) == isa.R10 && row.From == isa.FromReg:
		c.onStack(o, row, opStoreStack8)
	}
	return nil
}

// onStack turns a load or store relative to R10 into its stack form, if it stays inside the frame and its
// bytes have their bits in one word.
func (c *Code) onStack(o *op, row *isa.Row, first isa.Op) {
	size := int32(row.Size / 8)
	at := o.off + mem.FrameSize
	if at < 0 || at+size > mem.FrameSize || at%64+size > 64 {
		return
	}
	o.code, o.off = first+isa.Op(bits.TrailingZeros32(uint32(size))), at
}

func helperName(id int32) string {
	if name, ok := helper.Name(id); ok {
		return fmt.Sprintf("%s (%d)", name, id)
	}
	return fmt.Sprint(id)
}
