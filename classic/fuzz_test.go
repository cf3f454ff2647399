// Implements the fuzz targets: any text, any program, any packet.

package classic_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// Any text is a program or a clear error, and a program that Check accepts survives every form.
func FuzzParse(f *testing.F) {
	for _, form := range forms {
		f.Add(tcpForms[form])
	}
	for _, prog := range filters(f) {
		for _, form := range forms {
			f.Add(string(classic.Append(nil, prog, form)))
		}
	}
	f.Add("4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0")
	f.Add("a: jset %x, b, c\nb: ld [x + -1]\nc: ret %a ; end")
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(string, string) ([]bpf.RawInstruction, error){classic.Parse, classic.Assemble} {
			prog, err := read("fuzz", text)
			var e *classic.SyntaxError
			if err != nil {
				if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Text == "" {
					t.Fatalf("%#v", err)
				}
				continue
			}
			if len(prog) == 0 || len(prog) > classic.MaxInstructions {
				t.Fatalf("%d instructions", len(prog))
			}
			roundTrip(t, prog)
		}
	})
}

func roundTrip(t *testing.T, prog []bpf.RawInstruction) {
	t.Helper()
	valid := classic.Check(prog) == nil
	for _, form := range forms {
		text := string(classic.Append(nil, prog, form))
		back, err := classic.Parse("again", text)
		switch {
		case form == classic.FormDD || form == classic.FormDDD:
			if err != nil || !slices.Equal(back, prog) {
				t.Fatalf("%v reads back %v (%v) from\n%s", form, back, err, text)
			}
		case valid:
			if err != nil {
				t.Fatalf("%v: %v in\n%s", form, err, text)
			}
			if again := string(classic.Append(nil, back, form)); again != text {
				t.Fatalf("%v prints\n%s, then\n%s", form, text, again)
			}
		}
	}
}

// fuzzCode makes a program of bytes.
func fuzzCode(code []byte) []bpf.RawInstruction {
	prog, err := classic.Decode(code[:len(code)&^7], binary.LittleEndian)
	if err != nil {
		panic(err)
	}
	return prog
}

func addCode(f *testing.F) {
	for _, prog := range filters(f) {
		f.Add(classic.Encode(prog, binary.LittleEndian), []byte("0123456789ab\x08\x00\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06------------"), uint32(14))
	}
	every := []bpf.RawInstruction{{Op: 0x02}}
	for _, row := range classic.Rows() {
		every = append(every, bpf.RawInstruction{Op: row.Code})
	}
	f.Add(classic.Encode(every, binary.LittleEndian), []byte{1, 2, 3, 4}, uint32(0))
	for _, m := range classic.AllMetadata() {
		prog := []bpf.RawInstruction{{Op: 0x20, K: 1<<32 + classic.AncillaryOffset + m.Offset}, {Op: 0x16}}
		f.Add(classic.Encode(prog, binary.LittleEndian), []byte("0123456789ab\x08\x00\x45\x00\x00\x28\x00\x00\x40\x00\x40\x06------------"), uint32(14))
	}
}

// fuzzPacket makes a packet of bytes and of a number for its metadata.
func fuzzPacket(data []byte, meta uint32) *spec.Packet {
	p := &spec.Packet{Data: data, WireLen: int(meta >> 20), Protocol: 0x800, PktType: uint8(meta & 7), HardwareType: uint16(meta >> 3),
		IfIndex: meta, Queue: meta >> 1, Mark: meta * 3, Hash: meta * 5, VLANPresent: meta&1 != 0, VLANTCI: uint16(meta), VLANProto: 0x8100,
		NetworkOffset: int(meta & 0xff)}
	if meta&0x100 != 0 {
		p.Protocol = uint16(meta >> 16)
	}
	return p
}

// Any program that Check accepts runs to its end; one that it refuses has a reason.
func FuzzCheckRun(f *testing.F) {
	addCode(f)
	f.Fuzz(func(t *testing.T, code, data []byte, meta uint32) {
		prog := fuzzCode(code)
		vm, err := classic.NewVM(prog)
		if err != nil {
			var e *classic.CheckError
			if !errors.As(err, &e) || e.Detail == "" || e.Index >= len(prog) {
				t.Fatalf("%#v", err)
			}
			return
		}
		p := fuzzPacket(data, meta)
		first := vm.Run(p, testEnv(1))
		if again := vm.Run(p, testEnv(1)); first != again {
			t.Fatalf("%#x, then %#x", first, again)
		}
		roundTrip(t, prog)
		if classic.CheckSeccomp(prog) == nil {
			if _, err := classic.TranslateSeccomp(prog); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A translated program does what the program does.
func FuzzTranslate(f *testing.F) {
	addCode(f)
	f.Fuzz(func(t *testing.T, code, data []byte, meta uint32) {
		prog := fuzzCode(code)
		if classic.Check(prog) != nil {
			return
		}
		vm, tr, e := mustTranslate(t, prog)
		checkOrigin(t, prog, tr)
		compareEngines(t, prog, vm, e, fuzzPacket(data, meta), uint64(meta))
	})
}
