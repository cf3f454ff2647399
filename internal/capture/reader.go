// Implements the reader of capture files: one packet after another, with metadata.

package capture

import (
	"io"
	"time"

	"github.com/skepbpf/skep/spec"
)

// Record is one packet of a capture.
type Record struct {
	Packet   spec.Packet
	Time     time.Time // zero if the capture does not say
	LinkType uint16    // LINKTYPE_ value
	Offset   int64     // byte at which its record starts, in the uncompressed data
}

// Reader reads a capture from front to back, packet by packet. It is not safe for concurrent use. Its memory is
// that of a Scanner.
type Reader struct {
	scanner *Scanner
	batch   *Batch
	next    int // packet of batch
	record  Record
}

// NewReader begins reading a capture of any form that NewScanner takes. The error is of type *Error.
func NewReader(source io.Reader) (*Reader, error) {
	s, err := NewScanner(source)
	if err != nil {
		return nil, err
	}
	return &Reader{scanner: s, batch: &Batch{}}, nil
}

// Next returns the next packet, or io.EOF at the end, or an *Error where the file is cut off or damaged. The
// record and its bytes belong to the Reader and are good until the next call.
func (r *Reader) Next() (*Record, error) {
	for r.next >= len(r.batch.Packets) {
		b, err := r.scanner.Next()
		if err != nil {
			return nil, err
		}
		r.batch, r.next = b, 0
	}
	b, i := r.batch, r.next
	r.next++
	r.record = Record{Packet: b.Packet(i), Time: b.Time(i), LinkType: b.LinkType, Offset: b.Offset(i)}
	return &r.record, nil
}

// Consumed returns how many bytes of the source have been read, before decompression. It tells the progress.
func (r *Reader) Consumed() int64 { return r.scanner.Consumed() }

// LinkType returns the LINKTYPE_ value of a pcap file, 0 for pcapng, where packets have their own.
func (r *Reader) LinkType() uint16 { return r.scanner.LinkType() }

// Mixed reports whether packets may be of several link types.
func (r *Reader) Mixed() bool { return r.scanner.Mixed() }

// Nanoseconds reports whether times may be finer than a microsecond.
func (r *Reader) Nanoseconds() bool { return r.scanner.Nanoseconds() }
