// Implements the helpers that print: into the trace, a buffer, the output of an iterator.

package helper

import (
	"encoding/binary"
	"strconv"
)

var printing = []Helper{
	{ID: 6, Name: "trace_printk", GPL: true, Args: []Arg{Mem, Size}, Func: func(c *Call, format, size, r3, r4, r5 uint64) (uint64, error) {
		f, err := c.Bytes(format, int(uint32(size)), false)
		if err != nil {
			return 0, err
		}
		return c.trace(f, []uint64{r3, r4, r5})
	}},
	{ID: 177, Name: "trace_vprintk", GPL: true, Args: []Arg{Mem, Size, Mem | OrNull, SizeOr0},
		Func: func(c *Call, format, size, args, n, _ uint64) (uint64, error) {
			f, err := c.Bytes(format, int(uint32(size)), false)
			if err != nil {
				return 0, err
			}
			return c.traceMemory(f, args, uint32(n))
		}},
	{ID: 165, Name: "snprintf", GPL: true, Args: []Arg{Mem | Writes | OrNull, SizeOr0, ConstString, Mem | OrNull, SizeOr0}, Func: snprintf},
	{ID: 126, Name: "seq_printf", GPL: true, Args: []Arg{Object, Mem, Size, Mem | OrNull, SizeOr0}, Objects: [MaxArgs]string{"seq_file"}, Func: seqPrintf},
	{ID: 127, Name: "seq_write", GPL: true, Args: []Arg{Object, Mem, SizeOr0}, Objects: [MaxArgs]string{"seq_file"},
		Func: func(c *Call, _, data, size, _, _ uint64) (uint64, error) {
			b, err := c.Bytes(data, int(uint32(size)), false)
			if err != nil {
				return 0, err
			}
			return c.seqWrite(b).result()
		}},
	{ID: 149, Name: "snprintf_btf", Args: []Arg{Mem | Writes, Size, Mem, Size, Any}, Func: snprintfBTF},
	{ID: 150, Name: "seq_printf_btf", GPL: true, Args: []Arg{Object, Mem, SizeOr0, Any}, Objects: [MaxArgs]string{"seq_file"}, Func: seqPrintfBTF},
}

var kernelPrinting = []Helper{
	{Name: "bpf_stream_vprintk_impl", Kfunc: true, Args: []Arg{Any, ConstString, Mem | OrNull, SizeOr0, Any | Ignored},
		Func: func(c *Call, stream, format, args, n, _ uint64) (uint64, error) {
			if uint32(stream) != 1 && uint32(stream) != 2 { // BPF_STDOUT, BPF_STDERR
				return eNOENT.result32()
			}
			f, err := c.constString(format)
			if err != nil {
				return 0, err
			}
			r, err := c.traceMemory(f, args, uint32(n))
			if int64(r) > 0 {
				r = 0
			}
			return uint64(uint32(r)), err
		}},
}

// format prints into the room that out has.
func (c *Call) format(format []byte, args []uint64, out []byte) (*bstr, errno) {
	p := packer{c: c, format: format, args: args, count: len(args)}
	if e := p.pack(); e != 0 {
		return nil, e
	}
	b := &bstr{c: c, out: out, packed: p.packed}
	b.print(p.format)
	return b, 0
}

// arguments reads the argument array of a print helper.
func (c *Call) arguments(addr uint64, size uint32) ([]uint64, errno, error) {
	if size%8 != 0 || size > printArgs*8 || size != 0 && addr == 0 {
		return nil, eINVAL, nil
	}
	b, err := c.Bytes(addr, int(size), false)
	if err != nil {
		return nil, 0, err
	}
	args := make([]uint64, size/8)
	for i := range args {
		args[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return args, 0, nil
}

// trace prints a message into the trace.
func (c *Call) trace(format []byte, args []uint64) (uint64, error) {
	b, e := c.format(format, args, make([]byte, 0, printBytes-1))
	if e != 0 {
		return e.result()
	}
	if c.Env != nil && c.Env.Trace != nil {
		line := b.out
		if n := len(line); n == 0 || line[n-1] != '\n' {
			line = append(line[:n:n], '\n')
		}
		c.Env.Trace.Write(line) // there is nobody to tell of an error
	}
	return uint64(b.count), nil
}

func (c *Call) traceMemory(format []byte, args uint64, size uint32) (uint64, error) {
	a, e, err := c.arguments(args, size)
	switch {
	case err != nil:
		return 0, err
	case e != 0:
		return e.result()
	}
	return c.trace(format, a)
}

func snprintf(c *Call, str, size, format, args, n uint64) (uint64, error) {
	f, err := c.constString(format)
	if err != nil {
		return 0, err
	}
	a, e, err := c.arguments(args, uint32(n))
	switch {
	case err != nil:
		return 0, err
	case e != 0:
		return e.result()
	}
	out, err := c.Bytes(str, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	b, e := c.format(f, a, make([]byte, 0, max(len(out)-1, 0)))
	if e != 0 {
		return e.result()
	}
	if len(out) > 0 {
		out[copy(out, b.out)] = 0
	}
	return uint64(b.count) + 1, nil
}

// constString returns a string with the zero byte at its end.
func (c *Call) constString(addr uint64) ([]byte, error) {
	b := make([]byte, 0, 64)
	for {
		one, err := c.Bytes(addr+uint64(len(b)), 1, false)
		if err != nil {
			return nil, err
		}
		if b = append(b, one[0]); one[0] == 0 {
			return b, nil
		}
	}
}

func seqPrintf(c *Call, _, format, size, args, n uint64) (uint64, error) {
	f, err := c.Bytes(format, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	a, e, err := c.arguments(args, uint32(n))
	switch {
	case err != nil:
		return 0, err
	case e != 0:
		return e.result()
	}
	b, e := c.format(f, a, make([]byte, 0, 1<<16))
	if e != 0 {
		return e.result()
	}
	return c.seqWrite(b.out).result()
}

func (c *Call) seqWrite(b []byte) errno {
	if c.Env == nil || c.Env.Seq == nil {
		return 0
	}
	if _, err := c.Env.Seq.Write(b); err != nil {
		return eOVERFLOW
	}
	return 0
}

// btfFlags are all that print helpers for types know (BTF_F_COMPACT, NONAME, PTR_RAW, ZERO).
const btfFlags = 1<<4 - 1

// formatType prints what a struct btf_ptr points to.
func (c *Call) formatType(ptr []byte, flags uint64) (string, errno) {
	if flags&^btfFlags != 0 || len(ptr) != 16 {
		return "", eINVAL
	}
	if c.Env == nil || c.Env.FormatType == nil {
		return "", eOPNOTSUPP
	}
	id := binary.LittleEndian.Uint32(ptr[8:])
	if binary.LittleEndian.Uint32(ptr[12:]) != 0 || id == 0 {
		return "", eINVAL
	}
	text, e := c.Env.FormatType(id, c.readable(binary.LittleEndian.Uint64(ptr), 1<<12), flags)
	return text, errno(e)
}

func snprintfBTF(c *Call, str, size, ptr, ptrSize, flags uint64) (uint64, error) {
	out, err := c.Bytes(str, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	p, err := c.Bytes(ptr, int(uint32(ptrSize)), false)
	if err != nil {
		return 0, err
	}
	text, e := c.formatType(p, flags)
	if e != 0 {
		return e.result()
	}
	putString(out, text, len(text))
	return uint64(len(text)), nil
}

func seqPrintfBTF(c *Call, _, ptr, size, flags, _ uint64) (uint64, error) {
	p, err := c.Bytes(ptr, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	text, e := c.formatType(p, flags)
	if e != 0 {
		return e.result()
	}
	return c.seqWrite([]byte(text)).result()
}

// symbol names an address, with the distance to the start of the symbol and its size, or gives the bare number.
func (c *Call) symbol(addr uint64, distance bool) string {
	if c.Env != nil {
		for i := range c.Env.Symbols {
			s := &c.Env.Symbols[i]
			size := s.Size
			if size == 0 {
				size = c.Env.symbolEnd(s) - s.Addr
			}
			if addr-s.Addr >= size {
				continue
			}
			text := s.Name
			if distance {
				text += "+0x" + strconv.FormatUint(addr-s.Addr, 16) + "/0x" + strconv.FormatUint(size, 16)
			}
			if s.Module != "" {
				text += " [" + s.Module + "]"
			}
			return text
		}
	}
	return "0x" + strconv.FormatUint(addr, 16)
}

// symbolEnd returns where the next symbol begins.
func (e *Env) symbolEnd(s *Symbol) uint64 {
	end := ^uint64(0)
	for i := range e.Symbols {
		if a := e.Symbols[i].Addr; a > s.Addr && a < end {
			end = a
		}
	}
	return end
}
