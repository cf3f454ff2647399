// Implements two plain readers to compare with: pcap by small reads of one record after another, and pcapng over a
// whole file in memory.

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// found is a packet as any of the readers finds it.
type found struct {
	data   string
	link   uint16
	wire   int
	offset int64
	time   time.Time
}

// outcome is all that a reader gets out of a capture, and the error that ended it, nil at the end of the file.
type outcome struct {
	packets []found
	err     error
}

// scanned goes through a capture by its batches and checks what must hold of each.
func scanned(t testing.TB, source io.Reader) (o outcome) {
	s, err := NewScanner(source)
	for err == nil {
		var b *Batch
		if b, err = s.Next(); err != nil {
			break
		}
		if b.First != len(o.packets)+1 || b.empty() || len(b.Packets) > maxBatch {
			t.Fatalf("batch of %d packets from %d, with %d before it", len(b.Packets), b.First, len(o.packets))
		}
		for i, p := range b.Packets {
			if !bytes.Contains(b.Record(i), p) || len(b.Record(i)) < 16+len(p) || cap(p) != len(p) {
				t.Fatalf("packet %d: %d bytes with room for %d, record %x", i, len(p), cap(p), b.Record(i))
			}
			o.packets = append(o.packets, found{string(p), b.LinkType, b.WireLen(i), b.Offset(i), b.Time(i)})
		}
	}
	if err == io.EOF {
		return o
	}
	var typed *Error
	if !errors.As(err, &typed) || typed.Packet > 0 && typed.Packet != len(o.packets)+1 {
		t.Fatalf("after %d packets: %#v", len(o.packets), err)
	}
	o.err = err
	return o
}

// same fails unless two outcomes are the same.
func same(t testing.TB, what string, got, want outcome) {
	for i := range min(len(got.packets), len(want.packets)) {
		if got.packets[i] != want.packets[i] {
			t.Fatalf("%s: packet %d\ngot  %+v\nwant %+v", what, i+1, got.packets[i], want.packets[i])
		}
	}
	if len(got.packets) != len(want.packets) || fmt.Sprint(got.err) != fmt.Sprint(want.err) {
		t.Fatalf("%s: %d packets, then %v; want %d, then %v", what, len(got.packets), got.err, len(want.packets), want.err)
	}
}

// sameEnd is same where the errors need only have the same place.
func sameEnd(t testing.TB, what string, got, want outcome) {
	var a, b *Error
	if errors.As(got.err, &a) && errors.As(want.err, &b) {
		same(t, what, outcome{got.packets, nil}, outcome{want.packets, nil})
		if a.Packet != b.Packet || a.Offset != b.Offset {
			t.Fatalf("%s: %v; want %v", what, got.err, want.err)
		}
		return
	}
	same(t, what, got, want)
}

// read goes through an uncompressed capture by the reader for its form.
func read(file []byte) outcome {
	if bytes.HasPrefix(file, []byte("\x0a\x0d\x0d\x0a")) {
		return readNg(file)
	}
	return readPcap(file)
}

// readPcap reads a pcap file.
func readPcap(file []byte) (o outcome) {
	fail := func(packet int, offset int64, text string, args ...any) outcome {
		o.err = &Error{packet, offset, fmt.Sprintf(text, args...)}
		return o
	}
	if len(file) == 0 {
		return fail(0, 0, "the file is empty")
	}
	var order binary.ByteOrder = binary.LittleEndian
	unit, size := int64(1000), 16
	switch magic := fmt.Sprintf("% x", file[:min(4, len(file))]); magic {
	case "d4 c3 b2 a1":
	case "4d 3c b2 a1":
		unit = 1
	case "34 cd b2 a1":
		size = 24
	case "a1 b2 c3 d4":
		order = binary.BigEndian
	case "a1 b2 3c 4d":
		order, unit = binary.BigEndian, 1
	case "a1 b2 cd 34":
		order, size = binary.BigEndian, 24
	default:
		return fail(0, 0, "it begins with the bytes %s, which is neither pcap nor pcapng", magic)
	}
	in := bytes.NewReader(file)
	at := func() int64 { return int64(len(file) - in.Len()) }
	header := make([]byte, 24)
	if _, err := io.ReadFull(in, header); err != nil {
		return fail(0, 0, "the file ends too early, at byte %d", at())
	}
	if major, minor := order.Uint16(header[4:]), order.Uint16(header[6:]); major != 2 || minor < 3 {
		return fail(0, 0, "it is pcap of version %d.%d, expected 2.3 or 2.4", major, minor)
	}
	link := uint16(order.Uint32(header[20:]))
	for n := 1; ; n++ {
		start := at()
		if _, err := io.ReadFull(in, header[:size]); err == io.EOF {
			return o
		} else if err != nil {
			return fail(n, start, "the file ends too early, at byte %d", at())
		}
		length := order.Uint32(header[8:])
		if length > 262144 {
			return fail(n, start, "its length is given as %d bytes, at most 262144 are allowed", length)
		}
		data := make([]byte, length)
		if _, err := io.ReadFull(in, data); err != nil {
			return fail(n, start, "the file ends too early, at byte %d", at())
		}
		when := time.Unix(int64(order.Uint32(header)), int64(order.Uint32(header[4:]))*unit).UTC()
		o.packets = append(o.packets, found{string(data), link, max(int(order.Uint32(header[12:])), len(data)), start, when})
	}
}

// ngFile is a pcapng file as far as readNg has come.
type ngFile struct {
	o     outcome
	at    int
	order binary.ByteOrder
	faces []ngFace
}

type ngFace struct {
	link   uint16
	snap   uint32
	unit   *big.Rat // seconds
	offset int64
}

// readNg reads a pcapng file. Its errors have a place, and no text worth mentioning.
func readNg(file []byte) outcome {
	f := ngFile{}
	for f.at < len(file) {
		kind, body := f.block(file[f.at:])
		if body == nil || !f.take(kind, body) {
			e := &Error{Offset: int64(f.at)}
			if f.order != nil {
				e.Packet = len(f.o.packets) + 1
			}
			f.o.err = e
			break
		}
		f.at += len(body) + 12
	}
	return f.o
}

// block returns the type of the block at the start of b and what is in it, nil if it is not a whole and good block.
func (f *ngFile) block(b []byte) (uint32, []byte) {
	if len(b) < 12 {
		return 0, nil
	}
	order := f.order
	if string(b[:4]) == "\x0a\x0d\x0d\x0a" {
		switch string(b[8:12]) {
		case "\x1a\x2b\x3c\x4d":
			order = binary.BigEndian
		case "\x4d\x3c\x2b\x1a":
			order = binary.LittleEndian
		default:
			return 0, nil
		}
	}
	kind, total := order.Uint32(b), order.Uint32(b[4:])
	fixed := map[uint32]uint32{1: 8, 2: 20, 3: 4, 6: 20, 0x0a0d0d0a: 16}[kind]
	if total < 12+fixed || total%4 != 0 || total > 16<<20 || int(total) > len(b) || order.Uint32(b[total-4:]) != total {
		return 0, nil
	}
	body := b[8 : total-4]
	if kind == 0x0a0d0d0a {
		if order.Uint16(body[4:]) != 1 || order.Uint16(body[6:])&^2 != 0 {
			return 0, nil
		}
		f.order, f.faces = order, nil
	}
	return kind, body
}

// take reports whether it could take what is in a block.
func (f *ngFile) take(kind uint32, body []byte) bool {
	u16, u32 := f.order.Uint16, f.order.Uint32
	switch kind {
	case 1:
		return f.face(body)
	case 2:
		return f.packet(int64(u16(body)), u32(body[16:]), u32(body[12:]), body[4:12], body[20:])
	case 3:
		wire := u32(body)
		length := wire
		if len(f.faces) > 0 && f.faces[0].snap > 0 {
			length = min(length, f.faces[0].snap)
		}
		return f.packet(0, wire, length, nil, body[4:])
	case 6:
		return f.packet(int64(u32(body)), u32(body[16:]), u32(body[12:]), body[4:12], body[20:])
	}
	return true
}

func (f *ngFile) packet(i int64, wire, length uint32, when, data []byte) bool {
	if i >= int64(len(f.faces)) || length > 262144 || int(length) > len(data) {
		return false
	}
	face := f.faces[i]
	p := found{string(data[:length]), face.link, max(int(wire), int(length)), int64(f.at), time.Time{}}
	if when != nil {
		units := new(big.Int).SetUint64(uint64(f.order.Uint32(when))<<32 | uint64(f.order.Uint32(when[4:])))
		ns := new(big.Rat).SetInt(units)
		ns.Mul(ns, face.unit).Mul(ns, big.NewRat(1e9, 1))
		sec, nano := new(big.Int).DivMod(new(big.Int).Div(ns.Num(), ns.Denom()), big.NewInt(1e9), new(big.Int))
		p.time = time.Unix(int64(sec.Uint64())+face.offset, nano.Int64()).UTC()
	}
	f.o.packets = append(f.o.packets, p)
	return true
}

func (f *ngFile) face(body []byte) bool {
	face := ngFace{f.order.Uint16(body), f.order.Uint32(body[4:]), big.NewRat(1, 1e6), 0}
	for rest := body[8:]; len(rest) >= 4 && f.order.Uint16(rest) != 0; {
		n := int(f.order.Uint16(rest[2:]))
		next := 4 + (n+3)/4*4
		if next > len(rest) {
			return false
		}
		switch code := f.order.Uint16(rest); {
		case code == 9 && n > 0:
			base := big.NewInt(10)
			if rest[4] > 127 {
				base = big.NewInt(2)
			}
			face.unit = new(big.Rat).SetFrac(big.NewInt(1), base.Exp(base, big.NewInt(int64(rest[4]&127)), nil))
		case code == 14 && n > 7:
			face.offset = int64(f.order.Uint64(rest[4:]))
		}
		rest = rest[next:]
	}
	f.faces = append(f.faces, face)
	return len(f.faces) <= 65536
}

// readGopacket reads a pcapng file with gopacket, which does not tell offsets.
func readGopacket(t *testing.T, file []byte) (o outcome) {
	r, err := pcapgo.NewNgReader(bytes.NewReader(file), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for {
		data, info, err := r.ReadPacketData()
		if err == io.EOF {
			return o
		} else if err != nil {
			o.err = err
			return o
		}
		link, _ := info.AncillaryData[0].(layers.LinkType)
		o.packets = append(o.packets, found{string(data), uint16(link), max(info.Length, len(data)), 0, info.Timestamp})
	}
}
