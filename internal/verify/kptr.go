// Implements pointers to structures of the kernel that values of maps hold.

package verify

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// isKptr reports whether a field holds a pointer to a structure of the kernel.
func isKptr(f *spec.MapField) bool { return f.Kind == spec.Kptr || f.Kind == spec.KptrUntrusted }

// kptrAt returns the pointer field of a map's value that an access may touch, or nil.
func (v *verifier) kptrAt(ptr *reg, off int64, size int) *spec.MapField {
	m := v.maps[ptr.obj]
	lo, hi := int64(ptr.off)+off+ptr.SMin, int64(ptr.off)+off+int64(ptr.UMax)+int64(size)
	for i := range m.Fields {
		if f := &m.Fields[i]; isKptr(f) && lo < int64(f.Offset)+8 && int64(f.Offset) < hi {
			return f
		}
	}
	return nil
}

// kptrType returns the structure that a field points to, nil if it is none of the kernel's.
func (v *verifier) kptrType(f *spec.MapField) btf.Type {
	if f.Type == nil {
		return nil
	}
	name, _, _ := strings.Cut(btf.UnderlyingType(f.Type).TypeName(), "___")
	if s := v.kernelStruct(name); s != nil {
		return s
	}
	return nil
}

// rcuProtected are the structures that RCU keeps while pointers to them are read from maps.
var rcuProtected = map[string]bool{"cgroup": true, "task_struct": true, "bpf_cpumask": true, "bpf_crypto_ctx": true, "prog_test_ref_kfunc": true}

// accessKptr checks a load or store of a pointer in a map's value.
func (v *verifier) accessKptr(r uint8, ptr *reg, f *spec.MapField, off int64, size int, write, special bool, val *reg, valReg int, out *reg) error {
	m := v.maps[ptr.obj]
	fail := func(code Code, format string, args ...any) error {
		return v.failReg(code, r, "access to the pointer at offset %d of the value of map %q: %s", f.Offset, m.Name, v.sprintf(format, args...))
	}
	at := off + int64(ptr.off)
	switch {
	case write && m.Flags&mapReadOnlyProg != 0:
		return v.failReg(ReadOnly, r, "write to map %q, which programs can only read", m.Name)
	case !write && m.Flags&mapWriteOnlyProg != 0:
		return v.failReg(WriteOnly, r, "read of map %q, which programs can only write", m.Name)
	}
	if err := v.region(r, ptr, off, size, int64(m.ValueSize), BadMapValue, "the value of map "+m.Name); err != nil {
		return err
	}
	t := v.kptrType(f)
	switch {
	case t == nil:
		return v.unsupported("a pointer in map %q to what is no structure of the kernel", m.Name)
	case !ptr.IsConst():
		return fail(BadMapValue, "the offset must be known")
	case at+int64(ptr.Bits.Value) != int64(f.Offset) || size != 8:
		return fail(BadMapValue, "it takes all 8 bytes of it")
	case special:
		return fail(BadMapValue, "only plain loads and stores can be used")
	case !write:
		x := reg{Scalar: zeroOffset, kind: Object, flags: orNull | untrusted, obj: v.types.id(t)}
		if f.Kind == spec.Kptr && rcuProtected[t.TypeName()] && v.inRCU() {
			x.flags = orNull | rcu
		}
		return v.pointerOut(r, x, false, out)
	case f.Kind == spec.Kptr:
		return fail(BadMapValue, "what a map owns can only be exchanged, by bpf_kptr_xchg")
	case val == nil || val.zero():
		return nil
	case valReg < 0:
		return fail(BadMapValue, "0 is the only number that can be stored there")
	}
	return v.fitsKptr(uint8(valReg), val, f, t)
}

// fitsKptr checks that what a register points to can be put into a field.
func (v *verifier) fitsKptr(r uint8, x *reg, f *spec.MapField, t btf.Type) error {
	allowed := orNull | trusted | rcu
	if f.Kind == spec.KptrUntrusted {
		allowed |= untrusted
	}
	switch {
	case x.kind != Object || x.flags&^allowed != 0,
		!contains(v.structOf(x), int64(x.off), t, f.Kind != spec.KptrUntrusted):
		return v.failReg(BadArgument, r, "R%d must be the address of a struct %s, and is %s", r, t.TypeName(), v.describeObject(x))
	case !x.IsConst() || x.Bits.Value != 0 || x.off < 0:
		return v.failReg(BadArgument, r, "R%d is an address to which a number that is not known was added", r)
	}
	return nil
}

// kptrField checks the address of a pointer in a map's value.
func (v *verifier) kptrField(a *args, r uint8, x *reg) error {
	if err := v.field(r, x, spec.Kptr); err != nil {
		return err
	}
	m := v.maps[x.obj]
	at := int64(x.off) + int64(x.Bits.Value)
	for i := range m.Fields {
		if f := &m.Fields[i]; f.Kind == spec.Kptr && int64(f.Offset) == at {
			a.kptr = f
		}
	}
	if a.kptr == nil || v.kptrType(a.kptr) == nil {
		return v.unsupported("a pointer in map %q to what is no structure of the kernel", m.Name)
	}
	return nil
}

// keptObject checks an object that is to be put into a map's value.
func (v *verifier) keptObject(a *args, r uint8, x *reg) error {
	switch {
	case x.kind == Object && x.has(orNull):
		return v.failReg(MaybeNull, r, "R%d may be null: compare it with 0 first", r)
	case x.kind == Object && x.ref != 0 && x.off != 0:
		return v.failReg(BadArgument, r, "R%d is %s plus %d, and must be as it was", r, v.describeObject(x), x.off)
	case x.flags&^(trusted|rcu) != 0:
		return v.failReg(BadArgument, r, "R%d is %s, which a map cannot keep", r, v.describeObject(x))
	}
	return v.fitsKptr(r, x, a.kptr, v.kptrType(a.kptr))
}
