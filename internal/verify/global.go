// Implements global functions: each is verified by itself, for all arguments that its types allow, and callers only
// have to keep to the types.

package verify

import (
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
)

// global is a global function.
type global struct {
	fn     int // number
	name   string
	args   []globalArg
	called bool
	done   bool
	sleeps bool  // or calls what may sleep
	packet bool  // or calls what changes the packet
	wrong  error // in its types

	// writes are the arguments whose memory it may write, as a set. readOnly is where it was given packets that must
	// not be written, and as what.
	writes   uint8
	readOnly []givenPacket
}

type givenPacket struct {
	at  ir.Index
	arg int
}

// globalArg is what an argument of a global function is.
type globalArg struct {
	kind  Kind // Scalar, Context, Mem, Object or Dynptr
	flags flags
	size  int32 // of Mem, bytes
	typ   btf.Type
}

// findGlobals finds the global functions, and reads their types.
func (v *verifier) findGlobals() error {
	v.globals = make([]*global, len(v.p.Funcs))
	for i := range v.p.Source.Funcs {
		f := &v.p.Source.Funcs[i]
		if f.Static || f.Type == nil || f.Insn == 0 {
			continue
		}
		at, ok := slices.BinarySearch(v.p.Slots, ir.Slot(f.Insn))
		if !ok {
			continue
		}
		n := v.p.FuncAt(ir.Index(at))
		if v.p.Funcs[n].Entry != ir.Index(at) || n == 0 {
			continue
		}
		v.globals[n] = &global{fn: n, name: f.Name}
		if err := v.globalTypes(v.globals[n], f.Type); err != nil {
			if _, unknown := err.(*Unsupported); unknown {
				return err
			}
			v.globals[n].wrong = err
		}
	}
	v.effects()
	return nil
}

// effects finds out which global functions may sleep or change the packet, by themselves or in what they call.
func (v *verifier) effects() {
	sleeps, packet := make([]bool, len(v.p.Funcs)), make([]bool, len(v.p.Funcs))
	for changed := true; changed; {
		changed = false
		for i := range v.p.Ins {
			at := ir.Index(i)
			f := v.p.FuncAt(at)
			s, p := false, false
			if v.p.Ins[i].Op == isa.CallLocal {
				to := v.p.FuncAt(ir.Index(v.p.Ins[i].Off))
				s, p = sleeps[to], packet[to]
			} else if h := v.helper(at); h != nil {
				s, p = h.Sleeps, h.ChangesPacket
			}
			changed = changed || s && !sleeps[f] || p && !packet[f]
			sleeps[f], packet[f] = sleeps[f] || s, packet[f] || p
		}
	}
	for n, g := range v.globals {
		if g != nil {
			g.sleeps, g.packet = sleeps[n], packet[n]
		}
	}
}

// callGlobal walks over the call of a global function.
func (v *verifier) callGlobal(g *global) (ir.Index, error) {
	if g.wrong != nil {
		return 0, g.wrong
	}
	s := v.cur
	held := s.holding(refRCU) != nil || s.holding(refPreempt) != nil || s.holding(refIRQ) != nil
	switch {
	case s.holding(refLock) != nil:
		return 0, v.fail(LockHeld, "global function %s is called while a lock is held: only static functions may be", g.name)
	case g.sleeps && (held || !v.sleepable()):
		return 0, v.fail(LockHeld, "global function %s may sleep, and must not here", g.name)
	}
	for i := range g.args {
		if err := v.passed(g, i); err != nil {
			return 0, err
		}
	}
	if g.packet {
		v.forgetPacket()
	}
	g.called = true
	regs := s.regs()
	for r := isa.R0; r <= isa.R5; r++ {
		regs[r] = reg{Scalar: zeroOffset}
	}
	regs[isa.R0].setUnknown()
	return v.at + 1, nil
}

// passed checks an argument that a global function is given.
func (v *verifier) passed(g *global, i int) error {
	r := uint8(isa.R1) + uint8(i)
	want := &g.args[i]
	x := &v.cur.regs()[r]
	fail := func(code Code, format string, args ...any) error {
		return v.failReg(code, r, "argument %d (R%d) of function %s %s", i+1, r, g.name, v.sprintf(format, args...))
	}
	if want.flags&untrusted != 0 {
		if x.kind == NotInit {
			return v.reads(r)
		}
		return nil // reading it does no harm, whatever it is
	}
	switch want.kind {
	case Scalar:
		if x.kind != Scalar {
			return fail(BadArgument, "must be a number, and is %s", v.describeObject(x))
		}
	case Context:
		if x.kind != Context {
			return fail(BadArgument, "must be the context, and is %s", v.describeObject(x))
		}
		return v.noOffset(r, x, false)
	case Mem:
		return v.passedMemory(g, i, r, x)
	case Dynptr, Object:
		return v.passedObject(g, i, r, x)
	}
	return nil
}

// passedMemory checks memory that a global function is given, which it may read and write.
func (v *verifier) passedMemory(g *global, i int, r uint8, x *reg) error {
	want := &g.args[i]
	null := x.has(orNull)
	if want.flags&orNull == 0 && (null || x.zero()) {
		return v.failReg(MaybeNull, r, "argument %d (R%d) of function %s may be null: compare it with 0 first", i+1, r, g.name)
	}
	if x.zero() {
		return nil
	}
	if memKinds>>x.kind&1 == 0 && x.kind != Object {
		return v.failReg(BadArgument, r, "argument %d (R%d) of function %s must be the address of memory, and is %s", i+1, r, g.name, v.describeObject(x))
	}
	if x.obj > 0 && x.kind == Mem && v.walked != nil {
		v.walked.writes |= 1 << (x.obj - 1) // the other may write it
	}
	x.flags &^= orNull
	a := &args{h: &helper.Helper{Name: g.name}}
	err := v.memory(a, r, int64(want.size), false, true, false)
	switch {
	case err != nil:
	case x.inPacket() && !v.packetWritable():
		g.readOnly = append(g.readOnly, givenPacket{v.at, i})
	default:
		err = v.memory(a, r, int64(want.size), true, true, false)
	}
	if x := &v.cur.regs()[r]; null {
		x.flags |= orNull
	}
	return err
}

// passedObject checks a structure of the kernel, or a dynptr, that a global function is given.
func (v *verifier) passedObject(g *global, i int, r uint8, x *reg) error {
	want := &g.args[i]
	if want.kind == Dynptr {
		a := &args{h: &helper.Helper{Name: g.name, Args: []helper.Arg{helper.DynptrRef}}}
		if x.kind != Stack && x.kind != Dynptr {
			return v.failReg(BadArgument, r, "argument %d (R%d) of function %s must be a dynptr, and is %s", i+1, r, g.name, v.describeObject(x))
		}
		return v.dynptrArg(a, 0, helper.DynptrRef, r, x)
	}
	if want.flags&orNull != 0 && x.zero() {
		return nil
	}
	f := x.flags
	if want.flags&orNull != 0 {
		f &^= orNull
	}
	switch {
	case x.kind != Object, f&^(trusted|rcu|orNull) != 0:
		return v.failReg(BadArgument, r, "argument %d (R%d) of function %s must be a struct %s, and is %s", i+1, r, g.name, want.typ.TypeName(), v.describeObject(x))
	case f&orNull != 0:
		return v.failReg(MaybeNull, r, "argument %d (R%d) of function %s may be null: compare it with 0 first", i+1, r, g.name)
	case !x.IsConst() || x.Bits.Value != 0:
		return v.failReg(BadArgument, r, "R%d is an address to which a number that is not known was added", r)
	case !contains(v.structOf(x), int64(x.off), want.typ, false):
		return v.failReg(BadArgument, r, "argument %d (R%d) of function %s must be a struct %s, and is %s", i+1, r, g.name, want.typ.TypeName(), v.describeObject(x))
	}
	return nil
}

// startGlobal is the state at the first instruction of a global function.
func (v *verifier) startGlobal(g *global) *state {
	f := v.pool.frame()
	*f = frame{callsite: -1, fn: g.fn, stack: f.stack[:0]}
	for r := range f.regs {
		f.regs[r] = reg{Scalar: value.Unknown}
	}
	f.regs[isa.R10] = pointerTo(Stack)
	for i, a := range g.args {
		x := &f.regs[int(isa.R1)+i]
		switch a.kind {
		case Scalar:
			*x = unknownScalar()
			continue
		case Dynptr:
			*x = pointerTo(Dynptr)
			x.obj, x.id = int32(dynptrLocal), v.newID()
		case Object:
			*x = pointerTo(Object)
			x.obj, x.id = v.types.id(a.typ), v.newID()
			v.facts.Foreign = true
		default:
			*x = pointerTo(a.kind)
			x.n, x.obj = a.size, int32(i+1)
			if a.flags&orNull != 0 {
				x.id = v.newID()
			}
		}
		x.flags = a.flags
	}
	s := v.pool.state()
	s.frames, s.branches, s.at = append(s.frames, f), 1, v.p.Funcs[g.fn].Entry
	return s
}

// walkGlobals walks all global functions that are called, which may call more of them.
func (v *verifier) walkGlobals() error {
	for again := true; again; {
		again = false
		for _, g := range v.globals {
			if g == nil || !g.called || g.done {
				continue
			}
			again, g.done = true, true
			v.dropStates()
			v.states = v.pool.lists(len(v.p.Ins))
			v.walked = g
			if err := v.walk(v.startGlobal(g)); err != nil {
				return err
			}
		}
	}
	for _, g := range v.globals {
		if g == nil {
			continue
		}
		for _, p := range g.readOnly {
			if g.writes>>p.arg&1 != 0 {
				return v.failAt(p.at, ReadOnly, "argument %d (R%d) of function %s is an address in the packet, which programs of type %s can only read, and the function writes there", p.arg+1, p.arg+1, g.name, v.opts.Type.Type)
			}
		}
	}
	return nil
}
