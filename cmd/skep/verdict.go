// Implements the names of verdicts: what the numbers that programs return mean for each type.

package main

import (
	"cmp"
	"fmt"
	"strconv"

	"github.com/skepbpf/skep/spec"
)

// The actions, by number (linux/bpf.h, linux/pkt_cls.h). tc counts from TC_ACT_UNSPEC, -1.
var (
	xdpActions = []string{"XDP_ABORTED", "XDP_DROP", "XDP_PASS", "XDP_TX", "XDP_REDIRECT"}
	tcActions  = []string{"TC_ACT_UNSPEC", "TC_ACT_OK", "TC_ACT_RECLASSIFY", "TC_ACT_SHOT", "TC_ACT_PIPE",
		"TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_REPEAT", "TC_ACT_REDIRECT", "TC_ACT_TRAP"}
)

// verdict is a program's answer: the number as its type takes it, and what that means, if anything.
type verdict struct {
	value int64 // plain functions: the bits of R0
	plain bool
	name  string
}

func (v verdict) String() string {
	switch {
	case v.name != "":
		return v.number() + " " + v.name
	case v.plain && (v.value < 0 || v.value > 9):
		return fmt.Sprintf("%d (%#x)", uint64(v.value), uint64(v.value))
	}
	return v.number()
}

// number returns the verdict in decimal.
func (v verdict) number() string {
	if v.plain {
		return fmt.Sprint(uint64(v.value))
	}
	return fmt.Sprint(v.value)
}

// bits returns R0 as an unsigned decimal number.
func (v verdict) bits() string {
	if v.plain {
		return strconv.FormatUint(uint64(v.value), 10)
	}
	return strconv.FormatUint(uint64(uint32(v.value)), 10)
}

// compare orders verdicts by their numbers.
func (v verdict) compare(o verdict) int {
	if v.plain {
		return cmp.Compare(uint64(v.value), uint64(o.value))
	}
	return cmp.Compare(v.value, o.value)
}

// verdictOf says what R0 means at the end of a program of the given type.
func verdictOf(t spec.ProgramType, r0 uint64) verdict {
	v := verdict{value: int64(uint32(r0))}
	switch t {
	case spec.SocketFilter:
		v.name = "accept"
		if v.value == 0 {
			v.name = "drop"
		}
	case spec.CGroupSKB:
		v.name = map[int64]string{0: "deny", 1: "allow"}[v.value]
	case spec.XDP:
		v.name = action(xdpActions, v.value)
	case spec.SchedCLS, spec.SchedACT:
		v.value = int64(int32(r0))
		v.name = action(tcActions, v.value+1)
	case spec.Unspec:
		v = verdict{value: int64(r0), plain: true}
	}
	return v
}

func action(names []string, n int64) string {
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	return ""
}

// keeps returns how many of a packet's n bytes go on their way after a verdict, and whether it goes at all.
func keeps(t spec.ProgramType, v verdict, n int) (int, bool) {
	switch t {
	case spec.SocketFilter:
		return int(min(int64(n), v.value)), v.value != 0
	case spec.XDP:
		return n, v.name == "XDP_PASS" || v.name == "XDP_TX" || v.name == "XDP_REDIRECT"
	case spec.SchedCLS, spec.SchedACT:
		switch v.name {
		case "TC_ACT_SHOT", "TC_ACT_STOLEN", "TC_ACT_QUEUED", "TC_ACT_TRAP":
			return 0, false
		}
	}
	return n, true
}
