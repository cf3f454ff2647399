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
	"github.com/skepbpf/skep/bpfmap"
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
	for size := 1; size <= 72; size += sometimes(1, 9) {
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

// sometimes returns a number for long tests and one for short ones.
func sometimes(long, short int) int {
	if testing.Short() {
		return short
	}
	return long
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
// there, and one that never was is never there. What the program then reads may already belong to another key, as the
// element of an old value is used again at once; the kernel's maps do the same.
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
			for i := range uint64(sometimes(300_000, 20_000)) {
				n := i % 20
				got, err := inst.Run(key(n))
				if err != nil || (n < 16) != (got != 1<<64-1) {
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

// BenchmarkMapUpdate updates elements that are there in a loop of a program.
func BenchmarkMapUpdate(b *testing.B) {
	text := `
		r6 = 1000
	loop:
		*(u64 *)(r10 - 8) = r6
		*(u64 *)(r10 - 16) = r6
		r1 = map[m]
		r2 = r10
		r2 += -8
		r3 = r10
		r3 += -16
		r4 = 0
		call map_update_elem
		r6 -= 1
		if r6 != 0 goto loop
		exit`
	for _, m := range []spec.Map{{Type: spec.Array, KeySize: 4}, {Type: spec.Hash, KeySize: 4}, {Type: spec.Hash, KeySize: 8}, {Type: spec.LRUHash, KeySize: 8}} {
		b.Run(fmt.Sprint(m.Type, m.KeySize), func(b *testing.B) {
			m.Name, m.ValueSize, m.MaxEntries = "m", 8, 1024
			c := collect(b, nil, []spec.Map{m}, map[string]string{"p": text})
			inst := c.Programs["p"].NewInstance()
			for b.Loop() {
				if r0, err := inst.Run(nil); err != nil || r0 != 0 {
					b.Fatal(r0, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/update")
		})
	}
}

// TestUpdates updates maps from programs, with keys and values of every size, and compares with the same done from Go.
func TestUpdates(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for size := 1; size <= 40; size += sometimes(1, 7) {
		for _, typ := range []spec.MapType{spec.Hash, spec.LRUHash, spec.Array, spec.PerCPUArray} {
			keySize := 1 + (size*7)%30
			if typ == spec.Array || typ == spec.PerCPUArray {
				keySize = 4
			}
			// The memory holds the flags, the key and the value.
			var b strings.Builder
			copyIn := func(from, n, to int) {
				for i := range n {
					fmt.Fprintf(&b, "r3 = *(u8 *)(r1 + %d)\n*(u8 *)(r10 - %d) = r3\n", from+i, to-i)
				}
			}
			valueAt, keyAt := 128, 192
			copyIn(8, keySize, keyAt)
			copyIn(8+keySize, size, valueAt)
			fmt.Fprintf(&b, "r4 = *(u64 *)(r1 + 0)\nr1 = map[m]\nr2 = r10\nr2 += -%d\nr3 = r10\nr3 += -%d\ncall map_update_elem\nexit", keyAt, valueAt)
			p, err := asm.Assemble("p", b.String(), &asm.Options{Helper: helper.ID})
			if err != nil {
				t.Fatal(err)
			}
			p.Name = "p"
			def := spec.Map{Name: "m", Type: typ, KeySize: uint32(keySize), ValueSize: uint32(size), MaxEntries: 16}
			c, err := skep.NewCollectionWithOptions(&spec.Collection{Programs: []spec.Program{*p}, Maps: []spec.Map{def}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			twin, err := bpfmap.New(&def, nil)
			if err != nil {
				t.Fatal(err)
			}
			inst := c.Programs["p"].NewInstance()
			for range 300 {
				data := make([]byte, 8+keySize+size)
				data[0] = byte(max(0, r.IntN(8)-4))
				for i := range keySize {
					data[8+i] = byte(r.IntN(3))
				}
				if keySize == 4 && typ != spec.Hash && typ != spec.LRUHash {
					copy(data[8:12], []byte{byte(r.IntN(18)), 0, 0, 0})
				}
				for i := range size {
					data[8+keySize+i] = byte(r.Uint32())
				}
				got, err := inst.Run(data)
				want := -int64(twin.UpdateElem(data[8:8+keySize], data[8+keySize:], uint64(data[0]), 0))
				if err != nil || int64(got) != want {
					t.Fatalf("%s, key %d, value %d, flags %d: %d, %v, want %d", typ, keySize, size, data[0], int64(got), err, want)
				}
			}
			want := map[string]string{}
			for k, v := range twin.All() {
				want[string(k)] = string(v)
			}
			n := 0
			for k, v := range c.Maps["m"].All() {
				n++
				if typ == spec.PerCPUArray {
					continue // the run's processor may be another
				}
				if want[string(k)] != string(v) {
					t.Fatalf("%s: %x is %x, want %x", typ, k, v, want[string(k)])
				}
			}
			if n != len(want) {
				t.Fatalf("%s: %d elements, want %d", typ, n, len(want))
			}
		}
	}
}

// TestUpdatesAmidReaders updates elements from programs while others read and write them: what is read is always one
// of the values that were written, of one piece.
func TestUpdatesAmidReaders(t *testing.T) {
	text := `
		r6 = *(u32 *)(r1 + 8)
		*(u64 *)(r10 - 8) = 0
		*(u32 *)(r10 - 8) = 5
		*(u64 *)(r10 - 16) = r6
		*(u64 *)(r10 - 24) = r6
		*(u64 *)(r10 - 32) = r6
		r1 = map[m]
		r2 = r10
		r2 += -8
		r3 = r10
		r3 += -32
		r4 = 0
		call map_update_elem
		exit`
	for _, typ := range []spec.MapType{spec.Hash, spec.LRUHash} {
		c := collect(t, nil, []spec.Map{{Name: "m", Type: typ, KeySize: 8, ValueSize: 24, MaxEntries: 8}}, map[string]string{"p": text})
		m := c.Maps["m"]
		if err := m.Put(uint64(5), [3]uint64{}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var stop atomic.Bool
		for w := range uint32(2) {
			wg.Go(func() {
				inst := c.Programs["p"].NewInstance()
				for i := range uint32(sometimes(100_000, 5_000)) {
					if r0, err := inst.RunPacket(&spec.Packet{Data: make([]byte, 20), Mark: i*2 + w}); err != nil || r0 != 0 {
						t.Error(r0, err)
						break
					}
				}
				stop.Store(true)
			})
		}
		wg.Go(func() {
			for i := uint64(1 << 40); !stop.Load(); i++ {
				_ = m.Put(uint64(5), [3]uint64{i, i, i})
			}
		})
		wg.Go(func() {
			for !stop.Load() {
				var v [3]uint64
				if err := m.Lookup(uint64(5), &v); err != nil || v[0] != v[1] || v[1] != v[2] {
					t.Error(v, err)
					return
				}
			}
		})
		wg.Wait()
	}
}
