// Implements where trace filter has its records from: lines, pages of a trace buffer, captures.

package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/event"
	"github.com/skepbpf/skep/internal/capture"
)

// source opens the source that the format says.
func (f *traceFlags) source(cmd *cobra.Command, in io.Reader) (traceSource, error) {
	switch {
	case f.fields != "" && f.format != "json" && f.format != "logfmt":
		return nil, usagef("--fields is for lines: --format json and logfmt")
	case f.raw && (f.format == "json" || f.format == "logfmt" || f.format == "pcap" || f.format == "trace-cmd"):
		return nil, usagef("--raw is for records of an event: --format with a file of tracefs")
	}
	if f.event != "" && f.format != "trace-cmd" {
		return nil, usagef("--event is for files of trace-cmd: --format trace-cmd")
	}
	switch f.format {
	case "trace-cmd":
		return f.traceFile(in)
	case "json":
		return newLineSource(event.JSONLines, f.fields, in)
	case "logfmt":
		return newLineSource(event.Logfmt, f.fields, in)
	case "pcap":
		s, err := capture.NewScanner(in)
		return &packetSource{s}, err
	}
	text, err := readFile(cmd, f.format)
	if err != nil {
		return nil, err
	}
	format, err := event.ParseFormat(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.format, err)
	}
	return &pageSource{format, in, f.raw}, nil
}

// maxLine is the greatest length of a line, bytes; sample is how many lines tell the kinds of fields.
const (
	maxLine = 16 << 20
	sample  = 256
)

// lineSource is lines.
type lineSource struct {
	lines *event.Lines
	in    *bufio.Scanner
	first [][]byte // that were read already
}

var fieldKinds = map[string]event.Kind{"bool": event.Bool, "int": event.Int, "uint": event.Uint, "float": event.Float, "string": event.String,
	"ip": event.IP, "duration": event.Duration, "time": event.Time}

func newLineSource(format event.LineFormat, fields string, in io.Reader) (*lineSource, error) {
	l := &lineSource{in: bufio.NewScanner(in)}
	l.in.Buffer(make([]byte, 64<<10), maxLine)
	var err error
	if fields == "" {
		for len(l.first) < sample && l.in.Scan() {
			l.first = append(l.first, append([]byte(nil), l.in.Bytes()...))
		}
		l.lines, err = event.InferLines(format, l.first)
		return l, err
	}
	var list []event.Field
	for _, f := range strings.Split(fields, ",") {
		name, kind, _ := strings.Cut(f, ":")
		k, ok := fieldKinds[kind]
		if !ok || name == "" {
			return nil, usagef("--fields: %q is not of the form NAME:KIND with one of the kinds bool, int, uint, float, string, ip, duration, time", f)
		}
		list = append(list, event.Field{Name: name, Kind: k})
	}
	l.lines, err = event.NewLines(format, list...)
	return l, err
}

func (l *lineSource) schema() *event.Schema { return l.lines.Schema() }

func (l *lineSource) each(f func(rec, shown []byte) error) error {
	n, bad := 0, error(nil)
	var buf []byte
	one := func(line []byte) error {
		n++
		if len(strings.TrimSpace(string(line))) == 0 {
			return nil
		}
		rec, err := l.lines.Record(buf[:0], line)
		if err != nil {
			if bad == nil {
				bad = fmt.Errorf("line %d: %w", n, err)
			}
			return nil // the others may be better
		}
		buf = rec
		return f(rec, line)
	}
	for _, line := range l.first {
		if err := one(line); err != nil {
			return err
		}
	}
	for l.in.Scan() {
		if err := one(l.in.Bytes()); err != nil {
			return err
		}
	}
	if err := l.in.Err(); err != nil {
		return fmt.Errorf("line %d: %w", n+1, err)
	}
	return bad
}

// pageSource is records of an event of the kernel.
type pageSource struct {
	format *event.Format
	in     io.Reader
	raw    bool
}

// pageSize is the size of a page of a trace buffer; maxRaw that of a record.
const (
	pageSize = 4096
	maxRaw   = 1 << 20
)

func (p *pageSource) schema() *event.Schema { return p.format.Schema }

func (p *pageSource) each(f func(rec, shown []byte) error) error {
	in := bufio.NewReaderSize(p.in, 1<<16)
	if p.raw {
		return p.records(in, f)
	}
	page := make([]byte, pageSize)
	for n := 1; ; n++ {
		size, err := io.ReadFull(in, page)
		if err == io.EOF {
			return nil
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		var failed error
		err = event.ReadPage(page[:size], func(r event.Record) {
			if len(r.Data) >= 2 && binary.LittleEndian.Uint16(r.Data) == p.format.ID && failed == nil {
				failed = f(r.Data, nil)
			}
		})
		if err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		if failed != nil {
			return failed
		}
	}
}

// records reads records, each behind its length.
func (p *pageSource) records(in io.Reader, f func(rec, shown []byte) error) error {
	var head [4]byte
	var buf []byte
	for n := 1; ; n++ {
		if _, err := io.ReadFull(in, head[:]); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("record %d: half a length", n)
		}
		size := int(binary.LittleEndian.Uint32(head[:]))
		if size > maxRaw {
			return fmt.Errorf("record %d: %d bytes, at most %d", n, size, maxRaw)
		}
		if cap(buf) < size {
			buf = make([]byte, size)
		}
		if _, err := io.ReadFull(in, buf[:size]); err != nil {
			return fmt.Errorf("record %d: the input ends in it", n)
		}
		if err := f(buf[:size], nil); err != nil {
			return err
		}
	}
}

// packetSource is what is known of the packets of a capture.
type packetSource struct{ s *capture.Scanner }

// packetSchema is the record of a packet: flags, then the fields. Flag 1 tells of addresses, 2 of ports.
var packetSchema = &event.Schema{Name: "packets", Size: 72, Fields: []event.Field{
	{Name: "number", Kind: event.Uint, Offset: 8, Size: 8},
	{Name: "time", Kind: event.Time, Offset: 16, Size: 8},
	{Name: "len", Kind: event.Uint, Offset: 24, Size: 4},
	{Name: "caplen", Kind: event.Uint, Offset: 28, Size: 4},
	{Name: "protocol", Kind: event.Uint, Offset: 32, Size: 2},
	{Name: "proto", Kind: event.Uint, Offset: 34, Size: 1, Flag: 1},
	{Name: "sport", Kind: event.Uint, Offset: 36, Size: 2, Big: true, Flag: 2},
	{Name: "dport", Kind: event.Uint, Offset: 38, Size: 2, Big: true, Flag: 2},
	{Name: "src", Kind: event.IP, Offset: 40, Size: 16, Flag: 1},
	{Name: "dst", Kind: event.IP, Offset: 56, Size: 16, Flag: 1},
}}

func (p *packetSource) schema() *event.Schema { return packetSchema }

func (p *packetSource) each(f func(rec, shown []byte) error) error {
	rec := make([]byte, packetSchema.Size)
	for {
		b, err := p.s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for i, data := range b.Packets {
			pkt := b.Packet(i)
			clear(rec)
			le := binary.LittleEndian
			le.PutUint64(rec[8:], uint64(b.First+i))
			le.PutUint64(rec[16:], uint64(b.Time(i).UnixNano()))
			le.PutUint32(rec[24:], uint32(b.WireLen(i)))
			le.PutUint32(rec[28:], uint32(len(data)))
			le.PutUint16(rec[32:], pkt.Protocol)
			if pkt.NetworkOffset <= len(data) && pkt.NetworkOffset >= 0 {
				network(rec, data[pkt.NetworkOffset:])
			}
			if err := f(rec, nil); err != nil {
				return err
			}
		}
	}
}

// network fills in what the headers of IP and of what it carries say.
func network(rec, ip []byte) {
	var src, dst netip.Addr
	var proto byte
	var rest []byte
	switch {
	case len(ip) >= 20 && ip[0]>>4 == 4 && ip[0]&15 >= 5:
		src, dst, proto = netip.AddrFrom4([4]byte(ip[12:16])), netip.AddrFrom4([4]byte(ip[16:20])), ip[9]
		if n := 4 * int(ip[0]&15); len(ip) >= n && binary.BigEndian.Uint16(ip[6:])&0x1fff == 0 {
			rest = ip[n:]
		}
	case len(ip) >= 40 && ip[0]>>4 == 6:
		src, dst, proto, rest = netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[24:40])), ip[6], ip[40:]
		for proto == 0 || proto == 43 || proto == 60 { // options and routing
			if len(rest) < 8 || len(rest) < 8+8*int(rest[1]) {
				rest = nil
				break
			}
			proto, rest = rest[0], rest[8+8*int(rest[1]):]
		}
	default:
		return
	}
	a, b := src.As16(), dst.As16()
	copy(rec[40:], a[:])
	copy(rec[56:], b[:])
	rec[0], rec[34] = 1, proto
	if ports := proto == 6 || proto == 17 || proto == 132 || proto == 33; ports && len(rest) >= 4 {
		copy(rec[36:40], rest)
		rec[0] |= 2
	}
}
