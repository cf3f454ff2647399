// Implements reading the ring: blocks of packets that the kernel and this process hand to each other.

package live

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/skepbpf/skep/spec"
)

// Sizes of the ring and its parts, bytes, and how long a block waits to be full, milliseconds.
const (
	minBlock     = 128 << 10 // a multiple of every machine's pages
	blockHeader  = 48        // struct tpacket_block_desc
	packetHeader = 48        // struct tpacket3_hdr; behind it stands a struct sockaddr_ll
	packetArea   = packetHeader + unix.SizeofSockaddrLinklayer
	alignment    = 128 // more than the kernel leaves free between packetArea and the packet
	reserve      = 32  // more than a cooked header and a VLAN tag: what the kernel is to leave free besides
	latency      = 20
)

// Offsets in a block and in a packet's headers (linux/if_packet.h). The numbers are in the machine's byte order.
const (
	blockStatus = 8
	blockCount  = 12
	blockFirst  = 16

	packetNext     = 0
	packetSec      = 4
	packetNsec     = 8
	packetCaptured = 12
	packetLen      = 16
	packetStatus   = 20
	packetStart    = 24
	packetTCI      = 32
	packetTPID     = 36

	addressProtocol = packetHeader + 2 // in network order
	addressIndex    = packetHeader + 4
	addressHardware = packetHeader + 8
	addressType     = packetHeader + 10
	addressLen      = packetHeader + 11
	addressBytes    = packetHeader + 12
)

const tagLen = 4 // of a VLAN tag, bytes

// status returns where the current block says whose it is.
func (c *Capture) status() *uint32 {
	return (*uint32)(unsafe.Pointer(&c.ring[c.current*c.block+blockStatus]))
}

// ready reports whether the kernel has handed over the current block.
func (c *Capture) ready() bool { return atomic.LoadUint32(c.status())&unix.TP_STATUS_USER != 0 }

// handBack gives the current block to the kernel; the next one becomes the current one.
func (c *Capture) handBack() {
	clear(c.packets)
	c.packets, c.infos = c.packets[:0], c.infos[:0]
	atomic.StoreUint32(c.status(), unix.TP_STATUS_KERNEL)
	c.current = (c.current + 1) % (len(c.ring) / c.block)
}

// read goes through the current block, which is ready.
func (c *Capture) read() error {
	block := c.ring[c.current*c.block:][:c.block]
	ne := binary.NativeEndian
	at := uint64(ne.Uint32(block[blockFirst:]))
	for left := ne.Uint32(block[blockCount:]); left > 0; left-- {
		if at+packetArea > uint64(len(block)) {
			return fmt.Errorf("the ring is damaged: a packet at byte %d of a block of %d", at, len(block))
		}
		rest := block[at:]
		start, n := uint64(ne.Uint16(rest[packetStart:])), uint64(ne.Uint32(rest[packetCaptured:]))
		if start < packetArea+reserve || start+n > uint64(len(rest)) {
			return fmt.Errorf("the ring is damaged: %d bytes from byte %d of a packet that has room for %d", n, start, len(rest))
		}
		c.packet(rest[:start+n], int(start))
		next := uint64(ne.Uint32(rest[packetNext:]))
		if next < packetArea && left > 1 {
			return fmt.Errorf("the ring is damaged: the packet at byte %d of a block is followed by one %d bytes on", at, next)
		}
		at += next
	}
	return nil
}

// packet takes a packet from the ring: its headers and its bytes, which begin at byte start. Before them, reserve
// bytes are free.
func (c *Capture) packet(b []byte, start int) {
	ne := binary.NativeEndian
	info := Info{
		Time:         int64(ne.Uint32(b[packetSec:]))*1e9 + int64(ne.Uint32(b[packetNsec:])),
		WireLen:      int(ne.Uint32(b[packetLen:])) + c.header,
		IfIndex:      int(ne.Uint32(b[addressIndex:])),
		Protocol:     binary.BigEndian.Uint16(b[addressProtocol:]),
		HardwareType: ne.Uint16(b[addressHardware:]),
		PktType:      b[addressType],
	}
	if info.PktType == unix.PACKET_OUTGOING && info.IfIndex == c.loopback && c.loopback != 0 {
		return // it comes in as well
	}
	if status := ne.Uint32(b[packetStatus:]); status&unix.TP_STATUS_VLAN_VALID != 0 {
		info.VLANPresent, info.VLANTCI, info.VLANProto = true, uint16(ne.Uint32(b[packetTCI:])), unix.ETH_P_8021Q
		if status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
			info.VLANProto = ne.Uint16(b[packetTPID:])
		}
	}
	begin, end := start-c.header, len(b)
	if c.header > 0 {
		putHeader(b[begin:], c.dev.link, &info, b[addressLen], b[addressBytes:][:8])
	}
	if c.late != nil {
		keep := c.judge(b[begin:end], &info)
		if keep == 0 {
			return
		}
		end = min(end, begin+int(keep))
	}
	end = min(end, begin+c.snap)
	if info.VLANPresent && c.putTag(b[begin-tagLen:end], &info) {
		begin -= tagLen
		end = min(end, begin+c.snap)
		info.WireLen += tagLen
	}
	c.packets = append(c.packets, b[begin:end:end])
	c.infos = append(c.infos, info)
}

// judge runs the filter that the kernel could not run.
func (c *Capture) judge(data []byte, info *Info) uint32 {
	c.judged = spec.Packet{
		Data:          data,
		WireLen:       info.WireLen,
		Protocol:      info.Protocol,
		PktType:       info.PktType,
		HardwareType:  info.HardwareType,
		IfIndex:       uint32(info.IfIndex),
		VLANPresent:   info.VLANPresent,
		VLANTCI:       info.VLANTCI,
		VLANProto:     info.VLANProto,
		NetworkOffset: c.header,
	}
	keep := c.late.Run(&c.judged, nil)
	c.judged.Data = nil
	return min(keep, MaxSnapLen)
}

// putTag puts a VLAN tag back into b, which has room for it in front: before the EtherType, wherever that is the last
// thing of the header. It reports whether there is such a place in the packet.
func (c *Capture) putTag(b []byte, info *Info) bool {
	var before int // bytes of the header before the tag
	switch c.dev.link {
	case LinkTypeEthernet:
		before = 12
	case LinkTypeLinuxSLL:
		before = sllLen - 2
	default:
		return false
	}
	if len(b) < tagLen+before {
		return false
	}
	copy(b[:before], b[tagLen:])
	binary.BigEndian.PutUint16(b[before:], info.VLANProto)
	binary.BigEndian.PutUint16(b[before+2:], info.VLANTCI)
	return true
}
