// Implements the helpers of XDP: headroom, tailroom, metadata, and packets in several pieces.

package helper

import (
	"math"

	"github.com/skepbpf/skep/spec"
)

// The room that a packet has in the kernel, in a page of 4 KiB: a frame's description and headroom before it, a
// description of further pieces behind it.
const (
	xdpHeadroom = 256
	xdpFrame    = 40 // bytes of the headroom
	xdpMost     = 4096 - 320 - xdpHeadroom
	xdpMeta     = 255 // bytes of metadata at most
)

var xdpPackets = []Helper{
	{ID: 44, Name: "xdp_adjust_head", Args: []Arg{Context, Any}, ChangesPacket: true, Func: xdpAdjustHead},
	{ID: 65, Name: "xdp_adjust_tail", Args: []Arg{Context, Any}, ChangesPacket: true, Func: xdpAdjustTail},
	{ID: 54, Name: "xdp_adjust_meta", Args: []Arg{Context, Any}, ChangesPacket: true, Func: xdpAdjustMeta},
	{ID: 188, Name: "xdp_get_buff_len", Args: []Arg{Context}, Variants: []Variant{{socketGivers, []Arg{Object}}}, Objects: [MaxArgs]string{"xdp_buff"}, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		return uint64(len(c.packet())), nil
	}},
	{ID: 189, Name: "xdp_load_bytes", Args: []Arg{Context, Any, MemOut, Size}, Func: func(c *Call, _, off, to, n, _ uint64) (uint64, error) {
		b, err := c.Bytes(to, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		from, e := c.xdpBytes(uint32(off), uint32(n))
		copy(b, from)
		return e.result()
	}},
	{ID: 190, Name: "xdp_store_bytes", Args: []Arg{Context, Any, Mem, Size}, Func: func(c *Call, _, off, from, n, _ uint64) (uint64, error) {
		b, err := c.Bytes(from, int(uint32(n)), false)
		if err != nil {
			return 0, err
		}
		to, e := c.xdpBytes(uint32(off), uint32(n))
		copy(to, b)
		return e.result()
	}},
}

// xdpBytes returns n bytes of the packet.
func (c *Call) xdpBytes(off, n uint32) ([]byte, errno) {
	data := c.packet()
	switch {
	case off > math.MaxUint16 || n > math.MaxUint16:
		return nil, eFAULT
	case int(off+n) > len(data):
		return nil, eINVAL
	}
	return data[off : off+n], 0
}

// xdpRoom returns how many bytes there are ahead of packet and metadata.
func (c *Call) xdpRoom(meta int) int { return xdpHeadroom - xdpFrame - meta - c.PacketFront() }

func xdpAdjustHead(c *Call, _, n, _, _, _ uint64) (uint64, error) {
	data, meta := c.PacketData()
	data = data[meta:]
	by := -int(int32(uint32(n))) // bytes more
	if by > c.xdpRoom(meta) || -by > len(data)-etherLen {
		return eINVAL.result()
	}
	o := c.out()
	if by < 0 {
		o.head = append(data[:0:0], append(o.head, data[:-by]...)...)
		return 0, c.AdjustPacket(by, 0, meta)
	}
	if err := c.AdjustPacket(by, 0, meta); err != nil {
		return 0, err
	}
	// What was there before is there again.
	back := min(by, len(o.head))
	copy(c.packet()[by-back:], o.head[len(o.head)-back:])
	o.head = o.head[:len(o.head)-back]
	return 0, nil
}

func xdpAdjustTail(c *Call, _, n, _, _, _ uint64) (uint64, error) {
	by := int(int32(uint32(n)))
	_, meta := c.PacketData()
	size := len(c.packet())
	if size+by < etherLen || by > 0 && size+by > xdpMost+c.PacketFront() {
		return eINVAL.result()
	}
	return 0, c.AdjustPacket(0, by, meta)
}

func xdpAdjustMeta(c *Call, _, n, _, _, _ uint64) (uint64, error) {
	_, meta := c.PacketData()
	size := meta - int(int32(uint32(n)))
	switch {
	case size < 0 || size-meta > c.xdpRoom(meta):
		return eINVAL.result()
	case size&3 != 0 || size > xdpMeta:
		return eACCES.result()
	}
	return 0, c.AdjustPacket(0, 0, size)
}

// Results and flags of redirects (linux/bpf.h, linux/pkt_cls.h).
const (
	xdpAborted  = 0
	xdpRedirect = 4
	tcShot      = 2
	tcRedirect  = 7
	skDrop      = 0
	skPass      = 1

	toIngress      = 1 << 0
	toAll          = 1 << 3
	butIngress     = 1 << 4
	redirectAction = 3 // the result of bpf_redirect_map if nothing is found
)

var redirects = []Helper{
	{ID: 23, Name: "redirect", Args: []Arg{Any, Any}, Func: func(c *Call, index, flags, _, _, _ uint64) (uint64, error) {
		if c.ProgramType() == spec.XDP {
			if flags != 0 {
				return xdpAborted, nil
			}
			return c.redirect(Redirect{By: "redirect", IfIndex: uint32(index)}, xdpRedirect)
		}
		if flags&^toIngress != 0 {
			return tcShot, nil
		}
		return c.redirect(Redirect{By: "redirect", IfIndex: uint32(index), Flags: flags}, tcRedirect)
	}},
	{ID: 51, Name: "redirect_map", Args: []Arg{MapRef, Any, Any}, Maps: []spec.MapType{spec.Devmap, spec.DevmapHash, spec.CPUMap, spec.XSKMap}, Func: redirectMap},
	{ID: 152, Name: "redirect_neigh", Args: []Arg{Any, Mem | OrNull, SizeOr0, Any}, Func: redirectNeigh},
	{ID: 155, Name: "redirect_peer", Args: []Arg{Any, Any}, Func: func(c *Call, index, flags, _, _, _ uint64) (uint64, error) {
		if flags != 0 {
			return tcShot, nil
		}
		return c.redirect(Redirect{By: "redirect_peer", IfIndex: uint32(index)}, tcRedirect)
	}},
	{ID: 13, Name: "clone_redirect", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, index, flags, _, _ uint64) (uint64, error) {
		if flags&^toIngress != 0 || c.network().device(uint32(index)) == nil {
			return eINVAL.result()
		}
		o := c.out()
		o.Clones = append(o.Clones, Clone{Data: append([]byte(nil), c.packet()...), IfIndex: uint32(index), Flags: flags})
		return 0, nil
	}},
}

func (c *Call) redirect(r Redirect, result uint64) (uint64, error) {
	c.out().Redirect = r
	return result, nil
}

// nextHopLen is the size of struct bpf_redir_neigh.
const nextHopLen = 20

func redirectNeigh(c *Call, index, params, size, flags, _ uint64) (uint64, error) {
	n := int(int32(uint32(size)))
	if n != 0 && n < nextHopLen || flags != 0 {
		return tcShot, nil
	}
	r := Redirect{By: "redirect_neigh", IfIndex: uint32(index)}
	if n != 0 {
		b, err := c.Bytes(params, nextHopLen, false)
		if err != nil {
			return 0, err
		}
		r.NextHop = append([]byte(nil), b...)
	}
	return c.redirect(r, tcRedirect)
}

func redirectMap(c *Call, handle, index, flags, _, _ uint64) (uint64, error) {
	m := c.Map(handle)
	if m == nil {
		return 0, ErrNoMap
	}
	known := uint64(redirectAction)
	if t := m.Type(); t == spec.Devmap || t == spec.DevmapHash {
		known |= toAll | butIngress
	}
	if flags&^known != 0 {
		return xdpAborted, nil
	}
	r := Redirect{By: "redirect_map", Map: m.Name(), MapType: m.Type(), Key: index, Flags: flags & (toAll | butIngress)}
	key := [4]byte{byte(index), byte(index >> 8), byte(index >> 16), byte(index >> 24)}
	found := flags&toAll != 0
	if o, ok := m.Object(key[:]); ok {
		r.Target, found = o, true
		r.Socket, _ = o.(*spec.Socket)
	} else if off, ok := m.LookupOffset(key[:], c.CPU()); ok {
		found = true
		if v := m.Memory()[off:]; m.Type() != spec.CPUMap {
			r.IfIndex = uint32(v[0]) | uint32(v[1])<<8 | uint32(v[2])<<16 | uint32(v[3])<<24
		}
	}
	if !found {
		c.out().Redirect = Redirect{}
		return flags & redirectAction, nil
	}
	if flags&toAll == 0 {
		r.Flags = 0
	}
	return c.redirect(r, xdpRedirect)
}
