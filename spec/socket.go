// Implements a socket and a tunnel's header as plain data.

package spec

import "net/netip"

// Socket is a socket as programs see it (struct bpf_sock and struct bpf_tcp_sock of linux/bpf.h). It must not change
// while programs run.
type Socket struct {
	Protocol uint8 // IP protocol: 6 for TCP, 17 for UDP
	Type     uint8 // SOCK_STREAM (1) or SOCK_DGRAM (2); 0 stands for that of the protocol
	State    uint8 // the kernel's TCP state, from 1: established; listening is 10, 7 is closed and that of UDP; 0 stands for established with a Remote address, else listening for TCP and closed for others

	Local, Remote netip.AddrPort // the zero value: no address; the family is Local's
	BoundIfIndex  uint32         // interface it is bound to, 0: none
	Mark          uint32
	Priority      uint32
	RxQueue       int32 // queue that it last received from plus one, 0: none

	Cookie      uint64
	UID         uint32
	NetNSCookie uint64   // of its network namespace; 0: 1, that of the first one
	CGroups     []uint64 // numbers of its control group and those above, from the root on
	ClassID     uint32   // net_cls
	Listener    *Socket  // of a request that is not accepted: the socket it came to
	TCP         *TCP     // nil: zero

	// Options are the values of socket options that programs read (getsockopt), by level and name.
	Options map[SocketOption][]byte
}

// SocketOption is the level and number of a socket option, such as SOL_SOCKET (1) and SO_MARK (36).
type SocketOption struct{ Level, Name int32 }

// TCP is what struct bpf_tcp_sock shows, in its order.
type TCP struct {
	SndCwnd, SrttUs, RttMin, SndSsthresh, RcvNxt, SndNxt, SndUna, MSSCache, ECNFlags, RateDelivered, RateIntervalUs,
	PacketsOut, RetransOut, TotalRetrans, SegsIn, DataSegsIn, SegsOut, DataSegsOut, LostOut, SackedOut uint32
	BytesReceived, BytesAcked                      uint64
	DsackDups, Delivered, DeliveredCE, Retransmits uint32
}

// The kernel's TCP states.
const (
	TCPEstablished = 1 + iota
	TCPSynSent
	TCPSynRecv
	TCPFinWait1
	TCPFinWait2
	TCPTimeWait
	TCPClose
	TCPCloseWait
	TCPLastAck
	TCPListen
	TCPClosing
	TCPNewSynRecv
)

// TCPState returns State, or what 0 stands for.
func (s *Socket) TCPState() uint8 {
	switch {
	case s.State != 0:
		return s.State
	case s.Remote.IsValid():
		return TCPEstablished
	case s.Protocol == 6:
		return TCPListen
	}
	return TCPClose
}

// SocketType returns Type, or what 0 stands for.
func (s *Socket) SocketType() uint8 {
	switch {
	case s.Type != 0:
		return s.Type
	case s.Protocol == 6:
		return 1
	}
	return 2
}

// Tunnel is what an outer header around a packet says: of a packet that came through a tunnel, or is to go
// through one.
type Tunnel struct {
	ID            uint64 // such as VXLAN's network identifier
	Local, Remote netip.Addr
	TOS, TTL      uint8
	Label         uint32 // IPv6 flow label
	Flags         uint16 // the kernel's TUNNEL_ flags
	Options       []byte // such as Geneve's
}
