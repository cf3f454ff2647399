// Implements the test of soundness: what is accepted runs in the checking interpreter without a fault, and without
// checks does the same.

package verify_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// TestMissionS33Soundness runs accepted random programs on random inputs. SKEP_SOUND=N asks for N accepted programs.
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
	accepted, tried, runs, compared := 0, 0, 0, 0
	for accepted < want {
		typ := verify.GenTypes[rng.IntN(len(verify.GenTypes))]
		p, maps := verify.Generate(rng, typ, 3+rng.IntN(15), false)
		for n := range 4 {
			if n > 0 {
				q := *p
				q.Insns = slices.Clone(p.Insns)
				verify.Mutate(rng, &q)
				p = &q
			}
			tried++
			// A small limit: what is refused for being too complex is not wanted here.
			if _, err := skep.Verify(p, maps, &skep.VerifyOptions{Limit: 20_000}); err != nil {
				continue
			}
			accepted++
			n, twice := runSafely(t, rng, p, maps)
			runs, compared = runs+n, compared+twice
		}
	}
	t.Logf("%d programs, %d accepted, %d runs without a fault, %d of them compared with code without checks", tried, accepted, runs, compared)
	if compared == 0 && runtime.GOOS == "linux" && runtime.GOARCH == "amd64" {
		t.Error("nothing ran without checks")
	}
}

// still is a world in which nothing happens, so that runs are alike.
var still = &helper.Env{Now: func() uint64 { return 1 << 40 }, Random: func() uint32 { return 4 }, CPU: func() uint32 { return 0 }}

// runSafely runs a program on some inputs, and fails if anything goes wrong. Where the program runs without checks and
// shows no addresses, it does so as well, and must do the same.
func runSafely(t *testing.T, rng *rand.Rand, p *spec.Program, maps []spec.Map) (runs, compared int) {
	c := &spec.Collection{Programs: []spec.Program{*p}}
	for _, m := range maps {
		if slices.ContainsFunc(p.Maps, func(r spec.MapRef) bool { return r.Map == m.Name }) {
			c.Maps = append(c.Maps, m)
		}
	}
	fail := func(what string, err error) {
		text, _ := json.Marshal(&spec.Collection{Programs: []spec.Program{*p}, Maps: maps})
		name := filepath.Join(os.TempDir(), "skep-unsound.json")
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Error(err)
		}
		t.Fatalf("%s: %s: %v", name, what, err)
	}
	live, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Engine: skep.EngineInterp, ZeroUninitialized: true, Unverified: true, Env: still}})
	if err != nil {
		if errors.Is(err, skep.ErrNotSupported) {
			return 0, 0
		}
		fail("load", err)
	}
	defer live.Close()
	proved := provedTwin(c, p, maps)
	row := progtype.Find(p.Type)
	loops := slices.ContainsFunc(p.Insns, func(in isa.Instruction) bool { return in.Code == 0x18 && in.Src() == 4 || in.Code == 0xe5 })
	for range 4 {
		opts := &skep.RunOptions{Data: randomBytes(rng, 14+rng.IntN(100)), Limit: 1_000_000}
		if row.Given != nil {
			opts.Context = randomBytes(rng, row.Given.Size)
		}
		opts.DataOut = []byte{}
		r, err := live.Programs[p.Name].RunContext(t.Context(), opts)
		if errors.Is(err, skep.ErrLimit) && loops {
			return runs, compared // what the maps hold now, the twin's do not
		}
		if err != nil {
			fail("run", err)
		}
		runs++
		if proved == nil {
			continue
		}
		again := &skep.RunOptions{Data: opts.Data, Context: opts.Context, DataOut: []byte{}}
		switch r2, err := proved.Programs[p.Name].RunContext(t.Context(), again); {
		case err != nil:
			fail("run without checks", err)
		case r2.R0 != r.R0 || !bytes.Equal(again.DataOut, opts.DataOut):
			fail("run without checks", fmt.Errorf("R0 is %#x, not %#x, and the data %x, not %x", r2.R0, r.R0, again.DataOut, opts.DataOut))
		}
		compared++
		for name, m := range live.Maps {
			if got, want := contents(proved.Maps[name]), contents(m); got != want {
				fail("run without checks", fmt.Errorf("map %s is %s, not %s", name, got, want))
			}
		}
	}
	return runs, compared
}

// provedTwin loads the collection once more, with the program proved and without checks, or returns nil.
func provedTwin(c *spec.Collection, p *spec.Program, maps []spec.Map) *skep.Collection {
	if _, err := skep.Verify(p, maps, &skep.VerifyOptions{Limit: 20_000, Strict: true}); err != nil {
		return nil
	}
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

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+7)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return b[:n]
}
