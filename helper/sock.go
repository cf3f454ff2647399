// Implements sockets as programs see them, and the helpers that find them and ask about them.

package helper

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/skepbpf/skep/spec"
)

const (
	eSOCKTNOSUPPORT errno = 94
	ePROTOTYPE      errno = 91
)

// Sizes of struct bpf_sock and of struct bpf_tcp_sock, which lies behind it here, and what is behind both.
const (
	sockSize    = 80
	tcpSockSize = 4*20 + 2*8 + 4*4
)

// socketArg and its relatives are the signatures of helpers that take a socket.
var (
	anySocket  = []Arg{SockCommon}
	viewSocket = []Arg{SockCommon | ViewOnly}
	casted     = MayBeNull | ResultObject
)

var sockets = []Helper{
	{ID: 84, Name: "sk_lookup_tcp", PacketMemory: true, Args: lookupArgs, Result: ResultSocket | MayBeNull | Acquires, Func: findSocket(protoTCP, true)},
	{ID: 85, Name: "sk_lookup_udp", PacketMemory: true, Args: lookupArgs, Result: ResultSocket | MayBeNull | Acquires, Func: findSocket(protoUDP, true)},
	{ID: 99, Name: "skc_lookup_tcp", PacketMemory: true, Args: lookupArgs, Result: ResultCommon | MayBeNull | Acquires, Func: findSocket(protoTCP, false)},
	{ID: 86, Name: "sk_release", Args: []Arg{SockCommon | Releases}, Func: nothing},
	{ID: 95, Name: "sk_fullsock", Args: viewSocket, Result: ResultSocket | MayBeNull, Func: asSocket(func(s *spec.Socket) bool { return true })},
	{ID: 96, Name: "tcp_sock", PacketMemory: true, Args: viewSocket, Result: ResultTCPSock | MayBeNull, Func: func(c *Call, sk, _, _, _, _ uint64) (uint64, error) {
		if s := fullSocket(c.socketAt(sk)); s == nil || s.Protocol != protoTCP {
			return 0, nil
		}
		return sk + sockSize, nil
	}},
	{ID: 98, Name: "get_listener_sock", Args: viewSocket, Result: ResultSocket | MayBeNull, Func: func(c *Call, sk, _, _, _, _ uint64) (uint64, error) {
		s := c.socketAt(sk)
		if s != nil && s.TCPState() == spec.TCPNewSynRecv {
			s = s.Listener
		}
		if s == nil || s.TCPState() != spec.TCPListen {
			return 0, nil
		}
		return c.SocketAddr(s)
	}},
	cast(136, "skc_to_tcp6_sock", "tcp6_sock", func(s *spec.Socket) bool {
		return s.Protocol == protoTCP && family(s) == familyINET6 && fullSocket(s) != nil
	}),
	cast(137, "skc_to_tcp_sock", "tcp_sock", func(s *spec.Socket) bool { return s.Protocol == protoTCP && fullSocket(s) != nil }),
	cast(138, "skc_to_tcp_timewait_sock", "tcp_timewait_sock", func(s *spec.Socket) bool { return s.Protocol == protoTCP && s.TCPState() == spec.TCPTimeWait }),
	cast(139, "skc_to_tcp_request_sock", "tcp_request_sock", func(s *spec.Socket) bool { return s.Protocol == protoTCP && s.TCPState() == spec.TCPNewSynRecv }),
	cast(140, "skc_to_udp6_sock", "udp6_sock", func(s *spec.Socket) bool { return s.Protocol == protoUDP && family(s) == familyINET6 }),
	// Sockets are of the Internet families, and not of MPTCP.
	cast(178, "skc_to_unix_sock", "unix_sock", func(*spec.Socket) bool { return false }),
	cast(196, "skc_to_mptcp_sock", "mptcp_sock", func(*spec.Socket) bool { return false }),
	{ID: 124, Name: "sk_assign", Args: []Arg{Context, SockCommon, Any}, Func: assignSocket,
		Variants: []Variant{{[]spec.ProgramType{spec.SkLookup}, []Arg{Context, Socket | OrNull, Any}}}},
	{ID: 46, Name: "get_socket_cookie", Args: []Arg{Context}, Variants: []Variant{{append(socketGivers, spec.SkReuseport), []Arg{SockCommon | OrNull}}}, Func: func(c *Call, r1, _, _, _, _ uint64) (uint64, error) {
		if s := c.socketOf(r1); s != nil {
			return s.Cookie, nil
		}
		return 0, nil
	}},
	ofContext(47, "get_socket_uid", func(c *Call) uint64 {
		if s := fullSocket(c.ownSocket()); s != nil {
			return uint64(s.UID)
		}
		return noUser
	}),
	{ID: 122, Name: "get_netns_cookie", Args: []Arg{Context | OrNull}, Func: func(c *Call, ctx, _, _, _, _ uint64) (uint64, error) {
		if s := c.ownSocket(); ctx != 0 && s != nil && s.NetNSCookie != 0 {
			return s.NetNSCookie, nil
		}
		return c.network().netnsCookie(), nil
	}},
	// Files are not of sockets.
	{ID: 116, Name: "tcp_send_ack", Args: []Arg{Object, Any}, Objects: [MaxArgs]string{"tcp_sock"}, Func: nothing},
	{ID: 162, Name: "sock_from_file", Args: []Arg{Object}, Objects: [MaxArgs]string{"file"}, Result: ResultObject | MayBeNull, ResultObject: "socket", Func: nothing},
	{ID: 128, Name: "sk_cgroup_id", Args: anySocket, Func: func(c *Call, sk, _, _, _, _ uint64) (uint64, error) {
		return cgroupID(fullSocket(c.socketAt(sk))), nil
	}},
	{ID: 129, Name: "sk_ancestor_cgroup_id", Args: []Arg{SockCommon, Any}, Func: func(c *Call, sk, level, _, _, _ uint64) (uint64, error) {
		return ancestorID(fullSocket(c.socketAt(sk)), level), nil
	}},
}

// socketGivers are types of programs that give some helpers a socket, where others give their context.
var socketGivers = []spec.ProgramType{spec.Tracing, spec.LSM, spec.Syscall, spec.StructOps}

// socketOf returns the socket at an address, or that of the program whose context is there.
func (c *Call) socketOf(r1 uint64) *spec.Socket {
	if s := c.socketAt(r1); s != nil || slices.Contains(socketGivers, c.ProgramType()) {
		return s
	}
	return c.ownSocket()
}

// noUser is the user that packets of no socket have (overflowuid).
const noUser = 65534

// fullSocket returns s if it has all fields of a socket: it is neither a request nor waits for its end.
func fullSocket(s *spec.Socket) *spec.Socket {
	if s == nil || s.TCPState() == spec.TCPTimeWait || s.TCPState() == spec.TCPNewSynRecv {
		return nil
	}
	return s
}

// family returns the address family of a socket.
func family(s *spec.Socket) uint32 {
	if s.Local.Addr().Is6() && !s.Local.Addr().Is4In6() {
		return familyINET6
	}
	return familyINET
}

// SocketAddr returns the address of s in this run, where programs find its struct bpf_sock, 0 for nil.
func (c *Call) SocketAddr(s *spec.Socket) (uint64, error) {
	if s == nil {
		return 0, nil
	}
	if r := c.current(); r != nil {
		if addr, ok := r.addrs[s]; ok {
			return addr, nil
		}
	}
	return c.imageOf(s, socketImage(s))
}

// socketAt returns the socket at an address, that of one of its structures, or nil.
func (c *Call) socketAt(addr uint64) *spec.Socket {
	if s, ok := c.objectAt(addr).(*spec.Socket); ok || addr < sockSize {
		return s
	}
	s, _ := c.objectAt(addr - sockSize).(*spec.Socket)
	return s
}

// ownSocket returns the socket that the program runs for, or nil: that of the packet.
func (c *Call) ownSocket() *spec.Socket {
	if o := c.Outcome; o != nil && o.Assigned && c.ProgramType() != spec.SkLookup {
		return o.Socket
	}
	if c.Packet == nil {
		return nil
	}
	return c.Packet.Socket
}

// socketImage returns struct bpf_sock and struct bpf_tcp_sock of a socket.
func socketImage(s *spec.Socket) []byte {
	b := make([]byte, sockSize+tcpSockSize)
	put := binary.LittleEndian.PutUint32
	put(b, s.BoundIfIndex)
	put(b[4:], family(s))
	put(b[8:], uint32(s.SocketType()))
	put(b[12:], uint32(s.Protocol))
	put(b[16:], s.Mark)
	put(b[20:], s.Priority)
	putAddr(b[24:], b[28:], s.Local.Addr())
	put(b[44:], uint32(s.Local.Port()))
	binary.BigEndian.PutUint16(b[48:], s.Remote.Port())
	putAddr(b[52:], b[56:], s.Remote.Addr())
	put(b[72:], uint32(s.TCPState()))
	put(b[76:], uint32(s.RxQueue-1))
	if s.TCP == nil {
		return b
	}
	t, at := s.TCP, b[sockSize:]
	for i, v := range [...]uint32{t.SndCwnd, t.SrttUs, t.RttMin, t.SndSsthresh, t.RcvNxt, t.SndNxt, t.SndUna, t.MSSCache, t.ECNFlags,
		t.RateDelivered, t.RateIntervalUs, t.PacketsOut, t.RetransOut, t.TotalRetrans, t.SegsIn, t.DataSegsIn, t.SegsOut, t.DataSegsOut,
		t.LostOut, t.SackedOut} {
		put(at[4*i:], v)
	}
	binary.LittleEndian.PutUint64(at[80:], t.BytesReceived)
	binary.LittleEndian.PutUint64(at[88:], t.BytesAcked)
	for i, v := range [...]uint32{t.DsackDups, t.Delivered, t.DeliveredCE, t.Retransmits} {
		put(at[96+4*i:], v)
	}
	return b
}

// putAddr writes an address to the field of its family.
func putAddr(v4, v6 []byte, a netip.Addr) {
	switch {
	case a.Is4():
		b := a.As4()
		copy(v4, b[:])
	case a.Is6():
		b := a.As16()
		copy(v6[:16], b[:])
	}
}

var lookupArgs = []Arg{Context, Mem, SizeOr0, Any, Any}

// Sizes of struct bpf_sock_tuple.
const (
	tuple4 = 12
	tuple6 = 36
)

// findSocket returns the body of a helper that looks for a socket, for full ones alone if full is set.
func findSocket(protocol uint8, full bool) Func {
	return func(c *Call, _, tuple, size, netns, flags uint64) (uint64, error) {
		b, err := c.Bytes(tuple, int(uint32(size)), false)
		if err != nil {
			return 0, err
		}
		if flags != 0 || int32(uint32(netns)) >= 0 { // there is no other namespace
			return 0, nil
		}
		var remote, local netip.AddrPort
		switch len(b) {
		case tuple4:
			remote = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), binary.BigEndian.Uint16(b[8:]))
			local = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[4:])), binary.BigEndian.Uint16(b[10:]))
		case tuple6:
			remote = plainAddr(netip.AddrPortFrom(netip.AddrFrom16([16]byte(b)), binary.BigEndian.Uint16(b[32:])))
			local = plainAddr(netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[16:])), binary.BigEndian.Uint16(b[34:])))
		default:
			return 0, nil
		}
		s := c.network().lookup(protocol, remote, local)
		if full && s != nil && s.TCPState() == spec.TCPNewSynRecv {
			s = s.Listener
		}
		if full {
			s = fullSocket(s)
		}
		return c.SocketAddr(s)
	}
}

// asSocket returns the body of a helper that returns the socket that it gets if that is full and is fits.
func asSocket(is func(*spec.Socket) bool) Func {
	return func(c *Call, sk, _, _, _, _ uint64) (uint64, error) {
		if s := fullSocket(c.socketAt(sk)); s != nil && is(s) {
			return sk, nil
		}
		return 0, nil
	}
}

// cast returns a helper that gives a socket the type of a kernel's structure if it is of that sort.
func cast(id int32, name, object string, is func(*spec.Socket) bool) Helper {
	return Helper{ID: id, Name: name, Args: anySocket, Result: casted, ResultObject: object,
		Func: func(c *Call, sk, _, _, _, _ uint64) (uint64, error) {
			if s := c.socketAt(sk); s != nil && is(s) {
				return sk, nil
			}
			return 0, nil
		}}
}

// Flags of bpf_sk_assign in sk_lookup programs.
const (
	assignReplace = 1 << iota
	assignNoReuseport
)

// Where fields of struct bpf_sk_lookup are.
const (
	lookupSocket   = 0
	lookupFamily   = 8
	lookupProtocol = 12
)

func assignSocket(c *Call, _, sk, flags, _, _ uint64) (uint64, error) {
	s := c.socketAt(sk)
	if sk != 0 && s == nil {
		return eSOCKTNOSUPPORT.result()
	}
	o := c.out()
	if c.ProgramType() != spec.SkLookup {
		if s == nil || flags != 0 {
			return eINVAL.result()
		}
		o.Socket, o.Assigned = s, true
		return 0, nil
	}
	ctx := c.Context()
	switch {
	case flags&^(assignReplace|assignNoReuseport) != 0:
		return eINVAL.result()
	case s == nil:
	case s.Protocol == protoTCP && s.TCPState() != spec.TCPListen, s.Protocol == protoUDP && s.TCPState() != spec.TCPClose:
		return eSOCKTNOSUPPORT.result()
	case uint32(s.Protocol) != binary.LittleEndian.Uint32(ctx[lookupProtocol:]):
		return ePROTOTYPE.result()
	case family(s) == familyINET && binary.LittleEndian.Uint32(ctx[lookupFamily:]) != familyINET:
		return eAFNOSUPPORT.result()
	}
	if o.Socket != nil && flags&assignReplace == 0 {
		return eEXIST.result()
	}
	o.Socket, o.Assigned = s, true
	binary.LittleEndian.PutUint64(ctx[lookupSocket:], sk)
	return 0, nil
}
