package verify

import (
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Generate, Mutate and GenTypes are for the tests that run programs.
func Generate(rng *rand.Rand, t spec.ProgramType, size int) (*spec.Program, []spec.Map) {
	return generate(rng, genOptions{typ: t, size: size})
}

// GenerateStrict is Generate for programs that let no address become visible.
func GenerateStrict(rng *rand.Rand, t spec.ProgramType, size int) (*spec.Program, []spec.Map) {
	return generate(rng, genOptions{typ: t, size: size, strict: true})
}

func Mutate(rng *rand.Rand, p *spec.Program) { mutate(rng, p) }

var GenTypes = genTypes

// Case is a case of a file, for the tests that run programs.
type Case struct {
	Name, Code string
	Program    *spec.Program
	Strict     bool
	Profile    isa.Profile
}

// Cases reads the cases of a file, and the maps that they can refer to.
func Cases(t *testing.T, file string) (out []Case, maps []spec.Map) {
	for _, c := range readCases(t, file) {
		out = append(out, Case{c.name, c.code, c.program(t), c.strict, c.profile})
	}
	return out, caseMaps
}
