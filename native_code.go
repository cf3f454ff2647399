// Implements showing the machine code that a program runs by.

package skep

import (
	"fmt"

	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/ir"
)

// NativeCode is the machine code of a program, for people to look at. It is a copy: addresses in it are those that the
// program runs with.
type NativeCode struct {
	Code    []byte
	Slots   []int // slot of each BPF instruction
	Offsets []int // where its code begins, bytes
	Funcs   []NativeFunc
	Checked bool // the code checks accesses and counts instructions
}

// NativeFunc is a function in NativeCode. What stands between End and the next function's Start belongs to all.
type NativeFunc struct {
	First, Last            int // numbers of its first BPF instruction, and of the one behind its last
	Start, Body, Tail, End int // offsets: of what comes ahead of the first instruction, of that, of what comes behind the last, and behind that
}

// NativeCode returns the program's machine code. The error wraps ErrNotSupported if it is interpreted.
func (prog *Program) NativeCode() (*NativeCode, error) {
	if prog.engine != EngineJIT {
		return nil, fmt.Errorf("%w: the program has no machine code: %s", ErrNotSupported, prog.engineWhy)
	}
	g, err := interp.MachineCode(prog.compiled.ir, prog.compiled.opts)
	if err != nil {
		return nil, err
	}
	n := g.Native()
	out := &NativeCode{Code: n.Code, Offsets: n.Insns, Checked: !prog.trusted}
	for _, s := range prog.ir.Slots {
		out.Slots = append(out.Slots, int(s))
	}
	for i, f := range n.Funcs {
		out.Funcs = append(out.Funcs, NativeFunc{int(prog.ir.Funcs[i].Entry), int(prog.ir.Funcs[i].End), f.Start, f.Body, f.Tail, f.End})
	}
	return out, nil
}

// compiled is what machine code was made of.
type compiled struct {
	ir   *ir.Program
	opts interp.Options
}
