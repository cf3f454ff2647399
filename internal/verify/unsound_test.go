// Implements tests of programs that proved code once judged otherwise than checked code.

package verify_test

import (
	"testing"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// once are programs that were found by TestMissionS33Soundness.
var once = []struct {
	name, text string
	typ        spec.ProgramType
}{
	{"a part of a message", `r6 = r1
r2 = 0
r3 = 16
r4 = 0
call msg_pull_data
r0 = 1
r8 = *(u64 *)(r6 + 0)
r4 = *(u64 *)(r6 + 8)
r3 = r8
r3 += 34
if r4 < r3 goto out
r0 = *(u8 *)(r8 + 33)
out: exit
`, spec.SkMsg},
	{"bytes beside a small number that is saved", `r0 = 3
*(u8 *)(r10 - 8) = r0
r6 = r1
r1 = 0
r2 = 0
r3 = r10
r3 += -8
r4 = 8
r5 = 0
call csum_diff
*(u64 *)(r10 - 8) = r6
exit
`, spec.XDP},
}

func TestOnceUnsound(t *testing.T) {
	for _, c := range once {
		p, err := asm.Assemble(c.name, c.text, &asm.Options{Helper: helper.ID})
		if err != nil {
			t.Fatal(err)
		}
		p.Name, p.Type, p.License = "once", c.typ, "GPL"
		var results [2][3]uint64
		for n, opts := range []skep.Options{{Unverified: true, Engine: skep.EngineInterp, ZeroUninitialized: true}, {Strict: true}} {
			prog, err := skep.Load(p, &opts)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			for i := range results[n] {
				r, err := prog.RunContext(t.Context(), &skep.RunOptions{Data: make([]byte, 64)})
				if err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				results[n][i] = r.R0
			}
		}
		if results[0] != results[1] {
			t.Errorf("%s: checked code returns %#x, proved code %#x", c.name, results[0], results[1])
		}
	}
}
