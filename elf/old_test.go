// Implements tests of objects as old compilers made them, and of broken ones: objects of today, changed.

package elf_test

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// place returns the place of a section's bytes in an object.
func place(t *testing.T, object []byte, name string) []byte {
	t.Helper()
	f, err := stdelf.NewFile(bytes.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	s := f.Section(name)
	if s == nil {
		t.Fatalf("there is no section %s", name)
	}
	return object[s.Offset : s.Offset+s.Size]
}

// TestUntypedSymbols loads an object whose symbols have neither type nor size, as those of LLVM before 8.
func TestUntypedSymbols(t *testing.T) {
	for _, name := range []string{"legacy", "count", "calls", "nested", "globals"} {
		want := load(t, name)
		object := bytes.Clone(objtest.Object(t, name))
		table := place(t, object, ".symtab")
		for ; len(table) > 0; table = table[24:] {
			typ, bind := stdelf.ST_TYPE(table[4]), stdelf.ST_BIND(table[4])
			if (typ == stdelf.STT_FUNC || typ == stdelf.STT_OBJECT) && bind != stdelf.STB_LOCAL {
				table[4] = byte(bind)<<4 | byte(stdelf.STT_NOTYPE)
				binary.LittleEndian.PutUint64(table[16:], 0)
			}
		}
		got, err := elf.Load(object, asCompiled)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i := range want.Programs {
			w, g := &want.Programs[i], &got.Programs[i]
			if g.Name != w.Name || !reflect.DeepEqual(g.Insns, w.Insns) || !reflect.DeepEqual(g.Maps, w.Maps) {
				t.Errorf("%s: program %s is different", name, w.Name)
			}
		}
		for i := range want.Maps {
			w, g := &want.Maps[i], &got.Maps[i]
			if g.Name != w.Name || g.Type != w.Type || g.ValueSize != w.ValueSize || g.MaxEntries != w.MaxEntries {
				t.Errorf("%s: map %+v, want %+v", name, g, w)
			}
		}
	}
}

// TestStripped loads an object without symbols: each section of code is a program.
func TestStripped(t *testing.T) {
	object := bytes.Clone(objtest.Object(t, "sections"))
	clear(place(t, object, ".symtab"))
	c, err := elf.Load(object, asCompiled)
	if err != nil {
		t.Fatal(err)
	}
	if p := program(t, c, "classifier"); p.Type != spec.SchedCLS || len(p.Insns) != 2 {
		t.Errorf("%+v", p)
	}
}

// TestParameters loads a decoder of ir-keytable: where it takes addresses of variables, there are values.
func TestParameters(t *testing.T) {
	data, err := os.ReadFile("/lib/udev/rc_keymaps/protocols/grundig.o")
	if err != nil {
		t.Skip(err)
	}
	constants := func(opts *elf.Options) (list []int32) {
		c, err := elf.Load(data, opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, in := range c.Programs[0].Insns {
			if in.Code == 0x18 && in.Src() == 0 {
				list = append(list, in.Imm)
			}
		}
		return list
	}
	has := func(list []int32, n int32) bool {
		for _, v := range list {
			if v == n {
				return true
			}
		}
		return false
	}
	if list := constants(nil); !has(list, 900) || !has(list, 2900) {
		t.Errorf("%v", list)
	}
	if list := constants(&elf.Options{Parameters: map[string]int32{"header_pulse": 777}}); has(list, 900) || !has(list, 777) {
		t.Errorf("%v", list)
	}
}

// TestCommon loads a variable that no section holds.
func TestCommon(t *testing.T) {
	file := t.TempDir() + "/common.c"
	source := "int filler; long counter; __attribute__((section(\"xdp\"))) int p(void *c) { counter += 2; filler++; return counter; }"
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, cc := range objtest.Compilers() {
		c, err := elf.Load(objtest.Compile(t, cc, file, "-target", "bpfel", "-fcommon"), nil)
		if err != nil {
			t.Fatal(err)
		}
		m := mapNamed(t, c, "COMMON")
		if m.ValueSize < 12 || len(c.Variables) != 2 || len(c.Programs[0].Maps) == 0 || c.Variables[1].Name != "counter" && c.Variables[0].Name != "counter" {
			t.Errorf("%+v %+v", m, c.Variables)
		}
	}
}

// TestBroken wants errors that name the place.
func TestBroken(t *testing.T) {
	relocation := func(section string, change func(r []byte)) func(t *testing.T, object []byte) {
		return func(t *testing.T, object []byte) { change(place(t, object, ".rel"+section)) }
	}
	for _, c := range []struct {
		name, object string
		change       func(t *testing.T, object []byte)
		want         []string
	}{
		{"no ELF", "count", func(t *testing.T, o []byte) { o[0] = 0 }, []string{"not a sound ELF file"}},
		{"machine", "count", func(t *testing.T, o []byte) { o[18] = 62 }, []string{"for the machine X86_64"}},
		{"executable", "count", func(t *testing.T, o []byte) { o[16] = 2 }, []string{"ET_EXEC"}},
		{"relocation of nothing", "count", relocation("xdp", func(r []byte) { binary.LittleEndian.PutUint32(r[12:], 9999) }), []string{"section .relxdp", "symbol 9999"}},
		{"relocation outside", "count", relocation("xdp", func(r []byte) { binary.LittleEndian.PutUint64(r, 1<<20) }), []string{"section .relxdp", "offset 0x100000", "section xdp"}},
		{"relocation of another instruction", "count", relocation("xdp", func(r []byte) { binary.LittleEndian.PutUint64(r, 0) }), []string{"section xdp", "offset 0x0", "count_array", "neither a call nor a wide load"}},
		{"no types", "count", func(t *testing.T, o []byte) { clear(place(t, o, ".BTF")) }, []string{"section .BTF"}},
		{"legacy map too short", "legacy", func(t *testing.T, o []byte) {
			table := place(t, o, ".symtab")
			for ; len(table) > 0; table = table[24:] {
				if binary.LittleEndian.Uint64(table[16:]) == 36 {
					binary.LittleEndian.PutUint64(table[16:], 8)
				}
			}
		}, []string{"section maps", "symbol ", "16 bytes or more", "here are 8"}},
	} {
		object := bytes.Clone(objtest.Object(t, c.object))
		c.change(t, object)
		_, err := elf.Load(object, asCompiled)
		var typed *elf.Error
		if !errors.As(err, &typed) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %s", c.name, err, w)
			}
		}
	}
	_, err := elf.Load(objtest.Object(t, "extern"), &elf.Options{NoTypes: elf.AsCompiled, Kconfig: map[string]string{"CONFIG_HZ": "fast"}})
	if err == nil || !strings.Contains(err.Error(), "section .kconfig: symbol CONFIG_HZ") || !strings.Contains(err.Error(), "not a number") {
		t.Error(err)
	}
}
