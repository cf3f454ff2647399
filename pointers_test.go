package skep_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

// tables loads the object whose variables hold addresses.
func tables(t *testing.T, opts skep.Options, only ...string) *skep.Collection {
	t.Helper()
	c, err := elf.Load(objtest.Object(t, "tables"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	coll, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: opts, Only: only})
	if err != nil {
		t.Fatal(err)
	}
	return coll
}

func set(t *testing.T, c *skep.Collection, name string, v uint32) {
	t.Helper()
	if err := c.Variables[name].Set(v); err != nil {
		t.Fatal(err)
	}
}

// TestTableOfStrings reads strings by way of a table, in proved and in checked programs.
func TestTableOfStrings(t *testing.T) {
	for _, opts := range []skep.Options{{}, {Unverified: true}, {Unverified: true, Engine: skep.EngineInterp}} {
		c := tables(t, opts, "name")
		for i, want := range []string{"zero", "one", "two", "three"} {
			set(t, c, "which", uint32(i))
			n, err := c.Programs["name"].Run(&skep.RunOptions{Context: make([]byte, 168)})
			text := make([]byte, 16)
			if err := c.Variables["text"].Get(text); err != nil {
				t.Fatal(err)
			}
			if got, _, _ := bytes.Cut(text, []byte{0}); err != nil || int(n) != len(want)+1 || string(got) != want {
				t.Errorf("%+v: %q, %d, %v, want %q", opts, got, n, err, want)
			}
		}
	}
}

// TestFollowPointers follows addresses in data, which only checked programs may.
func TestFollowPointers(t *testing.T) {
	var refused *skep.VerifierError
	c, err := elf.Load(objtest.Object(t, "tables"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"follow", "by_table"} {
		if _, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Only: []string{name}}); !errors.As(err, &refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		coll := tables(t, skep.Options{Unverified: true, Engine: engine})
		if n, err := coll.Programs["follow"].Run(&skep.RunOptions{Context: make([]byte, 168)}); err != nil || n != 80 {
			t.Errorf("%v: %d, %v", engine, n, err)
		}
		for i := range 4 {
			set(t, coll, "which", uint32(i))
			if n, err := coll.Programs["by_table"].Run(&skep.RunOptions{Data: make([]byte, 64)}); err != nil || int(n) != i/2 {
				t.Errorf("%v: %d, %v", engine, n, err)
			}
		}
		set(t, coll, "which", 0)
		if n, err := coll.Programs["nested"].Run(&skep.RunOptions{Data: make([]byte, 64)}); err != nil || n != 7 {
			t.Errorf("%v: %d, %v", engine, n, err)
		}
		set(t, coll, "which", 2)
		if n, err := coll.Programs["jump"].Run(&skep.RunOptions{Data: make([]byte, 64)}); err != nil || n != 77 {
			t.Errorf("%v: %d, %v", engine, n, err)
		}
	}
}

// TestPointersGiven has a variable whose address was replaced by a value, and addresses that lead nowhere.
func TestPointersGiven(t *testing.T) {
	def := func(p spec.Pointer) *spec.Collection {
		return &spec.Collection{Maps: []spec.Map{{Name: "vars", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Pointers: []spec.Pointer{p}},
			{Name: "hash", Type: spec.Hash, KeySize: 4, ValueSize: 16, MaxEntries: 1}},
			Variables: []spec.Variable{{Name: "to", Map: "vars", Offset: 8, Size: 8}}}
	}
	for _, c := range []struct {
		p    spec.Pointer
		want string
	}{
		{spec.Pointer{Offset: 8, Map: "none", Value: true}, "which there is not"},
		{spec.Pointer{Offset: 12, Map: "vars", Value: true}, "outside its value"},
		{spec.Pointer{Offset: 8, Map: "hash", Value: true}, "hash"},
		{spec.Pointer{Offset: 8, Map: "vars", Value: true, To: 17}, "byte 17"},
	} {
		if _, err := skep.NewCollection(def(c.p)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
	coll, err := skep.NewCollectionWithOptions(def(spec.Pointer{Offset: 8, Map: "vars", Value: true, To: 4}),
		&skep.CollectionOptions{Variables: map[string]any{"to": uint64(99)}})
	if err != nil {
		t.Fatal(err)
	}
	var b [8]byte
	if err := coll.Variables["to"].Get(b[:]); err != nil || binary.LittleEndian.Uint64(b[:]) != 99 {
		t.Errorf("%v, %v", b, err)
	}
}
