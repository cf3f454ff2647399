// Implements the tests that every row of the table is read and printed without loss, in every dialect.

package asm

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files from what is printed now")

// edges are the values that each operand field is tried with.
var (
	edgeRegs = []int32{0, 1, 5, 9, 10}
	edgeOffs = []int32{0, 1, -1, 8, math.MaxInt16, math.MinInt16}
	edgeImms = []int32{0, 1, -1, 42, 0xfffe, 0xffff, 0x10000, -0xfffe, -0xffff, math.MaxInt32, math.MinInt32, math.MinInt32 + 1}
)

// testExtensions returns an instruction of each size that the format allows.
func testExtensions() []isa.Extension {
	var out []isa.Extension
	for i, code := range []uint8{0xe0, 0xe8, 0xf0, 0xf8} {
		size := (i + 1) * isa.InstructionSize
		out = append(out, isa.Extension{Name: fmt.Sprintf("ext%d", size), Code: code, Size: size,
			Reads: isa.RoleDst | isa.RoleSrc, Writes: isa.RoleDst,
			Eval: func(dst, src uint64, _ []isa.Instruction) uint64 { return dst + src }})
	}
	return out
}

func testSet(t testing.TB) *isa.Set {
	t.Helper()
	set, err := isa.NewSet(testExtensions()...)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// build returns a row's slots with values for its operand fields.
func build(row *isa.Row, dst, src, off, imm int32, next ...int32) []isa.Instruction {
	out := []isa.Instruction{row.Make(isa.Register(dst), isa.Register(src), int16(off), imm)}
	for n := 1; n < row.Slots; n++ {
		slot := isa.Instruction{}
		if row.Next.Use == isa.Operand {
			slot.Imm = next[n-1]
		}
		out = append(out, slot)
	}
	return out
}

// edgeCases returns programs of one instruction: each field at each of its edges, the others at some value.
func edgeCases(row *isa.Row) [][]isa.Instruction {
	var out [][]isa.Instruction
	add := func(in []isa.Instruction) {
		if !slices.ContainsFunc(out, func(have []isa.Instruction) bool { return slices.Equal(have, in) }) {
			out = append(out, in)
		}
	}
	for _, dst := range edgeRegs {
		for _, src := range edgeRegs {
			add(build(row, dst, src, 3, 7, 1, 2, 3))
		}
	}
	for _, off := range edgeOffs {
		for _, imm := range edgeImms {
			add(build(row, 2, 3, off, imm, 1, 2, 3))
			for _, next := range edgeImms {
				add(build(row, 2, 3, off, imm, next, next/2, -next))
			}
		}
	}
	return out
}

// TestEveryRow prints and reads each row at the edges of its fields, in each dialect, given and recognised.
func TestEveryRow(t *testing.T) {
	set := testSet(t)
	cases := 0
	for _, row := range set.Rows() {
		for _, code := range edgeCases(row) {
			got, err := set.Lookup(code, 0)
			if err != nil || got != row {
				t.Fatalf("%v: found as %v, %v", row.Mnemonic, got, err)
			}
			p := &spec.Program{Insns: code}
			checkRoundTrip(t, p, Options{Set: set})
			checkRoundTrip(t, p, Options{Set: set, Numbers: true, HelperName: func(id int32) (string, bool) { return "name", id == 7 }})
			cases++
		}
	}
	t.Logf("%d rows, %d instructions", len(set.Rows()), cases)
}

// TestPlaceholders checks that each spelling of a row has its operand fields and no others.
func TestPlaceholders(t *testing.T) {
	fields := map[place]string{placeDst: "d", placeWDst: "d", placeXDst: "d", placeSrc: "s", placeWSrc: "s", placeXSrc: "s",
		placeImm: "i", placeImm64: "in", placeOff: "o", placeOff32: "i", placeOff16: "o", placeImms: "in", placeJump: "o",
		placeLongJump: "i", placeFunc: "i", placeHelper: "i", placeKfunc: "io", placeMap: "i", placeValOff: "n", placeVar: "in", placeSpaces: "i"}
	for _, row := range testSet(t).Rows() {
		want := ""
		for _, f := range []struct {
			isa.Field
			letter string
		}{{row.Dst, "d"}, {row.Imm, "i"}, {row.Next, "n"}, {row.Off, "o"}, {row.Src, "s"}} {
			if f.Use == isa.Operand {
				want += f.letter
			}
		}
		for _, spelling := range slices.Concat([]string{row.Text, row.Mnemonic}, row.Aliases(), row.MnemonicAliases()) {
			pieces, err := cut(spelling)
			if err != nil {
				t.Fatal(err)
			}
			var letters []byte
			for _, p := range pieces {
				letters = append(letters, fields[p.place]...)
			}
			slices.Sort(letters)
			got := string(slices.Compact(letters))
			if row.Slots == 1 {
				got = strings.ReplaceAll(got, "n", "")
			}
			if got != want {
				t.Errorf("%q has the fields %q, want %q", spelling, got, want)
			}
		}
	}
}

// TestGolden compares the table's spellings with files: source // printed // bytes.
func TestGolden(t *testing.T) {
	set := testSet(t)
	for _, d := range []Dialect{Assign, UBPF, Doc} {
		file := filepath.Join("testdata", d.String()+".golden")
		opts := &Options{Dialect: d, Set: set}
		if *update {
			writeGolden(t, file, set, opts)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		seen := map[isa.Op]bool{}
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "#") {
				continue
			}
			part := strings.Split(strings.TrimSpace(line), " // ")
			if len(part) != 3 {
				t.Fatalf("%s: %q has no three parts", file, line)
			}
			p := assemble(t, part[0], opts)
			if got := hexOf(p); got != part[2] {
				t.Errorf("%s: %q gives %s, want %s", file, part[0], got, part[2])
			}
			if got := Format(p.Insns, 0, opts); got != part[1] {
				t.Errorf("%s: %q is printed as %q, want %q", file, part[0], got, part[1])
			}
			row, err := set.Lookup(p.Insns, 0)
			if err != nil {
				t.Fatal(err)
			}
			seen[row.Op] = true
			n++
		}
		if len(seen) != len(set.Rows()) {
			t.Errorf("%s: %d rows of %d", file, len(seen), len(set.Rows()))
		}
		t.Logf("%s: %d lines", file, n)
	}
}

// writeGolden writes two lines for each row, to be read by a person.
func writeGolden(t *testing.T, file string, set *isa.Set, opts *Options) {
	b := []byte("# source // printed // bytes; written by go test -update, and checked by eye\n")
	for _, row := range set.Rows() {
		for i, code := range [][]isa.Instruction{build(row, 1, 2, 8, 42, 7, 8, 9), build(row, 3, 10, -8, -0x7ffffffe, -1, 0, 1)} {
			printed := Format(code, 0, opts)
			source := printed
			switch {
			case i == 1 && row.Op == isa.LdImm64:
				source = strings.Replace(printed, "-2147483646", "0xffffffff80000002", 1)
			case i == 1: // the same in another form
				source = strings.NewReplacer("= -2147483646", "= 0x80000002", ", -2147483646", ",0x80000002", "[-2147483646", "[0x80000002",
					", ", ",", " (", "(", " - 8", "-8").Replace(printed)
			}
			b = fmt.Appendf(b, "%s // %s // %x\n", source, printed, isa.Encode(code))
		}
	}
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMissionS42ExtensionText reads and prints instructions of 8, 16, 24 and 32 bytes.
func TestMissionS42ExtensionText(t *testing.T) {
	set := testSet(t)
	src := "r1 = 1\next8 r1, r2, 3, 4\next16 r1, r2, -3, 4, 5\next24 r10, r0, 0x10, -1, -2, -3\n" +
		"start: ext32 r1, r2, 3, 4, 5, 6, 0xffffffff\nif r1 > 3 goto start\nexit\n"
	const want = "b701000001000000" + "e021030004000000" + "e821fdff040000000000000005000000" +
		"f00a1000ffffffff00000000feffffff00000000fdffffff" +
		"f8210300040000000000000005000000000000000600000000000000ffffffff" +
		"2501fbff03000000" + "9500000000000000"
	p := assemble(t, src, &Options{Set: set})
	if got := hexOf(p); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	checkRoundTrip(t, p, Options{Set: set})
	for src, want := range map[string]string{
		"ext24 r1, r2, 3, 4, 5":       `1:22: expected "," after "5"`,
		"ext8 r1, r2, 3, 4, 5":        `1:18: expected the end of the line after "4", found ","`,
		"ext32 r1, r2, 3, 4, 5, , 7":  `1:24: expected a number after ",", found ","`,
		"ext16 r1, r2, 99999, 4, 5":   `1:15: 99999 does not fit 16 bits (-32768 to 32767)`,
		"ext16 r1, r12, 3, 4, 5":      `1:11: there is no register r12, the last is r10`,
		"ext16 r1, r2, 3, 4294967296": `1:18: 4294967296 does not fit 32 bits (-2147483648 to 4294967295)`,
	} {
		if _, err := Assemble("", src, &Options{Set: set, Dialect: Assign}); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", src, err, want)
		}
	}
	if _, err := Assemble("", "ext8 r1, r2, 3, 4", nil); err == nil || err.Error() != `1:1: unknown instruction "ext8" in assignment style` {
		t.Errorf("without the extension: %v", err)
	}
}

// TestExtensionNames refuses names that no text can hold, and takes odd ones that it can.
func TestExtensionNames(t *testing.T) {
	for _, name := range []string{"a;b", "a#b", "{", "{x}", "a\nb", `"`, "'a'", "a//b", "a/*", "a:", "1a", "\x00"} {
		e := testExtensions()[0]
		e.Name = name
		set, err := isa.NewSet(e)
		if err != nil {
			continue
		}
		if _, err := Assemble("", "exit", &Options{Set: set}); err == nil || !strings.Contains(err.Error(), "cannot be written as text") {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := Disassemble(&spec.Program{}, &Options{Set: set}); err == nil {
			t.Errorf("%q: Disassemble takes it", name)
		}
		if got := Format([]isa.Instruction{isa.Make(0xe0, 0, 0, 0, 0)}, 0, &Options{Set: set}); got != ".insn 0x00000000000000e0" {
			t.Errorf("%q: %s", name, got)
		}
	}
	for _, name := range []string{"mov", "exit", "bpf_mov", "r1", "a-b", "größe", "if", "lock"} {
		e := testExtensions()[1]
		e.Name = name
		set, err := isa.NewSet(e)
		if err != nil {
			continue
		}
		p := &spec.Program{Insns: build(set.Rows()[isa.NumOps], 1, 2, 3, 4, 5)}
		for _, d := range []Dialect{Assign, UBPF, Doc} {
			o := &Options{Set: set, Dialect: d}
			text, err := Disassemble(p, o)
			if err != nil {
				t.Fatal(err)
			}
			if q, err := Assemble("", text, o); err != nil || hexOf(q) != hexOf(p) {
				t.Errorf("%s, %s: %v", text, d, err)
			}
		}
	}
}

// TestRaw prints what is no instruction.
func TestRaw(t *testing.T) {
	garbage, _ := hex.DecodeString("ff00000000000000" + "b7b0000001000000" + "b70000002a000000" + "1800000001000000" + "1801000001000000" + "0000000002000000" + "1801000001000000")
	code, err := isa.Decode(garbage, littleEndian)
	if err != nil {
		t.Fatal(err)
	}
	p := &spec.Program{Insns: code}
	if _, err := Disassemble(p, nil); err == nil || err.Error() != "instruction 0: unknown opcode 0xff" {
		t.Errorf("without Raw: %v", err)
	}
	const want = ".insn 0x00000000000000ff\n.insn 0x000000010000b0b7\nr0 = 42\n.insn 0x0000000100000018\n" +
		"r1 = 0x200000001 ll\n.insn 0x0000000100000118\n"
	text, err := Disassemble(p, &Options{Raw: true})
	if err != nil || text != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, text, want)
	}
	checkRoundTrip(t, p, Options{Raw: true})
	if got := Format(code, 1, nil); got != ".insn 0x000000010000b0b7" {
		t.Error(got)
	}
}

// TestDisassemble holds how symbols, references and source lines are printed, right and wrong ones.
func TestDisassemble(t *testing.T) {
	p := assemble(t, "r1 = 0 ll\nif r1 == 0 goto +2\ncall 5\ncall pc+1\nexit\nr0 = 0\nexit", nil)
	p.Symbols = []spec.Symbol{{Insn: 6, Name: "two words"}, {Insn: 0, Name: "main"}, {Insn: 0, Name: "r1"}, {Insn: 8, Name: "end"},
		{Insn: 1, Name: "inside"}, {Insn: -1, Name: "before"}, {Insn: 9, Name: "after"}, {Insn: 5, Name: "main"}, {Insn: 5, Name: "out"}}
	p.Lines = []spec.Line{{Insn: 3, Text: "now = time();\n\x00"}, {Insn: 0, Text: "start"}, {Insn: 0}, {Insn: 1, Text: "never"}, {Insn: 99, Text: "never"}, {Insn: -1, Text: "never"}}
	p.Maps = []spec.MapRef{{Insn: 0, Map: "my map", Value: true, Offset: math.MaxUint32}}
	p.Calls = []spec.CallRef{{Insn: 3, Helper: "out"}}
	const want = `main:
"r1":
	; start
	r1 = map["my map"][0]+0xffffffff
	if r1 == 0 goto out
	; now = time();
	call helper out
	call "two words"
out:
	exit
"two words":
	r0 = 0
	exit
end:
`
	got, err := Disassemble(p, nil)
	if err != nil || got != want {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, want)
	}
	q := assemble(t, got, nil)
	if fmt.Sprint(q.Maps, q.Calls) != fmt.Sprint(p.Maps, p.Calls) {
		t.Errorf("references %v %v, want %v %v", q.Maps, q.Calls, p.Maps, p.Calls)
	}
	if again, err := Disassemble(q, nil); err != nil || again != strings.ReplaceAll(strings.ReplaceAll(want, "\t; start\n", ""), "\t; now = time();\n", "") {
		t.Errorf("the second time %v\n%s", err, again)
	}

	p.Maps = append(p.Maps, spec.MapRef{Insn: 3, Map: "m"}, spec.MapRef{Insn: -1, Map: "m"})
	if _, err := Disassemble(p, nil); err == nil || err.Error() != `instruction 3 refers to map "m", but is no wide load` {
		t.Error(err)
	}
	p.Maps, p.Calls = nil, []spec.CallRef{{Insn: 2, Helper: "h"}, {Insn: 100, Helper: "h"}}
	if _, err := Disassemble(p, nil); err == nil || err.Error() != `instruction 2 refers to helper "h", but is no call of one` {
		t.Error(err)
	}
	got, err = Disassemble(p, &Options{Raw: true, Numbers: true, HelperName: func(id int32) (string, bool) { return "ktime_get_ns", id == 5 }})
	if err != nil || !strings.Contains(got, "; instruction 100 refers to helper \"h\"") || !strings.Contains(got, "\t   3: call ktime_get_ns#5\n") {
		t.Errorf("%v\n%s", err, got)
	}
	assemble(t, got, nil)
}

// TestNames puts every kind of odd name at every place where a name can stand.
func TestNames(t *testing.T) {
	for _, name := range []string{"", "a", "pc", "exit", "r1", "r12", "w0", "%r1", "R1", "5", "a b", "a\"b", "a\\", "kfunc", "local", "helper",
		"fd", "id", "module", ".insn", "mov", "goto", "LBB0_1", ".Ltmp1", "größe", "日本", "\xff\xfe", "\ufeffx", "\u0085", "a\nb", ";", "#1", "a#1", "//", "/*", "'", "bpf_x", "<unknown>", "if", "x:", "R_BPF_64_64", "Disassembly of section", "f(x)"} {
		p := assemble(t, "r1 = map[x]\nr1 = map[x][0]+4\ncall x\ncall kfunc y\ngoto +0\ncall pc+0\nr1 = func[pc-1]\nexit", nil)
		p.Maps[0].Map, p.Maps[1].Map, p.Calls[0].Helper, p.Calls[1].Helper = name, name, name, name
		p.Symbols = nil
		checkRoundTrip(t, p, Options{})
		p.Symbols = []spec.Symbol{{Insn: 7, Name: name}}
		checkRoundTrip(t, p, Options{})
		text, err := Disassemble(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		if q := assemble(t, text, nil); len(q.Symbols) != 1 || q.Symbols[0] != p.Symbols[0] {
			t.Errorf("%q: symbols %v\n%s", name, q.Symbols, text)
		}
	}
}

// TestSetsGo checks that the grammar of a set goes away with the set.
func TestSetsGo(t *testing.T) {
	count := func() (n int) {
		grammars.Range(func(any, any) bool { n++; return true })
		return n
	}
	for range 50 {
		if _, err := Assemble("", "ext8 r1, r2, 3, 4", &Options{Set: testSet(t)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		runtime.GC()
		if count() < 25 {
			return
		}
	}
	t.Errorf("%d grammars are kept", count())
}

// TestConcurrent uses the package from several goroutines, for the race detector.
func TestConcurrent(t *testing.T) {
	set := testSet(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				p, err := Assemble("", "ext8 r1, r2, 3, 4\nr0 = 1\nexit", &Options{Set: set})
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := Disassemble(p, &Options{Set: set, Dialect: UBPF}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
