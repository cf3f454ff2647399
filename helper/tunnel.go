// Implements the helpers for what outer headers of packets say.

package helper

import (
	"encoding/binary"
	"net/netip"

	"github.com/skepbpf/skep/spec"
)

const ePROTO errno = 71

// Flags of the helpers for tunnels.
const (
	tunnelIPv6  = 1 << iota
	tunnelNoSum // zero checksum
	tunnelDontFragment
	tunnelSequence
	tunnelNoKey
	tunnelWithFlags = 1 << 4 // of the helper that reads

	tunnelSetFlags = 1<<5 - 1
)

// struct bpf_tunnel_key: where its fields are, and where older ones ended.
const (
	keyRemote = 4
	keyTOS    = 20
	keyTTL    = 21
	keyExt    = 22
	keyLabel  = 24
	keyLocal  = 28
	keySize   = 44

	keyOldest = 8 // behind an IPv4 address
	maxOpts   = 255
)

var tunnels = []Helper{
	{ID: 20, Name: "skb_get_tunnel_key", Args: []Arg{Context, MemOut, Size, Any}, Func: func(c *Call, _, to, n, flags, _ uint64) (uint64, error) {
		b, err := c.Bytes(to, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		clear(b)
		return getTunnel(b, c.tunnel(), flags).result()
	}},
	{ID: 21, Name: "skb_set_tunnel_key", Args: []Arg{Context, Mem, Size, Any}, Func: func(c *Call, _, from, n, flags, _ uint64) (uint64, error) {
		b, err := c.Bytes(from, int(uint32(n)), false)
		if err != nil {
			return 0, err
		}
		return c.setTunnel(b, flags).result()
	}},
	{ID: 29, Name: "skb_get_tunnel_opt", Args: []Arg{Context, MemOut, Size}, Func: func(c *Call, _, to, n, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(to, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		clear(b)
		t := c.tunnel()
		switch {
		case t == nil || len(t.Options) == 0 && !c.out().tunnelOpt:
			return eNOENT.result()
		case len(b) < len(t.Options):
			return eNOMEM.result()
		}
		return uint64(copy(b, t.Options)), nil
	}},
	{ID: 30, Name: "skb_set_tunnel_opt", Args: []Arg{Context, Mem, Size}, Func: func(c *Call, _, from, n, _, _ uint64) (uint64, error) {
		b, err := c.Bytes(from, int(uint32(n)), false)
		if err != nil {
			return 0, err
		}
		o := c.out()
		switch {
		case o.Tunnel == nil || len(b)&3 != 0:
			return eINVAL.result()
		case len(b) > maxOpts:
			return eNOMEM.result()
		}
		o.tunnel.Options, o.tunnelOpt = append([]byte(nil), b...), true
		return 0, nil
	}},
}

// tunnel returns what the packet's outer header says, or is to say; nil if nothing does. Of a header that is to be, the
// kernel shows the source as remote.
func (c *Call) tunnel() *spec.Tunnel {
	if t := c.out().Tunnel; t != nil {
		back := *t
		back.Local, back.Remote = t.Remote, t.Local
		return &back
	}
	return c.meta().Tunnel
}

func getTunnel(b []byte, t *spec.Tunnel, flags uint64) errno {
	if t == nil || flags&^(tunnelIPv6|tunnelWithFlags) != 0 {
		return eINVAL
	}
	v6 := t.Remote.Is6() || t.Local.Is6()
	if v6 != (flags&tunnelIPv6 != 0) {
		return ePROTO
	}
	switch {
	case len(b) == keySize, len(b) == keyLocal, len(b) == keyLabel, len(b) == keyExt, len(b) == keyOldest && !v6:
	default:
		return eINVAL
	}
	var k [keySize]byte
	binary.LittleEndian.PutUint32(k[:], uint32(t.ID))
	k[keyTOS], k[keyTTL] = t.TOS, t.TTL
	if flags&tunnelWithFlags != 0 {
		binary.BigEndian.PutUint16(k[keyExt:], t.Flags)
	}
	putTunnelAddr(k[keyRemote:], t.Remote)
	putTunnelAddr(k[keyLocal:], t.Local)
	if v6 {
		binary.LittleEndian.PutUint32(k[keyLabel:], t.Label)
	}
	copy(b, k[:])
	return 0
}

// putTunnelAddr writes an address as struct bpf_tunnel_key has it: IPv4 as a number in host order.
func putTunnelAddr(b []byte, a netip.Addr) {
	switch {
	case a.Is4():
		v := a.As4()
		binary.LittleEndian.PutUint32(b, binary.BigEndian.Uint32(v[:]))
	case a.Is6():
		v := a.As16()
		copy(b, v[:])
	}
}

func tunnelAddr(b []byte, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16([16]byte(b))
	}
	return netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]})
}

// setTunnel says what the outer header is to say.
func (c *Call) setTunnel(b []byte, flags uint64) errno {
	switch len(b) {
	case keySize, keyLocal, keyLabel, keyExt, keyOldest:
	default:
		return eINVAL
	}
	if flags&^tunnelSetFlags != 0 {
		return eINVAL
	}
	var k [keySize]byte
	copy(k[:], b)
	v6 := flags&tunnelIPv6 != 0
	label := binary.LittleEndian.Uint32(k[keyLabel:])
	if !v6 && label != 0 || k[keyExt] != 0 || k[keyExt+1] != 0 {
		return eINVAL
	}
	o := c.out()
	o.tunnel = spec.Tunnel{ID: uint64(binary.LittleEndian.Uint32(k[:])), TOS: k[keyTOS], TTL: k[keyTTL], Label: label & (1<<20 - 1),
		Remote: tunnelAddr(k[keyRemote:], v6), Local: tunnelAddr(k[keyLocal:], v6), Flags: tunnelHeaderFlags(flags)}
	o.Tunnel, o.TunnelFlags, o.tunnelOpt = &o.tunnel, flags, false
	return 0
}

// tunnelHeaderFlags are the kernel's TUNNEL_ flags for those of the helper.
func tunnelHeaderFlags(flags uint64) uint16 {
	const checksum, key, sequence, dontFragment, noCache = 1 << 0, 1 << 2, 1 << 3, 1 << 8, 1 << 13
	f := uint16(checksum | key | noCache)
	if flags&tunnelNoSum != 0 {
		f &^= checksum
	}
	if flags&tunnelNoKey != 0 {
		f &^= key
	}
	if flags&tunnelSequence != 0 {
		f |= sequence
	}
	if flags&tunnelDontFragment != 0 {
		f |= dontFragment
	}
	return f
}
