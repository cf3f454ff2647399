// Implements the helpers of infrared decoders and of programs that watch kernel parameters.

package helper

// remote reports an event.
func (c *Call) remote(e RemoteEvent) (uint64, error) {
	if c.Env != nil && c.Env.Remote != nil {
		c.Env.Remote(e)
	}
	return 0, nil
}

var remotes = []Helper{
	{ID: 77, Name: "rc_repeat", GPL: true, Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		return c.remote(RemoteEvent{Kind: RemoteRepeat})
	}},
	{ID: 78, Name: "rc_keydown", GPL: true, Args: []Arg{Context, Any, Any, Any}, Func: func(c *Call, _, protocol, scancode, toggle, _ uint64) (uint64, error) {
		return c.remote(RemoteEvent{Kind: RemoteKey, Protocol: uint32(protocol), Scancode: scancode, Toggle: isNot0(uint32(toggle))})
	}},
	{ID: 92, Name: "rc_pointer_rel", GPL: true, Args: []Arg{Context, Any, Any}, Func: func(c *Call, _, dx, dy, _, _ uint64) (uint64, error) {
		return c.remote(RemoteEvent{Kind: RemotePointer, DX: int32(dx), DY: int32(dy)})
	}},
}

func isNot0(v uint32) uint32 { return uint32(isTrue(v != 0)) }

// sysctl returns the parameter that the program is asked about.
func (c *Call) sysctl() *Sysctl {
	if c.Env != nil && c.Env.Sysctl != nil {
		return c.Env.Sysctl
	}
	return &Sysctl{}
}

// baseName is the flag to leave out what is before the last slash (BPF_F_SYSCTL_BASE_NAME).
const baseName = 1

// cut writes text with a zero byte behind it and returns its length, or -E2BIG if it had to be cut.
func (c *Call) cut(buf, size uint64, text string) (uint64, error) {
	b, err := c.Bytes(buf, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	putString(b, text, len(text))
	if len(text) >= len(b) {
		return e2BIG.result()
	}
	return uint64(len(text)), nil
}

var sysctls = []Helper{
	{ID: 101, Name: "sysctl_get_name", Args: []Arg{Context, Mem | Writes, Size, Any}, Func: func(c *Call, _, buf, size, flags, _ uint64) (uint64, error) {
		name := c.sysctl().Name
		if flags&baseName != 0 {
			for i := len(name) - 1; i >= 0; i-- {
				if name[i] == '/' {
					name = name[i+1:]
					break
				}
			}
		}
		return c.cut(buf, size, name)
	}},
	{ID: 102, Name: "sysctl_get_current_value", Args: []Arg{Context, MemOut, Size}, Func: func(c *Call, _, buf, size, _, _ uint64) (uint64, error) {
		return c.cut(buf, size, c.sysctl().Current)
	}},
	{ID: 103, Name: "sysctl_get_new_value", Args: []Arg{Context, MemOut, Size}, Func: func(c *Call, _, buf, size, _, _ uint64) (uint64, error) {
		s := c.sysctl()
		if !s.Write {
			b, err := c.Bytes(buf, int(uint32(size)), true)
			if err != nil {
				return 0, err
			}
			clear(b)
			return eINVAL.result()
		}
		return c.cut(buf, size, s.New)
	}},
	{ID: 104, Name: "sysctl_set_new_value", Args: []Arg{Context, Mem, Size}, Func: func(c *Call, _, buf, size, _, _ uint64) (uint64, error) {
		const longest = 4096 // a page
		b, err := c.Bytes(buf, int(uint32(size)), false)
		if err != nil {
			return 0, err
		}
		s := c.sysctl()
		switch {
		case !s.Write:
			return eINVAL.result()
		case len(b) > longest-1:
			return e2BIG.result()
		}
		if s.Set != nil {
			s.Set(cString(b))
		}
		return 0, nil
	}},
}
