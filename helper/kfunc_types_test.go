package helper_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// TestKfuncTypes asks the kernel of each kernel function and type whether programs of the type may call it. Types
// that need something to attach to are left out.
func TestKfuncTypes(t *testing.T) {
	if err := kernel.Judge(); err != nil {
		t.Skip(err)
	}
	attach := map[spec.ProgramType]uint32{spec.CGroupSockAddr: 8, spec.CGroupSockopt: 21, spec.SkLookup: 36, spec.Netfilter: 45, spec.CGroupSock: 2}
	out := []spec.ProgramType{spec.Tracing, spec.StructOps, spec.LSM, spec.Extension}
	asked := 0
	for _, h := range helper.Table() {
		if !h.Kfunc || strings.HasPrefix(h.Name, "bpf_xdp_metadata_") {
			continue // the latter want a program for a certain device, whatever its type
		}
		for typ := spec.SocketFilter; typ <= spec.Netfilter; typ++ {
			if slices.Contains(out, typ) {
				continue
			}
			p := &spec.Program{Name: "t", Type: typ, License: "GPL", AttachType: attach[typ], Calls: []spec.CallRef{{Insn: 0, Helper: h.Name}},
				Insns: []isa.Instruction{isa.CallKfunc.Make(0, 0, 0, 0), isa.Mov64Imm.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0)}}
			prog, err := kernel.Load(p, nil, &kernel.Options{Log: true})
			var refused *kernel.VerifierError
			switch {
			case err == nil:
				prog.Close()
			case !errors.As(err, &refused) || refused.Log == "":
				continue // the kernel has no such function, or does not load the type
			}
			asked++
			may := err == nil || !strings.Contains(refused.Log, "is not allowed")
			if typ == spec.Kprobe && h.Types != nil && strings.HasPrefix(h.Name, "bpf_session_") {
				continue // it depends on how the program is attached
			}
			if ours := h.Types == nil || slices.Contains(h.Types, typ); ours != may {
				t.Errorf("%s in programs of type %s: allowed %v, and the kernel says %v", h.Name, typ, ours, may)
			}
		}
	}
	t.Log(asked, "pairs of function and type")
}
