// Implements calls of helpers: what they are given, what they leave.

package verify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

func (v *verifier) sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }

// call walks through a call.
func (v *verifier) call(in *ir.Ins, row *isa.Row) (ir.Index, error) {
	switch row.Op {
	case isa.CallLocal:
		return v.enter(in)
	case isa.CallReg:
		return 0, v.unsupported("a call through a register")
	}
	h := v.helper(v.at)
	if h == nil {
		id := int32(in.Imm)
		if name, ok := helper.Name(id); ok {
			return 0, v.unsupported("helper %s is not known", name)
		}
		return 0, v.fail(BadHelper, "there is no helper %d", id)
	}
	if err := v.mayCall(h); err != nil {
		return 0, err
	}
	return v.callHelper(h)
}

// mayCall checks that the program may call a helper at all.
func (v *verifier) mayCall(h *helper.Helper) error {
	t := &v.opts.Type
	name, kernels := helper.Name(h.ID)
	// An embedder's own, and those of translated classic programs, are for all types.
	kernels = kernels && name == h.Name && !h.Kfunc && h.ID < helper.ClassicPayOffset
	if need, ok := v.allowed(h.Name); kernels && (!ok || need == progtype.CapPerfmon && v.opts.Strict) {
		return v.fail(BadHelper, "programs of type %s may not call helper %s", t.Type, h.Name)
	}
	if h.Kfunc && h.Types != nil && !slices.Contains(h.Types, t.Type) {
		return v.fail(BadHelper, "programs of type %s may not call kernel function %s", t.Type, h.Name)
	}
	if h.GPL && !gplCompatible(v.p.Source.License) {
		return v.fail(BadHelper, "helper %s may be called only by programs whose license is compatible with the GPL, and this one's is %q", h.Name, v.p.Source.License)
	}
	if h.Sleeps && v.p.Source.Flags&spec.Sleepable == 0 && t.Type != spec.Syscall {
		return v.fail(BadHelper, "helper %s may sleep, and the program must not", h.Name)
	}
	if v.cur.holding(refLock) != nil && !h.Unlocks && !h.WhileLocked {
		return v.fail(LockHeld, "call of helper %s while a lock is held", h.Name)
	}
	return nil
}

// allowed reports whether programs of the type may call a helper, and what that takes.
func (v *verifier) allowed(name string) (need progtype.Privilege, ok bool) {
	need, ok = v.opts.Type.MayCall(name, v.attach())
	switch w := &v.target; {
	case w.ops != nil && w.ops.None:
		return need, false
	case w.ops != nil:
		return need, ok || slices.Contains(strings.Fields(w.ops.Helpers), name)
	case v.opts.Type.BTF && ok:
		return need, progtype.TargetMayCall(name, v.opts.Type.Type, v.attach(), w.name, v.sleepable())
	}
	return need, ok
}

// gplCompatible tells the licenses that the kernel takes for compatible with the GPL.
func gplCompatible(license string) bool {
	return slices.Contains([]string{"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}, license)
}

// args is what is found out about a call's arguments.
type args struct {
	h        *helper.Helper
	mapIndex int32 // of the map, or -1
	key      int64 // of a map's element, if it is a constant, or -1
	maxSize  uint64
	memSize  uint64
	ref      uint32 // reference among the arguments
	released uint8  // register that is released, or 0
	raw      rawMem // memory that the helper fills
	fn       ir.Index
	pointer  reg // the StackMem argument
	dynptr   reg // the dynptr that was passed
	socket   bool
	iter     place // the iterator that was passed
	constant uint64
	object   reg            // the PerCPU or Object argument
	kptr     *spec.MapField // the pointer field of a map's value that was passed
}

// rawMem is memory on the stack that a helper writes without reading it.
type rawMem struct {
	r    uint8
	size int
}

// callHelper walks through the call of a helper.
func (v *verifier) callHelper(h *helper.Helper) (ir.Index, error) {
	a := &args{h: h, mapIndex: -1, key: -1, fn: -1}
	if err := v.writesPacket(h); err != nil {
		return 0, err
	}
	for i := range h.Args {
		if err := v.argument(a, i); err != nil {
			return 0, err
		}
	}
	if err := v.mapFits(a); err != nil {
		return 0, err
	}
	for i := range a.raw.size {
		ptr := &v.cur.regs()[a.raw.r]
		if err := v.access(a.raw.r, int64(i), 1, true, false, nil, -1, nil, false); err != nil {
			return 0, err
		}
		_ = ptr
	}
	if a.released != 0 {
		if err := v.releaseArg(a); err != nil {
			return 0, err
		}
	}
	if h.TailCall {
		if err := v.noneHeld("a tail call"); err != nil {
			return 0, err
		}
	}
	if err := v.section(h); err != nil {
		return 0, err
	}
	if h.Throws {
		return v.throw(h)
	}
	if h.Callback != nil {
		return v.callback(a)
	}
	if err := v.afterCall(a); err != nil {
		return 0, err
	}
	if isNext(h) {
		return v.at + 1, v.next(a)
	}
	if h.TailCall && v.cur.depth() > 0 {
		return v.tailCalled()
	}
	return v.at + 1, nil
}

// tailCalled walks on behind a tail call inside a function. If it fails, the function goes on; if it succeeds, another
// program does, which may change the packet, and its result is the function's.
func (v *verifier) tailCalled() (ir.Index, error) {
	if _, err := v.push(v.at + 1); err != nil {
		return 0, err
	}
	v.forgetPacket()
	v.cur.regs()[0].setUnknown()
	next, err := v.exit()
	v.forgetPacket()
	return next, err
}

// writesPacket checks that a kernel function that gives out memory to be written, which may be the packet's, may do so.
func (v *verifier) writesPacket(h *helper.Helper) error {
	if h.Kfunc && h.Result.Kind() == helper.ResultMem && !h.Result.Has(helper.ReadOnly) && !v.packetWritable() {
		return v.fail(ReadOnly, "%s gives out memory to be written, and programs of type %s may only read the packet", h.Name, v.opts.Type.Type)
	}
	return nil
}

// afterCall is what a helper leaves.
func (v *verifier) afterCall(a *args) error {
	regs := v.cur.regs()
	for r := isa.R0; r <= isa.R5; r++ {
		regs[r] = reg{Scalar: zeroOffset}
	}
	if err := v.returned(a, &regs[0]); err != nil {
		return err
	}
	if a.h.ChangesPacket {
		v.forgetPacket()
	}
	return nil
}

// forgetPacket makes all pointers to the packet void.
func (v *verifier) forgetPacket() {
	v.cur.eachReg(func(r *reg) {
		if !r.packetAny() {
			return
		}
		if v.opts.Strict {
			*r = reg{Scalar: value.Unknown}
		} else {
			r.setUnknown()
		}
	})
}

// returned is what R0 is after a call.
func (v *verifier) returned(a *args, r0 *reg) error {
	res := a.h.Result
	switch res.Kind() {
	case helper.Scalar, helper.Void:
		r0.setUnknown()
		if res.Has(helper.Errno) {
			r0.SMin, r0.SMin32 = -4095, -4095
			if a.maxSize <= 1<<31-1 {
				r0.SMax, r0.SMax32 = int64(a.maxSize), int32(a.maxSize)
			}
			r0.Sync()
		}
		if res.Kind() == helper.Void {
			*r0 = reg{Scalar: zeroOffset}
		}
		return nil
	case helper.ResultMapValue:
		*r0 = pointerTo(MapValue)
		r0.obj = a.mapIndex
	case helper.ResultRecord:
		*r0 = pointerTo(Mem)
		r0.n, r0.flags = int32(a.memSize), ringbuf
	case helper.ResultMem, helper.ResultFixed:
		*r0 = pointerTo(Mem)
		r0.n = int32(a.memSize)
		if res.Kind() == helper.ResultFixed {
			r0.n = int32(a.h.ResultSize)
		} else {
			r0.dyn, r0.ref = a.dynptr.id, a.dynptr.ref
		}
		if isNext(a.h) {
			r0.ref = v.cur.register(a.iter).ref
		}
	case helper.ResultSocket:
		*r0 = pointerTo(Socket)
	case helper.ResultTCPSock:
		*r0 = pointerTo(TCPSock)
	case helper.ResultCommon:
		*r0 = pointerTo(SockCommon)
	}
	if res.Has(helper.ReadOnly) {
		r0.flags |= readOnly
	}
	if res.Kind() == helper.ResultObject || res.Kind() == helper.ResultVariable {
		if err := v.objectResult(a, r0); err != nil || r0.kind == Scalar {
			return err
		}
	}
	null := res.Has(helper.MayBeNull)
	if null && res.Kind() == helper.ResultMapValue && len(a.h.Args) == 2 && v.isElement(a) {
		null = false
	}
	if null {
		r0.flags |= orNull
		r0.id = v.newID()
	} else if res.Kind() == helper.ResultMapValue {
		v.innerValue(r0)
		if r0.kind == MapValue && v.hasLock(r0.obj) {
			r0.id = v.newID()
		}
	}
	sockets := a.mapIndex >= 0 && res.Kind() == helper.ResultMapValue && isSockMap(v.maps[a.mapIndex].Type)
	if res.Has(helper.Acquires) || sockets {
		id := v.newID()
		v.cur.refs = append(v.cur.refs, reference{kind: refObject, id: id, at: v.at})
		r0.id, r0.ref = id, id
	} else if a.ref != 0 && a.socket {
		r0.ref = a.ref
	}
	return nil
}

func isSockMap(t spec.MapType) bool { return t == spec.Sockmap || t == spec.Sockhash }

// isElement reports whether the map is an array and the key a constant that is in it.
func (v *verifier) isElement(a *args) bool {
	m := v.maps[a.mapIndex]
	return (m.Type == spec.Array || m.Type == spec.PerCPUArray) && a.key >= 0 && uint64(a.key) < uint64(m.MaxEntries)
}

// innerValue makes a pointer to a value of a map of maps, or of sockets, what the value is.
func (v *verifier) innerValue(r *reg) {
	switch m := v.maps[r.obj]; {
	case m.Inner != nil:
		inner := v.innerMap(r.obj)
		*r = reg{Scalar: r.Scalar, kind: Map, obj: inner, id: r.id, ref: r.ref}
	case m.Type == spec.XSKMap:
		*r = reg{Scalar: r.Scalar, kind: XDPSock, id: r.id, ref: r.ref}
	case isSockMap(m.Type):
		*r = reg{Scalar: r.Scalar, kind: Socket, id: r.id, ref: r.ref}
	}
}

// mapFits checks that the helper works on the map.
func (v *verifier) mapFits(a *args) error {
	if a.mapIndex < 0 {
		return nil
	}
	m := v.maps[a.mapIndex]
	if a.h.ChangesMap && readOnlyMap(m) {
		return v.fail(ReadOnly, "%s changes map %q, which programs can only read", a.h.Name, m.Name)
	}
	if a.h.ChangesMap && isSockMap(m.Type) && !v.changesSockets(a.h) {
		return v.fail(BadMap, "programs of type %s may not change map %q, which is of type %s, by %s", v.opts.Type.Type, m.Name, m.Type, a.h.Name)
	}
	if a.h.Maps != nil && !slices.Contains(a.h.Maps, m.Type) {
		return v.fail(BadMap, "helper %s does not work on map %q, which is of type %s", a.h.Name, m.Name, m.Type)
	}
	return nil
}

// releaseArg ends the reference that an argument is.
func (v *verifier) releaseArg(a *args) error {
	regs := v.cur.regs()
	r := &regs[a.released]
	if r.zero() {
		return nil
	}
	if !v.cur.release(r.ref) {
		return v.failReg(NotReference, a.released, "R%d is no reference that %s could release", a.released, a.h.Name)
	}
	v.invalidate(r.ref)
	return nil
}

// invalidate makes all registers that depend on a reference unusable.
func (v *verifier) invalidate(ref uint32) {
	v.cur.eachReg(func(r *reg) {
		if r.ref != ref {
			return
		}
		if v.opts.Strict {
			*r = reg{Scalar: value.Unknown}
		} else {
			r.setUnknown()
		}
	})
}

// noneHeld checks that nothing is held that would be lost.
func (v *verifier) noneHeld(what string) error {
	for _, r := range v.cur.refs {
		switch r.kind {
		case refLock:
			return v.fail(LockHeld, "%s while the lock taken at instruction %d is held", what, v.p.Slots[r.at])
		case refObject:
			return v.fail(Unreleased, "%s while the reference acquired at instruction %d is not released", what, v.p.Slots[r.at])
		default:
			return v.fail(LockHeld, "%s inside the section entered at instruction %d", what, v.p.Slots[r.at])
		}
	}
	return nil
}
