// Implements the tests of reading ahead.

package capture

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// largeFile makes a capture of some 24 MiB, whose packets and blocks end anywhere in the pieces that are read.
func largeFile(rng *rand.Rand, ng bool) []byte {
	le := binary.LittleEndian
	var file []byte
	if ng {
		file = append(file, "\x0a\x0d\x0d\x0a\x1c\x00\x00\x00\x4d\x3c\x2b\x1a\x01\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\x1c\x00\x00\x00"...)
		file = append(file, "\x01\x00\x00\x00\x14\x00\x00\x00\x01\x00\x00\x00\x00\x00\x04\x00\x14\x00\x00\x00"...)
	} else {
		file = pcapBytes(le, false, 1)
	}
	for len(file) < 24<<20 {
		size := 1 + rng.IntN(2000)
		if rng.IntN(50) == 0 {
			size = rng.IntN(maxPacket + 1)
		}
		p := make([]byte, size)
		p[size-1] = byte(rng.Uint32())
		if ng {
			if rng.IntN(3000) == 0 { // a block that nobody knows
				n := uint32(rng.IntN(maxBlock/4)) * 4
				file = le.AppendUint32(le.AppendUint32(file, 0x7777), n+12)
				file = le.AppendUint32(append(file, make([]byte, n)...), n+12)
			}
			padded := (size + 3) &^ 3
			file = le.AppendUint32(le.AppendUint32(file, 6), uint32(32+padded))
			file = append(file, make([]byte, 12)...)
			file = append(le.AppendUint32(le.AppendUint32(file, uint32(size)), uint32(size)), p...)
			file = le.AppendUint32(append(file, make([]byte, padded-size)...), uint32(32+padded))
			continue
		}
		file = append(file, make([]byte, 8)...)
		file = append(le.AppendUint32(le.AppendUint32(file, uint32(size)), uint32(size)), p...)
	}
	return file
}

// told is all that a scanner tells of a capture.
func told(r io.Reader) (string, int64) {
	s, err := NewScanner(r)
	if err != nil {
		return err.Error(), 0
	}
	sum, packets, places := crc32.NewIEEE(), 0, int64(0)
	for {
		b, err := s.Next()
		if err != nil {
			return fmt.Sprintf("%d packets, %x, %d: %v", packets, sum.Sum32(), places, err), s.Consumed()
		}
		for i, p := range b.Packets {
			sum.Write(p)
			places = places*31 + b.Offset(i)
			packets++
		}
	}
}

// TestAhead holds reading ahead against reading along, on whole files and cut ones, from the start and from behind it.
func TestAhead(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	rng := rand.New(rand.NewPCG(5, 6))
	before := runtime.NumGoroutine()
	name := filepath.Join(t.TempDir(), "capture")
	for round := range 8 {
		data := largeFile(rng, round%2 == 1)
		if round >= 2 {
			data = data[:len(data)-rng.IntN(20<<20)]
		}
		skip := rng.IntN(3) * 5
		if err := os.WriteFile(name, append([]byte("something else")[:skip], data...), 0o600); err != nil {
			t.Fatal(err)
		}
		var out [2]string
		var consumed [2]int64
		for i := range out {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(int64(skip), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			r := io.Reader(f)
			if i == 1 {
				r = struct{ io.Reader }{f}
			}
			out[i], consumed[i] = told(r)
			f.Close()
		}
		if out[0] != out[1] || consumed[0] != consumed[1] {
			t.Errorf("round %d: ahead %s (%d read), along %s (%d read)", round, out[0], consumed[0], out[1], consumed[1])
		}
		if round < 2 && !strings.HasSuffix(out[0], "EOF") {
			t.Error(out[0])
		}
	}
	// One that is dropped, its file closed.
	if err := os.WriteFile(name, largeFile(rng, false), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewScanner(f)
	for range 10 {
		if err == nil {
			_, err = s.Next()
		}
	}
	f.Close()
	if err != nil {
		t.Error(err)
	}
	for n := 0; runtime.NumGoroutine() > before; n++ {
		if runtime.Gosched(); n > 1e6 {
			t.Fatalf("%d goroutines are left, of %d", runtime.NumGoroutine(), before)
		}
	}
}
