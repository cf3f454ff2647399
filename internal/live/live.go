// Implements what is the same on every system: options, results, and the checks of the options.

package live

import (
	"fmt"

	"golang.org/x/net/bpf"
)

// Any is the name of the pseudo-interface that stands for all interfaces.
const Any = "any"

// Link types of captures, LINKTYPE_ values of the registry at https://www.tcpdump.org/linktypes.html.
const (
	LinkTypeEthernet  uint16 = 1
	LinkTypeRaw       uint16 = 101 // IPv4 or IPv6 without a header of the link layer
	LinkTypeLinuxSLL  uint16 = 113
	LinkTypeLinuxSLL2 uint16 = 276
)

// Limits and defaults, bytes.
const (
	MaxSnapLen    = 262144  // of Options.SnapLen, and its default
	DefaultBuffer = 8 << 20 // of Options.Buffer
	MaxBuffer     = 1 << 30 // of Options.Buffer
)

// Options change how packets are captured. The zero value captures whole packets of all kinds.
type Options struct {
	// SnapLen is how many bytes of a packet are kept at most, cooked headers and VLAN tags that were put back
	// counted. 0 means MaxSnapLen.
	SnapLen int
	// Promiscuous asks the interface for packets that are meant for others too. It is ignored for Any.
	Promiscuous bool
	// Filter is a classic program that says how many bytes of a packet to keep, 0 for none of it: the packet is
	// not captured. It is for packets of the capture's link type, see LinkTypeOf; of Any's packets, the cooked header
	// and its length count. Nil keeps everything.
	Filter []bpf.RawInstruction
	// Buffer is the size of the ring that packets wait in, bytes, rounded up to whole blocks. 0 means
	// DefaultBuffer. It is all the memory that grows with the traffic: what does not fit is dropped and counted.
	Buffer int
	// SLL gives packets of Any a header of version 1 (LINUX_SLL) instead of 2 (LINUX_SLL2).
	SLL bool
}

// Info is what is known of a packet beside its bytes.
type Info struct {
	Time    int64 // when the kernel saw it, nanoseconds since the start of 1970 in UTC
	WireLen int   // its length before it was cut, bytes, with cooked header and VLAN tag
	IfIndex int   // number of the interface

	Protocol     uint16 // EtherType, or one of the numbers below 0x600 that Linux uses for frames without
	HardwareType uint16 // ARPHRD_ value of the interface
	PktType      uint8  // PACKET_HOST, PACKET_BROADCAST, … as in linux/if_packet.h

	VLANPresent bool   // the kernel took a VLAN tag out of the packet
	VLANTCI     uint16 // the tag control information
	VLANProto   uint16 // the tag's EtherType
}

// Stats counts packets since a capture was opened.
type Stats struct {
	// Received is how many the kernel let through to the ring, those that were dropped there counted. For Any it may
	// be more than there are in the end: loopback's packets count twice, and a filter that the kernel cannot run on
	// packets without their cooked header, such as one on lengths, is run later.
	Received uint64
	Dropped  uint64 // those that found the ring full
}

// check fills in the defaults.
func (o Options) check() (Options, error) {
	if o.SnapLen == 0 {
		o.SnapLen = MaxSnapLen
	}
	if o.Buffer == 0 {
		o.Buffer = DefaultBuffer
	}
	if o.SnapLen < 1 || o.SnapLen > MaxSnapLen {
		return o, fmt.Errorf("snap length %d is out of range, expected 1 to %d bytes", o.SnapLen, MaxSnapLen)
	}
	if o.Buffer < 1 || o.Buffer > MaxBuffer {
		return o, fmt.Errorf("buffer size %d is out of range, expected 1 to %d bytes", o.Buffer, MaxBuffer)
	}
	return o, nil
}

// cooked returns the link type of Any.
func (o Options) cooked() uint16 {
	if o.SLL {
		return LinkTypeLinuxSLL
	}
	return LinkTypeLinuxSLL2
}
