package examples_test

import (
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
)

// TestRateLimit sends packets of 1,000 bytes through a bucket of 3,000 that gets 100,000 a second.
func TestRateLimit(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		now := uint64(1e12)
		c := load(t, "ratelimit", engine, func(o *skep.CollectionOptions) {
			o.Programs.Env = &helper.Env{Now: func() uint64 { return now }}
		})
		defer c.Close()
		packet := func(from byte) []byte {
			ip := ipv4([4]byte{192, 0, 2, from}, [4]byte{192, 0, 2, 1}, layers.IPProtocolUDP)
			udp := &layers.UDP{SrcPort: 4000, DstPort: 9}
			_ = udp.SetNetworkLayerForChecksum(ip)
			return build(t, ethernet(), ip, udp, gopacket.Payload(make([]byte, 1000-14-20-8)))
		}
		for i, c2 := range []struct {
			from    byte
			after   uint64 // milliseconds
			verdict uint32
		}{
			{1, 0, tcOK}, {1, 0, tcOK}, {1, 0, tcOK}, {1, 0, tcShot}, {2, 0, tcOK},
			{1, 5, tcShot}, {1, 5, tcOK}, {1, 0, tcShot}, {1, 20, tcOK}, {1, 0, tcOK}, {1, 0, tcShot},
			{1, 60000, tcOK}, {1, 0, tcOK}, {1, 0, tcOK}, {1, 0, tcShot},
		} {
			now += c2.after * 1e6
			if verdict, _ := run(t, c.Programs["ratelimit"], packet(c2.from)); verdict != c2.verdict {
				t.Errorf("step %d: %d, want %d", i, verdict, c2.verdict)
			}
		}
		var b struct {
			Lock, Pad                       uint32
			Tokens, Filled, Passed, Dropped uint64
		}
		if err := c.Maps["buckets"].Lookup([4]byte{192, 0, 2, 1}, &b); err != nil || b.Passed != 9 || b.Dropped != 5 || b.Tokens != 0 || b.Filled != now {
			t.Errorf("%+v, %v", b, err)
		}
	})
}
