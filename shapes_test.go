package skep_test

import (
	"testing"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// TestLoadOfUnusualShapes loads programs that are made to be slow to compile.
func TestLoadOfUnusualShapes(t *testing.T) {
	// Functions that each call the one before, so that depths are found out against the order.
	var chain []isa.Instruction
	const functions = 20000
	chain = append(chain, isa.CallLocal.Make(0, 0, 0, 2*functions-1), isa.Exit.Make(0, 0, 0, 0))
	chain = append(chain, isa.Mov64Imm.Make(isa.R0, 0, 0, 1), isa.Exit.Make(0, 0, 0, 0))
	for range functions - 1 {
		chain = append(chain, isa.CallLocal.Make(0, 0, 0, -3), isa.Exit.Make(0, 0, 0, 0))
	}
	// Packet loads that go ever further, each skipped on one path.
	var ladder []isa.Instruction
	ladder = append(ladder, isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0), isa.Mov64Imm.Make(isa.R0, 0, 0, 0))
	for i := range int32(20000) {
		ladder = append(ladder, isa.JEq64Imm.Make(isa.R0, 0, 1, i), isa.LdAbs8.Make(0, 0, 0, i))
	}
	ladder = append(ladder, isa.Exit.Make(0, 0, 0, 0))
	for name, p := range map[string]*spec.Program{
		"chain":  {Insns: chain},
		"ladder": {Insns: ladder, Type: spec.SocketFilter},
	} {
		start := time.Now()
		if _, err := skep.Load(p, &skep.Options{Unverified: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: loading took %v", name, took)
		} else {
			t.Logf("%s: %d instructions in %v", name, len(p.Insns), took)
		}
	}
}
