// Implements calls of the program's own functions, their ends, and callbacks.

package verify

import (
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

func index(n int32) ir.Index { return ir.Index(n) }

// enter walks into a function of the program.
func (v *verifier) enter(in *ir.Ins) (ir.Index, error) {
	to := ir.Index(in.Off)
	if v.globals != nil {
		if g := v.globals[v.p.FuncAt(to)]; g != nil {
			return v.callGlobal(g)
		}
	}
	if len(v.cur.frames) == maxFrames {
		return 0, v.fail(TooDeep, "calls are nested deeper than %d functions", maxFrames)
	}
	f := v.newFrame(v.p.FuncAt(to))
	regs := v.cur.regs()
	for r := isa.R1; r <= isa.R5; r++ {
		f.regs[r] = regs[r]
		regs[r] = reg{Scalar: zeroOffset}
	}
	regs[0] = reg{Scalar: zeroOffset}
	v.pushFrame(f)
	return to, nil
}

// newFrame returns a frame whose registers hold nothing.
func (v *verifier) newFrame(fn int) *frame {
	f := v.pool.frame()
	*f = frame{stack: f.stack[:0], callsite: v.at, fn: fn}
	for r := range f.regs {
		f.regs[r] = reg{Scalar: zeroOffset}
	}
	f.regs[isa.R10] = pointerTo(Stack)
	return f
}

func (v *verifier) pushFrame(f *frame) {
	n := len(v.cur.frames)
	f.regs[isa.R10].frame = uint8(n)
	v.cur.frames = append(v.cur.frames, f)
	v.cur.fresh |= 1 << n
	v.cur.written[n] = 0
}

// exit walks through the end of a function, or of the program.
func (v *verifier) exit() (ir.Index, error) {
	s := v.cur
	if s.depth() == 0 || s.top().async {
		return -1, v.end()
	}
	f := s.top()
	r0 := f.regs[0]
	if f.callback == nil {
		if err := v.reads(0); err != nil && r0.kind == NotInit {
			// A function that returns nothing leaves R0 unreadable.
			r0 = reg{Scalar: zeroOffset}
		}
	}
	if r0.kind == Stack {
		return 0, v.failReg(PointerLeak, 0, "the function returns an address on its own stack")
	}
	if f.callback != nil {
		return v.callbackEnds(f)
	}
	callsite := f.callsite
	v.popFrame()
	s.regs()[0] = r0
	return callsite + 1, nil
}

func (v *verifier) popFrame() *frame {
	n := len(v.cur.frames) - 1
	f := v.cur.frames[n]
	v.cur.frames = v.cur.frames[:n]
	v.pool.dropFrame(f)
	return f
}

// end checks that the program leaves everything as it must.
func (v *verifier) end() error {
	if err := v.noneHeld("the program ends"); err != nil {
		return err
	}
	if f := v.cur.top(); f.async {
		return v.resultIn(0, f.callback.Min, f.callback.Max, "the callback")
	}
	if v.cur.top().fn != 0 {
		return v.globalReturns()
	}
	return v.returns(0, "the program")
}

// globalReturns checks what a global function returns.
func (v *verifier) globalReturns() error {
	if err := v.reads(0); err != nil {
		return err
	}
	r0 := &v.cur.regs()[0]
	if r0.kind != Scalar {
		code := BadReturn
		if v.opts.Strict {
			code = PointerLeak
		}
		return v.failReg(code, 0, "a global function must return a number, and R0 is %s", r0.describe())
	}
	return nil
}

// returns checks what the program returns, in a register.
func (v *verifier) returns(r uint8, who string) error {
	if v.opts.Type.BTF && v.target.void && v.attach() != spec.AttachLSMCGroup && v.opts.Type.Type != spec.Tracing {
		return nil // the hook or method has no result
	}
	if v.returnsObject(r) {
		return v.noOffset(r, &v.cur.regs()[r], false)
	}
	if err := v.reads(r); err != nil {
		return err
	}
	x := &v.cur.regs()[r]
	if v.plain() {
		return nil
	}
	if v.opts.Strict && x.pointer() {
		return v.failReg(PointerLeak, r, "R%d is %s, and returning it lets it become visible", r, x.describe())
	}
	if rng, ok := v.resultRange(); ok {
		if x.pointer() {
			return v.failReg(BadReturn, r, "%s must return a number from %d to %d, and R%d is %s", who, rng.Min, rng.Max, r, x.describe())
		}
		return v.resultIn(r, rng.Min, rng.Max, who)
	}
	return nil
}

// resultRange returns what the program may return; ok is false if that is anything.
func (v *verifier) resultRange() (r progtype.Return, ok bool) {
	switch v.opts.Type.Type {
	case spec.LSM:
		if v.target.result == nil {
			return r, false
		}
		return *v.target.result, true
	case spec.StructOps:
		_, object := btf.UnderlyingType(v.target.proto.Return).(*btf.Pointer)
		return progtype.Return{}, object // nothing but null, or a reference
	}
	return v.opts.Type.Range(v.attach())
}

// returnsObject reports whether the program is a method that returns a structure, and a register is a reference to one.
func (v *verifier) returnsObject(r uint8) bool {
	if v.opts.Type.Type != spec.StructOps {
		return false
	}
	r0 := &v.cur.regs()[r]
	ptr, ok := btf.UnderlyingType(v.target.proto.Return).(*btf.Pointer)
	return ok && r0.kind == Object && r0.ref != 0 && v.structOf(r0) == btf.UnderlyingType(ptr.Target)
}

// resultIn checks that a register is in a range.
func (v *verifier) resultIn(r uint8, lo, hi int32, who string) error {
	x := &v.cur.regs()[r]
	if x.kind != Scalar {
		return v.failReg(BadReturn, r, "%s must return a number from %d to %d, and R%d is %s", who, lo, hi, r, x.describe())
	}
	v.precise(r)
	from, to := x.SMin, x.SMax
	if v.opts.Type.Type == spec.LSM && v.attach() == spec.AttachLSMMac && v.cur.depth() == 0 {
		from, to = int64(x.SMin32), int64(x.SMax32) // only 32 bits count
	}
	if from == to && (from < int64(lo) || to > int64(hi)) {
		return v.failReg(BadReturn, r, "%s must return a number from %d to %d, and R%d is %d", who, lo, hi, r, from)
	}
	if from < int64(lo) || to > int64(hi) {
		return v.failReg(BadReturn, r, "%s must return a number from %d to %d, and R%d can be from %d to %d", who, lo, hi, r, from, to)
	}
	return nil
}

// widen makes numbers that differ between two rounds of a loop, and that nothing depends on, unknown.
func (v *verifier) widen(old, cur *state) {
	for i := range old.frames {
		if i >= len(cur.frames) {
			return
		}
		a, b := old.frames[i], cur.frames[i]
		for r := range a.regs {
			v.widenReg(&a.regs[r], &b.regs[r])
		}
		for n := range a.stack {
			if n >= len(b.stack) {
				break
			}
			if x, y := &a.stack[n], &b.stack[n]; x.bytes[7] == byteSpill && y.bytes[7] == byteSpill {
				v.widenReg(&x.reg, &y.reg)
			}
		}
	}
}

func (v *verifier) widenReg(old, cur *reg) {
	if old.kind != Scalar || cur.kind != Scalar || old.precise || cur.precise || old.Scalar == cur.Scalar && old.flags == cur.flags && (old.id == 0) == (cur.id == 0) {
		return
	}
	*cur = reg{Scalar: value.Unknown, kind: Scalar}
}

// returnsPointer reports whether the function returns an address.
func (v *verifier) returnsPointer() bool { return false }
