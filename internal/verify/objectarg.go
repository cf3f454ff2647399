// Implements structures of the kernel that helpers and kernel functions take and give.

package verify

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// objectArgument checks an argument that is a structure of the kernel, or ought to be.
func (v *verifier) objectArgument(a *args, i int, kind helper.Arg, r uint8, x *reg) error {
	fail := func(code Code) error {
		return v.failReg(code, r, "argument %d (R%d) of %s must be %s, and is %s", i+1, r, a.h.Name, describeArg(kind), v.describeObject(x))
	}
	if a.h.Kfunc && kind.Kind() == helper.Object {
		return v.kfuncObject(a, i, kind, r, x)
	}
	f := x.flags
	if kind.Has(helper.OrNull) {
		f &^= orNull
	}
	if a.kptr != nil {
		return v.keptObject(a, r, x)
	}
	want := a.h.Objects[i]
	switch kind.Kind() {
	case helper.Object:
		if x.kind != Object {
			return fail(BadArgument)
		}
		if f&orNull != 0 && f&^(trusted|rcu|orNull) == 0 {
			return v.failReg(MaybeNull, r, "argument %d (R%d) of %s may be null: compare it with 0 first", i+1, r, a.h.Name)
		}
		if f&^trusted != 0 && f != rcu {
			return fail(BadArgument)
		}
	case helper.SockCommon:
		if kind.Has(helper.ViewOnly) || f&^trusted != 0 {
			return fail(BadArgument)
		}
		want = "sock_common"
	case helper.PerCPU:
		if f&^(trusted|rcu) != percpu {
			return fail(BadArgument)
		}
		return nil
	case helper.Mem:
		if f != trusted || kind.Has(helper.Writes) {
			return fail(BadArgument)
		}
		return nil
	default:
		return fail(BadArgument)
	}
	if !x.IsConst() || x.Bits.Value != 0 {
		return v.failReg(BadArgument, r, "R%d is an address in %s to which a number that is not known was added", r, v.describeObject(x))
	}
	if kind.Has(helper.Releases) && x.off != 0 {
		return v.failReg(BadArgument, r, "R%d is %s plus %d: %s wants it as it was", r, v.describeObject(x), x.off, a.h.Name)
	}
	t := v.kernelStruct(want)
	if t == nil {
		return v.unsupported("helper %s takes a struct %s, which the kernel's types do not describe", a.h.Name, want)
	}
	if !contains(v.structOf(x), int64(x.off), t, false) {
		return v.failReg(BadArgument, r, "argument %d (R%d) of %s must be a struct %s, and is %s", i+1, r, a.h.Name, want, v.describeObject(x))
	}
	a.object = *x
	return nil
}

// describeObject is describe with the name of the structure.
func (v *verifier) describeObject(x *reg) string {
	if x.kind != Object {
		return x.describe()
	}
	s := "the address of a struct " + v.typeName(x)
	switch {
	case x.has(untrusted):
		s += " that may not be there any more"
	case x.has(percpu):
		s += " of each processor"
	case x.has(rcu):
		s += " that RCU protects"
	case x.flags&trustFlags == 0 && x.ref == 0:
		s += " that is not certain to be there"
	}
	if x.has(orNull) {
		s += " and may be null"
	}
	return s
}

// viewed are the structures of the kernel behind those that programs see.
var viewed = map[Kind]string{Socket: "sock", SockCommon: "sock_common", TCPSock: "tcp_sock", Map: "bpf_map"}

// kfuncObject checks a structure of the kernel that a kernel function takes.
func (v *verifier) kfuncObject(a *args, i int, kind helper.Arg, r uint8, x *reg) error {
	fail := func(code Code, format string, args ...any) error {
		return v.failReg(code, r, "argument %d (R%d) of %s %s", i+1, r, a.h.Name, v.sprintf(format, args...))
	}
	strict := a.h.TrustedArgs || a.h.RCUArgs
	if strict && (x.zero() || x.has(orNull)) {
		return fail(MaybeNull, "may be null: compare it with 0 first")
	}
	name := viewed[x.kind]
	if x.kind != Object && name == "" {
		return fail(BadArgument, "must be a struct %s, and is %s", a.h.Objects[i], x.describe())
	}
	if strict && !x.isTrusted() {
		switch {
		case !a.h.RCUArgs:
			return fail(BadArgument, "must be certain to be there, and is %s", v.describeObject(x))
		case !x.has(rcu):
			return fail(BadArgument, "must be certain to be there, or protected by RCU, and is %s", v.describeObject(x))
		}
	}
	if !x.IsConst() || x.Bits.Value != 0 {
		return fail(BadArgument, "is an address to which a number that is not known was added")
	}
	releases := kind.Has(helper.Releases)
	if releases && x.ref != 0 && x.off != 0 {
		return fail(BadArgument, "is %s plus %d, and must be as it was", v.describeObject(x), x.off)
	}
	if x.kind == Object && x.flags&unsafeFlags != 0 && !x.has(rcu) {
		return fail(BadArgument, "must be a struct %s, and is %s", a.h.Objects[i], v.describeObject(x))
	}
	want := v.kernelStruct(a.h.Objects[i])
	if want == nil {
		return v.unsupported("%s takes a struct %s, which the kernel's types do not describe", a.h.Name, a.h.Objects[i])
	}
	var have btf.Type
	if x.kind == Object {
		have = v.structOf(x)
	} else if s := v.kernelStruct(name); s != nil {
		have = s
	}
	same := a.h.Result.Has(helper.Acquires) || releases && x.ref != 0
	if !contains(have, int64(x.off), want, same) {
		return fail(BadArgument, "must be a struct %s, and is %s", a.h.Objects[i], v.describeObject(x))
	}
	return nil
}

// objectResult is what a call gives that is a structure of the kernel, or a variable of its.
func (v *verifier) objectResult(a *args, r0 *reg) error {
	v.facts.Foreign = true
	h := a.h
	switch {
	case h.Result.Kind() == helper.ResultVariable:
		return v.variableResult(a, r0)
	case a.kptr != nil:
		*r0 = reg{Scalar: zeroOffset, kind: Object, obj: v.types.id(v.kptrType(a.kptr))}
		return nil
	case h.ResultObject != "":
	case len(h.Args) == 1 && h.Args[0] == helper.Context:
		return v.kernelContext(r0)
	case len(h.Args) == 2 && h.Args[1] == helper.Constant:
		return v.castResult(a, r0)
	default:
		return v.unsupported("%s, which gives an object of the program's own", h.Name)
	}
	t := v.kernelStruct(h.ResultObject)
	if t == nil {
		return v.unsupported("%s gives a struct %s, which the kernel's types do not describe", h.Name, h.ResultObject)
	}
	*r0 = reg{Scalar: zeroOffset, kind: Object, obj: v.types.id(t)}
	if h.Result.Has(helper.Trusted) {
		r0.flags = trusted
	}
	if isNext(h) {
		r0.flags = trusted
		if it := v.cur.register(a.iter); it.has(rcu) {
			r0.flags = rcu
		}
	}
	return nil
}

// variableResult is the copy of a variable that one processor has.
func (v *verifier) variableResult(a *args, r0 *reg) error {
	t := v.types.list[a.object.obj]
	if isStruct(t) {
		*r0 = reg{Scalar: zeroOffset, kind: Object, obj: a.object.obj}
		return nil
	}
	n, err := btf.Sizeof(t)
	if err != nil {
		return v.failReg(BadArgument, 1, "the variable that R1 is the address of has no size")
	}
	*r0 = reg{Scalar: zeroOffset, kind: Mem, n: int32(n), flags: readOnly | foreign}
	return nil
}

// castResult is an address that the program says is that of a structure.
func (v *verifier) castResult(a *args, r0 *reg) error {
	kernel := v.kernel()
	if len(kernel) == 0 {
		return v.unsupported("%s names a type of the kernel by number, and its types are not at hand", a.h.Name)
	}
	if a.constant == 0 {
		*r0 = reg{Scalar: zeroOffset, kind: Mem, flags: readOnly | untrusted}
		return nil
	}
	t, err := kernel[0].TypeByID(btf.TypeID(a.constant))
	if err != nil || a.constant > 1<<31 {
		return v.failReg(BadArgument, 2, "the kernel has no type of number %d", a.constant)
	}
	if !isStruct(t) {
		return v.failReg(BadArgument, 2, "type %d of the kernel (%v) is no structure", a.constant, t)
	}
	*r0 = reg{Scalar: zeroOffset, kind: Object, flags: untrusted, obj: v.types.id(t)}
	return nil
}

// contexts are the structures of the kernel behind the contexts of types of programs.
var contexts = map[spec.ProgramType]string{spec.XDP: "xdp_buff", spec.CGroupSock: "sock", spec.CGroupSockAddr: "bpf_sock_addr_kern",
	spec.SockOps: "bpf_sock_ops_kern", spec.SkMsg: "sk_msg", spec.FlowDissector: "bpf_flow_dissector", spec.Kprobe: "pt_regs",
	spec.PerfEvent: "bpf_perf_event_data_kern", spec.CGroupDevice: "bpf_cgroup_dev_ctx", spec.CGroupSysctl: "bpf_sysctl_kern",
	spec.CGroupSockopt: "bpf_sockopt_kern", spec.SkReuseport: "sk_reuseport_kern", spec.SkLookup: "bpf_sk_lookup_kern",
	spec.Netfilter: "bpf_nf_ctx"}

// kernelContext is the structure of the kernel behind the context.
func (v *verifier) kernelContext(r0 *reg) error {
	typ := v.opts.Type.Type
	name := contexts[typ]
	if name == "" && v.opts.Type.Packet && strings.HasPrefix(v.opts.Type.Context.Name, "__sk_buff") {
		name = "sk_buff"
	}
	if name == "" {
		return v.fail(BadArgument, "the context of programs of type %s is no structure of the kernel", typ)
	}
	t := v.kernelStruct(name)
	if t == nil {
		return v.unsupported("the context is a struct %s, which the kernel's types do not describe", name)
	}
	*r0 = reg{Scalar: zeroOffset, kind: Object, flags: trusted, obj: v.types.id(t)}
	return nil
}
