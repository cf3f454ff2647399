// Implements access to the kernel's structures, and what is known of the pointers in them.

package verify

import (
	"github.com/cilium/ebpf/btf"
)

// accessObject checks an access to a structure of the kernel, or of the program's own.
func (v *verifier) accessObject(r uint8, ptr *reg, off int64, size int, write bool, out *reg) error {
	name := v.typeName(ptr)
	off += int64(ptr.off)
	switch own := ptr.has(alloc); {
	case v.opts.Strict:
		return v.failReg(PointerLeak, r, "access to struct %s lets the kernel's memory become visible, which takes CAP_PERFMON", name)
	case !own && !gplCompatible(v.p.Source.License):
		return v.failReg(BadObject, r, "access to struct %s: the license of the program must be compatible with the GPL, and is %q", name, v.p.Source.License)
	case off < 0:
		return v.failReg(BadObject, r, "access at offset %d, before the start of struct %s", off, name)
	case !ptr.IsConst() || ptr.Bits.Value != 0:
		return v.failReg(BadObject, r, "R%d is an address in struct %s to which a number that is not known was added", r, name)
	case ptr.has(user):
		return v.failReg(BadObject, r, "struct %s lies in a user's memory: read it by a helper such as bpf_probe_read_user", name)
	case ptr.has(percpu):
		return v.failReg(BadObject, r, "each processor has a struct %s of its own: get the address of one by bpf_per_cpu_ptr or bpf_this_cpu_ptr", name)
	case write && !own:
		return v.writeObject(r, ptr, off, size)
	case write && ptr.has(untrusted):
		return v.failReg(ReadOnly, r, "write through R%d to struct %s, which may not be there any more", r, name)
	}
	if ptr.has(alloc) {
		if err := v.ownFields(r, ptr, off, size); err != nil {
			return err
		}
	}
	l, err := walkStruct(v.structOf(ptr), off, int64(size), 0, false)
	if err != nil {
		return v.failReg(BadObject, r, "%v", err)
	}
	if !write && out != nil {
		v.objectField(ptr, l, out)
	}
	return nil
}

// objectField is what reading a field gives.
func (v *verifier) objectField(ptr *reg, l landing, out *reg) {
	switch l.kind {
	case landMemory:
		v.facts.Foreign = true
		*out = reg{Scalar: zeroOffset, kind: Mem, flags: readOnly | untrusted}
	case landObject:
		if ptr.has(alloc) {
			return // a number, once it was stored
		}
		v.facts.Foreign = true
		*out = reg{Scalar: zeroOffset, kind: Object, flags: v.fieldFlags(ptr, l), obj: v.types.id(l.typ)}
		if out.has(orNull) {
			out.id = v.newID()
		}
	}
}

// trustFlags are the flags that say that an Object is certain to be there.
const trustFlags = alloc | trusted | nonOwning

// unsafe are the flags that an Object must not have to be trusted.
const unsafeFlags = orNull | readOnly | ringbuf | untrusted | percpu | rcu | user

// isTrusted reports whether what the pointer points to is certain to be there.
func (r *reg) isTrusted() bool {
	if r.ref != 0 {
		return true
	}
	switch r.kind {
	case Socket, SockCommon, TCPSock, Map:
		return r.flags&unsafeFlags == 0
	}
	return r.flags&trustFlags != 0 && r.flags&unsafeFlags == 0
}

// fieldFlags is what holds for a pointer read from a structure.
func (v *verifier) fieldFlags(ptr *reg, l landing) flags {
	f := l.flags
	switch {
	case ptr.has(untrusted):
		return untrusted
	case !ptr.isTrusted() && !ptr.has(rcu):
		return f &^ (trustFlags | rcu)
	case v.listed(ptr, l, "__safe_trusted"):
		return f | trusted
	case v.listed(ptr, l, "__safe_trusted_or_null"):
		return f | trusted | orNull
	case !v.inRCU() || ptr.has(orNull):
		return untrusted
	case v.listed(ptr, l, "__safe_rcu"):
		return f | rcu
	case v.listed(ptr, l, "__safe_rcu_or_null"):
		return f&^untrusted | rcu | orNull
	case f&rcu != 0:
		return f | rcu | orNull
	case f&(percpu|user) != 0:
		return f
	}
	return f &^ (trustFlags | rcu)
}

// listed reports whether the kernel lists a field among those whose pointers keep what is known of the structure. The
// lists are structures of its types themselves, with the structure's name and a suffix.
func (v *verifier) listed(ptr *reg, l landing, suffix string) bool {
	s, ok := v.structOf(ptr).(*btf.Struct)
	if !ok {
		return false
	}
	list := v.kernelStruct(s.Name + suffix)
	if list == nil {
		return false
	}
	for i := range list.Members {
		m := &list.Members[i]
		if m.Name != l.field {
			continue
		}
		if p, ok := btf.UnderlyingType(m.Type).(*btf.Pointer); ok {
			return btf.UnderlyingType(p.Target) == l.typ
		}
		return false
	}
	return false
}

// writeObject checks a write to a structure of the kernel, which some types of programs may do to some.
func (v *verifier) writeObject(r uint8, ptr *reg, off int64, size int) error {
	name := v.typeName(ptr)
	ops := v.target.ops
	if ops == nil || ops.Write != name {
		return v.failReg(ReadOnly, r, "write through R%d to struct %s, which can only be read", r, name)
	}
	if _, all, _, _ := members(v.structOf(ptr)); off+int64(size) > all {
		return v.failReg(BadObject, r, "write of %d bytes at offset %d of struct %s, which has %d", size, off, name, all)
	}
	field, start, end := fieldAt(v.structOf(ptr), off)
	if !ops.Writable(field, start, end, off, int64(size)) {
		return v.failReg(ReadOnly, r, "write of %d bytes at offset %d of struct %s, which programs may not change there", size, off, name)
	}
	return nil
}

// fieldAt returns the name of the innermost field at an offset, those of what it is in before it, and where it lies. An
// array is one field.
func fieldAt(t btf.Type, off int64) (name string, start, end int64) {
	base := int64(0)
	for range maxNesting {
		fields, _, _, _ := members(btf.UnderlyingType(t))
		var in *btf.Member
		for i := range fields {
			n, err := btf.Sizeof(fields[i].Type)
			if at := base + int64(fields[i].Offset.Bytes()); err == nil && at <= off && off < at+int64(n) && fields[i].BitfieldSize == 0 {
				in, start, end = &fields[i], at, at+int64(n)
				break
			}
		}
		if in == nil {
			return name, start, end
		}
		if in.Name != "" {
			name += "." + in.Name
		}
		if !isStruct(btf.UnderlyingType(in.Type)) {
			return name, start, end
		}
		t, base = in.Type, start
	}
	return name, start, end
}

// ownFields checks that an access to an object of the program's own does not touch a field that only helpers may.
func (v *verifier) ownFields(r uint8, ptr *reg, off int64, size int) error {
	return v.unsupported("access to an object of the program's own through R%d", r)
}
