// Implements the tests of reading: the public vectors, labels, references, dialects, listings, limits.

package asm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// assemble reads a text that must be good.
func assemble(t *testing.T, src string, opts *Options) *spec.Program {
	t.Helper()
	p, err := Assemble("t.bpf", src, opts)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, src)
	}
	return p
}

// hexOf returns the wire bytes of a program in hexadecimal.
func hexOf(p *spec.Program) string { return hex.EncodeToString(isa.Encode(p.Insns)) }

// checkRoundTrip prints a program in every dialect and reads it back, with the dialect given and recognised.
func checkRoundTrip(t *testing.T, p *spec.Program, opts Options) {
	t.Helper()
	for _, d := range []Dialect{Assign, UBPF, Doc} {
		o := opts
		o.Dialect = d
		text, err := Disassemble(p, &o)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		for _, read := range []Dialect{d, Auto} {
			o.Dialect = read
			q, err := Assemble("", text, &o)
			if err != nil {
				t.Fatalf("printed as %s, read as %s: %v\n%s", d, read, err, text)
			}
			if !bytes.Equal(isa.Encode(p.Insns), isa.Encode(q.Insns)) {
				t.Fatalf("printed as %s, read as %s:\n%s\nwant %s\n got %s", d, read, text, hexOf(p), hexOf(q))
			}
			if !reflect.DeepEqual(p.Maps, q.Maps) || !reflect.DeepEqual(p.Calls, q.Calls) {
				t.Fatalf("printed as %s, read as %s:\n%s\nreferences %v %v, want %v %v", d, read, text, q.Maps, q.Calls, p.Maps, p.Calls)
			}
		}
	}
}

// conformanceDir finds the public vectors beside the checkout.
func conformanceDir(t *testing.T) string {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if c := filepath.Join(dir, "shared", "conformance"); isDir(c) {
			return c
		}
	}
	t.Skip("the public vectors are not here")
	return ""
}

func isDir(name string) bool {
	s, err := os.Stat(name)
	return err == nil && s.IsDir()
}

// TestConformance reads the text of all public vectors and compares it with their bytes where they have them.
func TestConformance(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(conformanceDir(t), "*.data"))
	raws := 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string]string{}
			name := ""
			for _, line := range strings.SplitAfter(string(b), "\n") {
				if after, ok := strings.CutPrefix(line, "-- "); ok {
					name = strings.TrimSpace(after)
				} else {
					sections[name] += line
				}
			}
			p := assemble(t, sections["asm"], nil)
			q := assemble(t, sections["asm"], &Options{Dialect: UBPF})
			if hexOf(p) != hexOf(q) {
				t.Errorf("the dialect is not recognised: %s, want %s", hexOf(p), hexOf(q))
			}
			if raw, ok := sections["raw"]; ok {
				raws++
				var want []byte
				for _, w := range strings.Fields(raw) {
					n, err := strconv.ParseUint(w, 0, 64)
					if err != nil {
						t.Fatal(err)
					}
					want = binary.LittleEndian.AppendUint64(want, n)
				}
				if hexOf(p) != hex.EncodeToString(want) {
					t.Errorf("got %s, want %x", hexOf(p), want)
				}
			}
			checkRoundTrip(t, p, Options{})
		})
	}
	t.Logf("%d vectors, %d with bytes", len(files), raws)
	if len(files) == 0 {
		t.Error("no vectors")
	}
}

// TestContract holds the shapes that the command line promises to read.
func TestContract(t *testing.T) {
	const want = "b70000002a0000009500000000000000"
	for _, src := range []string{
		"mov %r0, 42\nexit\n",
		"r0 = 42\nexit\n",
		"bpf_mov R0, 42 /* answer */\nbpf_exit\n",
		"\r\n r0=0x2a\r\n\texit",
		"\ufeffr0 = '*' // answer\nexit # done",
		"start: r0 = 0b101010; the answer\nend: exit",
		"\"two words\": r0 = 0o52\nexit",
	} {
		if got := hexOf(assemble(t, src, nil)); got != want {
			t.Errorf("%q gives %s, want %s", src, got, want)
		}
	}
}

func TestRecognise(t *testing.T) {
	tests := []struct {
		src  string
		want Dialect
	}{
		{"", Assign},
		{"exit", Assign},
		{"call 5\nexit\nexit", Assign},
		{"call 5\nmov %r0, 1", UBPF},
		{"l: exit\nja l", UBPF},
		{"ja +0", UBPF},
		{"goto +0", Assign},
		{"callx r1", Assign},
		{"call %r1", UBPF},
		{"call local +1\nexit", UBPF},
		{"call pc+1", Assign},
		{"lock add [r1], r2", UBPF},
		{"lock *(u64 *)(r1 + 0) += r2", Assign},
		{"*(u8 *)(r1 + 0) = 1", Assign},
		{"if w1 > 2 goto +1", Assign},
		{"w1 = 1", Assign},
		{"mov R0, 1", UBPF},
		{"exit\nbpf_exit", Doc},
		{"bpf_call bpf_foo", Doc},
		{"call bpf_foo\nr0 = 0", Assign},
		{"may_goto +1\nr0 += r1", Assign},
		{"may_goto +1\nadd %r0, %r1", UBPF},
		{".insn 0x95\nbpf_exit", Doc},
		{"mvo %r0, 1", UBPF},
		{"bpf_mvo R0, 1", Doc},
	}
	for _, tt := range tests {
		g, err := grammarOf(isa.Linux)
		if err != nil {
			t.Fatal(err)
		}
		o := (*Options)(nil).orDefault()
		p := &parser{opts: o, grammar: g, labels: map[string]int{}, prog: &spec.Program{}}
		p.collectLabels(tt.src)
		p.recognise(tt.src)
		if p.dialect != tt.want || p.style != tt.want.style() {
			t.Errorf("%q is recognised as %s, want %s", tt.src, p.dialect, tt.want)
		}
	}
}

func TestDialectNames(t *testing.T) {
	for d := Auto; d <= Doc; d++ {
		got, err := ParseDialect(d.String())
		if err != nil || got != d {
			t.Errorf("ParseDialect(%q) = %v, %v", d.String(), got, err)
		}
	}
	if _, err := ParseDialect("intel"); err == nil || !strings.Contains(err.Error(), "auto, assign, ubpf, doc") {
		t.Errorf("unknown dialect: %v", err)
	}
	if s := Dialect(9).String(); s != "dialect(9)" {
		t.Error(s)
	}
}

// TestReferences reads the ways to name helpers, functions and maps.
func TestReferences(t *testing.T) {
	helpers := map[string]int32{"ktime_get_ns": 5, "map_lookup_elem": 1}
	known := &Options{Helper: func(name string) (int32, bool) { id, ok := helpers[name]; return id, ok }}
	tests := []struct {
		src   string
		opts  *Options
		insn  isa.Instruction // the first
		maps  []spec.MapRef
		calls []spec.CallRef
	}{
		{"call 5", nil, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"call 0xffffffff", nil, isa.Make(0x85, 0, 0, 0, -1), nil, nil},
		{"call ktime_get_ns", known, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"call bpf_ktime_get_ns", known, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"bpf_call ktime_get_ns", known, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"call ktime_get_ns#5", known, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"call bpf_ktime_get_ns#5 # now", known, isa.Make(0x85, 0, 0, 0, 5), nil, nil},
		{"call other#77", known, isa.Make(0x85, 0, 0, 0, 77), nil, nil},
		{"call ktime_get_ns", nil, isa.Make(0x85, 0, 0, 0, 0), nil, []spec.CallRef{{Insn: 0, Helper: "ktime_get_ns"}}},
		{"call other", known, isa.Make(0x85, 0, 0, 0, 0), nil, []spec.CallRef{{Insn: 0, Helper: "other"}}},
		{"call helper other\nother: exit", nil, isa.Make(0x85, 0, 0, 0, 0), nil, []spec.CallRef{{Insn: 0, Helper: "other"}}},
		{"call \"pc\"", nil, isa.Make(0x85, 0, 0, 0, 0), nil, []spec.CallRef{{Insn: 0, Helper: "pc"}}},
		{"call other\nexit\nother: exit", known, isa.Make(0x85, 0, 1, 0, 1), nil, nil},
		{"call local other\nexit\nother: exit", nil, isa.Make(0x85, 0, 1, 0, 1), nil, nil},
		{"bpf_call other\nbpf_exit\nother: bpf_exit", nil, isa.Make(0x85, 0, 1, 0, 1), nil, nil},
		{"call pc+3", nil, isa.Make(0x85, 0, 1, 0, 3), nil, nil},
		{"call -1", nil, isa.Make(0x85, 0, 1, 0, -1), nil, nil},
		{"call kfunc 1234", nil, isa.Make(0x85, 0, 2, 0, 1234), nil, nil},
		{"call kfunc 1234 module 2", nil, isa.Make(0x85, 0, 2, 2, 1234), nil, nil},
		{"call kfunc f module 2", nil, isa.Make(0x85, 0, 2, 2, 0), nil, []spec.CallRef{{Insn: 0, Helper: "f"}}},
		{"call r3", nil, isa.Make(0x8d, 3, 0, 0, 0), nil, nil},
		{"call %r3", nil, isa.Make(0x8d, 3, 0, 0, 0), nil, nil},
		{"r1 = map[m]", nil, isa.Make(0x18, 1, 1, 0, 0), []spec.MapRef{{Insn: 0, Map: "m"}}, nil},
		{"r1 = map[fd]", nil, isa.Make(0x18, 1, 1, 0, 0), []spec.MapRef{{Insn: 0, Map: "fd"}}, nil},
		{"r1 = map[\"a b\"][0]+16", nil, isa.Make(0x18, 1, 2, 0, 0), []spec.MapRef{{Insn: 0, Map: "a b", Value: true, Offset: 16}}, nil},
		{"lddw %r1, map[m][0]+16", nil, isa.Make(0x18, 1, 2, 0, 0), []spec.MapRef{{Insn: 0, Map: "m", Value: true, Offset: 16}}, nil},
		{"r1 = map[fd:5]", nil, isa.Make(0x18, 1, 1, 0, 5), nil, nil},
		{"r1 = map[id:5]", nil, isa.Make(0x18, 1, 1, 0, 5), nil, nil},
		{"r1 = map_idx[5]", nil, isa.Make(0x18, 1, 5, 0, 5), nil, nil},
		{"r1 = var[id:7 fd:2]", nil, isa.Make(0x18, 1, 3, 0, 7), nil, nil},
		{"r1 = func[f]\nexit\nf: exit", nil, isa.Make(0x18, 1, 4, 0, 2), nil, nil},
		{"r1 = func[pc+2]", nil, isa.Make(0x18, 1, 4, 0, 2), nil, nil},
	}
	for _, tt := range tests {
		p, err := Assemble("", tt.src, tt.opts)
		if err != nil {
			t.Errorf("%q: %v", tt.src, err)
			continue
		}
		if p.Insns[0] != tt.insn || !reflect.DeepEqual(p.Maps, tt.maps) || !reflect.DeepEqual(p.Calls, tt.calls) {
			t.Errorf("%q gives %+v %v %v,\nwant %+v %v %v", tt.src, p.Insns[0], p.Maps, p.Calls, tt.insn, tt.maps, tt.calls)
		}
		checkRoundTrip(t, p, Options{})
	}
}

func TestSymbolsAndLines(t *testing.T) {
	p := assemble(t, "a: b:\n  r1 = 5 ll\nc: exit\nend:\n", nil)
	symbols := []spec.Symbol{{Insn: 0, Name: "a"}, {Insn: 0, Name: "b"}, {Insn: 2, Name: "c"}, {Insn: 3, Name: "end"}}
	if !reflect.DeepEqual(p.Symbols, symbols) {
		t.Errorf("symbols %v, want %v", p.Symbols, symbols)
	}
	lines := []spec.Line{{Insn: 0, File: "t.bpf", Line: 2, Column: 3}, {Insn: 2, File: "t.bpf", Line: 3, Column: 4}}
	if !reflect.DeepEqual(p.Lines, lines) {
		t.Errorf("lines %v, want %v", p.Lines, lines)
	}
}

// TestExitLabel holds what a jump to exit means: the label, else in mnemonics the first exit instruction.
func TestExitLabel(t *testing.T) {
	for src, want := range map[string]int16{
		"jne %r0, 1, exit\nmov %r0, 1\nexit\nexit":            1,
		"jne %r0, 1, exit\nmov %r0, 1\nexit\nexit: exit":      2,
		"exit\nmov %r0, 0\nja exit\nexit":                     -3,
		"bpf_ja exit\nbpf_mov R0, 1\nbpf_exit":                1,
		"goto exit\nr0 = 1\nr0 = 2\nexit: exit // a label":    2,
		"exit: r0 = 1\nif r0 == 1 goto exit\nexit // a label": -2,
	} {
		p := assemble(t, src, nil)
		found := false
		for _, in := range p.Insns {
			found = found || in.Off == want
		}
		if !found {
			t.Errorf("%q: no jump goes %+d: %v", src, want, p.Insns)
		}
	}
}

// TestAliases reads every further spelling of every row.
func TestAliases(t *testing.T) {
	fill := strings.NewReplacer("{dst}", "r1", "{wdst}", "w1", "{xdst}", "w1", "{src}", "r2", "{wsrc}", "w2", "{xsrc}", "w2",
		"{r0}", "r0", "{w0}", "w0", "{off}", "- 8", "{imm}", "7", "{imm64}", "7", "{jump}", "-1", "{longjump}", "-1", "{func}", "pc-1")
	n := 0
	for _, row := range isa.Linux.Rows() {
		spellings := []struct {
			text []string
			opts Options
		}{{row.Aliases(), Options{Dialect: Assign}}, {row.MnemonicAliases(), Options{Dialect: UBPF}}}
		for _, s := range spellings {
			for _, alias := range s.text {
				n++
				p, err := Assemble("", fill.Replace(alias), &s.opts)
				if err != nil {
					t.Error(err)
					continue
				}
				got, err := isa.Linux.Lookup(p.Insns, 0)
				if err != nil || got != row {
					t.Errorf("%q is read as %v, %v, want %v", alias, got, err, row.Op)
				}
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d aliases", n)
	}
}

// TestLenient reads forms that are not in the table's spellings.
func TestLenient(t *testing.T) {
	for src, want := range map[string]string{
		"if (r1 == r2) goto +1":                      "if r1 == r2 goto +1",
		"if ( w1 s< -1 ) goto pc-2":                  "if w1 s< -1 goto -2",
		"w2 = *(u8*)(r1+0)":                          "r2 = *(u8 *)(r1 + 0)",
		"*(u32 *)(r1) = w2":                          "*(u32 *)(r1 + 0) = r2",
		"r1=*( u64* )( r10 -8 )":                     "r1 = *(u64 *)(r10 - 8)",
		"r1 = -1 ll":                                 "r1 = -1 ll",
		"r1 = 0xffffffffffffffff ll":                 "r1 = -1 ll",
		"r1 = 5ll":                                   "r1 = 5 ll",
		"r1 = 0xffffffff":                            "r1 = -1",
		"r1 = -0x80000000":                           "r1 = -2147483648",
		"r0 = bswap16 r0":                            "r0 = bswap16 r0",
		"r0 = *(u16 *)skb[r5]":                       "r0 = *(u16 *)skb[r5 + 0]",
		"r0 = *(u32 *)skb[-1]":                       "r0 = *(u32 *)skb[-1]",
		"r1 s>>= 'a'":                                "r1 s>>= 97",
		"r2 = atomic64_fetch_add((u64*)(r1 +0), r2)": "r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)",
	} {
		p := assemble(t, src, &Options{Dialect: Assign})
		if got := Format(p.Insns, 0, nil); got != want {
			t.Errorf("%q is %q, want %q", src, got, want)
		}
	}
	for src, want := range map[string]string{
		"ldxw r0, [r1 + 0x10]":   "ldxw %r0, [%r1+16]",
		"stxdw [%R10 - 8], %R0":  "stxdw [%r10-8], %r0",
		"swap32 %r3":             "bswap32 %r3",
		"lock fetch or [%r1],r2": "lock fetch or [%r1], %r2",
	} {
		p := assemble(t, src, &Options{Dialect: UBPF})
		if got := Format(p.Insns, 0, &Options{Dialect: UBPF}); got != want {
			t.Errorf("%q is %q, want %q", src, got, want)
		}
	}
}

// TestMissionS52Listings reads the 2014 document's own programs in its own syntax.
func TestMissionS52Listings(t *testing.T) {
	for file, want := range map[string]string{
		"mission_f2.bpf": "bf12000000000000 0701000001000000 8500000000000000 9500000000000000",
		"mission_two_calls.bpf": "bf16000000000000 b702000002000000 b703000003000000 b704000004000000 b705000005000000 " +
			"8500000000000000 bf07000000000000 bf61000000000000 b702000006000000 b703000007000000 b704000008000000 " +
			"b705000009000000 8500000000000000 0f70000000000000 9500000000000000",
		"mission_invalid.bpf": "b701000001000000 8500000000000000 bf10000000000000 9500000000000000",
	} {
		b, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		p := assemble(t, string(b), nil)
		if got := hexOf(p); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: %s, want %s", file, got, want)
		}
		if len(p.Calls) == 0 {
			t.Errorf("%s: no call by name", file)
		}
		checkRoundTrip(t, p, Options{})
	}
}

// TestListings assembles what printers print, as it is. listing_kernel holds the lines of Linux 6.18's verifier
// log for all rows that it prints, listing_objdump the output of llvm-objdump 14.
func TestListings(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("testdata", "listing_*.txt"))
	if len(files) < 4 {
		t.Errorf("only %d listings", len(files))
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := assemble(t, string(b), nil)
		got, err := Disassemble(p, &Options{Raw: true})
		if err != nil {
			t.Fatal(err)
		}
		printed := strings.TrimSuffix(file, ".txt") + ".bpf"
		if *update {
			if err := os.WriteFile(printed, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(printed)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
		}
		if hexOf(assemble(t, string(want), nil)) != hexOf(p) {
			t.Errorf("%s: the printed form has other bytes", file)
		}
	}
}
