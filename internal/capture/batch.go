// Implements the batch: packets of one link type where they lie in the block that was read.

package capture

import (
	"time"

	"github.com/skepbpf/skep/spec"
)

// maxBatch is the most packets in a batch.
const maxBatch = 512

// Batch is a run of packets of one link type. It and all that it gives out belong to the Scanner and are good
// until its next call of Next; nothing of it may be written to.
type Batch struct {
	Packets  [][]byte // the captured bytes of each, at most 512; there may be none
	LinkType uint16   // LINKTYPE_ value; tells nothing if there are no packets
	First    int      // number of the first packet in the capture, from 1

	// Head is what stands in the file before the first packet and belongs in a copy of it: the header of a pcap
	// file, with the first batch, or the section, interface, name, secret and statistics blocks of a pcapng file.
	// A section header's length is set to not known, for the copy may leave packets out.
	Head []byte

	form   form
	block  []byte           // where the records are
	offset int64            // byte of the capture at which block starts
	starts [maxBatch]uint32 // where each record starts in block
	room   [maxBatch][]byte // what Packets is made of
	ends   [maxBatch]uint32 // where each record ends in block
}

// clear makes the batch an empty one over a block.
func (b *Batch) clear(block []byte, offset int64) {
	b.Packets, b.Head = b.room[:0], nil
	b.block, b.offset = block, offset
}

// empty reports whether there is nothing in the batch.
func (b *Batch) empty() bool { return len(b.Packets)+len(b.Head) == 0 }

// Record returns the record of packet i as it stands in the file: in pcap the record's header and the packet, in
// pcapng the whole block with its options.
func (b *Batch) Record(i int) []byte {
	return b.block[b.starts[i]:b.ends[i]:b.ends[i]]
}

// Offset returns the byte of the capture, after decompression, at which the record of packet i starts.
func (b *Batch) Offset(i int) int64 { return b.offset + int64(b.starts[i]) }

// Time returns when packet i was captured, zero if the capture does not say.
func (b *Batch) Time(i int) time.Time { return b.form.time(b.Record(i)) }

// WireLen returns how many bytes packet i had on the wire: at least as many as were captured.
func (b *Batch) WireLen(i int) int {
	return max(int(b.form.wireLen(b.Record(i))), len(b.Packets[i])) // some writers give too small a length
}

// WireLens appends WireLen of each packet to lengths and returns that.
func (b *Batch) WireLens(lengths []uint32) []uint32 {
	for i, p := range b.Packets {
		lengths = append(lengths, max(b.form.wireLen(b.Record(i)), uint32(len(p))))
	}
	return lengths
}

// Packet returns packet i with its metadata, for programs that look at more than its bytes.
func (b *Batch) Packet(i int) spec.Packet {
	p := spec.Packet{Data: b.Packets[i], WireLen: b.WireLen(i)}
	setMetadata(&p, b.LinkType)
	return p
}
