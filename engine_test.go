package skep_test

import (
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/conformance"
	"github.com/skepbpf/skep/internal/enginetest"
)

// runner runs vectors on an engine.
func runner(engine skep.Engine) enginetest.Runner {
	return func(t testing.TB, v enginetest.Vector) (uint64, error) {
		prog, err := skep.Load(v.Program, &skep.Options{Engine: engine, Helpers: conformance.Helpers})
		if err != nil {
			return 0, err
		}
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem, Limit: 1 << 27})
		return r.R0, err
	}
}

func TestJIT(t *testing.T) {
	enginetest.Run(t, runner(skep.EngineJIT))
}

func TestInterpreter(t *testing.T) {
	enginetest.Run(t, runner(skep.EngineInterp))
}
