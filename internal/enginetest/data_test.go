// Implements the tests of the .data reader.

package enginetest

import (
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func TestParseVector(t *testing.T) {
	v, err := ParseVector("sample.data", []byte(`# What it shows.

-- asm
mov %r0, 1   # comment
exit
-- c
int anything(void);
-- raw
0x00000001000000b7
149 # exit
-- mem
0 0a # two bytes
ff
-- no register offset
call instruction
-- result
-2 # comment
-- type
xdp
`))
	if err != nil {
		t.Fatal(err)
	}
	if v.Name != "sample" || v.Program.Name != "sample" || v.Program.Type != spec.XDP || string(v.Mem) != "\x00\x0a\xff" || v.Result != 1<<64-2 || v.Error != "" {
		t.Errorf("got %+v", v)
	}
	if want := []isa.Instruction{{Code: 0xb7, Imm: 1}, {Code: 0x95}}; len(v.Program.Insns) != 2 || v.Program.Insns[0] != want[0] || v.Program.Insns[1] != want[1] {
		t.Errorf("code %v", v.Program.Insns)
	}
	if len(v.Program.Lines) == 0 || v.Program.Lines[0].Line != 4 {
		t.Errorf("the first instruction is on line 4, not %+v", v.Program.Lines)
	}
	v, err = ParseVector("r.data", []byte("-- raw\r\n0x95\r\n-- error\r\nwhat\r\ngoes wrong\r\n-- result\r\n0\r\n"))
	if err != nil || v.Error != "what goes wrong" || len(v.Program.Insns) != 1 {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestParseVectorErrors(t *testing.T) {
	const program = "-- asm\nexit\n"
	for _, c := range []struct{ text, want string }{
		{"", "x.data: there is no program"},
		{"-- result\n1\n", "x.data: there is no program"},
		{"hello\n", `x.data:1: text before the first section`},
		{"# comment\n-- what\n", `x.data:2: unknown section "what"`},
		{program + "-- asm\n", `x.data:3: second section "asm"`},
		{program, "x.data: there is no section result"},
		{program + "-- result\n", "x.data: there is no section result"},
		{program + "-- result\n\n0x1\n2\n", `x.data:6: second result "2"`},
		{program + "-- result\nten\n", `x.data:4: "ten" is no 64-bit number`},
		{program + "-- result\n0x10000000000000000\n", `x.data:4: "0x10000000000000000" is no 64-bit number`},
		{program + "-- result\n-0x8000000000000001\n", `is no 64-bit number`},
		{program + "-- error\n \n", "x.data:4: section error is empty"},
		{program + "-- mem\n00 100\n-- result\n0\n", `x.data:4: "100" is no byte in hex`},
		{program + "-- mem\n00\nzz\n-- result\n0\n", `x.data:5: "zz" is no byte in hex`},
		{"-- raw\n0xg\n-- result\n0\n", `x.data:2: "0xg" is no 64-bit number`},
		{program + "-- raw\n0x95\n0x95\n-- result\n0\n", "x.data:5: section raw is not the program of section asm: slot 1 differs"},
		{program + "-- raw\n0x85\n-- result\n0\n", "x.data:4: section raw is not the program of section asm: slot 0 differs"},
		{"-- asm\nexit\nexit\n-- raw\n0x95\n-- result\n0\n", "x.data:5: section raw has 1 slots, the program of section asm 2"},
		{program + "-- type\nnone\n-- result\n0\n", `x.data:4: unknown program type "none"`},
		{"# c\n-- asm\nmov %r0, 1\nfrobnicate\n-- result\n0\n", "x.data:4:"},
	} {
		_, err := ParseVector("x.data", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	plain := Vector{Program: &spec.Program{}, Result: 0x1_0000_0001}
	filter := Vector{Program: &spec.Program{Type: spec.SocketFilter}, Result: 0x1_0000_0001}
	fails := Vector{Program: &spec.Program{}, Error: "something"}
	bad := errString("bad")
	for _, c := range []struct {
		v    Vector
		r0   uint64
		err  error
		want string
	}{
		{plain, 0x1_0000_0001, nil, ""},
		{plain, 1, nil, "gives 0x1, not 0x100000001"},
		{plain, 0x1_0000_0001, bad, "fails: bad; it must give 0x100000001"},
		{filter, 1, nil, ""},
		{filter, 2, nil, "gives 0x2, not 0x1"},
		{fails, 7, nil, "gives 0x7, but must fail: something"},
		{fails, 0, bad, ""},
	} {
		err := c.v.Check(c.r0, c.err)
		if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%+v with %#x, %v: %v, want %q", c.v, c.r0, c.err, err, c.want)
		}
	}
}

type errString string

func (e errString) Error() string { return string(e) }

// FuzzParseVector expects a vector or an error that names the file, and runs what it gets.
func FuzzParseVector(f *testing.F) {
	entries, err := testdata.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for i, e := range entries {
		if i%5 != 0 {
			continue
		}
		text, err := testdata.ReadFile("testdata/" + e.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("-- raw\n0x95\n-- mem\n1 2\n-- result\n-1\n-- type\nsk_lookup\n"))
	f.Add([]byte("-- asm\nexit\n-- error\ntext\n-- no register offset\n-- c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ParseVector("fuzz.data", text)
		if err != nil {
			if !strings.Contains(err.Error(), "fuzz.data") {
				t.Errorf("the error does not name the file: %v", err)
			}
			return
		}
		if v.Program == nil {
			t.Fatal("a vector without a program")
		}
		if len(v.Program.Insns) < 100 {
			_ = newMachine(isa.Linux, v.Program, v.Mem).run(10_000) // whatever comes of it, no panic
		}
	})
}
