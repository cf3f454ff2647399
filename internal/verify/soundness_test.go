// Implements the test of soundness: what is accepted runs in the checking interpreter without a fault, and without
// checks does the same.

package verify_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// TestMissionS33Soundness runs accepted random programs on inputs that are at bounds. SKEP_SOUND=N asks for N accepted
// programs, SKEP_SEED for others.
func TestMissionS33Soundness(t *testing.T) {
	want := 1500
	if testing.Short() {
		want = 300
	}
	if s := os.Getenv("SKEP_SOUND"); s != "" {
		want, _ = strconv.Atoi(s)
	}
	seed := uint64(5)
	if s := os.Getenv("SKEP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	c := soundness{}
	for c.accepted < want {
		typ := verify.GenTypes[rng.IntN(len(verify.GenTypes))]
		strict := rng.IntN(3) > 0
		make := verify.Generate
		if strict {
			make = verify.GenerateStrict
		}
		p, maps := make(rng, typ, 2+rng.IntN(14))
		for n := range 5 {
			q := *p
			q.Insns = slices.Clone(p.Insns)
			if n > 0 {
				verify.Mutate(rng, &q)
			}
			c.tried++
			// A small limit: what is refused for being too complex is not wanted here.
			v, err := skep.Verify(&q, maps, &skep.VerifyOptions{Limit: 5_000, Strict: strict})
			if err != nil {
				continue
			}
			c.accepted++
			c.run(t, rng, &q, maps, strict, v)
			if p = &q; c.accepted%20_000 == 0 {
				t.Log(&c)
			}
		}
	}
	t.Log(&c)
	if c.compared == 0 && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Error("nothing ran without checks")
	}
}

// soundness is what was run so far.
type soundness struct{ tried, accepted, unsupported, runs, bounded, compared, endless int }

func (c *soundness) String() string {
	return fmt.Sprintf("%d programs, %d accepted (%d of them for what does not run here), %d runs without a fault, %d of them held against a bound on instructions, %d compared with code without checks, %d stopped by a limit",
		c.tried, c.accepted, c.unsupported, c.runs, c.bounded, c.compared, c.endless)
}

// still is a world in which nothing happens, so that runs are alike.
var still = &helper.Env{Now: func() uint64 { return 1 << 40 }, Random: func() uint32 { return 4 }, CPU: func() uint32 { return 0 }}

// run runs a program on some inputs, and fails if anything goes wrong. Where the program runs without checks and
// shows no addresses, it does so as well, and must do the same.
func (s *soundness) run(t *testing.T, rng *rand.Rand, p *spec.Program, maps []spec.Map, strict bool, v *skep.Verification) {
	c := &spec.Collection{Programs: []spec.Program{*p}}
	for _, m := range maps {
		if slices.ContainsFunc(p.Maps, func(r spec.MapRef) bool { return r.Map == m.Name }) {
			c.Maps = append(c.Maps, m)
		}
	}
	fail := func(what string, err error) {
		text, _ := json.Marshal(&spec.Collection{Programs: []spec.Program{*p}, Maps: maps})
		name := filepath.Join(os.TempDir(), fmt.Sprintf("skep-unsound-%d.json", os.Getpid()))
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Error(err)
		}
		t.Fatalf("%s: %s: %v", name, what, err)
	}
	live, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Engine: skep.EngineInterp, ZeroUninitialized: true, Unverified: true, Env: still}})
	if err != nil {
		if errors.Is(err, skep.ErrNotSupported) {
			s.unsupported++
			return
		}
		fail("load", err)
	}
	defer live.Close()
	var proved *skep.Collection
	// Bits are read from anywhere, which shows the one and the other what lies beside the program's memory.
	bits := slices.ContainsFunc(p.Calls, func(c spec.CallRef) bool { return c.Helper == "bpf_iter_bits_new" })
	if strict && !bits {
		proved = provedTwin(c, p)
	}
	row := progtype.Find(p.Type)
	for range 4 {
		fillMaps(rng, live, proved)
		opts := &skep.RunOptions{Packet: &spec.Packet{Data: edgeBytes(rng, packetSizes[rng.IntN(len(packetSizes))]), Socket: socket}, Limit: 1_000_000}
		if row.Given != nil {
			opts.Context = edgeBytes(rng, row.Given.Size)
		}
		opts.DataOut = []byte{}
		r, err := live.Programs[p.Name].RunContext(t.Context(), opts)
		if errors.Is(err, skep.ErrLimit) && v.MaxInsns == 0 {
			s.endless++
			return // what the maps hold now, the twin's do not
		}
		if err != nil && strings.Contains(err.Error(), "atomic access") && sliced(p) {
			return // a slice of a dynptr may begin anywhere, which the kernel leaves to the processor
		}
		if err != nil {
			fail("run", err)
		}
		s.runs++
		if v.MaxInsns > 0 {
			if s.bounded++; r.Insns > v.MaxInsns {
				fail("run", fmt.Errorf("%d instructions, and at most %d were proved", r.Insns, v.MaxInsns))
			}
		}
		noneLeft(fail, live)
		if proved == nil {
			continue
		}
		again := &skep.RunOptions{Packet: opts.Packet, Context: opts.Context, DataOut: []byte{}}
		switch r2, err := proved.Programs[p.Name].RunContext(t.Context(), again); {
		case err != nil:
			fail("run without checks", err)
		case r2.R0 != r.R0 || !bytes.Equal(again.DataOut, opts.DataOut):
			fail("run without checks", fmt.Errorf("R0 is %#x, not %#x, and the data %x, not %x", r2.R0, r.R0, again.DataOut, opts.DataOut))
		}
		s.compared++
		noneLeft(fail, proved)
		for name, m := range live.Maps {
			if got, want := contents(proved.Maps[name]), contents(m); got != want {
				fail("run without checks", fmt.Errorf("map %s is %s, not %s", name, got, want))
			}
		}
	}
}

// sliced reports whether a program gets addresses in what a dynptr points to.
func sliced(p *spec.Program) bool {
	data, _ := helper.ID("dynptr_data")
	return slices.ContainsFunc(p.Insns, func(in isa.Instruction) bool { return in == isa.Call.Make(0, 0, 0, data) }) ||
		slices.ContainsFunc(p.Calls, func(c spec.CallRef) bool { return strings.Contains(c.Helper, "slice") })
}

// socket is what packets belong to.
var socket = &spec.Socket{Protocol: 6, Local: netip.MustParseAddrPort("10.0.0.1:80"), Remote: netip.MustParseAddrPort("10.0.0.2:4711")}

var packetSizes = []int{14, 14, 15, 16, 17, 22, 30, 33, 34, 40, 54, 60, 64, 100, 128, 255, 256, 300, 1500}

// fillMaps writes the same values to the maps of both.
func fillMaps(rng *rand.Rand, live, proved *skep.Collection) {
	for _, name := range slices.Sorted(maps.Keys(live.Maps)) {
		m := live.Maps[name]
		switch s := m.Spec(); {
		case s.Flags != 0 || s.Inner != nil || len(s.Fields) > 0:
		case s.Type == spec.Array || s.Type == spec.Hash || s.Type == spec.LRUHash:
			for k := range min(s.MaxEntries, 3) {
				key := binary.LittleEndian.AppendUint32(nil, k)
				key = append(key, make([]byte, s.KeySize-4)...)
				value := edgeBytes(rng, int(s.ValueSize))
				m.Put(key, value)
				if proved != nil {
					proved.Maps[name].Put(key, value)
				}
			}
		}
	}
}

// noneLeft checks that no record of a ring buffer was left reserved.
func noneLeft(fail func(string, error), c *skep.Collection) {
	for name, m := range c.Maps {
		if m.Spec().Type != spec.RingBuf {
			continue
		}
		for {
			if _, _, ok := m.Consume(nil); !ok {
				break
			}
		}
		if n := m.Query(0); n != 0 {
			fail("run", fmt.Errorf("%d bytes of ring buffer %s are reserved after the program has ended", n, name))
		}
	}
}

// provedTwin loads the collection once more, with the program proved and without checks, or returns nil.
func provedTwin(c *spec.Collection, p *spec.Program) *skep.Collection {
	twin, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Strict: true, Env: still}})
	if err != nil {
		return nil
	}
	if _, why := twin.Programs[p.Name].Engine(); why != "machine code without checks, verified" {
		return nil
	}
	return twin
}

// contents writes down what a map holds, in the order of its elements.
func contents(m *bpfmap.Local) string {
	var all []string
	for k, v := range m.All() {
		all = append(all, fmt.Sprintf("%x=%x", k, v))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

// edgeBytes returns bytes of which many are at the bounds of what numbers can be.
func edgeBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+7)
	kind := rng.IntN(4)
	for len(b) < n {
		v := rng.Uint64()
		if kind > 0 && rng.IntN(3) > 0 {
			v = edges[rng.IntN(len(edges))]
		}
		if kind == 2 {
			v &= 0xff00ff00ff00ff
		}
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b[:n]
}

var edges = []uint64{0, 1, 2, 7, 8, 15, 16, 23, 24, 31, 32, 63, 64, 127, 128, 255, 256, 0xffff, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1<<64 - 8,
	0x0101010101010101, 0x8080808080808080, 0x7f7f7f7f7f7f7f7f, 0x0000000100000001}
