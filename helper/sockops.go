// Implements the helpers for sockets' options, addresses and TCP header options.

package helper

import (
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

const (
	eNOMSG      errno = 42
	eNOPROTOOPT errno = 92
)

// The flags that sock_ops programs may set, and where struct bpf_sock_ops has them and the packet's TCP flags.
const (
	callbackFlags  = 0x7f
	sopsCallbacks  = 80
	sopsOp         = 0
	opHeaderLength = 14 // BPF_SOCK_OPS_HDR_OPT_LEN_CB
	opWriteHeader  = 15 // BPF_SOCK_OPS_WRITE_HDR_OPT_CB
)

var socketOptions = []Helper{
	{ID: 49, Name: "setsockopt", Args: []Arg{Context, Any, Any, Mem, Size},
		Variants: []Variant{{optionSetters, []Arg{SockCommon, Any, Any, Mem, Size}}}, Func: func(c *Call, sk, level, name, value, size uint64) (uint64, error) {
			b, err := c.Bytes(value, int(uint32(size)), false)
			if err != nil {
				return 0, err
			}
			if fullSocket(c.socketOf(sk)) == nil {
				return eINVAL.result()
			}
			o := c.out()
			o.Options = append(o.Options, OptionSet{spec.SocketOption{Level: int32(uint32(level)), Name: int32(uint32(name))}, append([]byte(nil), b...)})
			return 0, nil
		}},
	{ID: 57, Name: "getsockopt", Args: []Arg{Context, Any, Any, MemOut, Size},
		Variants: []Variant{{optionSetters, []Arg{SockCommon, Any, Any, MemOut, Size}}}, Func: func(c *Call, sk, level, name, value, size uint64) (uint64, error) {
			b, err := c.Bytes(value, int(uint32(size)), true)
			if err != nil {
				return 0, err
			}
			clear(b)
			s := fullSocket(c.socketOf(sk))
			if s == nil {
				return eINVAL.result()
			}
			v, ok := c.option(s, spec.SocketOption{Level: int32(uint32(level)), Name: int32(uint32(name))})
			switch {
			case !ok:
				return eNOPROTOOPT.result()
			case len(b) < len(v):
				return eINVAL.result()
			}
			copy(b, v)
			return 0, nil
		}},
	{ID: 59, Name: "sock_ops_cb_flags_set", Args: []Arg{Context, Any}, Func: func(c *Call, _, flags, _, _, _ uint64) (uint64, error) {
		if fullSocket(c.ownSocket()) == nil {
			return eINVAL.result()
		}
		c.put32(sopsCallbacks, uint32(flags)&callbackFlags)
		return uint64(int64(int32(uint32(flags) &^ callbackFlags))), nil
	}},
	{ID: 64, Name: "bind", Args: []Arg{Context, Mem, Size}, Func: bindSocket},
	{ID: 142, Name: "load_hdr_opt", Args: []Arg{Context, Mem | Writes, Size, Any}, Func: loadOption},
	{ID: 143, Name: "store_hdr_opt", Args: []Arg{Context, Mem, Size, Any}, ChangesPacket: true, Func: storeOption},
	{ID: 144, Name: "reserve_hdr_opt", Args: []Arg{Context, Any, Any}, Func: func(c *Call, _, n, flags, _, _ uint64) (uint64, error) {
		switch {
		case c.socketOp() != opHeaderLength:
			return ePERM.result()
		case flags != 0 || uint32(n) < 2:
			return eINVAL.result()
		case uint32(n) > maxTCPOptions-c.out().HeaderSpace:
			return eNOSPC.result()
		}
		c.out().HeaderSpace += uint32(n)
		return 0, nil
	}},
}

// optionSetters are types of programs that say which socket they mean.
var optionSetters = append(socketGivers[:len(socketGivers):len(socketGivers)], spec.CGroupSockopt)

// maxTCPOptions is how many bytes of options a TCP header can have.
const maxTCPOptions = 40

// option returns the value of an option, as set in this run or before.
func (c *Call) option(s *spec.Socket, name spec.SocketOption) ([]byte, bool) {
	set := c.out().Options
	for i := len(set) - 1; i >= 0; i-- {
		if set[i].SocketOption == name {
			return set[i].Value, true
		}
	}
	v, ok := s.Options[name]
	return v, ok
}

// Sizes of socket addresses (struct sockaddr_in, struct sockaddr_in6 without the scope).
const (
	sockaddr4 = 16
	sockaddr6 = 24
)

func bindSocket(c *Call, _, addr, size, _, _ uint64) (uint64, error) {
	b, err := c.Bytes(addr, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	if len(b) < 2 {
		return eINVAL.result()
	}
	switch f := binary.LittleEndian.Uint16(b); {
	case f == familyINET && len(b) < sockaddr4, f == familyINET6 && len(b) < sockaddr6:
		return eINVAL.result()
	case f != familyINET && f != familyINET6:
		return eAFNOSUPPORT.result()
	}
	c.out().Address = append([]byte(nil), b...)
	return 0, nil
}

// socketOp returns what the sock_ops program was called for.
func (c *Call) socketOp() uint32 {
	if ctx := c.Context(); len(ctx) >= 4 {
		return binary.LittleEndian.Uint32(ctx[sopsOp:])
	}
	return 0
}

// Kinds of TCP options.
const (
	optEnd    = 0
	optNop    = 1
	optMagic  = 253 // experimental: a number of two or four bytes follows (RFC 6994)
	optMagic2 = 254

	searchSYN = 1 // flag: search the SYN packet that was kept
)

// tcpOptions returns the options of the TCP header that the packet is, nil if it is none.
func (c *Call) tcpOptions() []byte {
	data := c.packet()
	if len(data) < 20 {
		return nil
	}
	n := int(data[12]>>4) * 4
	if n < 20 || n > len(data) {
		return nil
	}
	return data[20:n]
}

// findOption returns the option that want is the beginning of: its kind and, of experimental ones, the number. The error
// tells of options that are cut off.
func findOption(options, want []byte) ([]byte, errno) {
	for len(options) > 0 {
		switch options[0] {
		case optEnd:
			return nil, eNOMSG
		case optNop:
			options = options[1:]
			continue
		}
		if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
			return nil, eFAULT
		}
		o := options[:options[1]]
		if o[0] == want[0] && (len(want) <= 2 || len(o) >= len(want) && string(o[2:len(want)]) == string(want[2:])) {
			return o, 0
		}
		options = options[len(o):]
	}
	return nil, eNOMSG
}

func loadOption(c *Call, _, res, size, flags, _ uint64) (uint64, error) {
	b, err := c.Bytes(res, int(uint32(size)), true)
	if err != nil {
		return 0, err
	}
	if len(b) < 2 || flags&^searchSYN != 0 {
		return eINVAL.result()
	}
	want := b[:1]
	switch b[0] {
	case optEnd, optNop:
		return eINVAL.result()
	case optMagic, optMagic2:
		if b[1] != 4 && b[1] != 6 {
			return eINVAL.result()
		}
		if len(b) < int(b[1]) {
			return eINVAL.result()
		}
		want = b[:b[1]]
	default:
		if b[1] != 0 {
			return eINVAL.result()
		}
	}
	if flags&searchSYN != 0 || c.tcpOptions() == nil && len(c.packet()) < 20 {
		return eNOENT.result() // no SYN packets are kept
	}
	o, e := findOption(c.tcpOptions(), append([]byte(nil), want...))
	if e != 0 {
		return e.result()
	}
	n := copy(b, o)
	if n < len(o) {
		return eNOSPC.result()
	}
	return uint64(n), nil
}

func storeOption(c *Call, _, from, size, flags, _ uint64) (uint64, error) {
	b, err := c.Bytes(from, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	o := c.out()
	switch {
	case c.socketOp() != opWriteHeader:
		return ePERM.result()
	case len(b) < 2 || flags != 0:
		return eINVAL.result()
	case b[0] <= optNop || int(b[1]) < 2 || int(b[1]) > len(b):
		return eINVAL.result()
	}
	if n := int(b[1]); (b[0] == optMagic || b[0] == optMagic2) && n < 4 {
		return eINVAL.result()
	}
	option := b[:b[1]]
	want := option[:1]
	if option[0] == optMagic || option[0] == optMagic2 {
		want = option[:min(4, len(option))]
	}
	if len(option) > maxTCPOptions-o.stored {
		return eNOSPC.result()
	}
	for _, set := range o.Options { // those written in this run are recorded as options of TCP
		if set.Level == headerOptions && len(set.Value) >= len(want) && set.Value[0] == want[0] &&
			(len(want) <= 2 || string(set.Value[2:len(want)]) == string(want[2:])) {
			return eEXIST.result()
		}
	}
	if _, e := findOption(c.tcpOptions(), want); e == 0 {
		return eEXIST.result()
	}
	o.stored += len(option)
	o.Options = append(o.Options, OptionSet{spec.SocketOption{Level: headerOptions, Name: int32(option[0])}, append([]byte(nil), option...)})
	return 0, nil
}

// headerOptions is the level under which Outcome.Options has TCP header options that a program stored: their kind is
// the name, and the whole option the value.
const headerOptions = -1
