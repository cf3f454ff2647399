// Implements the helpers that read and write memory of the kernel and of users, which may not be there.

package helper

// origin is memory to copy from.
type origin struct {
	copy  func(c *Call, dst []byte, addr uint64) bool // reports whether it could
	fails func(addr uint64) errno                     // the error if it could not
}

var (
	fromKernel = origin{(*Call).readKernel, badKernel}
	fromUser   = origin{(*Call).readUser, func(uint64) errno { return eFAULT }}
	// The address tells which it is.
	fromAny = origin{(*Call).readAny, func(uint64) errno { return eFAULT }}
)

// text copies a string with its zero byte and returns how many bytes that were, or the negative error.
func (o origin) text(c *Call, dst []byte, addr uint64) int {
	n := readString(dst, addr, func(b []byte, addr uint64) bool { return o.copy(c, b, addr) })
	if n < 0 {
		return -int(o.fails(addr))
	}
	return n
}

// read returns the body of a helper that copies to R1, R2 bytes, from R3. What cannot be read becomes zeros.
func read(from origin) Func {
	return func(c *Call, dst, size, src, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(dst, int(uint32(size)), true)
		if err != nil {
			return 0, err
		}
		if !from.copy(c, b, src) {
			clear(b)
			return from.fails(src).result()
		}
		return 0, nil
	}
}

// readStr is read for strings.
func readStr(from origin) Func {
	return func(c *Call, dst, size, src, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(dst, int(uint32(size)), true)
		if err != nil {
			return 0, err
		}
		n := from.text(c, b, src)
		if n < 0 {
			clear(b)
		}
		return uint64(n), nil
	}
}

var probeArgs = []Arg{MemOut, SizeOr0, Any}

var probes = []Helper{
	{ID: 4, Name: "probe_read", GPL: true, Args: probeArgs, Func: read(fromAny)},
	{ID: 45, Name: "probe_read_str", GPL: true, Args: probeArgs, Result: Errno, Func: readStr(fromAny)},
	{ID: 112, Name: "probe_read_user", GPL: true, Args: probeArgs, Func: read(fromUser)},
	{ID: 113, Name: "probe_read_kernel", GPL: true, Args: probeArgs, Func: read(fromKernel)},
	{ID: 114, Name: "probe_read_user_str", GPL: true, Args: probeArgs, Result: Errno, Func: readStr(fromUser)},
	{ID: 115, Name: "probe_read_kernel_str", GPL: true, Args: probeArgs, Result: Errno, Func: readStr(fromKernel)},
	{ID: 148, Name: "copy_from_user", Sleeps: true, Args: probeArgs, Func: read(fromUser)},
	{ID: 191, Name: "copy_from_user_task", GPL: true, Sleeps: true, Args: []Arg{MemOut, SizeOr0, Any, Object, Any}, Objects: [MaxArgs]string{3: "task_struct"},
		Func: func(c *Call, dst, size, src, task, flags uint64) (uint64, error) {
			if flags != 0 {
				return eINVAL.result()
			}
			return read(fromUser)(c, dst, size, src, task, flags)
		}},
	{ID: 36, Name: "probe_write_user", GPL: true, Args: []Arg{Any, Mem, Size}, Func: func(c *Call, dst, src, size, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(src, int(uint32(size)), false)
		switch {
		case err != nil:
			return 0, err
		case c.task().Kernel:
			return ePERM.result()
		case !c.writeUser(dst, b):
			return eFAULT.result()
		}
		return 0, nil
	}},
}

// padZeros is the flag of the string functions to zero what is behind the string (BPF_F_PAD_ZEROS).
const padZeros = 1

// userString is the body of bpf_copy_from_user_str and its variant for tasks.
func userString(c *Call, dst, size, src, flags uint64) (uint64, error) {
	if flags&^padZeros != 0 {
		return eINVAL.result32()
	}
	b, err := c.Bytes(dst, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	n := readString(b, src, c.readUser)
	switch {
	case n < 0 && flags&padZeros != 0:
		clear(b)
		return eFAULT.result32()
	case n < 0:
		return eFAULT.result32()
	case flags&padZeros != 0:
		clear(b[n:])
	}
	return uint64(n), nil
}

var userStrings = []Helper{
	{Name: "bpf_copy_from_user_str", Kfunc: true, Sleeps: true, Args: []Arg{MemOut, SizeOr0, Any | Ignored, Any},
		Func: func(c *Call, dst, size, src, flags, _ uint64) (uint64, error) {
			return userString(c, dst, size, src, flags)
		}},
	{Name: "bpf_copy_from_user_task_str", Kfunc: true, Sleeps: true, Args: []Arg{MemOut, SizeOr0, Any | Ignored, Object, Any}, Objects: [MaxArgs]string{3: "task_struct"},
		Func: func(c *Call, dst, size, src, _, flags uint64) (uint64, error) {
			return userString(c, dst, size, src, flags)
		}},
}
