// Implements the benchmarks of scanning, filtering and copying a capture in the page cache.

package capture

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/skepbpf/skep/filter"
)

// benchSize is how large the capture is, bytes.
const benchSize = 256 << 20

// frame makes an Ethernet frame with IPv4 and TCP headers; one in fifty has port 443.
func frame(rng *rand.Rand, size int) []byte {
	p := make([]byte, size)
	for i := 54; i < size; i++ {
		p[i] = byte(i)
	}
	copy(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45")
	binary.BigEndian.PutUint16(p[16:], uint16(size-14))
	p[22], p[23] = 64, 6
	copy(p[26:], "\x0a\x00\x00\x01\x0a\x00\x00\x02")
	binary.BigEndian.PutUint16(p[34:], uint16(1024+rng.IntN(60000)))
	binary.BigEndian.PutUint16(p[36:], 80)
	switch r := rng.IntN(100); {
	case r < 2:
		binary.BigEndian.PutUint16(p[36:], 443)
	case r < 12:
		p[23] = 17
	}
	return p
}

// benchFile makes a capture of the sizes that are met on the way to servers: acknowledgements, some in the
// middle, and full segments.
func benchFile(b *testing.B, ng bool) string {
	rng := rand.New(rand.NewPCG(1, 2))
	var file []byte
	le := binary.LittleEndian
	if ng {
		file = append(file, "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"...)
		file = append(file, "\x01\x00\x00\x00\x14\x00\x00\x00\x01\x00\x00\x00\x00\x00\x04\x00\x14\x00\x00\x00"...)
	} else {
		file = pcapBytes(le, false, 1)
	}
	file = append(make([]byte, 0, benchSize+4096), file...)
	for len(file) < benchSize {
		size := 60 + rng.IntN(20)
		switch rng.IntN(10) {
		case 4, 5:
			size = 80 + rng.IntN(1300)
		case 6, 7, 8, 9:
			size = 1514
		}
		p := frame(rng, size)
		if ng {
			padded := (size + 3) &^ 3
			file = le.AppendUint32(le.AppendUint32(file, 6), uint32(32+padded))
			file = append(file, make([]byte, 12)...)
			file = append(le.AppendUint32(le.AppendUint32(file, uint32(size)), uint32(size)), p...)
			file = le.AppendUint32(append(file, make([]byte, padded-size)...), uint32(32+padded))
			continue
		}
		file = le.AppendUint32(le.AppendUint32(file, 1700000000), 1)
		file = append(le.AppendUint32(le.AppendUint32(file, uint32(size)), uint32(size)), p...)
	}
	name := filepath.Join(b.TempDir(), "bench")
	if err := os.WriteFile(name, file, 0o600); err != nil {
		b.Fatal(err)
	}
	return name
}

// scanFile scans a file from its start and gives each batch to do.
func scanFile(b *testing.B, f *os.File, do func(*Batch)) int {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		b.Fatal(err)
	}
	s, err := NewScanner(f)
	packets := 0
	for err == nil {
		var batch *Batch
		if batch, err = s.Next(); err == nil {
			packets += len(batch.Packets)
			do(batch)
		}
	}
	if err != io.EOF {
		b.Fatal(err)
	}
	return packets
}

// BenchmarkFile reports MB/s of a capture in the page cache: read and nothing else, scanned, filtered to nothing, and
// filtered with the matches written.
func BenchmarkFile(b *testing.B) {
	for _, form := range []string{"pcap", "pcapng"} {
		b.Run(form, func(b *testing.B) {
			f, err := os.Open(benchFile(b, form == "pcapng"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			benchFilters(b, f)
		})
	}
}

func benchFilters(b *testing.B, f *os.File) {
	run := func(name string, pass func(b *testing.B) int) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			packets := 0
			for b.Loop() {
				packets += pass(b)
			}
			if packets > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(packets), "ns/packet")
			}
		})
	}
	block := make([]byte, readRoom)
	run("read", func(b *testing.B) int {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := f.Read(block); err == io.EOF {
				return 0
			} else if err != nil {
				b.Fatal(err)
			}
		}
	})
	run("scan", func(b *testing.B) int { return scanFile(b, f, func(*Batch) {}) })
	verdicts := make([]uint32, maxBatch)
	out := filepath.Join(b.TempDir(), "out")
	for _, expr := range []string{"tcp port 443", "udp port 9999", "tcp", "ip"} {
		match, err := filter.Compile(expr, nil)
		if err != nil {
			b.Fatal(err)
		}
		run(expr, func(b *testing.B) int {
			return scanFile(b, f, func(batch *Batch) { match.VerdictBatch(batch.Packets, verdicts[:len(batch.Packets)]) })
		})
		copied := 0
		run(expr+" to a file", func(b *testing.B) int {
			b.StopTimer() // ext4 writes a file that replaces another to the disk at once
			os.Remove(out)
			b.StartTimer()
			w, err := os.Create(out)
			if err != nil {
				b.Fatal(err)
			}
			c := NewCopier(w)
			copied = 0
			packets := scanFile(b, f, func(batch *Batch) {
				match.VerdictBatch(batch.Packets, verdicts[:len(batch.Packets)])
				n, err := c.Copy(batch, verdicts)
				if err != nil {
					b.Fatal(err)
				}
				copied += n
			})
			if err := c.Flush(); err != nil {
				b.Fatal(err)
			}
			w.Close()
			b.ReportMetric(float64(copied)/float64(packets), "copied")
			return packets
		})
	}
}
