package skep_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// collect makes a collection of programs in text, with the maps given.
func collect(t testing.TB, opts *skep.CollectionOptions, maps []spec.Map, texts map[string]string) *skep.Collection {
	t.Helper()
	c := spec.Collection{Maps: maps}
	for name, text := range texts {
		p, err := asm.Assemble(name, text, &asm.Options{Helper: helper.ID})
		if err != nil {
			t.Fatal(err)
		}
		p.Name, p.Type, p.License = name, spec.SocketFilter, "GPL"
		c.Programs = append(c.Programs, *p)
	}
	out, err := skep.NewCollectionWithOptions(&c, opts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func bothEngines(f func(engine skep.Engine, name string)) {
	f(skep.EngineInterp, "interp")
	f(skep.EngineAuto, "auto")
}

const countText = `
	*(u32 *)(r10 - 4) = KEY
	r1 = map[counts]
	r2 = r10
	r2 += -4
	call map_lookup_elem
	if r0 == 0 goto none
	r1 = 1
	lock *(u64 *)(r0 + 0) += r1
	r0 = *(u64 *)(r0 + 0)
	exit
none:
	r0 = -1
	exit`

// TestMaps counts in maps of several types.
func TestMaps(t *testing.T) {
	for _, typ := range []spec.MapType{spec.Array, spec.PerCPUArray, spec.Hash, spec.LRUHash, spec.PerCPUHash} {
		bothEngines(func(engine skep.Engine, name string) {
			t.Run(fmt.Sprint(typ, "/", name), func(t *testing.T) {
				c := collect(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}},
					[]spec.Map{{Name: "counts", Type: typ, KeySize: 4, ValueSize: 8, MaxEntries: 4}},
					map[string]string{"count": replace(countText, "KEY", "2"), "miss": replace(countText, "KEY", "9")})
				m := c.Maps["counts"]
				if typ == spec.Hash || typ == spec.LRUHash {
					if err := m.Put(uint32(2), uint64(0)); err != nil {
						t.Fatal(err)
					}
				}
				if typ == spec.PerCPUHash {
					if err := m.Put(uint32(2), make([]uint64, m.CPUs())); err != nil {
						t.Fatal(err)
					}
				}
				for i := range 10 {
					if r, err := c.Programs["count"].Run(nil); err != nil || int(r) != i+1 {
						t.Fatalf("run %d: %d, %v", i, r, err)
					}
				}
				if r, err := c.Programs["miss"].Run(nil); err != nil || int32(r) != -1 {
					t.Fatalf("%d, %v", r, err)
				}
				var all []uint64
				if typ == spec.PerCPUArray || typ == spec.PerCPUHash {
					if err := m.Lookup(uint32(2), &all); err != nil {
						t.Fatal(err)
					}
				} else {
					var one uint64
					if err := m.Lookup(uint32(2), &one); err != nil {
						t.Fatal(err)
					}
					all = append(all, one)
				}
				sum := uint64(0)
				for _, n := range all {
					sum += n
				}
				if sum != 10 {
					t.Errorf("%d in the map", all)
				}
			})
		})
	}
}

func replace(s, old, by string) string {
	for i := 0; i+len(old) <= len(s); i++ {
		if s[i:i+len(old)] == old {
			return s[:i] + by + s[i+len(old):]
		}
	}
	return s
}

// TestPerCPUConcurrent has many goroutines count in a per-CPU map without atomics: no count is lost.
func TestPerCPUConcurrent(t *testing.T) {
	text := `
	*(u32 *)(r10 - 4) = 0
	r1 = map[counts]
	r2 = r10
	r2 += -4
	call map_lookup_elem
	if r0 == 0 goto none
	r1 = *(u64 *)(r0 + 0)
	r1 += 1
	*(u64 *)(r0 + 0) = r1
none:
	r0 = 0
	exit`
	bothEngines(func(engine skep.Engine, name string) {
		c := collect(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}},
			[]spec.Map{{Name: "counts", Type: spec.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1}}, map[string]string{"count": text})
		const goroutines = 8
		runs := sometimes(20000, 1000)
		var wg sync.WaitGroup
		for range goroutines {
			wg.Go(func() {
				inst := c.Programs["count"].NewInstance()
				for range runs {
					if _, err := inst.Run(nil); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		var all []uint64
		if err := c.Maps["counts"].Lookup(uint32(0), &all); err != nil {
			t.Fatal(err)
		}
		sum := uint64(0)
		for _, n := range all {
			sum += n
		}
		if sum != uint64(runs*goroutines) {
			t.Errorf("%s: %d, want %d", name, sum, runs*goroutines)
		}
	})
}

// TestTailCalls goes from program to program, from functions and from callbacks, and ends after 33.
func TestTailCalls(t *testing.T) {
	texts := map[string]string{
		"first": `
			r6 = r1
			*(u64 *)(r10 - 8) = 7
			r2 = map[jumps]
			r3 = 1
			call tail_call
			r0 = 1000
			exit`,
		"second": `
			r2 = map[jumps]
			r3 = 5
			call tail_call
			r0 = 42
			exit`,
		"again": `
			r6 = r1
			*(u32 *)(r10 - 4) = 0
			r1 = map[counts]
			r2 = r10
			r2 += -4
			call map_lookup_elem
			if r0 == 0 goto out
			r1 = *(u64 *)(r0 + 0)
			r1 += 1
			*(u64 *)(r0 + 0) = r1
			r1 = r6
			r2 = map[jumps]
			r3 = 2
			call tail_call
		out:
			r0 = 3
			exit`,
		"function": `
			r6 = 1
			call f
			r0 += r6
			exit
		f:
			r7 = 5
			r2 = map[jumps]
			r3 = 1
			call tail_call
			r0 = 7
			exit`,
	}
	maps := []spec.Map{
		{Name: "jumps", Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 8, Contents: []spec.MapEntry{
			{Key: []byte{1, 0, 0, 0}, Program: "second"}, {Key: []byte{2, 0, 0, 0}, Program: "again"}}},
		{Name: "counts", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1},
	}
	bothEngines(func(engine skep.Engine, name string) {
		c := collect(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}}, maps, texts)
		for range 3 {
			for prog, want := range map[string]uint32{"first": 42, "second": 42, "again": 3, "function": 43} {
				r, err := c.Programs[prog].RunContext(t.Context(), nil)
				if err != nil || uint32(r.R0) != want {
					t.Errorf("%s: %s: %d, %v, want %d", name, prog, r.R0, err, want)
				}
			}
		}
		var n uint64
		if err := c.Maps["counts"].Lookup(uint32(0), &n); err != nil || n != 3*34 {
			t.Errorf("%s: the program went on %d times, %v", name, n, err)
		}
	})
}

// TestMapsOfMaps looks up a map and then in that map, more maps than fit at a time into a run's addresses.
func TestMapsOfMaps(t *testing.T) {
	inner := spec.Map{Name: "inner", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	maps := []spec.Map{{Name: "outer", Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 400, Inner: &inner}}
	text := `
		r0 = *(u32 *)(r1 + 8)
		*(u32 *)(r10 - 4) = r0
		*(u32 *)(r10 - 8) = 0
		r1 = map[outer]
		r2 = r10
		r2 += -4
		call map_lookup_elem
		if r0 == 0 goto none
		r1 = r0
		r2 = r10
		r2 += -8
		call map_lookup_elem
		if r0 == 0 goto none
		r0 = *(u64 *)(r0 + 0)
		exit
	none:
		r0 = -1
		exit`
	bothEngines(func(engine skep.Engine, name string) {
		c := collect(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}}, maps, map[string]string{"p": text})
		for i := range uint32(300) {
			m := innerMap(t, &inner, uint64(i)*10)
			if err := c.Maps["outer"].Put(i, m); err != nil {
				t.Fatal(err)
			}
		}
		inst := c.Programs["p"].NewInstance()
		for i := range uint32(302) {
			r0, err := inst.RunPacket(&spec.Packet{Data: make([]byte, 20), Mark: i})
			want := int64(i) * 10
			if i >= 300 {
				want = -1
			}
			if err != nil || int64(r0) != want {
				t.Fatalf("%s: map %d: %d, %v", name, i, int64(r0), err)
			}
		}
	})
}

// TestVariables reads and writes global variables.
func TestVariables(t *testing.T) {
	c := spec.Collection{
		Maps:      []spec.Map{{Name: ".data", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Contents: []spec.MapEntry{{Key: make([]byte, 4), Value: []byte{7, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8}}}}},
		Variables: []spec.Variable{{Name: "n", Map: ".data", Offset: 0, Size: 4}, {Name: "tail", Map: ".data", Offset: 13, Size: 3}},
	}
	p, err := asm.Assemble("p", "r1 = map[.data][0]+0\nr0 = *(u32 *)(r1 + 0)\nr2 = r0\nr2 += 1\n*(u32 *)(r1 + 0) = r2\nexit", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type = "p", spec.SocketFilter
	c.Programs = []spec.Program{*p}
	bothEngines(func(engine skep.Engine, name string) {
		coll, err := skep.NewCollectionWithOptions(&c, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}})
		if err != nil {
			t.Fatal(err)
		}
		n := coll.Variables["n"]
		if r, err := coll.Programs["p"].Run(nil); err != nil || r != 7 {
			t.Errorf("%d, %v", r, err)
		}
		var got uint32
		if err := n.Get(&got); err != nil || got != 8 {
			t.Errorf("%d, %v", got, err)
		}
		if err := n.Set(uint32(100)); err != nil {
			t.Error(err)
		}
		if r, err := coll.Programs["p"].Run(nil); err != nil || r != 100 {
			t.Errorf("%d, %v", r, err)
		}
		if err := n.Set(uint64(1)); err == nil {
			t.Error("a value of 8 bytes was written to a variable of 4")
		}
		var tail [3]byte
		if err := coll.Variables["tail"].Get(&tail); err != nil || tail != [3]byte{6, 7, 8} {
			t.Errorf("%v, %v", tail, err)
		}
	})
}

// TestMapErrors checks what is said of maps that are missing or used wrongly.
func TestMapErrors(t *testing.T) {
	p, err := asm.Assemble("p", "r1 = map[m]\nr0 = 0\nexit", nil)
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Type = "p", spec.SocketFilter
	if _, err := skep.Load(p, nil); err == nil || err.Error() != `program p: instruction 0 refers to map "m", which is not among those given` {
		t.Error(err)
	}
	q, err := asm.Assemble("q", "r1 = map[m]\nr0 = *(u64 *)(r1 + 0)\nexit", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Name, q.Type = "q", spec.SocketFilter
	maps := []spec.Map{{Name: "m", Type: spec.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}}
	coll, err := skep.NewCollectionWithOptions(&spec.Collection{Programs: []spec.Program{*q}, Maps: maps}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var fault *skep.Fault
	if _, err := coll.Programs["q"].Run(nil); !errors.As(err, &fault) || fault.Code != skep.OutOfBounds {
		t.Error(err)
	}
}

func innerMap(t *testing.T, def *spec.Map, value uint64) *bpfmap.Local {
	t.Helper()
	m, err := bpfmap.New(def, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Put(uint32(0), value); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestTailCallKeepsLimit has a proved program, which nobody counts, go on with one that never ends.
func TestTailCallKeepsLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("runs to the default limit")
	}
	jumps := []spec.Map{{Name: "jumps", Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1}}
	first := collect(t, nil, jumps, map[string]string{"first": "r2 = map[jumps]\nr3 = 0\ncall tail_call\nr0 = 0\nexit"})
	endless := collect(t, &skep.CollectionOptions{Programs: skep.Options{Unverified: true}}, nil, map[string]string{"endless": "r0 = 0\nl: goto l\nexit"})
	if err := first.Maps["jumps"].Put(uint32(0), endless.Programs["endless"]); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Programs["first"].Run(nil); !errors.Is(err, skep.ErrLimit) {
		t.Errorf("%v, want the limit", err)
	}
}

// TestReadOnlyMaps checks that programs that nobody has verified cannot change a map that others may have been proved
// safe with.
func TestReadOnlyMaps(t *testing.T) {
	maps := []spec.Map{{Name: "c", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: 1 << 7}}
	text := `
		*(u32 *)(r10 - 4) = 0
		*(u64 *)(r10 - 16) = 9
		r1 = map[c]
		r2 = r10
		r2 += -4
		r3 = r10
		r3 += -16
		r4 = 0
		call map_update_elem
		exit`
	bothEngines(func(engine skep.Engine, name string) {
		c := collect(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine, Unverified: true}}, maps, map[string]string{
			"update": text, "store": "r1 = map[c][0]+0\n*(u64 *)(r1 + 0) = 9\nr0 = 0\nexit"})
		if r, err := c.Programs["update"].Run(nil); err != nil || int32(r) != -1 {
			t.Errorf("%s: %d, %v", name, int32(r), err)
		}
		var fault *skep.Fault
		if _, err := c.Programs["store"].Run(nil); !errors.As(err, &fault) || fault.Code != skep.ReadOnly {
			t.Errorf("%s: %v", name, err)
		}
	})
}
