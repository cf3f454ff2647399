package seccomp_test

import (
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/seccomp"
)

// FuzzFilter lists and runs any code that the kernel would take, on both engines.
func FuzzFilter(f *testing.F) {
	f.Add([]byte{0x20, 0, 0, 0, 4, 0, 0, 0, 0x15, 0, 1, 0, 0x3e, 0, 0, 0xc0, 6, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0x35, 0, 0, 1, 9, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0xff, 0x7f, 6, 0, 0, 0, 1, 0, 5, 0}, uint32(3), uint64(5))
	f.Add([]byte{0x20, 0, 0, 0, 16, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0x3c, 0, 0, 0, 0, 0, 0, 0, 0x16, 0, 0, 0, 0, 0, 0, 0}, uint32(0), uint64(0))
	f.Fuzz(func(t *testing.T, data []byte, nr uint32, arg uint64) {
		code, err := classic.Decode(data, binary.LittleEndian)
		if err != nil {
			return
		}
		filter, err := seccomp.NewFilter(code)
		if err != nil {
			return
		}
		d := seccomp.Data{Nr: nr, Arch: seccomp.AMD64.Audit(), Args: [6]uint64{arg, ^arg}}
		got, err := filter.Run(&d)
		if want := filter.Interpret(&d); err != nil || got != want {
			t.Errorf("machine code says %s (%v), the interpreter %s", got, err, want)
		}
		if lines, path := filter.Listing(), filter.Path(&d); len(lines) != filter.Len() || len(path) > filter.Longest() {
			t.Errorf("%d lines, %d instructions of at most %d", len(lines), len(path), filter.Longest())
		}
	})
}
