// Implements the pcap form: a file header, then a header and the bytes of each packet.

package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxPacket is the longest packet taken from a file, bytes: what libpcap takes for most link types.
const maxPacket = 262144

// pcapFile reads what stands behind a pcap file's header. Packets may be longer than the snap length in that
// header and longer than they say they were on the wire: such files exist, and tcpdump reads them.
type pcapFile struct {
	buf   *bufio.Reader
	order binary.ByteOrder
	unit  int64 // nanoseconds in the unit of the finer part of a time
	link  uint16
	data  []byte
}

func newPcap(buf *bufio.Reader) (*pcapFile, error) {
	f := &pcapFile{buf: buf}
	magic, err := buf.Peek(4)
	switch string(magic) {
	case "\xd4\xc3\xb2\xa1":
		f.order, f.unit = binary.LittleEndian, 1000
	case "\x4d\x3c\xb2\xa1":
		f.order, f.unit = binary.LittleEndian, 1
	case "\xa1\xb2\xc3\xd4":
		f.order, f.unit = binary.BigEndian, 1000
	case "\xa1\xb2\x3c\x4d":
		f.order, f.unit = binary.BigEndian, 1
	default:
		if err != nil && err != io.EOF {
			return nil, err
		}
		return nil, fmt.Errorf("it begins with the bytes % x, which is neither pcap nor pcapng", magic)
	}
	var header [24]byte
	if _, err := io.ReadFull(buf, header[:]); err != nil {
		return nil, err
	}
	if major, minor := f.order.Uint16(header[4:]), f.order.Uint16(header[6:]); major != 2 || minor < 3 {
		return nil, fmt.Errorf("it is pcap of version %d.%d, expected 2.3 or 2.4", major, minor)
	}
	f.link = uint16(f.order.Uint32(header[20:])) // the upper half tells of frame check sequences
	return f, nil
}

// next reads a packet into rec. The error is io.EOF only where the file ends behind a whole packet.
func (f *pcapFile) next(rec *Record) error {
	var header [16]byte
	if _, err := io.ReadFull(f.buf, header[:]); err != nil {
		return err
	}
	length := f.order.Uint32(header[8:])
	if length > maxPacket {
		return fmt.Errorf("its length is given as %d bytes, at most %d are allowed", length, maxPacket)
	}
	if cap(f.data) < int(length) {
		f.data = make([]byte, max(2048, int(length)))
	}
	data := f.data[:length]
	if _, err := io.ReadFull(f.buf, data); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	rec.LinkType = f.link
	rec.Time = time.Unix(int64(f.order.Uint32(header[0:])), int64(f.order.Uint32(header[4:]))*f.unit).UTC()
	rec.Packet.Data, rec.Packet.WireLen = data, int(f.order.Uint32(header[12:]))
	return nil
}
