// Implements the helpers that make packets longer or shorter, and those for VLAN tags.

package helper

import (
	"encoding/binary"
	"math"

	"github.com/skepbpf/skep/spec"
)

// maxPacket is how long helpers may make a packet (the kernel's BPF_SKB_MAX_LEN on pages of 4 KiB).
const maxPacket = 4096<<2 - 320

const eALREADY errno = 114

var packetSizes = []Helper{
	{ID: 43, Name: "skb_change_head", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: changeHead},
	{ID: 38, Name: "skb_change_tail", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: changeTail},
	{ID: 31, Name: "skb_change_proto", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: changeProto},
	{ID: 50, Name: "skb_adjust_room", Args: []Arg{Context, Any, Any, Any}, ChangesPacket: true, Func: adjustRoom},
	{ID: 18, Name: "skb_vlan_push", Args: []Arg{Context, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, proto, tci, _, _ uint64) (uint64, error) {
		return c.vlanPush(swap16(uint16(proto)), uint16(tci))
	}},
	{ID: 19, Name: "skb_vlan_pop", Args: []Arg{Context}, ChangesPacket: true, Func: func(c *Call, _, _, _, _, _ uint64) (uint64, error) {
		return c.vlanPop()
	}},
}

// insert adds n bytes, zeroed, at off; bytes before it move.
func (c *Call) insert(off, n int) error {
	_, meta := c.PacketData()
	if err := c.AdjustPacket(n, 0, meta); err != nil {
		return err
	}
	data := c.packet()
	copy(data, data[n:n+off])
	clear(data[off : off+n])
	return nil
}

// remove takes n bytes at off away, which are there.
func (c *Call) remove(off, n int) error {
	data, meta := c.PacketData()
	data = data[meta:]
	copy(data[n:], data[:off])
	return c.AdjustPacket(-n, 0, meta)
}

func changeHead(c *Call, _, n, flags, _, _ uint64) (uint64, error) {
	room, size := uint64(uint32(n)), uint64(len(c.packet()))
	if flags != 0 || size+room > math.MaxUint32 || c.meta().GSOSize == 0 && size+room > maxPacket {
		return eINVAL.result()
	}
	_, meta := c.PacketData()
	if err := c.AdjustPacket(int(room), 0, meta); err != nil {
		return 0, err
	}
	if p := c.meta(); c.ProgramType() != spec.SkSKB && (p.Protocol != 0 || p.NetworkOffset != 0) {
		p.NetworkOffset += int(room)
	}
	return 0, nil
}

func changeTail(c *Call, _, n, flags, _, _ uint64) (uint64, error) {
	_, least := c.headers()
	if t := c.meta().TransportOffset; t > 0 {
		least = t
	}
	size := int(uint32(n))
	if flags != 0 || uint32(n) > maxPacket || size < least {
		return eINVAL.result()
	}
	if c.meta().Encapsulated {
		return eNOTSUPP.result()
	}
	_, meta := c.PacketData()
	return 0, c.AdjustPacket(0, size-len(c.packet()), meta)
}

// ipHeader returns the length of the header of an IP protocol without options, 0 for other protocols.
func ipHeader(protocol uint16) int {
	switch protocol {
	case etherIPv4:
		return 20
	case etherIPv6:
		return 40
	}
	return 0
}

func changeProto(c *Call, _, proto, flags, _, _ uint64) (uint64, error) {
	from, network := c.headers()
	to := swap16(uint16(proto))
	grow := ipHeader(to) - ipHeader(from)
	var err error
	switch {
	case flags != 0:
		return eINVAL.result()
	case ipHeader(from) == 0 || ipHeader(to) == 0 || from == to:
		return eNOTSUPP.result()
	case grow > 0:
		err = c.insert(network, grow)
	case network-grow > len(c.packet()):
		return eNOMEM.result()
	default:
		err = c.remove(network, -grow)
	}
	if err != nil {
		return 0, err
	}
	c.setHeaders(to, network)
	c.clearHash()
	return 0, nil
}

// Modes and flags of bpf_skb_adjust_room.
const (
	roomNetwork = iota
	roomMAC
)

const (
	roomFixedGSO = 1 << iota
	roomEncapIPv4
	roomEncapIPv6
	roomEncapGRE
	roomEncapUDP
	roomNoChecksumReset
	roomEncapEthernet
	roomDecapIPv4
	roomDecapIPv6

	roomEncap    = roomEncapIPv4 | roomEncapIPv6
	roomDecap    = roomDecapIPv4 | roomDecapIPv6
	roomL2Shift  = 56
	roomL2       = 0xff << roomL2Shift
	roomAllFlags = 1<<9 - 1 | roomL2
	roomMost     = 0xfff // bytes at once
)

func adjustRoom(c *Call, _, diff, mode, flags, _ uint64) (uint64, error) {
	n := int(int32(uint32(diff)))
	if c.ProgramType() == spec.SkSKB {
		return c.adjustStream(n, mode, flags)
	}
	protocol, network := c.headers()
	size := len(c.packet())
	base := ipHeader(protocol)
	switch {
	case flags&^roomAllFlags != 0:
		return eINVAL.result()
	case max(n, -n) > roomMost:
		return eFAULT.result()
	case base == 0:
		return eNOTSUPP.result()
	}
	off := network
	switch uint32(mode) {
	case roomNetwork:
		off += base
	case roomMAC:
	default:
		return eNOTSUPP.result()
	}
	switch flags & roomDecap {
	case 0:
	case roomDecapIPv4:
		base = ipHeader(etherIPv4)
	case roomDecapIPv6:
		base = ipHeader(etherIPv6)
	default:
		return eINVAL.result()
	}
	if flags&roomDecap != 0 && n >= 0 {
		return eINVAL.result()
	}
	rest := size - network
	if n < 0 && (-n >= rest || rest+n < base) || n >= 0 && size+n > maxPacket && c.meta().GSOSize == 0 {
		return eNOTSUPP.result()
	}
	e, err := errno(0), error(nil)
	if n < 0 {
		e, err = c.shrinkRoom(off, -n, flags)
	} else {
		e, err = c.growRoom(off, n, flags)
	}
	if e == 0 && flags&roomNoChecksumReset == 0 {
		c.meta().Checked = 0
	}
	if err != nil {
		return 0, err
	}
	return e.result()
}

func (c *Call) growRoom(off, n int, flags uint64) (errno, error) {
	inner := int(flags >> roomL2Shift)
	encap := flags&roomEncap != 0
	if encap {
		switch {
		case flags&roomEncap == roomEncap, flags&roomEncapGRE != 0 && flags&roomEncapUDP != 0,
			flags&roomEncapEthernet != 0 && inner < etherLen:
			return eINVAL, nil
		case c.meta().Encapsulated:
			return eALREADY, nil
		case inner > n:
			return eINVAL, nil
		}
	}
	_, network := c.headers()
	if off > len(c.packet()) {
		return eNOMEM, nil
	}
	if err := c.insert(off, n); err != nil {
		return 0, err
	}
	if !encap {
		return 0, nil
	}
	p := c.meta()
	p.Encapsulated = true
	protocol := uint16(etherIPv4)
	if flags&roomEncapIPv6 != 0 {
		protocol = etherIPv6
	}
	if flags&(roomEncapGRE|roomEncapUDP) != 0 {
		p.TransportOffset = network + ipHeader(protocol)
	}
	c.setHeaders(protocol, network)
	return 0, nil
}

func (c *Call) shrinkRoom(off, n int, flags uint64) (errno, error) {
	if flags&^(roomFixedGSO|roomDecap|roomNoChecksumReset) != 0 {
		return eINVAL, nil
	}
	if off+n > len(c.packet()) {
		return eNOMEM, nil
	}
	if err := c.remove(off, n); err != nil {
		return 0, err
	}
	_, network := c.headers()
	switch {
	case flags&roomDecapIPv6 != 0:
		c.setHeaders(etherIPv6, network)
	case flags&roomDecapIPv4 != 0:
		c.setHeaders(etherIPv4, network)
	}
	return 0, nil
}

// adjustStream is bpf_skb_adjust_room of sk_skb programs, which changes the front.
func (c *Call) adjustStream(n int, mode, flags uint64) (uint64, error) {
	switch {
	case flags != 0 || uint32(mode) != 0:
		return eINVAL.result()
	case max(n, -n) > roomMost:
		return eFAULT.result()
	case -n > len(c.packet()):
		return eNOMEM.result()
	}
	_, meta := c.PacketData()
	return 0, c.AdjustPacket(n, 0, meta)
}

// vlanLen is the length of a VLAN tag in the packet, tagAt where it is, behind the addresses.
const (
	vlanLen = 4
	tagAt   = 12
)

func isVLAN(protocol uint16) bool { return protocol == etherVLAN || protocol == etherQinQ }

// setTag changes the tag that is kept beside the packet.
func (c *Call) setTag(present bool, proto, tci uint16) {
	p := c.meta()
	p.VLANPresent, p.VLANProto, p.VLANTCI = present, proto, tci
	flag := uint32(0)
	if present {
		flag = 1
	}
	c.put32(skbVLANPresent, flag)
	c.put32(skbVLANTCI, uint32(tci))
	c.put32(skbVLANProto, uint32(swap16(proto)))
}

// vlanPush adds a tag beside the packet. One that is there already goes into the packet.
func (c *Call) vlanPush(proto, tci uint16) (uint64, error) {
	if !isVLAN(proto) {
		proto = etherVLAN
	}
	if p := c.meta(); p.VLANPresent {
		_, network := c.headers()
		if err := c.insert(tagAt, vlanLen); err != nil {
			return 0, err
		}
		binary.BigEndian.PutUint16(c.packet()[tagAt:], p.VLANProto)
		binary.BigEndian.PutUint16(c.packet()[tagAt+2:], p.VLANTCI)
		c.setHeaders(p.VLANProto, network)
	}
	c.setTag(true, proto, tci)
	return 0, nil
}

// vlanPop takes the tag beside the packet away. The next one in the packet takes its place.
func (c *Call) vlanPop() (uint64, error) {
	protocol, _ := c.headers()
	if c.meta().VLANPresent {
		c.setTag(false, 0, 0)
	} else {
		if !isVLAN(protocol) {
			return 0, nil
		}
		if _, e, err := c.takeTag(); e != 0 || err != nil {
			return uint64(-int64(e)), err
		}
	}
	if protocol, _ = c.headers(); !isVLAN(protocol) {
		return 0, nil
	}
	tci, e, err := c.takeTag()
	if e != 0 || err != nil {
		return uint64(-int64(e)), err
	}
	c.setTag(true, protocol, tci)
	return 0, nil
}

// takeTag takes the tag in the packet out of it.
func (c *Call) takeTag() (tci uint16, e errno, err error) {
	data := c.packet()
	if len(data) < etherLen+vlanLen {
		return 0, eNOMEM, nil
	}
	tci = binary.BigEndian.Uint16(data[etherLen:])
	if err := c.remove(tagAt, vlanLen); err != nil {
		return 0, 0, err
	}
	_, network := c.headers()
	c.setHeaders(spec.EtherType(c.packet()), max(network-vlanLen, etherLen))
	return tci, 0, nil
}
