// Implements what must hold for an access to memory, by the kind of pointer.

package verify

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// load walks through a load.
func (v *verifier) load(in *ir.Ins, row *isa.Row) error {
	if err := v.reads(in.Src); err != nil {
		return err
	}
	regs := v.cur.regs()
	from, before := regs[in.Src].kind, v.facts.Access[v.at].Kind
	if from == Mem && regs[in.Src].flags&(untrusted|foreign) != 0 {
		from = Object
	}
	out := unknownScalar()
	if err := v.access(in.Src, int64(in.Off), int(row.Size/8), false, row.Kind == isa.KindLoadAcq, nil, -1, &out, row.Signed); err != nil {
		return err
	}
	if out.kind == Scalar && row.Size < 64 {
		if row.Signed {
			if out.UMax >= 1<<(row.Size-1) {
				out.id, out.flags, out.off = 0, 0, 0
			}
			out.SignExtend(int(row.Size/8), 64)
		} else {
			out.Truncate(int(row.Size / 8))
		}
		out.Repair()
	}
	v.facts.loaded(v.at, from, &out)
	regs[in.Dst] = out
	return v.samePointers(in.Src, before, from)
}

// alone are the kinds of pointers whose accesses the kernel rewrites, so that an instruction must not be reached with
// one of them and another kind.
var alone = kinds(Context, Socket, SockCommon, TCPSock, XDPSock, Object, Arena)

// samePointers checks that an instruction was not reached before with a pointer that needs another treatment.
func (v *verifier) samePointers(r uint8, before, now Kind) error {
	memory := func(k Kind) bool { return k == Object || k == Mem }
	if before == NotInit || before == now || (alone>>before|alone>>now)&1 == 0 || memory(before) && memory(now) {
		return nil
	}
	a, b := reg{kind: before}, reg{kind: now}
	return v.failReg(MixedPointers, r, "R%d is an address in %s here, and in %s on another path: the same instruction cannot access both", r, b.what(), a.what())
}

// store walks through a store.
func (v *verifier) store(in *ir.Ins, row *isa.Row) error {
	if err := v.reads(in.Dst); err != nil {
		return err
	}
	regs := v.cur.regs()
	imm := constScalar(in.Imm)
	val, valReg := &imm, -1
	if row.From == isa.FromReg {
		if err := v.reads(in.Src); err != nil {
			return err
		}
		val, valReg = &regs[in.Src], int(in.Src)
	}
	to, before := regs[in.Dst].kind, v.facts.Access[v.at].Kind
	if err := v.access(in.Dst, int64(in.Off), int(row.Size/8), true, row.Kind == isa.KindStoreRel, val, valReg, nil, false); err != nil {
		return err
	}
	return v.samePointers(in.Dst, before, to)
}

// atomic walks through an atomic operation.
func (v *verifier) atomic(in *ir.Ins, row *isa.Row) error {
	regs := v.cur.regs()
	if err := v.reads(in.Src); err != nil {
		return err
	}
	if err := v.reads(in.Dst); err != nil {
		return err
	}
	if row.Fn == isa.FnCmpxchg {
		if err := v.reads(0); err != nil {
			return err
		}
		if v.opts.Strict && regs[0].pointer() {
			return v.failReg(PointerLeak, 0, "R0 is %s, which must not become visible", regs[0].describe())
		}
	}
	if v.opts.Strict && regs[in.Src].pointer() {
		return v.failReg(PointerLeak, in.Src, "R%d is %s, which must not become visible", in.Src, regs[in.Src].describe())
	}
	ptr := &regs[in.Dst]
	switch ptr.kind {
	case Context, Packet, PacketMeta, FlowKeys, Socket, SockCommon, TCPSock, XDPSock:
		return v.failReg(BadAtomic, in.Dst, "atomic operation through R%d, an address in %s, which is not allowed", in.Dst, ptr.what())
	}
	size := int(row.Size / 8)
	old := unknownScalar()
	// What the memory held comes out, if anything does; then it is written.
	if err := v.access(in.Dst, int64(in.Off), size, false, true, nil, -1, &old, false); err != nil {
		return err
	}
	if old.pointer() && v.opts.Strict {
		return v.fail(PointerLeak, "the memory holds a saved address, which must not become visible")
	}
	if err := v.access(in.Dst, int64(in.Off), size, true, true, nil, -1, nil, false); err != nil {
		return err
	}
	out := -1
	switch {
	case row.Fn == isa.FnCmpxchg:
		out = 0
	case row.Fetch:
		out = int(in.Src)
	}
	if out >= 0 {
		if old.kind == Scalar && size < 8 {
			old.Truncate(size)
			old.Repair()
		}
		regs[out] = old
	}
	return nil
}

// what names the memory that a pointer of this kind points to.
func (r *reg) what() string {
	switch r.kind {
	case Context:
		return "the context"
	case MapValue:
		return "a map's value"
	case MapKey:
		return "a map's key"
	case Stack:
		return "the stack"
	case Packet:
		return "the packet"
	case PacketMeta:
		return "the packet's metadata"
	case PacketEnd:
		return "the packet's end"
	case FlowKeys:
		return "the flow keys"
	case Map:
		return "a map"
	case Mem:
		return "memory"
	case Buf:
		return "a buffer"
	case Func:
		return "a function"
	case Arena:
		return "the arena"
	case Object:
		return "a structure of the kernel"
	}
	return "a " + kindNames[r.kind]
}

// access checks size bytes at a register plus off. What is written is val, of the register valReg or -1; what is read
// goes to out, which is an unknown number and may be changed to what is known.
func (v *verifier) access(r uint8, off int64, size int, write, atomic bool, val *reg, valReg int, out *reg, signed bool) error {
	ptr := &v.cur.regs()[r]
	verb := "read"
	if write {
		verb = "write"
	}
	switch {
	case ptr.kind == Scalar:
		return v.failReg(NotPointer, r, "%s through R%d, which is a number and no address", verb, r)
	case ptr.has(orNull):
		return v.failReg(MaybeNull, r, "%s through R%d, which may be null: compare it with 0 first", verb, r)
	}
	v.facts.note(v, ptr, off)
	if err := v.aligned(r, ptr, off, size, atomic); err != nil {
		return err
	}
	leak := write && val != nil && val.pointer() && v.opts.Strict
	if leak && ptr.kind != Stack {
		return v.failReg(PointerLeak, uint8(max(valReg, 0)), "R%d is %s, and writing it to %s lets it become visible", valReg, val.describe(), ptr.what())
	}
	switch ptr.kind {
	case Stack:
		return v.accessStack(r, ptr, off, size, write, val, valReg, out)
	case Context:
		return v.accessContext(r, ptr, off, size, write, out, signed, val)
	case MapValue:
		if f := v.kptrAt(ptr, off, size); f != nil {
			return v.accessKptr(r, ptr, f, off, size, write, atomic || signed, val, valReg, out)
		}
		return v.accessMapValue(r, ptr, off, size, write, out, signed)
	case MapKey:
		if write {
			return v.failReg(ReadOnly, r, "write through R%d to a map's key, which can only be read", r)
		}
		return v.region(r, ptr, off, size, int64(v.maps[ptr.obj].KeySize), BadMemory, "the map's key")
	case Packet, PacketMeta:
		if write && !v.packetWritable() {
			return v.failReg(ReadOnly, r, "write through R%d to the packet, which programs of type %s can only read", r, v.opts.Type.Type)
		}
		return v.packetRegion(r, ptr, off, size)
	case Mem:
		if write && ptr.has(readOnly) {
			return v.failReg(ReadOnly, r, "write through R%d to memory that can only be read", r)
		}
		if write && ptr.obj > 0 && v.walked != nil {
			v.walked.writes |= 1 << (ptr.obj - 1)
		}
		if ptr.has(untrusted) {
			return nil // a read that goes wrong gives zero
		}
		return v.region(r, ptr, off, size, int64(uint32(ptr.n)), BadMemory, "the memory")
	case Buf:
		return v.accessBuf(r, ptr, off, size, write)
	case Map:
		return v.accessMap(r, ptr, off, size, write)
	case FlowKeys:
		return v.flowKeys(r, ptr, off, size, write)
	case Socket, SockCommon, TCPSock, XDPSock:
		return v.accessSocket(r, ptr, off, size, write, out)
	case Object:
		return v.accessObject(r, ptr, off, size, write, out)
	case Arena:
		return nil
	}
	return v.failReg(NotPointer, r, "%s through R%d, which is %s: nothing there can be accessed", verb, r, ptr.what())
}

// region checks size bytes at ptr+off against memory of n bytes.
func (v *verifier) region(r uint8, ptr *reg, off int64, size int, n int64, code Code, what string) error {
	off += int64(ptr.off)
	if ptr.SMin < 0 && (ptr.SMin+off < 0 || off != int64(int32(off)) || ptr.SMin+off != int64(int32(ptr.SMin+off))) {
		if ptr.IsConst() {
			return v.failReg(code, r, "R%d is at offset %d of %s, before its start", r, off+int64(ptr.Bits.Value), what)
		}
		return v.failReg(code, r, "R%d may be at offset %d of %s, before its start: check that the index is not negative", r, ptr.SMin+off, what)
	}
	if lo := off + ptr.SMin; lo < 0 || lo+int64(size) > n {
		err := v.failReg(code, r, "access to %d bytes at offset %d of %s, which has %d bytes", size, lo, what, n)
		if ptr.IsConst() {
			return hinted(err, "access what lies inside, or make it larger")
		}
		return err
	}
	if ptr.UMax >= maxOffset {
		return v.failReg(code, r, "R%d has an offset in %s without an upper bound: compare the index with a limit first", r, what)
	}
	if hi := off + int64(ptr.UMax); hi < 0 || hi+int64(size) > n {
		return v.failReg(code, r, "R%d may be at offset %d of %s, and %d bytes from there do not lie in its %d", r, hi, what, size, n)
	}
	return nil
}

// accessStack checks an access to the stack and does it.
func (v *verifier) accessStack(r uint8, ptr *reg, off int64, size int, write bool, val *reg, valReg int, out *reg) error {
	verb := "read"
	if write {
		verb = "write"
	}
	lo, hi, err := v.stackBounds(r, ptr, off, size, verb)
	if err != nil {
		return err
	}
	fixed := ptr.IsConst()
	if !fixed && v.opts.Strict {
		return v.failReg(BadStack, r, "%s through R%d, an address on the stack with an offset that is not constant", verb, r)
	}
	switch {
	case write && fixed:
		return v.storeStack(int(ptr.frame), int(lo), size, val, valReg)
	case write:
		if val != nil && val.pointer() && v.opts.Strict {
			return v.failReg(CorruptStack, r, "an address is saved at an unknown place of the stack")
		}
		return v.storeStackVar(r, ptr, int(lo), int(hi), val, valReg)
	case fixed:
		return v.loadStack(int(ptr.frame), int(lo), size, out)
	}
	return v.loadStackVar(ptr, int(lo), int(hi), size, out)
}

// stackBounds returns the range of stack offsets that size bytes at ptr+off may be, and checks it.
func (v *verifier) stackBounds(r uint8, ptr *reg, off int64, size int, verb string) (lo, hi int64, err error) {
	off += int64(ptr.off)
	if ptr.IsConst() {
		lo = off + int64(ptr.Bits.Value)
		hi = lo + int64(size)
	} else {
		if ptr.SMax >= maxOffset || ptr.SMin <= -maxOffset {
			return 0, 0, v.failReg(BadStack, r, "%s through R%d, an address on the stack with an offset without bounds", verb, r)
		}
		lo, hi = off+ptr.SMin, off+ptr.SMax+int64(size)
	}
	return lo, hi, v.stackRange(r, ptr, lo, hi, verb)
}

// accessMapValue checks an access to a map's value, and finds the value where it is constant.
func (v *verifier) accessMapValue(r uint8, ptr *reg, off int64, size int, write bool, out *reg, signed bool) error {
	m := v.maps[ptr.obj]
	switch {
	case write && readOnlyMap(m):
		return v.failReg(ReadOnly, r, "write to map %q, which programs can only read", m.Name)
	case !write && m.Flags&mapWriteOnlyProg != 0:
		return v.failReg(WriteOnly, r, "read of map %q, which programs can only write", m.Name)
	}
	if err := v.region(r, ptr, off, size, int64(m.ValueSize), BadMapValue, "the value of map "+m.Name); err != nil {
		return err
	}
	if err := v.specialFields(r, ptr, off, size, m); err != nil {
		return err
	}
	if !write && out != nil && ptr.IsConst() {
		if n, ok := constantOf(m, int64(ptr.off)+off+int64(ptr.Bits.Value), size, signed); ok {
			*out = constScalar(n)
		}
	}
	return nil
}

// specialFields checks that an access does not touch a field that only helpers may.
func (v *verifier) specialFields(r uint8, ptr *reg, off int64, size int, m *spec.Map) error {
	lo, hi := int64(ptr.off)+off+ptr.SMin, int64(ptr.off)+off+int64(ptr.UMax)+int64(size)
	for _, f := range m.Fields {
		if at := int64(f.Offset); lo < at+fieldSize(f.Kind) && at < hi {
			return v.failReg(BadMapValue, r, "access to offset %d of the value of map %q, where a %s is, which only helpers may touch", at, m.Name, f.Kind)
		}
	}
	return nil
}

// fieldSize returns the size in bytes of a special field.
func fieldSize(k spec.FieldKind) int64 {
	switch k {
	case spec.SpinLock:
		return 4
	case spec.Timer:
		return 16
	}
	return 8
}

// accessBuf checks an access to a buffer. The memory of plain functions is one, whose length is not known; that of a raw
// tracepoint is another, of which the kernel asks when the program is attached whether it is as long as is accessed.
func (v *verifier) accessBuf(r uint8, ptr *reg, off int64, size int, write bool) error {
	if !v.plain() {
		switch at := off + int64(ptr.off); {
		case write && ptr.has(readOnly):
			return v.failReg(ReadOnly, r, "write through R%d to a buffer that can only be read", r)
		case at < 0:
			return v.failReg(BadMemory, r, "access at offset %d, before the start of the buffer", at)
		case !ptr.IsConst() || ptr.Bits.Value != 0:
			return v.failReg(BadMemory, r, "R%d is an address in a buffer to which a number that is not known was added", r)
		}
		return nil
	}
	return v.unsupported("the memory of a plain function has no length that could be proved")
}

// accessMap checks a read of a map's own structure, which shows some of its properties.
func (v *verifier) accessMap(r uint8, ptr *reg, off int64, size int, write bool) error {
	if write {
		return v.failReg(ReadOnly, r, "write through R%d, which is a map: only helpers change maps", r)
	}
	return v.unsupported("read of a map's structure in the kernel through R%d", r)
}

// packetWritable reports whether the program may change the packet through pointers.
func (v *verifier) packetWritable() bool { return v.opts.Type.Rewrite }

// packetRegion checks size bytes at ptr+off against what is known to be there of the packet.
func (v *verifier) packetRegion(r uint8, ptr *reg, off int64, size int) error {
	off += int64(ptr.off)
	if ptr.SMin < 0 {
		return v.failReg(BadPacket, r, "R%d may be before the start of %s: its offset from there can be %d", r, ptr.what(), ptr.SMin)
	}
	switch {
	case ptr.n < 0:
		return v.failReg(BadPacket, r, "access through R%d, which is at or beyond the end of %s", r, ptr.what())
	case off < 0 || off+int64(size) > int64(ptr.n):
		if ptr.n == 0 {
			return v.failReg(BadPacket, r, "access to %d bytes at offset %d of %s: no comparison with its end has shown that they are there", size, off, ptr.what())
		}
		err := v.failReg(BadPacket, r, "access to %d bytes at offset %d of %s: a comparison with its end has shown %d bytes to be there", size, off, ptr.what(), ptr.n)
		if off+int64(size) > maxPacketOffset {
			return hinted(err, "nothing can be proved beyond byte 65535 of the packet: give the loop, or the offset, a smaller bound")
		}
		return err
	}
	return nil
}

// aligned checks the alignment of an access.
func (v *verifier) aligned(r uint8, ptr *reg, off int64, size int, atomic bool) error {
	strict := atomic || v.p.Source.Flags&spec.StrictAlignment != 0
	base := int64(0)
	switch ptr.kind {
	case Packet, PacketMeta:
		base = 2 // the kernel puts the IP header of Ethernet frames at a multiple of 4
		if !strict {
			return nil
		}
	case Stack:
		strict = true
	case Arena:
		return nil
	}
	if !strict || size == 1 {
		return nil
	}
	at := ptr.Bits.Add(value.ConstBits(uint64(base + int64(ptr.off) + off)))
	if at.IsAligned(uint64(size)) {
		return nil
	}
	return v.failReg(Misaligned, r, "access to %d bytes through R%d at offset %s%+d of %s, which is no multiple of %d", size, r, ptr.offsetText(), int64(ptr.off)+off, ptr.what(), size)
}

func (r *reg) offsetText() string {
	if r.IsConst() && r.Bits.Value == 0 {
		return ""
	}
	return r.Bits.String()
}
