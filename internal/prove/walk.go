// Implements the walk over the code: every block in the states that reach it, until nothing new is found.

package prove

import (
	"fmt"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// Error says what could not be shown, and where.
type Error struct {
	Insn int // number of the instruction
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("instruction %d: %s", e.Insn, e.Text) }

// prover is a proof in the making.
type prover struct {
	p       *ir.Program
	refs    func(i ir.Index) *Memory
	objects []object
	known   unknowns
	places  map[slot]int // objects that addresses lead to
	cells   map[slot]sym // unknowns that have a name
	tables  map[ir.Index]int
	live    []ir.Regs // registers that each block reads, before it writes them
	in      []*state
	rounds  []int
}

// maxRounds is how often a block is gone through.
const maxRounds = 40

// Check shows that a program stays inside memory if R1 is the address of arg; R2 is a number. What the wide loads of
// addresses load, refs says. The error is an *Error.
func Check(code *ir.Program, arg *Memory, refs func(load ir.Index) *Memory) error {
	n := len(code.Blocks)
	p := &prover{p: code, refs: refs, places: map[slot]int{}, cells: map[slot]sym{}, tables: map[ir.Index]int{}, in: make([]*state, n), rounds: make([]int, n)}
	if len(code.Funcs) != 1 {
		return &Error{0, "code with functions"}
	}
	p.liveness()
	s := &state{facts: facts{of: &p.known}}
	size := number(int64(arg.Size))
	s.regs[isa.R2] = value{kind: scalar, e: unknown(p.fresh(0, inf))}
	if arg.Length {
		size = unknown(p.fresh(0, maxLength))
		s.regs[isa.R2].e = size
	}
	p.objects = append(p.objects, object{Memory: arg, len: size})
	s.regs[isa.R1] = value{kind: pointer, e: number(0)}
	p.join(0, s)
	return p.run()
}

// fresh returns a new unknown.
func (p *prover) fresh(lo, hi int64) sym {
	p.known.bounds = append(p.known.bounds, bounds{lo, hi})
	return sym(len(p.known.bounds) - 1)
}

// liveness finds which registers each block needs.
func (p *prover) liveness() {
	n := len(p.p.Blocks)
	p.live = make([]ir.Regs, n)
	for again := true; again; {
		again = false
		for b := n - 1; b >= 0; b-- {
			block := &p.p.Blocks[b]
			var live ir.Regs
			for _, next := range block.Succ {
				live |= p.live[next]
			}
			for i := block.End - 1; i >= block.First; i-- {
				live = live&^p.p.After(i, 0) | p.p.Reads(i)
			}
			if live != p.live[b] {
				p.live[b], again = live, true
			}
		}
	}
}

// run goes through the blocks, the earliest first, as long as states change.
func (p *prover) run() error {
	dirty := make([]bool, len(p.in))
	dirty[0] = true
	for b := 0; b < len(dirty); {
		dirty[b] = false
		if p.rounds[b]++; p.rounds[b] > maxRounds {
			return &Error{int(p.p.Blocks[b].First), "what holds in this loop does not settle"}
		}
		if p.known.work > maxInAll {
			return &Error{int(p.p.Blocks[b].First), "the proof is too long"}
		}
		ends, err := p.block(b)
		if err != nil {
			return err
		}
		b++
		for _, end := range ends {
			if p.join(end.block, end.state) {
				dirty[end.block] = true
				b = min(b, end.block)
			}
		}
		for b < len(dirty) && !dirty[b] {
			b++
		}
	}
	return nil
}

// end is a state in which a block goes to another.
type end struct {
	block int
	state *state
}

// block goes through a block. What is not safe in a state that later turns out to be one of several is not safe at all.
func (p *prover) block(n int) ([]end, error) {
	b := &p.p.Blocks[n]
	s := p.in[n].clone()
	for i := b.First; i < b.End; i++ {
		row := p.p.Row(i)
		for r := range isa.R10 {
			if p.p.Reads(i)>>r&1 != 0 && s.regs[r].kind == nothing {
				return nil, &Error{int(i), fmt.Sprintf("R%d may hold anything", r)}
			}
		}
		if row.Kind == isa.KindJump {
			return p.fork(s, i, row, b), nil
		}
		if err := p.step(s, i, row); err != nil {
			return nil, &Error{int(i), err.Error()}
		}
	}
	var out []end
	for _, next := range b.Succ {
		out = append(out, end{next, s})
	}
	return out, nil
}
