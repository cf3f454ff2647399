// Implements filters: their code, their size, and running them on calls.

package seccomp

import (
	"encoding/binary"
	"slices"
	"sync"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// Filter is a seccomp filter: classic BPF that the kernel would take. It is safe for concurrent use.
type Filter struct {
	code  []bpf.RawInstruction
	flags Flags
	vm    *classic.VM

	load func() (*sync.Pool, error) // of *runner
}

// runner is an instance with its input.
type runner struct {
	instance *skep.Instance
	data     [classic.SeccompDataSize]byte
}

// NewFilter checks classic code by the kernel's rules for seccomp and returns it as a filter. The error is a
// *classic.CheckError.
func NewFilter(code []bpf.RawInstruction) (*Filter, error) {
	if err := classic.CheckSeccomp(code); err != nil {
		return nil, err
	}
	vm, err := classic.NewVM(code)
	if err != nil {
		return nil, err
	}
	f := &Filter{code: slices.Clone(code), vm: vm}
	f.load = sync.OnceValues(f.makePool)
	return f, nil
}

// makePool loads the filter's translation, as machine code where Skep makes such.
func (f *Filter) makePool() (*sync.Pool, error) {
	t, err := classic.TranslateSeccomp(f.code)
	if err != nil {
		return nil, err
	}
	p, err := skep.Load(t.Program, &skep.Options{Unverified: true})
	if err != nil {
		return nil, err
	}
	return &sync.Pool{New: func() any { return &runner{instance: p.NewInstance()} }}, nil
}

// Code returns the filter's instructions. The slice is the caller's.
func (f *Filter) Code() []bpf.RawInstruction { return slices.Clone(f.code) }

// Len returns the number of instructions.
func (f *Filter) Len() int { return len(f.code) }

// Flags returns the flags of the policy that the filter was compiled from.
func (f *Filter) Flags() Flags { return f.flags }

// Run returns the filter's answer to a call. It runs the filter's translation to internal BPF, as machine code where
// Skep has a compiler for the machine. The first call loads it; then it allocates nothing.
func (f *Filter) Run(d *Data) (Action, error) {
	pool, err := f.load()
	if err != nil {
		return KillProcess, err
	}
	r := pool.Get().(*runner)
	d.Encode(r.data[:])
	r0, err := r.instance.Run(r.data[:])
	pool.Put(r)
	if err != nil {
		return KillProcess, err
	}
	return Action(r0), nil
}

// Interpret is Run on the plain interpreter of classic BPF, package classic's VM: the reference.
func (f *Filter) Interpret(d *Data) Action {
	var data [classic.SeccompDataSize]byte
	d.Encode(data[:])
	return Action(f.vm.Run(&spec.Packet{Data: data[:]}, &classic.Env{Order: binary.LittleEndian}))
}

// Path is the way of a call through a filter: the instructions that run, by their places.
func (f *Filter) Path(d *Data) []int {
	var data [classic.SeccompDataSize]byte
	d.Encode(data[:])
	var path []int
	f.vm.Trace(&spec.Packet{Data: data[:]}, &classic.Env{Order: binary.LittleEndian}, func(pc int) { path = append(path, pc) })
	return path
}

// Longest returns the greatest number of instructions on a way through the filter, whether or not some call takes it.
func (f *Filter) Longest() int {
	longest := make([]int, len(f.code)+1)
	for i := len(f.code) - 1; i >= 0; i-- {
		in := f.code[i]
		switch classic.Lookup(in.Op).Kind {
		case classic.KindReturn:
			longest[i] = 1
		case classic.KindGoto:
			longest[i] = 1 + longest[i+1+int(in.K)]
		case classic.KindJump:
			longest[i] = 1 + max(longest[i+1+int(in.Jt)], longest[i+1+int(in.Jf)])
		default:
			longest[i] = 1 + longest[i+1]
		}
	}
	return longest[0]
}
