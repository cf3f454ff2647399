// Implements the tests of reading and printing.

package classic_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/classic/classictest"
	"golang.org/x/net/bpf"
)

var forms = []classic.Form{classic.FormAsm, classic.FormD, classic.FormDD, classic.FormDDD}

// What tcpdump prints for the expression tcp, and the same in bpf_asm.
var tcpForms = map[classic.Form]string{
	classic.FormD: `(000) ldh      [12]
(001) jeq      #0x86dd          jt 2	jf 7
(002) ldb      [20]
(003) jeq      #0x6             jt 10	jf 4
(004) jeq      #0x2c            jt 5	jf 11
(005) ldb      [54]
(006) jeq      #0x6             jt 10	jf 11
(007) jeq      #0x800           jt 8	jf 11
(008) ldb      [23]
(009) jeq      #0x6             jt 10	jf 11
(010) ret      #262144
(011) ret      #0
`,
	classic.FormDD: `{ 0x28, 0, 0, 0x0000000c },
{ 0x15, 0, 5, 0x000086dd },
{ 0x30, 0, 0, 0x00000014 },
{ 0x15, 6, 0, 0x00000006 },
{ 0x15, 0, 6, 0x0000002c },
{ 0x30, 0, 0, 0x00000036 },
{ 0x15, 3, 4, 0x00000006 },
{ 0x15, 0, 3, 0x00000800 },
{ 0x30, 0, 0, 0x00000017 },
{ 0x15, 0, 1, 0x00000006 },
{ 0x6, 0, 0, 0x00040000 },
{ 0x6, 0, 0, 0x00000000 },
`,
	classic.FormDDD: `12
40 0 0 12
21 0 5 34525
48 0 0 20
21 6 0 6
21 0 6 44
48 0 0 54
21 3 4 6
21 0 3 2048
48 0 0 23
21 0 1 6
6 0 0 262144
6 0 0 0
`,
	classic.FormAsm: `	ldh [12]
	jne #0x86dd, L7
	ldb [20]
	jeq #0x6, L10
	jne #0x2c, L11
	ldb [54]
	jeq #0x6, L10, L11
L7:	jne #0x800, L11
	ldb [23]
	jne #0x6, L11
L10:	ret #262144
L11:	ret #0
`,
}

func TestFormsGolden(t *testing.T) {
	var first []bpf.RawInstruction
	for _, form := range forms {
		text := tcpForms[form]
		if got := classic.Detect(text); got != form {
			t.Errorf("%v is detected as %v", form, got)
		}
		prog, err := classic.Parse("tcp", text)
		if err != nil {
			t.Errorf("%v: %v", form, err)
			continue
		}
		if first == nil {
			first = prog
		}
		if !slices.Equal(prog, first) {
			t.Errorf("%v gives another program:\n%s", form, classic.Append(nil, prog, classic.FormD))
		}
		if got := string(classic.Append(nil, prog, form)); got != text {
			t.Errorf("%v prints\n%swant\n%s", form, got, text)
		}
	}
}

// Every row, in the spelling of both text forms.
func TestSpellings(t *testing.T) {
	tests := []struct {
		in        bpf.RawInstruction
		list, asm string
	}{
		{bpf.RawInstruction{Op: 0x20, K: 4}, "ld       [4]", "ld [4]"},
		{bpf.RawInstruction{Op: 0x20, K: 0xfff00004}, "ld       [-1048572]", "ld [-1048572]"},
		{bpf.RawInstruction{Op: 0x28, K: 12}, "ldh      [12]", "ldh [12]"},
		{bpf.RawInstruction{Op: 0x28, K: 0xfffff000}, "ldh      [proto]", "ldh proto"},
		{bpf.RawInstruction{Op: 0x30, K: 0xfffff030}, "ldb      [vlanp]", "ldb vlan_avail"},
		{bpf.RawInstruction{Op: 0x20, K: 0xfffff028}, "ld       [xor_x]", "ld [-4056]"},
		{bpf.RawInstruction{Op: 0x40, K: 0xffffffff}, "ld       [x + -1]", "ld [x + -1]"},
		{bpf.RawInstruction{Op: 0x48, K: 14}, "ldh      [x + 14]", "ldh [x + 14]"},
		{bpf.RawInstruction{Op: 0x50}, "ldb      [x + 0]", "ldb [x + 0]"},
		{bpf.RawInstruction{Op: 0x00, K: 0xfffffffe}, "ld       #0xfffffffe", "ld #0xfffffffe"},
		{bpf.RawInstruction{Op: 0x60, K: 3}, "ld       M[3]", "ld M[3]"},
		{bpf.RawInstruction{Op: 0x80}, "ld       #pktlen", "ld len"},
		{bpf.RawInstruction{Op: 0x01, K: 16}, "ldx      #0x10", "ldx #0x10"},
		{bpf.RawInstruction{Op: 0x61, K: 15}, "ldx      M[15]", "ldx M[15]"},
		{bpf.RawInstruction{Op: 0x81}, "ldx      #pktlen", "ldx len"},
		{bpf.RawInstruction{Op: 0xb1, K: 14}, "ldxb     4*([14]&0xf)", "ldxb 4*([14]&0xf)"},
		{bpf.RawInstruction{Op: 0x02, K: 1}, "st       M[1]", "st M[1]"},
		{bpf.RawInstruction{Op: 0x03, K: 2}, "stx      M[2]", "stx M[2]"},
		{bpf.RawInstruction{Op: 0x04, K: 0xffffffff}, "add      #-1", "add #-1"},
		{bpf.RawInstruction{Op: 0x0c}, "add      x", "add x"},
		{bpf.RawInstruction{Op: 0x14, K: 5}, "sub      #5", "sub #5"},
		{bpf.RawInstruction{Op: 0x1c}, "sub      x", "sub x"},
		{bpf.RawInstruction{Op: 0x24, K: 5}, "mul      #5", "mul #5"},
		{bpf.RawInstruction{Op: 0x2c}, "mul      x", "mul x"},
		{bpf.RawInstruction{Op: 0x34, K: 5}, "div      #5", "div #5"},
		{bpf.RawInstruction{Op: 0x3c}, "div      x", "div x"},
		{bpf.RawInstruction{Op: 0x44, K: 15}, "or       #0xf", "or #0xf"},
		{bpf.RawInstruction{Op: 0x4c}, "or       x", "or x"},
		{bpf.RawInstruction{Op: 0x54}, "and      #0x0", "and #0x0"},
		{bpf.RawInstruction{Op: 0x5c}, "and      x", "and x"},
		{bpf.RawInstruction{Op: 0x64, K: 31}, "lsh      #31", "lsh #31"},
		{bpf.RawInstruction{Op: 0x6c}, "lsh      x", "lsh x"},
		{bpf.RawInstruction{Op: 0x74, K: 31}, "rsh      #31", "rsh #31"},
		{bpf.RawInstruction{Op: 0x7c}, "rsh      x", "rsh x"},
		{bpf.RawInstruction{Op: 0x94, K: 5}, "mod      #5", "mod #5"},
		{bpf.RawInstruction{Op: 0x9c}, "mod      x", "mod x"},
		{bpf.RawInstruction{Op: 0xa4, K: 255}, "xor      #0xff", "xor #0xff"},
		{bpf.RawInstruction{Op: 0xac}, "xor      x", "xor x"},
		{bpf.RawInstruction{Op: 0x84}, "neg      ", "neg"},
		{bpf.RawInstruction{Op: 0x05, K: 1}, "ja       2", "ja L2"},
		{bpf.RawInstruction{Op: 0x15, Jt: 1, K: 2}, "jeq      #0x2             jt 2\tjf 1", "jeq #0x2, L2"},
		{bpf.RawInstruction{Op: 0x15, Jf: 1, K: 2}, "jeq      #0x2             jt 1\tjf 2", "jne #0x2, L2"},
		{bpf.RawInstruction{Op: 0x15, Jt: 1, Jf: 2, K: 2}, "jeq      #0x2             jt 2\tjf 3", "jeq #0x2, L2, L3"},
		{bpf.RawInstruction{Op: 0x15, K: 2}, "jeq      #0x2             jt 1\tjf 1", "jeq #0x2, L1"},
		{bpf.RawInstruction{Op: 0x1d, Jf: 1}, "jeq      x                jt 1\tjf 2", "jne x, L2"},
		{bpf.RawInstruction{Op: 0x25, Jf: 1, K: 2}, "jgt      #0x2             jt 1\tjf 2", "jle #0x2, L2"},
		{bpf.RawInstruction{Op: 0x2d, Jt: 1}, "jgt      x                jt 2\tjf 1", "jgt x, L2"},
		{bpf.RawInstruction{Op: 0x35, Jf: 1, K: 2}, "jge      #0x2             jt 1\tjf 2", "jlt #0x2, L2"},
		{bpf.RawInstruction{Op: 0x3d, Jt: 1}, "jge      x                jt 2\tjf 1", "jge x, L2"},
		{bpf.RawInstruction{Op: 0x45, Jf: 1, K: 2}, "jset     #0x2             jt 1\tjf 2", "jset #0x2, L1, L2"},
		{bpf.RawInstruction{Op: 0x4d, Jt: 1}, "jset     x                jt 2\tjf 1", "jset x, L2"},
		{bpf.RawInstruction{Op: 0x06, K: 0xffffffff}, "ret      #-1", "ret #-1"},
		{bpf.RawInstruction{Op: 0x16}, "ret      ", "ret a"},
		{bpf.RawInstruction{Op: 0x07}, "tax      ", "tax"},
		{bpf.RawInstruction{Op: 0x87}, "txa      ", "txa"},
	}
	seen := map[uint16]bool{}
	for _, test := range tests {
		seen[test.in.Op] = true
		prog := []bpf.RawInstruction{test.in, ret, ret, ret}
		for form, want := range map[classic.Form]string{classic.FormD: "(000) " + test.list, classic.FormAsm: "\t" + test.asm} {
			text := string(classic.Append(nil, prog, form))
			if line, _, _ := strings.Cut(text, "\n"); line != want {
				t.Errorf("%v prints %q, want %q", form, line, want)
			}
			if back, err := classic.Parse("", text); err != nil || !slices.Equal(back, prog) {
				t.Errorf("%v reads back %v (%v) from\n%s", form, back, err, text)
			}
		}
	}
	for _, row := range classic.Rows() {
		if !seen[row.Code] {
			t.Errorf("no case for %s, opcode %#x", row.Name, row.Code)
		}
	}
	if got := string(classic.AppendLine(nil, bpf.RawInstruction{Op: 0x1234}, 7)); got != "(007) unimp    0x1234" {
		t.Errorf("an unknown opcode prints as %q", got)
	}
}

func TestEveryMetadataWord(t *testing.T) {
	for _, m := range classic.AllMetadata() {
		want := []bpf.RawInstruction{{Op: 0x20, K: 1<<32 + classic.AncillaryOffset + m.Offset}}
		texts := []string{"ld " + m.Dump, "ld #" + m.Dump, "(000) ld [" + m.Dump + "]", "LD " + strings.ToUpper(m.Dump)}
		if m.Name != "" {
			texts = append(texts, "ld "+m.Name, "ld #"+m.Name)
		}
		for _, text := range texts {
			if got, err := classic.Parse("", text); err != nil || !slices.Equal(got, want) {
				t.Errorf("%q gives %v (%v)", text, got, err)
			}
		}
	}
}

// code → text → code → text loses nothing, in any form.
func TestFormsLossless(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 3000 {
		prog := classictest.Program(r, 1+r.IntN(300), classictest.Full)
		for _, form := range forms {
			text := classic.Append(nil, prog, form)
			if got := classic.Detect(string(text)); got != form && form != classic.FormAsm {
				t.Fatalf("%v is detected as %v:\n%s", form, got, text)
			}
			back, err := classic.Parse("", string(text))
			if err != nil || !slices.Equal(back, prog) {
				t.Fatalf("%v reads back otherwise (%v):\n%s", form, err, text)
			}
			if again := classic.Append(nil, back, form); string(again) != string(text) {
				t.Fatalf("%v prints\n%s, then\n%s", form, text, again)
			}
		}
	}
}

func TestAssemble(t *testing.T) {
	const want = "40 0 0 12,21 0 2 2054,6 0 0 4294967295,5 0 0 0,6 0 0 0,"
	for _, text := range []string{
		"ldh [12]\njne #0x806, drop\nret #-1\njmp drop\ndrop: ret #0",
		"LDH [0xC]\r\n\tJEQ #2054, Keep, drop\r\nKeep: RET #0xffffffff\nja drop\ndrop: ret #00\n",
		"; comment\n#another\n/* and\n one more */ ldh [014]; here\n jneq #0b100000000110, end /* and */\nret #4294967295\nja end\n\nend:\n  ret #0",
		"a: b: ldh [+12]\njeq #2054, y, n\ny:\nok: ret #-1\n jmp n\n n: ret #0",
	} {
		prog, err := classic.Assemble("", text)
		if err != nil {
			t.Errorf("%v in\n%s", err, text)
			continue
		}
		got := string(classic.Append(nil, prog, classic.FormDDD))
		if _, lines, _ := strings.Cut(got, "\n"); strings.ReplaceAll(lines, "\n", ",") != want {
			t.Errorf("got %s from\n%s", got, text)
		}
	}
	for text, want := range map[string]bpf.RawInstruction{
		"ldi #5": {Op: 0x00, K: 5}, "ldi 0x10": {Op: 0x00, K: 16}, "ldxi -1": {Op: 0x01, K: 0xffffffff}, "ldx 4*([2]&15)": {Op: 0xb1, K: 2},
		"ldh [%x+3]": {Op: 0x48, K: 3}, "add %x": {Op: 0x0c}, "ret %a": {Op: 0x16}, "ret A": {Op: 0x16}, "st m[4]": {Op: 0x02, K: 4},
		"ld #len": {Op: 0x80}, "ld #-2147483648": {Op: 0x00, K: 0x80000000}, "ldb #type": {Op: 0x30, K: 0xfffff004}, "ldx #pktlen": {Op: 0x81},
		"ja x\nx: tax": {Op: 0x05}, "jeq %x, a.b\na.b: tax": {Op: 0x1d},
	} {
		prog, err := classic.Assemble("", text)
		if err != nil || prog[0] != want {
			t.Errorf("%q gives %+v (%v)", text, prog, err)
		}
	}
}

func TestNumericForms(t *testing.T) {
	want := []bpf.RawInstruction{{Op: 0x30, K: 9}, {Op: 0x15, Jf: 1, K: 6}, {Op: 6, K: 1}, {Op: 6}}
	for _, text := range []string{
		"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0",
		"4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0,\n",
		"\n4\n48 0 0 9\n\n21 0 1 6\n6 0 0 1\n6 0 0 0",
		"{ 0x30,  0,  0, 0x00000009 },\n{ 0x15,  0,  1, 0x00000006 },\n{ 0x06,  0,  0, 0x00000001 },\n{ 0x06,  0,  0, 0000000000 },\n",
		"{48,0,0,9},{21,0,1,6},{6,0,0,1},{6,0,0,0}",
	} {
		if got, err := classic.Parse("", text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gives %v (%v)", text, got, err)
		}
	}
}

func TestSyntaxErrors(t *testing.T) {
	long := strings.Repeat("\ttax\n", classic.MaxInstructions)
	for _, test := range []struct{ text, want string }{
		{"", `f:1:1: expected an instruction, found end of text`},
		{"; nothing\n", `f:2:1: expected an instruction, found end of text`},
		{"ldh [12]\n lhd [12]", `f:2:2: unknown instruction "lhd"`},
		{"ldh #5", `f:1:5: expected [k], a word such as proto or [x + k] after "ldh", found "#"`},
		{"ldh", `f:1:4: expected [k], a word such as proto or [x + k] after "ldh", found end of text`},
		{"ldh [12", `f:1:8: expected "]", found end of text`},
		{"ldh [y]", `f:1:6: unknown operand "y": expected #k, [k], x or a word such as len or proto`},
		{"ldh [x]", `f:1:7: expected "+", found "]"`},
		{"ldh [x - 4]", `f:1:8: expected "+", found "-"`},
		{"ld 5", `f:1:4: expected [k], a word such as proto, [x + k], #k, M[k] or len after "ld", found "5"`},
		{"ld #x", `f:1:5: unknown operand "x"`},
		{"ld [4294967296]", `f:1:5: 4294967296 is out of range: expected a number of at most 4294967295`},
		{"ld [-2147483649]", `f:1:5: -2147483649 is out of range: the least 32-bit number is -2147483648`},
		{"ld [0x]", `f:1:5: expected a number, found malformed number "0x"`},
		{"ld [12]]", `f:1:8: expected end of line, found "]"`},
		{"ldx M[1", `f:1:8: expected "]", found end of text`},
		{"ldxb 3*([14]&0xf)", `f:1:6: expected 4 in 4*([k]&0xf), found "3"`},
		{"ldxb 4*([14]&0xff)", `f:1:14: expected 0xf in 4*([k]&0xf), found "0xff"`},
		{"tax x", `f:1:5: expected no operand after "tax", found "x"`},
		{"ret", `f:1:4: expected #k or a after "ret", found end of text`},
		{"ret x", `f:1:5: expected #k or a after "ret", found "x"`},
		{"ret %b", `f:1:6: expected x or a, found "b"`},
		{"st 3", `f:1:4: expected M[k] after "st", found "3"`},
		{"ja 3", `f:1:4: expected a label, found "3"`},
		{"jeq #3", `f:1:7: expected ",", found end of text`},
		{"jeq #3, ", `f:1:9: expected a label, found end of text`},
		{"jne #3, a, b\na: tax\nb: tax", `f:1:10: expected end of line, found ","`},
		{"jeq #3, gone\nret #0", `f:1:9: label "gone" is not defined`},
		{"jeq #3, end\nend:", `f:1:9: label "end" has no instruction after it`},
		{"up: tax\nja up", `f:2:4: label "up" is not ahead: classic programs only jump forward`},
		{"up: tax\njeq x, up", `f:2:8: label "up" is not ahead`},
		{"l: tax\nl: tax", `f:2:1: label "l" is there already`},
		{"jset #1, far\n" + strings.Repeat("tax\n", 256) + "far: ret #0", `f:1:10: label "far" is 256 instructions ahead, a conditional jump skips at most 255`},
		{"tax /* no end\n", `f:1:5: expected an operand, found a comment without its */`},
		{"tax\n\x00", `f:2:1: expected an instruction, found byte 0x00`},
		{"5", `f:1:1: expected an instruction, found "5"`},
		{long + "ret #0", `f:4097:1: too many instructions: a program has at most 4096`},

		{"(000) ldh [12]\n(002) ret #0", `f:2:2: expected instruction number 001, found "002"`},
		{"(000) ldh [12]\nret #0", `f:2:1: expected "(", found "ret"`},
		{"(000) jeq #1 jt 1", `f:1:18: expected "jf", found end of text`},
		{"(000) jeq #1 jt 0 jf 1", `f:1:17: instruction 0 is not ahead: classic programs only jump forward`},
		{"(000) jeq #1 jt 1 jf 257", `f:1:22: instruction 257 is 256 instructions ahead`},
		{"(000) ja end", `f:1:10: expected the number of an instruction, found "end"`},
		{"(000) unimp 0x0", `f:1:7: unknown instruction "unimp"`},

		{"{ 0x28, 0, 0 }", `f:1:14: expected ",", found "}"`},
		{"{ 0x10000, 0, 0, 0 }", `f:1:3: 0x10000 is out of range: expected an opcode of at most 65535`},
		{"{ 0x28, 256, 0, 0 }", `f:1:9: 256 is out of range: expected jt of at most 255`},
		{"{ 0x28, 0, 0, 0 } ret", `f:1:19: expected "," or end of line, found "ret"`},

		{"2\n6 0 0 0\n", `f:3:1: expected 2 instructions, found 1`},
		{"1\n6 0 0 0\n6 0 0 0", `f:3:1: expected end of text after 1 instructions, found "6"`},
		{"1\n6 0 0", `f:2:6: expected a number, found end of text`},
		{"1\n6 0 0 0 0", `f:2:9: expected end of line, found "0"`},
		{"5000\n6 0 0 0", `f:1:1: 5000 is out of range: expected the number of instructions of at most 4096`},
	} {
		_, err := classic.Parse("f", test.text)
		var e *classic.SyntaxError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%.60q: got %v, want %s", test.text, err, test.want)
		}
	}
}

func TestDetect(t *testing.T) {
	for text, want := range map[string]classic.Form{
		"":                                       classic.NotClassic,
		"5":                                      classic.NotClassic,
		"mov %r0, 42\nexit":                      classic.NotClassic,
		"mov32 r0, 42":                           classic.NotClassic,
		"r0 = 42\nexit":                          classic.NotClassic,
		"bpf_mov R0, 42\nbpf_exit":               classic.NotClassic,
		"if r1 == 5 goto +3":                     classic.NotClassic,
		"L1: r0 += r1":                           classic.NotClassic,
		"add %r0, 5":                             classic.NotClassic,
		"add r0, 5":                              classic.NotClassic,
		"neg %r0":                                classic.NotClassic,
		"ldxb %r0, [%r1+2]":                      classic.NotClassic,
		"ldxh %r0, [%r1+2]":                      classic.NotClassic,
		"stxb [%r1], %r2":                        classic.NotClassic,
		"jeq %r1, 5, +3":                         classic.NotClassic,
		"jne r1, r2, label":                      classic.NotClassic,
		"ja +1\nexit":                            classic.NotClassic,
		"ja out\nmov r0, 1\nout: exit":           classic.NotClassic,
		"ldabsb 5":                               classic.NotClassic,
		"lock add [%r1], %r2":                    classic.NotClassic,
		"exit":                                   classic.NotClassic,
		"call 1":                                 classic.NotClassic,
		`{"programs":[{"name":"p"}]}`:            classic.NotClassic,
		"{\n  \"programs\": []\n}":               classic.NotClassic,
		"[1, 2]":                                 classic.NotClassic,
		"\x7fELF\x02\x01\x01":                    classic.NotClassic,
		"b7 00 00 00 2a 00 00 00":                classic.NotClassic,
		"10 20 30":                               classic.NotClassic,
		"hello":                                  classic.NotClassic,
		"ldh [12]":                               classic.FormAsm,
		"LDH [12]":                               classic.FormAsm,
		"; c\n\n/* c */ # no\n ret #0":           classic.NotClassic,
		"; c\n\n/* c */\n# yes\n ret #0":         classic.FormAsm,
		"start: next:\n\tld len":                 classic.FormAsm,
		"ld (12)":                                classic.FormAsm, // wrong, but nothing else is meant
		"ja out\nout: ret #0":                    classic.FormAsm,
		"jmp out":                                classic.FormAsm,
		"add #5":                                 classic.FormAsm,
		"add x":                                  classic.FormAsm,
		"add %x":                                 classic.FormAsm,
		"neg\nret a":                             classic.FormAsm,
		"ldxb 4*([14]&0xf)":                      classic.FormAsm,
		"jeq #1, a, b":                           classic.FormAsm,
		"jlt x, a":                               classic.FormAsm,
		"tax":                                    classic.FormAsm,
		"(000) ldh      [12]\n(001) ret      #0": classic.FormD,
		"\n{ 0x6, 0, 0, 0x00000000 },":           classic.FormDD,
		"1\n6 0 0 0\n":                           classic.FormDDD,
		"1,6 0 0 0,":                             classic.FormDDD,
	} {
		if got := classic.Detect(text); got != want {
			t.Errorf("%q is detected as %v, want %v", text, got, want)
		}
	}
}
