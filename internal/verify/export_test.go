package verify

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/spec"
)

// Generate, Mutate and GenTypes are for the tests that run programs.
func Generate(rng *rand.Rand, t spec.ProgramType, size int) (*spec.Program, []spec.Map) {
	return generate(rng, t, size)
}

func Mutate(rng *rand.Rand, p *spec.Program) { mutate(rng, p) }

var GenTypes = genTypes
