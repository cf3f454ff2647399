package helper_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
)

//go:generate clang-19 -O2 -g -target bpf -mcpu=v3 -Wall -Wno-unused-variable -Wno-incompatible-pointer-types-discards-qualifiers -I/usr/include/x86_64-linux-gnu -ffile-prefix-map=${PWD}=. -fdebug-compilation-dir=. -c testdata/compare.bpf.c -o testdata/compare.bpf.o
//go:generate llvm-strip-19 -g testdata/compare.bpf.o

const compareObject = "testdata/compare.bpf.o"

// input is what programs of the object get, output what they leave.
type input struct {
	Text, Other [64]byte
	V           [8]uint64
}

type output struct {
	N    uint64
	V    [127]uint64
	Text [1024]byte
}

func text64(s string) (b [64]byte) {
	copy(b[:], s)
	return b
}

// inKernel loads one program of the object into the kernel.
func inKernel(t *testing.T, name string) *ebpf.Collection {
	t.Helper()
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	rlimit.RemoveMemlock()
	spec, err := ebpf.LoadCollectionSpec(compareObject)
	if err != nil {
		t.Fatal(err)
	}
	for n := range spec.Programs {
		if n != name {
			delete(spec.Programs, n)
		}
	}
	c, err := ebpf.NewCollection(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		t.Fatalf("%s", strings.Join(refused.Log[max(0, len(refused.Log)-5):], "\n"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// engines are the ways to run a program in Skep.
var engines = map[string]skep.Engine{"interp": skep.EngineInterp, "jit": skep.EngineAuto}

// inSkep loads it into Skep.
func inSkep(t *testing.T, name string, engine skep.Engine, env *helper.Env) *skep.Collection {
	t.Helper()
	c, err := skep.LoadCollectionWithOptions(compareObject, &skep.CollectionOptions{Only: []string{name}, Programs: skep.Options{Engine: engine, Env: env}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type mapUpdater interface {
	Put(key, value any) error
	Lookup(key, value any) error
}

// run gives a program its input and returns its output.
func run(in input, maps func(string) mapUpdater, run func(data []byte) (uint32, error)) (uint32, output, error) {
	var out output
	if err := maps("in").Put(uint32(0), in); err != nil {
		return 0, out, err
	}
	if err := maps("out").Put(uint32(0), out); err != nil {
		return 0, out, err
	}
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(i)
	}
	r, err := run(data)
	if err != nil {
		return r, out, err
	}
	return r, out, maps("out").Lookup(uint32(0), &out)
}

// compare runs a program on inputs in the kernel and on every engine.
func compare(t *testing.T, name string, inputs []input) {
	failures := 0
	for engine, e := range engines {
		k := inKernel(t, name)
		s := inSkep(t, name, e, nil)
		for n, in := range inputs {
			kr, kout, err := run(in, func(n string) mapUpdater { return k.Maps[n] }, func(data []byte) (uint32, error) {
				if k.Programs[name].Type() == ebpf.SocketFilter { // it does not see the link layer, of which there must be one
					data = append(make([]byte, 14), data...)
				}
				return k.Programs[name].Run(&ebpf.RunOptions{Data: data})
			})
			if err != nil {
				t.Fatal("kernel: ", err)
			}
			sr, sout, err := run(in, func(n string) mapUpdater { return s.Maps[n] }, func(data []byte) (uint32, error) {
				return s.Programs[name].Run(&skep.RunOptions{Data: data})
			})
			if err != nil {
				t.Fatalf("%s: %v", engine, err)
			}
			if kr != sr || kout != sout {
				if failures++; failures > 5 {
					t.FailNow()
				}
				t.Errorf("%s: input %d, %s: %s", engine, n, showInput(in), difference(kr, sr, kout, sout))
			}
		}
	}
}

func showInput(in input) string {
	return fmt.Sprintf("%q %q %#x", bytes.TrimRight(in.Text[:], "\x00"), bytes.TrimRight(in.Other[:], "\x00"), in.V)
}

// difference says what differs.
func difference(kr, sr uint32, k, s output) string {
	d := ""
	if kr != sr {
		d += fmt.Sprintf("returned %d, the kernel %d; ", int32(sr), int32(kr))
	}
	for i := range k.V {
		if k.V[i] != s.V[i] {
			d += fmt.Sprintf("result %d: %#x, the kernel %#x; ", i, s.V[i], k.V[i])
		}
	}
	for i := 0; i < len(k.Text); i += 48 {
		a, b := k.Text[i:min(i+48, len(k.Text))], s.Text[i:min(i+48, len(k.Text))]
		if !bytes.Equal(a, b) {
			d += fmt.Sprintf("text %d: %q, the kernel %q; ", i/48, b, a)
		}
	}
	return d
}

// TestAgainstKernel compares programs that need no particular input.
func TestAgainstKernel(t *testing.T) {
	for _, name := range []string{"elements", "full", "for_each", "loops", "bits", "records", "dynptrs", "packet", "read_only", "timers", "memory"} {
		t.Run(name, func(t *testing.T) {
			in := input{Text: text64("some text"), Other: text64("other")}
			for i := range in.V {
				in.V[i] = 0x8000000000000001 << i
			}
			compare(t, name, []input{in})
		})
	}
}

// TestTextAgainstKernel compares functions for text, on chosen and on random input.
func TestTextAgainstKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(alphabet string) (b [64]byte) {
		n := r.IntN(65)
		if r.IntN(3) == 0 {
			n = r.IntN(8)
		}
		for i := range n {
			b[i] = alphabet[r.IntN(len(alphabet))]
		}
		return b
	}
	t.Run("numbers", func(t *testing.T) {
		var in []input
		for _, s := range []string{"", "1", "-1", " \t\n42x", "0x1F", "0x", "0xg", "017", "08", "-", "--1", "+1", "9223372036854775807", "9223372036854775808",
			"-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616", "12ab", "12a", "\xa012", "0X1f", "-0x10", "0", "00"} {
			for _, base := range []uint64{0, 8, 10, 16, 2, 32, 1 << 32} {
				in = append(in, input{Text: text64(s), V: [8]uint64{uint64(max(len(s), 1) - 1), base}})
			}
		}
		for range 3000 {
			in = append(in, input{Text: random("0123456789abcfx- \tFX"), V: [8]uint64{r.Uint64(), []uint64{0, 8, 10, 16}[r.IntN(4)]}})
		}
		compare(t, "numbers", in)
	})
	t.Run("strings", func(t *testing.T) {
		var in []input
		for range 3000 {
			in = append(in, input{Text: random("abAB\xe0\xc0"), Other: random("aAb\xe0"), V: [8]uint64{uint64("abAB\x00z\xe0"[r.IntN(7)]), uint64(r.IntN(70))}})
			if r.IntN(4) == 0 {
				in[len(in)-1].Text = random("a")
				in[len(in)-1].Other = text64("aa"[:r.IntN(3)])
			}
		}
		compare(t, "strings", in)
	})
	t.Run("print", func(t *testing.T) {
		values := []uint64{0, 1, 9, ^uint64(0), 1 << 63, 1<<31 - 1, 1 << 31, 0xffffffff, 0x123456789abcdef0, 'x'}
		pick := func() uint64 { return values[r.IntN(len(values))] }
		var in []input
		for range 300 {
			in = append(in, input{Text: random("abcdefgh ./\x01\xff"), Other: random("0123456789"), V: [8]uint64{pick(), pick(), pick(), pick()}})
		}
		compare(t, "print1", in)
		compare(t, "print2", in)
	})
}

// hashed matches pointers that the kernel hashes, in a field.
var hashed = regexp.MustCompile(`%[-+ 0]*[1-9][0-9]*p([^a-zA-Z]|K|$)`)

// TestFormatsAgainstKernel compares which formats are accepted, and how long what they print is.
func TestFormatsAgainstKernel(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	parts := []string{"%", "%d", "%5", "l", "ll", "u", "x", "X", "i", "s", "c", "p", "px", "pK", "pks", "pus", "pB", "ps", "pS", "pI4", "pi6", "pI9", "k", "0", "-", "+", " ", "3", "a", ".", "%%", "h", "%llu", "%s ", "%p,", "\n", "\x01", "\xff", "*", "#"}
	var in []input
	for range 4000 {
		s := ""
		for range r.IntN(7) {
			s += parts[r.IntN(len(parts))]
		}
		s = s[:min(len(s), 63)]
		if hashed.MatchString(s) {
			continue // how long it is depends on a secret
		}
		n := len(s)
		if r.IntN(20) == 0 {
			n = r.IntN(64)
		}
		in = append(in, input{Text: text64(s), V: [8]uint64{uint64(n), uint64(r.IntN(100)), uint64(r.IntN(100000)), r.Uint64(), uint64(r.IntN(40))}})
		if r.IntN(3) > 0 {
			in[len(in)-1].V[4] = uint64(r.IntN(8) * 8)
		}
	}
	compare(t, "trace", in)
}
