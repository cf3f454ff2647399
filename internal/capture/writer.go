// Implements the writer of pcap files.

package capture

import (
	"bufio"
	"fmt"
	"io"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// maxSnapLen is the snap length written to files: that of libpcap, bytes.
const maxSnapLen = 262144

// Writer writes a pcap file of one link type. It is not safe for concurrent use.
type Writer struct {
	buf   *bufio.Writer
	out   *pcapgo.Writer
	link  uint16
	begun bool
}

// NewWriter returns a writer to w whose times are in nanoseconds, or else in microseconds.
func NewWriter(w io.Writer, nanoseconds bool) *Writer {
	buf := bufio.NewWriterSize(w, firstRoom)
	if nanoseconds {
		return &Writer{buf: buf, out: pcapgo.NewWriterNanos(buf)}
	}
	return &Writer{buf: buf, out: pcapgo.NewWriter(buf)}
}

// Write writes the packet of rec with data in place of its bytes. The first packet sets the file's link
// type; a packet of another is an error, for a pcap file has but one.
func (w *Writer) Write(rec *Record, data []byte) error {
	grown := len(data) - len(rec.Packet.Data)
	return w.write(rec, data, max(len(data), rec.Packet.Len()+grown))
}

// WriteCut writes the first n bytes of a packet whose length stays what it was. See Write.
func (w *Writer) WriteCut(rec *Record, n int) error {
	return w.write(rec, rec.Packet.Data[:n], rec.Packet.Len())
}

func (w *Writer) write(rec *Record, data []byte, length int) error {
	if err := w.begin(rec.LinkType); err != nil {
		return err
	}
	if rec.LinkType != w.link {
		return fmt.Errorf("a pcap file holds one link type: this one has %d, the packet at byte %d has %d", w.link, rec.Offset, rec.LinkType)
	}
	return w.out.WritePacket(gopacket.CaptureInfo{Timestamp: rec.Time, CaptureLength: len(data), Length: length}, data)
}

func (w *Writer) begin(link uint16) error {
	if w.begun {
		return nil
	}
	w.link, w.begun = link, true
	return w.out.WriteFileHeader(maxSnapLen, layers.LinkType(link))
}

// Flush writes out what is held back; link is the file's link type if no packet has set it.
func (w *Writer) Flush(link uint16) error {
	if err := w.begin(link); err != nil {
		return err
	}
	return w.buf.Flush()
}
