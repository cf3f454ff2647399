// Implements the helpers of lightweight tunnels, and those that write packets of traced functions.

package helper

import (
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

// Types of headers that bpf_lwt_push_encap takes, and how long they may be.
const (
	encapSeg6 = iota
	encapSeg6Inline
	encapIP

	maxEncap = 256
)

var lightTunnels = []Helper{
	{ID: 73, Name: "lwt_push_encap", Args: []Arg{Context, Any, Mem, Size}, ChangesPacket: true, Func: pushEncap},
	// There is no segment routing header around packets, which these would change.
	{ID: 74, Name: "lwt_seg6_store_bytes", Args: []Arg{Context, Any, Mem, Size}, Func: invalid},
	{ID: 75, Name: "lwt_seg6_adjust_srh", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: invalid},
	{ID: 76, Name: "lwt_seg6_action", Args: []Arg{Context, Any, Mem, Size}, ChangesPacket: true, Func: invalid},
}

func invalid(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return eINVAL.result() }

func pushEncap(c *Call, _, kind, hdr, size, _ uint64) (uint64, error) {
	b, err := c.Bytes(hdr, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	// Headers of segment routing need routes to their segments, which there are none.
	if uint32(kind) != encapIP || len(b) < 20 || len(b) > maxEncap {
		return eINVAL.result()
	}
	protocol := uint16(etherIPv4)
	switch version := b[0] >> 4; {
	case version == 4 && len(b) >= int(b[0]&0xf)*4:
	case version == 6 && len(b) >= 40:
		protocol = etherIPv6
	default:
		return eINVAL.result()
	}
	header := append([]byte(nil), b...)
	_, meta := c.PacketData()
	if err := c.AdjustPacket(len(header), 0, meta); err != nil {
		return 0, err
	}
	data := c.packet()
	copy(data, header)
	if n := int(header[0]&0xf) * 4; protocol == etherIPv4 && n >= 20 && data[10] == 0 && data[11] == 0 {
		binary.LittleEndian.PutUint16(data[10:], ^fold(sum(data[:n], 0)))
	}
	c.meta().Encapsulated = true
	c.setHeaders(protocol, 0)
	c.clearHash()
	return 0, nil
}

var packetOutput = []Helper{
	{ID: 111, Name: "skb_output", GPL: true, Args: outputArgs, Objects: [MaxArgs]string{"sk_buff"}, Maps: eventArray, Func: tracedOutput},
	{ID: 121, Name: "xdp_output", GPL: true, Args: outputArgs, Objects: [MaxArgs]string{"xdp_buff"}, Maps: eventArray, Func: tracedOutput},
}

var outputArgs = []Arg{Object, MapRef, Any, Mem, SizeOr0}

// tracedOutput writes a record with a part of a traced packet behind it: the one that the first argument stands for.
func tracedOutput(c *Call, packet, handle, flags, addr, size uint64) (uint64, error) {
	m := c.Map(handle)
	if m == nil {
		return 0, ErrNoMap
	}
	b, err := c.Bytes(addr, int(uint32(size)), false)
	if err != nil {
		return 0, err
	}
	p, _ := c.objectAt(packet).(*spec.Packet)
	n := flags & eventPacket >> 32
	switch {
	case flags&^(eventPacket|eventIndex) != 0:
		return eINVAL.result()
	case p == nil && n > 0 || p != nil && n > uint64(len(p.Data)):
		return eFAULT.result()
	case p == nil:
		return c.event(m, flags&eventIndex, b, nil).result()
	}
	return c.event(m, flags&eventIndex, b, p.Data[:n]).result()
}
