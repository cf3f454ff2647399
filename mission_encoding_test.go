package skep_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// The mission's requirements on limits, encoding and translation; see mission_test.go.

func TestMissionS36Limit4096(t *testing.T) {
	build := func(n int) *spec.Program {
		p := assemble(t, strings.Repeat("r0 = 1\n", n-1)+"exit")
		return p
	}
	old := &skep.Options{Profile: isa.Profile2014}
	if _, err := skep.Load(build(4096), old); err != nil {
		t.Errorf("4096 instructions: %v", err)
	}
	if _, err := skep.Load(build(4097), old); err == nil || !strings.Contains(err.Error(), "4096") {
		t.Errorf("4097 instructions: %v, want that 4096 is the limit", err)
	}
	if _, err := skep.Load(build(4097), nil); err != nil {
		t.Errorf("4097 instructions in the modern profile: %v", err)
	}
}

func TestMissionS38Encoding(t *testing.T) {
	in := isa.Make(0x7b, isa.R3, isa.R9, -2, 0x11223344)
	little := in.Append(nil, binary.LittleEndian)
	if want := "\x7b\x93\xfe\xff\x44\x33\x22\x11"; string(little) != want {
		t.Errorf("little endian % x, want % x", little, want)
	}
	big := in.Append(nil, binary.BigEndian)
	if want := "\x7b\x39\xff\xfe\x11\x22\x33\x44"; string(big) != want {
		t.Errorf("big endian % x, want % x", big, want)
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		b := little
		if order == binary.BigEndian {
			b = big
		}
		back, err := isa.Decode(b, order)
		if err != nil || back[0] != in || in.Dst() != isa.R3 || in.Src() != isa.R9 {
			t.Errorf("%v: decoded %+v (%v), want %+v", order, back, err, in)
		}
	}
}

func TestMissionS40EightySevenInstructions(t *testing.T) {
	var count [8]int // by class: ld, ldx, st, stx, alu, jmp, jmp32, alu64
	entries := isa.Profile2014.Entries(isa.Linux)
	for _, e := range entries {
		count[e.Code&7]++
	}
	if len(entries) != 87 {
		t.Errorf("%d instructions, want 87", len(entries))
	}
	// 25 ALU32, 25 ALU64, 15 jumps with call and exit, 10 stores, 10 loads.
	if want := [8]int{6, 4, 4, 6, 25, 17, 0, 25}; count != want {
		t.Errorf("by class %v, want %v", count, want)
	}
}

// extensions has an instruction of each size, that multiply-adds its registers and immediates.
func extensions() []isa.Extension {
	var out []isa.Extension
	for n := 1; n <= 4; n++ {
		out = append(out, isa.Extension{
			Name: "madd" + string(rune('0'+n)), Code: [...]uint8{0xf5, 0xe6, 0xf6, 0xfd}[n-1], Size: 8 * n,
			Reads: isa.RoleDst | isa.RoleSrc, Writes: isa.RoleDst,
			Eval: func(dst, src uint64, slots []isa.Instruction) uint64 {
				for _, s := range slots {
					dst = dst*src + uint64(int64(s.Imm))
				}
				return dst
			},
		})
	}
	return out
}

func TestMissionS41NewOpcodes(t *testing.T) {
	known := map[uint8]bool{}
	for _, r := range isa.Linux.Rows() {
		known[r.Code] = true
	}
	for code := range 256 {
		if known[uint8(code)] {
			continue
		}
		_, err := skep.Load(&spec.Program{Insns: []isa.Instruction{{Code: uint8(code)}, {Code: 0x95}}}, nil)
		var e *isa.LookupError
		if !errors.As(err, &e) || e.Reason != isa.UnknownOpcode || e.Index != 0 {
			t.Errorf("opcode %#02x: error %v, want unknown opcode", code, err)
		}
	}
	ext := extensions()
	set, err := isa.NewSet(ext...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := asm.Assemble("test", "r0 = 10\nr1 = 3\nmadd1 r0, r1, 0, 7\nexit", &asm.Options{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	each(t, p, skep.Options{Extensions: ext}, func(t *testing.T, prog *skep.Program) {
		if got, err := prog.Run(nil); err != nil || got != 37 {
			t.Errorf("R0 is %d (%v), want 37", got, err)
		}
	})
}

func TestMissionS42LongEncodings(t *testing.T) {
	ext := extensions()
	set, err := isa.NewSet(ext...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := asm.Assemble("test", `
		r0 = 1
		r1 = 2
		goto over
	back:
		madd3 r0, r1, 0, 1, 2, 3
		exit
	over:
		madd2 r0, r1, 0, 5, 6
		madd4 r0, r1, 0, 1, 1, 1, 1
		goto back`, &asm.Options{Set: set})
	if err != nil {
		t.Fatal(err)
	}
	want := uint32(1)
	for _, imm := range []uint32{5, 6, 1, 1, 1, 1, 1, 2, 3} {
		want = want*2 + imm
	}
	each(t, p, skep.Options{Extensions: ext}, func(t *testing.T, prog *skep.Program) {
		if got, err := prog.Run(nil); err != nil || got != want {
			t.Errorf("R0 is %d (%v), want %d", got, err, want)
		}
	})
	for slot := 4; slot < 6; slot++ { // inside madd3
		q := *p
		q.Insns = append([]isa.Instruction(nil), p.Insns...)
		q.Insns[2].Off = int16(slot - 3)
		if _, err := skep.Load(&q, &skep.Options{Extensions: ext}); err == nil || !strings.Contains(err.Error(), "middle") {
			t.Errorf("jump to slot %d: %v, want that it is the middle of an instruction", slot, err)
		}
	}
	if _, err := isa.Decode(make([]byte, 12), binary.LittleEndian); err == nil {
		t.Error("12 bytes are taken for instructions")
	}
}

func TestMissionS43OldProgramsRunUnchanged(t *testing.T) {
	for _, text := range []string{fooBar, f2, passFive, "r0 = 7\nr0 *= 6\nexit"} {
		p := assemble(t, text)
		helpers := []helper.Helper{pack(1000), constant(1001, "foo", 1), constant(1002, "bar", 2), constant(1003, "f3", 3)}
		var results []skep.Result
		for _, profile := range []isa.Profile{isa.Profile2014, isa.ProfileRFC9669, isa.ProfileLinux} {
			prog, err := skep.Load(p, &skep.Options{Profile: profile, Helpers: helpers})
			if err != nil {
				t.Fatalf("%q in profile %s: %v", text, profile, err)
			}
			r, err := prog.RunContext(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			results = append(results, r)
		}
		if results[0] != results[1] || results[0] != results[2] {
			t.Errorf("%q: results differ by profile: %v", text, results)
		}
	}
	if _, err := skep.Load(assemble(t, "r0 = 1\nif r0 < 5 goto +0\nexit"), &skep.Options{Profile: isa.Profile2014}); err == nil {
		t.Error("an instruction of 4.14 is accepted in the 2014 profile")
	}
}

func TestMissionS52DocumentListings(t *testing.T) {
	old := *assemble(t, fooBar)
	slip := assemble(t, strings.NewReplacer("R2, 6", "R2, 2", "R3, 7", "R3, 3", "R4, 8", "R4, 4", "R5, 9", "R5, 5").Replace(fooBar))
	if len(old.Insns) != 15 || len(slip.Insns) != 15 {
		t.Errorf("%d and %d instructions, want 15", len(old.Insns), len(slip.Insns))
	}
	for _, text := range []string{f2, "bpf_mov R1, 1\nbpf_call 1000\nbpf_mov R0, R1\nbpf_exit", "bpf_mov R6, 1\nbpf_call 1000\nbpf_mov R0, R6\nbpf_exit"} {
		if n := len(assemble(t, text).Insns); n != 4 {
			t.Errorf("%q has %d instructions, want 4", text, n)
		}
	}
}

// TestMissionS44TranslationLeavesR9AndAtomics is about classic filters; see also package classic.
func TestMissionS44TranslationLeavesR9AndAtomics(t *testing.T) {
	for _, text := range classicFilters {
		prog, err := classic.Assemble("test", text)
		if err != nil {
			t.Fatal(err)
		}
		tr, err := classic.Translate(prog)
		if err != nil {
			t.Fatal(err)
		}
		for i := range tr.Program.Insns {
			row, err := isa.Linux.Lookup(tr.Program.Insns, i)
			if err != nil {
				t.Fatal(err)
			}
			in := tr.Program.Insns[i]
			if row.Kind == isa.KindAtomic || row.Dst.Use == isa.Operand && in.Dst() == isa.R9 || row.Src.Use == isa.Operand && in.Src() == isa.R9 {
				t.Errorf("%q: instruction %d is %s with R%d, R%d", text, i, row.Op, in.Dst(), in.Src())
			}
			if row.Slots == 2 {
				t.Errorf("%q: wide instruction in a translation", text)
			}
		}
	}
}

// classicFilters are the filters of the kernel's documentation and what is like them.
var classicFilters = []string{
	"ldh [12]\njne #0x806, drop\nret #-1\ndrop: ret #0",
	"ldh [12]\njne #0x800, drop\nldb [23]\njneq #6, drop\nret #-1\ndrop: ret #0",
	"ld vlan_tci\njneq #10, drop\nret #-1\ndrop: ret #0",
	"ldh [12]\njne #0x800, drop\nldb [23]\njneq #1, drop\nld rand\nmod #4\njneq #1, drop\nret #-1\ndrop: ret #0",
	"ldh [12]\njne #0x800, drop\nldh [20]\njset #0x1fff, drop\nldxb 4*([14]&0xf)\nldh [x+16]\njeq #443, ok\ndrop: ret #0\nok: ret #262144",
	"ld #10\nst M[3]\nldx M[3]\nld len\nsub x\nneg\nret a",
}
