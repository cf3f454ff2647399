// Implements what programs want from a kernel by name: its variables and functions.

package skep

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// missingKfunc is the number of the function that stands for those that a program calls only where there is one.
const missingKfunc = firstOwnKfunc - 1

var errMissingKfunc = errors.New("this kernel function is not there")

// missing is the function with that number.
var missing = helper.Helper{ID: missingKfunc, Name: "missing", Kfunc: true, Args: make([]helper.Arg, helper.MaxArgs),
	Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 0, errMissingKfunc }}

// poison is the number that loaders give calls in the place of instructions whose CO-RE relocation has failed. Sound
// programs never get there.
const poison = 195896080

var poisoned = helper.Helper{ID: poison, Name: "failed CO-RE relocation", Args: make([]helper.Arg, helper.MaxArgs),
	Func: func(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return 0, errPoisoned }}

var errPoisoned = errors.New("the kernel's types have nothing like what the program looks for here")

// resolveExterns gives the wide loads of p that name something of the kernel's a plain value, or make them
// refer to a map that holds the variable.
func (prog *Program) resolveExterns(p *spec.Program, helpers *helperSet) error {
	for _, x := range p.Externs {
		if x.Insn < 0 || x.Insn+1 >= len(p.Insns) || isa.Linux.Slots(p.Insns[x.Insn].Code) != 2 {
			return fmt.Errorf("%q is named at instruction %d, which is no wide load", x.Name, x.Insn)
		}
		dst := p.Insns[x.Insn].Dst()
		plain := func(v uint64) {
			p.Insns[x.Insn] = isa.Linux.Row(isa.LdImm64).Make(dst, 0, 0, int32(uint32(v)))
			p.Insns[x.Insn+1] = isa.Instruction{Imm: int32(uint32(v >> 32))}
		}
		switch memory, ok := prog.opts.Externs[x.Name]; {
		case ok:
			n, err := prog.externMap(x.Name, memory)
			if err != nil {
				return err
			}
			p.Insns[x.Insn] = isa.Linux.Row(isa.LdMapValue).Make(dst, 0, 0, int32(n))
			p.Insns[x.Insn+1] = isa.Instruction{}
			p.Maps = append(p.Maps, spec.MapRef{Insn: x.Insn, Map: externPrefix + x.Name, Value: true})
		case isKfunc(helpers, x.Name):
			plain(1) // all that programs may do is look whether it is zero
		case x.Weak:
			plain(0)
		default:
			return fmt.Errorf("%w: instruction %d: the kernel's variable %q is not among those given (Options.Externs)", ErrNotSupported, x.Insn, x.Name)
		}
	}
	return nil
}

func isKfunc(helpers *helperSet, name string) bool {
	_, ok := helpers.kfunc(name)
	return ok
}

// externPrefix keeps the names of variables apart from those of maps.
const externPrefix = "extern "

// externMap returns the number of the map that holds a kernel's variable.
func (prog *Program) externMap(name string, memory []byte) (int, error) {
	if n, ok := prog.world.number[externPrefix+name]; ok {
		return n, nil
	}
	const readOnly = 1 << 7 // BPF_F_RDONLY_PROG
	m, err := bpfmap.New(&spec.Map{Name: name, Type: spec.Array, KeySize: 4, ValueSize: uint32(len(memory)), MaxEntries: 1,
		Flags: readOnly, Contents: []spec.MapEntry{{Key: make([]byte, 4), Value: memory}}}, nil)
	if err != nil {
		return 0, fmt.Errorf("variable %q: %w", name, err)
	}
	return prog.world.add(externPrefix+name, m)
}
