// Implements filters: a classic program made ready to judge packets.

package filter

import (
	"slices"
	"sync"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// Filter judges packets by a classic program. It is safe for concurrent use.
type Filter struct {
	raw  []bpf.RawInstruction // the classic program
	code *spec.Program        // its translation
	prog *skep.Program        // that, loaded
	pool sync.Pool            // of *skep.Instance

	bytesOnly bool
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
	f := &Filter{raw: slices.Clone(prog), code: t.Program, prog: p, bytesOnly: bytesOnly(prog)}
	f.pool.New = func() any { return p.NewInstance() }
	return f, nil
}

// Compile compiles an expression of tcpdump's language, with pcap.Compile, and makes it ready to run. opts may be
// nil: the packets are Ethernet then. The error is that of pcap.Compile.
func Compile(expr string, opts *pcap.Options) (*Filter, error) {
	p, err := pcap.Compile(expr, opts)
	if err != nil {
		return nil, err
	}
	return New(p.Raw(), nil)
}

// BytesOnly reports whether the filter looks at nothing but a packet's bytes: not at its length on the wire, nor at
// other metadata, nor at headers by their place (SKF_NET_OFF). Verdict and VerdictPacket are the same then.
func (f *Filter) BytesOnly() bool { return f.bytesOnly }

// bytesOnly looks for loads of lengths, and for absolute and indirect ones that might be at negative offsets: the
// index must be four times the low half of a byte then, as in ldxb 4*([14]&0xf).
func bytesOnly(prog []bpf.RawInstruction) bool {
	const class, mode, ld, ldx, misc, abs, ind, length, msh = 0x07, 0xe0, 0x00, 0x01, 0x07, 0x20, 0x40, 0x80, 0xa0
	indirect, index := false, false
	for _, in := range prog {
		switch c, m := in.Op&class, in.Op&mode; {
		case c == misc && in.Op&0x80 == 0: // tax
			index = true
		case c != ld && c != ldx:
		case m == length, (m == abs || m == ind) && int32(in.K) < 0:
			return false
		case c == ldx && m != msh:
			index = true
		case c == ld && m == ind:
			indirect = true
		}
	}
	return !indirect || !index
}

// Program returns the loaded program, to run it with more control.
func (f *Filter) Program() *skep.Program { return f.prog }

// Match reports whether the filter accepts a packet, of which nothing but the bytes is known.
func (f *Filter) Match(packet []byte) bool { return f.Verdict(packet) != 0 }

// Verdict returns how many bytes of a packet the filter accepts, 0 if it rejects it.
func (f *Filter) Verdict(packet []byte) uint32 {
	i := f.pool.Get().(*skep.Instance)
	r0, err := i.Run(packet)
	f.pool.Put(i)
	return verdict(r0, err)
}

// VerdictBatch is Verdict for each packet, at the same place of verdicts, which must be as long as packets. It
// takes about a nanosecond a packet beyond the filter's own work. If it is shorter, VerdictBatch panics.
func (f *Filter) VerdictBatch(packets [][]byte, verdicts []uint32) {
	verdicts = verdicts[:len(packets)]
	i := f.pool.Get().(*skep.Instance)
	for len(packets) > 0 {
		n, err := i.RunBatch(packets, verdicts)
		if err == nil {
			break
		}
		verdicts[n] = 0 // see verdict
		packets, verdicts = packets[n+1:], verdicts[n+1:]
	}
	f.pool.Put(i)
}

// VerdictPacket is Verdict for a packet with metadata, which ancillary loads read.
func (f *Filter) VerdictPacket(p *spec.Packet) uint32 {
	i := f.pool.Get().(*skep.Instance)
	r0, err := i.RunPacket(p)
	f.pool.Put(i)
	return verdict(r0, err)
}

// verdict is what a run comes to. A checked classic program always ends and never faults, so an error would
// be one of Skep's own making, or a packet too large for its address space; it rejects the packet.
func verdict(r0 uint64, err error) uint32 {
	if err != nil {
		return 0
	}
	return uint32(r0)
}
