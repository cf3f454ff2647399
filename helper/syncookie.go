// Implements SYN cookies: sequence numbers from which a connection's first packet can be told later. They are made as
// the kernel makes them, but for the hash: its key is the kernel's secret.

package helper

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/skepbpf/skep/spec"
)

const ePROTONOSUPPORT errno = 93

var synCookies = []Helper{
	{ID: 100, Name: "tcp_check_syncookie", GPL: true, PacketMemory: true, Args: cookieArgs, Func: checkCookie},
	{ID: 110, Name: "tcp_gen_syncookie", GPL: true, PacketMemory: true, Args: cookieArgs, Func: makeCookie},
	{ID: 204, Name: "tcp_raw_gen_syncookie_ipv4", GPL: true, PacketMemory: true, Args: []Arg{Fixed(Mem, 20), Mem, SizeOr0}, Func: rawCookie(20)},
	{ID: 205, Name: "tcp_raw_gen_syncookie_ipv6", GPL: true, PacketMemory: true, Args: []Arg{Fixed(Mem, 40), Mem, SizeOr0}, Func: rawCookie(40)},
	{ID: 206, Name: "tcp_raw_check_syncookie_ipv4", GPL: true, PacketMemory: true, Args: []Arg{Fixed(Mem, 20), Fixed(Mem, tcpLen)}, Func: rawCheck(20)},
	{ID: 207, Name: "tcp_raw_check_syncookie_ipv6", GPL: true, PacketMemory: true, Args: []Arg{Fixed(Mem, 40), Fixed(Mem, tcpLen)}, Func: rawCheck(40)},
}

var cookieArgs = []Arg{SockCommon, Mem, Size, Mem, Size}

// tcpLen is the length of a TCP header without options; its flags are in byte 13.
const (
	tcpLen = 20
	tcpFIN = 0x01
	tcpSYN = 0x02
	tcpRST = 0x04
	tcpACK = 0x10

	cookieAge  = 2         // periods
	cookieTime = 64e9      // nanoseconds of one
	cookieMask = 1<<24 - 1 // bits that do not count the periods
)

// The segment sizes that a cookie can stand for.
var (
	cookieMSS4 = []uint16{536, 1300, 1440, 1460}
	cookieMSS6 = []uint16{1220, 1420, 1440, 8940}
)

// cookieFlow is what a cookie is made from.
type cookieFlow struct {
	addresses []byte
	tcp       []byte
	sizes     []uint16
	n         *Network
	period    uint32
}

// flow returns it for an IP header, whose version decides, and a TCP header.
func (c *Call) cookieFlow(ip, tcp []byte) cookieFlow {
	f := cookieFlow{tcp: tcp, n: c.network(), period: uint32(c.Env.now() / cookieTime), sizes: cookieMSS4}
	if f.addresses = ip[12:20]; len(ip) >= 40 && ip[0]>>4 == 6 {
		f.addresses, f.sizes = ip[8:40], cookieMSS6
	}
	return f
}

func (f *cookieFlow) hash(period uint32, which byte) uint32 {
	h := sha256.New()
	h.Write(f.n.Secret[:])
	h.Write(f.addresses)
	h.Write(f.tcp[:4])
	h.Write(binary.LittleEndian.AppendUint32([]byte{which}, period))
	return binary.LittleEndian.Uint32(h.Sum(nil))
}

// make returns the cookie for the first packet of a connection, whose segments may have mss bytes, and how many of those it can
// tell.
func (f *cookieFlow) make(mss uint16) uint64 {
	i := len(f.sizes) - 1
	for i > 0 && mss < f.sizes[i] {
		i--
	}
	cookie := f.hash(0, 0) + binary.BigEndian.Uint32(f.tcp[4:]) + f.period<<24 + (f.hash(f.period, 1)+uint32(i))&cookieMask
	return uint64(cookie) | uint64(f.sizes[i])<<32
}

// valid reports whether a packet confirms a cookie that is not too old.
func (f *cookieFlow) valid() bool {
	cookie := binary.BigEndian.Uint32(f.tcp[8:]) - 1 - f.hash(0, 0) - (binary.BigEndian.Uint32(f.tcp[4:]) - 1)
	age := (f.period - cookie>>24) & 0xff
	if age >= cookieAge {
		return false
	}
	return (cookie-f.hash(f.period-age, 1))&cookieMask < uint32(len(f.sizes))
}

// mssOption returns the segment size that a TCP header's options state, or another.
func mssOption(tcp []byte, other uint16) uint16 {
	o, e := findOption(tcp[tcpLen:], []byte{2})
	if e != 0 || len(o) != 4 || o[2] == 0 && o[3] == 0 {
		return other
	}
	return binary.BigEndian.Uint16(o[2:])
}

func rawCookie(ipLen int) Func {
	return func(c *Call, iph, th, size, _, _ uint64) (uint64, error) {
		ip, err := c.Bytes(iph, ipLen, false)
		if err != nil {
			return 0, err
		}
		tcp, err := c.Bytes(th, int(uint32(size)), false)
		if err != nil {
			return 0, err
		}
		if len(tcp) < tcpLen || len(tcp) != int(tcp[12]>>4)*4 {
			return eINVAL.result()
		}
		f := c.rawFlow(ip, tcp)
		return f.make(mssOption(tcp, f.sizes[0])), nil
	}
}

// rawFlow is cookieFlow for a header whose length, not its content, tells the version.
func (c *Call) rawFlow(ip, tcp []byte) cookieFlow {
	f := cookieFlow{tcp: tcp, n: c.network(), period: uint32(c.Env.now() / cookieTime), addresses: ip[len(ip)-8:], sizes: cookieMSS4}
	if len(ip) == 40 {
		f.addresses, f.sizes = ip[8:40], cookieMSS6
	}
	return f
}

func rawCheck(ipLen int) Func {
	return func(c *Call, iph, th, _, _, _ uint64) (uint64, error) {
		ip, err := c.Bytes(iph, ipLen, false)
		if err != nil {
			return 0, err
		}
		tcp, err := c.Bytes(th, tcpLen, false)
		if err != nil {
			return 0, err
		}
		f := c.rawFlow(ip, tcp)
		if !f.valid() {
			return eACCES.result()
		}
		return 0, nil
	}
}

// cookieHeaders reads what helpers get that are given a socket.
func (c *Call) cookieHeaders(sk, iph, ipLen, th, thLen uint64) (s *spec.Socket, ip, tcp []byte, err error) {
	if ip, err = c.Bytes(iph, int(uint32(ipLen)), false); err != nil {
		return nil, nil, nil, err
	}
	if tcp, err = c.Bytes(th, int(uint32(thLen)), false); err != nil {
		return nil, nil, nil, err
	}
	if s = c.socketAt(sk); s != nil && (s.Protocol != protoTCP || s.TCPState() != spec.TCPListen) {
		s = nil
	}
	return s, ip, tcp, nil
}

// badVersion tells what is wrong with an IP header for a socket.
func badVersion(s *spec.Socket, ip []byte) errno {
	switch {
	case len(ip) < 20:
		return eINVAL
	case ip[0]>>4 == 4:
		return 0
	case ip[0]>>4 != 6:
		return ePROTONOSUPPORT
	case len(ip) < 40 || family(s) != familyINET6:
		return eINVAL
	}
	return 0
}

// makeCookie answers as a machine does that always sends cookies (sysctl tcp_syncookies 2).
func makeCookie(c *Call, sk, iph, ipLen, th, thLen uint64) (uint64, error) {
	s, ip, tcp, err := c.cookieHeaders(sk, iph, ipLen, th, thLen)
	switch {
	case err != nil:
		return 0, err
	case s == nil || len(tcp) < tcpLen || len(tcp) != int(tcp[12]>>4)*4, tcp[13]&(tcpSYN|tcpACK|tcpFIN|tcpRST) != tcpSYN:
		return eINVAL.result()
	}
	if e := badVersion(s, ip); e != 0 {
		return e.result()
	}
	f := c.cookieFlow(ip, tcp)
	return f.make(mssOption(tcp, 536)), nil
}

func checkCookie(c *Call, sk, iph, ipLen, th, thLen uint64) (uint64, error) {
	s, ip, tcp, err := c.cookieHeaders(sk, iph, ipLen, th, thLen)
	switch {
	case err != nil:
		return 0, err
	case s == nil || len(tcp) < tcpLen:
		return eINVAL.result()
	case tcp[13]&tcpACK == 0 || tcp[13]&(tcpRST|tcpSYN) != 0:
		return eNOENT.result()
	}
	if e := badVersion(s, ip); e != 0 {
		return e.result()
	}
	if f := c.cookieFlow(ip, tcp); !f.valid() {
		return eNOENT.result()
	}
	return 0, nil
}
