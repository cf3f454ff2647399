// Implements access to the context and to the structures that it leads to, by the layouts of package progtype.

package verify

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// attach is the attach type that the program is for.
func (v *verifier) attach() spec.AttachType {
	if at := spec.AttachType(v.p.Source.AttachType); at != 0 {
		return at
	}
	return v.opts.Type.Default
}

// noOffset checks that nothing was added to a pointer that wants to be used as it was given.
func (v *verifier) noOffset(r uint8, ptr *reg, fixedOK bool) error {
	switch {
	case !ptr.IsConst() || ptr.Bits.Value != 0:
		return v.failReg(BadContext, r, "R%d is an address in %s to which a number that is not known was added", r, ptr.what())
	case ptr.off < 0:
		return v.failReg(BadContext, r, "R%d is %d bytes before the start of %s", r, -ptr.off, ptr.what())
	case ptr.off != 0 && !fixedOK:
		return v.failReg(BadContext, r, "R%d is %s plus %d: it must be used as it was given, write the offset in the access", r, ptr.what(), ptr.off)
	}
	return nil
}

// accessContext checks an access to the context.
func (v *verifier) accessContext(r uint8, ptr *reg, off int64, size int, write bool, out *reg, signed bool, val *reg) error {
	if err := v.noOffset(r, ptr, false); err != nil {
		return err
	}
	if v.opts.Type.BTF {
		return v.accessArguments(r, off, size, write, signed, out)
	}
	l := v.opts.Type.Layout()
	if l == nil {
		return v.unsupported("the context of %s programs is not known to the verifier", v.opts.Type.Type)
	}
	if off < 0 {
		return v.failReg(BadContext, r, "access at offset %d, before the start of the context", off)
	}
	f, _ := l.Access(v.attach(), int(off), size, write)
	if f == nil {
		return v.failReg(BadContext, r, "%s", v.contextReason(l, int(off), size, write))
	}
	if write || out == nil {
		return nil
	}
	return v.fieldValue(r, f, size, signed, out)
}

// contextReason says what is wrong with an access to a structure.
func (v *verifier) contextReason(l *progtype.Layout, off, size int, write bool) string {
	verb := "read"
	if write {
		verb = "write"
	}
	f := l.Field(off)
	name := "no field"
	if f != nil {
		name = "field " + f.Name
	}
	return v.sprintf("%s of %d bytes at offset %d of struct %s (%s), which programs of type %s may not do", verb, size, off, l.Name, name, v.opts.Type.Type)
}

// fieldValue is what reading a field gives.
func (v *verifier) fieldValue(r uint8, f *progtype.Field, size int, signed bool, out *reg) error {
	if f.Value != progtype.Scalar && f.Value != progtype.BTFArgument && signed {
		return v.failReg(BadContext, r, "the address in field %s is read with an extended sign", f.Name)
	}
	switch f.Value {
	case progtype.Scalar:
		return nil
	case progtype.PacketStart:
		*out = pointerTo(Packet)
	case progtype.PacketEnd:
		*out = pointerTo(PacketEnd)
	case progtype.PacketMeta:
		*out = pointerTo(PacketMeta)
	case progtype.Socket:
		*out = pointerTo(Socket)
	case progtype.SocketOrNull:
		*out = pointerTo(Socket)
		out.flags, out.id = orNull, v.newID()
	case progtype.SockCommon:
		*out = pointerTo(SockCommon)
		out.flags, out.id = orNull, v.newID()
	case progtype.FlowKeys:
		*out = pointerTo(FlowKeys)
	case progtype.Object:
		t := v.kernelStruct(f.Object)
		if t == nil {
			return v.unsupported("field %s of the context is described by the kernel's types, which are not at hand", f.Name)
		}
		return v.pointerOut(r, reg{Scalar: zeroOffset, kind: Object, flags: trusted, obj: v.types.id(t)}, signed, out)
	case progtype.Buffer:
		*out = pointerTo(Buf)
	default:
		return v.unsupported("field %s of the context is a %s, which the verifier does not know", f.Name, f.Value)
	}
	return nil
}

// flowKeys checks an access to the keys of a flow dissector.
func (v *verifier) flowKeys(r uint8, ptr *reg, off int64, size int, write bool) error {
	off += int64(ptr.off)
	if off < 0 || off+int64(size) > int64(progtype.Keys.Size) {
		return v.failReg(BadMemory, r, "access to %d bytes at offset %d of the flow keys, which have %d", size, off, progtype.Keys.Size)
	}
	return nil
}

// accessSocket checks a read of a socket's structure.
func (v *verifier) accessSocket(r uint8, ptr *reg, off int64, size int, write bool, out *reg) error {
	if write {
		return v.failReg(ReadOnly, r, "write through R%d to %s, which can only be read", r, ptr.what())
	}
	if ptr.SMin < 0 {
		return v.failReg(BadContext, r, "R%d may be before the start of %s", r, ptr.what())
	}
	l := socketLayouts[ptr.kind]
	off += int64(ptr.off)
	if l == nil || off < 0 {
		return v.failReg(BadContext, r, "read at offset %d of %s", off, ptr.what())
	}
	f, _ := l.Access(v.attach(), int(off), size, false)
	if f == nil || !ptr.IsConst() {
		return v.failReg(BadContext, r, "%s", v.contextReason(l, int(off), size, false))
	}
	return nil
}

var xdpSock = &progtype.Layout{Name: "bpf_xdp_sock", Size: 4, Fields: []progtype.Field{{Name: "queue_id", Size: 4, Read: progtype.Access{Sizes: 4}}}}

var socketLayouts = map[Kind]*progtype.Layout{Socket: progtype.Sock, SockCommon: progtype.CommonSock, TCPSock: progtype.TCPSock, XDPSock: xdpSock}

// packetLoad walks through ld_abs or ld_ind, a helper in disguise that may end the program.
func (v *verifier) packetLoad(in *ir.Ins, row *isa.Row) error {
	if !v.opts.Type.LdAbs {
		return v.fail(BadPacketLoad, "%s in a program of type %s, which is not one of those that read packets so", row.Op, v.opts.Type.Type)
	}
	if v.cur.depth() > 0 || v.returnsPointer() {
		return v.fail(BadPacketLoad, "%s in a function that is called: it could not end the program", row.Op)
	}
	if err := v.noneHeld("ld_abs and ld_ind, which may end the program,"); err != nil {
		return err
	}
	regs := v.cur.regs()
	if err := v.reads(uint8(isa.R6)); err != nil {
		return err
	}
	if regs[isa.R6].kind != Context {
		return v.failReg(BadPacketLoad, uint8(isa.R6), "R6 must be the context for %s, and is %s", row.Op, regs[isa.R6].describe())
	}
	if err := v.noOffset(uint8(isa.R6), &regs[isa.R6], false); err != nil {
		return err
	}
	if row.From == isa.FromReg {
		if err := v.reads(in.Src); err != nil {
			return err
		}
		if v.opts.Strict && regs[in.Src].pointer() {
			return v.failReg(PointerLeak, in.Src, "R%d is %s, which must not become visible", in.Src, regs[in.Src].describe())
		}
	}
	for r := isa.R1; r <= isa.R5; r++ {
		regs[r] = reg{Scalar: zeroOffset}
	}
	regs[0].setUnknown()
	regs[0].Truncate(4) // the kernel's result is 32 bits wide
	regs[0].setUnknown()
	return nil
}
