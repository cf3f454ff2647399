// Implements the scanner of capture files: large reads, and the records walked where they lie.

package capture

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Sizes, bytes. What is read goes into the room of a buffer; what is left of it when the room is used up, the
// front part of a record, is moved to just before the room, so that reads stay long and aligned.
const (
	firstRoom = 64 << 10 // of the first buffer, enough for small files
	readRoom  = 1 << 20  // of the buffer after that: shorter reads are up to a third slower
	carryRoom = 4 << 10  // before the room, at first
	leastRead = 4 << 10  // no read into less room than this
)

// maxPacket is the longest packet taken from a file, bytes: what libpcap takes for most link types.
const maxPacket = 262144

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

// form is what pcap and pcapng do in their own ways.
type form interface {
	// walk takes whole records from the front of b's block into b, which is empty, and returns how many bytes it
	// went over. An error is that of the record behind them. It takes the same way again when called again there.
	walk(b *Batch) (int, error)
	// time and wireLen read a record that walk took.
	time(record []byte) time.Time
	wireLen(record []byte) uint32
	// file returns what holds for the whole file.
	file() fileInfo
}

// fileInfo is what a file's header says about all packets.
type fileInfo struct {
	link  uint16
	nanos bool
	snap  uint32
}

// Scanner goes through a capture from front to back in batches of packets. It is not safe for concurrent use.
//
// A large file is read ahead, where there are processors for it: by goroutines that read a piece each and end, from
// where the file stands; where it stands afterwards is not said.
//
// Its memory does not grow with the file: a buffer of 1 MiB, up to 1.5 MiB where a pcap file has packets of the
// greatest length and up to 17 MiB where a pcapng file has blocks of the greatest length, or where it reads ahead up to
// five of half a MiB, 1 MiB and 17 MiB; 65,536 interfaces at most;
// and what decompression takes, for Zstandard up to twice the window that the file asks for, at most 128 MiB.
type Scanner struct {
	source  counter   // the bytes of the file
	plain   io.Reader // the bytes after decompression, or &source
	readErr error     // what plain said last
	ahead   *ahead    // reads source, once there is more of a file than fits into the first buffer; or nil

	buf      []byte
	base     int   // where the room starts in buf
	pos, end int   // what has been read and not yet walked
	offset   int64 // byte of the capture at which pos is

	form    form
	batch   Batch
	pending bool // batch has not been given out yet
	read    int  // packets given out
	err     error
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

// NewScanner begins reading a pcap file of either byte order and resolution, the variant with longer record headers
// included, or a pcapng file, any of them plain or compressed by gzip or Zstandard; the content tells. The error is of
// type *Error.
func NewScanner(source io.Reader) (*Scanner, error) {
	s := &Scanner{source: counter{Reader: source}}
	s.plain = &s.source
	s.newBuffer(0, firstRoom)
	if err := s.begin(); err != nil {
		return nil, s.fail(0, err)
	}
	return s, nil
}

// begin finds out what the capture is and takes its first batch, so that errors in its header are known at once.
func (s *Scanner) begin() error {
	magic := s.peek()
	plain, err := decompressed(magic, &replay{head: s.buf[s.pos:s.end], err: s.readErr, rest: &s.source})
	if err != nil {
		return err
	}
	if plain != nil {
		s.plain, s.readErr = plain, nil
		s.newBuffer(0, firstRoom) // the replay keeps the other
		magic = s.peek()
	}
	s.form = formOf(magic)
	switch {
	case s.form != nil:
		s.batch.form = s.form
		err := s.advance()
		s.pending = err == nil
		return err
	case s.readErr != nil && s.readErr != io.EOF:
		return s.readErr
	case magic == "":
		return errors.New("the file is empty")
	}
	return fmt.Errorf("it begins with the bytes % x, which is neither pcap nor pcapng", magic)
}

// formOf returns the form of a capture by its first four bytes, nil if there is none.
func formOf(magic string) form {
	if magic == "\x0a\x0d\x0d\x0a" {
		return &ngForm{}
	}
	if f := newPcapForm(magic); f != nil {
		return f
	}
	return nil
}

// peek returns the first four bytes, or fewer if there are no more or they cannot be read.
func (s *Scanner) peek() string {
	for s.end-s.pos < 4 && s.fill() == nil {
	}
	return string(s.buf[s.pos:min(s.pos+4, s.end)])
}

// Next returns the next batch, or io.EOF at the end, or an *Error where the file is cut off or damaged. What came
// before that has been in batches. A batch is given out as soon as there is a packet, so that those of a
// slow pipe are not held back.
func (s *Scanner) Next() (*Batch, error) {
	if s.err != nil {
		return nil, s.err
	}
	if s.pending {
		s.pending = false
	} else {
		s.read += len(s.batch.Packets)
		if err := s.advance(); err != nil {
			if s.err = err; err != io.EOF {
				s.err = s.fail(s.read+1, err)
			}
			return nil, s.err
		}
	}
	s.batch.First = s.read + 1
	return &s.batch, nil
}

// advance makes the next batch, which is not empty.
func (s *Scanner) advance() error {
	for {
		s.batch.clear(s.buf[s.pos:s.end:s.end], s.offset)
		used, err := s.form.walk(&s.batch)
		s.pos += used
		s.offset += int64(used)
		if !s.batch.empty() {
			return nil // the error comes up again when there is nothing before it
		}
		if err != nil {
			return err
		}
		if err := s.fill(); err != nil {
			if err == io.EOF && s.pos < s.end {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// fill reads more behind what there is.
func (s *Scanner) fill() error {
	full := len(s.buf)-s.end < leastRead
	if full && s.ahead == nil && s.plain == &s.source && s.readErr == nil {
		s.ahead = newAhead(s.source.Reader)
	}
	if s.ahead != nil {
		return s.nextPiece()
	}
	if full {
		s.makeRoom()
	} else if s.pos == s.end {
		s.pos, s.end = s.base, s.base
	}
	for range 100 {
		if s.readErr != nil {
			return s.readErr
		}
		var n int
		n, s.readErr = s.plain.Read(s.buf[s.end:])
		s.end += n
		if n > 0 {
			return nil
		}
	}
	s.readErr = io.ErrNoProgress
	return s.readErr
}

// nextPiece is fill for a file that is read ahead.
func (s *Scanner) nextPiece() error {
	if s.readErr != nil {
		return s.readErr
	}
	left := s.buf[s.pos:s.end]
	p := s.ahead.take(left, s.buf, s.base)
	s.buf, s.base, s.pos, s.end = p.buf, p.base, p.base-len(left), p.base+p.n
	s.source.n += int64(p.n)
	s.readErr = p.err
	if p.n == 0 {
		return p.err
	}
	return nil
}

// makeRoom moves what has not been walked to before the room, in a larger buffer if need be. The part of a record
// that has to fit is shorter than the longest record that walk takes.
func (s *Scanner) makeRoom() {
	left := s.buf[s.pos:s.end]
	if len(left) > s.base || len(s.buf)-s.base < readRoom {
		s.newBuffer(min(2*len(left), maxBlock), readRoom)
	}
	s.pos, s.end = s.base-len(left), s.base
	copy(s.buf[s.pos:], left)
}

// newBuffer makes a buffer with room for reading and at least carry bytes before it.
func (s *Scanner) newBuffer(carry, room int) {
	s.base = (max(carry, carryRoom) + 4095) &^ 4095
	s.buf = make([]byte, s.base+room) // the runtime places what is this large at the start of a page
	s.pos, s.end = s.base, s.base
}

// fail places an error from below at the record that comes next, which is that of the given packet.
func (s *Scanner) fail(packet int, err error) error {
	e := &Error{Packet: packet, Offset: s.offset, Text: err.Error()}
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		reached := s.offset + int64(s.end-s.pos)
		if s.plain == &s.source {
			reached = s.source.n
		}
		e.Text = fmt.Sprintf("the file ends too early, at byte %d", reached)
	}
	return e
}

// Consumed returns how many bytes of the source have been read, before decompression. It tells the progress.
func (s *Scanner) Consumed() int64 { return s.source.n }

// LinkType returns the LINKTYPE_ value of a pcap file, 0 for pcapng, where packets have their own.
func (s *Scanner) LinkType() uint16 { return s.form.file().link }

// Mixed reports whether packets may be of several link types: in pcapng each has that of its interface.
func (s *Scanner) Mixed() bool {
	_, ng := s.form.(*ngForm)
	return ng
}

// Nanoseconds reports whether times may be finer than a microsecond.
func (s *Scanner) Nanoseconds() bool { return s.form.file().nanos }

// SnapLen returns the greatest length of a packet that a pcap file's header announces, bytes, 0 if it announces none
// or the capture is pcapng. Packets may be longer all the same: libpcap cuts those, this package does not.
func (s *Scanner) SnapLen() uint32 { return s.form.file().snap }
