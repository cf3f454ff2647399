package skep_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/enginetest"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/spec"
)

// counts is what a differential run has compared.
type counts struct {
	programs atomic.Int64 // run on the engines and the reference machine
	trusted  atomic.Int64 // and as trusted code
	kernel   atomic.Int64 // and in the kernel
	refused  atomic.Int64 // refused by the kernel's verifier
	unfit    atomic.Int64 // on a packet that the kernel does not test with: it wants IP headers whole
}

// differ runs one random program everywhere and returns the first difference.
func differ(t testing.TB, seed1, seed2 uint64, c *counts) error {
	rng := rand.New(rand.NewPCG(seed1, seed2))
	o := enginetest.Options{Kernel: rng.IntN(4) > 0, Mem: 8 * rng.IntN(9), Size: 8 + rng.IntN(60)}
	o.Packet = rng.IntN(8) == 0
	v, err := enginetest.RandomVector(rng, o)
	if err != nil {
		return fmt.Errorf("reference machine: %w", err)
	}
	c.programs.Add(1)
	for _, e := range engines {
		for _, loose := range []bool{false, true} {
			prog, err := skep.Load(v.Program, &skep.Options{Engine: e, Unverified: true, ZeroUninitialized: loose})
			if err != nil {
				return err
			}
			r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem})
			if err := v.Check(r.R0, err); err != nil {
				return fmt.Errorf("%s: %w", e, err)
			}
			// Once more with the limit that is just enough, which takes the careful path at the end.
			if _, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem, Limit: r.Insns}); err != nil {
				return fmt.Errorf("%s: with a limit of %d: %w", e, r.Insns, err)
			}
			short, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem, Limit: r.Insns - 1})
			if !errors.Is(err, skep.ErrLimit) || short.Insns != r.Insns-1 {
				return fmt.Errorf("%s: with a limit of %d: %v after %d", e, r.Insns-1, err, short.Insns)
			}
		}
	}
	if err := differTrusted(t, v, c); err != nil {
		return err
	}
	if !o.Kernel || kernel.Judge() != nil {
		return nil
	}
	var r0 uint64
	if v.Program.Type == spec.Unspec {
		r0, _, err = kernel.RunFunc(v.Program.Insns, v.Mem)
	} else {
		var low uint32
		low, err = kernel.RunSocketFilter(v.Program.Insns, v.Mem)
		r0 = uint64(low)
	}
	if refusal := (*kernel.VerifierError)(nil); errors.As(err, &refusal) {
		c.refused.Add(1)
		return nil
	}
	if v.Program.Type != spec.Unspec && errors.Is(err, syscall.EINVAL) {
		c.unfit.Add(1)
		return nil
	}
	c.kernel.Add(1)
	if err := v.Check(r0, err); err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	return nil
}

// differTrusted runs a vector as trusted code, for the reference machine has seen that it does nothing wrong.
func differTrusted(t testing.TB, v enginetest.Vector, c *counts) error {
	prog, err := skep.Load(v.Program, &skep.Options{UnsafeTrust: true})
	if err != nil {
		return err
	}
	if !isTrusted(prog) {
		return nil
	}
	c.trusted.Add(1)
	r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem})
	if err := v.Check(r.R0, err); err != nil {
		return fmt.Errorf("trusted: %w", err)
	}
	return nil
}

// TestDifferential compares engines, reference machine and, where permitted, the kernel on random programs,
// for a second or as long as SKEP_DIFFERENTIAL says ("20m").
func TestDifferential(t *testing.T) {
	length := time.Second
	if s := os.Getenv("SKEP_DIFFERENTIAL"); s != "" {
		var err error
		if length, err = time.ParseDuration(s); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	base := uint64(start.UnixNano())
	var c counts
	var wg sync.WaitGroup
	for g := range uint64(2) {
		wg.Go(func() {
			for n := g; time.Since(start) < length && !t.Failed(); n += 2 {
				if err := differ(t, base, n, &c); err != nil {
					t.Errorf("seeds %d, %d: %v", base, n, err)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d programs, %d of them trusted, %d in the kernel as well, %d refused there, %d with packets it does not take, in %v",
		c.programs.Load(), c.trusted.Load(), c.kernel.Load(), c.refused.Load(), c.unfit.Load(), time.Since(start).Round(time.Second))
}

// FuzzDifferential is TestDifferential driven by the fuzzer.
func FuzzDifferential(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	var c counts
	f.Fuzz(func(t *testing.T, seed1, seed2 uint64) {
		if err := differ(t, seed1, seed2, &c); err != nil {
			t.Error(err)
		}
	})
}
