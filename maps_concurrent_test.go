package skep_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/bpfmap/ringbuf"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// keyedText updates, looks up, changes in place, deletes: all with the key in the first 8 bytes of its memory.
const keyedText = `
	r6 = *(u64 *)(r1 + 0)
	*(u64 *)(r10 - 8) = r6
	*(u64 *)(r10 - 16) = r6
	r1 = map[m]
	r2 = r10
	r2 += -8
	r3 = r10
	r3 += -16
	r4 = 0
	call map_update_elem
	r1 = map[m]
	r2 = r10
	r2 += -8
	call map_lookup_elem
	if r0 == 0 goto none
	r1 = 1
	lock *(u64 *)(r0 + 0) += r1
	r2 = *(u64 *)(r0 + 0)
	*(u32 *)(r0 + 0) = r2
none:
	if r6 & 1 goto out
	r1 = map[m]
	r2 = r10
	r2 += -8
	call map_delete_elem
out:
	r0 = 0
	exit`

// pushedText pushes, peeks and pops.
const pushedText = `
	r6 = *(u64 *)(r1 + 0)
	*(u64 *)(r10 - 8) = r6
	r1 = map[m]
	r2 = r10
	r2 += -8
	r3 = 2
	call map_push_elem
	r1 = map[m]
	r2 = r10
	r2 += -8
	call map_peek_elem
	r1 = map[m]
	r2 = r10
	r2 += -8
	call map_pop_elem
	r0 = 0
	exit`

// filteredText puts into a bloom filter and asks it.
const filteredText = `
	r6 = *(u64 *)(r1 + 0)
	*(u64 *)(r10 - 8) = r6
	r1 = map[m]
	r2 = r10
	r2 += -8
	r3 = 0
	call map_push_elem
	r1 = map[m]
	r2 = r10
	r2 += -8
	call map_peek_elem
	exit`

// function makes a collection of one plain function, p, over memory.
func function(t testing.TB, opts *skep.CollectionOptions, m spec.Map, text string) *skep.Collection {
	t.Helper()
	p, err := asm.Assemble("p", text, &asm.Options{Helper: helper.ID})
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

// TestMapsAmidPrograms uses maps from programs on both engines and from Go code in every way, all at once, and then
// checks that the maps are whole. It means most with the race detector.
func TestMapsAmidPrograms(t *testing.T) {
	var arrayKeys, hashKeys, trieKeys [][]byte
	for i := range uint64(12) {
		hashKeys = append(hashKeys, binary.LittleEndian.AppendUint64(nil, i))
		arrayKeys = append(arrayKeys, binary.LittleEndian.AppendUint32(nil, uint32(i)))
		trieKeys = append(trieKeys, binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(3*i)), 0x1234567))
	}
	for _, c := range []struct {
		def  spec.Map
		keys [][]byte
		text string
	}{
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 10}, arrayKeys, keyedText},
		{spec.Map{Type: spec.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 10}, arrayKeys, keyedText},
		{spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 10}, hashKeys, keyedText},
		{spec.Map{Type: spec.Hash, KeySize: 8, ValueSize: 8, MaxEntries: 100, Flags: 1}, hashKeys, keyedText},
		{spec.Map{Type: spec.PerCPUHash, KeySize: 8, ValueSize: 8, MaxEntries: 10}, hashKeys, keyedText},
		{spec.Map{Type: spec.LRUHash, KeySize: 8, ValueSize: 8, MaxEntries: 5}, hashKeys, keyedText},
		{spec.Map{Type: spec.LRUPerCPUHash, KeySize: 8, ValueSize: 8, MaxEntries: 5}, hashKeys, keyedText},
		{spec.Map{Type: spec.LPMTrie, KeySize: 8, ValueSize: 8, MaxEntries: 20, Flags: 1}, trieKeys, keyedText},
		{spec.Map{Type: spec.Queue, ValueSize: 8, MaxEntries: 10}, nil, pushedText},
		{spec.Map{Type: spec.Stack, ValueSize: 8, MaxEntries: 10}, nil, pushedText},
		{spec.Map{Type: spec.BloomFilter, ValueSize: 8, MaxEntries: 10}, nil, filteredText},
	} {
		t.Run(fmt.Sprint(c.def.Type, c.def.MaxEntries), func(t *testing.T) {
			bothEngines(func(engine skep.Engine, name string) {
				c.def.Name = "m"
				coll := function(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}, Maps: bpfmap.Options{CPUs: 2}}, c.def, c.text)
				d := &maptest.Def{Map: c.def, CPUs: 2, Keys: c.keys}
				others := make([]func(*rand.Rand), 3)
				for i := range others {
					inst := coll.Programs["p"].NewInstance()
					others[i] = func(r *rand.Rand) {
						packet := make([]byte, 64)
						if len(c.keys) > 0 {
							copy(packet, c.keys[r.IntN(len(c.keys))])
						}
						if _, err := inst.Run(packet); err != nil {
							t.Errorf("%s: %v", name, err)
						}
					}
				}
				d.ConcurrentOn(t, coll.Maps["m"], 300, others...)
			})
		})
	}
}

// TestRingAmidPrograms has programs reserve, discard, submit and output in a ring buffer that goes round many
// times, and checks that every record arrives whole and in order.
func TestRingAmidPrograms(t *testing.T) {
	const text = `
		r6 = *(u64 *)(r1 + 0)
		r1 = map[m]
		r2 = 40
		r3 = 0
		call ringbuf_reserve
		if r0 == 0 goto full
		*(u64 *)(r0 + 32) = r6
		r1 = r0
		r2 = 0
		call ringbuf_discard
		r1 = map[m]
		r2 = 40
		r3 = 0
		call ringbuf_reserve
		if r0 == 0 goto full
		*(u64 *)(r0 + 0) = r6
		*(u64 *)(r0 + 8) = r6
		*(u64 *)(r0 + 16) = r6
		*(u64 *)(r0 + 24) = r6
		*(u64 *)(r0 + 32) = r6
		r1 = r0
		r2 = 0
		call ringbuf_submit
		r0 = 1
		exit
	full:
		r0 = 0
		exit`
	bothEngines(func(engine skep.Engine, name string) {
		c := function(t, &skep.CollectionOptions{Programs: skep.Options{Engine: engine}},
			spec.Map{Name: "m", Type: spec.RingBuf, MaxEntries: 4096}, text)
		const writers = 3
		records := uint64(5000)
		if testing.Short() {
			records = 1000
		}
		var failed atomic.Bool
		for w := range uint64(writers) {
			go func() {
				inst := c.Programs["p"].NewInstance()
				packet := make([]byte, 64)
				for n := uint64(0); n < records && !failed.Load(); {
					binary.LittleEndian.PutUint64(packet, w<<32|n)
					r0, err := inst.Run(packet)
					if err != nil {
						t.Errorf("%s: %v", name, err)
						failed.Store(true)
					}
					n += r0
				}
			}()
		}
		r, err := ringbuf.NewReader(c.Maps["m"])
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var next [writers]uint64
		for range writers * records {
			rec, err := r.Read()
			if err != nil || failed.Load() {
				t.Fatal(err)
			}
			v := binary.LittleEndian.Uint64(rec.RawSample)
			for i := 0; i < 40; i += 8 {
				if binary.LittleEndian.Uint64(rec.RawSample[i:]) != v {
					t.Fatalf("%s: torn record %x", name, rec.RawSample)
				}
			}
			if w := v >> 32; w >= writers || next[w] != v&0xffffffff {
				t.Fatalf("%s: record %x after %v", name, v, next)
			} else {
				next[w]++
			}
		}
	})
}
