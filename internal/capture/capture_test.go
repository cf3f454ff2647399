// Implements the tests of capture reading and writing: forms, metadata, damage, fuzzing.

package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepbpf/skep/spec"
)

var when = time.Unix(1700000000, 123456000).UTC()

// pcapBytes builds a pcap file by hand in the given byte order and resolution.
func pcapBytes(order binary.AppendByteOrder, nanos bool, link uint32, packets ...[]byte) []byte {
	magic, unit := uint32(0xa1b2c3d4), 1000
	if nanos {
		magic, unit = 0xa1b23c4d, 1
	}
	b := order.AppendUint32(nil, magic)
	b = order.AppendUint16(order.AppendUint16(b, 2), 4)
	b = order.AppendUint32(append(b, make([]byte, 8)...), 65535)
	b = order.AppendUint32(b, link)
	for _, p := range packets {
		b = order.AppendUint32(b, uint32(when.Unix()))
		b = order.AppendUint32(b, uint32(when.Nanosecond()/unit))
		b = order.AppendUint32(b, uint32(len(p)))
		b = append(order.AppendUint32(b, uint32(len(p))+100), p...)
	}
	return b
}

// ngBytes builds a pcapng file with an interface a packet, each of its own link type.
func ngBytes(t testing.TB, links []layers.LinkType, packets ...[]byte) []byte {
	var b bytes.Buffer
	w, err := pcapgo.NewNgWriterInterface(&b, pcapgo.NgInterface{LinkType: links[0], TimestampResolution: 9}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range packets {
		if i > 0 {
			if _, err := w.AddInterface(pcapgo.NgInterface{LinkType: links[i], TimestampResolution: 9}); err != nil {
				t.Fatal(err)
			}
		}
		info := gopacket.CaptureInfo{Timestamp: when, CaptureLength: len(p), Length: len(p) + 100, InterfaceIndex: i}
		if err := w.WritePacket(info, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(b)
	z.Close()
	return out.Bytes()
}

func ethernetFrame(dst string, rest ...byte) []byte {
	return append([]byte(dst+"\x02\x00\x00\x00\x00\x02"), rest...)
}

const (
	station   = "\x02\x00\x00\x00\x00\x01"
	broadcast = "\xff\xff\xff\xff\xff\xff"
	multicast = "\x33\x33\x00\x00\x00\x01"
)

// readAll returns what can be read and the error that ended it, nil at the end of the file.
func readAll(b []byte) ([]Record, error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	var out []Record
	for {
		rec, err := r.Next()
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		kept := *rec
		kept.Packet.Data = bytes.Clone(rec.Packet.Data)
		out = append(out, kept)
	}
}

func TestForms(t *testing.T) {
	a, b := ethernetFrame(station, 8, 0, 0x45), ethernetFrame(broadcast, 8, 6, 0)
	forms := map[string][]byte{
		"little micro": pcapBytes(binary.LittleEndian, false, 1, a, b),
		"little nano":  pcapBytes(binary.LittleEndian, true, 1, a, b),
		"big micro":    pcapBytes(binary.BigEndian, false, 1, a, b),
		"big nano":     pcapBytes(binary.BigEndian, true, 1, a, b),
		"pcapng":       ngBytes(t, []layers.LinkType{1, 1}, a, b),
	}
	for name, file := range forms {
		for suffix, file := range map[string][]byte{"": file, " gzip": zipped(file), " zstd": zstandard(file)} {
			got, err := readAll(file)
			if err != nil || len(got) != 2 {
				t.Errorf("%s%s: %d packets, %v", name, suffix, len(got), err)
				continue
			}
			for i, want := range [][]byte{a, b} {
				g := got[i]
				if !bytes.Equal(g.Packet.Data, want) || g.Packet.Len() != len(want)+100 || !g.Time.Equal(when) || g.LinkType != 1 {
					t.Errorf("%s%s packet %d: %+v", name, suffix, i, g)
				}
			}
			if name != "pcapng" && (got[0].Offset != 24 || got[1].Offset != 24+16+int64(len(a))) {
				t.Errorf("%s%s: offsets %d, %d", name, suffix, got[0].Offset, got[1].Offset)
			}
		}
	}
}

func TestMixedLinkTypes(t *testing.T) {
	got, err := readAll(ngBytes(t, []layers.LinkType{101, 276}, []byte{0x60}, append([]byte{0x86, 0xdd, 0, 0, 0, 0, 0, 7, 0, 1, 4}, make([]byte, 9)...)))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d packets, %v", len(got), err)
	}
	if g := got[0]; g.LinkType != 101 || g.Packet.Protocol != 0x86dd {
		t.Errorf("first: %+v", g)
	}
	if g := got[1]; g.LinkType != 276 || g.Packet.Protocol != 0x86dd || g.Packet.IfIndex != 7 || g.Packet.NetworkOffset != 20 {
		t.Errorf("second: %+v", g)
	}
}

func TestMetadata(t *testing.T) {
	for _, c := range []struct {
		name string
		link uint32
		data []byte
		want spec.Packet
	}{
		{"IPv4", 1, ethernetFrame(station, 8, 0, 0x45), spec.Packet{Protocol: 0x800, NetworkOffset: 14, HardwareType: 1}},
		{"broadcast", 1, ethernetFrame(broadcast, 8, 6), spec.Packet{Protocol: 0x806, NetworkOffset: 14, HardwareType: 1, PktType: 1}},
		{"multicast", 1, ethernetFrame(multicast, 0x86, 0xdd), spec.Packet{Protocol: 0x86dd, NetworkOffset: 14, HardwareType: 1, PktType: 2}},
		{"VLAN", 1, ethernetFrame(station, 0x81, 0, 0, 5, 8, 0), spec.Packet{Protocol: 0x800, NetworkOffset: 18, HardwareType: 1}},
		{"two tags", 1, ethernetFrame(station, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6), spec.Packet{Protocol: 0x8100, NetworkOffset: 18, HardwareType: 1}},
		{"tag cut off", 1, ethernetFrame(station, 0x81, 0, 0, 5), spec.Packet{Protocol: 0x8100, NetworkOffset: 14, HardwareType: 1}},
		{"802.2", 1, ethernetFrame(station, 0, 38, 0x42, 0x42), spec.Packet{Protocol: 4, NetworkOffset: 14, HardwareType: 1}},
		{"802.3 raw", 1, ethernetFrame(station, 0, 38, 0xff, 0xff), spec.Packet{Protocol: 1, NetworkOffset: 14, HardwareType: 1}},
		{"Ethernet cut off", 1, []byte(station), spec.Packet{}},
		{"empty", 1, nil, spec.Packet{}},
		{"raw IPv6", 101, []byte{0x60}, spec.Packet{Protocol: 0x86dd, HardwareType: 0xfffe}},
		{"raw IPv4", 228, []byte{0x45}, spec.Packet{Protocol: 0x800, HardwareType: 0xfffe}},
		{"raw, neither", 101, []byte{0x10}, spec.Packet{HardwareType: 0xfffe}},
		{"null", 0, []byte{2, 0, 0, 0, 0x45}, spec.Packet{Protocol: 0x800, NetworkOffset: 4, HardwareType: 772}},
		{"cooked", 113, []byte{0, 4, 3, 4, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0}, spec.Packet{Protocol: 0x800, NetworkOffset: 16, HardwareType: 772, PktType: 4}},
		{"802.11", 105, []byte{8, 0}, spec.Packet{}},
	} {
		got, err := readAll(pcapBytes(binary.LittleEndian, false, c.link, c.data))
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %d packets, %v", c.name, len(got), err)
			continue
		}
		c.want.Data, c.want.WireLen = got[0].Packet.Data, len(c.data)+100
		if !reflect.DeepEqual(got[0].Packet, c.want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", c.name, got[0].Packet, c.want)
		}
	}
}

func TestDamage(t *testing.T) {
	p := ethernetFrame(station, 8, 0, 0x45)
	whole := pcapBytes(binary.LittleEndian, false, 1, p, p)
	long := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(long[24+31+8:], 1<<30)
	ng := ngBytes(t, []layers.LinkType{1, 1}, p, p)
	second := bytes.LastIndex(ng, p) // the second packet's bytes
	for _, c := range []struct {
		name    string
		file    []byte
		packets int
		want    string
	}{
		{"empty", nil, 0, "not a readable capture: the file is empty"},
		{"text", []byte("hello"), 0, "not a readable capture: it begins with the bytes 68 65 6c 6c, which is neither pcap nor pcapng"},
		{"header cut", whole[:20], 0, "not a readable capture: the file ends too early, at byte 20"},
		{"record header cut", whole[:24+31+5], 1, "packet 2, at byte 55: the file ends too early, at byte 60"},
		{"packet cut off", whole[:24+31+16], 1, "packet 2, at byte 55: the file ends too early, at byte 71"},
		{"packet cut", whole[:len(whole)-1], 1, "packet 2, at byte 55: the file ends too early, at byte 85"},
		{"too long", long, 1, "packet 2, at byte 55: its length is given as 1073741824 bytes, at most 262144 are allowed"},
		{"pcapng cut", ng[:second], 1, "the file ends too early"},
		{"pcapng header cut", ng[:10], 0, "not a readable capture: the file ends too early, at byte 10"},
		{"gzip cut", zipped(whole)[:40], 0, "the file ends too early"},
		{"gzip header only", zipped(whole)[:10], 0, "not a readable capture: the file ends too early, at byte 0"},
		{"old version", append([]byte("\xd4\xc3\xb2\xa1\x01\x00"), whole[6:]...), 0, "not a readable capture: it is pcap of version 1.4, expected 2.3 or 2.4"},
	} {
		got, err := readAll(c.file)
		if len(got) != c.packets || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %d packets, %v\nwant %d, %s", c.name, len(got), err, c.packets, c.want)
		}
	}
}

func TestErrorStays(t *testing.T) {
	file := pcapBytes(binary.LittleEndian, false, 1, []byte{1}, []byte{2})
	r, err := NewReader(bytes.NewReader(file[:len(file)-1]))
	if err != nil {
		t.Fatal(err)
	}
	_, good := r.Next()
	_, first := r.Next()
	_, again := r.Next()
	if good != nil || first == nil || first != again {
		t.Errorf("%v, then %v, then %v", good, first, again)
	}
}

func TestWriter(t *testing.T) {
	p := ethernetFrame(station, 8, 0, 0x45)
	in, err := readAll(pcapBytes(binary.BigEndian, true, 1, p, p))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := NewWriter(&b, true)
	if err := w.Write(&in[0], p); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&in[1], append([]byte("grown"), p...)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&Record{LinkType: 101, Offset: 9}, nil); err == nil ||
		err.Error() != "a pcap file holds one link type: this one has 1, the packet at byte 9 has 101" {
		t.Errorf("another link type: %v", err)
	}
	if err := w.Flush(0); err != nil {
		t.Fatal(err)
	}
	out, err := readAll(b.Bytes())
	if err != nil || len(out) != 2 {
		t.Fatalf("%d packets, %v", len(out), err)
	}
	if g := out[0]; !bytes.Equal(g.Packet.Data, p) || g.Packet.WireLen != in[0].Packet.WireLen || !g.Time.Equal(when) || g.LinkType != 1 {
		t.Errorf("%+v", g)
	}
	if g := out[1]; len(g.Packet.Data) != len(p)+5 || g.Packet.WireLen != in[0].Packet.WireLen+5 {
		t.Errorf("%+v", g)
	}
	b.Reset()
	if err := NewWriter(&b, false).Flush(101); err != nil {
		t.Fatal(err)
	}
	if out, err := readAll(b.Bytes()); err != nil || len(out) != 0 || b.Len() != 24 {
		t.Errorf("empty file: %d bytes, %d packets, %v", b.Len(), len(out), err)
	}
}

// mustEnd reads a capture that may be damaged and checks that it ends in packets and at most a typed error.
func mustEnd(t *testing.T, data []byte) {
	r, err := NewReader(bytes.NewReader(data))
	for err == nil {
		var rec *Record
		if rec, err = r.Next(); err == nil && (rec.Packet.NetworkOffset > len(rec.Packet.Data) || len(rec.Packet.Data) > rec.Packet.Len()) {
			t.Fatalf("%+v", rec)
		}
	}
	var typed *Error
	if err != io.EOF && !errors.As(err, &typed) {
		t.Fatalf("%#v", err)
	}
}

// TestMutatedCaptures reads 100,000 captures with a few bytes changed, cut off, or both.
func TestMutatedCaptures(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	p := ethernetFrame(station, 0x81, 0, 0, 5, 8, 0, 0x45)
	seeds := [][]byte{pcapBytes(binary.LittleEndian, false, 1, p, p), pcapBytes(binary.BigEndian, true, 113, p, p),
		ngBytes(t, []layers.LinkType{1, 101, 276}, p, p, p), zipped(pcapBytes(binary.LittleEndian, false, 1, p))}
	edges := []byte{0, 1, 4, 0x7f, 0x80, 0xff}
	buf := make([]byte, 0, 1024)
	times := 100_000
	if testing.Short() {
		times = 5_000
	}
	for i := range times {
		buf = append(buf[:0], seeds[i%len(seeds)]...)
		for range 1 + rnd.IntN(4) {
			at := rnd.IntN(len(buf))
			if rnd.IntN(2) == 0 {
				buf[at] = edges[rnd.IntN(len(edges))]
			} else {
				buf[at] = byte(rnd.Uint32())
			}
		}
		if rnd.IntN(4) == 0 {
			buf = buf[:rnd.IntN(len(buf))]
		}
		mustEnd(t, buf)
	}
}

// TestSharedCaptures reads the captures of ../shared/pcaps where they are.
func TestSharedCaptures(t *testing.T) {
	dir := "../../../shared/pcaps"
	files, _ := os.ReadDir(dir)
	if len(files) == 0 {
		t.Skip("no shared captures here")
	}
	packets := 0
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != ".pcap" && ext != ".pcapng" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAll(b)
		if err != nil {
			t.Errorf("%s: %d packets, then %v", f.Name(), len(got), err)
		}
		packets += len(got)
	}
	t.Logf("%d packets", packets)
}

// FuzzReader checks that any bytes end in packets and at most a typed error.
func FuzzReader(f *testing.F) {
	p := ethernetFrame(station, 8, 0, 0x45)
	f.Add(pcapBytes(binary.LittleEndian, false, 1, p, p))
	f.Add(pcapBytes(binary.BigEndian, true, 101, p))
	f.Add(ngBytes(f, []layers.LinkType{1, 276}, p, p))
	f.Add(zipped(pcapBytes(binary.LittleEndian, false, 1, p)))
	f.Fuzz(func(t *testing.T, data []byte) { mustEnd(t, data) })
}
