// Implements functions of the program that helpers call.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// callback walks through the call of a helper that calls a function of the program: the function is kept for later,
// and the walk goes on behind the call, as if the function had been called often enough. From the end of the function
// the walk comes back to the call.
func (v *verifier) callback(a *args) (ir.Index, error) {
	if a.fn < 0 {
		return 0, v.fail(BadCallback, "helper %s is given no function", a.h.Name)
	}
	cb := a.h.Callback
	f := v.newFrame(v.p.FuncAt(a.fn))
	f.callback = cb
	for i, kind := range cb.Args {
		x, err := v.callbackArg(a, kind)
		if err != nil {
			return 0, err
		}
		f.regs[int(isa.R1)+i] = x
	}
	if cb.Later {
		v.later[f.fn] = true
		v.pushLater(f, a.fn)
		return v.at + 1, v.afterCall(a)
	}
	caller := v.cur.top()
	if counted(a.h) {
		// How often it is called decides whether the loop is over.
		v.precise(uint8(isa.R1))
		if uint64(caller.depth) >= caller.regs[isa.R1].UMax {
			caller.depth = 0
			v.pool.dropFrame(f)
			return v.at + 1, v.afterCall(a)
		}
	}
	if len(v.cur.frames) == maxFrames {
		return 0, v.fail(TooDeep, "calls are nested deeper than %d functions", maxFrames)
	}
	s, err := v.push(a.fn)
	if err != nil {
		return 0, err
	}
	s.top().depth++
	n := len(s.frames)
	f.regs[isa.R10].frame = uint8(n)
	s.frames = append(s.frames, f)
	s.fresh |= 1 << n
	s.written[n] = 0
	s.unrolled++
	caller.depth = 0
	return v.at + 1, v.afterCall(a)
}

// counted reports whether the helper's first argument is how often it calls the function.
func counted(h *helper.Helper) bool {
	return h.Args[0].Kind() == helper.Any && h.Callback.Args[0] == helper.CallbackScalar
}

// callbackArg is what a callback gets as an argument.
func (v *verifier) callbackArg(a *args, kind helper.CallbackArg) (reg, error) {
	switch kind {
	case helper.CallbackNone:
		return reg{Scalar: zeroOffset}, nil
	case helper.CallbackScalar:
		return unknownScalar(), nil
	case helper.CallbackPointer:
		if a.pointer.kind == NotInit {
			return constScalar(0), nil
		}
		return a.pointer, nil
	case helper.CallbackMap, helper.CallbackKey, helper.CallbackValue:
		if a.mapIndex < 0 {
			return reg{}, v.unsupported("a callback of %s without a map", a.h.Name)
		}
		x := pointerTo(map[helper.CallbackArg]Kind{helper.CallbackMap: Map, helper.CallbackKey: MapKey, helper.CallbackValue: MapValue}[kind])
		x.obj = a.mapIndex
		return x, nil
	case helper.CallbackDynptr:
		x := pointerTo(Dynptr)
		x.obj, x.flags = int32(dynptrLocal), readOnly
		return x, nil
	}
	return reg{}, v.unsupported("a callback of %s gets a structure of the kernel", a.h.Name)
}

// pushLater keeps a function that is called after the program has ended.
func (v *verifier) pushLater(f *frame, at ir.Index) {
	f.async, f.callsite = true, -1
	v.branches = append(v.branches, branch{&state{frames: []*frame{f}, branches: 1, first: at, at: at}, at, v.at})
}

// callbackEnds walks from the end of a callback back to the helper.
func (v *verifier) callbackEnds(f *frame) (ir.Index, error) {
	if err := v.resultIn(0, f.callback.Min, f.callback.Max, "the callback"); err != nil {
		e := err.(*Error)
		e.Code = BadCallback
		return 0, e
	}
	callsite := f.callsite
	v.popFrame()
	if before := v.earlier(v.cur.parent, callsite); before != nil {
		v.widen(before, v.cur)
	}
	return callsite, nil
}

// earlier returns the last checkpoint from s back at an instruction, in the same chain of calls.
func (v *verifier) earlier(s *state, at ir.Index) *state {
	for ; s != nil; s = s.parent {
		if s.at == at && slices.EqualFunc(s.frames, v.cur.frames, func(a, b *frame) bool { return a.callsite == b.callsite }) {
			return s
		}
	}
	return nil
}
