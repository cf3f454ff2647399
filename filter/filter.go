// Implements filters: a classic program made ready to judge packets.

package filter

import (
	"sync"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
)

// Filter judges packets by a classic program. It is safe for concurrent use.
type Filter struct {
	prog *skep.Program
	pool sync.Pool // of *runner
}

// runner is what one run at a time needs.
type runner struct {
	inst   *skep.Instance
	packet spec.Packet
}

// New checks a classic program with the kernel's rules and makes it ready to run. opts may be nil; see
// skep.Load. The error is a *classic.CheckError if the program breaks a rule.
func New(prog []bpf.RawInstruction, opts *skep.Options) (*Filter, error) {
	t, err := classic.Translate(prog)
	if err != nil {
		return nil, err
	}
	p, err := skep.Load(t.Program, opts)
	if err != nil {
		return nil, err
	}
	f := &Filter{prog: p}
	f.pool.New = func() any { return &runner{inst: p.NewInstance()} }
	return f, nil
}

// Program returns the loaded program, to run it with more control.
func (f *Filter) Program() *skep.Program { return f.prog }

// Match reports whether the filter accepts a packet, of which nothing but the bytes is known.
func (f *Filter) Match(packet []byte) bool { return f.Verdict(packet) != 0 }

// Verdict returns how many bytes of a packet the filter accepts, 0 if it rejects it.
func (f *Filter) Verdict(packet []byte) uint32 {
	r := f.pool.Get().(*runner)
	r.packet = spec.Packet{Data: packet}
	v := r.verdict(&r.packet)
	r.packet.Data = nil
	f.pool.Put(r)
	return v
}

// VerdictPacket is Verdict for a packet with metadata, which ancillary loads read.
func (f *Filter) VerdictPacket(p *spec.Packet) uint32 {
	r := f.pool.Get().(*runner)
	v := r.verdict(p)
	f.pool.Put(r)
	return v
}

// verdict runs the filter. A checked classic program always ends and never faults, so an error would be one
// of Skep's own making, or a packet too large for its address space; it rejects the packet.
func (r *runner) verdict(p *spec.Packet) uint32 {
	r0, err := r.inst.RunPacket(p)
	if err != nil {
		return 0
	}
	return uint32(r0)
}
