// Implements the tests of the copier: copies are captures that hold the matches as they stood.

package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// copied scans a capture as far as it can be read and copies the packets that keep says, by their index.
func copied(t testing.TB, file []byte, keep func(int) bool) []byte {
	var out bytes.Buffer
	c := NewCopier(&out)
	verdicts := make([]uint32, maxBatch)
	s, err := NewScanner(bytes.NewReader(file))
	if err != nil {
		return nil
	}
	for {
		b, err := s.Next()
		if err != nil {
			break
		}
		want := 0
		for i := range b.Packets {
			verdicts[i] = 0
			if keep(b.First - 1 + i) {
				verdicts[i] = 1 << (want % 32)
				want++
			}
		}
		if n, err := c.Copy(b, verdicts); n != want || err != nil {
			t.Fatalf("copied %d of %d: %v", n, want, err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// checkCopy copies what keep says and checks that it can be read from the copy, and nothing else.
func checkCopy(t testing.TB, file []byte, all outcome, keep func(int) bool) []byte {
	chosen := map[int]bool{}
	for i := range all.packets {
		chosen[i] = keep(i)
	}
	b := copied(t, file, func(i int) bool { return chosen[i] })
	if b == nil {
		return nil
	}
	got := scanned(t, bytes.NewReader(b))
	var want outcome
	for i, p := range all.packets {
		if chosen[i] {
			if n := len(want.packets); n < len(got.packets) {
				p.offset = got.packets[n].offset // the only thing that may change
			}
			want.packets = append(want.packets, p)
		}
	}
	same(t, "copy", got, want)
	return b
}

func TestCopier(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	all := captures(t)
	for name, file := range long(rng) {
		all["long "+name] = file
	}
	for name, file := range all {
		o := scanned(t, bytes.NewReader(file))
		whole := checkCopy(t, file, o, func(int) bool { return true })
		if name != "mixed pcapng" && !bytes.Equal(whole, file) {
			t.Errorf("%s: a copy of all of %d bytes has %d", name, len(file), len(whole))
		}
		for range 10 {
			if part := checkCopy(t, file, o, func(int) bool { return rng.IntN(3) > 0 }); len(part) > len(file) {
				t.Errorf("%s: %d bytes of %d", name, len(part), len(file))
			}
		}
		none := checkCopy(t, file, o, func(int) bool { return false })
		if name == "little" && !bytes.Equal(none, file[:24]) {
			t.Errorf("%s: a copy of none is %x", name, none)
		}
	}
}

// TestCopyOfPcapng checks which blocks stay, and that the sections' lengths are made unknown.
func TestCopyOfPcapng(t *testing.T) {
	got := copied(t, ngMixed(), func(int) bool { return true })
	var want []byte
	for i, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		section := bytes.Replace(ngSection(i), ngBlock(order, 99, []byte("in between")), nil, 1)
		section = bytes.Replace(section, ngBlock(order, 0x40000bad, []byte("not kept")), nil, 1)
		copy(section[16:], "\xff\xff\xff\xff\xff\xff\xff\xff")
		want = append(want, section...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  %x\nwant %x", got, want)
	}
}

func TestCopyOfShared(t *testing.T) {
	dir := "../../../shared/pcaps"
	files, _ := os.ReadDir(dir)
	if len(files) == 0 {
		t.Skip("no shared captures here")
	}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		o := scanned(t, bytes.NewReader(b))
		whole := checkCopy(t, b, o, func(int) bool { return true })
		if o.err == nil && !bytes.HasPrefix(b, []byte("\x0a\x0d\x0d\x0a")) && !bytes.Equal(whole, b) {
			t.Errorf("%s: the copy of all packets is another file", f.Name())
		}
		checkCopy(t, b, o, func(i int) bool { return i%2 == 0 })
	}
}

// full is a file system with no room left.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestCopierErrors(t *testing.T) {
	s, err := NewScanner(bytes.NewReader(pcapBytes(binary.LittleEndian, false, 1, make([]byte, 2000))))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Next()
	if err != nil {
		t.Fatal(err)
	}
	c := NewCopier(full{})
	for err == nil {
		_, err = c.Copy(b, []uint32{1})
	}
	if !errors.Is(err, errFull) || !errors.Is(c.Flush(), errFull) {
		t.Error(err)
	}
}
