// Implements the tests of spec JSON: the contract's example, every refusal with its place, round trips, fuzzing.

package spec

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
)

// whole has every field of the form.
const whole = `{"programs":[{"name":"p","type":"socket_filter","attach_type":3,"license":"GPL","flags":["any_alignment"],"section":"socket/x","attach_to":"x",
  "insns":"180100000000000000000000000000001802000000000000000000000000000085000000010000009500000000000000",
  "maps":[{"insn":0,"map":"m"},{"insn":2,"map":"arr","value_offset":0}],
  "calls":[{"insn":4,"helper":"map_lookup_elem","weak":true}],
  "funcs":[{"insn":0,"name":"p"},{"insn":5,"name":"sub","static":true}],
  "symbols":[{"insn":5,"name":"out"},{"insn":6,"name":"end"}],
  "lines":[{"insn":0,"file":"a.c","line":3,"column":7,"text":"lookup(<\"m\">);"}]},
 {"name":"externs","insns":"180100000000000000000000000000009500000000000000","externs":[{"insn":0,"name":"jiffies","weak":true}]},
 {"name":"empty","insns":""}],
 "maps":[{"name":"m","type":"hash","key_size":8,"value_size":8,"max_entries":1,"flags":1,
   "contents":[{"key":"0000000000000000","value":"0100000000000000"}],
   "fields":[{"kind":"spin_lock","offset":4},{"kind":"timer","offset":8},{"kind":"kptr","offset":16}],"inner":null},
  {"name":"arr","type":"array","key_size":4,"value_size":4294967295,"max_entries":1},
  {"name":"jumps","type":"prog_array","key_size":4,"value_size":4,"contents":[{"key":"00000000","program":"empty"}]},
  {"name":"outer","type":"array_of_maps","contents":[{"key":"00000000","map":"arr"}],
   "inner":{"type":"array","key_size":4,"value_size":8,"max_entries":2}},
  {"name":"ops","type":"struct_ops","methods":[{"offset":8,"program":"empty"}],"value_size":16,"pointers":[{"offset":8,"map":"ops","value_offset":4},{"offset":0,"map":"ops"}],"extra":18446744073709551615,"frozen":true}],
 "variables":[{"name":"v","map":"arr","offset":4,"size":8}]}`

func wholeCollection() *Collection {
	return &Collection{
		Programs: []Program{{
			Name: "p", Type: SocketFilter, AttachType: 3, License: "GPL", Flags: AnyAlignment, Section: "socket/x", AttachTo: "x",
			Insns: []isa.Instruction{{Code: 0x18, Regs: 1}, {}, {Code: 0x18, Regs: 2}, {}, {Code: 0x85, Imm: 1}, {Code: 0x95}},
			Maps:  []MapRef{{Insn: 0, Map: "m"}, {Insn: 2, Map: "arr", Value: true}},
			Calls: []CallRef{{Insn: 4, Helper: "map_lookup_elem", Weak: true}},
			Funcs: []Func{{Insn: 0, Name: "p"}, {Insn: 5, Name: "sub", Static: true}}, Symbols: []Symbol{{5, "out"}, {6, "end"}},
			Lines: []Line{{Insn: 0, File: "a.c", Line: 3, Column: 7, Text: `lookup(<"m">);`}},
		}, {
			Name: "externs", Insns: []isa.Instruction{{Code: 0x18, Regs: 1}, {}, {Code: 0x95}},
			Externs: []ExternRef{{Insn: 0, Name: "jiffies", Weak: true}},
		}, {Name: "empty"}},
		Maps: []Map{{
			Name: "m", Type: Hash, KeySize: 8, ValueSize: 8, MaxEntries: 1, Flags: 1,
			Contents: []MapEntry{{Key: make([]byte, 8), Value: []byte{1, 0, 0, 0, 0, 0, 0, 0}}},
			Fields:   []MapField{{Kind: SpinLock, Offset: 4}, {Kind: Timer, Offset: 8}, {Kind: Kptr, Offset: 16}},
		}, {Name: "arr", Type: Array, KeySize: 4, ValueSize: 1<<32 - 1, MaxEntries: 1},
			{Name: "jumps", Type: ProgArray, KeySize: 4, ValueSize: 4, Contents: []MapEntry{{Key: make([]byte, 4), Program: "empty"}}},
			{Name: "outer", Type: ArrayOfMaps, Contents: []MapEntry{{Key: make([]byte, 4), Map: "arr"}},
				Inner: &Map{Type: Array, KeySize: 4, ValueSize: 8, MaxEntries: 2}},
			{Name: "ops", Type: StructOpsMap, Methods: []Method{{8, "empty"}}, ValueSize: 16, Pointers: []Pointer{{8, "ops", true, 4}, {0, "ops", false, 0}}, Extra: 1<<64 - 1, Frozen: true}},
		Variables: []Variable{{Name: "v", Map: "arr", Offset: 4, Size: 8}},
	}
}

func TestParseJSON(t *testing.T) {
	got, err := ParseJSON([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if want := wholeCollection(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, text := range []string{`{}`, ` {"programs":[],"maps":[]} `, "{\"maps\":[],\n\"programs\":[]}"} {
		if got, err := ParseJSON([]byte(text)); err != nil || !reflect.DeepEqual(got, &Collection{}) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestMarshalJSON(t *testing.T) {
	c := wholeCollection()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(string(text), '\n') {
		t.Error("the text is longer than a line")
	}
	back, err := ParseJSON(text)
	if err != nil || !reflect.DeepEqual(back, c) {
		t.Errorf("%s\ncame back as %+v, %v", text, back, err)
	}
	var viaStd Collection
	if err := json.Unmarshal([]byte(whole), &viaStd); err != nil || !reflect.DeepEqual(&viaStd, c) {
		t.Errorf("json.Unmarshal: %+v, %v", viaStd, err)
	}
	if err := json.Unmarshal([]byte(`{"Programs":[]}`), &viaStd); err == nil {
		t.Error("json.Unmarshal took a field in the wrong case")
	}
	small, err := Collection{Programs: []Program{{Name: "p", Insns: []isa.Instruction{{Code: 0x95}}}}}.AppendJSON([]byte("x"))
	if want := `x{"programs":[{"name":"p","type":"unspec","license":"","insns":"9500000000000000","maps":[]}],"maps":[]}`; string(small) != want || err != nil {
		t.Errorf("got  %s, %v\nwant %s", small, err, want)
	}
}

func TestMarshalJSONRefuses(t *testing.T) {
	exit := []isa.Instruction{{Code: 0x95}}
	for _, c := range []struct {
		want string
		in   Collection
	}{
		{`programs[0].type: unknown program type "type(99)"`, Collection{Programs: []Program{{Type: 99}}}},
		{"programs[0].flags: unknown flags 0x8", Collection{Programs: []Program{{Flags: 8}}}},
		{"programs[0].name: the name, the license, the section or what to attach to is not valid UTF-8", Collection{Programs: []Program{{Name: "\xff"}}}},
		{"programs[0].maps[0].insn: there is no instruction -1, the program has 1 slots", Collection{Programs: []Program{{Insns: exit, Maps: []MapRef{{Insn: -1}}}}}},
		{"programs[0].calls[0].insn: there is no instruction 1, the program has 1 slots", Collection{Programs: []Program{{Insns: exit, Calls: []CallRef{{Insn: 1}}}}}},
		{`programs[0].symbols[0]: "\xff" is not valid UTF-8`, Collection{Programs: []Program{{Insns: exit, Symbols: []Symbol{{0, "\xff"}}}}}},
		{"programs[0].lines[0].line: line or column is negative", Collection{Programs: []Program{{Insns: exit, Lines: []Line{{Line: -1}}}}}},
		{`maps[0].type: unknown map type "type(77)"`, Collection{Maps: []Map{{Type: 77}}}},
		{`maps[0].fields[0].kind: unknown field kind "x"`, Collection{Maps: []Map{{Fields: []MapField{{Kind: "x"}}}}}},
		{"maps[0].contents[0]: the element has both a value and a program or map",
			Collection{Maps: []Map{{Type: ProgArray, Contents: []MapEntry{{Program: "p", Value: []byte{1}}}}}}},
		{"maps[0].inner.inner.inner.inner.inner: maps stand in maps more than 4 deep",
			Collection{Maps: []Map{{Inner: &Map{Inner: &Map{Inner: &Map{Inner: &Map{Inner: &Map{}}}}}}}}},
	} {
		if out, err := c.in.AppendJSON(nil); err == nil || err.Error() != c.want || out != nil {
			t.Errorf("got %s, %v\nwant %s", out, err, c.want)
		}
	}
}

func TestParseJSONRefuses(t *testing.T) {
	prog := func(fields string) string {
		return `{"programs":[{"name":"p","insns":"9500000000000000",` + fields + `}]}`
	}
	wide := `{"maps":[{"name":"m","type":"hash"}],"programs":[{"insns":"18010000000000000000000000000000","maps":[%]}]}`
	hash := `{"maps":[{"name":"m","type":"hash",%}]}`
	in := func(frame, text string) string { return strings.Replace(frame, "%", text, 1) }
	for _, c := range []struct{ text, want string }{
		{``, `1:1: unexpected end of JSON input`},
		{`[]`, `1:1: expected an object, found a list`},
		{`null`, `1:1: expected an object, found null`},
		{"{\"programs\":\n  [{]}", `2:5: invalid character ']' looking for beginning of object key string`},
		{`{} {}`, `1:4: invalid character '{' after top-level value`},
		{"{\"maps\":[],\n \"x\xff\":1}", `2:4: byte 0xff is not valid UTF-8`},
		{`{"progs":[]}`, `1:2: unknown field "progs", expected one of maps, programs, variables`},
		{`{"Programs":[]}`, `1:2: unknown field "Programs", expected one of maps, programs, variables`},
		{`{"maps":[],"maps":[]}`, `1:12: maps: the field is given twice`},
		{`{"maps":{}}`, `1:9: maps: expected a list, found an object`},
		{`{"maps":null}`, `1:9: maps: expected a list, found null`},
		{`{"programs":[1]}`, `1:14: programs[0]: expected an object, found the number 1`},
		{`{"programs":[{"name":"p"}]}`, `1:14: programs[0]: the object has no field "insns"`},
		{`{"programs":[{"insns":""},{"insns":""}]}`, `1:27: programs[1].name: a program named "" is there already`},
		{`{"programs":[{"insns":"95"}]}`, `1:23: programs[0].insns: 1 bytes of code, expected a multiple of 8, the size of an instruction`},
		{`{"programs":[{"insns":"9"}]}`, `1:23: programs[0].insns: expected two hex digits a byte, found an odd number of digits (1)`},
		{`{"programs":[{"insns":"95é0"}]}`, `1:23: programs[0].insns: expected hex digits, found 'é' at character 3`},
		{`{"programs":[{"insns":[149]}]}`, `1:23: programs[0].insns: expected a string, found a list`},
		{prog(`"type":"XDP"`), `1:60: programs[0].type: unknown program type "XDP"`},
		{prog(`"type":6`), `1:60: programs[0].type: expected a string, found the number 6`},
		{prog(`"attach_type":-1`), `1:67: programs[0].attach_type: expected a whole number from 0 to 4294967295, found -1`},
		{prog(`"attach_type":4294967296`), `1:67: programs[0].attach_type: expected a whole number from 0 to 4294967295, found 4294967296`},
		{prog(`"attach_type":1.0`), `1:67: programs[0].attach_type: expected a whole number from 0 to 4294967295, found 1.0`},
		{prog(`"attach_type":"1"`), `1:67: programs[0].attach_type: expected a number, found a string`},
		{`{"variables":[{"name":"v","map":"m","offset":0,"size":4}]}`, `1:15: variables[0].map: there is no map named "m"`},
		{`{"programs":[{"insns":"9500000000000000","externs":[{"insn":0,"name":"x"}]}]}`, `1:53: programs[0].externs[0].insn: instruction 0 is not a wide load (opcode 0x95)`},
		{`{"programs":[{"insns":"9500000000000000","funcs":[{"insn":0,"name":"x"},{"insn":0,"name":"y"}]}]}`, `1:73: programs[0].funcs[1].insn: the functions are not in the order of the code`},
		{`{"maps":[{"name":"m","type":"hash_of_maps","contents":[{"key":"00","value":"00"}]}]}`, `1:56: maps[0].contents[0]: an element of a hash_of_maps gives a map`},
		{`{"maps":[{"name":"m","type":"hash_of_maps","contents":[{"key":"00","map":"n"}]}]}`, `1:56: maps[0].contents[0].map: there is no map named "n"`},
		{`{"maps":[{"name":"m","type":"array","value_size":8,"pointers":[{"offset":0,"map":"n"}]}]}`, `1:64: maps[0].pointers[0].map: there is no map named "n"`},
		{`{"maps":[{"name":"m","type":"array","value_size":8,"pointers":[{"offset":1,"map":"m"}]}]}`, `1:64: maps[0].pointers[0].offset: the 8 bytes at 1 are outside the value of 8 bytes`},
		{`{"maps":[{"name":"m","type":"struct_ops","methods":[{"offset":0,"program":"p"}]}]}`, `1:53: maps[0].methods[0].program: there is no program named "p"`},
		{`{"maps":[{"name":"m","type":"hash","frozen":1}]}`, `1:45: maps[0].frozen: expected true or false, found the number 1`},
		{prog(`"flags":["sleepless"]`), `1:62: programs[0].flags[0]: unknown flag "sleepless", expected strict_alignment, any_alignment, sleepable or xdp_frags`},
		{prog(`"maps":[{"insn":0,"map":"m"}]`), `1:61: programs[0].maps[0].insn: instruction 0 is not a wide load (opcode 0x95)`},
		{prog(`"maps":[{"insn":1,"map":"m"}]`), `1:61: programs[0].maps[0].insn: there is no instruction 1, the program has 1 slots`},
		{prog(`"maps":[{"map":"m"}]`), `1:61: programs[0].maps[0]: the object has no field "insn"`},
		{prog(`"calls":[{"insn":1,"helper":"x"}]`), `1:62: programs[0].calls[0].insn: there is no instruction 1, the program has 1 slots`},
		{prog(`"lines":[{"insn":1}]`), `1:62: programs[0].lines[0].insn: there is no instruction 1, the program has 1 slots`},
		{prog(`"symbols":[{"insn":2,"name":"x"}]`), `1:64: programs[0].symbols[0].insn: there is no instruction 2, the program has 1 slots`},
		{in(wide, `{"insn":0,"map":"n"}`), `1:102: programs[0].maps[0].map: there is no map named "n"`},
		{in(wide, `{"insn":0,"map":"m"},{"insn":0,"map":"m"}`), `1:123: programs[0].maps[1].insn: instruction 0 refers to something already`},
		{in(wide, `{"insn":0,"map":"m","value_offset":true}`), `1:137: programs[0].maps[0].value_offset: expected a number, found true`},
		{`{"maps":[{"name":"m"}]}`, `1:10: maps[0]: the object has no field "type"`},
		{`{"maps":[{"type":"hash"},{"type":"hash"}]}`, `1:26: maps[1].name: a map named "" is there already`},
		{in(hash, `"contents":[{"key":"00"}]`), `1:48: maps[0].contents[0]: expected either a value, a program or a map beside the key`},
		{in(hash, `"contents":[{"key":"00","value":"","program":"p"}]`), `1:48: maps[0].contents[0]: expected either a value, a program or a map beside the key`},
		{in(hash, `"contents":[{"key":"00","program":""}]`), `1:70: maps[0].contents[0].program: expected a program's name, found nothing`},
		{in(hash, `"contents":[{"key":"00","program":"p"}]`), `1:48: maps[0].contents[0].program: an element of a hash gives a value, not a program`},
		{`{"maps":[{"type":"prog_array","contents":[{"key":"","value":""}]}]}`, `1:43: maps[0].contents[0]: an element of a prog_array gives a program`},
		{`{"maps":[{"type":"prog_array","contents":[{"key":"","program":"p"}]}]}`, `1:43: maps[0].contents[0].program: there is no program named "p"`},
		{in(hash, `"fields":[{"kind":"lock","offset":0}]`), `1:54: maps[0].fields[0].kind: unknown field kind "lock", expected one of spin_lock, res_spin_lock, timer, wq, task_work, kptr, kptr_untrusted, percpu_kptr, uptr, list_head, list_node, rb_root, rb_node, refcount`},
		{in(hash, `"inner":`+strings.Repeat(`{"type":"hash","inner":`, 5)+"null"+strings.Repeat("}", 5)),
			`1:136: maps[0].inner.inner.inner.inner.inner: maps stand in maps 5 deep, at most 4 are allowed`},
		{strings.Repeat("[", 20000), `1:10001: invalid character '[' exceeded max depth`},
	} {
		got, err := ParseJSON([]byte(c.text))
		var typed *JSONError
		if got != nil || !errors.As(err, &typed) || err.Error() != c.want {
			t.Errorf("%.100s\ngot  %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestIsJSON(t *testing.T) {
	for text, want := range map[string]bool{
		whole: true, "{}": true, " \n{ \"": true, "": false, "{": false, "[]": false, "r0 = 1": false, "\x7fELF": false,
		"{ 0x28, 0, 0, 0x0000000c },": false,
	} {
		if got := IsJSON([]byte(text)); got != want {
			t.Errorf("IsJSON(%.20q) = %v", text, got)
		}
	}
}

// TestJSONTypeNames writes and reads every program and map type.
func TestJSONTypeNames(t *testing.T) {
	var c Collection
	for i, name := range programTypes {
		c.Programs = append(c.Programs, Program{Name: name, Type: ProgramType(i), Flags: ProgramFlags(i) & 0x33})
	}
	for i, name := range mapTypes {
		c.Maps = append(c.Maps, Map{Name: name, Type: MapType(i)})
	}
	text, err := c.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseJSON(text); err != nil || !reflect.DeepEqual(got, &c) {
		t.Errorf("came back as %+v, %v", got, err)
	}
}

// FuzzParseJSON checks that no text makes the reader panic, that errors are typed and placed inside the
// text, and that what is accepted survives a round trip.
func FuzzParseJSON(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte(`{"programs":[{"name":"p","type":"xdp","insns":"b70000002a0000009500000000000000","maps":[]}],"maps":[]}`))
	f.Add([]byte(`{"maps":[{"name":"m","type":"hash","inner":{"type":"array","inner":null}}]}`))
	f.Add([]byte(`{"programs":[{"insns":"9\n"},{"flags":["any_alignment","strict_alignment"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseJSON(data)
		if err != nil {
			var typed *JSONError
			if !errors.As(err, &typed) || c != nil || typed.Line < 1 || typed.Column < 1 || typed.Column > len(data)+1 || typed.Text == "" {
				t.Fatalf("%#v", err)
			}
			return
		}
		if !IsJSON(data) {
			t.Fatal("accepted, but does not look like spec JSON")
		}
		text, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseJSON(text)
		if err != nil || !reflect.DeepEqual(c, back) {
			t.Fatalf("%s\n%+v\ncame back as %+v, %v", text, c, back, err)
		}
	})
}
