// Implements the helpers of tracing programs: what function they are at, and what to do about it.

package helper

import "encoding/binary"

// probe returns what the program is attached to.
func (c *Call) probe() *Probe {
	if c.Env != nil && c.Env.Probe != nil {
		return c.Env.Probe
	}
	return &Probe{}
}

// numArgs returns how many arguments the traced function has.
func (c *Call) numArgs() int {
	p := c.probe()
	n := len(c.Context()) / 8
	if p.Exit && n > 0 {
		n-- // the result
	}
	if p.NumArgs > 0 {
		n = min(n, p.NumArgs)
	}
	return n
}

// Offsets in struct pt_regs of x86-64, the machine that contexts of kprobes are of.
const regsResult = 80

var argOut = Fixed(MemOut, 8) | Aligned

var tracing = []Helper{
	{ID: 173, Name: "get_func_ip", GPL: true, Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return c.probe().IP, nil }},
	{ID: 174, Name: "get_attach_cookie", Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return c.probe().Cookie, nil }},
	{ID: 183, Name: "get_func_arg", Args: []Arg{Context, Any, argOut}, Func: func(c *Call, _, n, value, _, _ uint64) (uint64, error) {
		if uint64(uint32(n)) >= uint64(c.numArgs()) {
			return eINVAL.result()
		}
		return c.copyArg(int(uint32(n)), value)
	}},
	{ID: 184, Name: "get_func_ret", Args: []Arg{Context, argOut}, Func: func(c *Call, _, value, _, _, _ uint64) (uint64, error) {
		if !c.probe().Exit {
			return eOPNOTSUPP.result()
		}
		return c.copyArg(c.numArgs(), value)
	}},
	{ID: 185, Name: "get_func_arg_cnt", Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return uint64(c.numArgs()), nil }},
	{ID: 58, Name: "override_return", GPL: true, Args: []Arg{Context, Any}, Func: func(c *Call, _, result, _, _, _ uint64) (uint64, error) {
		if ctx := c.Context(); len(ctx) >= ptRegsSize {
			binary.LittleEndian.PutUint64(ctx[regsResult:], result)
		}
		if p := c.probe(); p.Override != nil {
			p.Override(result)
		}
		return 0, nil
	}},
}

var sessionKfuncs = []Helper{
	{Name: "bpf_session_is_return", Kfunc: true, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) { return isTrue(c.probe().Return), nil }},
	{Name: "bpf_session_cookie", Kfunc: true, Result: ResultFixed, ResultSize: 8, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		s, err := c.state()
		switch {
		case err != nil:
			return 0, err
		case s.cookie != 0:
			return s.cookie, nil
		}
		s.cookie, _, err = c.Alloc(8, true)
		return s.cookie, err
	}},
}

// copyArg copies word n of the context.
func (c *Call) copyArg(n int, to uint64) (uint64, error) {
	b, err := c.Bytes(to, 8, true)
	if err != nil {
		return 0, err
	}
	ctx := c.Context()
	if len(ctx) < 8*n+8 {
		return eINVAL.result()
	}
	copy(b, ctx[8*n:8*n+8])
	return 0, nil
}
