// Implements the helpers that ask where a packet would go, and whether it would fit.

package helper

import (
	"encoding/binary"
	"net/netip"

	"github.com/skepbpf/skep/spec"
)

const (
	eNODEV       errno = 19
	eAFNOSUPPORT errno = 97
)

// Flags and results of bpf_fib_lookup.
const (
	fibDirect = 1 << iota
	fibOutput
	fibSkipNeighbor
	fibTable
	fibSource
	fibMark

	fibFlags = 1<<iota - 1
)

const (
	fibSuccess = iota
	fibBlackhole
	fibUnreachable
	fibProhibit
	fibNotForwarded
	fibDisabled
	fibEncap
	fibNoNeighbor
	fibTooLong
	fibNoSource
)

// struct bpf_fib_lookup.
const (
	fibFamily   = 0
	fibLength   = 6 // and the MTU, afterwards
	fibIfIndex  = 8
	fibMetric   = 12
	fibSrc      = 16
	fibDst      = 32
	fibTableID  = 48 // and the VLAN, afterwards
	fibMarkOf   = 52 // and the hardware addresses, afterwards
	fibSrcMAC   = 52
	fibDstMAC   = 58
	fibSize     = 64
	familyINET  = 2
	familyINET6 = 10
)

var routing = []Helper{
	{ID: 69, Name: "fib_lookup", GPL: true, Args: []Arg{Context, Mem | Writes, Size, Any}, Func: func(c *Call, _, params, n, flags, _ uint64) (uint64, error) {
		b, err := c.Bytes(params, int(uint32(n)), true)
		if err != nil {
			return 0, err
		}
		if len(b) < fibSize || flags&^fibFlags != 0 {
			return eINVAL.result()
		}
		return c.fibLookup(b, uint32(flags))
	}},
	{ID: 163, Name: "check_mtu", GPL: true, Args: []Arg{Context, Any, Fixed(Mem, 4) | Writes | Aligned, Any, Any}, Func: checkMTU},
}

// fibQuery is a question about a route.
type fibQuery struct {
	b      []byte // struct bpf_fib_lookup
	n      *Network
	flags  uint32
	v6     bool
	length uint32 // of the packet, 0 if the route's MTU is not asked about
}

func (q *fibQuery) addr(off int) netip.Addr {
	if q.v6 {
		return netip.AddrFrom16([16]byte(q.b[off:]))
	}
	return netip.AddrFrom4([4]byte(q.b[off:]))
}

func (c *Call) fibLookup(b []byte, flags uint32) (uint64, error) {
	q := fibQuery{b: b, n: c.network(), flags: flags, length: uint32(binary.LittleEndian.Uint16(b[fibLength:]))}
	switch b[fibFamily] {
	case familyINET:
	case familyINET6:
		q.v6 = true
	default:
		return eAFNOSUPPORT.result()
	}
	length := q.length
	result, e := q.lookup()
	if e != 0 {
		return e.result()
	}
	if result == fibSuccess && length == 0 && c.ProgramType() != spec.XDP {
		// Then it is the packet itself that has to fit.
		dev := q.n.device(binary.LittleEndian.Uint32(b[fibIfIndex:]))
		if dev != nil {
			if uint32(len(c.packet())) > dev.mtu()+dev.headerLen()+vlanLen && c.meta().GSOSize == 0 {
				result = fibTooLong
			}
			binary.LittleEndian.PutUint16(b[fibLength:], uint16(dev.mtu()))
		}
	}
	return uint64(result), nil
}

// strict reports whether an IPv6 address is good on its own link only.
func strict(a netip.Addr) bool { return a.IsLinkLocalUnicast() || a.IsMulticast() || a.IsLoopback() }

func (q *fibQuery) lookup() (int, errno) {
	if q.v6 && (strict(q.addr(fibDst)) || strict(q.addr(fibSrc))) {
		return fibNotForwarded, 0
	}
	in := q.n.device(binary.LittleEndian.Uint32(q.b[fibIfIndex:]))
	switch {
	case in == nil:
		return 0, eNODEV
	case !in.Forwarding:
		return fibDisabled, 0
	}
	table, mark := uint32(mainTable), uint32(0)
	if q.flags&fibDirect != 0 {
		if q.flags&fibTable != 0 {
			table = binary.LittleEndian.Uint32(q.b[fibTableID:])
			clear(q.b[fibTableID : fibTableID+4])
		}
	} else if q.flags&fibMark != 0 {
		mark = binary.LittleEndian.Uint32(q.b[fibMarkOf:])
	}
	r := q.n.route(table, mark, q.addr(fibDst))
	if r == nil {
		return fibNotForwarded, 0
	}
	switch r.Type {
	case Blackhole:
		return fibBlackhole, 0
	case Unreachable:
		return fibUnreachable, 0
	case Prohibit:
		return fibProhibit, 0
	case Own:
		return fibNotForwarded, 0
	}
	return q.leave(r)
}

// leave fills in the answer for a packet that leaves by a route.
func (q *fibQuery) leave(r *Route) (int, errno) {
	dev := q.n.device(r.IfIndex)
	if dev == nil {
		return fibNotForwarded, 0
	}
	mtu := uint32(0)
	if q.length > 0 {
		if mtu = dev.mtu(); r.MTU != 0 {
			mtu = min(mtu, r.MTU)
		}
		if q.length > mtu {
			binary.LittleEndian.PutUint16(q.b[fibLength:], uint16(mtu))
			return fibTooLong, 0
		}
	}
	if r.Encap {
		return fibEncap, 0
	}
	binary.LittleEndian.PutUint32(q.b[fibMetric:], r.Metric)
	binary.LittleEndian.PutUint32(q.b[fibIfIndex:], dev.IfIndex)
	if q.flags&fibSource != 0 {
		if !r.Source.IsValid() && q.v6 {
			return fibNoSource, 0
		}
		q.put(fibSrc, r.Source)
	}
	next := q.addr(fibDst)
	if r.Gateway.IsValid() {
		next = r.Gateway
		if next.Is6() {
			q.b[fibFamily] = familyINET6
		}
		q.put(fibDst, next)
	}
	if q.flags&fibSkipNeighbor == 0 {
		mac, ok := q.n.neighbor(dev.IfIndex, next)
		if !ok {
			return fibNoNeighbor, 0
		}
		copy(q.b[fibDstMAC:], mac[:])
		copy(q.b[fibSrcMAC:], dev.MAC[:])
	}
	clear(q.b[fibTableID : fibTableID+4])
	if mtu != 0 {
		binary.LittleEndian.PutUint16(q.b[fibLength:], uint16(mtu))
	}
	return fibSuccess, 0
}

// put writes an address in the size of its family; none is zero.
func (q *fibQuery) put(off int, a netip.Addr) {
	switch {
	case a.Is4():
		v := a.As4()
		copy(q.b[off:], v[:])
	case a.Is6():
		v := a.As16()
		copy(q.b[off:], v[:])
	default:
		clear(q.b[off : off+4])
	}
}

// Flags and results of bpf_check_mtu.
const (
	mtuSegments = 1

	mtuFits     = 0
	mtuTooLong  = 1
	mtuSegsLong = 2
)

func checkMTU(c *Call, _, index, length, diff, flags uint64) (uint64, error) {
	b, err := c.Bytes(length, 4, true)
	if err != nil {
		return 0, err
	}
	given, xdp := binary.LittleEndian.Uint32(b), c.ProgramType() == spec.XDP
	switch {
	case flags&^mtuSegments != 0, flags != 0 && (xdp || int32(diff) != 0 || given != 0):
		return eINVAL.result()
	}
	if uint32(index) == 0 {
		index = uint64(max(c.meta().IfIndex, 1))
	}
	dev := c.network().device(uint32(index))
	if dev == nil {
		return eNODEV.result()
	}
	size := int32(len(c.packet()))
	if given != 0 {
		size = int32(given + dev.headerLen())
	}
	size += int32(uint32(diff))
	binary.LittleEndian.PutUint32(b, dev.mtu())
	p := c.meta()
	switch {
	case size <= int32(dev.mtu()+dev.headerLen()):
		return mtuFits, nil
	case xdp || p.GSOSize == 0:
		return mtuTooLong, nil
	case flags != 0 && p.GSOSize+segmentHeaders(c) > dev.mtu():
		return mtuSegsLong, nil
	}
	return mtuFits, nil
}

// segmentHeaders returns how many bytes network and transport headers of each segment of the packet have.
func segmentHeaders(c *Call) uint32 {
	_, network := c.headers()
	p := *c.meta()
	p.Data, p.NetworkOffset = c.packet(), network
	return PayOffset(&p) - uint32(network)
}
