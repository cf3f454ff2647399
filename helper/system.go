// Implements the helpers for the rest of the kernel: system calls, symbols, types, files, memory areas.

package helper

import "encoding/binary"

var system = []Helper{
	// No program makes system calls of the host's.
	{ID: 166, Name: "sys_bpf", Sleeps: true, Args: []Arg{Any, Mem, Size}, Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return ePERM.result() }},
	{ID: 168, Name: "sys_close", Sleeps: true, Args: []Arg{Any}, Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return ePERM.result() }},

	{ID: 167, Name: "btf_find_by_name_kind", Sleeps: true, Args: []Arg{Mem, Size, Any, Any}, Func: func(c *Call, name, size, kind, flags, _ uint64) (uint64, error) {
		text, e, err := c.name(name, size)
		switch {
		case err != nil:
			return 0, err
		case flags != 0:
			return eINVAL.result()
		case e != 0:
			return e.result()
		case c.Env == nil || c.Env.TypeID == nil:
			return eNOENT.result()
		}
		id, ok := c.Env.TypeID(text, uint32(kind))
		if !ok {
			return eNOENT.result()
		}
		return uint64(id), nil
	}},
	{ID: 179, Name: "kallsyms_lookup_name", Sleeps: true, Args: []Arg{Mem, SizeOr0, Any, argOut}, Func: symbolAddress},
	{ID: 147, Name: "d_path", Args: []Arg{Object, Mem | Writes, SizeOr0}, Objects: [MaxArgs]string{"path"}, Func: dPath},
	{ID: 180, Name: "find_vma", Args: []Arg{Object, Any, Function, StackMem | OrNull, Any}, Objects: [MaxArgs]string{"task_struct"},
		Callback: &Callback{Args: [MaxArgs]CallbackArg{CallbackFirst, CallbackObject, CallbackPointer}, Object: "vm_area_struct", Max: 1},
		Func: func(_ *Call, _, _, _, _, flags uint64) (uint64, error) {
			if flags != 0 {
				return eINVAL.result()
			}
			return eNOENT.result() // tasks have no memory areas, like the kernel's threads
		}},
	// What is not measured has no hash.
	{ID: 161, Name: "ima_inode_hash", Sleeps: true, Args: []Arg{Object, MemOut, Size}, Objects: [MaxArgs]string{"inode"},
		Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return eOPNOTSUPP.result() }},
	{ID: 193, Name: "ima_file_hash", Sleeps: true, Args: []Arg{Object, MemOut, Size}, Objects: [MaxArgs]string{"file"},
		Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return eOPNOTSUPP.result() }},
	{ID: 159, Name: "bprm_opts_set", Args: []Arg{Object, Any}, Objects: [MaxArgs]string{"linux_binprm"}, Func: func(_ *Call, _, flags, _, _, _ uint64) (uint64, error) {
		if flags&^1 != 0 { // BPF_F_BPRM_SECUREEXEC
			return eINVAL.result()
		}
		return 0, nil
	}},
}

// name reads a name that ends with a zero byte.
func (c *Call) name(addr, size uint64) (string, errno, error) {
	b, err := c.Bytes(addr, int(uint32(size)), false)
	if err != nil {
		return "", 0, err
	}
	if len(b) <= 1 || b[len(b)-1] != 0 {
		return "", eINVAL, nil
	}
	return cString(b), 0, nil
}

func cString(b []byte) string {
	for i, x := range b {
		if x == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

func symbolAddress(c *Call, name, size, flags, res, _ uint64) (uint64, error) {
	out, err := c.Bytes(res, 8, true)
	if err != nil {
		return 0, err
	}
	clear(out)
	text, e, err := c.name(name, size)
	switch {
	case err != nil:
		return 0, err
	case flags != 0:
		return eINVAL.result()
	case e != 0:
		return e.result()
	}
	if c.Env != nil {
		for _, s := range c.Env.Symbols {
			if s.Name == text {
				binary.LittleEndian.PutUint64(out, s.Addr)
				return 0, nil
			}
		}
	}
	return eNOENT.result()
}

// dPath writes a path and returns how long it is with the zero byte.
func dPath(c *Call, path, buf, size, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(buf, int(uint32(size)), true)
	if err != nil || len(b) == 0 {
		return 0, err
	}
	text := "/"
	if c.Env != nil && c.Env.Path != nil {
		text = c.Env.Path(path)
	}
	if len(text)+1 > len(b) {
		return errno(36).result() // ENAMETOOLONG
	}
	b[copy(b, text)] = 0
	return uint64(len(text)) + 1, nil
}

// Per-CPU variables of the kernel. There is one copy of each, that of every processor.
var perCPU = []Helper{
	{ID: 153, Name: "per_cpu_ptr", Args: []Arg{PerCPU, Any}, Result: ResultVariable | MayBeNull | ReadOnly, Func: func(c *Call, ptr, cpu, _, _, _ uint64) (uint64, error) {
		if uint64(uint32(cpu)) >= uint64(c.Env.cpus()) {
			return 0, nil
		}
		return c.perCPU(ptr, uint32(cpu)), nil
	}},
	{ID: 154, Name: "this_cpu_ptr", Args: []Arg{PerCPU}, Result: ResultVariable | ReadOnly, Func: func(c *Call, ptr, _, _, _, _ uint64) (uint64, error) {
		return c.perCPU(ptr, c.cpu()), nil
	}},
}

func (c *Call) perCPU(ptr uint64, cpu uint32) uint64 {
	if c.Env != nil && c.Env.PerCPU != nil {
		return c.Env.PerCPU(ptr, cpu)
	}
	return ptr
}
