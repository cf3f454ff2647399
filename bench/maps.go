// Implements the table of maps: what an operation takes in a program, in the kernel, and in Go.

package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/spec"
)

// mapKeys is how many keys there are, from 1 up; a run does its operation on each of them once.
const mapKeys = 1000

// mapOp is what is done with a key.
type mapOp int

const (
	opLookup mapOp = iota
	opUpdate
	opRenew // delete and insert
)

type mapRow struct {
	name string
	typ  spec.MapType
	key  uint32
	op   mapOp
}

var mapRows = []mapRow{
	{"array lookup", spec.Array, 4, opLookup},
	{"percpu_array lookup", spec.PerCPUArray, 4, opLookup},
	{"hash lookup, 4-byte keys", spec.Hash, 4, opLookup},
	{"hash lookup, 16-byte keys", spec.Hash, 16, opLookup},
	{"percpu_hash lookup", spec.PerCPUHash, 4, opLookup},
	{"lru_hash lookup", spec.LRUHash, 4, opLookup},
	{"array update", spec.Array, 4, opUpdate},
	{"hash update, 4-byte keys", spec.Hash, 4, opUpdate},
	{"hash update, 16-byte keys", spec.Hash, 16, opUpdate},
	{"percpu_hash update", spec.PerCPUHash, 4, opUpdate},
	{"lru_hash update", spec.LRUHash, 4, opUpdate},
	{"hash delete and insert", spec.Hash, 4, opRenew},
	{"lru_hash delete and insert", spec.LRUHash, 4, opRenew},
}

// mapColumns are the contenders of a row.
var mapColumns = []struct {
	head string
	load func(*mapRow) (*callers, lap, error) // callers, or the kernel's own clock
}{
	{"JIT", mapProgram(checked)},
	{"trusted", mapProgram(trusted)},
	{"interpreter", mapProgram(&skep.Options{Engine: skep.EngineInterp})},
	{"kernel", mapKernel},
	{"Go API", mapGoAPI},
	{"Go map", goMap},
	{"Go map, RWMutex", goMapLocked},
}

func mapTable(rounds int, sel *selection) error {
	var t *table
	missing := map[string]bool{}
	for i := range mapRows {
		row := &mapRows[i]
		if !sel.wants("maps", row.name) {
			continue
		}
		numbers, noise, err := mapRace(rounds, row, missing)
		if err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
		if t == nil {
			t = newTable(fmt.Sprintf("maps: nanoseconds an operation, on %d keys in turn, values of 8 bytes. Programs and the kernel do it in a loop of\n"+
				"a program, less the same loop without it; look-ups read the value. Go API is Lookup, Put and Delete of package bpfmap.", mapKeys),
				"operation", mapHeads(), []ratio{{0, 3}, {0, 5}, {4, 5}})
		}
		t.row(row.name, numbers, noise)
	}
	if t == nil {
		return nil
	}
	if err := t.end(); err != nil {
		return err
	}
	for m := range missing {
		fmt.Println("missing:", m)
	}
	return nil
}

func mapHeads() (out []column) {
	for _, c := range mapColumns {
		out = append(out, column{c.head, "%.2f", false})
	}
	return out
}

// mapRace times a row.
func mapRace(rounds int, row *mapRow, missing map[string]bool) (numbers []float64, noise float64, err error) {
	n := len(mapColumns)
	laps := make([]lap, 2*n)
	for i, c := range mapColumns {
		calls, own, err := c.load(row)
		switch {
		case err != nil:
			missing[fmt.Sprintf("%s: %v", c.head, err)] = true
		case own != nil:
			laps[i] = own
		default:
			laps[i] = batches(calls.run)
			if calls.loop != nil {
				laps[n+i] = batches(calls.loop)
			}
		}
	}
	least, noises, err := race(rounds, laps)
	if err != nil {
		return nil, 0, err
	}
	for i := range n {
		v := least[i]
		if loop := least[n+i]; !math.IsNaN(loop) {
			v -= loop
		}
		numbers = append(numbers, v/mapKeys)
		if !math.IsNaN(noises[i]) {
			noise = max(noise, noises[i])
		}
	}
	return numbers, noise, nil
}

func (r *mapRow) def() spec.Map {
	m := spec.Map{Name: "m", Type: r.typ, KeySize: r.key, ValueSize: 8, MaxEntries: 1024}
	for k := range uint64(mapKeys) {
		e := spec.MapEntry{Key: make([]byte, max(r.key, 8)), Value: binary.LittleEndian.AppendUint64(nil, k+1)}
		binary.LittleEndian.PutUint64(e.Key, k+1)
		e.Key = e.Key[:r.key]
		m.Contents = append(m.Contents, e)
	}
	return m
}

// program returns the loop, with the operation or without.
func (r *mapRow) program(without bool) (*spec.Program, error) {
	const lookup = `
			r1 = map[m]
			r2 = r10
			r2 += -16
			call map_lookup_elem
			if r0 == 0 goto none
			r0 = *(u64 *)(r0 + 0)
			r7 += r0
		none:`
	const update = `
			*(u64 *)(r10 - 24) = r6
			r1 = map[m]
			r2 = r10
			r2 += -16
			r3 = r10
			r3 += -24
			r4 = 0
			call map_update_elem
			r7 += r6`
	const remove = `
			r1 = map[m]
			r2 = r10
			r2 += -16
			call map_delete_elem`
	body := []string{lookup, update, remove + update}[r.op]
	if without {
		body = "r7 += r6"
	}
	p, err := asm.Assemble("maps", fmt.Sprintf(`
			r6 = %d
			r7 = 0
			*(u64 *)(r10 - 8) = r7
			*(u64 *)(r10 - 16) = r7
		again:
			*(u64 *)(r10 - 16) = r6
			%s
			r6 -= 1
			if r6 != 0 goto again
			r0 = r7
			exit
		`, mapKeys, body), &asm.Options{Helper: helper.ID})
	if err == nil {
		p.Name, p.License = "p", "GPL"
	}
	return p, err
}

// mapSum is what the loop computes.
const mapSum = mapKeys * (mapKeys + 1) / 2

func mapProgram(opts *skep.Options) func(*mapRow) (*callers, lap, error) {
	return func(r *mapRow) (*callers, lap, error) {
		c := &callers{}
		for i, run := range []*func(int){&c.run, &c.loop} {
			p, err := r.program(i == 1)
			if err != nil {
				return nil, nil, err
			}
			coll, err := skep.NewCollectionWithOptions(&spec.Collection{Programs: []spec.Program{*p}, Maps: []spec.Map{r.def()}},
				&skep.CollectionOptions{Programs: *opts})
			if err != nil {
				return nil, nil, err
			}
			inst := coll.Programs["p"].NewInstance()
			if r0, err := inst.Run(nil); err != nil || r0 != mapSum {
				return nil, nil, fmt.Errorf("the loop gives %d, not %d (%v)", r0, mapSum, err)
			}
			*run = func(n int) {
				for range n {
					inst.Run(nil)
				}
			}
		}
		return c, nil, nil
	}
}

// mapKernel is timed by the kernel's own clock.
func mapKernel(r *mapRow) (*callers, lap, error) {
	if err := kernel.Available(); err != nil {
		return nil, nil, err
	}
	var progs [2]*kernel.Program
	for i := range progs {
		p, err := r.program(i == 1)
		if err != nil {
			return nil, nil, err
		}
		p.Type = spec.XDP
		if progs[i], err = kernel.Load(p, []spec.Map{r.def()}, nil); err != nil {
			return nil, nil, err
		}
	}
	packet := make([]byte, 64)
	return nil, func() (float64, error) {
		var least [2]time.Duration
		for i, p := range progs {
			for range 3 {
				res, err := p.Run(packet, nil, 20)
				if err != nil {
					return 0, err
				}
				if res.Retval != mapSum {
					return 0, fmt.Errorf("the kernel's loop gives %d, not %d", res.Retval, mapSum)
				}
				if least[i] == 0 || res.Duration < least[i] {
					least[i] = res.Duration
				}
			}
		}
		return float64(least[0] - least[1]), nil
	}, nil
}

// mapGoAPI uses the map as Go code does.
func mapGoAPI(r *mapRow) (*callers, lap, error) {
	def := r.def()
	m, err := bpfmap.New(&def, nil)
	if err != nil {
		return nil, nil, err
	}
	key := new([16]byte)
	k, short := key[:r.key], new(uint32)
	arg := func(i uint64) any {
		if r.key == 4 {
			*short = uint32(i)
			return short
		}
		binary.LittleEndian.PutUint64(k, i)
		return key
	}
	var one uint64
	var value, out any = &one, &one
	if m.CPUs() > 0 && (r.typ == spec.PerCPUArray || r.typ == spec.PerCPUHash) {
		all := make([]uint64, m.CPUs())
		value, out = all, all
	}
	do := func(i uint64) error {
		switch r.op {
		case opLookup:
			return m.Lookup(arg(i), out)
		case opRenew:
			if err := m.Delete(arg(i)); err != nil {
				return err
			}
		}
		return m.Put(arg(i), value)
	}
	if err := do(1); err != nil {
		return nil, nil, err
	}
	return &callers{run: func(n int) {
		for range n {
			for i := range uint64(mapKeys) {
				do(i + 1)
			}
		}
	}}, nil, nil
}

type longKey [16]byte

// goMap is a Go map, which one goroutine may use.
func goMap(r *mapRow) (*callers, lap, error) {
	if r.key == 4 {
		return goMapOf(r, func(i uint32) uint32 { return i }), nil, nil
	}
	return goMapOf(r, goLongKey), nil, nil
}

func goLongKey(i uint32) (k longKey) {
	binary.LittleEndian.PutUint64(k[:], uint64(i))
	return k
}

func goMapOf[K comparable](r *mapRow, key func(uint32) K) *callers {
	m := map[K]uint64{}
	for i := range uint32(mapKeys) {
		m[key(i+1)] = uint64(i + 1)
	}
	return &callers{run: func(n int) {
		sum := uint64(0)
		defer func() { runtime.KeepAlive(sum) }()
		for range n {
			for i := range uint32(mapKeys) {
				switch r.op {
				case opLookup:
					sum += m[key(i+1)]
				case opRenew:
					delete(m, key(i+1))
					fallthrough
				default:
					m[key(i+1)] = uint64(n)
				}
			}
		}
	}}
}

// goMapLocked is a Go map that many goroutines may use.
func goMapLocked(r *mapRow) (*callers, lap, error) {
	if r.key == 4 {
		return goMapLockedOf(r, func(i uint32) uint32 { return i }), nil, nil
	}
	return goMapLockedOf(r, goLongKey), nil, nil
}

func goMapLockedOf[K comparable](r *mapRow, key func(uint32) K) *callers {
	var mu sync.RWMutex
	m := map[K]uint64{}
	for i := range uint32(mapKeys) {
		m[key(i+1)] = uint64(i + 1)
	}
	return &callers{run: func(n int) {
		sum := uint64(0)
		defer func() { runtime.KeepAlive(sum) }()
		for range n {
			for i := range uint32(mapKeys) {
				switch r.op {
				case opLookup:
					mu.RLock()
					sum += m[key(i+1)]
					mu.RUnlock()
				case opRenew:
					mu.Lock()
					delete(m, key(i+1))
					mu.Unlock()
					fallthrough
				default:
					mu.Lock()
					m[key(i+1)] = uint64(n)
					mu.Unlock()
				}
			}
		}
	}}
}
