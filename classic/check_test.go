// Implements the tests of the validator: a case for every rule.

package classic_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"golang.org/x/net/bpf"
)

// ret is a program's end.
var ret = bpf.RawInstruction{Op: 0x06}

func TestCheckRefuses(t *testing.T) {
	jump := func(op uint16, jt, jf uint8, k uint32) []bpf.RawInstruction {
		return []bpf.RawInstruction{{Op: op, Jt: jt, Jf: jf, K: k}, ret}
	}
	tests := []struct {
		prog   []bpf.RawInstruction
		reason classic.Reason
		index  int
		text   string
	}{
		{nil, classic.Empty, -1, "the program has no instructions"},
		{make([]bpf.RawInstruction, 4097), classic.TooLong, -1, "the program has 4097 instructions, at most 4096 are allowed"},
		{[]bpf.RawInstruction{{Op: 0x0e}}, classic.UnknownOpcode, 0, "instruction 0 ({ 0xe, 0, 0, 0x0 }): unknown opcode 0x000e"},
		{[]bpf.RawInstruction{{Op: 0x106}}, classic.UnknownOpcode, 0, "unknown opcode 0x0106"},
		{[]bpf.RawInstruction{{Op: 0x20, K: 0xfffff040}, ret}, classic.UnknownMetadata, 0, "instruction 0 (ld [-4032]): no metadata has the number 64"},
		{[]bpf.RawInstruction{{Op: 0x30, K: 0xfffff001}, ret}, classic.UnknownMetadata, 0, "no metadata has the number 1"},
		{[]bpf.RawInstruction{ret, {Op: 0x02, K: 16}, ret}, classic.NoSuchWord, 1, "instruction 1 (st M[16]): scratch memory ends at M[15]"},
		{[]bpf.RawInstruction{{Op: 0x61, K: 0xffffffff}, ret}, classic.NoSuchWord, 0, "scratch memory ends"},
		{[]bpf.RawInstruction{{Op: 0x60, K: 3}, ret}, classic.UnsetWord, 0, "instruction 0 (ld M[3]): M[3] may not have been written"},
		{[]bpf.RawInstruction{{Op: 0x15, Jt: 1}, {Op: 0x02}, {Op: 0x60}, ret}, classic.UnsetWord, 2, "M[0] may not"},
		{[]bpf.RawInstruction{{Op: 0x05}, {Op: 0x60}, ret}, classic.UnsetWord, 1, "M[0] may not"},
		{[]bpf.RawInstruction{{Op: 0x34}, ret}, classic.ZeroDivisor, 0, "instruction 0 (div #0): divides by zero"},
		{[]bpf.RawInstruction{{Op: 0x94}, ret}, classic.ZeroDivisor, 0, "instruction 0 (mod #0): divides by zero"},
		{[]bpf.RawInstruction{{Op: 0x64, K: 32}, ret}, classic.BadShift, 0, "instruction 0 (lsh #32): shifts by 32, at most 31 is allowed"},
		{[]bpf.RawInstruction{{Op: 0x74, K: 99}, ret}, classic.BadShift, 0, "shifts by 99"},
		{jump(0x05, 0, 0, 1), classic.JumpOutside, 0, "instruction 0 (ja 2): jumps to instruction 2, the last is 1"},
		{jump(0x05, 0, 0, 0xffffffff), classic.JumpOutside, 0, "jumps to instruction 4294967296, the last is 1"},
		{jump(0x15, 1, 0, 0x800), classic.JumpOutside, 0, "instruction 0 (jeq #0x800 jt 2 jf 1): jumps to instruction 2, the last is 1"},
		{jump(0x4d, 0, 255, 0), classic.JumpOutside, 0, "jumps to instruction 256, the last is 1"},
		{[]bpf.RawInstruction{ret, {Op: 0x07}}, classic.NoReturn, 1, "instruction 1 (tax): the program must end with a ret"},
	}
	seen := map[classic.Reason]bool{}
	for _, test := range tests {
		err := classic.Check(test.prog)
		var e *classic.CheckError
		if !errors.As(err, &e) || e.Reason != test.reason || e.Index != test.index || !strings.Contains(err.Error(), test.text) {
			t.Errorf("got %v, want %q", err, test.text)
			continue
		}
		seen[e.Reason] = true
		for name, f := range map[string]func() error{
			"NewVM":            func() error { _, err := classic.NewVM(test.prog); return err },
			"Translate":        func() error { _, err := classic.Translate(test.prog); return err },
			"TranslateSeccomp": func() error { _, err := classic.TranslateSeccomp(test.prog); return err },
		} {
			if again := f(); again == nil || again.Error() != err.Error() {
				t.Errorf("%s says %v, Check %v", name, again, err)
			}
		}
	}
	for r := classic.Empty; r <= classic.NoReturn; r++ {
		if !seen[r] {
			t.Errorf("no case for reason %d", r)
		}
	}
}

func TestCheckAccepts(t *testing.T) {
	for _, prog := range [][]bpf.RawInstruction{
		{ret},
		{{Op: 0x06, Jt: 3, Jf: 4, K: 5}},          // fields without a use are free
		{{Op: 0x20, K: 0xfffff000}, ret},          // proto
		{{Op: 0x40, K: 0xfffff001}, ret},          // not metadata: only absolute loads are
		{{Op: 0x20, K: 0xffffefff}, ret},          // just below it: an offset from the network header
		{ret, {Op: 0x05, K: 1}, {Op: 4}, ret},     // dead code
		{{Op: 0x05, K: 1}, {Op: 0x60, K: 7}, ret}, // dead code may read what was not written
		{{Op: 0x15, Jt: 1, Jf: 2}, {Op: 0x02}, {Op: 0x02}, ret},
	} {
		if err := classic.Check(prog); err != nil {
			t.Errorf("%v for\n%s", err, classic.Append(nil, prog, classic.FormD))
		}
	}
}

func TestCheckSeccomp(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"ld [0]\n jeq #231, bad\n ret #0x7fff0000\n bad: ret #0", ""},
		{"ld [60]\n ld len\n ldx len\n st M[0]\n ldx M[0]\n xor x\n ret a", ""},
		{"ld [64]\n ret #0", "instruction 0 (ld [64]): the offset must be a multiple of 4 below 64"},
		{"ret #0\n ld [2]\n ret #0", "instruction 1 (ld [2]): the offset must be"},
		{"ld proto\n ret #0", "the offset must be"},
		{"ldh [0]\n ret #0", "instruction 0 (ldh [0]): seccomp filters may not use it"},
		{"ldb [0]\n ret #0", "may not use it"},
		{"ld [x + 0]\n ret #0", "may not use it"},
		{"ldxb 4*([0]&0xf)\n ret #0", "may not use it"},
		{"mod #3\n ret #0", "may not use it"},
		{"mod x\n ret #0", "may not use it"},
		{"div #0\n ret #0", "divides by zero"},
	} {
		err := classic.CheckSeccomp(mustAssemble(t, test.text))
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, err, test.want)
		}
		if _, again := classic.TranslateSeccomp(mustAssemble(t, test.text)); (err == nil) != (again == nil) {
			t.Errorf("%q: TranslateSeccomp says %v", test.text, again)
		}
	}
}
