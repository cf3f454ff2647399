// Implements the walk that writes sandboxed code: code that checks all it does and leaves the rest to its caller.

package jit

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/isa"
)

// stackSize is the size of a stack frame in bytes.
const stackSize = 512

// Sandboxed is code for programs that nobody has verified.
//
// It is entered at any instruction with the BPF registers in those of amd64.SandboxMap, and leaves by a
// return with R11 saying why: twice the index of an instruction that the caller is to execute itself, or
// twice that of a loop head, plus one, where the count has reached the stop. All state is in the registers
// and in memory that the layout describes, so the caller can do as it likes in between.
//
// The code adds the length of each basic block to the count as it leaves the block by itself. When the
// caller takes over inside a block, nothing of it has been added yet; when it goes on inside one, the code
// will add the whole of it.
type Sandboxed struct {
	Code  []byte
	Entry []uint32   // offset at which each instruction starts
	First []ir.Index // first instruction of each instruction's block
	Ways  int        // offset at which the ways out start, which belong to no instruction
}

// Native returns the code in the form of stand-alone code, for listings. Functions have no prologue, and
// the ways out are the last one's tail.
func (s *Sandboxed) Native(p *ir.Program) *Native {
	n := &Native{Code: s.Code, Insns: make([]int, len(s.Entry)), Funcs: make([]NativeFunc, len(p.Funcs))}
	for i, off := range s.Entry {
		n.Insns[i] = int(off)
	}
	for i, f := range p.Funcs {
		start, end := n.Insns[f.Entry], s.Ways
		if i+1 < len(p.Funcs) {
			end = n.Insns[p.Funcs[i+1].Entry]
		}
		n.Funcs[i] = NativeFunc{Start: start, Body: start, Tail: end, End: end}
	}
	n.Funcs[len(n.Funcs)-1].End = len(s.Code)
	return n
}

// CompileSandboxed compiles p for x86-64. opSize is what the count grows by for an instruction.
func CompileSandboxed(p *ir.Program, layout *amd64.Layout, opSize int32) (*Sandboxed, error) {
	n := len(p.Ins)
	s := sandbox{
		compiler: compiler{p: p, regs: &amd64.SandboxMap, code: amd64.NewCode(2*n + len(p.Blocks))},
		layout:   layout, opSize: opSize,
		out: &Sandboxed{Entry: make([]uint32, n), First: make([]ir.Index, n)},
	}
	err := s.settle(s.write)
	s.out.Code = s.code.Bytes()
	return s.out, err
}

type sandbox struct {
	compiler
	layout *amd64.Layout
	opSize int32
	out    *Sandboxed
	slow   []ir.Index // instructions that have a way out
	heads  []int      // blocks that begin with a look at the count
}

// The labels behind those of the instructions: the ways out of instructions and of loop heads.
func (s *sandbox) slowLabel(i ir.Index) amd64.Label { return amd64.Label(len(s.p.Ins) + int(i)) }
func (s *sandbox) headLabel(b int) amd64.Label      { return amd64.Label(2*len(s.p.Ins) + b) }

func (s *sandbox) write() {
	s.slow, s.heads = s.slow[:0], s.heads[:0]
	isHead := make([]bool, len(s.p.Blocks))
	for b := range s.p.Blocks {
		for _, next := range s.p.Blocks[b].Succ {
			if next <= b {
				isHead[next] = true
			}
		}
	}
	for b := range s.p.Blocks {
		s.block(b, isHead[b])
	}
	s.out.Ways = s.code.Len()
	for _, i := range s.slow {
		s.code.Bind(s.slowLabel(i))
		s.code.Leave(uint32(i) * 2)
	}
	for _, b := range s.heads {
		s.code.Bind(s.headLabel(b))
		s.code.Leave(uint32(s.p.Blocks[b].First)*2 + 1)
	}
}

// block writes a basic block.
func (s *sandbox) block(n int, head bool) {
	b := s.p.Blocks[n]
	for i := b.First; i < b.End; i++ {
		s.code.Bind(amd64.Label(i))
		s.out.Entry[i], s.out.First[i] = uint32(s.code.Len()), b.First
		if head && i == b.First {
			s.heads = append(s.heads, n)
			s.code.LeaveIfStopped(s.layout, s.headLabel(n))
		}
		kind := s.p.Row(i).Kind
		if last := i+1 == b.End; last && (kind == isa.KindJump || kind == isa.KindGoto) {
			s.code.Count(s.layout, int32(b.End-b.First)*s.opSize)
			s.instruction(i)
		} else {
			s.instruction(i)
			if last && kind != isa.KindExit && kind != isa.KindMayGoto {
				s.code.Count(s.layout, int32(b.End-b.First)*s.opSize)
			}
		}
	}
}

// instruction writes one instruction, or leaves it to the caller.
func (s *sandbox) instruction(i ir.Index) {
	in, row := &s.p.Ins[i], s.p.Row(i)
	dst, src := s.regs[in.Dst], s.regs[in.Src]
	switch row.Kind {
	case isa.KindALU:
		s.arithmetic(row, in, dst, src)
	case isa.KindJump:
		s.jump(row, in, dst, src)
	case isa.KindGoto:
		s.code.Jump(amd64.Label(in.Off))
	case isa.KindLoad:
		base, off := s.address(i, in.Src, false, row.Size, in.Off)
		s.code.Load(row.Size, row.Signed, dst, base, off)
	case isa.KindStore:
		base, off := s.address(i, in.Dst, true, row.Size, in.Off)
		if row.From == isa.FromReg {
			s.code.Store(row.Size, src, base, off)
		} else {
			s.code.StoreImm(row.Size, int32(in.Imm), base, off)
		}
	case isa.KindPacket:
		var index *amd64.Reg
		if row.From == isa.FromReg {
			index = &src
		}
		s.code.Packet(s.layout, row.Size, int32(in.Imm), index, s.regs[isa.R6], s.way(i))
	default:
		if row.Op == isa.LdImm64 {
			s.code.MovImm(dst, in.Imm)
			return
		}
		s.code.Leave(uint32(i) * 2)
	}
}

// way returns the label of an instruction's way out.
func (s *sandbox) way(i ir.Index) amd64.Label {
	s.slow = append(s.slow, i)
	return s.slowLabel(i)
}

// address makes the memory of an access reachable and returns base and offset: directly for fixed places of
// the stack frame, else after a check.
func (s *sandbox) address(i ir.Index, reg uint8, write bool, size uint8, off int32) (amd64.Reg, int32) {
	if at := off + stackSize; isa.Register(reg) == isa.R10 && at >= 0 && at+int32(size/8) <= stackSize {
		s.code.FrameBase(s.layout)
		return amd64.HostBase, at
	}
	s.code.Guest(s.layout, write, size, s.regs[reg], off, s.way(i))
	return amd64.HostBase, amd64.HostOff(size)
}
