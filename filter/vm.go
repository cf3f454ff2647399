// Implements the drop-in for the VM of golang.org/x/net/bpf.

package filter

import (
	"errors"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/spec"
)

// VM is an in-process filter like that of golang.org/x/net/bpf, with every ancillary load instead of the
// length alone. It is safe for concurrent use.
type VM struct {
	f *Filter
}

// NewVM returns a VM for the given instructions, or an error if they break the kernel's rules.
func NewVM(filter []bpf.Instruction) (*VM, error) {
	if len(filter) == 0 {
		return nil, errors.New("one or more instructions must be specified")
	}
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return nil, err
	}
	f, err := New(raw, nil)
	if err != nil {
		return nil, err
	}
	return &VM{f: f}, nil
}

// Run runs the filter on a packet's bytes and returns how many of them it accepts, 0 if it rejects the
// packet. The count may be greater than the packet is long. The error is always nil: what x/net/bpf has one
// for is refused by NewVM.
func (v *VM) Run(in []byte) (int, error) { return int(v.f.Verdict(in)), nil }

// RunPacket is Run for a packet with metadata, which ancillary loads read.
func (v *VM) RunPacket(p *spec.Packet) (int, error) { return int(v.f.VerdictPacket(p)), nil }
