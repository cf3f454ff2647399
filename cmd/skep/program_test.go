// Implements the tests of the recognition of programs: every form, and that no bytes make it fail badly.

package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/skepbpf/skep/spec"
)

// forms are programs in every form that is recognised.
var forms = map[string]string{
	"assign":   "r0 = 42\nif r0 > 5 goto out\nr0 = *(u32 *)(r1 + 4)\nout:\nexit\n",
	"ubpf":     "mov %r0, 42\njgt %r0, 5, out\nldxw %r0, [%r1+4]\nout:\nexit\n",
	"doc":      "bpf_mov R0, 42 /* answer */\nbpf_exit\n",
	"bpf_asm":  "\tldh [12]\n\tjne #0x800, drop\n\tret #-1\ndrop:\tret #0\n",
	"-d":       "(000) ldh      [12]\n(001) jeq      #0x800           jt 2\tjf 3\n(002) ret      #262144\n(003) ret      #0\n",
	"-dd":      "{ 0x28, 0, 0, 0x0000000c },\n{ 0x15, 0, 1, 0x00000800 },\n{ 0x6, 0, 0, 0x00040000 },\n{ 0x6, 0, 0, 0x00000000 },\n",
	"-ddd":     "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n",
	"json":     `{"programs":[{"name":"p","type":"xdp","insns":"b70000002a0000009500000000000000","maps":[]}],"maps":[]}`,
	"bytecode": "\xb7\x00\x00\x00\x2a\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00",
	"elf":      "\x7fELF\x02\x01\x01\x00",
}

func TestRecognise(t *testing.T) {
	for name, c := range map[string]struct {
		typ     spec.ProgramType
		insns   int
		classic int
	}{
		"assign": {0, 4, 0}, "ubpf": {0, 4, 0}, "doc": {0, 2, 0}, "bpf_asm": {spec.SocketFilter, 9, 4}, "-d": {spec.SocketFilter, 9, 4},
		"-dd": {spec.SocketFilter, 9, 4}, "-ddd": {spec.SocketFilter, 9, 4}, "json": {spec.XDP, 2, 0},
	} {
		s, err := recognise("dir/f.txt", []byte(forms[name]), false, "auto")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		p, err := s.choose("")
		if err != nil || len(p.Insns) != c.insns || p.Type != c.typ || len(s.classic) != c.classic || s.typed != (c.typ != 0) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if want := map[bool]string{true: "p", false: "f"}[name == "json"]; p.Name != want {
			t.Errorf("%s: the program is named %q", name, p.Name)
		}
	}
	if s, err := recognise("-", []byte(forms["bytecode"]), true, "auto"); err != nil || len(s.spec.Programs[0].Insns) != 2 || s.spec.Programs[0].Name != "stdin" {
		t.Errorf("bytecode: %+v, %v", s, err)
	}
}

func TestExamplesAreRecognised(t *testing.T) {
	for _, name := range []string{"tcp.bpf_asm", "ports.bpf"} {
		data, err := os.ReadFile("../../examples/" + name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := recognise(name, data, false, "auto")
		if err != nil || (s.classic != nil) != (name == "tcp.bpf_asm") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// mustEnd recognises data in every way and checks that each ends in a program or an error that names the file.
func mustEnd(t *testing.T, data []byte) {
	for _, dialect := range []string{"auto", "ubpf", dialectClassic} {
		for _, raw := range []bool{false, true} {
			s, err := recognise("the-file", data, raw, dialect)
			switch {
			case err == nil:
				if _, err := s.spec.MarshalJSON(); err != nil && len(s.spec.Programs[0].Maps) == 0 {
					t.Fatalf("%q: a program that cannot be written: %v", data, err)
				}
			case !strings.HasPrefix(err.Error(), "the-file:"):
				t.Fatalf("%q: the error does not name the file: %v", data, err)
			}
		}
	}
}

// TestMutatedPrograms recognises 100,000 programs with a few bytes changed, cut off, or spliced.
func TestMutatedPrograms(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var seeds []string
	for _, s := range []string{"assign", "ubpf", "doc", "bpf_asm", "-d", "-dd", "-ddd", "json", "bytecode", "elf"} {
		seeds = append(seeds, forms[s])
	}
	const letters = "\x00\x7f {}[]()\"\n\t:;,#%*+-=<>&|0123456789abcdefrxRLE\xff"
	times := 100_000
	if testing.Short() {
		times = 5_000
	}
	for i := range times {
		buf := []byte(seeds[i%len(seeds)])
		for range 1 + rnd.IntN(4) {
			switch at := rnd.IntN(len(buf)); rnd.IntN(3) {
			case 0:
				buf[at] = letters[rnd.IntN(len(letters))]
			case 1:
				buf = append(buf[:at], buf[min(len(buf), at+1+rnd.IntN(4)):]...)
			default:
				other := seeds[rnd.IntN(len(seeds))]
				from := rnd.IntN(len(other))
				piece := other[from:min(len(other), from+1+rnd.IntN(12))]
				buf = append(buf[:at], append([]byte(piece), buf[at:]...)...)
			}
			if len(buf) == 0 {
				break
			}
		}
		if s, err := recognise("the-file", buf, false, "auto"); err != nil && !strings.HasPrefix(err.Error(), "the-file:") || err == nil && s == nil {
			t.Fatalf("%q: %v", buf, err)
		}
	}
}

// FuzzRecognise checks that any bytes end in a program or an error that names the file.
func FuzzRecognise(f *testing.F) {
	for _, text := range forms {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) { mustEnd(t, data) })
}
