// Implements the tests of examples: inputs that show what programs are refused for.

package verify_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/spec"
)

// shown runs an example on an engine again, and fails if that does not go wrong at the same place.
func shown(t *testing.T, x *skep.Example, p *spec.Program, maps []spec.Map, engine skep.Engine) (ran bool) {
	t.Helper()
	if engine == skep.EngineJIT && strings.Contains(x.Fault, "never written") {
		return false // machine code does not watch that
	}
	_, err := x.Run(p, maps, &skep.Options{Engine: engine})
	var f *skep.Fault
	var m *skep.MisuseError
	switch {
	case engine == skep.EngineJIT && errors.Is(err, skep.ErrNotSupported):
		return false
	case errors.As(err, &f) && f.Insn == x.Insn, errors.As(err, &m), errors.Is(err, skep.ErrLimit):
		return true
	}
	t.Errorf("%s: engine %v: %v; on the interpreter, instruction %d: %s", p.Name, engine, err, x.Insn, x.Fault)
	return true
}

// TestExamplesOfErrors searches for an example for each case of errors.bpf.
func TestExamplesOfErrors(t *testing.T) {
	long := time.Second
	if testing.Short() {
		long = 200 * time.Millisecond
	}
	found, all := 0, 0
	cases, maps := verify.Cases(t, "testdata/errors.bpf")
	for _, c := range cases {
		p := c.Program
		all++
		start := time.Now()
		x, err := skep.FindExample(p, maps, &skep.ExampleOptions{Verify: &skep.VerifyOptions{Strict: c.Strict, Profile: c.Profile}, Time: long})
		took := time.Since(start).Round(time.Millisecond)
		if err != nil {
			t.Logf("%v %s (%s): %v", took, c.Name, c.Code, err)
			continue
		}
		found++
		t.Logf("%v %s (%s): instruction %d: %s", took, c.Name, c.Code, x.Insn, x.Fault)
		shown(t, x, p, maps, skep.EngineInterp)
		shown(t, x, p, maps, skep.EngineJIT)
	}
	t.Logf("%d of %d cases have an example", found, all)
	if found < 36 {
		t.Errorf("%d examples, and there were 36", found)
	}
}

// TestExamplesOfGenerated searches for examples for generated programs that are refused. SKEP_EXAMPLES=N asks for N of them.
func TestExamplesOfGenerated(t *testing.T) {
	want := 60
	if testing.Short() {
		want = 15
	}
	if s := os.Getenv("SKEP_EXAMPLES"); s != "" {
		want, _ = strconv.Atoi(s)
	}
	rng := rand.New(rand.NewPCG(7, 1))
	type tally struct{ found, all int }
	codes := map[string]*tally{}
	found, jit, formal := 0, 0, 0
	for n := 0; n < want; {
		p, maps := verify.Generate(rng, verify.GenTypes[rng.IntN(len(verify.GenTypes))], 3+rng.IntN(15))
		if rng.IntN(2) == 0 {
			p.Insns = slices.Clone(p.Insns)
			verify.Mutate(rng, p)
		}
		opts := &skep.VerifyOptions{Limit: 20_000}
		_, err := skep.Verify(p, maps, opts)
		var e *skep.VerifierError
		if !errors.As(err, &e) {
			continue
		}
		n++
		if codes[e.Code.String()] == nil {
			codes[e.Code.String()] = &tally{}
		}
		codes[e.Code.String()].all++
		x, err := skep.FindExample(p, maps, &skep.ExampleOptions{Verify: opts, Time: 300 * time.Millisecond})
		if err != nil {
			if strings.HasPrefix(err.Error(), "no input shows this") {
				formal++
			}
			continue
		}
		codes[e.Code.String()].found++
		found++
		shown(t, x, p, maps, skep.EngineInterp)
		if shown(t, x, p, maps, skep.EngineJIT) {
			jit++
		}
	}
	for code, n := range codes {
		t.Logf("%s: %d of %d", code, n.found, n.all)
	}
	if 5*found < want-formal {
		t.Errorf("%d of %d refused programs have an example", found, want-formal)
	}
	t.Logf("%d of %d refused programs have an example, %d are of classes that have none; %d were shown on machine code too", found, want, formal, jit)
}
