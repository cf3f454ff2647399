// Implements what programs whose contexts are described by the kernel's types are attached to: the number of the type
// that says it.

package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// attachPrefixes are what the names of functions of the kernel begin with that stand for a target.
var attachPrefixes = map[spec.AttachType]string{spec.AttachTraceRawTP: "btf_trace_", spec.AttachTraceIter: "bpf_iter_",
	spec.AttachLSMMac: "bpf_lsm_", spec.AttachLSMCGroup: "bpf_lsm_"}

// target fills in what the program is attached to.
func target(p *spec.Program, maps []spec.Map, attr *progLoadAttr) error {
	name := p.AttachTo
	switch p.Type {
	case spec.Tracing, spec.LSM:
	case spec.StructOps:
		return method(p, maps, attr)
	default:
		return nil
	}
	if name == "" {
		return nil
	}
	types, err := kernelTypes()
	if err != nil {
		return err
	}
	at := spec.AttachType(p.AttachType)
	var t btf.Type
	if at == spec.AttachTraceRawTP {
		var def *btf.Typedef
		err = types.TypeByName(attachPrefixes[at]+name, &def)
		t = def
	} else {
		var f *btf.Func
		err = types.TypeByName(attachPrefixes[at]+name, &f)
		t = f
	}
	if err != nil {
		return fmt.Errorf("program %q is for %q, which the kernel does not have: %w", p.Name, name, err)
	}
	id, err := types.TypeID(t)
	attr.attachBTF = uint32(id)
	return err
}

// method fills in which method of a structure the program is.
func method(p *spec.Program, maps []spec.Map, attr *progLoadAttr) error {
	name, field, _ := strings.Cut(p.AttachTo, "/")
	offset := uint32(0)
	for i := range maps {
		for _, m := range maps[i].Methods {
			if m.Program == p.Name && maps[i].ValueType != nil {
				name, field, offset = maps[i].ValueType.TypeName(), "", m.Offset
			}
		}
	}
	types, err := kernelTypes()
	if err != nil || name == "" {
		return err
	}
	var s *btf.Struct
	if err := types.TypeByName(name, &s); err != nil {
		return fmt.Errorf("program %q is for a structure %q, which the kernel does not have: %w", p.Name, name, err)
	}
	id, err := types.TypeID(s)
	n := slices.IndexFunc(s.Members, func(m btf.Member) bool {
		return m.Name == field || field == "" && m.Offset.Bytes() == offset
	})
	if n < 0 {
		return fmt.Errorf("program %q is for field %q of structure %q, which has none", p.Name, field, name)
	}
	attr.attachBTF, attr.expectedAttachType = uint32(id), uint32(n)
	return err
}

// variables makes loads of the addresses of the kernel's variables refer to their types.
func variables(p *spec.Program, code []isa.Instruction) error {
	for _, e := range p.Externs {
		if e.Insn < 0 || e.Insn+1 >= len(code) {
			return fmt.Errorf("program %q names %q at instruction %d, outside the program", p.Name, e.Name, e.Insn)
		}
		types, err := kernelTypes()
		if err != nil {
			return err
		}
		var id btf.TypeID
		all, err := types.AnyTypesByName(e.Name)
		for _, t := range all {
			switch t.(type) {
			case *btf.Var, *btf.Func:
				id, err = types.TypeID(t)
			}
		}
		switch {
		case e.Type == nil: // only the address counts
			code[e.Insn] = isa.LdImm64.Make(code[e.Insn].Dst(), 0, 0, -1<<31)
			code[e.Insn+1] = isa.Instruction{Imm: -1}
		case id != 0:
			code[e.Insn] = isa.LdVarAddr.Make(code[e.Insn].Dst(), 0, 0, int32(id))
			code[e.Insn+1] = isa.Instruction{}
		case e.Weak:
			code[e.Insn] = isa.LdImm64.Make(code[e.Insn].Dst(), 0, 0, 0)
			code[e.Insn+1] = isa.Instruction{}
		default:
			return fmt.Errorf("program %q names %q, which the kernel's types do not have: %w", p.Name, e.Name, err)
		}
	}
	return nil
}
