package btfprint

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
)

var (
	u8    = &btf.Int{Name: "unsigned char", Size: 1}
	char  = &btf.Int{Name: "char", Size: 1, Encoding: btf.Signed}
	u16   = &btf.Int{Name: "unsigned short", Size: 2}
	s32   = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	u32   = &btf.Typedef{Name: "__u32", Type: &btf.Int{Name: "unsigned int", Size: 4}}
	u64   = &btf.Int{Name: "unsigned long long", Size: 8}
	wide  = &btf.Int{Name: "__int128", Size: 16}
	truth = &btf.Int{Name: "_Bool", Size: 1, Encoding: btf.Bool}
	color = &btf.Enum{Name: "color", Size: 4, Signed: true, Values: []btf.EnumValue{{Name: "RED", Value: 0}, {Name: "DARK", Value: ^uint64(0)}}}
	point = &btf.Struct{Name: "point", Size: 8, Members: []btf.Member{{Name: "x", Type: s32}, {Name: "y", Type: s32, Offset: 32}}}
	flags = &btf.Struct{Name: "flags", Size: 4, Members: []btf.Member{
		{Name: "low", Type: u32, BitfieldSize: 3}, {Name: "mid", Type: s32, Offset: 3, BitfieldSize: 7},
		{Type: u32, Offset: 10, BitfieldSize: 6}, {Name: "high", Type: u32, Offset: 16, BitfieldSize: 16}}}
	either = &btf.Union{Size: 8, Members: []btf.Member{{Name: "n", Type: u64}, {Name: "b", Type: array(u8, 4)}}}
	mixed  = &btf.Struct{Name: "mixed", Size: 40, Members: []btf.Member{
		{Name: "name", Type: array(char, 8)}, {Type: either, Offset: 64}, {Name: "at", Type: point, Offset: 128},
		{Name: "c", Type: color, Offset: 192}, {Name: "on", Type: truth, Offset: 224}, {Name: "p", Type: &btf.Pointer{Target: point}, Offset: 256}}}
	section = &btf.Datasec{Name: ".bss", Size: 16, Vars: []btf.VarSecinfo{
		{Type: &btf.Var{Name: "a", Type: u64}, Size: 8}, {Type: &btf.Var{Name: "c", Type: &btf.Const{Type: color}}, Offset: 8, Size: 4}}}
)

func array(t btf.Type, n uint32) btf.Type { return &btf.Array{Index: s32, Type: t, Nelems: n} }

func TestPrint(t *testing.T) {
	for _, c := range []struct {
		typ     btf.Type
		value   string
		json, c string
	}{
		{u16, "0102", "513", "513"},
		{s32, "ffffffff", "-1", "-1"},
		{u64, "ffffffffffffffff", "18446744073709551615", "18446744073709551615"},
		{wide, "01000000000000000000000000000080", `"01000000000000000000000000000080"`, "01 00 00 00 00 00 00 00 00 00 00 00 00 00 00 80"},
		{truth, "01", "true", "true"}, {truth, "02", "2", "2"},
		{color, "00000000", `"RED"`, "RED"}, {color, "ffffffff", `"DARK"`, "DARK"}, {color, "feffffff", "-2", "-2"},
		{&btf.Pointer{Target: u8}, "efbeadde00000000", `"0xdeadbeef"`, "0xdeadbeef"},
		{&btf.Float{Name: "double", Size: 8}, "000000000000f83f", "1.5", "1.5"},
		{array(u16, 3), "010002000300", "[1,2,3]", "{1, 2, 3}"},
		{array(char, 6), "657468300000", `"eth0"`, `"eth0"`},
		{array(char, 4), "65746830", "[101,116,104,48]", "{101, 116, 104, 48}"}, // no end
		{array(char, 4), "65006830", "[101,0,104,48]", "{101, 0, 104, 48}"},
		{array(u8, 2), "4100", "[65,0]", "{65, 0}"},
		{point, "01000000feffffff", `{"x":1,"y":-2}`, "{.x = 1, .y = -2}"},
		{flags, "fd03efbe", `{"low":5,"mid":-1,"high":48879}`, "{.low = 5, .mid = -1, .high = 48879}"},
		{mixed, "6c6f00000000000001020304000000000100000002000000ffffffff010000000010000000000000",
			`{"name":"lo","n":67305985,"b":[1,2,3,4],"at":{"x":1,"y":2},"c":"DARK","on":true,"p":"0x1000"}`,
			`{.name = "lo", .n = 67305985, .b = {1, 2, 3, 4}, .at = {.x = 1, .y = 2}, .c = DARK, .on = true, .p = 0x1000}`},
		{section, "0500000000000000ffffffff00000000", `{"a":5,"c":"DARK"}`, "{.a = 5, .c = DARK}"},
		{nil, "0102", `"0102"`, "01 02"},
		{u64, "0102", `"0102"`, "01 02"}, // too short
	} {
		b, err := hex.DecodeString(c.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(AppendJSON(nil, c.typ, b)); got != c.json {
			t.Errorf("JSON %s, want %s", got, c.json)
		}
		if got := string(AppendC(nil, c.typ, b)); got != c.c {
			t.Errorf("C %s, want %s", got, c.c)
		}
		size, err := sizeof(c.typ)
		if c.typ == nil {
			size, err = len(b), nil
		}
		if err != nil || size != len(b) {
			continue
		}
		back, err := Parse(c.typ, size, AppendJSON(nil, c.typ, b))
		masked := bytes.Clone(b)
		if c.typ == flags {
			masked[1] &= 3 // there is room without a name
		}
		if err != nil || !bytes.Equal(back, masked) {
			t.Errorf("%s came back as %x, %v", c.json, back, err)
		}
	}
}

func TestParse(t *testing.T) {
	lpm := &btf.Struct{Name: "key", Size: 8, Members: []btf.Member{{Name: "bits", Type: u32}, {Name: "addr", Type: &btf.Typedef{Name: "__be32", Type: u32}, Offset: 32}}}
	for _, c := range []struct {
		typ        btf.Type
		size       int
		text, want string // hex digits, or what the error says
	}{
		{u32, 4, `"0x10"`, "10000000"}, {u32, 4, "7", "07000000"}, {s32, 4, "-7", "f9ffffff"},
		{u32, 4, "4294967296", "expected a whole number from 0 to 4294967295, found 4294967296"},
		{s32, 4, "2147483648", "expected a whole number from -2147483648 to 2147483647, found 2147483648"},
		{u32, 4, "1.5", "found 1.5"}, {u32, 4, "{}", "expected a number, found an object"}, {u32, 4, "1 2", "behind the value"}, {u32, 4, "x", "not JSON"},
		{lpm, 8, `{"bits":24,"addr":"10.0.1.0"}`, "180000000a000100"},
		{lpm, 8, `{"bits":24,"adr":1}`, `there is no member "adr", the type has bits, addr`},
		{lpm, 8, `[]`, "expected an object, found a list"},
		{array(u8, 16), 16, `"2001:db8::1"`, "20010db8000000000000000000000001"},
		{array(u8, 6), 6, `"02:00:00:00:00:01"`, "020000000001"}, {array(u8, 6), 6, `"020000000001"`, "020000000001"},
		{array(u16, 3), 6, "[1]", "010000000000"}, {array(u16, 2), 4, "[1,2,3]", "the list has 3 elements, and the array 2"},
		{array(u16, 2), 4, "[1,70000]", "[1]: expected a whole number from 0 to 65535"},
		{array(char, 4), 4, `"abcd"`, "61626364"}, {array(char, 4), 4, `"abcde"`, "the text has 5 bytes, and there is room for 4"},
		{color, 4, `"DARK"`, "ffffffff"}, {color, 4, `"BLUE"`, `the enumeration color has no "BLUE"`}, {color, 4, "3", "03000000"},
		{mixed, 40, `{"at":{"y":"a"}}`, ".at.y: expected a whole number"}, {mixed, 40, `{"b":[9],"on":true}`, "00000000000000000900000000000000000000000000000000000000010000000000000000000000"},
		{flags, 4, `{"low":8}`, ".low: expected a whole number from 0 to 7"}, {flags, 4, `{"mid":-64}`, "00020000"},
		{section, 16, `{"d":1}`, `there is no variable "d"`}, {section, 16, `{"a":258}`, "02010000000000000000000000000000"},
		{nil, 4, `"0a000001"`, "0a000001"}, {nil, 4, `"10.0.0.1"`, "0a000001"}, {nil, 4, "258", "02010000"}, {nil, 4, "-1", "ffffffff"}, {nil, 2, "65535", "ffff"}, {nil, 2, "65536", "from 0 to 65535"},
		{nil, 12, "5", "expected 12 bytes in hex digits, found the number 5"}, {nil, 4, `"0a"`, "expected 4 bytes in hex digits"},
		{u64, 4, "1", "the type has 8 bytes, expected 4"},
	} {
		got, err := Parse(c.typ, c.size, []byte(c.text))
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %s", c.text, err, c.want)
			}
		} else if hex.EncodeToString(got) != c.want {
			t.Errorf("%s: %x, want %s", c.text, got, c.want)
		}
	}
}

// TestManyTimesOver prints a type that holds nothing, many times over.
func TestManyTimesOver(t *testing.T) {
	var typ btf.Type = &btf.Union{Size: 1, Members: []btf.Member{{Name: "b", Type: u8}}}
	for range 30 {
		typ = &btf.Union{Size: 1, Members: []btf.Member{{Name: "l", Type: typ}, {Name: "r", Type: typ}}}
	}
	if n := len(AppendJSON(nil, typ, []byte{1})); n > 64*maxSteps {
		t.Errorf("%d bytes", n)
	}
	typ = &btf.Struct{}
	for range 30 {
		typ = &btf.Struct{Members: []btf.Member{{Type: typ}, {Type: typ}}}
	}
	if text := AppendJSON(nil, typ, nil); string(text) != "{}" {
		t.Errorf("%.100s", text)
	}
}

// FuzzParse checks that reading does not panic, and that what was read is printed as what reads the same.
func FuzzParse(f *testing.F) {
	types := []btf.Type{u16, s32, u64, wide, truth, color, array(u16, 3), array(char, 6), point, flags, mixed, section}
	for i := range types {
		size, _ := sizeof(types[i])
		f.Add(uint8(i), string(AppendJSON(nil, types[i], make([]byte, size))))
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		typ := types[int(which)%len(types)]
		size, err := sizeof(typ)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(typ, size, []byte(text))
		if err != nil {
			return
		}
		printed := AppendJSON(nil, typ, b)
		if !json.Valid(printed) {
			t.Fatalf("%s is not JSON", printed)
		}
		back, err := Parse(typ, size, printed)
		if err != nil || !bytes.Equal(back, b) {
			t.Fatalf("%x printed as %s came back as %x, %v", b, printed, back, err)
		}
	})
}
