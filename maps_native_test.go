package skep_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// keyed returns a plain function that looks up the key that its memory holds, of the given size, and returns the
// value, or -1.
func keyed(t testing.TB, size int, opts *skep.CollectionOptions, m spec.Map) *skep.Collection {
	var b strings.Builder
	for i := range size {
		fmt.Fprintf(&b, "r3 = *(u8 *)(r1 + %d)\n*(u8 *)(r10 - %d) = r3\n", i, size-i)
	}
	fmt.Fprintf(&b, "r6 = map[m]\nr1 = r6\nr2 = r10\nr2 += -%d\ncall map_lookup_elem\nif r0 == 0 goto none\nr0 = *(u64 *)(r0 + 0)\nexit\nnone: r0 = -1\nexit", size)
	p, err := asm.Assemble("p", b.String(), &asm.Options{Helper: helper.ID})
	if err != nil {
		t.Fatal(err)
	}
	p.Name = "p"
	c, err := skep.NewCollectionWithOptions(&spec.Collection{Programs: []spec.Program{*p}, Maps: []spec.Map{m}}, opts)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestHashLookups looks up keys of every size, present and absent, in full and crowded maps of all hash types.
func TestHashLookups(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for size := 1; size <= 72; size++ {
		for _, typ := range []spec.MapType{spec.Hash, spec.LRUHash, spec.PerCPUHash} {
			entries := uint32(1) << (size % 9)
			for _, engine := range []skep.Engine{skep.EngineAuto, skep.EngineInterp} {
				c := keyed(t, size, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}},
					spec.Map{Name: "m", Type: typ, KeySize: uint32(size), ValueSize: 12, MaxEntries: entries})
				m := c.Maps["m"]
				inst := c.Programs["p"].NewInstance()
				want := map[string]uint64{}
				for n := range 3 * int(entries) {
					key := make([]byte, size)
					for i := range key {
						key[i] = byte(r.Uint32N(4)) // so that keys are alike
					}
					value := binary.LittleEndian.AppendUint64(nil, uint64(n))
					value = append(value, 1, 2, 3, 4)
					if m.UpdateElem(key, value, 0, 0) == 0 {
						want[string(key)] = uint64(n)
					}
				}
				for range 200 {
					key := make([]byte, size)
					for i := range key {
						key[i] = byte(r.Uint32N(4))
					}
					check(t, fmt.Sprint(typ, size, engine), inst, m.LookupOffset, key, want)
				}
				for key := range want {
					check(t, fmt.Sprint(typ, size, engine), inst, m.LookupOffset, []byte(key), want)
				}
			}
		}
	}
}

func check(t *testing.T, name string, inst *skep.Instance, lookup func([]byte, int) (int, bool), key []byte, values map[string]uint64) {
	t.Helper()
	want := uint64(1<<64 - 1)
	if _, ok := lookup(key, 0); ok {
		want = values[string(key)]
	}
	got, err := inst.Run(key)
	if err != nil || got != want && !(strings.HasPrefix(name, "percpu") && want != 1<<64-1) {
		t.Fatalf("%s: %x: %d, %v, want %d", name, key, int64(got), err, int64(want))
	}
}

// TestHashLookupsAmidChanges looks keys up in machine code while others change the map: a key that stays is always
// there, with one of its values, and one that never was is never there.
func TestHashLookupsAmidChanges(t *testing.T) {
	c := keyed(t, 8, nil, spec.Map{Name: "m", Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 64})
	m := c.Maps["m"]
	key := func(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }
	for n := range uint64(16) {
		if err := m.Put(n, n); err != nil {
			t.Fatal(err)
		}
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	for w := range uint64(2) {
		wg.Go(func() {
			for i := uint64(0); !stop.Load(); i++ {
				n := i % 16
				_ = m.Put(n, n+i%7*1000)
				k := 100 + w*100 + i%40
				_ = m.Put(k, k)
				_ = m.Delete(100 + w*100 + (i+20)%40)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			inst := c.Programs["p"].NewInstance()
			for i := range uint64(300_000) {
				n := i % 20
				got, err := inst.Run(key(n))
				if err != nil || n < 16 && got%1000 != n || n >= 16 && got != 1<<64-1 {
					t.Errorf("key %d: %d, %v", n, int64(got), err)
					break
				}
			}
			stop.Store(true)
		})
	}
	wg.Wait()
}

// BenchmarkMapLookup looks up maps in a loop of a program: the loop and a load of the value are part of the time.
func BenchmarkMapLookup(b *testing.B) {
	text := `
		r6 = 1000
		r7 = 0
	loop:
		*(u64 *)(r10 - 8) = r6
		r1 = map[m]
		r2 = r10
		r2 += -8
		call map_lookup_elem
		if r0 == 0 goto none
		r0 = *(u64 *)(r0 + 0)
		r7 += r0
	none:
		r6 -= 1
		if r6 != 0 goto loop
		r0 = r7
		exit`
	for _, m := range []spec.Map{
		{Type: spec.Array, KeySize: 4}, {Type: spec.PerCPUArray, KeySize: 4}, {Type: spec.Hash, KeySize: 4}, {Type: spec.Hash, KeySize: 8}, {Type: spec.LRUHash, KeySize: 8},
	} {
		for _, engine := range []skep.Engine{skep.EngineAuto, skep.EngineInterp} {
			b.Run(fmt.Sprint(m.Type, m.KeySize, "/", engine), func(b *testing.B) {
				m.Name, m.ValueSize, m.MaxEntries = "m", 8, 1024
				c := collect(b, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}}, []spec.Map{m}, map[string]string{"p": text})
				for i := uint64(1); i <= 1024; i++ {
					key := binary.LittleEndian.AppendUint64(nil, i)[:m.KeySize]
					if e := c.Maps["m"].UpdateElem(key, make([]byte, 8), 0, 0); e != 0 {
						break
					}
				}
				inst := c.Programs["p"].NewInstance()
				for b.Loop() {
					if _, err := inst.Run(nil); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/lookup")
			})
		}
	}
}
