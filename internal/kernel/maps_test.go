// Implements the tests of maps and of linking them into programs.

//go:build linux

package kernel

import (
	"strings"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func TestMaps(t *testing.T) {
	needKernel(t)
	const mapLookup = 1
	key, value := []byte{1, 0, 0, 0}, []byte{42, 0, 0, 0, 0, 0, 0, 0}
	// Looks the key 1 up and returns the first byte of the value, or 0.
	lookup := []isa.Instruction{
		isa.St32.Make(isa.R10, 0, -4, 1),
		isa.LdImm64.Make(isa.R1, 0, 0, 0), {},
		isa.Mov64Reg.Make(isa.R2, isa.R10, 0, 0),
		isa.Add64Imm.Make(isa.R2, 0, 0, -4),
		isa.Call.Make(0, 0, 0, 0),
		isa.JEq64Imm.Make(isa.R0, 0, 1, 0),
		isa.Ldx8.Make(isa.R0, isa.R0, 0, 0),
		isa.Exit.Make(0, 0, 0, 0),
	}
	direct := []isa.Instruction{
		isa.LdImm64.Make(isa.R1, 0, 0, 0), {},
		isa.Ldx8.Make(isa.R0, isa.R1, 0, 0),
		isa.Exit.Make(0, 0, 0, 0),
	}
	for _, c := range []struct {
		m    spec.Map
		code []isa.Instruction
		ref  spec.MapRef
		want uint32
	}{
		{m: spec.Map{Type: spec.Hash}, code: lookup, ref: spec.MapRef{Insn: 1}, want: 42},
		{m: spec.Map{Type: spec.Array}, code: lookup, ref: spec.MapRef{Insn: 1}, want: 42},
		{m: spec.Map{Type: spec.PerCPUHash}, code: lookup, ref: spec.MapRef{Insn: 1}, want: 42},
		{m: spec.Map{Type: spec.PerCPUArray}, code: lookup, ref: spec.MapRef{Insn: 1}, want: 42},
		{m: spec.Map{Type: spec.LRUHash}, code: lookup, ref: spec.MapRef{Insn: 1}, want: 42},
		{m: spec.Map{Type: spec.Array, MaxEntries: 1, Flags: 0x80}, code: direct, ref: spec.MapRef{Insn: 0, Value: true, Offset: 2}, want: 9},
	} {
		c.m.Name, c.m.KeySize, c.m.ValueSize = "m", 4, 8
		c.ref.Map = "m"
		c.m.Contents = []spec.MapEntry{{Key: key, Value: value}}
		if c.ref.Value {
			c.m.Contents = []spec.MapEntry{{Key: make([]byte, 4), Value: []byte{7, 8, 9, 10, 0, 0, 0, 0}}}
		}
		if c.m.MaxEntries == 0 {
			c.m.MaxEntries = 4
		}
		p := &spec.Program{Name: "lookup", Type: spec.SocketFilter, License: "GPL", Insns: c.code, Maps: []spec.MapRef{c.ref}}
		if !c.ref.Value {
			p.Calls = []spec.CallRef{{Insn: 5, Helper: "map_lookup_elem"}}
		}
		helpers := func(name string) (int32, bool) { return mapLookup, name == "map_lookup_elem" }
		prog, err := Load(p, []spec.Map{c.m}, &Options{Log: true, HelperID: helpers})
		if err != nil {
			t.Errorf("%s: %v", c.m.Type, err)
			continue
		}
		if r, err := prog.Run(make([]byte, 64), nil, 1); err != nil || r.Retval != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.m.Type, r.Retval, err, c.want)
		}
		prog.Close()
	}
}

func TestMapErrors(t *testing.T) {
	needKernel(t)
	good := spec.Map{Name: "m", Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1}
	code := []isa.Instruction{isa.LdImm64.Make(isa.R1, 0, 0, 0), {}, isa.Mov64Imm.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}
	with := func(change func(*spec.Map)) spec.Map { m := good; change(&m); return m }
	for _, c := range []struct {
		m    spec.Map
		ref  spec.MapRef
		want string
	}{
		{good, spec.MapRef{Map: "other"}, `names map "other"`},
		{good, spec.MapRef{Map: "m", Insn: 2}, "is no wide load"},
		{good, spec.MapRef{Map: "m", Insn: -1}, "is no wide load"},
		{good, spec.MapRef{Map: "m", Insn: 9}, "is no wide load"},
		{with(func(m *spec.Map) { m.KeySize = 0 }), spec.MapRef{Map: "m"}, `map "m": the kernel does not create it`},
		{with(func(m *spec.Map) { m.Contents = []spec.MapEntry{{Key: []byte{1}}} }), spec.MapRef{Map: "m"}, "contents[0]: the key is 1 bytes long, not 4"},
		{with(func(m *spec.Map) { m.Contents = []spec.MapEntry{{Key: make([]byte, 4), Program: "p"}} }), spec.MapRef{Map: "m"}, `program "p" is not loaded`},
		{with(func(m *spec.Map) { m.Fields = []spec.MapField{{Kind: spec.Kptr}} }), spec.MapRef{Map: "m"}, "needs types"},
	} {
		p := &spec.Program{Name: "p", Type: spec.SocketFilter, Insns: code, Maps: []spec.MapRef{c.ref}}
		prog, err := Load(p, []spec.Map{c.m}, &Options{Log: true})
		if err == nil {
			prog.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.ref, err, c.want)
		}
	}
	_, err := Load(&spec.Program{Name: "p", Insns: code, Calls: []spec.CallRef{{Insn: 1, Helper: "nothing"}}}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), `calls helper "nothing"`) {
		t.Errorf("unknown helper: %v", err)
	}
	if _, err := Load(&spec.Program{Name: "p"}, nil, nil); err == nil {
		t.Error("a program without instructions is loaded")
	}
}

func TestTailCallThroughContents(t *testing.T) {
	needKernel(t)
	const tailCall = 12
	target, err := Load(&spec.Program{Name: "target", Type: spec.SocketFilter, License: "GPL",
		Insns: []isa.Instruction{isa.Mov64Imm.Make(0, 0, 0, 42), isa.Exit.Make(0, 0, 0, 0)}}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	p := &spec.Program{Name: "caller", Type: spec.SocketFilter, License: "GPL", Maps: []spec.MapRef{{Insn: 0, Map: "m"}},
		Insns: []isa.Instruction{
			isa.LdImm64.Make(isa.R2, 0, 0, 0), {},
			isa.Mov64Imm.Make(isa.R3, 0, 0, 0),
			isa.Call.Make(0, 0, 0, tailCall),
			isa.Mov64Imm.Make(isa.R0, 0, 0, 1),
			isa.Exit.Make(0, 0, 0, 0)}}
	m := spec.Map{Name: "m", Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1,
		Contents: []spec.MapEntry{{Key: make([]byte, 4), Program: "target"}}}
	prog, err := Load(p, []spec.Map{m}, &Options{Log: true, Programs: map[string]*Program{"target": target}})
	if err != nil {
		t.Fatal(err)
	}
	defer prog.Close()
	if r, err := prog.Run(make([]byte, 64), nil, 1); err != nil || r.Retval != 42 {
		t.Errorf("got %d, %v, want 42", r.Retval, err)
	}
}

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-1,4,6-7": 5, "": 0, "x": 0, "3-1": 0, "1-": 0} {
		got, err := countCPUs(list)
		if got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d, %v, want %d", list, got, err, want)
		}
	}
}
