package skep_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/conformance"
	"github.com/skepbpf/skep/internal/enginetest"
)

// runner runs vectors on an engine.
func runner(engine skep.Engine) enginetest.Runner {
	return func(t testing.TB, v enginetest.Vector) (uint64, error) {
		prog, err := skep.Load(v.Program, &skep.Options{Engine: engine, Unverified: true, Helpers: conformance.Helpers})
		if err != nil {
			return 0, err
		}
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem, Limit: 1 << 27})
		return r.R0, err
	}
}

func TestJIT(t *testing.T) {
	if !nativeHost {
		t.Skip("there is no JIT here")
	}
	enginetest.Run(t, runner(skep.EngineJIT))
}

// TestTrusted runs trusted code. What would fault is not for it: the interpreter goes first, and its errors
// stand.
func TestTrusted(t *testing.T) {
	trusted := 0
	enginetest.Run(t, func(t testing.TB, v enginetest.Vector) (uint64, error) {
		if r0, err := runner(skep.EngineInterp)(t, v); err != nil {
			return r0, err
		}
		prog, err := skep.Load(v.Program, &skep.Options{UnsafeTrust: true, Helpers: conformance.Helpers})
		if err != nil {
			return 0, err
		}
		if isTrusted(prog) {
			trusted++
		}
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem})
		return r.R0, err
	})
	if nativeHost && trusted < 200 {
		t.Errorf("only %d vectors ran trusted", trusted)
	}
}

// nativeHost tells that there is a JIT.
const nativeHost = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"

func isTrusted(prog *skep.Program) bool {
	_, why := prog.Engine()
	return strings.Contains(why, "without checks")
}

func TestInterpreter(t *testing.T) {
	enginetest.Run(t, runner(skep.EngineInterp))
}
