// Implements the tests of the wire form.

package classic_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/isa"
	"golang.org/x/net/bpf"
)

// Mission S38: classic op:16 jt:8 jf:8 k:32 becomes op:8 a:4 x:4 off:16 imm:32.
func TestMissionS38Encoding(t *testing.T) {
	classicCode := []bpf.RawInstruction{{Op: 0x1234, Jt: 0x56, Jf: 0x78, K: 0x9abcdef0}, {Op: 0x06, K: 1}}
	internal := isa.Make(0x12, 3, 4, 0x5678, -0x65432110)
	for _, test := range []struct {
		name              string
		order             binary.ByteOrder
		appender          binary.AppendByteOrder
		classic, internal []byte
	}{
		{"little", binary.LittleEndian, binary.LittleEndian,
			[]byte{0x34, 0x12, 0x56, 0x78, 0xf0, 0xde, 0xbc, 0x9a, 6, 0, 0, 0, 1, 0, 0, 0},
			[]byte{0x12, 0x43, 0x78, 0x56, 0xf0, 0xde, 0xbc, 0x9a}},
		{"big", binary.BigEndian, binary.BigEndian,
			[]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0, 0, 6, 0, 0, 0, 0, 0, 1},
			[]byte{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0}},
	} {
		if got := classic.Encode(classicCode, test.appender); !bytes.Equal(got, test.classic) {
			t.Errorf("%s: classic bytes % x, want % x", test.name, got, test.classic)
		}
		if got, err := classic.Decode(test.classic, test.order); err != nil || !slices.Equal(got, classicCode) {
			t.Errorf("%s: classic code %+v (%v)", test.name, got, err)
		}
		if got := internal.Append(nil, test.appender); !bytes.Equal(got, test.internal) {
			t.Errorf("%s: internal bytes % x, want % x", test.name, got, test.internal)
		}
		if got, err := isa.Decode(test.internal, test.order); err != nil || got[0] != internal {
			t.Errorf("%s: internal code %+v (%v)", test.name, got, err)
		}
	}
	if _, err := classic.Decode(make([]byte, 12), binary.LittleEndian); err == nil || !strings.Contains(err.Error(), "12 bytes long") {
		t.Errorf("half an instruction: %v", err)
	}
}
