// Implements addresses of the kernel's variables and functions that a program loads by name.

package verify

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// findExterns finds the instructions that load addresses of the kernel's, and checks that what they name is there.
func (v *verifier) findExterns() error {
	for i := range v.opts.Externs {
		e := &v.opts.Externs[i]
		at, ok := slices.BinarySearch(v.p.Slots, ir.Slot(e.Insn))
		if !ok || v.rows[at].Op != isa.LdImm64 && v.rows[at].Op != isa.LdVarAddr {
			return &Unsupported{Slot: ir.Slot(e.Insn), Text: v.sprintf("it names %q, which the kernel is to have, and is no wide load", e.Name)}
		}
		if v.externAt == nil {
			v.externAt = map[ir.Index]*spec.ExternRef{}
		}
		v.externAt[ir.Index(at)] = e
		switch {
		case e.Type == nil: // any number
		case len(v.kernel()) == 0:
			return &Unsupported{Slot: ir.Slot(e.Insn), Text: v.sprintf("%s, which the kernel's types describe, and they are not at hand", e.Name)}
		case v.kernelSymbol(e.Name) == nil && !e.Weak:
			return v.failAt(ir.Index(at), BadAttach, "the kernel has no %q", e.Name)
		}
	}
	return nil
}

// kernelSymbol returns the kernel's variable or function of a name, or nil.
func (v *verifier) kernelSymbol(name string) btf.Type {
	for _, k := range v.kernel() {
		all, _ := k.AnyTypesByName(name)
		for _, t := range all {
			switch t.(type) {
			case *btf.Var, *btf.Func:
				return t
			}
		}
	}
	return nil
}

// extern is the address of something of the kernel's.
func (v *verifier) extern(e *spec.ExternRef) reg {
	v.facts.Foreign = true
	if e.Type == nil {
		return unknownScalar()
	}
	memory := func(n int) reg { return reg{Scalar: zeroOffset, kind: Mem, n: int32(n), flags: readOnly | foreign} }
	switch s := v.kernelSymbol(e.Name).(type) {
	case *btf.Func:
		return memory(0)
	case *btf.Var:
		t := btf.UnderlyingType(s.Type)
		switch {
		case v.isPerCPU(s):
			return reg{Scalar: zeroOffset, kind: Object, flags: percpu, obj: v.types.id(t)}
		case isStruct(t):
			return reg{Scalar: zeroOffset, kind: Object, obj: v.types.id(t)}
		}
		n, _ := btf.Sizeof(t)
		return memory(n)
	}
	return constScalar(0) // it is weak, and not there
}

// isPerCPU reports whether each processor has a variable of its own.
func (v *verifier) isPerCPU(s *btf.Var) bool {
	for _, k := range v.kernel() {
		var ds *btf.Datasec
		if k.TypeByName(".data..percpu", &ds) == nil && slices.ContainsFunc(ds.Vars, func(x btf.VarSecinfo) bool { return x.Type == btf.Type(s) }) {
			return true
		}
	}
	return false
}
