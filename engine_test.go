package skep_test

import (
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/enginetest"
)

// suiteHelpers are the helpers that the public conformance suite expects, in the form of Options.Helpers.
func suiteHelpers() []helper.Helper {
	var out []helper.Helper
	for _, h := range enginetest.Helpers {
		out = append(out, helper.Helper{ID: h.ID, Name: h.Name, Func: func(c *helper.Call, r1, r2, r3, r4, r5 uint64) (uint64, error) {
			return h.Func(c, r1, r2, r3, r4, r5)
		}})
	}
	return out
}

// runner runs vectors on an engine.
func runner(engine skep.Engine) enginetest.Runner {
	helpers := suiteHelpers()
	return func(t testing.TB, v enginetest.Vector) (uint64, error) {
		prog, err := skep.Load(v.Program, &skep.Options{Engine: engine, Helpers: helpers})
		if err != nil {
			return 0, err
		}
		r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: v.Mem, Limit: 1 << 27})
		return r.R0, err
	}
}

func TestInterpreter(t *testing.T) {
	enginetest.Run(t, runner(skep.EngineInterp))
}
