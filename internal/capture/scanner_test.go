// Implements the tests of the scanner: against plain readers, with sources that give little at a time, with long
// records, in bounded memory.

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
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestScannerAndPlainReaders(t *testing.T) {
	counts := map[string]int{"little": 4, "little nano": 2, "big": 2, "big nano": 3, "modified": 2, "header": 0, "pcapng": 3, "mixed pcapng": 12, "no packets": 0}
	for name, file := range captures(t) {
		got := scanned(t, bytes.NewReader(file))
		same(t, name, got, read(file))
		if got.err != nil || len(got.packets) != counts[name] {
			t.Errorf("%s: %d packets, %v", name, len(got.packets), got.err)
		}
		all, err := readAll(file)
		for i, rec := range all {
			if f := (found{string(rec.Packet.Data), rec.LinkType, rec.Packet.WireLen, rec.Offset, rec.Time}); f != got.packets[i] {
				t.Errorf("%s: packet %d: %+v", name, i+1, f)
			}
		}
		if err != nil || len(all) != len(got.packets) {
			t.Errorf("%s: the reader gives %d packets, then %v", name, len(all), err)
		}
	}
}

// TestShared compares the scanner with the plain readers and gopacket on the captures of ../shared/pcaps, and on ten
// of each with damage.
func TestShared(t *testing.T) {
	dir := "../../../shared/pcaps"
	files, _ := os.ReadDir(dir)
	if len(files) == 0 {
		t.Skip("no shared captures here")
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, f := range files {
		if ext := filepath.Ext(f.Name()); ext != ".pcap" && ext != ".pcapng" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got := scanned(t, bytes.NewReader(b))
		same(t, f.Name(), got, read(b))
		if string(b[:4]) == "\x0a\x0d\x0d\x0a" {
			for i := range got.packets {
				got.packets[i].offset = 0
			}
			same(t, f.Name(), got, readGopacket(t, b))
		}
		if len(b) > 1<<20 {
			continue
		}
		for range 10 {
			damaged := damage(rng, b)
			sameEnd(t, f.Name()+", damaged", scanned(t, bytes.NewReader(damaged)), read(damaged))
		}
	}
}

func TestScannerOnDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	times := 10_000
	if testing.Short() {
		times = 1_000
	}
	for name, file := range captures(t) {
		failed := 0
		for range times / 5 {
			b := damage(rng, file)
			got, want := scanned(t, bytes.NewReader(b)), read(b)
			if strings.Contains(name, "pcapng") || name == "no packets" {
				sameEnd(t, name, got, want)
			} else {
				same(t, name, got, want) // to the letter
			}
			if got.err != nil {
				failed++
			}
		}
		if failed == 0 {
			t.Errorf("%s: no damage was ever noticed", name)
		}
	}
}

func TestScannerOnSlowSources(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	all := captures(t)
	for name, file := range long(rng) {
		all["long "+name] = file
		all["long "+name+", cut"] = file[:len(file)-10]
	}
	for name, file := range all {
		want := scanned(t, bytes.NewReader(file))
		for how, source := range sources(rng, file) {
			same(t, name+" by "+how, scanned(t, source), want)
		}
		sameEnd(t, name, want, read(file))
	}
}

// TestBatchesAreNotHeldBack checks that a packet is given out once it has been read.
func TestBatchesAreNotHeldBack(t *testing.T) {
	p := ethernetFrame(station, 8, 0)
	for name, file := range map[string][]byte{
		"pcap":   pcapBytes(binary.LittleEndian, false, 1, p, p, p),
		"pcapng": append(ngStart(binary.LittleEndian, 0, 1), bytes.Repeat(ngPacket(binary.LittleEndian, blockEnhanced, 0, 1, p), 3)...),
	} {
		r, w := io.Pipe()
		size := (len(file) - len(pcapBytes(binary.LittleEndian, false, 1))) / 3
		if name == "pcapng" {
			size = len(ngPacket(binary.LittleEndian, blockEnhanced, 0, 1, p))
		}
		seen := make(chan int)
		go func() {
			at := len(file) - 3*size
			w.Write(file[:at])
			for n := range 3 {
				w.Write(file[at : at+size])
				at += size
				if got := <-seen; got != n+1 {
					t.Errorf("%s: packet %d after writing %d", name, got, n+1)
				}
			}
			w.Close()
		}()
		s, err := NewScanner(r)
		packets := 0
		for err == nil {
			var b *Batch
			if b, err = s.Next(); err == nil && len(b.Packets) > 0 {
				packets += len(b.Packets)
				seen <- packets
			}
		}
		if err != io.EOF || packets != 3 {
			t.Errorf("%s: %d packets, %v", name, packets, err)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	p := ethernetFrame(station, 8, 0, 0x45)
	file := pcapBytes(binary.LittleEndian, false, 1, p, p)
	broken := errors.New("the disk is broken")
	for _, c := range []struct {
		name    string
		source  io.Reader
		packets int
		want    string
	}{
		{"at once", iotest.ErrReader(broken), 0, "not a readable capture: the disk is broken"},
		{"in the magic", io.MultiReader(bytes.NewReader(file[:3]), iotest.ErrReader(broken)), 0, "not a readable capture: the disk is broken"},
		{"in the header", io.MultiReader(bytes.NewReader(file[:20]), iotest.ErrReader(broken)), 0, "not a readable capture: the disk is broken"},
		{"behind a packet", io.MultiReader(bytes.NewReader(file[:55]), iotest.ErrReader(broken)), 1, "packet 2, at byte 55: the disk is broken"},
		{"in a packet", io.MultiReader(bytes.NewReader(file[:80]), iotest.ErrReader(broken)), 1, "packet 2, at byte 55: the disk is broken"},
		{"in gzip", io.MultiReader(bytes.NewReader(zipped(file)[:10]), iotest.ErrReader(broken)), 0, "not a readable capture: the disk is broken"},
		{"nothing ever", few{rand.New(zero{}), 1, nil}, 0, "not a readable capture: multiple Read calls return no data or error"},
		{"gzip checksum", bytes.NewReader(append(zipped(file)[:len(zipped(file))-8], "12345678"...)), 2, "packet 3, at byte 86: gzip: invalid checksum"},
		{"gzip header cut", iotest.OneByteReader(bytes.NewReader(zipped(file)[:9])), 0, "not a readable capture: the file ends too early, at byte 9"},
		{"zstd cut", bytes.NewReader(zstandard(file)[:20]), 0, "not a readable capture: the file ends too early, at byte 0"},
		{"zstd magic alone", bytes.NewReader(zstandard(file)[:4]), 0, "not a readable capture: the file ends too early, at byte 0"},
		{"zstd window", strings.NewReader("\x28\xb5\x2f\xfd\x00\xa8\x00\x00\x00"), 0, "not a readable capture: window size exceeded"},
	} {
		got := scanned(t, c.source)
		if len(got.packets) != c.packets || got.err == nil || got.err.Error() != c.want {
			t.Errorf("%s: %d packets, %v\nwant %d, %s", c.name, len(got.packets), got.err, c.packets, c.want)
		}
	}
}

func TestNgDamage(t *testing.T) {
	order := binary.LittleEndian
	p := ethernetFrame(station, 8, 0)
	start := ngStart(order, 0, 1)
	at := " at byte " + "48"
	put := func(b []byte, at int, n uint32) []byte {
		order.PutUint32(b[at:], n)
		return b
	}
	packet := func() []byte { return ngPacket(order, blockEnhanced, 0, 0, p) }
	for _, c := range []struct {
		name, want string
		block      []byte
	}{
		{"short block", "packet 1," + at + ": the length of its block is given as 28 bytes, expected a multiple of 4 from 32 to 16777216", put(packet(), 4, 28)},
		{"odd block", "packet 1," + at + ": the length of its block is given as 49 bytes, expected a multiple of 4 from 32 to 16777216", put(packet(), 4, 49)},
		{"long block", "packet 1," + at + ": the length of its block is given as 16777220 bytes, expected a multiple of 4 from 12 to 16777216", put(ngBlock(order, 77), 4, 16<<20+4)},
		{"two lengths", "packet 1," + at + ": its block begins with the length 30 00 00 00 and ends with 34 00 00 00", put(packet(), 44, 0x34)},
		{"unknown interface", "packet 1," + at + ": it is of interface 1, but its section describes only 1 before it", put(packet(), 8, 1)},
		{"too long", "packet 1," + at + ": its length is given as 262145 bytes, at most 262144 are allowed", put(packet(), 20, 262145)},
		{"longer than its block", "packet 1," + at + ": its length is given as 17 bytes, but its block has room for 16", put(packet(), 20, 17)},
		{"option", "packet 1," + at + ": option 9 of interface 1 is given as 5 bytes, but its block has room for 4", ngInterfaceBlock(order, 1, 0, "\x09\x00\x05\x00\x01\x02\x03\x04")},
		{"section's version", "packet 1," + at + ": it is pcapng of version 2.0, expected 1.0 or 1.2", put(ngStart(order, 0), 12, 2)},
		{"section's order", "packet 1," + at + ": the byte order of its section is given as 01 02 03 04, expected 1a 2b 3c 4d or the reverse", put(ngStart(order, 0), 8, 0x04030201)},
		{"cut", "packet 1," + at + ": the file ends too early, at byte 95", packet()[:47]},
		{"cut in the first bytes", "packet 1," + at + ": the file ends too early, at byte 53", packet()[:5]},
	} {
		got := scanned(t, bytes.NewReader(append(bytes.Clone(start), c.block...)))
		if len(got.packets) != 0 || got.err == nil || got.err.Error() != c.want {
			t.Errorf("%s: %d packets, %v\nwant %s", c.name, len(got.packets), got.err, c.want)
		}
	}
	if got := scanned(t, bytes.NewReader(put(ngStart(order, 0), 12, 2))); got.err == nil || got.err.Error() != "not a readable capture: it is pcapng of version 2.0, expected 1.0 or 1.2" {
		t.Error(got.err)
	}
	many := bytes.Repeat(ngInterfaceBlock(order, 1, 0, ""), maxInterfaces)
	if got := scanned(t, bytes.NewReader(append(bytes.Clone(start), many...))); got.err == nil || !strings.HasSuffix(got.err.Error(), ": its section describes more than 65536 interfaces") {
		t.Error(got.err)
	}
}

func TestSnapLen(t *testing.T) {
	p := ethernetFrame(station, 8, 0, 0x45)
	for _, snap := range []uint32{0, 1, 5, 65535, 262144, 1 << 31, ^uint32(0)} {
		file := pcapBytes(binary.LittleEndian, false, 1, p, p)
		binary.LittleEndian.PutUint32(file[16:], snap)
		s, err := NewScanner(bytes.NewReader(file))
		if err != nil || s.SnapLen() != snap || s.LinkType() != 1 || s.Nanoseconds() {
			t.Errorf("snap length %d: %d, link type %d, %v", snap, s.SnapLen(), s.LinkType(), err)
		}
		if got := scanned(t, bytes.NewReader(file)); got.err != nil || len(got.packets) != 2 || got.packets[1].data != string(p) {
			t.Errorf("snap length %d: %+v", snap, got)
		}
	}
	// A simple packet is as long as it was on the wire, or as its interface's limit.
	order := binary.LittleEndian
	for snap, want := range map[uint32]int{0: 14, 5: 5, 100: 14} {
		file := append(ngStart(order, 0), ngInterfaceBlock(order, 1, snap, "")...)
		file = append(file, ngPacket(order, blockSimple, 0, 0, p[:14])...)
		got := scanned(t, bytes.NewReader(file))
		if got.err != nil || len(got.packets) != 1 || len(got.packets[0].data) != want || got.packets[0].wire != 14 || !got.packets[0].time.IsZero() {
			t.Errorf("snap length %d: %+v", snap, got)
		}
	}
}

// TestMemory checks that nothing grows with the file, and that going through it allocates nothing.
func TestMemory(t *testing.T) {
	order := binary.LittleEndian
	longest := make([]byte, maxPacket)
	options := append(bytes.Repeat(append([]byte{1, 0, 0xfc, 0xff}, make([]byte, 0xfffc)...), 251), 0, 0, 0, 0)
	for name, c := range map[string]struct {
		head, repeat []byte
		times        int
		most         int
	}{
		"pcap":                {pcapBytes(order, false, 1), pcapBytes(order, false, 1, make([]byte, 1000))[24:], 100_000, 1<<20 + 4096},
		"pcap, long packets":  {pcapBytes(order, false, 1), pcapBytes(order, false, 1, longest)[24:], 40, 3 << 19},
		"pcapng":              {ngStart(order, 0, 1), ngPacket(order, blockEnhanced, 0, 0, make([]byte, 1000)), 100_000, 1<<20 + 4096},
		"pcapng, names":       {ngStart(order, 0, 1), ngBlock(order, blockNames, make([]byte, 1000)), 100_000, 1<<20 + 4096},
		"pcapng, long blocks": {ngStart(order, 0, 1), ngPacket(order, blockEnhanced, 0, 0, longest, options...), 3, 17 << 20},
		"pcapng, skipped":     {ngStart(order, 0, 1), ngBlock(order, 99, make([]byte, 16<<20-12)), 3, 17 << 20},
		"pcapng, sections":    {nil, ngStart(order, 0, 1), 100_000, 1<<20 + 4096},
	} {
		s, err := NewScanner(io.MultiReader(bytes.NewReader(c.head), &repeated{c.repeat, c.times, nil}))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for err == nil {
			_, err = s.Next()
		}
		runtime.ReadMemStats(&after)
		if err != io.EOF || len(s.buf) > c.most {
			t.Errorf("%s: %v, a buffer of %d bytes", name, err, len(s.buf))
		}
		if n := after.Mallocs - before.Mallocs; n > 50 {
			t.Errorf("%s: %d allocations", name, n)
		}
	}
}

// TestNothingLeftBehind checks that a scanner that is dropped leaves no goroutine.
func TestNothingLeftBehind(t *testing.T) {
	file := bytes.Repeat([]byte{0}, 1<<20)
	file = append(pcapBytes(binary.LittleEndian, false, 1), file...)
	before := runtime.NumGoroutine()
	for range 10 {
		for _, b := range [][]byte{zipped(file), zstandard(file)} {
			if _, err := NewScanner(bytes.NewReader(b)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines, then %d", before, after)
	}
}

// FuzzScanner checks that the scanner gives the same as the plain readers, in whatever pieces it gets the bytes,
// and that a copy of all packets is a capture with the same packets.
func FuzzScanner(f *testing.F) {
	for _, file := range captures(f) {
		f.Add(file, uint64(1))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) {
			z, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return
			}
			data, _ = io.ReadAll(io.LimitReader(z, 1<<20))
		}
		if bytes.HasPrefix(data, []byte("\x1f\x8b")) || bytes.HasPrefix(data, []byte("\x28\xb5\x2f\xfd")) {
			return
		}
		got := scanned(t, bytes.NewReader(data))
		if bytes.HasPrefix(data, []byte("\x0a\x0d\x0d\x0a")) {
			sameEnd(t, "plain reader", got, read(data))
		} else {
			same(t, "plain reader", got, read(data))
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		same(t, "in pieces", scanned(t, few{rng, 1 + rng.IntN(300), bytes.NewReader(data)}), got)
		checkCopy(t, data, got, func(int) bool { return true })
		checkCopy(t, data, got, func(int) bool { return rng.IntN(2) == 0 })
	})
}
