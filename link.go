// Implements linking: helpers that are programs themselves become functions of the program that calls them.

package skep

import (
	"fmt"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// link appends to p the helpers with a Program that it calls, those that these call, and so on, each once, and
// turns the calls into local ones. p is changed.
func link(p *spec.Program, helpers *helperSet, set *isa.Set) error {
	at := map[int32]int{} // where each helper begins
	for i := 0; i < len(p.Insns); {
		row, err := set.Lookup(p.Insns, i)
		if err != nil {
			return nil // decoding says it better
		}
		if h := helpers.get(p.Insns[i].Imm); row.Op == isa.Call && h != nil && h.Program != nil {
			start, ok := at[h.ID]
			if !ok {
				start = len(p.Insns)
				at[h.ID] = start
				if err := appendHelper(p, h, helpers, set); err != nil {
					return fmt.Errorf("helper %s (%d): %w", h.Name, h.ID, err)
				}
			}
			p.Insns[i] = isa.Linux.Row(isa.CallLocal).Make(0, 0, 0, int32(start-i-1))
		}
		i += row.Slots
	}
	return nil
}

// appendHelper appends the body of h to p.
func appendHelper(p *spec.Program, h *helper.Helper, helpers *helperSet, set *isa.Set) error {
	if len(h.Program.Maps) > 0 {
		return fmt.Errorf("%w: it refers to map %q, and helpers have no maps", ErrNotSupported, h.Program.Maps[0].Map)
	}
	body, err := resolveCalls(h.Program, helpers)
	if err != nil {
		return err
	}
	// Alone, so that errors name its own instructions.
	if _, err := ir.Decode(body, ir.Options{Set: set}); err != nil {
		return err
	}
	start := len(p.Insns)
	p.Insns = append(p.Insns, body.Insns...)
	for _, l := range body.Lines {
		l.Insn += start
		p.Lines = append(p.Lines, l)
	}
	return nil
}
