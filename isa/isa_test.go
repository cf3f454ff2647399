package isa_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
)

// make1 returns the slots of a row with the given operands; selectors and reserved fields are as they must be.
func make1(r *isa.Row, dst, src isa.Register, off int16, imm int32) []isa.Instruction {
	out := []isa.Instruction{r.Make(dst, src, off, imm)}
	for len(out) < r.Slots {
		slot := isa.Instruction{}
		if r.Next.Use == isa.Operand {
			slot.Imm = imm
		}
		out = append(out, slot)
	}
	return out
}

func TestLookupFindsEveryRow(t *testing.T) {
	rows := isa.Linux.Rows()
	if len(rows) != isa.NumOps {
		t.Fatalf("%d rows for %d numbers", len(rows), isa.NumOps)
	}
	spelled := map[string]isa.Op{}
	for i, r := range rows {
		if r.Op != isa.Op(i) {
			t.Errorf("row %d is that of Op %d", i, r.Op)
		}
		for _, s := range []string{r.Text, r.Mnemonic} {
			if other, ok := spelled[s]; ok && other != r.Op {
				t.Errorf("%q is the spelling of two instructions", s)
			}
			spelled[s] = r.Op
		}
		for _, imm := range []int32{0, 1, -1, math.MinInt32, 0x110} {
			got, err := isa.Linux.Lookup(make1(r, 3, 4, -5, imm), 0)
			if err != nil || got != r {
				t.Errorf("%s with immediate %d: found %v (%v)", r.Op, imm, got, err)
			}
		}
	}
}

// TestLookupIsExact tries every opcode with fields around all selectors: whatever is accepted must be the
// instruction whose pattern it has, with reserved fields zero.
func TestLookupIsExact(t *testing.T) {
	values := []int32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 32, 64, 0x40, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110, -1}
	accepted := 0
	for code := range 256 {
		for _, src := range values[:14] {
			for _, off := range []int32{0, 1, 2, 8, 16, 32, 64, -1} {
				for _, imm := range values {
					in := isa.Make(uint8(code), 1, isa.Register(src&15), int16(off), imm)
					r, err := isa.Linux.Lookup([]isa.Instruction{in, {}}, 0)
					if err != nil {
						var e *isa.LookupError
						if !errors.As(err, &e) || e.Index != 0 || err.Error() == "" {
							t.Fatalf("%+v: error %v", in, err)
						}
						continue
					}
					accepted++
					for _, f := range []struct {
						isa.Field
						v int32
					}{{r.Src, int32(in.Src())}, {r.Off, int32(in.Off)}, {r.Imm, in.Imm}} {
						if f.Use == isa.Reserved && f.v != 0 || f.Use == isa.Selector && f.v != f.Value {
							t.Fatalf("%+v is taken for %s", in, r.Op)
						}
					}
				}
			}
		}
	}
	if accepted == 0 {
		t.Fatal("nothing is accepted")
	}
}

func TestReservedFieldsAreRefused(t *testing.T) {
	for _, r := range isa.Linux.Rows() {
		for _, f := range []struct {
			name string
			isa.Field
			spoil func(*isa.Instruction)
		}{
			{"dst", r.Dst, func(i *isa.Instruction) { i.Regs |= 3 }},
			{"src", r.Src, func(i *isa.Instruction) { i.Regs |= 0x70 }},
			{"off", r.Off, func(i *isa.Instruction) { i.Off = 77 }},
			{"imm", r.Imm, func(i *isa.Instruction) { i.Imm = 77 }},
		} {
			if f.Use != isa.Reserved {
				continue
			}
			code := make1(r, 1, 2, 3, 4)
			f.spoil(&code[0])
			_, err := isa.Linux.Lookup(code, 0)
			if err == nil || !strings.Contains(err.Error(), f.name) {
				t.Errorf("%s with %s not zero: error %v", r.Op, f.name, err)
			}
		}
		if r.Slots == 2 {
			code := make1(r, 1, 2, 3, 4)
			if _, err := isa.Linux.Lookup(code[:1], 0); err == nil || !strings.Contains(err.Error(), "ends inside") {
				t.Errorf("%s cut in half: error %v", r.Op, err)
			}
			code[1].Off = 1
			if _, err := isa.Linux.Lookup(code, 0); err == nil || !strings.Contains(err.Error(), "slot 1") {
				t.Errorf("%s with its second slot spoilt: error %v", r.Op, err)
			}
		}
	}
	for _, in := range []isa.Instruction{isa.Make(0xbf, 11, 1, 0, 0), isa.Make(0xbf, 1, 15, 0, 0)} {
		if _, err := isa.Linux.Lookup([]isa.Instruction{in}, 0); err == nil || !strings.Contains(err.Error(), "last is r10") {
			t.Errorf("register above 10: error %v", err)
		}
	}
}

func TestExtensionsMustBeWellFormed(t *testing.T) {
	good := isa.Extension{Name: "x", Code: 0xf5, Size: 16, Reads: isa.RoleSrc, Writes: isa.RoleDst,
		Eval: func(dst, src uint64, _ []isa.Instruction) uint64 { return src }}
	if _, err := isa.NewSet(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*isa.Extension){
		"no name":        func(e *isa.Extension) { e.Name = "" },
		"size":           func(e *isa.Extension) { e.Size = 12 },
		"too long":       func(e *isa.Extension) { e.Size = 40 },
		"opcode in use":  func(e *isa.Extension) { e.Code = 0x07 },
		"no meaning":     func(e *isa.Extension) { e.Eval = nil },
		"writes source":  func(e *isa.Extension) { e.Writes = isa.RoleSrc },
		"reads R0":       func(e *isa.Extension) { e.Reads = isa.RoleR0 },
		"same as before": func(e *isa.Extension) { e.Code = 0xf6 },
	} {
		bad := good
		spoil(&bad)
		exts := []isa.Extension{bad}
		if name == "same as before" {
			exts = append(exts, good)
		}
		if _, err := isa.NewSet(exts...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// edges are values at which arithmetic goes wrong.
var edges = []uint64{0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 0x7f, 0x80, 0xff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
	0x100000000, 0x1234567890abcdef, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, math.MaxUint64 - 1, math.MaxUint64}

// TestEvalALU holds every arithmetic instruction against Go's own arithmetic on the type it stands for.
func TestEvalALU(t *testing.T) {
	type fn func(a, b uint64) uint64
	u32 := func(f func(a, b uint32) uint32) fn {
		return func(a, b uint64) uint64 { return uint64(f(uint32(a), uint32(b))) }
	}
	div := func(a, b uint64) uint64 {
		if b == 0 {
			return 0
		}
		return a / b
	}
	mod := func(a, b uint64) uint64 {
		if b == 0 {
			return a
		}
		return a % b
	}
	sdiv := func(a, b int64) int64 { // Go gives the least integer for its quotient by -1
		if b == 0 {
			return 0
		}
		return a / b
	}
	smod := func(a, b int64) int64 {
		if b == 0 {
			return a
		}
		return a % b
	}
	want := map[isa.Op]fn{
		isa.Add64Reg: func(a, b uint64) uint64 { return a + b }, isa.Sub64Reg: func(a, b uint64) uint64 { return a - b },
		isa.Mul64Reg: func(a, b uint64) uint64 { _, lo := bits.Mul64(a, b); return lo },
		isa.Div64Reg: div, isa.Mod64Reg: mod,
		isa.SDiv64Reg: func(a, b uint64) uint64 { return uint64(sdiv(int64(a), int64(b))) },
		isa.SMod64Reg: func(a, b uint64) uint64 { return uint64(smod(int64(a), int64(b))) },
		isa.Or64Reg:   func(a, b uint64) uint64 { return a | b }, isa.And64Reg: func(a, b uint64) uint64 { return a & b },
		isa.Xor64Reg: func(a, b uint64) uint64 { return a ^ b }, isa.Mov64Reg: func(_, b uint64) uint64 { return b },
		isa.Lsh64Reg:   func(a, b uint64) uint64 { return a << (b % 64) },
		isa.Rsh64Reg:   func(a, b uint64) uint64 { return a >> (b % 64) },
		isa.Arsh64Reg:  func(a, b uint64) uint64 { return uint64(int64(a) >> (b % 64)) },
		isa.Neg64:      func(a, _ uint64) uint64 { return 0 - a },
		isa.MovSX8To64: func(_, b uint64) uint64 { return uint64(int8(b)) }, isa.MovSX16To64: func(_, b uint64) uint64 { return uint64(int16(b)) },
		isa.MovSX32To64: func(_, b uint64) uint64 { return uint64(int32(b)) },
		isa.Add32Reg:    u32(func(a, b uint32) uint32 { return a + b }), isa.Sub32Reg: u32(func(a, b uint32) uint32 { return a - b }),
		isa.Mul32Reg:  u32(func(a, b uint32) uint32 { return a * b }),
		isa.Div32Reg:  u32(func(a, b uint32) uint32 { return uint32(div(uint64(a), uint64(b))) }),
		isa.Mod32Reg:  u32(func(a, b uint32) uint32 { return uint32(mod(uint64(a), uint64(b))) }),
		isa.SDiv32Reg: u32(func(a, b uint32) uint32 { return uint32(sdiv(int64(int32(a)), int64(int32(b)))) }),
		isa.SMod32Reg: u32(func(a, b uint32) uint32 { return uint32(smod(int64(int32(a)), int64(int32(b)))) }),
		isa.Or32Reg:   u32(func(a, b uint32) uint32 { return a | b }), isa.And32Reg: u32(func(a, b uint32) uint32 { return a & b }),
		isa.Xor32Reg: u32(func(a, b uint32) uint32 { return a ^ b }), isa.Mov32Reg: u32(func(_, b uint32) uint32 { return b }),
		isa.Lsh32Reg:   u32(func(a, b uint32) uint32 { return a << (b % 32) }),
		isa.Rsh32Reg:   u32(func(a, b uint32) uint32 { return a >> (b % 32) }),
		isa.Arsh32Reg:  u32(func(a, b uint32) uint32 { return uint32(int32(a) >> (b % 32)) }),
		isa.Neg32:      u32(func(a, _ uint32) uint32 { return 0 - a }),
		isa.MovSX8To32: u32(func(_, b uint32) uint32 { return uint32(int8(b)) }), isa.MovSX16To32: u32(func(_, b uint32) uint32 { return uint32(int16(b)) }),
		isa.LE16: func(a, _ uint64) uint64 { return a & 0xffff }, isa.LE32: func(a, _ uint64) uint64 { return a & 0xffffffff }, isa.LE64: func(a, _ uint64) uint64 { return a },
		isa.BE16: func(a, _ uint64) uint64 { return uint64(bits.ReverseBytes16(uint16(a))) }, isa.BE32: func(a, _ uint64) uint64 { return uint64(bits.ReverseBytes32(uint32(a))) },
		isa.BE64: func(a, _ uint64) uint64 { return bits.ReverseBytes64(a) }, isa.BSwap16: func(a, _ uint64) uint64 { return a>>8&0xff | a&0xff<<8 },
		isa.BSwap32: func(a, _ uint64) uint64 { return uint64(bits.ReverseBytes32(uint32(a))) }, isa.BSwap64: func(a, _ uint64) uint64 { return bits.ReverseBytes64(a) },
	}
	for _, r := range isa.Linux.Rows() {
		if r.Kind != isa.KindALU {
			continue
		}
		f := want[r.Op]
		if r.From == isa.FromImm { // the register form means the same
			f = want[r.Op+1]
		}
		if f == nil {
			t.Errorf("%s has no test", r.Op)
			continue
		}
		for _, a := range edges {
			for _, b := range edges {
				if got := isa.EvalALU(r, a, b); got != f(a, b) {
					t.Errorf("%s of %#x and %#x is %#x, want %#x", r.Op, a, b, got, f(a, b))
				}
			}
		}
	}
}

func TestEvalJump(t *testing.T) {
	for _, r := range isa.Linux.Rows() {
		if r.Kind != isa.KindJump {
			continue
		}
		for _, a := range edges {
			for _, b := range edges {
				x, y := a, b
				sx, sy := int64(a), int64(b)
				if r.Width == 32 {
					x, y, sx, sy = x<<32, y<<32, int64(a<<32), int64(b<<32) // order is kept
				}
				want := map[isa.Fn]bool{isa.FnEq: x == y, isa.FnNe: x != y, isa.FnGt: x > y, isa.FnGe: x >= y, isa.FnLt: x < y, isa.FnLe: x <= y,
					isa.FnSet: x&y != 0, isa.FnSGt: sx > sy, isa.FnSGe: sx >= sy, isa.FnSLt: sx < sy, isa.FnSLe: sx <= sy}
				if got := isa.EvalJump(r, a, b); got != want[r.Fn] {
					t.Errorf("%s of %#x and %#x is %v", r.Op, a, b, got)
				}
			}
		}
	}
}

func TestEvalAtomicAndLoad(t *testing.T) {
	for _, c := range []struct {
		op           isa.Op
		old, src, r0 uint64
		want         uint64
	}{
		{isa.AtomicAdd64, math.MaxUint64, 2, 0, 1},
		{isa.AtomicAdd32, 0xffffffff, 2, 0, 1},
		{isa.AtomicFetchAdd32, 0xfffffffe, 0x500000001, 0, 0xffffffff},
		{isa.AtomicAnd64, 0xff00ff00ff00ff00, 0x0ff00ff00ff00ff0, 0, 0x0f000f000f000f00},
		{isa.AtomicFetchOr32, 0x80000000, 0xffffffff00000001, 0, 0x80000001},
		{isa.AtomicXor64, 5, 3, 0, 6},
		{isa.AtomicXchg64, 5, 3, 0, 3},
		{isa.AtomicXchg32, 5, 0xaaaaaaaa00000003, 0, 3},
		{isa.AtomicCmpxchg64, 5, 3, 5, 3},
		{isa.AtomicCmpxchg64, 5, 3, 6, 5},
		{isa.AtomicCmpxchg32, 5, 3, 0xffffffff00000005, 3},
		{isa.AtomicCmpxchg32, 5, 3, 4, 5},
	} {
		if got := isa.EvalAtomic(isa.Linux.Row(c.op), c.old, c.src, c.r0); got != c.want {
			t.Errorf("%s of %#x, %#x with r0 %#x leaves %#x, want %#x", c.op, c.old, c.src, c.r0, got, c.want)
		}
	}
	for _, c := range []struct {
		op        isa.Op
		raw, want uint64
	}{
		{isa.Ldx8, 0x80, 0x80}, {isa.LdxS8, 0x80, 0xffffffffffffff80}, {isa.LdxS8, 0x7f, 0x7f}, {isa.LdxS16, 0x8000, 0xffffffffffff8000},
		{isa.Ldx32, 0x80000000, 0x80000000}, {isa.LdxS32, 0x80000000, 0xffffffff80000000}, {isa.Ldx64, math.MaxUint64, math.MaxUint64},
	} {
		if got := isa.EvalLoad(isa.Linux.Row(c.op), c.raw); got != c.want {
			t.Errorf("%s of %#x is %#x, want %#x", c.op, c.raw, got, c.want)
		}
	}
}

func TestProfiles(t *testing.T) {
	for _, c := range []struct {
		p             isa.Profile
		opcodes, rows int
	}{{isa.Profile2014, 87, 91}, {isa.ProfileRFC9669, 125, 170}, {isa.ProfileLinux, 129, isa.NumOps}} {
		entries, rows := c.p.Entries(isa.Linux), 0
		for _, e := range entries {
			rows += len(e.Forms)
		}
		if len(entries) != c.opcodes || rows != c.rows {
			t.Errorf("profile %s has %d opcodes and %d instructions, want %d and %d", c.p, len(entries), rows, c.opcodes, c.rows)
		}
		if back, err := isa.ParseProfile(c.p.String()); err != nil || back != c.p {
			t.Errorf("profile %s is read as %v (%v)", c.p, back, err)
		}
	}
	if _, err := isa.ParseProfile("2015"); err == nil {
		t.Error("profile 2015 is accepted")
	}
}

// TestGroups counts instructions by conformance group, as RFC 9669 appendix A lists them.
func TestGroups(t *testing.T) {
	got := map[string]int{}
	for _, r := range isa.Linux.Rows() {
		got[r.Group.String()]++
	}
	t.Log(got)
	if got["divmul32"] != 10 || got["divmul64"] != 10 || got["atomic32"] != 10 || got["atomic64"] != 10 || got["packet"] != 6 {
		t.Errorf("%v", got)
	}
}

func FuzzDecodeLookup(f *testing.F) {
	f.Add([]byte("\xb7\x00\x00\x00\x2a\x00\x00\x00\x95\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, order := range []interface {
			binary.ByteOrder
			binary.AppendByteOrder
		}{binary.LittleEndian, binary.BigEndian} {
			code, err := isa.Decode(b, order)
			if err != nil {
				continue
			}
			var back []byte
			for i, in := range code {
				back = in.Append(back, order)
				isa.Linux.Lookup(code, i)
			}
			if string(back) != string(b) {
				t.Errorf("% x becomes % x", b, back)
			}
		}
	})
}
