// Implements the search for netlink attributes, the meaning of ld nla and ld nlan.

package helper

import "encoding/binary"

const (
	attrHeader   = 4      // bytes: 16-bit length with the header, 16-bit type (struct nlattr)
	attrTypeMask = 0x3fff // the type without its two flag bits
)

// NLAttr looks for the first netlink attribute of type x among those that follow each other in data from
// offset a on, and returns its offset in data, or 0 if there is none. It is what ld nla does with A and X
// (bpf_skb_get_nlattr in the kernel's net/core/filter.c). Attributes are in little-endian order.
func NLAttr(data []byte, a, x uint32) uint32 {
	if uint64(a)+attrHeader > uint64(len(data)) {
		return 0
	}
	return findAttr(data, int(a), len(data), x)
}

// NLAttrNested does the same inside the attribute that starts at offset a, as ld nlan does.
func NLAttrNested(data []byte, a, x uint32) uint32 {
	if uint64(a)+attrHeader > uint64(len(data)) {
		return 0
	}
	end := int(a) + int(binary.LittleEndian.Uint16(data[a:]))
	if end > len(data) {
		return 0
	}
	return findAttr(data, int(a)+attrHeader, end, x)
}

// findAttr walks the attributes in data[at:end]. Each is aligned to four bytes; a malformed one ends the walk.
func findAttr(data []byte, at, end int, want uint32) uint32 {
	for at+attrHeader <= end {
		length := int(binary.LittleEndian.Uint16(data[at:]))
		if length < attrHeader || at+length > end {
			return 0
		}
		if uint32(binary.LittleEndian.Uint16(data[at+2:])&attrTypeMask) == want {
			return uint32(at)
		}
		at += (length + 3) &^ 3
	}
	return 0
}
