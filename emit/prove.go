// Implements proofs that code stays inside the memory that it is given.

package emit

import (
	"fmt"
	"slices"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/prove"
)

// Memory describes memory that code is given the address of: its size, whether the second argument is its size instead,
// whether code may write to it, and where in it addresses are of other memory. What code may not write does not change while
// it runs.
type Memory = prove.Memory

// Pointer is an address in memory.
type Pointer = prove.Pointer

// ProofError says what could not be shown, and at which instruction of the program.
type ProofError = prove.Error

// Prove shows that the code, whatever the numbers in its arguments, accesses nothing but what is described: R1 is the
// address of arg, maps has the values of maps that MapValue names, by their names. The code must be a plain function without
// calls. The error is a *ProofError if the proof does not come off: then the code may be wrong, or right for reasons that are
// not known to the prover.
func (c *Code) Prove(arg *Memory, maps map[string]*Memory) error {
	p, err := c.Program()
	if err != nil {
		return err
	}
	code, err := ir.Decode(p, ir.Options{})
	if err != nil {
		return fmt.Errorf("program %s: %w", c.name, err)
	}
	tables := c.tables()
	at := map[ir.Slot]*Memory{}
	for _, r := range p.Maps {
		m := maps[r.Map]
		if r.Map == DataMap {
			m = tables[r.Offset]
		}
		if m == nil || !r.Value || r.Map != DataMap && r.Offset != 0 {
			return fmt.Errorf("program %s: map %s is not described, or is not used by the address of its value", c.name, r.Map)
		}
		at[ir.Slot(r.Insn)] = m
	}
	return prove.Check(code, arg, func(i ir.Index) *Memory { return at[code.Slots[i]] })
}

// Proved makes a function of code that is proved to stay inside the memory that arg describes, and so runs without checks:
// Func with skep.Options.UnsafeTrust, which opts need not say, but safe. The values of the maps in opts are memory that it
// may write. The error is that of Prove or of Func.
func (c *Code) Proved(arg *Memory, opts *skep.Options) (*Func, error) {
	o := skep.Options{}
	if opts != nil {
		o = *opts
	}
	values := map[string]*Memory{}
	for name, m := range o.Maps {
		values[name] = &Memory{Name: "map " + name, Size: int(m.Spec().ValueSize), Writable: true}
	}
	if err := c.Prove(arg, values); err != nil {
		return nil, err
	}
	o.UnsafeTrust = true
	return c.Func(&o)
}

// tables describes each table, by its offset in the data.
func (c *Code) tables() map[uint32]*Memory {
	var starts []int
	for _, at := range c.known {
		starts = append(starts, at)
	}
	slices.Sort(starts)
	out := map[uint32]*Memory{}
	for i, at := range starts {
		end := len(c.data)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		out[uint32(at)] = &Memory{Name: "a table", Size: end - at, Data: c.data[at:end]}
	}
	return out
}
