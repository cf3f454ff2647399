package examples_test

import (
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepbpf/skep"
)

// TestSocketFilter compares the filter with gopacket's reading of the capture.
func TestSocketFilter(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		c := load(t, "sockfilter", engine, nil)
		defer c.Close()
		protocols := map[uint32]uint64{}
		accepted := 0
		for i, data := range capture(t) {
			p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.NoCopy)
			want := 0
			headers := 0
			if p.Layer(layers.LayerTypeDot1Q) != nil {
				continue // the kernel takes tags away before a socket sees the packet
			}
			switch ip := p.NetworkLayer().(type) {
			case *layers.IPv4:
				protocols[uint32(ip.Protocol)]++
				headers = 14 + int(ip.IHL)*4
				if ip.FragOffset != 0 {
					headers = 0
				}
			case *layers.IPv6:
				protocols[uint32(ip.NextHeader)]++
				headers = 54
			}
			if tcp, ok := p.TransportLayer().(*layers.TCP); ok && headers > 0 && tcp.SYN && !tcp.ACK {
				want = headers + int(tcp.DataOffset)*4
				accepted++
			}
			if got, _ := run(t, c.Programs["sockfilter"], data); int(got) != want {
				t.Errorf("packet %d: %d, want %d: %v", i, got, want, p)
			}
		}
		for protocol, want := range protocols {
			var got uint64
			if err := c.Maps["protocols"].Lookup(protocol, &got); err != nil || got != want {
				t.Errorf("protocol %d: %d, %v, want %d", protocol, got, err, want)
			}
		}
		if accepted == 0 {
			t.Error("nothing was accepted")
		}
	})
}
