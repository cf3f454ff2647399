// Implements the fuzz targets: instructions drawn from the table, and arbitrary text.

package asm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// draw makes instructions of the set's rows out of data, three to twenty bytes each.
func draw(rows []*isa.Row, data []byte) []isa.Instruction {
	take := func() int32 {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int32(b)
	}
	value := func() int32 { // small, or of all sizes
		v := take()
		for n := v & 3; n > 1; n-- {
			v = v<<12 ^ take()
		}
		return v - 64
	}
	var out []isa.Instruction
	for len(data) > 0 && len(out) < 4096 {
		row := rows[int(take()<<8|take())%len(rows)]
		out = append(out, build(row, take()%isa.NumRegisters, take()%isa.NumRegisters, value(), value(), value(), value(), value())...)
	}
	return out
}

// FuzzRoundTrip checks that any program of valid instructions is printed and read back byte by byte.
func FuzzRoundTrip(f *testing.F) {
	set := testSet(f)
	rows := set.Rows()
	for i := range rows {
		f.Add([]byte{byte(i >> 8), byte(i), 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, byte(i), 3, 250, 255, 255, 255, 255, 255, 255}, byte(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, at byte) {
		p := &spec.Program{Insns: draw(rows, data)}
		checkRoundTrip(t, p, Options{Set: set})
		// The same with labels and numbers in it.
		for i := int(at); i <= len(p.Insns); i += int(at) + 1 {
			p.Symbols = append(p.Symbols, spec.Symbol{Insn: i, Name: string(rune('a'+i%26)) + string(data[:min(i, len(data))])})
		}
		checkRoundTrip(t, p, Options{Set: set, Numbers: true, HelperName: func(id int32) (string, bool) { return "helper_x", id&1 == 0 }})
	})
}

// FuzzAssemble checks that any text becomes a program or an error with its place, and that what is accepted
// is the same after printing and reading again.
func FuzzAssemble(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range bytes.SplitAfter(b, []byte("\n")) {
			if source, _, ok := bytes.Cut(part, []byte(" // ")); ok {
				part = source
			}
			f.Add(string(part))
		}
		f.Add(string(b))
	}
	set := testSet(f)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Assemble("fuzz.bpf", src, &Options{Set: set})
		if err != nil {
			var e *Error
			if p != nil || !errors.As(err, &e) || e.Line < 1 || e.Column < 1 || e.Msg == "" {
				t.Fatalf("%#v, %v", p, err)
			}
			return
		}
		for _, d := range []Dialect{Assign, UBPF, Doc} {
			o := &Options{Set: set, Dialect: d, Raw: true}
			text, err := Disassemble(p, o)
			if err != nil {
				t.Fatal(err)
			}
			q, err := Assemble("printed", text, o)
			if err != nil {
				t.Fatalf("%v\n%s\nfrom\n%s", err, text, src)
			}
			if hexOf(p) != hexOf(q) || !reflect.DeepEqual(p.Maps, q.Maps) || !reflect.DeepEqual(p.Calls, q.Calls) {
				t.Fatalf("%s\nbecame, in %s,\n%s\n%s %v %v\n%s %v %v", src, d, text, hexOf(p), p.Maps, p.Calls, hexOf(q), q.Maps, q.Calls)
			}
		}
	})
}
