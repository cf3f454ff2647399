// Implements the tests of arenas: what Go code and programs see of each other, and the kernel's results.

package objtest_test

import (
	"encoding/binary"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
)

// arenaSteps are programs to run one after another, with the length that they see.
var arenaSteps = []struct {
	program string
	length  uint32
	want    uint32
}{
	{"build", 10, 10}, {"sum", 0, 1045}, {"build", 255, 255}, {"sum", 0, 58930}, {"count", 5, 1}, {"count", 5, 2}, {"count", 2047, 1}, {"count", 2048, 1<<32 - 2},
	{"add", 0, 265}, {"add", 0, 268}, {"release", 0, 0}, {"count", 5, 1}, {"too_much", 0, 7}, {"build", 1, 1}, {"sum", 0, 59030},
}

func arenaCollection(t *testing.T, engine skep.Engine) *skep.Collection {
	t.Helper()
	spec, err := elf.Load(objtest.Object(t, "arena"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	c, err := skep.NewCollectionWithOptions(spec, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestArena(t *testing.T) {
	for _, engine := range []skep.Engine{skep.EngineInterp, skep.EngineAuto} {
		c := arenaCollection(t, engine)
		for i, s := range arenaSteps {
			if err := c.Variables["length"].Set(s.length); err != nil {
				t.Fatal(err)
			}
			if got, err := c.Programs[s.program].Run(nil); err != nil || got != s.want {
				e, why := c.Programs[s.program].Engine()
				t.Fatalf("%v: step %d, %s(%d): %d, %v, want %d (%v, %s)", engine, i, s.program, s.length, int32(got), err, s.want, e, why)
			}
		}
		followList(t, c, 266)
	}
}

// followList reads the list that a program has made, and puts a node of Go's into it.
func followList(t *testing.T, c *skep.Collection, want int) {
	t.Helper()
	arena := c.Maps["arena"].Arena()
	var ptr uint64
	if err := c.Variables["head"].Get(&ptr); err != nil {
		t.Fatal(err)
	}
	own := arena.Alloc(0, 1)
	node, err := arena.Bytes(own, 16)
	if err != nil {
		t.Fatal(err)
	}
	binary.LittleEndian.PutUint64(node, ptr)
	binary.LittleEndian.PutUint64(node[8:], 1000)
	if err := c.Variables["head"].Set(own); err != nil {
		t.Fatal(err)
	}
	n, sum := 0, uint64(0)
	for ptr = own; ptr != 0; n++ {
		b, err := arena.Bytes(ptr, 16)
		if err != nil {
			t.Fatal(err)
		}
		ptr = binary.LittleEndian.Uint64(b)
		sum += binary.LittleEndian.Uint64(b[8:])
	}
	got, err := c.Programs["sum"].Run(nil)
	if err != nil || uint64(got) != sum || n != want+1 {
		t.Errorf("%d nodes, sum %d; the program has %d, %v", n, sum, got, err)
	}
}

// TestArenaVariables sets and reads variables in an arena.
func TestArenaVariables(t *testing.T) {
	spec, err := elf.Load(objtest.Object(t, "arena"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	c, err := skep.NewCollectionWithOptions(spec, &skep.CollectionOptions{Variables: map[string]any{"start": uint64(7)}})
	if err != nil {
		t.Fatal(err)
	}
	var counter uint64
	if _, err := c.Programs["build"].Run(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Variables["counter"].Get(&counter); err != nil || counter != 10 {
		t.Errorf("%d, %v", counter, err)
	}
	if got, err := c.Programs["sum"].Run(nil); err != nil || got != 7*10+45 {
		t.Errorf("%d, %v", got, err)
	}
	if m := c.Maps["arena"]; m.Type() != 33 || m.Put(uint32(0), uint32(0)) == nil {
		t.Error("an arena takes elements")
	}
}

// TestTwoArenas has arenas of collections that share one, each at its place.
func TestTwoArenas(t *testing.T) {
	c := arenaCollection(t, skep.EngineAuto)
	if _, err := c.Programs["build"].Run(nil); err != nil {
		t.Fatal(err)
	}
	spec, err := elf.Load(objtest.Object(t, "arena"), &elf.Options{NoTypes: elf.AsCompiled})
	if err != nil {
		t.Fatal(err)
	}
	other, err := skep.NewCollectionWithOptions(spec, &skep.CollectionOptions{Programs: skep.Options{
		Maps: map[string]*bpfmap.Local{"arena": c.Maps["arena"], ".bss": c.Maps[".bss"]}}})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := other.Programs["sum"].Run(nil); err != nil || got != 1045 {
		t.Errorf("%d, %v", got, err)
	}
}
