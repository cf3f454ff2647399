// Implements the tests of the helpers.

package conformance

import (
	"errors"
	"testing"

	"github.com/skepbpf/skep/helper"
)

// bytesAt is memory that starts at address 100.
type bytesAt []byte

func (m bytesAt) Bytes(addr uint64, n int, _ bool) ([]byte, error) {
	if addr < 100 || addr-100 > uint64(len(m)) || int(addr-100)+n > len(m) {
		return nil, errors.New("outside")
	}
	return m[addr-100:][:n], nil
}

func TestHelpers(t *testing.T) {
	mem := bytesAt("abc\x00abd\x00abc\x00\xffend")
	for _, c := range []struct {
		id   int32
		args [5]uint64
		want uint64
		err  bool
	}{
		{0, [5]uint64{0x101, 2, 3, 4, 0xff5}, 0x01020304f5, false},
		{1, [5]uint64{100, 1}, 100, false},
		{1, [5]uint64{100, 1}, 100, false}, // and back
		{1, [5]uint64{100, 1000}, 0, true},
		{1, [5]uint64{100, 1 << 63}, 0, true},
		{2, [5]uint64{}, 0xf0, false},
		{3, [5]uint64{0}, 0, false},
		{3, [5]uint64{15}, 3, false},
		{3, [5]uint64{16}, 4, false},
		{3, [5]uint64{0xffffffff}, 65535, false},
		{3, [5]uint64{0x1_0000_0004}, 2, false},
		{4, [5]uint64{100, 108}, 0, false},
		{4, [5]uint64{100, 104}, 1<<64 - 1, false},
		{4, [5]uint64{104, 100}, 1, false},
		{4, [5]uint64{112, 0}, 0, true},
		{4, [5]uint64{113, 113}, 0, true},
		{5, [5]uint64{1 << 63}, 1 << 63, false},
		{5, [5]uint64{0}, 0, true}, // helper.ErrExit
	} {
		h := Helpers[c.id]
		if h.ID != c.id {
			t.Fatalf("helper %d has the number %d", c.id, h.ID)
		}
		got, err := h.Func(&helper.Call{Memory: mem}, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4])
		if err := h.Check(); err != nil {
			t.Error(err)
		}
		if got != c.want || (err != nil) != c.err {
			t.Errorf("%s%v: %#x, %v, want %#x, error %v", h.Name, c.args, got, err, c.want, c.err)
		}
	}
	if string(mem[:3]) != "abc" {
		t.Errorf("memory is %q", mem)
	}
}
