// Implements the code of automata: small ones are jumps, others tables.

package event

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/internal/automaton"
	"github.com/skepbpf/skep/isa"
)

// automaton runs an automaton over a text, which it drops.
func (g *gen) automaton(t text, a *automaton.Automaton, w ways) {
	prefix, state := a.Prefix()
	if len(prefix) > 0 {
		g.atLeast(t, len(prefix), w.f)
		if g.live {
			g.bytes(t.at, t.off, string(prefix), w.f)
		}
	}
	if state <= automaton.Match || !g.live {
		g.drop(t)
		if state == automaton.Match {
			g.end(w.t, w.fall)
		} else {
			g.end(w.f, w.fall)
		}
		return
	}
	end := g.address(t)
	g.addSize(end, t)
	if !t.fixed {
		g.release(t.size)
	}
	p := g.start(t)
	if len(prefix) > 0 {
		g.op(isa.Add64Imm, p, 0, 0, int32(len(prefix)))
	}
	if s := smallStates(a, state); s != nil {
		g.automatonJumps(p, end, a, s, w)
	} else {
		g.automatonTable(p, end, a, state, w)
	}
	g.release(p, end)
}

// maxTables bounds the tables of a piece of code, bytes.
const maxTables = 32 << 20

// automatonTables returns the class of each byte - those that all states treat alike are one - and a table with the
// state that each state and class lead to, 16 bits each. The rows have room for 1<<shift classes.
func automatonTables(a *automaton.Automaton) (classes, table []byte, shift int) {
	classes = make([]byte, 256)
	number := map[string]int{}
	var columns [][]byte
	for b := range classes {
		column := make([]byte, 0, 2*len(a.Next))
		for _, row := range a.Next {
			column = binary.LittleEndian.AppendUint16(column, row[b])
		}
		n, ok := number[string(column)]
		if !ok {
			n = len(columns)
			number[string(column)] = n
			columns = append(columns, column)
		}
		classes[b] = byte(n)
	}
	shift = bits.Len(uint(len(columns) - 1))
	table = make([]byte, len(a.Next)<<(shift+1))
	for n, column := range columns {
		for s := range a.Next {
			copy(table[s<<(shift+1)+2*n:], column[2*s:2*s+2])
		}
	}
	return classes, table, shift
}

// automatonTable runs an automaton from a state on, by a table.
func (g *gen) automatonTable(p, end reg, a *automaton.Automaton, state int, w ways) {
	classes, table, shift := automatonTables(a)
	if g.tables += len(table) + len(classes); g.tables > maxTables && g.err == nil {
		g.err = &Error{Text: fmt.Sprintf("the patterns need tables of more than %d bytes", maxTables)}
	}
	s, b, t := g.alloc(), g.alloc(), g.alloc()
	g.constant(s, uint64(state))
	over := g.c.Label()
	loop := g.head()
	g.ifReg(emit.Eq, p, end, over)
	g.op(isa.Ldx8, b, p, 0, 0)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.table(t, classes)
	g.op(isa.Add64Reg, b, t, 0, 0)
	g.op(isa.Ldx8, b, b, 0, 0)
	g.op(isa.Lsh64Imm, b, 0, 0, 1)
	g.table(t, table)
	g.op(isa.Add64Reg, b, t, 0, 0)
	g.op(isa.Lsh64Imm, s, 0, 0, int32(shift+1))
	g.op(isa.Add64Reg, s, b, 0, 0)
	g.op(isa.Ldx16, s, s, 0, 0)
	g.constant(b, automaton.Unsure)
	g.back(emit.Gt, s, b, loop)
	if strict := a.Doubt < len(a.Next); strict {
		g.ifConst(emit.Eq, s, automaton.Unsure, g.punt)
	}
	g.choose(emit.Eq, s, automaton.Match, w.t, w.f, none)
	g.bind(over)
	if a.Doubt < len(a.Next) {
		g.ifConst(emit.Ge, s, uint64(a.Doubt), g.punt)
	}
	g.choose(emit.Ge, s, uint64(a.Accept), w.t, w.f, w.fall)
	g.release(s, b, t)
}

func (g *gen) table(r reg, data []byte) {
	if g.live {
		g.c.Table(r, data)
	}
}

// smallState is a state in the form of jumps: where ranges of bytes lead, and all others.
type smallState struct {
	state  int
	ranges []byteRange
	other  uint16
}

type byteRange struct {
	lo, hi byte
	to     uint16
}

// maxJumps bounds the ranges of automata that become jumps: what a processor foretells well.
const maxJumps = 32

// smallStates returns the states from one on, or nil if they are too many.
func smallStates(a *automaton.Automaton, from int) []smallState {
	var out []smallState
	seen := map[int]bool{from: true}
	total := 0
	for todo := []int{from}; len(todo) > 0; todo = todo[1:] {
		s := smallState{state: todo[0]}
		row := &a.Next[s.state]
		count := make([]int, len(a.Next))
		for _, to := range row {
			if count[to]++; count[to] > count[s.other] {
				s.other = to
			}
		}
		for b, to := range row {
			if int(to) > automaton.Unsure && !seen[int(to)] {
				seen[int(to)] = true
				todo = append(todo, int(to))
			}
			if to == s.other {
				continue
			}
			if n := len(s.ranges) - 1; n >= 0 && s.ranges[n].to == to && int(s.ranges[n].hi)+1 == b {
				s.ranges[n].hi++
				continue
			}
			s.ranges = append(s.ranges, byteRange{byte(b), byte(b), to})
		}
		if total += len(s.ranges) + 1; total > maxJumps {
			return nil
		}
		out = append(out, s)
	}
	return out
}

// automatonJumps runs an automaton, each state of which is a place in the code. No register is given away from the first
// to the last.
func (g *gen) automatonJumps(p, end reg, a *automaton.Automaton, states []smallState, w ways) {
	b, spare := g.alloc(), g.alloc()
	labels := map[int]emit.Label{automaton.Dead: w.f, automaton.Match: w.t, automaton.Unsure: g.punt}
	place := map[int]int{}
	for i, s := range states {
		labels[s.state] = g.c.Label()
		place[s.state] = i
	}
	goes := func(from int, to uint16) emit.Label {
		if to <= automaton.Unsure {
			g.leads(labels[int(to)])
		} else if place[int(to)] <= from {
			g.loops = true
		}
		return labels[int(to)]
	}
	for i, s := range states {
		g.c.Bind(labels[s.state])
		over := w.f
		switch {
		case s.state >= a.Doubt:
			over = g.punt
		case s.state >= a.Accept:
			over = w.t
		}
		g.ifReg(emit.Eq, p, end, over)
		g.op(isa.Ldx8, b, p, 0, 0)
		g.op(isa.Add64Imm, p, 0, 0, 1)
		var cases []emit.Case
		for _, r := range s.ranges {
			cases = append(cases, emit.Case{Lo: uint64(r.lo), Hi: uint64(r.hi), To: goes(i, r.to)})
		}
		g.c.Search(b, cases, spare, goes(i, s.other))
	}
	g.live = false
	g.release(b, spare)
}
