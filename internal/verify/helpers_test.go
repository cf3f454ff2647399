package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// testHelper finds a standard helper.
func testHelper(id int32) *helper.Helper { return helperTable[id] }

var helperTable = func() map[int32]*helper.Helper {
	m := map[int32]*helper.Helper{}
	for i, h := range helper.Table() {
		if h.Kfunc {
			h.ID = 0x100000 + int32(i)
		}
		m[h.ID] = &h
	}
	if m[86] == nil {
		m[86] = &helper.Helper{ID: 86, Name: "sk_release", Args: []helper.Arg{helper.SockCommon | helper.Releases}}
	}
	return m
}()

// resolve returns p with numbers in the place of the names of kernel functions.
func resolve(p *spec.Program) *spec.Program {
	out := *p
	out.Insns = slices.Clone(p.Insns)
	for _, c := range p.Calls {
		for id, h := range helperTable {
			if h.Name == c.Helper {
				out.Insns[c.Insn] = isa.Call.Make(0, 0, 0, id)
			}
		}
	}
	return &out
}
