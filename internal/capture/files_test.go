// Implements the captures that the tests read, and sources that give their bytes in many ways.

package capture

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/gopacket/gopacket/layers"
	"github.com/klauspost/compress/zstd"
)

// ngBlock makes a block of a pcapng file.
func ngBlock(order binary.AppendByteOrder, kind uint32, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	all = append(all, make([]byte, -len(all)&3)...)
	b := order.AppendUint32(order.AppendUint32(nil, kind), uint32(len(all)+12))
	return order.AppendUint32(append(b, all...), uint32(len(all)+12))
}

// ngStart makes a section header of the given length and an interface for each link type.
func ngStart(order binary.AppendByteOrder, length uint64, links ...uint16) []byte {
	b := order.AppendUint16(order.AppendUint16(order.AppendUint32(nil, 0x1a2b3c4d), 1), 0)
	b = ngBlock(order, blockSection, order.AppendUint64(b, length))
	for _, link := range links {
		b = append(b, ngInterfaceBlock(order, link, 0, "")...)
	}
	return b
}

func ngInterfaceBlock(order binary.AppendByteOrder, link uint16, snap uint32, options string) []byte {
	body := order.AppendUint32(order.AppendUint16(order.AppendUint16(nil, link), 0), snap)
	return ngBlock(order, blockInterface, body, []byte(options))
}

// ngPacket makes a packet block of any of the three kinds.
func ngPacket(order binary.AppendByteOrder, kind, face uint32, when uint64, p []byte, options ...byte) []byte {
	var b []byte
	switch kind {
	case blockEnhanced:
		b = order.AppendUint32(nil, face)
	case blockPacket:
		b = order.AppendUint16(order.AppendUint16(nil, uint16(face)), 7)
	case blockSimple:
		return ngBlock(order, kind, order.AppendUint32(nil, uint32(len(p))), p)
	}
	b = order.AppendUint32(order.AppendUint32(b, uint32(when>>32)), uint32(when))
	b = order.AppendUint32(order.AppendUint32(b, uint32(len(p))), uint32(len(p))+100)
	return ngBlock(order, kind, b, p, make([]byte, -len(p)&3), options)
}

// ngMixed is a pcapng file of two sections in both orders.
func ngMixed() []byte { return append(ngSection(0), ngSection(1)...) }

// ngSection is a section in little or big endian with all that is taken note of and other blocks.
func ngSection(i int) []byte {
	order := []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian}[i]
	p := ethernetFrame(station, 8, 0, 0x45, byte(i))
	out := ngStart(order, 1000, 1, 101)
	for _, b := range [][]byte{
		ngBlock(order, blockCustom, []byte("kept")),
		ngBlock(order, 0x40000bad, []byte("not kept")),
		ngBlock(order, blockNames, make([]byte, 4)),
		ngPacket(order, blockEnhanced, 0, 1e15, p, 0, 1, 0, 2, 'h', 'i', 0, 0),
		ngPacket(order, blockEnhanced, 0, 1e15+1, p),
		ngBlock(order, 99, []byte("in between")),
		ngPacket(order, blockPacket, 0, 1e15+2, p),
		ngPacket(order, blockEnhanced, 1, 1e15+3, []byte{0x45, 1}),
		ngPacket(order, blockSimple, 0, 0, p),
		[][]byte{
			ngInterfaceBlock(order, 1, 8, "\x09\x00\x01\x00\x09\x00\x00\x00"+"\x0e\x00\x08\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
			ngInterfaceBlock(order, 1, 8, "\x00\x09\x00\x01\x8a\x00\x00\x00"+"\x00\x0e\x00\x08\xff\xff\xff\xff\xff\xff\xff\xff"),
		}[i],
		ngPacket(order, blockEnhanced, 2, 1e15+4, p),
		ngBlock(order, blockStatistics, make([]byte, 12)),
	} {
		out = append(out, b...)
	}
	return out
}

// captures are small captures of all kinds, not compressed.
func captures(t testing.TB) map[string][]byte {
	p, q := ethernetFrame(station, 8, 0, 0x45), ethernetFrame(broadcast, 8, 6)
	modified := pcapBytes(binary.BigEndian, false, 1)
	binary.BigEndian.PutUint32(modified, 0xa1b2cd34)
	for _, p := range [][]byte{p, q} {
		record := pcapBytes(binary.BigEndian, false, 1, p)[24:]
		modified = append(modified, record[:16]...)
		modified = append(append(modified, "interfac"...), p...)
	}
	return map[string][]byte{
		"little":       pcapBytes(binary.LittleEndian, false, 1, p, q, nil, p),
		"little nano":  pcapBytes(binary.LittleEndian, true, 113, p, q),
		"big":          pcapBytes(binary.BigEndian, false, 0x10000065, p, q),
		"big nano":     pcapBytes(binary.BigEndian, true, 1, p, nil, q),
		"modified":     modified,
		"header":       pcapBytes(binary.LittleEndian, false, 1),
		"pcapng":       ngBytes(t, []layers.LinkType{1, 101, 276}, p, p, p),
		"mixed pcapng": ngMixed(),
		"no packets":   ngStart(binary.LittleEndian, ^uint64(0), 1),
	}
}

// few gives between 1 and n bytes at a time, and sometimes none.
type few struct {
	rng *rand.Rand
	n   int
	r   io.Reader
}

func (f few) Read(p []byte) (int, error) {
	if f.rng.IntN(8) == 0 {
		return 0, nil
	}
	return f.r.Read(p[:min(len(p), 1+f.rng.IntN(f.n))])
}

// sources are readers of the same bytes that give them in different ways.
func sources(rng *rand.Rand, b []byte) map[string]io.Reader {
	again := func() io.Reader { return bytes.NewReader(b) }
	return map[string]io.Reader{
		"one byte":   iotest.OneByteReader(again()),
		"half":       iotest.HalfReader(again()),
		"data, err":  iotest.DataErrReader(again()),
		"a few":      few{rng, 50, again()},
		"up to 100K": few{rng, 100_000, again()},
		"gzip":       bytes.NewReader(zipped(b)),
		"zstd":       bytes.NewReader(zstandard(b)),
		"slow zstd":  iotest.OneByteReader(bytes.NewReader(zstandard(b))),
		"slow gzip":  iotest.OneByteReader(bytes.NewReader(zipped(b))),
	}
}

func zstandard(b []byte) []byte {
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	z.Write(b)
	z.Close()
	return out.Bytes()
}

// long makes captures that take many blocks, with packets of all lengths up to the longest.
func long(rng *rand.Rand) map[string][]byte {
	order := binary.LittleEndian
	ng := ngStart(order, ^uint64(0), 1, 101)
	var packets [][]byte
	for i := range 400 {
		size := rng.IntN(3000)
		if i%60 == 7 {
			size = maxPacket - rng.IntN(2)*rng.IntN(1000)
		}
		p := make([]byte, size)
		for k := range p {
			p[k] = byte(i * k >> 5)
		}
		packets = append(packets, p)
		kind := []uint32{blockEnhanced, blockSimple, blockPacket}[rng.IntN(3)]
		ng = append(ng, ngPacket(order, kind, uint32(rng.IntN(8)/7), rng.Uint64(), p)...)
	}
	return map[string][]byte{"pcap": pcapBytes(order, false, 1, packets...), "pcapng": ng}
}

// zero is a source of chance without any.
type zero struct{}

func (zero) Uint64() uint64 { return 0 }

// repeated gives the same bytes a number of times.
type repeated struct {
	b     []byte
	times int
	rest  []byte
}

func (r *repeated) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.rest, r.times = r.b, r.times-1
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// damage changes a few bytes of a copy of b, or cuts it off, or both.
func damage(rng *rand.Rand, b []byte) []byte {
	b = bytes.Clone(b)
	edges := []byte{0, 1, 4, 0x7f, 0x80, 0xff}
	for range rng.IntN(4) {
		at := rng.IntN(len(b))
		if b[at] = byte(rng.Uint32()); rng.IntN(2) == 0 {
			b[at] = edges[rng.IntN(len(edges))]
		}
	}
	if rng.IntN(2) == 0 {
		b = b[:rng.IntN(len(b))]
	}
	return b
}
