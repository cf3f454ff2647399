// Implements the decoded program.

package ir

import (
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Index numbers decoded instructions. A wide instruction has one Index and several slots.
type Index int32

// Slot numbers eight-byte slots, as messages, jump offsets and spec references do.
type Slot int32

// Ins is one decoded instruction.
type Ins struct {
	Op       isa.Op // row of the program's instruction set
	Dst, Src uint8  // register numbers, 0 to 10
	// Off is the memory offset of loads and stores; of control flow, the Index jumped to or called; of a
	// kernel function call, the module index; of an extension instruction, its slot.
	Off int32
	// Imm is the immediate, sign-extended to 64 bits; of a wide load, both immediates joined.
	Imm uint64
}

// Program is a decoded program. It does not change and is safe for concurrent use.
type Program struct {
	Source *spec.Program
	Set    *isa.Set
	Ins    []Ins
	Slots  []Slot  // slot at which each instruction starts
	Funcs  []Func  // by entry; the first is the main function
	Blocks []Block // by first instruction
}

// Func is a function: the main program or what a local call or function address refers to.
type Func struct {
	Entry, End Index // instructions Entry to End-1
}

// Block is a basic block: instructions First to End-1, entered only at First and left only after End-1.
type Block struct {
	First, End Index
	Func       int   // number in Program.Funcs
	Succ       []int // numbers in Program.Blocks; calls do not end blocks
}

// Row returns the table row of instruction i.
func (p *Program) Row(i Index) *isa.Row { return p.Set.Row(p.Ins[i].Op) }

// Line returns the source line that instruction i came from, or nil if there is none.
func (p *Program) Line(i Index) *spec.Line {
	slot := int(p.Slots[i])
	var best *spec.Line
	for n := range p.Source.Lines {
		if l := &p.Source.Lines[n]; l.Insn <= slot && (best == nil || l.Insn >= best.Insn) {
			best = l
		}
	}
	return best
}

// FuncAt returns the number of the function that holds instruction i.
func (p *Program) FuncAt(i Index) int {
	lo, hi := 0, len(p.Funcs)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		if p.Funcs[mid].Entry <= i {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}
