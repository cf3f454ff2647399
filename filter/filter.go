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

	metadata, length bool // what the program looks at beside the bytes
}

// New checks a classic program with the kernel's rules and makes it ready to run. opts may be nil; see
// skep.Load. The error is a *classic.CheckError if the program breaks a rule.
func New(prog []bpf.RawInstruction, opts *skep.Options) (*Filter, error) {
	t, err := classic.Translate(prog)
	if err != nil {
		return nil, err
	}
	own := skep.Options{}
	if opts != nil {
		own = *opts
	}
	own.Unverified = true // a classic program that keeps the rules is safe, and is checked all the same
	p, err := skep.Load(t.Program, &own)
	if err != nil {
		return nil, err
	}
	f := &Filter{raw: slices.Clone(prog), code: t.Program, prog: p}
	f.metadata, f.length = looks(prog)
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

// BytesOnly reports whether the filter looks at nothing but a packet's bytes: neither at its length on the wire
// nor at metadata. Verdict and VerdictPacket are the same then.
func (f *Filter) BytesOnly() bool { return !f.metadata && !f.length }

// Metadata reports whether the filter looks at more than a packet's bytes and its length on the wire: at what Linux
// knows about it, or at headers by their place (SKF_NET_OFF). Verdicts without VerdictPacket take all that for 0.
func (f *Filter) Metadata() bool { return f.metadata }

// looks finds out whether a program looks at metadata, and whether at the packet's length. Metadata are at negative
// offsets; indirect loads might be at such unless the index is four times the low half of a byte, as in ldxb 4*([14]&0xf).
func looks(prog []bpf.RawInstruction) (metadata, length bool) {
	const class, mode, ld, ldx, misc, abs, ind, size, msh = 0x07, 0xe0, 0x00, 0x01, 0x07, 0x20, 0x40, 0x80, 0xa0
	indirect, index := false, false
	for _, in := range prog {
		switch c, m := in.Op&class, in.Op&mode; {
		case c == misc && in.Op&0x80 == 0: // tax
			index = true
		case c != ld && c != ldx:
		case m == size:
			length, index = true, index || c == ldx
		case (m == abs || m == ind) && int32(in.K) < 0:
			metadata = true
		case c == ldx && m != msh:
			index = true
		case c == ld && m == ind:
			indirect = true
		}
	}
	return metadata || indirect && index, length
}

// Program returns the loaded program, to run it with more control.
func (f *Filter) Program() *skep.Program { return f.prog }

// Match reports whether the filter accepts a packet, of which nothing but the bytes is known. It does not allocate.
func (f *Filter) Match(packet []byte) bool { return f.Verdict(packet) != 0 }

// Verdict returns how many bytes of a packet the filter accepts, 0 if it rejects it.
func (f *Filter) Verdict(packet []byte) uint32 {
	return verdict(f.prog.RunData(packet))
}

// VerdictBatch is Verdict for each packet, at the same place of verdicts, which must be as long as packets. It
// takes about a nanosecond a packet beyond the filter's own work. If it is shorter, VerdictBatch panics.
func (f *Filter) VerdictBatch(packets [][]byte, verdicts []uint32) {
	f.VerdictBatchCut(packets, nil, verdicts)
}

// VerdictBatchCut is VerdictBatch for packets that may have been cut when they were captured: lengths are those
// on the wire, one for each packet and none less than its packet has bytes. If it is shorter than packets,
// VerdictBatchCut panics. Nil means that nothing was cut.
func (f *Filter) VerdictBatchCut(packets [][]byte, lengths, verdicts []uint32) {
	verdicts = verdicts[:len(packets)]
	if lengths != nil {
		lengths = lengths[:len(packets)]
	}
	i := f.pool.Get().(*skep.Instance)
	for len(packets) > 0 {
		n, err := i.RunBatchCut(packets, lengths, verdicts)
		if err == nil {
			break
		}
		verdicts[n] = 0 // see verdict
		packets, verdicts = packets[n+1:], verdicts[n+1:]
		if lengths != nil {
			lengths = lengths[n+1:]
		}
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
