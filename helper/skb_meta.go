// Implements the helpers for what belongs to a packet beside its bytes: type, hash, time, control groups.

package helper

import (
	"encoding/binary"
	"slices"

	"github.com/skepbpf/skep/spec"
)

// packetOtherHost is the last of the packet types that programs may change and set.
const packetOtherHost = 3

var packetMeta = []Helper{
	{ID: 32, Name: "skb_change_type", Args: []Arg{Context, Any}, Func: func(c *Call, _, to, _, _, _ uint64) (uint64, error) {
		p := c.meta()
		if p.PktType > packetOtherHost || uint32(to) > packetOtherHost {
			return eINVAL.result()
		}
		p.PktType = uint8(to)
		c.put32(skbPktType, uint32(p.PktType))
		return 0, nil
	}},
	{ID: 34, Name: "get_hash_recalc", Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		p, o := c.meta(), c.out()
		if p.Hash == 0 && !o.hashed {
			p.Hash = flowHash(p, c.packet())
			c.put32(skbHash, p.Hash)
		}
		o.hashed = true
		return uint64(p.Hash), nil
	}},
	{ID: 41, Name: "set_hash_invalid", Args: []Arg{Context}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		c.clearHash()
		return 0, nil
	}},
	{ID: 48, Name: "set_hash", Args: []Arg{Context, Any}, Func: func(c *Call, _, hash, _, _, _ uint64) (uint64, error) {
		c.meta().Hash, c.out().hashed = uint32(hash), true
		c.put32(skbHash, uint32(hash))
		return 0, nil
	}},
	{ID: 97, Name: "skb_ecn_set_ce", Args: []Arg{Context}, Func: setCongestion},
	{ID: 192, Name: "skb_set_tstamp", Args: []Arg{Context, Any, Any}, Func: setTimestamp},
	ofContext(79, "skb_cgroup_id", func(c *Call) uint64 { return cgroupID(c.fullSocket()) }),
	{ID: 83, Name: "skb_ancestor_cgroup_id", Args: []Arg{Context, Any}, Func: func(c *Call, _, level, _, _, _ uint64) (uint64, error) {
		return ancestorID(c.fullSocket(), level), nil
	}},
	ofContext(151, "skb_cgroup_classid", func(c *Call) uint64 {
		if s := c.fullSocket(); s != nil {
			return uint64(s.ClassID)
		}
		return 0
	}),
	{ID: 33, Name: "skb_under_cgroup", Args: []Arg{Context, MapRef, Any}, Maps: cgroupArray, Func: underCgroup},
	// Packets have no routes whose realms could be asked for, and have gone through no IPsec.
	ofContext(24, "get_route_realm", func(*Call) uint64 { return 0 }),
	{ID: 66, Name: "skb_get_xfrm_state", Args: []Arg{Context, Any, MemOut, Size, Any}, Func: func(c *Call, _, _, to, n, _ uint64) (uint64, error) {
		b, err := c.Bytes(to, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		clear(b)
		return eINVAL.result()
	}},
}

// flowHash computes a hash of the packet's flow. It is the same on every run, while the kernel's depends on a secret.
func flowHash(p *spec.Packet, data []byte) uint32 {
	at := p.NetworkOffset
	protocol := p.Protocol
	if protocol == 0 && at == 0 && len(data) >= etherLen {
		at, protocol = etherLen, spec.EtherType(data)
	}
	key := make([]byte, 0, 48)
	ip, ports := uint8(0), -1
	switch {
	case protocol == etherIPv4 && len(data) >= at+20:
		ip, key = data[at+9], append(key, data[at+12:at+20]...)
		if binary.BigEndian.Uint16(data[at+6:])&0x3fff == 0 {
			ports = at + int(data[at]&0xf)*4
		}
	case protocol == etherIPv6 && len(data) >= at+40:
		ip, key, ports = data[at+6], append(key, data[at+8:at+40]...), at+40
	}
	if (ip == protoTCP || ip == protoUDP) && ports >= 0 && len(data) >= ports+4 {
		key = append(key, data[ports:ports+4]...)
	}
	h := uint32(2166136261) // FNV-1a
	for _, b := range append(key, ip, byte(protocol), byte(protocol>>8)) {
		h = (h ^ uint32(b)) * 16777619
	}
	return max(h, 1)
}

// setCongestion marks that the packet has met congestion, if its ends understand that (RFC 3168).
func setCongestion(c *Call, _, _, _, _, _ uint64) (uint64, error) {
	protocol, at := c.headers()
	data := c.packet()
	// What counts is the protocol behind the tags, but the header is taken to be where the first tag is, as in the kernel.
	for tag := at; isVLAN(protocol) && tag >= 0 && len(data) >= tag+vlanLen; tag += vlanLen {
		protocol = binary.BigEndian.Uint16(data[tag+2:])
	}
	if n := ipHeader(protocol); n == 0 || at < 0 || len(data) < at+n {
		return 0, nil
	}
	h := data[at:]
	if protocol == etherIPv6 {
		if h[1]>>4&3 == 0 {
			return 0, nil
		}
		h[1] |= 3 << 4
		return 1, nil
	}
	switch ecn := h[1] & 3; ecn {
	case 0:
		return 0, nil
	case 3:
		return 1, nil
	default:
		// The field grows by the rest to 3: its complement in the checksum shrinks by as much.
		grow := uint32(3 - ecn)
		s := uint32(binary.LittleEndian.Uint16(h[10:])) + uint32(swap16(uint16(0xffff-grow)))
		if s >= 0xffff {
			s++
		}
		binary.LittleEndian.PutUint16(h[10:], uint16(s))
		h[1] |= 3
		return 1, nil
	}
}

// Clocks of timestamps.
const (
	stampReal = iota
	stampMonotonic
	stampTAI
)

func setTimestamp(c *Call, _, at, clock, _, _ uint64) (uint64, error) {
	protocol, _ := c.headers()
	switch {
	case ipHeader(protocol) == 0:
		return eOPNOTSUPP.result()
	case uint32(clock) > stampTAI, uint32(clock) != stampReal && at == 0:
		return eINVAL.result()
	}
	p := c.meta()
	p.Timestamp, p.TimestampType = at, uint8(clock)
	if ctx := c.Context(); len(ctx) > skbTSType {
		binary.LittleEndian.PutUint64(ctx[skbTimestamp:], at)
		ctx[skbTSType] = p.TimestampType
	}
	return 0, nil
}

// fullSocket returns the packet's socket if it is one that has all fields, or nil.
func (c *Call) fullSocket() *spec.Socket {
	if c.Packet == nil {
		return nil
	}
	return fullSocket(c.Packet.Socket)
}

func cgroupID(s *spec.Socket) uint64 {
	if s == nil || len(s.CGroups) == 0 {
		return 0
	}
	return s.CGroups[len(s.CGroups)-1]
}

func ancestorID(s *spec.Socket, level uint64) uint64 {
	if s == nil || int32(level) < 0 || int(uint32(level)) >= len(s.CGroups) {
		return 0
	}
	return s.CGroups[uint32(level)]
}

func underCgroup(c *Call, _, handle, index, _, _ uint64) (uint64, error) {
	m, s := c.Map(handle), c.fullSocket()
	switch {
	case m == nil:
		return 0, ErrNoMap
	case s == nil:
		return eNOENT.result()
	}
	top, e := cgroupIn(m, uint32(index))
	if e != 0 {
		return e.result()
	}
	return isTrue(slices.Contains(s.CGroups, top.ID)), nil
}

// ofContext is number for a helper that gets the context.
func ofContext(id int32, name string, f func(c *Call) uint64) Helper {
	h := number(id, name, f)
	h.Args = []Arg{Context}
	return h
}
