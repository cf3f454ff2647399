// Implements the test of soundness: what is accepted runs in the checking interpreter without a fault.

package verify_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// TestSoundness runs accepted random programs on random inputs. SKEP_SOUND=N asks for N accepted programs.
func TestSoundness(t *testing.T) {
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
	accepted, tried, runs := 0, 0, 0
	for accepted < want {
		typ := verify.GenTypes[rng.IntN(len(verify.GenTypes))]
		p, maps := verify.Generate(rng, typ, 3+rng.IntN(15))
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
			runs += runSafely(t, rng, p, maps)
		}
	}
	t.Logf("%d programs, %d accepted, %d runs without a fault", tried, accepted, runs)
}

// runSafely runs a program on some inputs, and fails if anything goes wrong.
func runSafely(t *testing.T, rng *rand.Rand, p *spec.Program, maps []spec.Map) (runs int) {
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
	live, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: skep.Options{Engine: skep.EngineInterp, ZeroUninitialized: true, Unverified: true}})
	if err != nil {
		if errors.Is(err, skep.ErrNotSupported) {
			return 0
		}
		fail("load", err)
	}
	defer live.Close()
	row := progtype.Find(p.Type)
	loops := slices.ContainsFunc(p.Insns, func(in isa.Instruction) bool { return in.Code == 0x18 && in.Src() == 4 || in.Code == 0xe5 })
	for range 4 {
		opts := &skep.RunOptions{Data: randomBytes(rng, 14+rng.IntN(100)), Limit: 1_000_000}
		if row.Given != nil {
			opts.Context = randomBytes(rng, row.Given.Size)
		}
		_, err := live.Programs[p.Name].Run(opts)
		if errors.Is(err, skep.ErrLimit) && loops {
			continue
		}
		if err != nil {
			fail("run", err)
		}
		runs++
	}
	return runs
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, 0, n+7)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return b[:n]
}
