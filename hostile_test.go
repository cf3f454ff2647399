package skep_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/conformance"
	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// hostile returns a program that nobody should trust: a random one with instructions changed at will, so
// that pointers go astray, loops do not end, and calls lead anywhere.
func hostile(rng *rand.Rand) *spec.Program {
	p := &spec.Program{Insns: enginetest.Generate(rng, enginetest.Options{Mem: 32, Size: 2 + rng.IntN(12), Helpers: true})}
	switch rng.IntN(8) {
	case 0:
		p.Type = spec.SocketFilter
	case 1:
		p.Type = spec.XDP
	case 2:
		p.Type = spec.SchedCLS
	case 3:
		p.Type = spec.Tracepoint
	}
	good := p.Insns
	for range 20 {
		p.Insns = change(rng, good)
		if _, err := ir.Decode(p, ir.Options{}); err == nil {
			break // else try another change: what is not well formed does not run
		}
	}
	return p
}

// change returns a copy of code with some instructions changed.
func change(rng *rand.Rand, code []isa.Instruction) []isa.Instruction {
	b := isa.Encode(code)
	for range 1 + rng.IntN(6) {
		at := rng.IntN(len(b) / 8)
		switch rng.IntN(4) {
		case 0: // one byte
			b[at*8+rng.IntN(8)] = byte(rng.Uint32())
		case 1: // another instruction of the program
			copy(b[at*8:], b[rng.IntN(len(b)/8)*8:][:8])
		case 2: // a wild offset or immediate
			binary.LittleEndian.PutUint16(b[at*8+2:], uint16(rng.Uint32()))
			binary.LittleEndian.PutUint32(b[at*8+4:], rng.Uint32())
		case 3: // another register
			b[at*8+1] = byte(rng.IntN(11) | rng.IntN(11)<<4)
		}
	}
	out, err := isa.Decode(b, binary.LittleEndian)
	if err != nil {
		panic(err) // the length has not changed
	}
	return out
}

// TestHostilePrograms runs programs that nobody should trust on every engine: each ends in a value or an
// error, the same on all. SKEP_HOSTILE says how many.
func TestHostilePrograms(t *testing.T) {
	n := 20_000
	if s := os.Getenv("SKEP_HOSTILE"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	if testing.Short() {
		n = 2000
	}
	outcomes := map[string]int{}
	mem := make([]byte, 32)
	env := &helper.Env{Now: func() uint64 { return 1 }, Random: func() uint32 { return 2 }}
	for seed := range uint64(n) {
		p := hostile(rand.New(rand.NewPCG(seed, 99)))
		var first skep.Result
		var firstErr error
		for k, e := range engines {
			prog, err := skep.Load(p, &skep.Options{Engine: e, Unverified: true, ZeroUninitialized: true, Helpers: conformance.Helpers, Env: env})
			if err != nil {
				outcomes["not loaded"]++
				break
			}
			opts := &skep.RunOptions{Data: mem, DataOut: []byte{}, Limit: 5000}
			r, err := prog.RunContext(t.Context(), opts)
			if k == 0 {
				first, firstErr = r, err
				var f *skep.Fault
				switch {
				case errors.As(err, &f):
					outcomes[f.Code.String()]++
				case errors.Is(err, skep.ErrLimit):
					outcomes["limit"]++
				case err != nil:
					t.Fatalf("seed %d: %v", seed, err)
				default:
					outcomes["value"]++
				}
				continue
			}
			if r.Insns != first.Insns || (err == nil) != (firstErr == nil) || err != nil && err.Error() != firstErr.Error() || err == nil && r.R0 != first.R0 {
				t.Fatalf("seed %d: %s gives %+v, %v; %s %+v, %v\n%s", seed, e, r, err, engines[0], first, firstErr, enginetest.Listing(p.Insns))
			}
		}
	}
	t.Log(outcomes)
}
