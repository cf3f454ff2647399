// Implements what must hold for an argument of a helper, by its kind.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
)

// maxSize bounds the sizes that helpers are given, bytes.
const maxSize = 1 << 29

// kindSet is a set of kinds.
type kindSet uint32

func kinds(all ...Kind) (s kindSet) {
	for _, k := range all {
		s |= 1 << k
	}
	return s
}

var memKinds = kinds(Stack, Packet, PacketMeta, MapKey, MapValue, Mem, Buf)

// accepted are the kinds of pointers that kinds of arguments take.
var accepted = map[helper.Arg]kindSet{
	helper.Context: kinds(Context), helper.Mem: memKinds, helper.MemOut: memKinds, helper.Size: kinds(Scalar), helper.SizeOr0: kinds(Scalar),
	helper.MapRef: kinds(Map), helper.MapKey: memKinds, helper.MapValue: memKinds, helper.MapValueOut: memKinds, helper.RecordSize: kinds(Scalar),
	helper.Record: kinds(Mem), helper.Function: kinds(Func), helper.StackMem: kinds(Stack), helper.ConstString: kinds(MapValue),
	helper.LockField: kinds(MapValue), helper.TimerField: kinds(MapValue), helper.DynptrRef: kinds(Stack, Dynptr), helper.Iterator: kinds(Stack),
	helper.IRQFlag: kinds(Stack), helper.KptrField: kinds(MapValue), helper.Object: kinds(Object), helper.PerCPU: kinds(Object), helper.Constant: kinds(Scalar),
	helper.Socket: kinds(Socket), helper.SockCommon: kinds(SockCommon, Socket, TCPSock, XDPSock),
}

// argument checks argument i of a call.
func (v *verifier) argument(a *args, i int) error {
	kind, r := v.argumentOf(a, i), uint8(isa.R1)+uint8(i)
	if a.h.Kfunc && kind == helper.Any|helper.Ignored {
		return nil // not even looked at
	}
	if err := v.reads(r); err != nil {
		return err
	}
	x := &v.cur.regs()[r]
	if kind.Has(helper.Zero) && !x.zero() {
		return v.failReg(BadArgument, r, "argument %d (R%d) of %s must be 0, and is %s", i+1, r, a.h.Name, x.describe())
	}
	if kind.Kind() == helper.Any {
		if (v.opts.Strict || a.h.Kfunc) && !kind.Has(helper.Ignored) && x.pointer() {
			return v.failReg(PointerLeak, r, "R%d is %s, and passing it to %s as a number lets it become visible", r, x.describe(), a.h.Name)
		}
		return nil
	}
	null := kind.Has(helper.OrNull) && x.zero()
	if !null {
		if err := v.argumentKind(a, i, kind, r, x); err != nil {
			return err
		}
	}
	special := kind.Kind() == helper.DynptrRef || kind.Kind() == helper.Iterator || kind.Kind() == helper.IRQFlag
	if kind.Has(helper.Releases) && !special {
		if x.ref == 0 && !x.zero() {
			return v.failReg(NotReference, r, "R%d is no reference that %s could release", r, a.h.Name)
		}
		a.released = r
	}
	if x.ref != 0 {
		a.ref = x.ref
		a.socket = kind.Kind() == helper.SockCommon || kind.Kind() == helper.Socket
	}
	return v.argumentValue(a, i, kind, r, x, null)
}

// argumentOf is what a helper takes: where it takes a value of a map, and the map is one of sockets, it takes a socket.
func (v *verifier) argumentOf(a *args, i int) helper.Arg {
	kind := a.h.Args[i]
	if kind.Kind() == helper.MapValue && a.mapIndex >= 0 && isSockMap(v.maps[a.mapIndex].Type) {
		return helper.SockCommon | kind&helper.OrNull
	}
	return kind
}

// argumentKind checks what a register is against what the helper takes.
func (v *verifier) argumentKind(a *args, i int, kind helper.Arg, r uint8, x *reg) error {
	want, known := accepted[kind.Kind()]
	if !known {
		return v.unsupported("helper %s takes a %s, which the verifier does not know", a.h.Name, kind)
	}
	if x.inPacket() && !v.packetArgument(a.h) {
		return v.failReg(BadArgument, r, "R%d is an address in the packet, which %s does not take here", r, a.h.Name)
	}
	if makesLocal(a.h) && memKinds>>x.kind&1 != 0 && x.kind != MapValue && kind.Kind() == helper.MemOut {
		return v.failReg(BadArgument, r, "argument %d (R%d) of %s must be in a map's value, and is %s: the dynptr may outlive other memory", i+1, r, a.h.Name, x.describe())
	}
	if x.kind == Object || kind.Kind() == helper.Object {
		return v.objectArgument(a, i, kind, r, x)
	}
	if want>>x.kind&1 == 0 {
		err := v.failReg(BadArgument, r, "argument %d (R%d) of %s must be %s, and is %s", i+1, r, a.h.Name, describeArg(kind), x.describe())
		if x.kind == Scalar && want>>Stack&1 != 0 {
			return hinted(err, "pass the address of a variable (&x), not what is in it")
		}
		return hinted(err, "pass what the helper takes")
	}
	if x.has(orNull) && !kind.Has(helper.OrNull) {
		return v.failReg(MaybeNull, r, "argument %d (R%d) of %s may be null: compare it with 0 first", i+1, r, a.h.Name)
	}
	if x.has(readOnly) && (x.kind == Mem || x.kind == Buf) && kind.Kind() != helper.Mem {
		return v.failReg(ReadOnly, r, "argument %d (R%d) of %s is memory that can only be read", i+1, r, a.h.Name)
	}
	if kind.Kind() == helper.Record && !x.has(ringbuf) {
		return v.failReg(BadArgument, r, "argument %d (R%d) of %s must be a record that was reserved", i+1, r, a.h.Name)
	}
	if x.has(ringbuf) && x.kind == Mem && kind.Kind() == helper.Record && kind.Has(helper.Releases) && x.off != 0 {
		return v.failReg(BadArgument, r, "R%d is a record plus %d: %s wants it as it was reserved", r, x.off, a.h.Name)
	}
	if memKinds>>x.kind&1 == 0 && x.pointer() || kind.Has(helper.Releases) && x.kind != Stack && x.kind != Dynptr {
		if err := v.noOffset(r, x, false); err != nil {
			return err
		}
	}
	return nil
}

// makesLocal reports whether a helper makes a dynptr of memory that it is given.
func makesLocal(h *helper.Helper) bool {
	return slices.ContainsFunc(h.Args, func(a helper.Arg) bool { return a.Kind() == helper.DynptrRef && a.Has(helper.Fresh|helper.Local) })
}

// packetArgument reports whether a helper takes addresses in the packet where it takes memory.
func (v *verifier) packetArgument(h *helper.Helper) bool {
	switch t := &v.opts.Type; t.Pass {
	case progtype.PassAny:
		return true
	case progtype.PassNone:
		return false
	default:
		return t.Packet && h.PacketMemory
	}
}

// describeArg says what an argument must be.
func describeArg(kind helper.Arg) string {
	switch kind.Kind() {
	case helper.Context:
		return "the context"
	case helper.Mem, helper.MemOut, helper.MapKey, helper.MapValue, helper.MapValueOut:
		return "the address of memory"
	case helper.Size, helper.SizeOr0, helper.RecordSize:
		return "a number"
	case helper.MapRef:
		return "a map"
	case helper.Record:
		return "a record that was reserved"
	case helper.Function:
		return "a function of the program"
	case helper.StackMem:
		return "an address on the stack"
	case helper.Socket, helper.SockCommon:
		return "a socket"
	case helper.Object:
		return "the address of a structure of the kernel"
	case helper.PerCPU:
		return "the address of a variable of each processor"
	}
	return kind.String()
}

// describe says in words what a register is.
func (r *reg) describe() string {
	switch {
	case r.kind == NotInit:
		return "not set"
	case r.zero():
		return "0"
	case r.kind == Scalar:
		return "a number"
	case r.has(orNull):
		return "an address in " + r.what() + " that may be null"
	case r.kind == Context, r.kind == Map:
		return r.what()
	}
	return "an address in " + r.what()
}

// argumentValue checks what an argument says.
func (v *verifier) argumentValue(a *args, i int, kind helper.Arg, r uint8, x *reg, null bool) error {
	switch k := kind.Kind(); k {
	case helper.MapRef:
		a.mapIndex = x.obj
	case helper.MapKey:
		if a.mapIndex < 0 {
			return v.unsupported("helper %s takes a key without a map", a.h.Name)
		}
		if err := v.memory(a, r, int64(v.maps[a.mapIndex].KeySize), false, false, false); err != nil {
			return err
		}
		a.key = v.constantKey(x, int(v.maps[a.mapIndex].KeySize))
	case helper.MapValue, helper.MapValueOut:
		if null {
			return nil
		}
		if a.mapIndex < 0 {
			return v.unsupported("helper %s takes a value without a map", a.h.Name)
		}
		out := k == helper.MapValueOut
		return v.memory(a, r, int64(v.maps[a.mapIndex].ValueSize), out || kind.Has(helper.Writes), false, out)
	case helper.Mem, helper.MemOut:
		if n := kind.FixedSize(); n > 0 && !null {
			if err := v.memory(a, r, int64(n), k == helper.MemOut || kind.Has(helper.Writes), false, k == helper.MemOut); err != nil {
				return err
			}
			if kind.Has(helper.Aligned) {
				return v.alignedTo(r, x, int(n))
			}
		}
	case helper.Size, helper.SizeOr0:
		if i >= 2 && a.h.Args[i-2].Kind() == helper.ConstString && !a.h.Kfunc {
			if err := v.size(a, i, r, x); err != nil {
				return err
			}
			return v.format(r, uint8(r-2))
		}
		if kind.Has(helper.Fixing) {
			if err := v.fixedSize(a, i, r, x); err != nil || v.cur.regs()[r-1].zero() {
				return err // there is no buffer
			}
		}
		return v.size(a, i, r, x)
	case helper.RecordSize:
		return v.fixedSize(a, i, r, x)
	case helper.Constant:
		if err := v.fixedSize(a, i, r, x); err != nil {
			return err
		}
		a.constant = x.Bits.Value
	case helper.PerCPU:
		a.object = *x
	case helper.Function:
		a.fn = index(x.obj)
	case helper.StackMem:
		a.pointer = *x
	case helper.ConstString:
		return v.constString(r, x)
	case helper.LockField:
		return v.lock(a, r, x)
	case helper.TimerField:
		return v.timerField(a, r, x)
	case helper.DynptrRef:
		return v.dynptrArg(a, i, kind, r, x)
	case helper.KptrField:
		return v.kptrField(a, r, x)
	case helper.IRQFlag:
		return v.interruptFlag(a, kind, r, x)
	case helper.Iterator:
		return v.iterArg(a, i, kind, r, x)
	}
	return nil
}

// fixedSize takes note of the size of what the helper returns.
func (v *verifier) fixedSize(a *args, i int, r uint8, x *reg) error {
	if !x.IsConst() {
		return v.failReg(BadArgument, r, "argument %d (R%d) of %s must be a constant", i+1, r, a.h.Name)
	}
	a.memSize = x.Bits.Value
	v.precise(r)
	return nil
}

// size checks the size of the memory that the argument before it is.
func (v *verifier) size(a *args, i int, r uint8, x *reg) error {
	orZero := a.h.Args[i].Kind() == helper.SizeOr0
	mem := a.h.Args[i-1]
	a.maxSize = x.UMax
	raw := mem.Kind() == helper.MemOut && x.IsConst() && !a.h.Kfunc // kernel functions may read what they write
	switch {
	case x.SMin < 0:
		return v.failReg(BadArgument, r, "the size in R%d may be negative: check that it is not, or use & to limit it", r)
	case x.UMin == 0 && !orZero:
		return v.failReg(BadArgument, r, "the size in R%d may be 0, which %s does not take", r, a.h.Name)
	case x.UMax >= maxSize:
		return v.failReg(BadArgument, r, "the size in R%d has no upper bound: compare it with a limit first", r)
	}
	write := mem.Kind() == helper.MemOut || mem.Has(helper.Writes) || a.h.Kfunc
	if err := v.memory(a, r-1, int64(x.UMax), write, orZero, raw); err != nil {
		return err
	}
	v.precise(r)
	return nil
}

// memory checks that a helper may access size bytes at a register. raw is memory that it fills without reading it.
func (v *verifier) memory(a *args, r uint8, size int64, write, orZero, raw bool) error {
	x := &v.cur.regs()[r]
	if size == 0 && orZero && x.zero() {
		return nil
	}
	switch x.kind {
	case Packet, PacketMeta:
		if write && !v.packetWritable() {
			return v.failReg(ReadOnly, r, "R%d is an address in the packet, which programs of type %s can only read", r, v.opts.Type.Type)
		}
		if size == 0 && orZero {
			size = 0
		}
		return v.packetRegion(r, x, 0, int(size))
	case MapKey:
		if write {
			return v.failReg(ReadOnly, r, "R%d is a map's key, which can only be read", r)
		}
		return v.region(r, x, 0, int(size), int64(v.maps[x.obj].KeySize), BadMemory, "the map's key")
	case MapValue:
		return v.accessMapValue(r, x, 0, int(size), write, nil, false)
	case Mem:
		if write && x.has(readOnly) {
			return v.failReg(ReadOnly, r, "R%d is memory that can only be read", r)
		}
		if write && x.obj > 0 && v.walked != nil {
			v.walked.writes |= 1 << (x.obj - 1)
		}
		return v.region(r, x, 0, int(size), int64(uint32(x.n)), BadMemory, "the memory")
	case Stack:
		return v.stackMemory(a, r, x, size, write, orZero, raw)
	case Scalar, NotInit:
		return v.failReg(BadArgument, r, "R%d must be the address of memory, and is a number", r)
	case Buf:
		if v.plain() || v.target.iter != nil {
			return v.accessBuf(r, x, 0, int(size), write)
		}
	case Object:
		return v.accessObject(r, x, 0, int(size), false, nil)
	}
	return v.failReg(BadArgument, r, "R%d must be the address of memory, and is %s", r, x.describe())
}

// stackMemory is memory for the stack.
func (v *verifier) stackMemory(a *args, r uint8, x *reg, size int64, write, orZero, raw bool) error {
	if size == 0 && !orZero {
		return v.failReg(BadArgument, r, "no memory for a helper that wants some")
	}
	lo, hi, err := v.stackBounds(r, x, 0, int(size), "access by the helper")
	if err != nil {
		return err
	}
	if !x.IsConst() {
		if v.opts.Strict {
			return v.failReg(BadStack, r, "R%d is an address on the stack with an offset that is not constant", r)
		}
		raw = false
	}
	frame := int(x.frame)
	f := v.cur.frames[frame]
	if hi > lo {
		f.grow(int(lo))
	}
	if raw {
		for o := int(lo); o < int(hi); o++ {
			if n, b := position(o); f.stack[n].bytes[b] == byteDynptr {
				return v.failReg(BadDynptr, r, "the helper may overwrite the dynptr at stack offset %d", o)
			}
		}
		a.raw = rawMem{r, int(size)}
		return nil
	}
	for o := int(lo); o < int(hi); o++ {
		n, b := position(o)
		s := &f.stack[n]
		k := s.bytes[b]
		if k == byteInvalid {
			v.facts.Unwritten = true
		}
		switch {
		case k == byteMisc:
		case k == byteZero, k == byteInvalid && !v.opts.Strict:
			if write {
				s.bytes[b] = byteMisc
			}
		case s.bytes[7] == byteSpill && (s.reg.kind == Scalar || !v.opts.Strict):
			if write {
				s.reg.setUnknown()
				s.scrub()
			}
		default:
			return v.failReg(UninitStack, r, "the helper reads %d bytes at stack offset %d, and the byte at offset %d is none that it may read: nothing was written there, or an address", size, lo, o)
		}
	}
	if hi > lo {
		v.readSlots(frame, int(lo), int(hi))
	}
	return nil
}

// constantKey returns the key that lies on the stack, if it is known, or -1.
func (v *verifier) constantKey(x *reg, size int) int64 {
	if x.kind != Stack || !x.IsConst() || size == 0 || size > 8 {
		return -1
	}
	f := v.cur.frames[x.frame]
	n, b := position(int(x.off) + int(int64(x.Bits.Value)))
	if n >= len(f.stack) {
		return -1
	}
	s := &f.stack[n]
	run := func(k byteKind) (c int) {
		for i := b; i >= 0 && s.bytes[i] == k; i-- {
			c++
		}
		return c
	}
	if run(byteZero) >= size {
		return 0
	}
	if s.bytes[7] != byteSpill || s.reg.kind != Scalar || run(byteSpill) != size || !s.reg.IsConst() {
		return -1
	}
	v.preciseSlot(int(x.frame), n)
	return int64(s.reg.Bits.Value)
}
