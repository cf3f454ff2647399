// Implements the tests of random programs: what they contain, and that they are valid.

package enginetest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 99)) }

// notDrawn are the rows that random programs leave out, for what they stand for lies outside a program.
var notDrawn = []isa.Op{isa.CallKfunc, isa.LdMapFD, isa.LdMapValue, isa.LdVarAddr, isa.LdFunc, isa.LdMapIdx, isa.LdMapIdxValue, isa.AddrSpaceCast}

func TestRandomProgramsHaveEveryRow(t *testing.T) {
	drawn := map[isa.Op]int{}
	for seed := range uint64(600) {
		for _, row := range rowsOf(Vector{Program: &spec.Program{Insns: Generate(source(seed), Options{Mem: 32, Packet: seed%2 == 0, Helpers: true, Size: 60})}}) {
			drawn[row.Op]++
		}
	}
	for _, row := range isa.Linux.Rows() {
		if left := slices.Contains(notDrawn, row.Op); left != (drawn[row.Op] == 0) {
			t.Errorf("%q is in the programs %d times", row.Mnemonic, drawn[row.Op])
		}
	}
}

// TestRandomProgramsHaveExtensions draws from a set with a row that the table does not have.
func TestRandomProgramsHaveExtensions(t *testing.T) {
	ran := 0
	set, err := isa.NewSet(isa.Extension{Name: "mix", Code: 0xe4, Size: 24, Reads: isa.RoleDst | isa.RoleSrc, Writes: isa.RoleDst,
		Eval: func(dst, src uint64, slots []isa.Instruction) uint64 {
			ran++
			return dst ^ src<<7 ^ uint64(slots[1].Imm) ^ uint64(slots[2].Imm)
		}})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(50) {
		if v, err := RandomVector(source(seed), Options{Set: set}); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, Listing(v.Program.Insns))
		}
	}
	if ran < 50 {
		t.Errorf("the extension ran %d times", ran)
	}
}

func TestRandomProgramsRepeatAndDiffer(t *testing.T) {
	results := map[uint64]bool{}
	for seed := range uint64(500) {
		o := Options{Mem: 16}
		a, err := RandomVector(source(seed), o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := RandomVector(source(seed), o)
		if err != nil || !slices.Equal(a.Program.Insns, b.Program.Insns) || a.Result != b.Result {
			t.Fatalf("seed %d gives two programs", seed)
		}
		results[a.Result] = true
	}
	if len(results) < 499 {
		t.Errorf("500 programs have only %d results", len(results))
	}
}

// TestRandomProgramsShowFaults changes one instruction of each program and expects R0 to change. Where it is
// never reached, or what it computes is overwritten, it cannot; in most programs it must.
func TestRandomProgramsShowFaults(t *testing.T) {
	const programs = 500
	shown := 0
	for seed := range uint64(programs) {
		rng := source(seed)
		v, err := RandomVector(rng, Options{Mem: 32})
		if err != nil {
			t.Fatal(err)
		}
		code := slices.Clone(v.Program.Insns)
		var at []int
		for i := 0; i < len(code); i += isa.Linux.Slots(code[i].Code) {
			if code[i].Code == isa.Linux.Row(isa.Xor64Reg).Code {
				at = append(at, i)
			}
		}
		i := at[rng.IntN(len(at))]
		code[i] = isa.Or64Reg.Make(code[i].Dst(), code[i].Src(), 0, 0)
		r0, _, err := Interpret(isa.Linux, &spec.Program{Insns: code}, v.Mem)
		if err != nil {
			t.Fatal(err)
		}
		if r0 != v.Result {
			shown++
		}
	}
	if shown*10 < programs*7 {
		t.Errorf("%d of %d faults show", shown, programs)
	}
}

// TestShrink hands Explain an engine that gets one instruction wrong and expects to be shown little else.
func TestShrink(t *testing.T) {
	for _, op := range []isa.Op{isa.Arsh32Imm, isa.JSLt32Reg, isa.LdxS16, isa.StoreRel16, isa.MovSX8To64, isa.AtomicFetchXor64} {
		row := isa.Linux.Row(op)
		wrong := func(t testing.TB, v Vector) (uint64, error) {
			p := *v.Program
			p.Insns = replaced(p.Insns, row)
			v.Program = &p
			return Reference(t, v)
		}
		for seed := uint64(0); ; seed++ {
			if seed == 1000 {
				t.Fatalf("%v done wrong shows in none of %d programs", op, seed)
			}
			v, err := RandomVector(source(seed), Options{Mem: 32})
			if err != nil {
				t.Fatal(err)
			}
			if r0, err := wrong(t, v); err != nil || r0 == v.Result {
				continue
			}
			text := Explain(t, v, wrong)
			if lines := strings.Count(text, "\n"); lines > 15 || !strings.Contains(text, op.String()) {
				t.Errorf("%v done wrong is shown in %d lines:\n%s", op, lines, text)
			}
			break
		}
	}
}

// FuzzGenerate expects every random program to be valid and to end on the reference machine.
func FuzzGenerate(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed, uint8(seed*3), uint8(seed*7), uint8(seed))
	}
	f.Fuzz(func(t *testing.T, seed uint64, size, mem, flags uint8) {
		o := Options{Size: int(size), Mem: int(mem), Packet: flags&1 != 0, Helpers: flags&2 != 0, Kernel: flags&4 != 0}
		v, err := RandomVector(source(seed), o)
		if err != nil {
			t.Fatalf("%+v: %v\n%s", o, err, Listing(v.Program.Insns))
		}
	})
}
