// Implements the kernel's types (BTF): their look-up, and what a program is attached to.

package verify

import (
	"errors"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// types numbers the types that registers point to.
type types struct {
	list []btf.Type
	ids  map[btf.Type]int32
}

// id returns the number of a type.
func (t *types) id(typ btf.Type) int32 {
	if n, ok := t.ids[typ]; ok {
		return n
	}
	if t.ids == nil {
		t.ids = map[btf.Type]int32{}
	}
	n := int32(len(t.list))
	t.list = append(t.list, typ)
	t.ids[typ] = n
	return n
}

// kernel returns the kernel's types, which are asked for when they are first needed.
func (v *verifier) kernel() []*btf.Spec {
	if v.kernelTypes == nil && v.opts.Kernel != nil {
		v.kernelTypes = v.opts.Kernel()
	}
	return v.kernelTypes
}

// structOf returns what an Object points to.
func (v *verifier) structOf(r *reg) btf.Type { return v.types.list[r.obj] }

// typeName returns the name of what an Object points to.
func (v *verifier) typeName(r *reg) string {
	if int(r.obj) < len(v.types.list) {
		if s := v.types.list[r.obj].TypeName(); s != "" {
			return s
		}
	}
	return "unnamed"
}

// kernelStruct returns the kernel's structure of a name, or nil.
func (v *verifier) kernelStruct(name string) *btf.Struct {
	if s, ok := v.structs[name]; ok {
		return s
	}
	var found *btf.Struct
	for _, k := range v.kernel() {
		all, _ := k.AnyTypesByName(name)
		for _, t := range all {
			if s, ok := t.(*btf.Struct); ok && found == nil {
				found = s
			}
		}
	}
	if v.structs == nil {
		v.structs = map[string]*btf.Struct{}
	}
	v.structs[name] = found
	return found
}

// kernelFunc returns the kernel's function of a name, or nil, and whether it is a module's.
func (v *verifier) kernelFunc(name string) (f *btf.Func, module bool) {
	for i, k := range v.kernel() {
		if k.TypeByName(name, &f) == nil {
			return f, i > 0
		}
	}
	return nil, false
}

// target is what a program is attached to, where the kernel's types describe its context.
type target struct {
	name   string
	proto  *btf.FuncProto
	hidden int            // parameters that programs do not see
	module bool           // a kernel module's
	iter   *progtype.Iter // of iterators
	void   bool           // there is no result
	result *progtype.Return
	ops    *progtype.Ops // of a structure's methods
}

// errNoTypes is the reason of having no verdict where the kernel's types are not at hand.
var errNoTypes = errors.New("the context is described by the kernel's types (BTF), which are not at hand")

// findTarget finds out what the program is attached to.
func (v *verifier) findTarget() error {
	p := v.p.Source
	t := &v.opts.Type
	if !t.BTF {
		if p.Flags&spec.Sleepable != 0 && t.Type != spec.Kprobe && t.Type != spec.Syscall && !v.plain() {
			return v.failAt(0, BadAttach, "programs of type %s must not sleep", t.Type)
		}
		return nil
	}
	unknown := func(text string) error { return &Unsupported{Slot: -1, Text: text} }
	switch t.Type {
	case spec.Tracing, spec.LSM, spec.StructOps:
	default:
		return unknown(v.sprintf("programs of type %s are not known to the verifier", t.Type))
	}
	if len(v.kernel()) == 0 {
		return unknown(errNoTypes.Error())
	}
	if t.Type != spec.Tracing && !gplCompatible(p.License) {
		return v.failAt(0, BadAttach, "programs of type %s must have a license that is compatible with the GPL, and this one's is %q", t.Type, p.License)
	}
	if t.Type == spec.StructOps {
		return v.findMethod()
	}
	at := v.attach()
	if !t.Attach.Has(at) {
		return v.failAt(0, BadAttach, "programs of type %s are not made for attach type %d", t.Type, at)
	}
	if p.AttachTo == "" {
		return v.failAt(0, BadAttach, "nothing says which of the kernel's functions the program is for")
	}
	if p.Flags&spec.Sleepable != 0 && at == spec.AttachTraceRawTP {
		return v.failAt(0, BadAttach, "programs for tracepoints must not sleep")
	}
	return v.findFunction(at, p.AttachTo)
}

// findFunction finds the function, tracepoint, hook or iterator of a name.
func (v *verifier) findFunction(at spec.AttachType, name string) error {
	w := &v.target
	w.name = name
	var f *btf.Func
	switch at {
	case spec.AttachTraceRawTP:
		var def *btf.Typedef
		for i, k := range v.kernel() {
			if k.TypeByName("btf_trace_"+name, &def) == nil {
				w.module = i > 0
				break
			}
		}
		if def == nil {
			return v.failAt(0, BadAttach, "the kernel has no tracepoint %q", name)
		}
		ptr, _ := def.Type.(*btf.Pointer)
		if ptr != nil {
			w.proto, _ = ptr.Target.(*btf.FuncProto)
		}
		w.hidden = 1
	case spec.AttachTraceIter:
		if w.iter = progtype.FindIter(name); w.iter == nil {
			return v.failAt(0, BadAttach, "the kernel has no iterator %q", name)
		}
		f, w.module = v.kernelFunc("bpf_iter_" + name)
	case spec.AttachLSMMac, spec.AttachLSMCGroup:
		f, w.module = v.kernelFunc("bpf_lsm_" + name)
		if f != nil && !progtype.IsHook(name, at) {
			return v.failAt(0, BadAttach, "programs may not be attached to hook %q", name)
		}
	default:
		f, w.module = v.kernelFunc(name)
	}
	if f != nil {
		w.proto, _ = f.Type.(*btf.FuncProto)
	}
	if w.proto == nil {
		return v.failAt(0, BadAttach, "the kernel has no function that %q stands for", name)
	}
	_, w.void = btf.UnderlyingType(w.proto.Return).(*btf.Void)
	if f != nil && w.iter == nil {
		if err := v.traceable(at, name); err != nil {
			return err
		}
	}
	if v.opts.Type.Type == spec.LSM {
		w.result = progtype.HookResult(name, at, w.void)
		if v.p.Source.Flags&spec.Sleepable != 0 && !progtype.SleepableHook(name) {
			return v.failAt(0, BadAttach, "programs for hook %q must not sleep", name)
		}
	}
	return nil
}

// findMethod finds the method that the program implements: a struct_ops map says it, or the target "structure/field".
func (v *verifier) findMethod() error {
	p := v.p.Source
	name, field, _ := strings.Cut(p.AttachTo, "/")
	offset := uint32(0)
	for i := range v.opts.Maps {
		m := &v.opts.Maps[i]
		for _, method := range m.Methods {
			if method.Program == p.Name && m.ValueType != nil {
				name, field, offset = btf.UnderlyingType(m.ValueType).TypeName(), "", method.Offset
			}
		}
	}
	s := v.kernelStruct(name)
	if name == "" || s == nil || v.kernelStruct("bpf_struct_ops_"+name) == nil {
		return v.failAt(0, BadAttach, "the kernel has no structure %q whose methods are programs", name)
	}
	v.target.ops = progtype.FindOps(name)
	if v.target.ops == nil {
		return &Unsupported{Slot: -1, Text: v.sprintf("methods of structure %s, which have rules of their own", name)}
	}
	n := slices.IndexFunc(s.Members, func(m btf.Member) bool {
		return field != "" && m.Name == field || field == "" && m.Offset.Bytes() == offset
	})
	if n < 0 {
		return v.failAt(0, BadAttach, "structure %s has no method %q", name, field)
	}
	m := s.Members[n]
	if ptr, ok := btf.UnderlyingType(m.Type).(*btf.Pointer); ok {
		v.target.proto, _ = btf.UnderlyingType(ptr.Target).(*btf.FuncProto)
	}
	if v.target.proto == nil {
		return v.failAt(0, BadAttach, "field %s of structure %s is no method", m.Name, name)
	}
	if slices.Contains(v.target.ops.Missing, m.Name) {
		return v.failAt(0, BadAttach, "method %s of structure %s cannot be a program", m.Name, name)
	}
	if v.p.Source.Flags&spec.Sleepable != 0 && !slices.Contains(v.target.ops.Sleepable, m.Name) {
		return v.failAt(0, BadAttach, "method %s of structure %s must not sleep", m.Name, name)
	}
	v.target.name = name + "/" + m.Name
	_, v.target.void = btf.UnderlyingType(v.target.proto.Return).(*btf.Void)
	return nil
}

// sleepable reports whether the program may sleep.
func (v *verifier) sleepable() bool {
	return v.p.Source.Flags&spec.Sleepable != 0 || v.opts.Type.Type == spec.Syscall
}

// argsTrusted reports whether the pointers in the context are certain to point to what their types say.
func (v *verifier) argsTrusted() bool {
	switch v.opts.Type.Type {
	case spec.Tracing:
		return v.attach() == spec.AttachTraceRawTP || v.attach() == spec.AttachTraceIter
	case spec.LSM:
		return progtype.TrustedHook(v.target.name)
	}
	return v.opts.Type.Type == spec.StructOps
}

// inRCU reports whether what RCU protects cannot go away.
func (v *verifier) inRCU() bool {
	return v.cur.holding(refRCU) != nil || v.cur.holding(refLock) != nil || !v.sleepable()
}
