// Implements the reader of capture files: one packet after another in bounded memory.

package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepbpf/skep/spec"
)

// bufferSize is how much of the file is read at once, bytes.
const bufferSize = 64 << 10

// Record is one packet of a capture.
type Record struct {
	Packet   spec.Packet
	Time     time.Time // zero if the capture does not say
	LinkType uint16    // LINKTYPE_ value
	Offset   int64     // byte at which its record starts, or blocks before it that hold no packet
}

// Error says where a capture could not be read any further. The packets before it are good.
type Error struct {
	Packet int   // number of the packet that could not be read, from 1; 0 for the file's header
	Offset int64 // byte at which it starts, in the uncompressed data
	Text   string
}

func (e *Error) Error() string {
	if e.Packet == 0 {
		return "not a readable capture: " + e.Text
	}
	return fmt.Sprintf("packet %d, at byte %d: %s", e.Packet, e.Offset, e.Text)
}

// Reader reads a capture from front to back. It is not safe for concurrent use.
type Reader struct {
	source counter       // the bytes of the file
	plain  *counter      // the bytes after decompression, or the source
	buf    *bufio.Reader // holds plain
	next   func(*Record) error
	link   uint16
	nanos  bool

	record Record
	read   int
	err    error
}

// counter counts the bytes that went through it.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// NewReader begins reading a pcap file of either byte order and resolution, or a pcapng file, either of them
// plain or compressed by gzip; the content tells. The error is of type *Error.
func NewReader(source io.Reader) (*Reader, error) {
	r := &Reader{source: counter{Reader: source}}
	r.plain = &r.source
	r.buf = bufio.NewReaderSize(r.plain, bufferSize)
	if err := r.begin(); err != nil {
		return nil, r.fail(0, err)
	}
	return r, nil
}

func (r *Reader) begin() error {
	magic, err := r.buf.Peek(4)
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r.buf)
		if err != nil {
			return err
		}
		r.plain = &counter{Reader: z}
		r.buf = bufio.NewReaderSize(r.plain, bufferSize)
		magic, err = r.buf.Peek(4)
		if err != nil && err != io.EOF {
			return err
		}
	}
	switch {
	case len(magic) == 0 && (err == nil || err == io.EOF):
		return errors.New("the file is empty")
	case string(magic) == "\x0a\x0d\x0d\x0a":
		ng, err := pcapgo.NewNgReader(r.buf, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
		if err != nil {
			return err
		}
		r.next, r.nanos = nextOf(ng), true
		return nil
	}
	f, err := newPcap(r.buf)
	if err != nil {
		return err
	}
	r.next, r.link, r.nanos = f.next, f.link, f.unit == 1
	return nil
}

// nextOf returns the function that reads a packet of a pcapng file.
func nextOf(ng *pcapgo.NgReader) func(*Record) error {
	return func(rec *Record) error {
		data, info, err := ng.ZeroCopyReadPacketData()
		if err != nil {
			return err
		}
		link, _ := info.AncillaryData[0].(layers.LinkType)
		rec.Time, rec.LinkType = info.Timestamp, uint16(link)
		rec.Packet.Data, rec.Packet.WireLen = data, info.Length
		return nil
	}
}

// Next returns the next packet, or io.EOF at the end, or an *Error where the file is cut off or damaged. The
// record and its bytes belong to the Reader and are good until the next call.
func (r *Reader) Next() (*Record, error) {
	if r.err != nil {
		return nil, r.err
	}
	start := r.offset()
	r.record = Record{Offset: start}
	if err := r.next(&r.record); err != nil {
		r.err = err
		if err != io.EOF {
			r.err = r.fail(start, err)
		}
		return nil, r.err
	}
	r.read++
	p := &r.record.Packet
	p.WireLen = max(p.WireLen, len(p.Data)) // some writers give too small a length
	setMetadata(p, r.record.LinkType)
	return &r.record, nil
}

// fail places an error from below at the packet that starts at byte start.
func (r *Reader) fail(start int64, err error) error {
	e := &Error{Offset: start, Text: err.Error()}
	if r.next != nil {
		e.Packet = r.read + 1
	}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		e.Text = fmt.Sprintf("the file ends too early, at byte %d", r.offset())
	}
	return e
}

// offset returns how many plain bytes have been used.
func (r *Reader) offset() int64 { return r.plain.n - int64(r.buf.Buffered()) }

// Consumed returns how many bytes of the source have been read, before decompression. It tells the progress.
func (r *Reader) Consumed() int64 { return r.source.n }

// LinkType returns the LINKTYPE_ value of a pcap file, 0 for pcapng, where packets have their own.
func (r *Reader) LinkType() uint16 { return r.link }

// Nanoseconds reports whether times may be finer than a microsecond.
func (r *Reader) Nanoseconds() bool { return r.nanos }
