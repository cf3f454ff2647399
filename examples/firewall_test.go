package examples_test

import (
	"testing"

	"github.com/skepbpf/skep"
)

// counter is struct counter.
type counter struct{ Packets, Bytes uint64 }

// TestFirewall runs the firewall over the capture: with a network blocked, and telnet and printing closed.
func TestFirewall(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		c := load(t, "firewall", engine, nil)
		defer c.Close()
		type network4 struct {
			Bits uint32
			Addr [4]byte
		}
		type network6 struct {
			Bits uint32
			Addr [16]byte
		}
		blocked4, blocked6 := network4{24, [4]byte{203, 0, 113}}, network6{48, [16]byte{0x20, 1, 0xd, 0xb8, 0, 2}}
		if err := c.Maps["blocked4"].Put(blocked4, counter{}); err != nil {
			t.Fatal(err)
		}
		if err := c.Maps["blocked6"].Put(blocked6, counter{}); err != nil {
			t.Fatal(err)
		}
		packets := capture(t)
		var want [5]counter // as user space sees it
		var want4, want6 counter
		for i, p := range packets {
			verdict, _ := run(t, c.Programs["firewall"], p)
			outcome := classify(p)
			want[outcome].Packets++
			want[outcome].Bytes += uint64(len(p))
			if outcome == 1 && be16(p[12:]) == 0x800 {
				want4.Packets++
				want4.Bytes += uint64(len(p))
			} else if outcome == 1 {
				want6.Packets++
				want6.Bytes += uint64(len(p))
			}
			if pass := outcome == 0 || outcome == 4; pass != (verdict == xdpPass) || !pass && verdict != xdpDrop {
				t.Errorf("packet %d, outcome %d: verdict %d", i, outcome, verdict)
			}
		}
		for outcome, w := range want {
			each := make([]counter, c.Maps["counters"].CPUs())
			if err := c.Maps["counters"].Lookup(uint32(outcome), &each); err != nil {
				t.Fatal(err)
			}
			var sum counter
			for _, n := range each {
				sum.Packets += n.Packets
				sum.Bytes += n.Bytes
			}
			if sum != w {
				t.Errorf("outcome %d: %+v, want %+v", outcome, sum, w)
			}
		}
		var got counter
		if err := c.Maps["blocked4"].Lookup(blocked4, &got); err != nil || got != want4 || got.Packets == 0 {
			t.Errorf("%+v, %v, want %+v", got, err, want4)
		}
		if err := c.Maps["blocked6"].Lookup(blocked6, &got); err != nil || got != want6 || got.Packets == 0 {
			t.Errorf("%+v, %v, want %+v", got, err, want6)
		}
		if want[2].Packets == 0 || want[4].Packets == 0 {
			t.Errorf("the capture shows too little: %+v", want)
		}
	})
}

// classify is the firewall in Go.
func classify(p []byte) int {
	if len(p) < 14 {
		return 3
	}
	protocol, next := byte(0), 0
	switch be16(p[12:]) {
	case 0x800:
		if len(p) < 34 || p[14]&15 < 5 {
			return 3
		}
		if p[26] == 203 && p[27] == 0 && p[28] == 113 {
			return 1
		}
		if be16(p[20:])&0x1fff != 0 {
			return 0
		}
		protocol, next = p[23], 14+int(p[14]&15)*4
	case 0x86dd:
		if len(p) < 54 {
			return 3
		}
		if be16(p[22:]) == 0x2001 && be16(p[24:]) == 0xdb8 && be16(p[26:]) == 2 {
			return 1
		}
		protocol, next = p[20], 54
	default:
		return 4
	}
	if protocol != 6 && protocol != 17 {
		return 0
	}
	if len(p) < next+4 {
		return 3
	}
	if port := be16(p[next+2:]); port == 23 || port == 631 {
		return 2
	}
	return 0
}
