// Implements what the types of a global function say about its arguments.

package verify

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// globalTypes reads the types of a global function.
func (v *verifier) globalTypes(g *global, f *btf.Func) error {
	at := v.p.Funcs[g.fn].Entry
	fail := func(format string, args ...any) error {
		return v.failAt(at, BadArgument, "global function %s: %s", g.name, v.sprintf(format, args...))
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok {
		return fail("its type is unknown")
	}
	for _, tag := range f.Tags {
		if strings.HasPrefix(tag, "exception_callback:") {
			return &Unsupported{Slot: v.p.Slots[at], Text: "a function of the program's that handles exceptions"}
		}
	}
	if len(proto.Params) > 5 {
		return fail("it has %d arguments, and at most 5 are passed", len(proto.Params))
	}
	if r := btf.UnderlyingType(proto.Return); !isNumber(r) {
		return fail("it returns something that is no number")
	}
	for i := range proto.Params {
		var tags []string
		if i < len(f.ParamTags) {
			tags = f.ParamTags[i]
		}
		a, err := v.globalArgument(proto.Params[i].Type, i, tags, fail)
		if err != nil {
			return err
		}
		g.args = append(g.args, a)
	}
	return nil
}

func isNumber(t btf.Type) bool {
	switch t.(type) {
	case *btf.Int, *btf.Enum:
		return true
	}
	return false
}

// globalArgument reads the type of an argument and the tags that the source gives it (arg:ctx and so on).
func (v *verifier) globalArgument(t btf.Type, i int, list []string, fail func(string, ...any) error) (globalArg, error) {
	tags := map[string]bool{}
	for _, tag := range list {
		name, ok := strings.CutPrefix(tag, "arg:")
		if !ok {
			continue
		}
		if !slices.Contains([]string{"ctx", "trusted", "untrusted", "nonnull", "nullable", "arena"}, name) {
			return globalArg{}, fail("argument %d has a tag %q that is not known", i+1, tag)
		}
		tags[name] = true
	}
	t = btf.UnderlyingType(t)
	ptr, isPtr := t.(*btf.Pointer)
	switch {
	case !isPtr && len(tags) > 0:
		return globalArg{}, fail("argument %d has a tag for addresses, and is none", i+1)
	case !isPtr && isNumber(t):
		return globalArg{kind: Scalar}, nil
	case !isPtr:
		return globalArg{}, fail("argument %d is neither a number nor an address", i+1)
	}
	return v.globalPointer(ptr, i, tags, fail)
}

// globalPointer reads the type of an argument that is an address.
func (v *verifier) globalPointer(ptr *btf.Pointer, i int, tags map[string]bool, fail func(string, ...any) error) (globalArg, error) {
	only := func(allowed ...string) bool {
		for tag := range tags {
			if !slices.Contains(allowed, tag) {
				return false
			}
		}
		return true
	}
	wrongTags := func() (globalArg, error) {
		return globalArg{}, fail("argument %d has tags that do not go together", i+1)
	}
	to := btf.UnderlyingType(ptr.Target)
	switch {
	case tags["ctx"] || v.isContextType(ptr):
		if !only("ctx") {
			return wrongTags()
		}
		if tags["ctx"] && !v.mayBeContext(ptr, to) {
			return globalArg{}, fail("argument %d is tagged as the context, and has another type", i+1)
		}
		return globalArg{kind: Context}, nil
	case to.TypeName() == "bpf_dynptr" && isStruct(to):
		if len(tags) > 0 {
			return wrongTags()
		}
		return globalArg{kind: Dynptr, flags: readOnly}, nil
	case tags["arena"]:
		return globalArg{}, &Unsupported{Slot: -1, Text: "an argument in an arena"}
	case tags["trusted"]:
		if tags["nonnull"] || tags["untrusted"] {
			return wrongTags()
		}
		s, err := v.kernelTwin(to, i, fail)
		f := trusted
		if tags["nullable"] {
			f |= orNull
		}
		return globalArg{kind: Object, flags: f, typ: s}, err
	case tags["untrusted"]:
		if !only("untrusted") {
			return wrongTags()
		}
		if _, void := to.(*btf.Void); void || isNumber(to) {
			return globalArg{kind: Mem, flags: readOnly | untrusted}, nil
		}
		s, err := v.kernelTwin(to, i, fail)
		return globalArg{kind: Object, flags: untrusted, typ: s}, err
	}
	n, err := btf.Sizeof(to)
	if _, void := to.(*btf.Void); err != nil || void {
		return globalArg{}, fail("argument %d is the address of something whose size is not known", i+1)
	}
	if tags["nullable"] {
		return wrongTags()
	}
	a := globalArg{kind: Mem, flags: orNull, size: int32(n)}
	if tags["nonnull"] {
		a.flags = 0
	}
	return a, nil
}

// kernelTwin returns the kernel's structure of the same name.
func (v *verifier) kernelTwin(t btf.Type, i int, fail func(string, ...any) error) (btf.Type, error) {
	if len(v.kernel()) == 0 {
		return nil, &Unsupported{Slot: -1, Text: "an argument of a function is a structure of the kernel, whose types are not at hand"}
	}
	name, _, _ := strings.Cut(t.TypeName(), "___")
	s := v.kernelStruct(name)
	if s == nil || !isStruct(t) {
		return nil, fail("argument %d is the address of %q, and the kernel has no such structure", i+1, name)
	}
	return s, nil
}

// contextName returns the name of the structure that programs of the type call their context, "" if it has none.
func (v *verifier) contextName() string {
	switch t := &v.opts.Type; {
	case t.BTF, t.Type == spec.Syscall, t.Type == spec.Tracepoint, t.Type == spec.LircMode2:
		return ""
	case t.Layout() != nil:
		return t.Layout().Name
	}
	return ""
}

// isContextType reports whether an address is that of what programs of the type call their context.
func (v *verifier) isContextType(ptr *btf.Pointer) bool {
	if v.opts.Type.Type == spec.Kprobe && userRegs(ptr.Target) {
		return true
	}
	name, ctx := btf.UnderlyingType(ptr.Target).TypeName(), v.contextName()
	if !isStruct(btf.UnderlyingType(ptr.Target)) || name == "" || ctx == "" {
		return false
	}
	return name == ctx || ctx == "__sk_buff" && name == "sk_buff" || ctx == "xdp_md" && name == "xdp_buff"
}

// userRegs reports whether a type is bpf_user_pt_regs_t.
func userRegs(t btf.Type) bool {
	for range maxNesting {
		switch x := t.(type) {
		case *btf.Typedef:
			return x.Name == "bpf_user_pt_regs_t"
		case *btf.Const:
			t = x.Type
		case *btf.Volatile:
			t = x.Type
		case *btf.TypeTag:
			t = x.Type
		default:
			return false
		}
	}
	return false
}

// mayBeContext reports whether an argument that is tagged as the context may have its type.
func (v *verifier) mayBeContext(ptr *btf.Pointer, to btf.Type) bool {
	typ, at := v.opts.Type.Type, v.attach()
	if (typ == spec.Kprobe || typ == spec.PerfEvent) && userRegs(ptr.Target) {
		return true
	}
	if _, void := to.(*btf.Void); void {
		return true
	}
	name := to.TypeName()
	if name == "" {
		return false
	}
	number, isNum := to.(*btf.Int)
	word := isNum && number.Size == 8
	switch typ {
	case spec.Kprobe, spec.PerfEvent:
		if isStruct(to) && name == "pt_regs" {
			return true
		}
	case spec.RawTracepoint, spec.RawTracepointWritable, spec.LSM, spec.StructOps:
		if word {
			return true
		}
	case spec.Tracing:
		switch {
		case at == spec.AttachTraceIter && isStruct(to) && strings.HasPrefix(name, "bpf_iter__"):
			return true
		case at == spec.AttachTraceRawTP && isStruct(to) && name == "bpf_raw_tracepoint_args":
			return true
		case at != spec.AttachTraceIter && word:
			return true
		}
	case spec.Tracepoint, spec.Syscall, spec.Extension:
		return true
	}
	return isStruct(to) && name == v.contextName()
}
