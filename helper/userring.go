// Implements the helper that takes what user space sends through a ring buffer.

package helper

import "github.com/skepbpf/skep/spec"

var userRings = []Helper{
	{ID: 209, Name: "user_ringbuf_drain", Args: []Arg{MapRef, Function, StackMem | OrNull, Any}, Maps: []spec.MapType{spec.UserRingBuf},
		Callback: &Callback{Args: [MaxArgs]CallbackArg{CallbackDynptr, CallbackPointer}, Max: 1}, Func: drain},
}

func drain(c *Call, m, function, ctx, flags, _ uint64) (uint64, error) {
	l := c.Map(m)
	if l == nil {
		return 0, ErrNoMap
	}
	if flags&^wakeupFlags != 0 {
		return eINVAL.result()
	}
	addr, b, err := c.Alloc(dynptrBytes, true)
	if err != nil {
		return 0, err
	}
	d := dynptr{b}
	var failed error
	n, e := l.Drain(func(off, size int) (stop bool) {
		sample, err := c.MapAddr(l, off)
		var r uint64
		if err == nil {
			d.set(sample, dynptrLocal, 0, uint32(size))
			d.setReadOnly()
			r, err = c.CallFunction(function, addr, ctx, 0, 0, 0)
		}
		failed = err
		return err != nil || r != 0
	})
	switch {
	case failed != nil:
		return 0, failed
	case e != 0:
		return mapErrno(e)
	}
	return uint64(n), nil
}
