// Implements cooked headers, and filters on them: the header is made after the kernel has filtered.

package live

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
)

// Lengths of cooked headers, bytes.
const (
	sllLen  = 16
	sll2Len = 20
)

// headerLen returns the length of the header that captures of a link type put in front of packets.
func headerLen(link uint16) int {
	switch link {
	case LinkTypeLinuxSLL:
		return sllLen
	case LinkTypeLinuxSLL2:
		return sll2Len
	}
	return 0
}

// putHeader writes the cooked header of a link type to the start of h. address is the sender's, with addressLen bytes
// in use, of which the header holds 8.
func putHeader(h []byte, link uint16, info *Info, addressLen byte, address []byte) {
	be := binary.BigEndian
	if link == LinkTypeLinuxSLL {
		be.PutUint16(h, uint16(info.PktType))
		be.PutUint16(h[2:], info.HardwareType)
		be.PutUint16(h[4:], uint16(addressLen))
		copy(h[6:14], address)
		be.PutUint16(h[14:], info.Protocol)
		return
	}
	be.PutUint16(h, info.Protocol)
	be.PutUint16(h[2:], 0)
	be.PutUint32(h[4:], uint32(info.IfIndex))
	be.PutUint16(h[8:], info.HardwareType)
	h[10], h[11] = info.PktType, addressLen
	copy(h[12:20], address)
}

// field is one of a cooked header that the kernel's filters can read: by a load of this size in bits, at this
// offset, or as metadata.
type field struct {
	link     uint16
	offset   uint32
	size     uint8
	metadata uint32 // counted from classic.AncillaryOffset, SKF_AD_ of linux/filter.h
}

// Offsets of metadata. Those in the second part say where something lies in the packet, those in the third are not
// in the ring.
const (
	metaProtocol = 0
	metaPktType  = 4
	metaIfIndex  = 8
	metaHatype   = 28

	metaAttr       = 12
	metaAttrNested = 16
	metaPayload    = 52

	metaMark  = 20
	metaQueue = 24
	metaHash  = 32
	metaCPU   = 36
)

var fields = [...]field{
	{LinkTypeLinuxSLL, 0, 16, metaPktType},
	{LinkTypeLinuxSLL, 2, 16, metaHatype},
	{LinkTypeLinuxSLL, 14, 16, metaProtocol},
	{LinkTypeLinuxSLL2, 0, 16, metaProtocol},
	{LinkTypeLinuxSLL2, 4, 32, metaIfIndex},
	{LinkTypeLinuxSLL2, 8, 16, metaHatype},
	{LinkTypeLinuxSLL2, 10, 8, metaPktType},
}

// forKernel returns the filter that the kernel is to run for a capture of a link type: prog, which has passed
// classic.Check or is nil, such that it keeps no more than snap bytes. Where packets get a cooked header, prog counts from
// that header on, while the kernel sees what is behind it; if prog cannot be made to fit, whole is false, and
// the filter lets everything through, for prog to be run later. If that is impossible too, there is an error.
func forKernel(prog []bpf.RawInstruction, link uint16, snap int) (out []bpf.RawInstruction, whole bool, err error) {
	if prog == nil {
		return []bpf.RawInstruction{{Op: opReturn, K: uint32(snap)}}, true, nil
	}
	out = slices.Clone(prog)
	for i := range out {
		in := &out[i]
		if in.Op == opReturn {
			in.K = min(in.K, uint32(snap))
		} else if headerLen(link) > 0 && !uncook(in, link) {
			return []bpf.RawInstruction{{Op: opReturn, K: MaxSnapLen}}, false, checkLate(prog)
		}
	}
	return out, true, nil
}

// checkLate returns an error if the ring does not have what prog asks for.
func checkLate(prog []bpf.RawInstruction) error {
	for i := range prog {
		if at, ok := metadata(&prog[i]); ok && (at == metaMark || at == metaQueue || at == metaHash || at == metaCPU) {
			return fmt.Errorf("instruction %d of the filter reads %s, which a capture with cooked headers cannot combine "+
				"with the packet's length, or with fields of the header that the kernel's filters do not know", i, classic.LookupMetadata(prog[i].K).Name)
		}
	}
	return nil
}

// metadata returns which metadata an instruction loads.
func metadata(in *bpf.RawInstruction) (uint32, bool) {
	const base = 1<<32 + classic.AncillaryOffset
	if classic.Lookup(in.Op).Operand != classic.OperandAbs || in.K < base {
		return 0, false
	}
	return in.K - base, true
}

// opReturn is BPF_RET | BPF_K.
const opReturn = 0x06

// uncook makes an instruction that counts from a cooked header on count from behind it. It reports whether it can.
func uncook(in *bpf.RawInstruction, link uint16) bool {
	row, header := classic.Lookup(in.Op), uint32(headerLen(link))
	switch row.Kind {
	case classic.KindLoadLen:
		return false // the kernel's is less by the header
	case classic.KindLoadPacket, classic.KindLoadHeader:
	default:
		return true
	}
	const highest = 1 << 31 // from here on, numbers are negative and offsets have other meanings
	absolute := row.Operand == classic.OperandAbs
	meta, isMeta := metadata(in)
	switch {
	case isMeta:
		return meta != metaAttr && meta != metaAttrNested && meta != metaPayload
	case in.K >= header && in.K < highest:
		in.K -= header
		return true
	case absolute && int32(in.K) >= classic.NetworkOffset && in.K >= highest: // the network header
		return true
	case !absolute:
		return false
	}
	for _, f := range fields {
		if f.link == link && f.offset == in.K && f.size == row.Size {
			in.K = 1<<32 + classic.AncillaryOffset + f.metadata
			return true
		}
	}
	return false
}
