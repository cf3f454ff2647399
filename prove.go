// Implements proving programs safe when they are loaded, and what is made of the proof.

package skep

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/verify"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// verify proves the program safe, or returns a *VerifierError, wrapped. What the verifier has no verdict on runs checked.
func (prog *Program) verify(helpers *helperSet) error {
	switch {
	case prog.opts.Unverified:
		prog.unproved = "verification was not asked for"
		return nil
	case prog.opts.UnsafeTrust:
		prog.unproved = "the program is trusted"
		return nil
	case prog.plain():
		prog.unproved = "plain functions have no rules to be held against"
		return nil
	case len(prog.opts.Extensions) > 0:
		prog.unproved = "it may have instructions that are not the kernel's"
		return nil
	}
	r, err := verify.Verify(prog.ir, &verify.Options{Type: prog.typ, Profile: prog.opts.Profile, Maps: prog.world.specs(), Strict: prog.opts.Strict,
		Helper: helpers.provable})
	var unsupported *verify.Unsupported
	switch {
	case errors.As(err, &unsupported):
		prog.unproved = "the verifier has no verdict: " + err.Error()
		return nil
	case err != nil:
		return fmt.Errorf("not proved safe: %w", err)
	}
	prog.proof = factsOf(prog.ir, &prog.typ, helpers, r)
	return nil
}

// specs returns the definitions of the maps.
func (w *world) specs() []spec.Map {
	var out []spec.Map
	for name, n := range w.number {
		live := w.maps[n]
		m := *live.Spec()
		m.Name, m.Frozen = name, live.Frozen()
		if m.Type == spec.Array && m.Frozen {
			at, _ := live.LookupOffset(make([]byte, m.KeySize), 0)
			m.Contents = []spec.MapEntry{{Key: make([]byte, m.KeySize), Value: live.ReadMemory(at, int(m.ValueSize))}}
		}
		out = append(out, m)
	}
	return out
}

// proof is what has been proved about a program.
type proof struct {
	facts *ir.Facts
	// checked says why the program's code has checks all the same, "" if it needs none.
	checked string
}

// direct are the sorts of memory that code can access without checks: those that lie where the program's addresses
// say. What else there is may be a number that stands for something.
var direct = map[verify.Kind]bool{verify.NotInit: true, verify.Context: true, verify.MapValue: true, verify.MapKey: true,
	verify.Stack: true, verify.Packet: true, verify.PacketMeta: true, verify.Mem: true}

// factsOf turns what the verifier has found out into what compilers read.
func factsOf(p *ir.Program, t *progtype.Type, helpers *helperSet, r *verify.Result) *proof {
	out := &proof{facts: &r.Facts.Facts}
	if t.Context == nil {
		out.checked = "its context comes from the caller as it is"
	}
	if r.Facts.Foreign {
		out.checked = "it gets addresses of what is the kernel's"
	}
	for i := range p.Ins {
		if h := helpers.get(int32(p.Ins[i].Imm)); p.Ins[i].Op == isa.Call && h != nil && h.TailCall && p.FuncAt(ir.Index(i)) > 0 {
			out.checked = fmt.Sprintf("instruction %d is a tail call inside a function", p.Slots[i])
		}
		if h := helpers.get(int32(p.Ins[i].Imm)); t.Type == spec.SkMsg && p.Ins[i].Op == isa.Call && h != nil && h.ChangesPacket {
			out.checked = fmt.Sprintf("instruction %d may show another part of the message", p.Slots[i])
		}
		a := r.Facts.Access[i]
		switch {
		case a.Mixed:
			out.checked = fmt.Sprintf("instruction %d accesses one sort of memory on one path and another on the next", p.Slots[i])
		case !direct[a.Kind]:
			out.checked = fmt.Sprintf("instruction %d accesses memory that is not the program's own", p.Slots[i])
		}
	}
	return out
}

// checked returns the program, or a twin of it whose code checks and counts, for what needs that: limits.
func (prog *Program) checked() (*Program, error) {
	if !prog.trusted {
		return prog, nil
	}
	t := &prog.twin
	t.once.Do(func() {
		twin := &Program{ir: prog.ir, typ: prog.typ, opts: prog.opts, world: prog.world, build: prog.build, unproved: "it is to be counted",
			blind: prog.blind, modest: prog.modest, filled: prog.filled, pointers: prog.pointers, sizes: prog.sizes, blank: prog.blank}
		twin.opts.UnsafeTrust = false
		t.err = twin.compile(twin.build)
		twin.pool.New = func() any { return twin.NewInstance() }
		t.prog = twin
	})
	return t.prog, t.err
}

// Verified reports whether the program was proved safe. If it was not, Engine says why.
func (prog *Program) Verified() bool { return prog.proof != nil }
