// Implements the pcap form: a file header, then a header and the bytes of each packet.

package capture

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"
)

// pcapHeader is how long the header of a pcap file is, bytes.
const pcapHeader = 24

// pcapForm walks what stands in a pcap file. Packets may be longer than the snap length in the file's header and
// longer than they say they were on the wire: such files exist, and tcpdump reads them.
type pcapForm struct {
	swap   bool  // numbers are in big endian
	unit   int64 // nanoseconds in the unit of the finer part of a time
	header int   // bytes before each packet
	begun  bool  // the file's header has been read
	info   fileInfo
}

// newPcapForm returns the form by a file's first four bytes, nil if it is not pcap.
func newPcapForm(magic string) *pcapForm {
	switch magic {
	case "\xd4\xc3\xb2\xa1":
		return &pcapForm{unit: 1000, header: 16}
	case "\x4d\x3c\xb2\xa1":
		return &pcapForm{unit: 1, header: 16}
	case "\x34\xcd\xb2\xa1": // with the interface and the kind of each packet in its header
		return &pcapForm{unit: 1000, header: 24}
	case "\xa1\xb2\xc3\xd4":
		return &pcapForm{swap: true, unit: 1000, header: 16}
	case "\xa1\xb2\x3c\x4d":
		return &pcapForm{swap: true, unit: 1, header: 16}
	case "\xa1\xb2\xcd\x34":
		return &pcapForm{swap: true, unit: 1000, header: 24}
	}
	return nil
}

func (f *pcapForm) file() fileInfo { return f.info }

func (f *pcapForm) uint32(b []byte) uint32 {
	n := binary.LittleEndian.Uint32(b)
	if f.swap {
		n = bits.ReverseBytes32(n)
	}
	return n
}

func (f *pcapForm) time(record []byte) time.Time {
	return time.Unix(int64(f.uint32(record)), int64(f.uint32(record[4:]))*f.unit).UTC()
}

func (f *pcapForm) wireLen(record []byte) uint32 { return f.uint32(record[12:]) }

// walk takes the file's header and whole records. See form.
func (f *pcapForm) walk(b *Batch) (at int, err error) {
	if !f.begun {
		if len(b.block) < pcapHeader {
			return 0, nil
		}
		if err := f.begin(b.block[:pcapHeader:pcapHeader]); err != nil {
			return 0, err
		}
		at, b.Head = pcapHeader, b.block[:pcapHeader:pcapHeader]
	}
	b.LinkType = f.info.link
	block, header, swap, n := b.block, f.header, f.swap, 0
	for n < maxBatch && len(block)-at >= header {
		// Of known capacity: the address of the next record takes four steps fewer.
		length := binary.LittleEndian.Uint32(block[at+8 : at+12 : at+12])
		if swap {
			length = bits.ReverseBytes32(length)
		}
		from := at + header
		to := from + int(length)
		if length > maxPacket || to > len(block) {
			if length > maxPacket {
				err = fmt.Errorf("its length is given as %d bytes, at most %d are allowed", length, maxPacket)
			}
			break
		}
		b.room[n] = block[from:to:to]
		b.starts[n], b.ends[n] = uint32(at), uint32(to)
		at = to
		n++
	}
	b.Packets = b.room[:n]
	return at, err
}

// begin reads the file's header.
func (f *pcapForm) begin(header []byte) error {
	version := f.uint32(header[4:])
	major, minor := version&0xffff, version>>16
	if f.swap {
		major, minor = minor, major
	}
	if major != 2 || minor < 3 {
		return fmt.Errorf("it is pcap of version %d.%d, expected 2.3 or 2.4", major, minor)
	}
	// The upper half of the link type tells of frame check sequences.
	f.info = fileInfo{link: uint16(f.uint32(header[20:])), nanos: f.unit == 1, snap: f.uint32(header[16:])}
	f.begun = true
	return nil
}
