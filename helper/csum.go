// Implements the helpers for Internet checksums (RFC 1071, RFC 1624).

package helper

import (
	"encoding/binary"
	"math"
)

// Flags of the helpers that replace checksums.
const (
	csumSize    = 0xf
	csumPseudo  = 0x10 // the pseudo header changes
	csumMangled = 0x20 // a checksum of zero means none (UDP)
	csumForce   = 0x40 // compute it although there was none
	csumIPv6    = 0x80
)

const eNOTSUPP errno = 524

var checksums = []Helper{
	{ID: 28, Name: "csum_diff", PacketMemory: true, Args: []Arg{Mem | OrNull, SizeOr0, Mem | OrNull, SizeOr0, Any}, Func: csumDiff},
	{ID: 10, Name: "l3_csum_replace", Args: []Arg{Context, Any, Any, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, off, from, to, flags uint64) (uint64, error) {
		if flags&^csumSize != 0 {
			return eINVAL.result()
		}
		return c.replaceChecksum(uint32(off), from, to, flags, plus16)
	}},
	{ID: 11, Name: "l4_csum_replace", Args: []Arg{Context, Any, Any, Any, Any}, ChangesPacket: true, Func: func(c *Call, _, off, from, to, flags uint64) (uint64, error) {
		if flags&^(csumSize|csumPseudo|csumMangled|csumForce|csumIPv6) != 0 {
			return eINVAL.result()
		}
		return c.replaceChecksum(uint32(off), from, to, flags, plus)
	}},
	// The checksum over the whole packet that some devices supply is not there.
	{ID: 40, Name: "csum_update", Args: []Arg{Context, Any}, Func: func(*Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) { return eNOTSUPP.result() }},
	{ID: 135, Name: "csum_level", Args: []Arg{Context, Any}, Func: csumLevel},
}

// sum adds the words of b to an unfolded checksum.
func sum(b []byte, seed uint32) uint32 {
	s := uint64(seed)
	for len(b) >= 4 {
		s += uint64(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	var last [4]byte
	copy(last[:], b)
	s += uint64(binary.LittleEndian.Uint32(last[:]))
	return fold32(s)
}

func fold32(s uint64) uint32 {
	s = s&math.MaxUint32 + s>>32
	return uint32(s + s>>32)
}

// plus adds two unfolded checksums.
func plus(a, b uint32) uint32 { return fold32(uint64(a) + uint64(b)) }

// plus16 is plus of sums that are folded already, and in its low half the way the kernel adds two of those: zero stays zero.
func plus16(a, b uint32) uint32 { return uint32(fold(a&0xffff + b&0xffff)) }

// fold returns the sum in 16 bits.
func fold(s uint32) uint16 {
	s = s&0xffff + s>>16
	return uint16(s + s>>16)
}

func csumDiff(c *Call, from, fromSize, to, toSize, seed uint64) (uint64, error) {
	n, m := uint32(fromSize), uint32(toSize)
	var old, now []byte
	var err error
	if n > 0 {
		old, err = c.Bytes(from, int(n), false)
	}
	if m > 0 && err == nil {
		now, err = c.Bytes(to, int(m), false)
	}
	if err != nil {
		return 0, err
	}
	s := uint32(seed)
	switch {
	case n > 0 && m > 0:
		s = plus(sum(now, s), ^sum(old, 0))
	case m > 0:
		s = sum(now, s)
	case n > 0:
		s = ^sum(old, ^s)
	}
	return uint64(fold(s)), nil
}

// replaceChecksum changes the checksum at off for a value of the size that flags tell that becomes another. Two
// bytes are added by add.
func (c *Call) replaceChecksum(off uint32, from, to, flags uint64, add func(a, b uint32) uint32) (uint64, error) {
	at := part(c.packet(), off, 2)
	if off > math.MaxUint16 || off&1 != 0 || at == nil {
		return eFAULT.result()
	}
	old := binary.LittleEndian.Uint16(at)
	if flags&csumMangled != 0 && flags&csumForce == 0 && old == 0 {
		return 0, nil
	}
	s := ^uint32(old)
	switch flags & csumSize {
	case 0:
		if from != 0 {
			return eINVAL.result()
		}
		s = plus(uint32(to), s)
	case 2:
		s = add(add(s, ^uint32(uint16(from))), uint32(uint16(to)))
	case 4:
		s = plus(plus(s, ^uint32(from)), uint32(to))
	default:
		return eINVAL.result()
	}
	now := ^fold(s)
	if flags&csumMangled != 0 && now == 0 {
		now = 0xffff
	}
	binary.LittleEndian.PutUint16(at, now)
	return 0, nil
}

const eACCES errno = 13

// What bpf_csum_level does, and how many checksums a packet may have.
const (
	levelQuery = iota
	levelInc
	levelDec
	levelReset

	maxLevels = 4
)

func csumLevel(c *Call, _, do, _, _, _ uint64) (uint64, error) {
	p := c.meta()
	switch do {
	case levelQuery:
		if p.Checked == 0 {
			return eACCES.result()
		}
		return uint64(p.Checked - 1), nil
	case levelInc:
		p.Checked = min(p.Checked+1, maxLevels)
	case levelDec:
		p.Checked -= min(p.Checked, 1)
	case levelReset:
		p.Checked = 0
	default:
		return eINVAL.result()
	}
	return 0, nil
}
