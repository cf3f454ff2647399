package skep_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/spec"
)

// TestEngineAndWhy checks which engine runs a program, and what is said about it.
func TestEngineAndWhy(t *testing.T) {
	unset := "if r1 == 0 goto l\nr5 = 1\nl: r0 = r5\nexit"
	recursive := "r0 = 0\ncall f\nexit\nf: if r1 == 0 goto end\nr1 -= 1\ncall f\nend: r0 = 1\nexit"
	for _, c := range []struct {
		text   string
		typ    spec.ProgramType
		opts   skep.Options
		engine skep.Engine // where there is a JIT
		why    string
	}{
		{"r0 = 0\nexit", spec.Unspec, skep.Options{}, skep.EngineJIT, "checks every access"},
		{"r0 = 0\nexit", spec.Unspec, skep.Options{Engine: skep.EngineInterp}, skep.EngineInterp, "asked for"},
		{"r0 = 0\nexit", spec.Unspec, skep.Options{UnsafeTrust: true}, skep.EngineJIT, "without checks"},
		{unset, spec.Unspec, skep.Options{}, skep.EngineInterp, "instruction 2 may read a register without a value"},
		{unset, spec.Unspec, skep.Options{ZeroUninitialized: true}, skep.EngineJIT, "checks every access"},
		{recursive, spec.Unspec, skep.Options{UnsafeTrust: true}, skep.EngineJIT, "cannot be trusted: not supported: trusted code that may call itself"},
		{"r2 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 0)\nexit", spec.XDP, skep.Options{UnsafeTrust: true}, skep.EngineJIT, "packet addresses of 32 bits (xdp_md)"},
	} {
		p := assemble(t, c.text)
		p.Type = c.typ
		prog, err := skep.Load(p, &c.opts)
		if err != nil {
			t.Fatal(err)
		}
		engine, why := prog.Engine()
		if !nativeHost {
			c.engine, c.why = skep.EngineInterp, ""
		}
		if engine != c.engine || !strings.Contains(why, c.why) {
			t.Errorf("%q: %s, %q; want %s, %q", c.text, engine, why, c.engine, c.why)
		}
	}
	_, err := skep.Load(assemble(t, unset), &skep.Options{Engine: skep.EngineJIT})
	if !errors.Is(err, skep.ErrNotSupported) {
		t.Errorf("error %v, want that it is not supported", err)
	}
}

// TestLongRunsLetOthersGo checks that a collection does not wait for a program that never ends.
func TestLongRunsLetOthersGo(t *testing.T) {
	for _, opts := range []skep.Options{{Engine: skep.EngineInterp}, {}, {UnsafeTrust: true}} {
		prog, err := skep.Load(assemble(t, endless), &opts)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := prog.RunContext(ctx, &skep.RunOptions{Limit: skep.NoLimit})
			done <- err
		}()
		start := time.Now()
		for range 20 {
			runtime.GC()
		}
		if took := time.Since(start) / 20; took > 200*time.Millisecond {
			t.Errorf("%+v: a collection took %v", opts, took)
		}
		cancel()
		start = time.Now()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%+v: error %v", opts, err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%+v: took %v to end", opts, took)
		}
	}
}

// TestProfileLabels looks for the label in a CPU profile.
func TestProfileLabels(t *testing.T) {
	p := assemble(t, "r1 = 200000000\nnext: r1 -= 1\nif r1 != 0 goto next\nr0 = 0\nexit")
	p.Name = "a_name_to_find"
	prog, err := skep.Load(p, &skep.Options{ProfileLabels: true})
	if err != nil {
		t.Fatal(err)
	}
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		t.Skip(err)
	}
	for start := time.Now(); err == nil && time.Since(start) < 300*time.Millisecond; {
		_, err = prog.RunContext(t.Context(), nil)
	}
	pprof.StopCPUProfile()
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&profile)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(p.Name)) {
		t.Error("the profile does not name the program")
	}
}

// TestZeroesBesidePins runs a program whose registers all count as read before they are written, on an engine that
// keeps something of its own in those it does not name.
func TestZeroesBesidePins(t *testing.T) {
	p := assemble(t, "r6 = r1\nr7 = 3\ncall 7\nr2 = r3\nnext: r0 = *(u8 *)(r6 + 0)\nr6 += 1\nr7 -= 1\nif r7 != 0 goto next\nr0 += r2\nexit")
	each(t, p, skep.Options{ZeroUninitialized: true}, func(t *testing.T, prog *skep.Program) {
		if r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: []byte{1, 2, 3}}); err != nil || r.R0 != 3 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}
