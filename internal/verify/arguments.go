// Implements contexts that are the arguments of a function of the kernel, described by its types (BTF).

package verify

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// maxArguments bounds the context, bytes.
const maxArguments = 12 * 8

// slotSize is how many bytes of the context a parameter takes.
func slotSize(t btf.Type) int64 {
	if _, ok := t.(*btf.Pointer); ok {
		return 8
	}
	n, _ := btf.Sizeof(t)
	return (int64(n) + 7) &^ 7
}

// argumentAt returns the number of the argument at an offset of the context, len(Params) for the result, and more if
// there is none.
func (w *target) argumentAt(off int64) int {
	end := int64(0)
	for i := range w.proto.Params {
		end += slotSize(btf.UnderlyingType(w.proto.Params[i].Type))
		if off < end {
			return i
		}
	}
	n := len(w.proto.Params)
	if end += slotSize(btf.UnderlyingType(w.proto.Return)); off < end {
		return n
	}
	return n + 1
}

// accessArguments checks an access to a context that the kernel's types describe.
func (v *verifier) accessArguments(r uint8, off int64, size int, write, signed bool, out *reg) error {
	fail := func(format string, args ...any) error {
		return v.failReg(BadContext, r, "%s at offset %d of the arguments of %s: %s", accessVerb(write), off, v.target.name, v.sprintf(format, args...))
	}
	switch {
	case off < 0 || off >= maxArguments || off%int64(size) != 0:
		return fail("arguments are at multiples of 8 below %d", maxArguments)
	case write:
		return fail("arguments can only be read")
	case off%8 != 0:
		return fail("arguments are at multiples of 8")
	}
	w := &v.target
	arg, n := w.argumentAt(off), len(w.proto.Params)-w.hidden
	if arg > n {
		return fail("there are %d arguments", n)
	}
	var t btf.Type
	var tags []string
	name := ""
	if arg == n {
		switch v.attach() {
		case spec.AttachLSMMac, spec.AttachLSMCGroup, spec.AttachTraceFexit, spec.AttachModifyReturn:
		default:
			return fail("there are %d arguments", n)
		}
		t = w.proto.Return
	} else {
		p := &w.proto.Params[arg+w.hidden]
		t, name, tags = p.Type, p.Name, nil
		_ = tags
	}
	t = btf.UnderlyingType(t)
	switch t := t.(type) {
	case *btf.Int:
		if t.Size != 1 && t.Size != 2 && t.Size != 4 && t.Size != 8 {
			return fail("it is neither a number nor an address")
		}
		return v.argumentNumber(arg == n, out)
	case *btf.Enum, *btf.Struct, *btf.Union:
		if arg == n && v.attach() == spec.AttachModifyReturn {
			return fail("the result is no number")
		}
		return v.argumentNumber(arg == n, out)
	case *btf.Pointer:
		switch {
		case arg == n && v.attach() == spec.AttachModifyReturn:
			return fail("the result is no number")
		case size != 8:
			return fail("an address has 8 bytes")
		}
		return v.argumentPointer(r, t, arg, name, signed, out)
	}
	return fail("it is neither a number nor an address")
}

func accessVerb(write bool) string {
	if write {
		return "write"
	}
	return "read"
}

// argumentNumber is a number among the arguments, or the result so far of the hook.
func (v *verifier) argumentNumber(result bool, out *reg) error {
	if out != nil && result && v.attach() == spec.AttachLSMMac {
		if r := v.target.result; r != nil {
			out.setUnknown()
			out.SMin, out.SMax = int64(r.Min), int64(r.Max)
			out.SMin32, out.SMax32 = r.Min, r.Max
			out.Sync()
		}
	}
	return nil
}

// argumentPointer is an address among the arguments.
func (v *verifier) argumentPointer(r uint8, ptr *btf.Pointer, arg int, name string, signed bool, out *reg) error {
	w := &v.target
	var f flags
	special, listed := progtype.ArgFlags(0), false
	if w.iter != nil {
		special, listed = w.iter.Args[arg]
	}
	if special&progtype.ArgBuffer != 0 {
		f = orNull
		if special&progtype.ArgReadOnly != 0 {
			f |= readOnly
		}
		return v.pointerOut(r, reg{Scalar: zeroOffset, kind: Buf, flags: f}, signed, out)
	}
	s := btf.UnderlyingType(ptr.Target)
	if _, void := s.(*btf.Void); void || isInt(s) {
		return nil // as good as a number
	}
	switch {
	case listed:
		if special&progtype.ArgTrusted != 0 {
			f |= trusted
		}
		if special&progtype.ArgNull != 0 {
			f |= orNull
		}
	default:
		var number bool
		if f, number = v.argumentFlags(arg, name); number {
			return nil
		}
		if tag, ok := ptr.Target.(*btf.TypeTag); ok {
			f |= tagFlags[tag.Value] &^ rcu
		}
	}
	if !isStruct(s) {
		return v.failReg(BadContext, r, "argument %d of %s is the address of something that is no structure", arg, w.name)
	}
	if w.ops != nil && f&(untrusted|orNull|percpu|user) == 0 {
		if whole := w.ops.Promote[s.TypeName()]; whole != "" {
			if t := v.kernelStruct(whole); t != nil {
				s = t
			}
		}
	}
	return v.pointerOut(r, reg{Scalar: zeroOffset, kind: Object, flags: f, obj: v.types.id(s)}, signed, out)
}

// argumentFlags is what holds for an address among the arguments, and whether it may be an error number.
func (v *verifier) argumentFlags(arg int, name string) (f flags, number bool) {
	if v.argsTrusted() {
		f |= trusted
	}
	if strings.HasSuffix(name, "__nullable") || v.nullable(arg) {
		f |= orNull
	}
	if v.attach() == spec.AttachTraceRawTP && v.opts.Type.Type == spec.Tracing {
		null, isError := progtype.TracepointArg(v.target.name, arg)
		if null || v.target.module {
			f |= orNull
		}
		number = isError
	}
	return f, number
}

// nullable reports whether the kernel says that an argument of a method or tracepoint may be null: by the name of the
// parameter, which ends in __nullable, of a function that is named after it.
func (v *verifier) nullable(arg int) bool {
	w := &v.target
	name := ""
	switch {
	case w.ops != nil:
		name = strings.Replace(w.name, "/", "__", 1)
	case w.hidden > 0:
		name, arg = "__bpf_trace_"+w.name, arg+w.hidden
	default:
		return false
	}
	f, _ := v.kernelFunc(name)
	if f == nil {
		return false
	}
	proto, ok := f.Type.(*btf.FuncProto)
	return ok && arg < len(proto.Params) && strings.HasSuffix(proto.Params[arg].Name, "__nullable")
}

// pointerOut is an address that was read.
func (v *verifier) pointerOut(r uint8, x reg, signed bool, out *reg) error {
	if signed {
		return v.failReg(BadContext, r, "an address is read with an extended sign")
	}
	if x.has(orNull) {
		x.id = v.newID()
	}
	v.facts.Foreign = true
	if out != nil {
		*out = x
	}
	return nil
}

// traceable checks that programs can be attached to the function.
func (v *verifier) traceable(at spec.AttachType, name string) error {
	w := &v.target
	fail := func(format string, args ...any) error {
		return v.failAt(0, BadAttach, "programs cannot be attached to %s: %s", name, v.sprintf(format, args...))
	}
	if len(w.proto.Params) > maxArguments/8 {
		return fail("it has %d arguments", len(w.proto.Params))
	}
	switch t := btf.UnderlyingType(w.proto.Return).(type) {
	case *btf.Void, *btf.Int, *btf.Enum, *btf.Pointer:
	default:
		return fail("its result is a %T", t)
	}
	for i := range w.proto.Params {
		p := &w.proto.Params[i]
		t := btf.UnderlyingType(p.Type)
		n, err := btf.Sizeof(t)
		switch t.(type) {
		case *btf.Void:
			return fail("it has a variable number of arguments")
		case *btf.Int, *btf.Enum, *btf.Pointer, *btf.Struct, *btf.Union:
		default:
			return fail("argument %d is neither a number nor an address", i)
		}
		if err != nil || n == 0 || n > 16 {
			return fail("argument %d has %d bytes", i, n)
		}
	}
	if v.opts.Type.Type != spec.Tracing {
		return nil
	}
	ok, known := progtype.Traceable(name, at, v.p.Source.Flags&spec.Sleepable != 0)
	switch {
	case !known:
		return &Unsupported{Slot: -1, Text: v.sprintf("whether programs for %s may sleep, or change its result: the kernel's types do not tell", name)}
	case !ok:
		return fail("the kernel does not allow it")
	}
	return nil
}
