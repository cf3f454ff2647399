package prove

import (
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/internal/ir"
)

// bytesRecord is a record of as many bytes as R2 says; structure has a text, an address of 4 bytes that may be 0, and numbers.
var (
	bytesRecord = &Memory{Name: "the record", Length: true}
	structure   = &Memory{Name: "the struct", Size: 40, Pointers: []Pointer{
		{Offset: 0, To: &Memory{Name: "the text"}, LengthAt: 8},
		{Offset: 16, To: &Memory{Name: "the inner struct", Size: 4}, LengthAt: -1},
	}}
	table  = &Memory{Name: "the table", Size: 8, Data: []byte{3, 0, 2, 0, 1, 0, 0, 0}}
	counts = &Memory{Name: "counts", Size: 64, Writable: true}
)

var cases = []struct {
	name, text string
	arg        *Memory
	want       string // "": proved
}{
	{"a checked length", "r0 = 0\nif r2 < 4 goto +1\nr0 = *(u32 *)(r1 + 0)\nexit", bytesRecord, ""},
	{"a length that is one short", "r0 = 0\nif r2 < 3 goto +1\nr0 = *(u32 *)(r1 + 0)\nexit", bytesRecord, "instruction 2: 4 bytes at R1+0 may be behind the end of the record"},
	{"the wrong way round", "r0 = 0\nif r2 > 4 goto +1\nr0 = *(u32 *)(r1 + 0)\nexit", bytesRecord, "behind the end"},
	{"a signed comparison", "r0 = 0\nif r2 s< 4 goto +1\nr0 = *(u32 *)(r1 + 0)\nexit", bytesRecord, "behind the end"},
	{"half a comparison", "r0 = 0\nif w2 < 4 goto +1\nr0 = *(u32 *)(r1 + 0)\nexit", bytesRecord, "behind the end"},
	{"ahead of the start", "r0 = 0\nif r2 < 4 goto +1\nr0 = *(u8 *)(r1 - 1)\nexit", bytesRecord, "ahead of the record"},
	{"a store", "r0 = 0\nif r2 < 4 goto +1\n*(u32 *)(r1 + 0) = r0\nexit", bytesRecord, "not to be written"},
	{"nothing set", "r0 = r3\nexit", bytesRecord, "R3 may hold anything"},
	{"set on one way", "if r2 < 4 goto +1\nr0 = 1\nexit", bytesRecord, "R0 may hold anything"},
	{"an address made of a number", "r0 = *(u8 *)(r2 + 0)\nexit", bytesRecord, "R2 is not known to be an address"},
	{"a call", "call 5\nexit", bytesRecord, "is not for plain functions"},

	{"a text in the record", "r0 = 0\nif r2 < 8 goto +11\nr3 = *(u32 *)(r1 + 0)\nr4 = *(u32 *)(r1 + 4)\nr5 = r3\nr5 += r4\nif r5 > r2 goto +6\nr3 += r1\nr5 += r1\nif r3 == r5 goto +3\nr0 = *(u8 *)(r3 + 0)\nr3 += 1\ngoto -4\nexit", bytesRecord, ""},
	{"its end is not looked at", "r0 = 0\nif r2 < 8 goto +10\nr3 = *(u32 *)(r1 + 0)\nr4 = *(u32 *)(r1 + 4)\nr5 = r3\nr5 += r4\nr3 += r1\nr5 += r1\nif r3 == r5 goto +3\nr0 = *(u8 *)(r3 + 0)\nr3 += 1\ngoto -4\nexit", bytesRecord, "behind the end"},
	{"steps of two past an end", "r0 = 0\nr3 = r1\nr2 += r1\nif r3 == r2 goto +3\nr0 = *(u8 *)(r3 + 0)\nr3 += 2\ngoto -4\nexit", bytesRecord, "behind the end"},
	{"a sum that wraps", "r0 = 0\nif r2 < 16 goto +10\nr3 = *(u64 *)(r1 + 0)\nr4 = *(u64 *)(r1 + 8)\nr5 = r3\nr5 += r4\nif r5 > r2 goto +5\nr3 += r1\nif r4 < 1 goto +3\nr0 = *(u8 *)(r3 + 0)\ngoto +1\nr0 = 1\nexit", bytesRecord, "not known to be an address"},
	{"a difference below 0", "r0 = 0\nif r2 < 16 goto +5\nr3 = *(u8 *)(r1 + 0)\nr3 -= 100\nif r3 > 15 goto +2\nr3 += r1\nr0 = *(u8 *)(r3 + 0)\nexit", bytesRecord, ""},
	{"words to the end", "r0 = 0\nif r2 < 8 goto +8\nr3 = r1\nr4 = r1\nr4 += r2\nr4 += -8\nr5 = *(u64 *)(r3 + 0)\nr3 += 8\nif r3 <= r4 goto -3\nr0 = *(u64 *)(r4 + 0)\nexit", bytesRecord, ""},
	{"words one byte too far", "r0 = 0\nif r2 < 8 goto +8\nr3 = r1\nr4 = r1\nr4 += r2\nr4 += -7\nr5 = *(u64 *)(r3 + 0)\nr3 += 8\nif r3 <= r4 goto -3\nr0 = *(u64 *)(r4 - 1)\nexit", bytesRecord, "8 bytes at R3+0 may be behind"},
	{"an end ahead of an empty record", "r0 = 0\nr3 = r1\nr4 = r1\nr4 += r2\nr4 += -8\nif r3 > r4 goto +1\nr0 = *(u64 *)(r3 + 0)\nexit", bytesRecord, "behind the end"},
	{"two at the same pace", "r0 = 0\nif r2 < 20 goto +10\nr3 = r1\nr4 = r1\nr4 += 10\nr5 = r1\nr5 += 10\nif r3 == r5 goto +4\nr0 = *(u8 *)(r4 + 0)\nr3 += 1\nr4 += 1\ngoto -5\nexit", bytesRecord, ""},
	{"two at another pace", "r0 = 0\nif r2 < 20 goto +10\nr3 = r1\nr4 = r1\nr4 += 10\nr5 = r1\nr5 += 10\nif r3 == r5 goto +4\nr0 = *(u8 *)(r4 + 0)\nr3 += 1\nr4 += 2\ngoto -5\nexit", bytesRecord, "behind the end"},

	{"a text of a struct", "r0 = 0\nr3 = *(u64 *)(r1 + 8)\nr4 = *(u64 *)(r1 + 0)\nif r3 != 3 goto +1\nr0 = *(u16 *)(r4 + 1)\nexit", structure, ""},
	{"more than its length", "r0 = 0\nr3 = *(u64 *)(r1 + 8)\nr4 = *(u64 *)(r1 + 0)\nif r3 != 2 goto +1\nr0 = *(u16 *)(r4 + 1)\nexit", structure, "2 bytes at R4+1 may be behind the end of the text"},
	{"the length of another", "r0 = 0\nr3 = *(u64 *)(r1 + 24)\nr4 = *(u64 *)(r1 + 0)\nif r3 != 3 goto +1\nr0 = *(u16 *)(r4 + 1)\nexit", structure, "behind the end of the text"},
	{"half a length", "r0 = 0\nr3 = *(u32 *)(r1 + 8)\nr4 = *(u64 *)(r1 + 0)\nif r3 != 3 goto +1\nr0 = *(u16 *)(r4 + 1)\nexit", structure, "behind the end of the text"},
	{"a pointer", "r0 = 0\nr4 = *(u64 *)(r1 + 16)\nif r4 == 0 goto +1\nr0 = *(u32 *)(r4 + 0)\nexit", structure, ""},
	{"a pointer that may be 0", "r0 = 0\nr4 = *(u64 *)(r1 + 16)\nr0 = *(u32 *)(r4 + 0)\nexit", structure, "R4 may be 0"},
	{"more than is there", "r0 = 0\nr4 = *(u64 *)(r1 + 16)\nif r4 == 0 goto +1\nr0 = *(u64 *)(r4 + 0)\nexit", structure, "behind the end of the inner struct"},
	{"behind the struct", "r0 = *(u64 *)(r1 + 40)\nexit", structure, "behind the end of the struct"},
	{"a pointer of either kind", "r4 = *(u64 *)(r1 + 16)\nif r4 != 0 goto +1\nr4 = r1\nr0 = *(u64 *)(r4 + 0)\nexit", structure, "R4 may hold anything"},

	{"an automaton", "r0 = *(u8 *)(r1 + 24)\nr0 &= 3\nr4 = 1\nr3 = 0x7 ll\nr4 <<= 1\nr3 += r4\nr4 = *(u16 *)(r3 + 0)\nif r4 != 0 goto -6\nexit", structure, ""},
	{"an index that is too large", "r4 = *(u8 *)(r1 + 24)\nr4 &= 7\nr4 <<= 1\nr3 = 0x7 ll\nr3 += r4\nr0 = *(u16 *)(r3 + 0)\nexit", structure, "behind the end of the table"},
	{"numbers of the table at odd places", "r4 = *(u8 *)(r1 + 24)\nr4 &= 3\nr3 = 0x7 ll\nr3 += r4\nr4 = *(u16 *)(r3 + 0)\nr4 <<= 1\nr3 = 0x7 ll\nr3 += r4\nr0 = *(u16 *)(r3 + 0)\nexit", structure, "behind the end of the table"},
	{"a count of more than 31 for 32 bits", "r4 = *(u32 *)(r1 + 24)\nr3 = 40\nw4 >>= w3\nr3 = 0x7 ll\nr3 += r4\nr0 = *(u8 *)(r3 + 0)\nexit", structure, "behind the end of the table"},
	{"a count for 32 bits", "r4 = *(u32 *)(r1 + 24)\nr3 = 29\nw4 >>= w3\nr3 = 0x7 ll\nr3 += r4\nr0 = *(u8 *)(r3 + 0)\nexit", structure, ""},
	{"counters", "r4 = *(u64 *)(r1 + 24)\nr4 &= 3\nr4 *= 16\nr3 = 0x8 ll\nr3 += r4\nr0 = 1\nlock *(u64 *)(r3 + 8) += r0\nexit", structure, ""},
	{"a counter too far", "r4 = *(u64 *)(r1 + 24)\nr4 &= 3\nr4 *= 16\nr3 = 0x8 ll\nr3 += r4\nr0 = 1\nlock *(u64 *)(r3 + 16) += r0\nexit", structure, "behind the end of counts"},
	{"what others may change", "r3 = 0x8 ll\nr4 = *(u64 *)(r3 + 0)\nif r4 > 7 goto +4\nr4 = *(u64 *)(r3 + 0)\nr4 <<= 3\nr3 += r4\nr0 = *(u64 *)(r3 + 0)\nr0 = 0\nexit", structure, "R3 is not known to be an address"},
}

// TestCheck has code that is safe, and code that is not.
func TestCheck(t *testing.T) {
	for _, c := range cases {
		p, err := asm.Assemble(c.name, c.text+"\n", nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		code, err := ir.Decode(p, ir.Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		refs := func(i ir.Index) *Memory {
			switch code.Ins[i].Imm { // the addresses that stand for memory here
			case 7:
				return table
			case 8:
				return counts
			}
			return nil
		}
		err = Check(code, c.arg, refs)
		var e *Error
		if c.want == "" && err != nil || c.want != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}
