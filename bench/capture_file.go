// Implements the capture that the table of captures is about, and reading what came of it.

package main

import (
	"bufio"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"

	"github.com/skepbpf/skep/internal/capture"
)

// captureSize is the least size of the capture, bytes.
const captureSize = 1 << 30

// writeCapture writes a capture of the sizes that are met on the way to servers, acknowledgements, some in
// the middle and full segments, and returns how many packets it has. Nine in ten are TCP, of these two in five of
// port 443; nothing is of port 9999.
func writeCapture(name string) (packets int, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	le, rng := binary.LittleEndian, rand.New(rand.NewPCG(1, 2))
	head := le.AppendUint32(nil, 0xa1b2c3d4)
	head = le.AppendUint32(head, 4<<16|2) // version 2.4
	head = append(head, make([]byte, 8)...)
	head = le.AppendUint32(le.AppendUint32(head, 262144), 1) // snap length, Ethernet
	w.Write(head)
	record := make([]byte, 16+1514)
	for i := range record {
		record[i] = byte(i)
	}
	for written := len(head); written < captureSize; packets++ {
		size := 60 + rng.IntN(20)
		switch rng.IntN(10) {
		case 4, 5:
			size = 80 + rng.IntN(1300)
		case 6, 7, 8, 9:
			size = 1514
		}
		le.PutUint32(record, 1700000000+uint32(packets/1000))
		le.PutUint32(record[4:], uint32(packets%1000*1000))
		le.PutUint32(record[8:], uint32(size))
		le.PutUint32(record[12:], uint32(size))
		fillFrame(rng, record[16:16+size])
		w.Write(record[:16+size])
		written += 16 + size
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	return packets, f.Sync() // or else writing it out disturbs what is measured
}

// fillFrame writes the headers of an Ethernet frame.
func fillFrame(rng *rand.Rand, p []byte) {
	be := binary.BigEndian
	copy(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00")
	be.PutUint16(p[16:], uint16(len(p)-14))
	be.PutUint32(p[18:], 0)
	copy(p[22:], "\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02")
	if rng.IntN(10) == 0 {
		p[23] = 17
	}
	be.PutUint16(p[34:], uint16(10000+rng.IntN(50000)))
	be.PutUint16(p[36:], 80)
	if rng.IntN(5) < 2 {
		be.PutUint16(p[36:], 443)
	}
}

// countPackets returns how many packets a capture has, and its size in bytes.
func countPackets(name string) (packets int, size int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	s, err := capture.NewScanner(f)
	for err == nil {
		var b *capture.Batch
		if b, err = s.Next(); err == nil {
			packets += len(b.Packets)
		}
	}
	if err != io.EOF {
		return 0, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, 0, err
	}
	return packets, info.Size(), nil
}
