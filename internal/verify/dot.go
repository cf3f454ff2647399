// Implements the control-flow graph as DOT text: the blocks with their source, and what is known at the start of each.

package verify

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// graph collects what is known at the start of blocks, over all paths. A nil one collects nothing.
type graph struct {
	at    map[ir.Index]int // block by first instruction
	state [][]reg          // registers at the start of each block, and slots of the stack; nil: no path came there
	mixed [][]bool         // registers that are of different kinds on different paths
	bad   *Error           // why the program was refused
}

func newGraph(p *ir.Program) *graph {
	g := &graph{at: map[ir.Index]int{}, state: make([][]reg, len(p.Blocks)), mixed: make([][]bool, len(p.Blocks))}
	for n, b := range p.Blocks {
		g.at[b.First] = n
	}
	return g
}

// note adds the current state.
func (g *graph) note(v *verifier) {
	if g == nil {
		return
	}
	n, ok := g.at[v.at]
	if !ok {
		return
	}
	regs := known(v.cur.top())
	if g.state[n] == nil {
		g.state[n], g.mixed[n] = regs, make([]bool, len(regs))
		return
	}
	for r := range regs {
		old, now := &g.state[n][r], &regs[r]
		if old.kind != now.kind || old.flags&^scalarFlags != now.flags&^scalarFlags || old.obj != now.obj || old.off != now.off {
			g.mixed[n][r] = true
			continue
		}
		old.Scalar = old.Union(&now.Scalar)
		old.n = min(old.n, now.n)
	}
}

// known returns the registers of a frame, then what is saved in each slot of its stack: NotInit where that is no whole register.
func known(f *frame) []reg {
	out := make([]reg, isa.NumRegisters+maxStack/8)
	copy(out, f.regs[:])
	for i := range f.stack {
		if s := &f.stack[i]; s.bytes[0] == byteSpill && s.bytes[7] == byteSpill {
			out[int(isa.NumRegisters)+i] = s.reg
		}
	}
	return out
}

// write prints the graph. The block where the program was refused is red.
func (g *graph) write(w io.Writer, v *verifier, refused error) error {
	var e *Error
	bad := ir.Slot(-1)
	if errors.As(refused, &e) {
		bad = e.Slot
		g.bad = e
	}
	var out strings.Builder
	fmt.Fprintf(&out, "digraph %q {\n  node [shape=box, fontname=monospace];\n", v.p.Source.Name)
	for n, b := range v.p.Blocks {
		color := ""
		switch {
		case bad >= v.p.Slots[b.First] && bad <= v.p.Slots[b.End-1]:
			color = ", color=red"
		case g.state[n] == nil:
			color = ", color=gray"
		}
		fmt.Fprintf(&out, "  b%d [label=%s%s];\n", n, dotLabel(g.block(v, n)), color)
		for i, s := range b.Succ {
			style := ""
			if i > 0 {
				style = " [label=jump]"
			}
			fmt.Fprintf(&out, "  b%d -> b%d%s;\n", n, s, style)
		}
		for i := b.First; i < b.End; i++ {
			if op := v.p.Ins[i].Op; op == isa.CallLocal || op == isa.LdFunc {
				fmt.Fprintf(&out, "  b%d -> b%d [style=dashed];\n", n, g.at[ir.Index(v.p.Ins[i].Off)])
			}
		}
	}
	out.WriteString("}\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// block is the text of a block: what is known at its start, then the instructions with their source.
func (g *graph) block(v *verifier, n int) []string {
	var lines []string
	live := v.live[v.p.Blocks[n].First]
	for r, x := range g.state[n] {
		slot := r - int(isa.NumRegisters)
		switch {
		case slot >= 0 && (x.kind == NotInit || g.mixed[n][r] || x.IsUnknown() && x.kind == Scalar): // nothing is known of it
		case slot >= 0:
			lines = append(lines, fmt.Sprintf("stack %d: %s", -8*(slot+1), x.inWords(v)))
		case live>>r&1 == 0: // nothing depends on it
		case g.mixed[n][r]:
			lines = append(lines, fmt.Sprintf("R%d: differs from path to path", r))
		case x.kind != NotInit && r != int(isa.R10):
			lines = append(lines, fmt.Sprintf("R%d: %s", r, x.inWords(v)))
		}
	}
	if g.state[n] == nil {
		lines = append(lines, "never reached")
	}
	b := v.p.Blocks[n]
	source := ""
	for i := b.First; i < b.End; i++ {
		if l := v.p.Line(i); l != nil && l.Text != "" && l.Text != source {
			source = l.Text
			lines = append(lines, fmt.Sprintf("; %s:%d %s", l.File, l.Line, strings.TrimSpace(source)))
		}
		lines = append(lines, fmt.Sprintf("%d: %s", v.p.Slots[i], v.text(i)))
		if g.bad != nil && g.bad.Slot == v.p.Slots[i] {
			lines = append(lines, "refused: "+g.bad.Text)
		}
	}
	return lines
}

// dotLabel quotes lines, each left-aligned.
func dotLabel(lines []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", " ")
	var s strings.Builder
	s.WriteByte('"')
	for _, l := range lines {
		s.WriteString(escape.Replace(l) + `\l`)
	}
	s.WriteByte('"')
	return s.String()
}
