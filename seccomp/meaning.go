// Implements the meaning of filters as decision diagrams: their code is run on all calls at once.

package seccomp

import (
	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/internal/diagram"
	"github.com/skepbpf/skep/isa"
)

// state is what a filter's machine holds, at an instruction that is still to run. Words are places in machine.words.
type state struct {
	pc  int
	reg [2 + classic.MemoryWords]uint32 // A, X, M[0] and so on
}

// maxStates is how many different states a filter may be in before it is too complex to be understood.
const maxStates = 1 << 17

// machine runs filters on all inputs at once.
type machine struct {
	*model
	prog  []bpf.RawInstruction
	live  []uint32 // which of state.reg are still read from an instruction on
	done  map[state]diagram.Node
	words []diagram.Word // words[0] is 0
	ids   map[diagram.Word]uint32
}

// filter returns the function of a filter, which must have passed classic.CheckSeccomp. It panics with
// diagram.ErrTooLarge, for which there is Guard.
func (m *model) filter(prog []bpf.RawInstruction) diagram.Node {
	vm := &machine{model: m, prog: prog, live: liveness(prog), done: map[state]diagram.Node{}, ids: map[diagram.Word]uint32{}}
	vm.id(diagram.Number(0))
	return vm.run(state{})
}

// id returns the place of a word in vm.words.
func (vm *machine) id(w diagram.Word) uint32 {
	n, ok := vm.ids[w]
	if !ok {
		n = uint32(len(vm.words))
		vm.words, vm.ids[w] = append(vm.words, w), n
	}
	return n
}

// run returns what the filter answers from a state on.
func (vm *machine) run(s state) diagram.Node {
	for i := range s.reg {
		if vm.live[s.pc]&(1<<i) == 0 {
			s.reg[i] = 0
		}
	}
	if n, ok := vm.done[s]; ok {
		return n
	}
	if len(vm.done) >= maxStates {
		panic(diagram.ErrTooLarge)
	}
	n := vm.step(s)
	vm.done[s] = n
	return n
}

// step does an instruction and all that follow.
func (vm *machine) step(s state) diagram.Node {
	in := vm.prog[s.pc]
	row := classic.Lookup(in.Op)
	s.pc++
	r := &s.reg[row.Reg]
	switch row.Kind {
	case classic.KindReturn:
		if row.From == isa.FromImm {
			return vm.Constant(uint64(in.K))
		}
		return vm.number(vm.words[s.reg[0]])
	case classic.KindGoto:
		s.pc += int(in.K)
	case classic.KindJump:
		yes, no := s, s
		yes.pc, no.pc = s.pc+int(in.Jt), s.pc+int(in.Jf)
		switch c := vm.compare(row.Fn, vm.words[s.reg[0]], vm.operand(row, &s, in.K)); c {
		case diagram.True:
			return vm.run(yes)
		case diagram.False:
			return vm.run(no)
		default:
			return vm.Choose(c, vm.run(yes), vm.run(no))
		}
	case classic.KindLoadPacket:
		*r = vm.id(vm.variables[wordAt(in.K, vm.bigEndian)])
	case classic.KindLoadImm:
		*r = vm.id(diagram.Number(in.K))
	case classic.KindLoadLen:
		*r = vm.id(diagram.Number(classic.SeccompDataSize))
	case classic.KindLoadMem:
		*r = s.reg[2+in.K]
	case classic.KindStore:
		s.reg[2+in.K] = *r
	case classic.KindMove:
		*r = s.reg[row.Reg^1]
	case classic.KindALU:
		operand := vm.operand(row, &s, in.K)
		*r = vm.id(vm.compute(row.Fn, vm.words[*r], operand))
		if row.From == isa.FromReg && (row.Fn == isa.FnDiv || row.Fn == isa.FnMod) {
			ends := vm.Eq(operand, diagram.Number(0)) // by zero: the answer is 0
			return vm.Choose(ends, vm.Constant(0), vm.run(s))
		}
	}
	return vm.run(s)
}

func (vm *machine) operand(row *classic.Row, s *state, k uint32) diagram.Word {
	if row.From == isa.FromReg {
		return vm.words[s.reg[1]]
	}
	return diagram.Number(k)
}

// number turns a word into a function whose values are the word's.
func (vm *machine) number(w diagram.Word) diagram.Node {
	n := vm.Constant(0)
	for b, bit := range w {
		n = vm.Combine(n, bit, func(sum, on uint64) uint64 { return sum | on<<b })
	}
	return n
}

func (vm *machine) compare(fn isa.Fn, a, b diagram.Word) diagram.Node {
	switch fn {
	case isa.FnEq:
		return vm.Eq(a, b)
	case isa.FnGt:
		return vm.Gt(a, b)
	case isa.FnGe:
		return vm.Ge(a, b)
	case isa.FnSet:
		return vm.Set(a, b)
	}
	panic("seccomp: comparison without a meaning")
}

func (vm *machine) compute(fn isa.Fn, a, b diagram.Word) diagram.Word {
	switch fn {
	case isa.FnAdd:
		return vm.Add(a, b, diagram.False)
	case isa.FnSub:
		return vm.Sub(a, b)
	case isa.FnNeg:
		return vm.Sub(diagram.Number(0), a)
	case isa.FnMul:
		return vm.Mul(a, b)
	case isa.FnDiv:
		q, _ := vm.Div(a, b)
		return q
	case isa.FnMod:
		_, r := vm.Div(a, b)
		return r
	case isa.FnOr:
		return vm.OrWord(a, b)
	case isa.FnAnd:
		return vm.AndWord(a, b)
	case isa.FnXor:
		return vm.XorWord(a, b)
	case isa.FnLsh:
		return vm.Shl(a, b)
	case isa.FnRsh:
		return vm.Shr(a, b)
	}
	panic("seccomp: operation without a meaning")
}

// liveness returns for each instruction what of A, X and M is read from there on before it is written.
func liveness(prog []bpf.RawInstruction) []uint32 {
	live := make([]uint32, len(prog)+1)
	for i := len(prog) - 1; i >= 0; i-- {
		in := prog[i]
		row := classic.Lookup(in.Op)
		after := live[i+1]
		reg := uint32(1) << row.Reg // A is 1, X is 2
		x := uint32(0)
		if row.From == isa.FromReg {
			x = 2
		}
		switch row.Kind {
		case classic.KindReturn:
			after = 0
			if row.From != isa.FromImm {
				after = 1
			}
		case classic.KindGoto:
			after = live[i+1+int(in.K)]
		case classic.KindJump:
			after = live[i+1+int(in.Jt)] | live[i+1+int(in.Jf)] | 1 | x
		case classic.KindLoadPacket, classic.KindLoadImm, classic.KindLoadLen:
			after &^= reg
		case classic.KindLoadMem:
			after = after&^reg | 4<<in.K
		case classic.KindStore:
			after = after&^(4<<in.K) | reg
		case classic.KindMove:
			after = after&^reg | (reg ^ 3)
		case classic.KindALU:
			after |= 1 | x
		}
		live[i] = after
	}
	return live
}
