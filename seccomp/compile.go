// Implements Compile: policy to filter, and the proof that they agree.

package seccomp

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/internal/diagram"
)

// Options says how to compile. The zero value, and nil, know nothing of how often calls come.
type Options struct {
	// Frequencies tells how often calls come, by name, in any unit. Frequent ones are found in fewer steps; the
	// rarest still take no more than about two above the logarithm of the number of calls.
	Frequencies map[string]float64
}

// ErrTooLong says that a policy needs more instructions than a filter may have, classic.MaxInstructions.
var ErrTooLong = errors.New("the filter is too long")

// Compile turns a policy into a filter and proves that the filter answers every possible call, with any arguments,
// as the policy says. It fails with a *PolicyError if Check does, and with ErrTooLong. opts may be nil.
//
// A filter looks at the architecture, then finds the number in a search tree, and looks at arguments only where the
// policy does. On Linux 5.11 and later the kernel sees by itself which calls are always allowed, and does not run the
// filter for them.
func Compile(p *Policy, opts *Options) (*Filter, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	var code []bpf.RawInstruction
	err := diagram.Guard(func() (err error) {
		code, err = compile(p, opts)
		return err
	})
	if errors.Is(err, diagram.ErrTooLarge) {
		err = fmt.Errorf("%w: its tests of arguments combine in too many ways", ErrTooLong)
	}
	if err != nil {
		return nil, err
	}
	f, err := NewFilter(code)
	if err != nil {
		return nil, err
	}
	f.flags = p.Flags
	return f, nil
}

func compile(p *Policy, opts *Options) ([]bpf.RawInstruction, error) {
	m := newModel(p.arches()[0].BigEndian())
	b := newBuilder(m)
	if opts != nil {
		b.weight = p.weights(opts.Frequencies)
	}
	f := m.policy(p)
	start, err := b.program(p, f)
	if err != nil {
		return nil, err
	}
	code := emit(start, m.bigEndian)
	if len(code) > classic.MaxInstructions {
		return nil, fmt.Errorf("%w: it needs %d instructions, the kernel takes %d", ErrTooLong, len(code), classic.MaxInstructions)
	}
	if err := classic.CheckSeccomp(code); err != nil {
		return nil, fmt.Errorf("seccomp: a fault in the compiler: %w", err)
	}
	if g := m.filter(code); g != f {
		return nil, fmt.Errorf("seccomp: a fault in the compiler: %s", m.differ(f, g))
	}
	return code, nil
}

// differ names a call that two functions answer differently.
func (m *model) differ(f, g diagram.Node) string {
	d := m.Combine(f, g, func(a, b uint64) uint64 {
		if a == b {
			return 0
		}
		return 1
	})
	w, ok := m.Find(d, 1, words)
	if !ok {
		return "no call"
	}
	return fmt.Sprintf("the policy says %s of %+v, the filter says %s", Action(m.At(f, w)), dataOf(w), Action(m.At(g, w)))
}

// weights returns frequencies by architecture number and call number.
func (p *Policy) weights(frequencies map[string]float64) map[uint64]float64 {
	weights := map[uint64]float64{}
	for name, w := range frequencies {
		for i, a := range p.arches() {
			if n, ok := a.Number(name); ok && w > 0 && i == 0 { // those of the first, the native one
				weights[uint64(a.Audit())<<32|uint64(n)] = w
			}
		}
	}
	return weights
}
