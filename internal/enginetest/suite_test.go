// Implements the tests of the suite itself, on the reference machine.

package enginetest

import (
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
)

func TestReference(t *testing.T) { Run(t, Reference) }

// notInVectors are the rows that no vector can have, and why.
var notInVectors = map[isa.Op]string{
	isa.CallKfunc:     "kernel functions exist only in a kernel",
	isa.LdMapFD:       "a vector has no maps",
	isa.LdMapValue:    "a vector has no maps",
	isa.LdVarAddr:     "variables exist only in a kernel",
	isa.LdFunc:        "the address of a function means something only to helpers that call back",
	isa.LdMapIdx:      "a vector has no maps",
	isa.LdMapIdxValue: "a vector has no maps",
	isa.AddrSpaceCast: "address spaces exist only with an arena map",
}

func TestVectorsHaveEveryRow(t *testing.T) {
	in := map[isa.Op]int{}
	for _, v := range Vectors(t) {
		for _, row := range rowsOf(v) {
			in[row.Op]++
		}
	}
	for _, row := range isa.Linux.Rows() {
		reason, excepted := notInVectors[row.Op]
		switch {
		case in[row.Op] == 0 && !excepted:
			t.Errorf("no vector has %q", row.Mnemonic)
		case in[row.Op] > 0 && excepted:
			t.Errorf("a vector has %q, though %s", row.Mnemonic, reason)
		}
	}
	t.Logf("%d vectors have %d of %d rows", len(Vectors(t)), len(in), len(isa.Linux.Rows()))
}

// rowsOf returns the rows of a vector's instructions, as far as they can be looked up.
func rowsOf(v Vector) (out []*isa.Row) {
	code := v.Program.Insns
	for i := 0; i < len(code); i += isa.Linux.Slots(code[i].Code) {
		if row, err := isa.Linux.Lookup(code, i); err == nil {
			out = append(out, row)
		}
	}
	return out
}

// TestVectorsAreDescribed holds every file to say what it shows.
func TestVectorsAreDescribed(t *testing.T) {
	entries, err := testdata.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := testdata.ReadFile("testdata/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s does not open with a comment that says what it shows", e.Name())
		}
	}
}

// TestSuiteFindsFaults breaks the reference machine in one place after the other and expects the suite's
// vectors to notice.
func TestSuiteFindsFaults(t *testing.T) {
	vectors := Vectors(t)
	for _, row := range isa.Linux.Rows() {
		if row.Kind != isa.KindALU && row.Kind != isa.KindJump {
			continue
		}
		// The nearest sibling: the same in the other width, or with the next function.
		found := false
		for _, v := range vectors {
			if v.Error != "" || !has(v, row) {
				continue
			}
			broken := v
			p := *v.Program
			p.Insns = replaced(p.Insns, row)
			broken.Program = &p
			if broken.Check(Reference(t, broken)) != nil {
				found = true
				break
			}
		}
		if !found {
			t.Errorf("no vector notices when %q is done at another width", row.Mnemonic)
		}
	}
}

func has(v Vector, row *isa.Row) bool {
	for _, r := range rowsOf(v) {
		if r == row {
			return true
		}
	}
	return false
}

// replaced changes every instruction of a row into the sibling of the other width, or, where there is none,
// into a neighbour of the table.
func replaced(code []isa.Instruction, row *isa.Row) []isa.Instruction {
	sibling := row
	for _, r := range isa.Linux.Rows() {
		same := r.Kind == row.Kind && r.Fn == row.Fn && r.From == row.From
		if r != row && same && (r.Width != row.Width && r.Size == row.Size || r.Width != row.Width && r.Fn != isa.FnMovSX || r.Size != row.Size) {
			sibling = r
			break
		}
	}
	out := append([]isa.Instruction(nil), code...)
	for i := 0; i < len(out); i += isa.Linux.Slots(out[i].Code) {
		if r, err := isa.Linux.Lookup(out, i); err == nil && r == row {
			in := out[i]
			out[i] = sibling.Make(in.Dst(), in.Src(), in.Off, in.Imm)
		}
	}
	return out
}
