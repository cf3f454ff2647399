// Implements the helpers for dynptrs.

package helper

var dynptrs = []Helper{
	{ID: 197, Name: "dynptr_from_mem", Args: []Arg{MemOut, SizeOr0, Any, DynptrRef | Fresh | Local}, Func: func(c *Call, data, size, flags, ptr, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, true)
		if err != nil {
			return 0, err
		}
		d.clear()
		switch {
		case uint32(size) > dynptrMax:
			return e2BIG.result()
		case flags != 0:
			return eINVAL.result()
		}
		d.set(data, dynptrLocal, 0, uint32(size))
		return 0, nil
	}},
	{ID: 201, Name: "dynptr_read", Args: []Arg{MemOut, SizeOr0, DynptrRef, Any, Any}, Func: func(c *Call, dst, n, src, off, flags uint64) (uint64, error) {
		d, err := c.dynptr(src, false)
		if err != nil {
			return 0, err
		}
		b, err := c.Bytes(dst, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		e, err := d.load(c, b, uint32(off), flags)
		if err != nil {
			return 0, err
		}
		return e.result()
	}},
	{ID: 202, Name: "dynptr_write", Args: []Arg{DynptrRef, Any, Mem, SizeOr0, Any}, Func: func(c *Call, dst, off, src, n, flags uint64) (uint64, error) {
		d, err := c.dynptr(dst, false)
		if err != nil {
			return 0, err
		}
		b, err := c.Bytes(src, int(uint32(n)), false)
		if err != nil {
			return 0, err
		}
		e, err := d.store(c, uint32(off), b, flags)
		if err != nil {
			return 0, err
		}
		return e.result()
	}},
	{ID: 203, Name: "dynptr_data", Args: []Arg{DynptrRef, Any, RecordSize}, Result: ResultMem | MayBeNull, Func: func(c *Call, ptr, off, n, _, _ uint64) (uint64, error) {
		d, err := c.dynptr(ptr, false)
		if err != nil || d.readOnly() || !d.inMemory() {
			return 0, err
		}
		return d.slice(c, uint32(off), uint32(n))
	}},
}
