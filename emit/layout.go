// Implements the layout of code: what is left out, how long jumps are, and the slots that come of it.

package emit

import (
	"math"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// layout is code on its way to a program.
type layout struct {
	c      *Code
	target []int32 // item that each jump leads to
	size   []int32 // slots of each item; 0 for what is left out
	at     []int32 // slot of each item
}

// maxChain bounds how many jumps that lead to jumps are followed, since they may go round in a circle.
const maxChain = 64

// reach finds where jumps lead, and which items something leads to; the others get no room.
func (l *layout) reach() {
	items := l.c.items
	for i := range items {
		if items[i].kind != goes && items[i].kind != jumps {
			continue
		}
		to := l.c.labels[items[i].to]
		for n := 0; n < maxChain && int(to) < len(items) && items[to].kind == goes; n++ {
			to = l.c.labels[items[to].to]
		}
		l.target[i] = to
	}
	todo := []int32{0}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for ; int(i) < len(items) && l.size[i] == 0; i++ {
			l.size[i] = 1
			if items[i].wide {
				l.size[i] = 2
			}
			if k := items[i].kind; k == goes || k == jumps {
				todo = append(todo, l.target[i])
			}
			if items[i].kind == goes || items[i].kind == exits {
				break
			}
		}
	}
}

// place gives items their slots. Jumps that are too far for 16 bits grow until all fit.
func (l *layout) place() {
	for {
		at := int32(0)
		for i, n := range l.size {
			l.at[i] = at
			at += n
		}
		l.at[len(l.size)] = at
		again := false
		for i := range l.c.items {
			it := &l.c.items[i]
			if l.size[i] == 0 {
				continue
			}
			switch off := l.at[l.target[i]] - l.at[i] - 1; {
			case it.kind == goes && off == 0:
				l.size[i], again = 0, true // to what follows
			case it.kind == jumps && l.size[i] == 1 && int32(int16(off)) != off:
				l.size[i], again = 3, true
			}
		}
		if !again {
			return
		}
	}
}

func (l *layout) program() (*spec.Program, error) {
	c := l.c
	p := &spec.Program{Name: c.name, Insns: make([]isa.Instruction, 0, l.at[len(c.items)])}
	add := func(in isa.Instruction) { p.Insns = append(p.Insns, in) }
	for i := range c.items {
		it := &c.items[i]
		if l.size[i] == 0 {
			continue
		}
		slot := len(p.Insns)
		off := l.at[l.target[i]] - l.at[i] - 1
		switch {
		case it.kind == goes:
			add(jumpBy(off))
		case it.kind == jumps && l.size[i] == 3:
			in := it.ins
			in.Off = 1
			add(in)
			add(jumpBy(1))
			add(jumpBy(off - 2))
		case it.kind == jumps:
			in := it.ins
			in.Off = int16(off)
			add(in)
		case it.kind == address:
			p.Maps = append(p.Maps, spec.MapRef{Insn: slot, Map: DataMap, Value: true, Offset: uint32(it.second)})
			add(it.ins)
			add(isa.Instruction{})
		case it.kind == mapped:
			r := c.refs[it.second]
			p.Maps = append(p.Maps, spec.MapRef{Insn: slot, Map: r.name, Value: r.value, Offset: r.off})
			add(it.ins)
			add(isa.Instruction{})
		case it.wide:
			add(it.ins)
			add(isa.Instruction{Imm: it.second})
		default:
			add(it.ins)
		}
	}
	return p, nil
}

// jumpBy returns a jump over off slots.
func jumpBy(off int32) isa.Instruction {
	if off >= math.MinInt16 && off <= math.MaxInt16 {
		return isa.Goto.Make(0, 0, int16(off), 0)
	}
	return isa.GotoLong.Make(0, 0, 0, off)
}
