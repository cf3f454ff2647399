// Implements what helpers know of struct __sk_buff, and the helpers that read and write a packet's bytes.

package helper

import (
	"encoding/binary"
	"math"

	"github.com/skepbpf/skep/spec"
)

// Where fields of struct __sk_buff are (linux/bpf.h).
const (
	skbPktType     = 4
	skbProtocol    = 16
	skbVLANPresent = 20
	skbVLANTCI     = 24
	skbVLANProto   = 28
	skbHash        = 68
	skbTimestamp   = 152
	skbTSType      = 180
)

// put32 changes a field of the context, if there is one.
func (c *Call) put32(off int, v uint32) {
	if ctx := c.Context(); off+4 <= len(ctx) {
		binary.LittleEndian.PutUint32(ctx[off:], v)
	}
}

// meta returns the packet's metadata, which the run may change.
func (c *Call) meta() *spec.Packet {
	if c.Packet == nil {
		c.Packet = &spec.Packet{}
	}
	return c.Packet
}

// headers returns the packet's protocol and where its network header starts. A packet of which nothing is known is taken
// for an Ethernet frame.
func (c *Call) headers() (protocol uint16, network int) {
	p := c.meta()
	if p.Protocol == 0 && p.NetworkOffset == 0 {
		if data := c.packet(); len(data) >= etherLen {
			return spec.EtherType(data), etherLen
		}
	}
	return p.Protocol, p.NetworkOffset
}

// setHeaders changes them.
func (c *Call) setHeaders(protocol uint16, network int) {
	p := c.meta()
	p.Protocol, p.NetworkOffset = protocol, network
	c.put32(skbProtocol, uint32(swap16(protocol)))
}

// etherLen is the length of an Ethernet header.
const etherLen = 14

func swap16(v uint16) uint16 { return v<<8 | v>>8 }

// clearHash forgets the packet's hash.
func (c *Call) clearHash() {
	c.meta().Hash, c.out().hashed = 0, false
	c.put32(skbHash, 0)
}

// Flags of bpf_skb_store_bytes.
const (
	storeChecksum = 1 << iota
	storeHash
)

var packetBytes = []Helper{
	{ID: 26, Name: "skb_load_bytes", Args: []Arg{Context, Any, MemOut, Size}, Func: func(c *Call, _, off, to, n, _ uint64) (uint64, error) {
		b, err := c.Bytes(to, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		return copied(b, part(c.packet(), uint32(off), uint32(n)))
	}},
	{ID: 68, Name: "skb_load_bytes_relative", Args: []Arg{Context, Any, MemOut, Size, Any}, Func: loadRelative},
	{ID: 9, Name: "skb_store_bytes", Args: []Arg{Context, Any, Mem, Size, Any}, ChangesPacket: true, Func: func(c *Call, _, off, from, n, flags uint64) (uint64, error) {
		b, err := c.Bytes(from, int(uint32(n)), false)
		if err != nil {
			return 0, err
		}
		if flags&^(storeChecksum|storeHash) != 0 {
			return eINVAL.result()
		}
		to := part(c.packet(), uint32(off), uint32(n))
		if to == nil {
			return eFAULT.result()
		}
		copy(to, b)
		if flags&storeHash != 0 {
			c.clearHash()
		}
		return 0, nil
	}},
	// All bytes can be read directly already.
	{ID: 39, Name: "skb_pull_data", Args: []Arg{Context, Any}, ChangesPacket: true, Func: func(c *Call, _, n, _, _, _ uint64) (uint64, error) {
		if uint64(uint32(n)) > uint64(len(c.packet())) {
			return eNOMEM.result()
		}
		return 0, nil
	}},
}

// part returns n bytes of the packet at off, nil if it has less.
func part(data []byte, off, n uint32) []byte {
	if off > math.MaxInt32 || uint64(off)+uint64(n) > uint64(len(data)) {
		return nil
	}
	return data[off : off+n]
}

// copied copies to b what there is; nothing clears it and is -EFAULT.
func copied(b, from []byte) (uint64, error) {
	if from == nil {
		clear(b)
		return eFAULT.result()
	}
	copy(b, from)
	return 0, nil
}

// Where bpf_skb_load_bytes_relative counts from.
const (
	fromMAC = iota
	fromNetwork
)

func loadRelative(c *Call, _, off, to, n, start uint64) (uint64, error) {
	b, err := c.Bytes(to, int(uint32(n)), true)
	if err != nil {
		return 0, err
	}
	at := 0
	switch uint32(start) {
	case fromMAC:
	case fromNetwork:
		_, at = c.headers()
	default:
		return copied(b, nil)
	}
	if uint32(off) > math.MaxUint16 || at < 0 || at > len(c.packet()) {
		return copied(b, nil)
	}
	return copied(b, part(c.packet()[at:], uint32(off), uint32(n)))
}
