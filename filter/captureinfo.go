// Implements filters on packets as gopacket hands them out, without a need for gopacket.

package filter

import (
	"time"

	"github.com/skepbpf/skep"
)

// CaptureInfo is what gopacket knows about a packet. It is the same type as what underlies gopacket.CaptureInfo, of
// github.com/gopacket/gopacket and github.com/google/gopacket alike, so those are values of this type as they are.
type CaptureInfo = struct {
	Timestamp      time.Time
	CaptureLength  int // bytes that were captured
	Length         int // bytes on the wire
	InterfaceIndex int
	AncillaryData  []any
}

// Matches reports whether the filter accepts a packet that came from gopacket: it is what Matches of a BPF is in
// gopacket's package pcap, and a drop-in for it.
//
//	data, ci, err := source.ReadPacketData()
//	…
//	if f.Matches(ci, data) { … }
//
// The packet's length is ci.Length, or that of data if it is less; of the rest of ci nothing is looked at.
// ReadPacketData's captured length is that of data.
func (f *Filter) Matches(ci CaptureInfo, data []byte) bool {
	if !f.length {
		return f.Verdict(data) != 0
	}
	i := f.pool.Get().(*skep.Instance)
	r0, err := i.RunCut(data, max(ci.Length, len(data)))
	f.pool.Put(i)
	return verdict(r0, err) != 0
}
