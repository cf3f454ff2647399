// Implements the helpers that translated classic code calls beside the standard ones, and the names of all.

package main

import (
	"errors"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// classicHelpers give metadata that no field of the context holds. Package classic says what they mean.
var classicHelpers = []helper.Helper{
	metadata(classic.HelperPayOffset, "classic_poff", func(p *spec.Packet, _, _ uint32) uint32 { return classic.PayOffset(p) }),
	metadata(classic.HelperNLAttr, "classic_nla", func(p *spec.Packet, a, x uint32) uint32 { return classic.NLAttr(p.Data, a, x) }),
	metadata(classic.HelperNLNested, "classic_nlan", func(p *spec.Packet, a, x uint32) uint32 { return classic.NLAttrNested(p.Data, a, x) }),
	metadata(classic.HelperHWType, "classic_hatype", func(p *spec.Packet, _, _ uint32) uint32 { return uint32(p.HardwareType) }),
}

// metadata returns a helper that computes a number from the packet and the classic registers A and X, which
// it gets in R2 and R3.
func metadata(id int32, name string, value func(p *spec.Packet, a, x uint32) uint32) helper.Helper {
	return helper.Helper{ID: id, Name: name, Args: []helper.Arg{helper.Context},
		Func: func(c *helper.Call, _, a, x, _, _ uint64) (uint64, error) {
			if c.Packet == nil {
				return 0, errors.New("there is no packet")
			}
			return uint64(value(c.Packet, uint32(a), uint32(x))), nil
		}}
}

// helperName returns the name of the helper with the given number.
func helperName(id int32) (string, bool) {
	for i := range classicHelpers {
		if classicHelpers[i].ID == id {
			return classicHelpers[i].Name, true
		}
	}
	return helper.Name(id)
}

// helperID is the reverse of helperName.
func helperID(name string) (int32, bool) {
	for i := range classicHelpers {
		if classicHelpers[i].Name == name {
			return classicHelpers[i].ID, true
		}
	}
	return helper.ID(name)
}
