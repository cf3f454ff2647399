// Implements the kernel functions for dynptrs.

package helper

import "github.com/skepbpf/skep/spec"

// packetWritable reports whether programs of a type may change packets through pointers.
func packetWritable(t spec.ProgramType) bool {
	switch t {
	case spec.SchedCLS, spec.SchedACT, spec.XDP, spec.LWTXmit, spec.SkSKB, spec.SkMsg:
		return true
	}
	return false
}

// fromPacket returns the body of a function that makes a dynptr of the packet.
func fromPacket(kind dynptrKind) Func {
	return func(c *Call, ctx, flags, ptr, _, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, true)
		if err != nil {
			return 0, err
		}
		d.clear()
		if flags != 0 {
			return eINVAL.result32()
		}
		data := c.packet()
		if len(data) > dynptrMax {
			return e2BIG.result32()
		}
		d.set(ctx, kind, 0, uint32(len(data)))
		if !packetWritable(c.ProgramType()) {
			d.setReadOnly()
		}
		return 0, nil
	}
}

// ask returns a function that tells something about a dynptr.
func ask(name string, f func(d dynptr) uint64) Helper {
	return Helper{Name: name, Kfunc: true, Args: []Arg{DynptrRef}, Func: func(c *Call, ptr, _, _, _, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, false)
		if err != nil {
			return 0, err
		}
		return f(d), nil
	}}
}

func isTrue(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

var sliceArgs = []Arg{DynptrRef, Any, MemOut | OrNull, Size | Fixing}

var dynptrKfuncs = []Helper{
	{Name: "bpf_dynptr_from_skb", Kfunc: true, Types: skbTypes, Args: []Arg{Context, Any, DynptrRef | Fresh}, Func: fromPacket(dynptrSKB)},
	{Name: "bpf_dynptr_from_xdp", Kfunc: true, Types: xdpTypes, Args: []Arg{Context, Any, DynptrRef | Fresh}, Func: fromPacket(dynptrXDP)},
	ask("bpf_dynptr_is_null", func(d dynptr) uint64 { return isTrue(d.data() == 0) }),
	ask("bpf_dynptr_is_rdonly", func(d dynptr) uint64 { return isTrue(d.data() != 0 && d.readOnly()) }),
	ask("bpf_dynptr_size", func(d dynptr) uint64 {
		if d.data() == 0 {
			r, _ := eINVAL.result32()
			return r
		}
		return uint64(d.size())
	}),
	{Name: "bpf_dynptr_slice", Kfunc: true, Args: sliceArgs, Result: ResultMem | MayBeNull | ReadOnly, Func: func(c *Call, ptr, off, _, n, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, false)
		if err != nil {
			return 0, err
		}
		return d.slice(c, uint32(off), uint32(n))
	}},
	{Name: "bpf_dynptr_slice_rdwr", Kfunc: true, Args: sliceArgs, Result: ResultMem | MayBeNull, Func: func(c *Call, ptr, off, _, n, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, false)
		if err != nil || d.readOnly() {
			return 0, err
		}
		return d.slice(c, uint32(off), uint32(n))
	}},
	{Name: "bpf_dynptr_adjust", Kfunc: true, Args: []Arg{DynptrRef, Any, Any}, Func: dynptrAdjust},
	{Name: "bpf_dynptr_clone", Kfunc: true, Args: []Arg{DynptrRef, DynptrRef | Fresh}, Func: dynptrClone},
	{Name: "bpf_dynptr_copy", Kfunc: true, Args: []Arg{DynptrRef, Any, DynptrRef, Any, Any}, Func: dynptrCopy},
	{Name: "bpf_dynptr_memset", Kfunc: true, Args: []Arg{DynptrRef, Any, Any, Any}, Func: dynptrMemset},

	fill("bpf_probe_read_kernel_dynptr", false, fillBytes(fromKernel)),
	fill("bpf_probe_read_user_dynptr", false, fillBytes(fromUser)),
	fill("bpf_probe_read_kernel_str_dynptr", false, fillText(fromKernel)),
	fill("bpf_probe_read_user_str_dynptr", false, fillText(fromUser)),
	fill("bpf_copy_from_user_dynptr", true, fillBytes(fromUser)),
	fill("bpf_copy_from_user_str_dynptr", true, fillText(fromUser)),
	fillOf("bpf_copy_from_user_task_dynptr", fillBytes(fromUser)),
	fillOf("bpf_copy_from_user_task_str_dynptr", fillText(fromUser)),
}

func dynptrAdjust(c *Call, ptr, start, end, _, _ uint64) (uint64, error) {
	d, err := c.dynptr(ptr, true)
	from, to := uint32(start), uint32(end)
	switch {
	case err != nil:
		return 0, err
	case d.data() == 0 || from > to:
		return eINVAL.result32()
	case to > d.size():
		return eRANGE.result32()
	}
	readOnly := d.readOnly()
	d.set(d.data(), d.kind(), d.offset()+from, to-from)
	if readOnly {
		d.setReadOnly()
	}
	return 0, nil
}

func dynptrClone(c *Call, ptr, clone, _, _, _ uint64) (uint64, error) {
	d, err := c.dynptr(ptr, false)
	if err != nil {
		return 0, err
	}
	to, err := c.dynptr(clone, true)
	if err != nil {
		return 0, err
	}
	if d.data() == 0 {
		to.clear()
		return eINVAL.result32()
	}
	copy(to.b, d.b)
	return 0, nil
}

func dynptrCopy(c *Call, dst, dstOff, src, srcOff, n uint64) (uint64, error) {
	to, err := c.dynptr(dst, false)
	if err != nil {
		return 0, err
	}
	from, err := c.dynptr(src, false)
	if err != nil {
		return 0, err
	}
	at, src32, size := uint32(dstOff), uint32(srcOff), uint32(n)
	readable := from.data() != 0 && from.has(src32, size)
	writable := to.data() != 0 && !to.readOnly() && to.has(at, size)
	switch {
	case !readable && !writable && (!to.has(at, size) || !from.has(src32, size)):
		return e2BIG.result32()
	case !readable && !writable && size == 0:
		return 0, nil
	case !readable:
		return orErrno32(from.load(c, make([]byte, size), src32, 0))
	}
	b, e, err := from.bytes(c, src32, size, false)
	if err != nil || e != 0 {
		return orErrno32(e, err)
	}
	return orErrno32(to.store(c, at, b, 0))
}

func dynptrMemset(c *Call, ptr, off, n, value, _ uint64) (uint64, error) {
	d, err := c.dynptr(ptr, false)
	switch {
	case err != nil:
		return 0, err
	case d.readOnly():
		return eINVAL.result32()
	case !d.has(uint32(off), uint32(n)):
		return e2BIG.result32()
	case uint32(n) == 0:
		return 0, nil
	case d.data() == 0:
		return eINVAL.result32()
	}
	b, e, err := d.bytes(c, uint32(off), uint32(n), true)
	if err != nil {
		return 0, err
	}
	for i := range b {
		b[i] = byte(value)
	}
	return e.result32()
}

// filler fills a buffer from an address and returns how many bytes it has filled; or what it wants to tell.
type filler func(c *Call, b []byte, addr uint64) (n int, result int)

func fillBytes(from origin) filler {
	return func(c *Call, b []byte, addr uint64) (int, int) {
		if !from.copy(c, b, addr) {
			return 0, -int(from.fails(addr))
		}
		return len(b), 0
	}
}

func fillText(from origin) filler {
	return func(c *Call, b []byte, addr uint64) (int, int) {
		n := from.text(c, b, addr)
		return max(n, 0), n
	}
}

// fill returns a function that fills part of a dynptr with foreign memory.
func fill(name string, sleeps bool, f filler) Helper {
	return Helper{Name: name, Kfunc: true, Sleeps: sleeps, Args: []Arg{DynptrRef, Any, Any, Any | Ignored},
		Func: func(c *Call, ptr, off, n, addr, _ uint64) (uint64, error) {
			d, err := c.dynptr(ptr, false)
			switch {
			case err != nil:
				return 0, err
			case d.data() == 0 || d.readOnly():
				return eINVAL.result32()
			case !d.has(uint32(off), uint32(n)):
				return e2BIG.result32()
			}
			b := make([]byte, uint32(n))
			filled, result := f(c, b, addr)
			e, err := d.store(c, uint32(off), b[:filled], 0)
			switch {
			case err != nil:
				return 0, err
			case e != 0:
				return e.result32()
			}
			return uint64(uint32(result)), nil
		}}
}

// fillOf is fill for the memory of a task.
func fillOf(name string, f filler) Helper {
	h := fill(name, true, f)
	h.Args = append(h.Args, Object)
	h.Objects = [MaxArgs]string{4: "task_struct"}
	return h
}
