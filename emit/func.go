// Implements functions made of code: on bytes, and on addresses of the host.

package emit

import (
	"fmt"
	"maps"
	"sync"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/spec"
)

// Func is code as a function. It is safe for concurrent use.
type Func struct {
	prog *skep.Program
	pool sync.Pool // of *skep.Instance
}

// readOnly is the flag of maps that programs may not write (the kernel's BPF_F_RDONLY_PROG).
const readOnly = 1 << 7

// Func makes a function of the code. opts may be nil; the maps that it names are the code's, by name. Nothing is
// trusted unless Options.UnsafeTrust says so. Errors are those of skep.Load, or tell of a label that stands nowhere.
func (c *Code) Func(opts *skep.Options) (*Func, error) {
	p, err := c.Program()
	if err != nil {
		return nil, err
	}
	o := skep.Options{}
	if opts != nil {
		o = *opts
	}
	if len(c.data) > 0 {
		data, err := bpfmap.New(&spec.Map{Name: DataMap, Type: spec.Array, KeySize: 4, ValueSize: uint32(len(c.data)), MaxEntries: 1, Flags: readOnly}, nil)
		if err == nil {
			err = data.Put(uint32(0), c.data)
		}
		if err != nil {
			return nil, fmt.Errorf("program %s: its constants: %w", c.name, err)
		}
		o.Maps = maps.Clone(o.Maps)
		if o.Maps == nil {
			o.Maps = map[string]*bpfmap.Local{}
		}
		o.Maps[DataMap] = data
	}
	f := &Func{}
	if f.prog, err = skep.Load(p, &o); err != nil {
		return nil, err
	}
	f.pool.New = func() any { return f.prog.NewInstance() }
	return f, nil
}

// Program returns the program that the function runs.
func (f *Func) Program() *skep.Program { return f.prog }

// Run runs the code on data: R1 is its address, R2 its length, both 0 if there is none. It returns R0. The data
// stays as it is. The error is a *skep.Fault if the code does what it must not, or wraps skep.ErrLimit.
func (f *Func) Run(data []byte) (uint64, error) {
	i := f.pool.Get().(*skep.Instance)
	r0, err := i.Run(data)
	f.pool.Put(i)
	return r0, err
}

// Pointer returns the code as a plain Go function of R1, an address in this process, and R2. Code that was made with
// Options.UnsafeTrust has it, on systems with a JIT; see skep.Program.Func for what the code may contain.
func (f *Func) Pointer() (skep.Func, error) { return f.prog.Func() }
