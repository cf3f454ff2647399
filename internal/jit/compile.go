// Implements the walk over a program that says what machine code to write.

package jit

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// ErrNotSupported is what Compile's error wraps for instructions that have no meaning in a stand-alone function.
var ErrNotSupported = errors.New("not supported")

// maxPasses bounds how often code is written until its jumps have settled.
const maxPasses = 64

// loopBudget is how often the may_goto instructions of one function call fall through before they jump (the
// kernel's BPF_MAX_LOOPS).
const loopBudget = 8 << 20

// Native is compiled code.
type Native struct {
	Code  []byte
	Calls []amd64.Call // of helpers, still to be filled in
	Funcs []NativeFunc // in the order of the program's
	Insns []int        // offset at which each decoded instruction starts
}

// NativeFunc says where the parts of a function are.
type NativeFunc struct {
	Start int // of the prologue
	Body  int // of the first instruction
	Tail  int // of the epilogue
	End   int
}

// Compile compiles p for x86-64, in the System V convention: R1 to R5 are the arguments of the first
// function, R0 its result. The code trusts the program.
func Compile(p *ir.Program) (*Native, error) {
	c := compiler{p: p, regs: &amd64.Map, out: &Native{Insns: make([]int, len(p.Ins)), Funcs: make([]NativeFunc, len(p.Funcs))}}
	if err := c.check(); err != nil {
		return nil, err
	}
	// A label for each instruction, and two for each function: its entry and its epilogue.
	c.code = amd64.NewCode(len(p.Ins) + 2*len(p.Funcs))
	err := c.settle(func() {
		for f := range p.Funcs {
			c.function(f)
		}
	})
	c.out.Code, c.out.Calls = c.code.Bytes(), c.code.Calls
	return c.out, err
}

// settle writes the code until its jumps have settled.
func (c *compiler) settle(write func()) error {
	for range maxPasses {
		c.code.Restart()
		if write(); c.code.Settled() {
			return nil
		}
	}
	return errors.New("jumps do not settle")
}

type compiler struct {
	p    *ir.Program
	code *amd64.Code
	regs *[isa.NumRegisters]amd64.Reg
	out  *Native
	fn   int         // function being written
	used []amd64.Reg // that it saves
}

// check refuses what a stand-alone function cannot do.
func (c *compiler) check() error {
	for i := range c.p.Ins {
		row := c.p.Row(ir.Index(i))
		bad := row.Kind == isa.KindPacket || row.Kind == isa.KindCast || row.Kind == isa.KindExtension ||
			row.Kind == isa.KindLoadImm && row.Op != isa.LdImm64 || row.Op == isa.CallKfunc || row.Op == isa.CallReg
		if bad {
			return fmt.Errorf("%w: instruction %d: %s in a stand-alone function", ErrNotSupported, c.p.Slots[i], row.Op)
		}
	}
	return nil
}

// function writes one function.
func (c *compiler) function(n int) {
	f, out := c.p.Funcs[n], &c.out.Funcs[n]
	c.fn = n
	budget := c.survey(f)
	out.Start = c.code.Len()
	c.code.Bind(c.entry(n))
	c.code.Prologue(c.used, budget)
	out.Body = c.code.Len()
	for i := f.Entry; i < f.End; i++ {
		c.code.Bind(amd64.Label(i))
		c.out.Insns[i] = c.code.Len()
		c.instruction(i)
	}
	out.Tail = c.code.Len()
	c.code.Bind(c.exit())
	c.code.Epilogue(c.used)
	out.End = c.code.Len()
}

// The labels behind those of the instructions.
func (c *compiler) entry(fn int) amd64.Label { return amd64.Label(len(c.p.Ins) + fn) }
func (c *compiler) exit() amd64.Label        { return amd64.Label(len(c.p.Ins) + len(c.p.Funcs) + c.fn) }

// survey finds which callee-saved registers a function writes, and whether it needs a budget for may_goto.
func (c *compiler) survey(f ir.Func) (budget int32) {
	c.used = c.used[:0]
	var writes ir.Regs
	for i := f.Entry; i < f.End; i++ {
		writes |= c.p.After(i, 0)
		if c.p.Row(i).Kind == isa.KindMayGoto {
			budget = loopBudget
		}
	}
	for r := isa.R6; r <= isa.R9; r++ {
		if writes>>r&1 != 0 {
			c.used = append(c.used, amd64.Map[r])
		}
	}
	return budget
}

// instruction writes one instruction.
func (c *compiler) instruction(i ir.Index) {
	in, row := &c.p.Ins[i], c.p.Row(i)
	dst, src := c.regs[in.Dst], c.regs[in.Src]
	target := amd64.Label(in.Off)
	switch row.Kind {
	case isa.KindALU:
		c.arithmetic(row, in, dst, src)
	case isa.KindJump:
		c.jump(row, in, dst, src)
	case isa.KindGoto:
		if in.Off != int32(i)+1 {
			c.code.Jump(target)
		}
	case isa.KindMayGoto:
		c.code.TakeBudget(target)
	case isa.KindLoad, isa.KindLoadAcq: // every load of the machine acquires, every store releases
		c.code.Load(row.Size, row.Signed, dst, src, in.Off)
	case isa.KindStore, isa.KindStoreRel:
		if row.From == isa.FromReg {
			c.code.Store(row.Size, src, dst, in.Off)
		} else {
			c.code.StoreImm(row.Size, int32(in.Imm), dst, in.Off)
		}
	case isa.KindAtomic:
		c.code.Atomic(row.Fn, row.Size, row.Fetch, src, dst, in.Off)
	case isa.KindLoadImm:
		c.code.MovImm(dst, in.Imm)
	case isa.KindCall:
		if row.Op == isa.CallLocal {
			c.code.CallLabel(c.entry(c.p.FuncAt(ir.Index(in.Off))))
			return
		}
		name, _ := helper.Name(int32(in.Imm))
		c.code.CallHelper(int32(in.Imm), name)
	case isa.KindExit:
		if i+1 != c.p.Funcs[c.fn].End {
			c.code.Jump(c.exit())
		}
	}
}

// jump writes a KindJump instruction.
func (c *compiler) jump(row *isa.Row, in *ir.Ins, dst, src amd64.Reg) {
	if row.From == isa.FromReg {
		c.code.JumpIf(row.Fn, row.Width == 64, dst, src, amd64.Label(in.Off))
	} else {
		c.code.JumpIfImm(row.Fn, row.Width == 64, dst, int32(in.Imm), amd64.Label(in.Off))
	}
}

// arithmetic writes a KindALU instruction.
func (c *compiler) arithmetic(row *isa.Row, in *ir.Ins, dst, src amd64.Reg) {
	wide := row.Width == 64
	switch {
	case row.Fn == isa.FnMov && row.From == isa.FromReg:
		if !wide || dst != src {
			c.code.Mov(wide, dst, src)
		}
	case row.Fn == isa.FnMov && wide:
		c.code.MovImm(dst, in.Imm)
	case row.Fn == isa.FnMov:
		c.code.MovImm(dst, uint64(uint32(in.Imm)))
	case row.Fn == isa.FnMovSX:
		c.code.MovSX(wide, row.Size, dst, src)
	case row.Fn == isa.FnNeg:
		c.code.Neg(wide, dst)
	case row.Fn == isa.FnLE:
		c.code.ZeroExtend(row.Size, dst)
	case row.Fn == isa.FnBE || row.Fn == isa.FnBSwap:
		c.code.Swap(row.Size, dst)
	case row.From == isa.FromReg:
		c.code.ALU(row.Fn, wide, dst, src)
	default:
		c.code.ALUImm(row.Fn, wide, dst, int32(in.Imm))
	}
}
