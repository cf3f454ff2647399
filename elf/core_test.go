// Implements the tests of CO-RE relocations against types that differ from the object's.

package elf_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// coreTypes are a kernel's: struct task_struct, rearranged.
func coreTypes(t *testing.T) *btf.Spec {
	t.Helper()
	i := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	char := &btf.Int{Name: "char", Size: 1, Encoding: btf.Char}
	task := &btf.Struct{Name: "task_struct", Size: 400}
	task.Members = []btf.Member{
		{Name: "comm", Type: &btf.Array{Index: i, Type: char, Nelems: 32}, Offset: 64 * 8},
		{Name: "pid", Type: i, Offset: 100 * 8},
		{Name: "tgid", Type: i, Offset: 104 * 8},
		{Name: "group_leader", Type: &btf.Pointer{Target: task}, Offset: 200 * 8},
	}
	s, err := btf.LoadSpecFromReader(bytes.NewReader(rawTypes(t, task)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rawTypes encodes types.
func rawTypes(t *testing.T, types ...btf.Type) []byte {
	t.Helper()
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("types are built in the order of the machine")
	}
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestCORE resolves relocations against given types, and shows what is done without.
func TestCORE(t *testing.T) {
	data := objtest.Object(t, "extern")
	opts := *asCompiled
	opts.KernelTypes = []*btf.Spec{coreTypes(t)}
	c, err := elf.Load(data, &opts)
	if err != nil {
		t.Fatal(err)
	}
	var constants []int32
	poisoned := 0
	for _, in := range program(t, c, "types").Insns {
		switch {
		case in.Code == 0x85 && in.Imm == 0xbad2310:
			poisoned++
		case in.Code == 0xb7 || in.Code == 0xb4:
			constants = append(constants, in.Imm)
		}
	}
	for _, want := range []int32{100, 200, 32, 400} { // offsets of pid and group_leader, size of comm, of the whole
		if !slices.Contains(constants, want) {
			t.Errorf("there is no constant %d among %v", want, constants)
		}
	}
	if poisoned == 0 {
		t.Error("nothing is poisoned, although fields are missing")
	}
}

// widthTypes are a kernel's struct widths, with other sizes than in widths.c.
func widthTypes() *btf.Struct {
	signed := &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	long := &btf.Int{Name: "long long", Size: 8, Encoding: btf.Signed}
	u16 := &btf.Int{Name: "unsigned short", Size: 2}
	u32 := &btf.Int{Name: "unsigned int", Size: 4}
	u64 := &btf.Int{Name: "unsigned long long", Size: 8}
	wrapped := &btf.Struct{Size: 4, Members: []btf.Member{{Name: "z", Type: u32}}}
	s := &btf.Struct{Name: "widths"}
	add := func(name string, t btf.Type, size uint32) {
		at := (s.Size + min(size, 8) - 1) / min(size, 8) * min(size, 8)
		s.Members = append(s.Members, btf.Member{Name: name, Type: t, Offset: btf.Bits(at * 8)})
		s.Size = at + size
	}
	add("u64", u64, 8)
	add("u8", u32, 4)
	add("u16", u32, 4)
	add("u32", u64, 8)
	add("s8", signed, 4)
	add("s16", signed, 4)
	add("s32", long, 8)
	add("s64", signed, 4)
	add("flag", u32, 4)
	add("pointer", u32, 4)
	add("other", &btf.Pointer{Target: u32}, 8)
	add("number", u32, 4)
	add("list", &btf.Array{Index: u32, Type: u64, Nelems: 4}, 32)
	add("nameless", u16, 2)
	add("part", &btf.Struct{Name: "part", Size: 4, Members: []btf.Member{{Name: "x", Type: u32}}}, 4)
	add("choice", u64, 8)
	add("no_number", wrapped, 4)
	add("same", u32, 4)
	add("store", u16, 2)
	return s
}

// accessIn shows the one access of a program that was relocated: the instruction and its offset.
func accessIn(p *spec.Program) string {
	for i, in := range p.Insns {
		switch class := in.Code & 7; {
		case in.Code == 0x85:
			return fmt.Sprintf("call %x", in.Imm)
		case strings.HasPrefix(p.Name, "load") && class == 1 && i > 0, strings.HasPrefix(p.Name, "store") && (class == 2 || class == 3):
			return fmt.Sprintf("%02x/%d", in.Code, in.Off)
		}
	}
	return ""
}

// TestWidths has what libbpf makes of the object with these types, as its version 1.1.2 was seen to do it.
func TestWidths(t *testing.T) {
	raw := rawTypes(t, widthTypes())
	types, err := elf.Types(raw)
	if err != nil {
		t.Fatal(err)
	}
	opts := *asCompiled
	opts.KernelTypes = []*btf.Spec{types}
	c, err := elf.Load(objtest.Object(t, "widths"), &opts)
	if err != nil {
		t.Fatal(err)
	}
	const poisoned = "call bad2310"
	want := map[string]string{
		"load_u8": "61/8", "load_u16": "61/12", "load_u32": "79/16", "load_u64": "79/0",
		"load_s8": poisoned, "load_s16": poisoned, "load_s32": poisoned, "load_s64": poisoned,
		"load_flag": "61/44", "load_pointer": poisoned, "load_other": "79/56", "load_number": "61/64",
		"load_first": "79/72", "load_second": "79/80", "load_nameless": "69/104", "load_part": poisoned,
		"load_choice": poisoned, "load_no_number": poisoned, "load_same": "61/124",
		"store_u8": "63/8", "store_u32": "7b/16", "store_s32": poisoned, "store_store": "6b/128",
	}
	if len(want) != len(c.Programs) {
		t.Errorf("%d programs, want %d", len(c.Programs), len(want))
	}
	for i := range c.Programs {
		p := &c.Programs[i]
		if got := accessIn(p); got != want[p.Name] {
			t.Errorf("%s: %s, want %s", p.Name, got, want[p.Name])
		}
	}
}

// moduleTypes encodes what a module would add to the types of kernel: a structure widths with one field, an unsigned
// number of 4 bytes named u8, at offset 12.
func moduleTypes(kernel []byte, types *btf.Spec) []byte {
	order := binary.LittleEndian
	firstString, firstType := order.Uint32(kernel[20:]), uint32(0)
	for typ := range types.All() {
		if id, err := types.TypeID(typ); err == nil {
			firstType = max(firstType, uint32(id)+1)
		}
	}
	text := []byte("widths\x00u8\x00unsigned int\x00")
	name := func(s string) uint32 { return firstString + uint32(bytes.Index(text, []byte(s+"\x00"))) }
	var body []byte
	for _, n := range []uint32{
		name("unsigned int"), 1 << 24, 4, 32, // an int of 4 bytes
		name("widths"), 4<<24 | 1, 16, name("u8"), firstType, 12 * 8, // a struct of 16 bytes with one member
	} {
		body = order.AppendUint32(body, n)
	}
	out := []byte{0x9f, 0xeb, 1, 0}
	for _, n := range []int{24, 0, len(body), len(body), len(text)} {
		out = order.AppendUint32(out, uint32(n))
	}
	return append(append(out, body...), text...)
}

// TestModules finds a type that only a module has, and that of the kernel where both have one.
func TestModules(t *testing.T) {
	kernelOf := func(typ btf.Type) []*btf.Spec {
		raw := rawTypes(t, typ)
		kernel, err := elf.Types(raw)
		if err != nil {
			t.Fatal(err)
		}
		module, err := elf.ModuleTypes(moduleTypes(raw, kernel), kernel)
		if err != nil {
			t.Fatal(err)
		}
		return []*btf.Spec{kernel, module}
	}
	without := kernelOf(&btf.Struct{Name: "task_struct", Size: 8})
	for _, c := range []struct {
		name  string
		types []*btf.Spec
		want  string
	}{
		{"module", without, "61/12"},
		{"module alone", without[1:], "61/12"},
		{"kernel", kernelOf(widthTypes()), "61/8"},
		{"neither", without[:1], "call bad2310"},
	} {
		opts := *asCompiled
		opts.KernelTypes = c.types
		loaded, err := elf.Load(objtest.Object(t, "widths"), &opts)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := accessIn(program(t, loaded, "load_u8")); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if _, err := elf.ModuleTypes([]byte("nothing"), without[0]); err == nil {
		t.Error("what is no types was taken for types")
	}
}
