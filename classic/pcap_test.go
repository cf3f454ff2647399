// Implements a reader of capture files, for the tests.

package classic_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// capture is a capture file.
type capture struct {
	name     string
	linkType uint32
	packets  [][]byte
}

var readCaptures = sync.OnceValue(func() (all []capture) {
	dir, err := os.Getwd()
	if err != nil {
		return nil
	}
	for ; ; dir = filepath.Dir(dir) {
		files, _ := filepath.Glob(filepath.Join(dir, "shared", "pcaps", "*.pcap"))
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err == nil {
				all = append(all, parseCapture(strings.TrimSuffix(filepath.Base(file), ".pcap"), b))
			}
		}
		if len(all) > 0 || dir == filepath.Dir(dir) {
			return all
		}
	}
})

// captures returns the shared captures in the old pcap format, or none where there are none.
func captures(t testing.TB) []capture {
	all := readCaptures()
	if len(all) == 0 {
		t.Log("no shared captures here")
	}
	return all
}

// parseCapture reads as many packets as the bytes hold; some of the captures are damaged on purpose.
func parseCapture(name string, b []byte) capture {
	c := capture{name: name}
	if len(b) < 24 {
		return c
	}
	var order binary.ByteOrder = binary.LittleEndian
	if m := order.Uint32(b); m != 0xa1b2c3d4 && m != 0xa1b23c4d && m != 0xa1b2cd34 {
		order = binary.BigEndian
	}
	header := 16
	if order.Uint32(b) == 0xa1b2cd34 { // Kuznetzov's variant
		header = 24
	}
	c.linkType = order.Uint32(b[20:])
	for b = b[24:]; len(b) >= header; {
		n := uint64(order.Uint32(b[8:]))
		b = b[header:]
		if n > uint64(len(b)) {
			break
		}
		c.packets = append(c.packets, b[:n])
		b = b[n:]
	}
	return c
}
