// Implements the helpers that translated classic filters call for what no context field holds.

package helper

import (
	"errors"

	"github.com/skepbpf/skep/spec"
)

// The numbers of Skep's own helpers, far above the kernel's. They exist for classic ancillary loads; the
// kernel has functions of its own for these that programs cannot name.
const (
	ClassicPayOffset int32 = 0x10000 + iota // PayOffset of the packet
	ClassicNLAttr                           // NLAttr with A in R2 and X in R3
	ClassicNLNested                         // NLAttrNested with A in R2 and X in R3
	ClassicHWType                           // spec.Packet.HardwareType
)

var classicLoads = []Helper{
	packetValue(ClassicPayOffset, "classic_poff", func(p *spec.Packet, _, _ uint32) uint32 { return PayOffset(p) }),
	packetValue(ClassicNLAttr, "classic_nla", func(p *spec.Packet, a, x uint32) uint32 { return NLAttr(p.Data, a, x) }, Any, Any),
	packetValue(ClassicNLNested, "classic_nlan", func(p *spec.Packet, a, x uint32) uint32 { return NLAttrNested(p.Data, a, x) }, Any, Any),
	packetValue(ClassicHWType, "classic_hatype", func(p *spec.Packet, _, _ uint32) uint32 { return uint32(p.HardwareType) }),
}

// packetValue returns a helper that computes a number from the packet and the classic registers A and X.
func packetValue(id int32, name string, value func(p *spec.Packet, a, x uint32) uint32, more ...Arg) Helper {
	return Helper{ID: id, Name: name, Args: append([]Arg{Context}, more...),
		Func: func(c *Call, _, a, x, _, _ uint64) (uint64, error) {
			if c.Packet == nil {
				return 0, errors.New("there is no packet")
			}
			return uint64(value(c.Packet, uint32(a), uint32(x))), nil
		}}
}
