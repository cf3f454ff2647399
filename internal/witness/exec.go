// Implements going a path: what each instruction computes, and what each jump on it asks for.

package witness

import (
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// maxSteps is how much of a path is gone, instructions; maxInputs how many pieces of input there are about, at most.
const (
	maxSteps  = 8192
	maxInputs = 1 << 16
)

// walker goes a path.
type walker struct {
	*Search
	regs   [isa.NumRegisters]value
	frames []caller
	calls  []*call // of helpers, in order
	inside map[ir.Index]*repeated
}

// caller is what a function that was called goes back to.
type caller struct {
	regs [isa.NumRegisters]value
	at   ir.Index
}

// repeated is a helper that calls a function again and again.
type repeated struct {
	regs  [isa.NumRegisters]value // as they were when it was called
	times uint64
}

// walk goes the path and returns the registers ahead of its last instruction.
func (w *walker) walk() {
	w.inside = map[ir.Index]*repeated{}
	w.regs[isa.R1] = value{obj: w.ctx, n: constant(0)}
	w.regs[isa.R10] = value{obj: &object{kind: stack, base: 0x1000200}, n: constant(0)}
	for n := 0; n+1 < len(w.task.Path) && n < maxSteps && len(w.inputs) < maxInputs; n++ {
		w.step(w.task.Path[n], w.task.Path[n+1])
	}
}

func (w *walker) step(at, next ir.Index) {
	p := w.task.Prog
	in, row := &p.Ins[at], p.Row(at)
	dst, src := &w.regs[in.Dst], &w.regs[in.Src]
	switch row.Kind {
	case isa.KindALU:
		*dst = w.arithmetic(row, in)
	case isa.KindLoad, isa.KindLoadAcq:
		v := w.access(*src, int64(in.Off), row.Size)
		if row.Signed && v.obj == nil && v.n != nil {
			v.n = extend(v.n, row.Size)
		}
		*dst = v
	case isa.KindStore, isa.KindStoreRel:
		v := number(constant(in.Imm))
		if row.From == isa.FromReg {
			v = *src
		}
		if dst.obj != nil {
			w.store(dst.obj, binary(opAdd, dst.n, constant(uint64(int64(in.Off)))), row.Size, v)
		}
	case isa.KindAtomic:
		w.atomic(row, in)
	case isa.KindLoadImm:
		*dst = w.immediate(at, in, row)
	case isa.KindJump:
		w.jump(row, in, at, next)
	case isa.KindPacket:
		w.packetLoad(row, in)
	case isa.KindCall:
		w.call(at, next)
	case isa.KindExit:
		w.leave(next)
	}
}

func (w *walker) arithmetic(row *isa.Row, in *ir.Ins) value {
	dst := w.regs[in.Dst]
	src := number(constant(in.Imm))
	switch row.From {
	case isa.FromReg:
		src = w.regs[in.Src]
	case isa.FromNone:
		src = number(constant(0))
	}
	if row.Width == 64 {
		switch row.Fn {
		case isa.FnMov:
			return src
		case isa.FnAdd:
			switch {
			case dst.obj != nil && src.obj == nil:
				return value{obj: dst.obj, n: binary(opAdd, dst.n, src.number()), null: dst.null, by: dst.by}
			case dst.obj == nil && src.obj != nil:
				return value{obj: src.obj, n: binary(opAdd, src.n, dst.number()), null: src.null, by: src.by}
			}
		case isa.FnSub:
			switch {
			case dst.obj != nil && src.obj == nil && src.n.isConst():
				return value{obj: dst.obj, n: binary(opAdd, dst.n, constant(-src.n.n)), null: dst.null, by: dst.by}
			case dst.obj != nil && src.obj == nil:
				return value{obj: dst.obj, n: binary(opSub, dst.n, src.number()), null: dst.null, by: dst.by}
			case dst.obj != nil && dst.obj == src.obj:
				return number(binary(opSub, dst.n, src.n))
			}
		}
	}
	return number(alu(row, dst.number(), src.number()))
}

// access is a load through a register.
func (w *walker) access(ptr value, off int64, size uint8) value {
	if ptr.obj == nil || ptr.n == nil {
		return number(constant(0))
	}
	at := binary(opAdd, ptr.n, constant(uint64(off)))
	if ptr.obj.kind == context && at.isConst() {
		if v, ok := w.field(int(at.n), size); ok {
			return v
		}
	}
	return w.load(ptr.obj, at, size)
}

// field is a load of a field of the context that is more than bytes.
func (w *walker) field(off int, size uint8) (value, bool) {
	l := w.task.Type.Layout()
	if l == nil {
		return value{}, false
	}
	f, _ := l.Access(w.attach(), off, int(size/8), false)
	if f == nil {
		return value{}, false
	}
	switch f.Value {
	case progtype.PacketStart, progtype.PacketMeta:
		return value{obj: w.packet, n: constant(0)}, true
	case progtype.PacketEnd:
		return value{obj: w.packet, n: w.packet.size}, true
	case progtype.Scalar:
	default:
		return number(constant(0)), true // there is no socket
	}
	if w.task.Type.Context != nil && (f.From == progtype.Len || f.From == progtype.WireLen) {
		return number(extract(w.packet.size, uint8(8*(off-f.Off)), size)), true
	}
	return value{}, false
}

func (w *walker) attach() spec.AttachType {
	if at := spec.AttachType(w.task.Prog.Source.AttachType); at != 0 {
		return at
	}
	return w.task.Type.Default
}

func (w *walker) atomic(row *isa.Row, in *ir.Ins) {
	ptr, src := w.regs[in.Dst], w.regs[in.Src]
	if ptr.obj == nil {
		return
	}
	at := binary(opAdd, ptr.n, constant(uint64(int64(in.Off))))
	old := w.load(ptr.obj, at, row.Size)
	next := number(constant(0))
	switch row.Fn {
	case isa.FnAdd:
		next = number(binary(opAdd, old.number(), src.number()))
	case isa.FnXchg:
		next = src
	case isa.FnCmpxchg:
		next = old
		w.regs[0] = old
	}
	w.store(ptr.obj, at, row.Size, next)
	if row.Fetch && row.Fn != isa.FnCmpxchg {
		w.regs[in.Src] = old
	}
}

func (w *walker) immediate(at ir.Index, in *ir.Ins, row *isa.Row) value {
	for i := range w.task.Prog.Source.Maps {
		ref := &w.task.Prog.Source.Maps[i]
		if ir.Slot(ref.Insn) != w.task.Prog.Slots[at] {
			continue
		}
		m := w.mapNamed(ref.Map)
		switch {
		case m == nil:
		case ref.Value:
			return value{obj: w.element(m, []*node{constant(0)}), n: constant(uint64(ref.Offset))}
		default:
			return value{obj: &object{kind: handle, base: 0x3000010, m: m}, n: constant(0)}
		}
	}
	if row.Op == isa.LdFunc {
		return value{obj: &object{kind: function, base: 0x5000000}, n: constant(uint64(in.Off))}
	}
	return number(constant(in.Imm))
}

func (w *walker) mapNamed(name string) *spec.Map {
	for i := range w.task.Maps {
		if w.task.Maps[i].Name == name {
			return &w.task.Maps[i]
		}
	}
	return nil
}

func (w *walker) jump(row *isa.Row, in *ir.Ins, at, next ir.Index) {
	if ir.Index(in.Off) == at+1 {
		return // either way leads there
	}
	b := constant(in.Imm)
	if row.From == isa.FromReg {
		b = w.regs[in.Src].number()
	}
	w.ask(row.Fn, row.Width, w.regs[in.Dst].number(), b, next != at+1)
}

// ask adds a condition.
func (w *walker) ask(fn isa.Fn, width uint8, a, b *node, want bool) {
	if a.isConst() && b.isConst() {
		return
	}
	if n := len(w.conds); n > 0 && w.conds[n-1] == (cond{fn, width, a, b, want}) {
		return
	}
	w.conds = append(w.conds, cond{fn, width, a, b, want})
}

// packetLoad is a load that ends the program if it is not inside the packet.
func (w *walker) packetLoad(row *isa.Row, in *ir.Ins) {
	off := constant(in.Imm)
	if row.From == isa.FromReg {
		off = extract(binary(opAdd, off, w.regs[in.Src].number()), 0, 32)
	}
	w.ask(isa.FnLe, 64, binary(opAdd, off, constant(uint64(row.Size/8))), w.packet.size, true)
	v := w.load(w.packet, off, row.Size)
	for r := isa.R1; r <= isa.R5; r++ {
		w.regs[r] = value{}
	}
	w.regs[0] = number(swapped(v.number(), row.Size))
}

// enter goes into a function.
func (w *walker) enter(at ir.Index, args [isa.NumRegisters]value) {
	w.frames = append(w.frames, caller{w.regs, at})
	w.regs = args
	w.regs[isa.R10] = value{obj: &object{kind: stack, base: 0x1000200 + 0x200*uint64(len(w.frames))}, n: constant(0)}
}

// leave goes back to where a function was called.
func (w *walker) leave(next ir.Index) {
	n := len(w.frames) - 1
	if n < 0 {
		return
	}
	c := w.frames[n]
	w.frames = w.frames[:n]
	r0 := w.regs[0]
	w.regs = c.regs
	w.regs[0] = r0
	if next != c.at {
		for r := isa.R1; r <= isa.R5; r++ {
			w.regs[r] = value{}
		}
	}
}

// callbackArgs are the registers of a function that a helper calls.
func (w *walker) callbackArgs(h *helper.Helper, r *repeated) (out [isa.NumRegisters]value) {
	var m *spec.Map
	for i := range h.Args {
		if o := r.regs[1+i].obj; o != nil && o.kind == handle {
			m = o.m
		}
	}
	for i, kind := range h.Callback.Args {
		v := value{}
		switch kind {
		case helper.CallbackScalar:
			v = number(constant(r.times))
		case helper.CallbackValue, helper.CallbackKey:
			if m != nil {
				o := w.element(m, []*node{constant(r.times)})
				if v = (value{obj: o, n: constant(0)}); kind == helper.CallbackKey {
					v.obj = &object{kind: other, size: constant(uint64(m.KeySize))}
				}
			}
		case helper.CallbackPointer:
			for k, a := range h.Args {
				if a.Kind() == helper.StackMem {
					v = r.regs[1+k]
				}
			}
		case helper.CallbackFirst:
			v = r.regs[1]
		case helper.CallbackNone:
		default:
			v = value{obj: &object{kind: other}, n: constant(0)}
		}
		out[int(isa.R1)+i] = v
	}
	return out
}
