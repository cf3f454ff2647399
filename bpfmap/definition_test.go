// Implements the tests of definitions: which are refused, and as what.

package bpfmap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/bpfmap/maptest"
	"github.com/skepbpf/skep/spec"
)

// TestDefinitions makes random definitions, most of them wrong, here and in the kernel.
func TestDefinitions(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	rounds := 3000
	if testing.Short() {
		rounds = 600
	}
	defs := []spec.Map{{Type: spec.CGroupStorage, KeySize: 16, ValueSize: 8}, {Type: spec.CGroupStorage, KeySize: 8, ValueSize: 8},
		{Type: spec.PerCPUCGroupStorage, KeySize: 16, ValueSize: 8}, {Type: spec.Arena, MaxEntries: 4, Flags: 1 << 10, Extra: 1<<44 + 1<<20}}
	for i := range kernelDefs {
		defs = append(defs, kernelDefs[i].Map)
	}
	for range rounds {
		def := defs[r.IntN(len(defs))]
		if r.IntN(12) == 0 {
			def = spec.Map{Type: spec.BloomFilter, ValueSize: 8, MaxEntries: 20, Extra: uint64(r.IntN(18))}
		}
		for range r.IntN(3) {
			spoil(&def, r)
		}
		compareDefinition(t, &def)
	}
}

func spoil(def *spec.Map, r *rand.Rand) {
	sizes := []uint32{0, 1, 2, 3, 4, 5, 8, 12, 16, 20, 260, 261, 512, 513, 1016, 1024, 4096, 5000, 1 << 15, 1<<15 + 1, 1 << 16, 1 << 22, 1<<22 + 1, 1 << 31}
	pick := func() uint32 { return sizes[r.IntN(len(sizes))] }
	if def.Type == spec.Arena && r.IntN(4) == 0 {
		def.Flags = 1<<10 | 1<<(14+r.IntN(6))
		def.Extra = []uint64{0, 1, 4096, 1<<32 - 4096, 1<<40 - 8192, 1<<47 - 4096}[r.IntN(6)]
		return
	}
	switch r.IntN(4) {
	case 0:
		def.KeySize = pick()
	case 1:
		def.ValueSize = pick()
	case 2:
		if def.MaxEntries = pick(); def.MaxEntries > 1<<13 && r.IntN(4) != 0 {
			def.MaxEntries = 3
		}
	case 3:
		def.Flags = 1 << r.IntN(14)
		if r.IntN(3) == 0 {
			def.Flags |= 1 << r.IntN(14)
		}
	}
}

// compareDefinition makes a map here and in the kernel. The kernel's out-of-memory is not compared, nor what it
// only makes for sockets of networks with certain capabilities.
func compareDefinition(t *testing.T, def *spec.Map) {
	t.Helper()
	if uint64(def.MaxEntries)*(uint64(def.KeySize)+uint64(def.ValueSize)) > 64<<20 || def.Type == spec.BloomFilter && def.MaxEntries > 1<<20 {
		return
	}
	if def.Flags&(1<<2) != 0 && def.Type != spec.Array { // the node 0 of a NUMA map does not exist everywhere
		return
	}
	k, kernelErr := maptest.NewKernel(t, def)
	if k != nil {
		k.Close()
	}
	_, err := bpfmap.New(def, &bpfmap.Options{CPUs: ebpf.MustPossibleCPU()})
	want, got := maptest.Errno(kernelErr), maptest.Errno(err)
	if want == int(bpfmap.ENOMEM) || want == -1 && got == int(bpfmap.EINVAL) { // -1: refused before the kernel sees it
		return
	}
	if got != want {
		t.Errorf("%+v: got %v, want %v", describe(def), err, kernelErr)
	}
}

func describe(def *spec.Map) string {
	return fmt.Sprintf("%s key %d value %d entries %d flags %#x extra %d", def.Type, def.KeySize, def.ValueSize, def.MaxEntries, def.Flags, def.Extra)
}

// TestRefused checks what is refused here only, and what errors say.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		def  spec.Map
		opts *bpfmap.Options
		want error
	}{
		{spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 1000, MaxEntries: 1 << 30}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 1 << 30, MaxEntries: 1<<32 - 1}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.LPMTrie, KeySize: 8, ValueSize: 4, MaxEntries: 1<<32 - 1, Flags: 1}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.Queue, ValueSize: 1 << 20, MaxEntries: 1<<32 - 1}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1<<32 - 1}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.StackTrace, KeySize: 4, ValueSize: 1016, MaxEntries: 1 << 31}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.RingBuf, MaxEntries: 1 << 31}, nil, bpfmap.ENOMEM},
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1000}, &bpfmap.Options{MaxMemory: 4000}, bpfmap.ENOMEM},
		{spec.Map{Type: spec.StructOpsMap, KeySize: 4, ValueSize: 8, MaxEntries: 2}, nil, bpfmap.EINVAL},
		{spec.Map{Type: spec.Arena, MaxEntries: 1<<20 + 1, Flags: 1 << 10}, nil, bpfmap.E2BIG},
		{spec.Map{Type: spec.Arena, MaxEntries: 4, Flags: 1 << 10, Extra: 1<<32 - 4096}, nil, bpfmap.ERANGE},
		{spec.Map{Type: spec.Arena, MaxEntries: 1, Flags: 1 << 10, Contents: []spec.MapEntry{{Value: make([]byte, 4097)}}}, nil, bpfmap.E2BIG},
		{spec.Map{Type: spec.CGroupStorage, KeySize: 12, ValueSize: 8}, nil, bpfmap.EINVAL},
		{spec.Map{Type: 1000, KeySize: 4, ValueSize: 8, MaxEntries: 1}, nil, bpfmap.EINVAL},
		{spec.Map{Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 1}, nil, bpfmap.EBADF},
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Fields: []spec.MapField{{Kind: spec.SpinLock, Offset: 8}}}, nil, bpfmap.EINVAL},
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Contents: []spec.MapEntry{{Key: []byte{1, 0, 0, 0}, Value: make([]byte, 8)}}}, nil, bpfmap.E2BIG},
		{spec.Map{Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Contents: []spec.MapEntry{{Key: []byte{0, 0, 0}, Value: make([]byte, 8)}}}, nil, bpfmap.EINVAL},
		{spec.Map{Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []spec.MapEntry{{Key: make([]byte, 4), Program: "p"}}}, nil, bpfmap.EBADF},
		{spec.Map{Type: spec.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1, Contents: []spec.MapEntry{{Key: make([]byte, 4), Program: "p"}}}, &bpfmap.Options{Programs: map[string]any{"p": new(int)}}, bpfmap.EINVAL},
	} {
		m, err := bpfmap.New(&c.def, c.opts)
		if m != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", describe(&c.def), err, c.want)
		}
	}
}
