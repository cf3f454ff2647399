package examples_test

import (
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/skepbpf/skep"
)

// dnsKey is struct name.
type dnsKey struct {
	Bits     uint32
	Reversed [64]byte
}

// dnsKeyOf makes the key of a name.
func dnsKeyOf(name string) (k dnsKey) {
	var wire []byte
	for label := range strings.SplitSeq(name, ".") {
		wire = append(append(wire, byte(len(label))), label...)
	}
	for i := range wire {
		k.Reversed[i] = wire[len(wire)-1-i]
	}
	k.Bits = uint32(8 * len(wire))
	return k
}

func question(t *testing.T, name string) []byte {
	t.Helper()
	ip := ipv4([4]byte{192, 0, 2, 10}, [4]byte{192, 0, 2, 1}, layers.IPProtocolUDP)
	udp := &layers.UDP{SrcPort: 4000, DstPort: 53}
	_ = udp.SetNetworkLayerForChecksum(ip)
	return build(t, ethernet(), ip, udp, &layers.DNS{ID: 77, RD: true, QDCount: 1,
		Questions: []layers.DNSQuestion{{Name: []byte(name), Type: layers.DNSTypeA, Class: layers.DNSClassIN}}})
}

func TestDNS(t *testing.T) {
	engines(t, func(t *testing.T, engine skep.Engine) {
		c := load(t, "dns", engine, nil)
		defer c.Close()
		for _, name := range []string{"ads.example", "tracker.test"} {
			if err := c.Maps["names"].Put(dnsKeyOf(name), uint64(0)); err != nil {
				t.Fatal(err)
			}
		}
		refused := uint64(0)
		for name, blocked := range map[string]bool{"ads.example": true, "www.ads.example": true, "a.b.c.ADS.Example": true, "tracker.test": true,
			"bads.example": false, "example": false, "ads.example.org": false, "test": false, "xtracker.test": false,
			strings.Repeat("long.", 20) + "ads.example": true, strings.Repeat("long.", 20) + "fine.example": false} {
			verdict, out := run(t, c.Programs["dns"], question(t, name))
			if blocked != (verdict == xdpTX) || !blocked && verdict != xdpPass {
				t.Errorf("%s: verdict %d", name, verdict)
			}
			if !blocked {
				continue
			}
			refused++
			p := gopacket.NewPacket(out, layers.LayerTypeEthernet, gopacket.Default)
			answer, ok := p.Layer(layers.LayerTypeDNS).(*layers.DNS)
			ip, _ := p.NetworkLayer().(*layers.IPv4)
			if !ok || !answer.QR || answer.ID != 77 || !answer.RD || answer.ResponseCode != layers.DNSResponseCodeNXDomain || string(answer.Questions[0].Name) != name ||
				ip.DstIP[3] != 10 || ip.SrcIP[3] != 1 {
				t.Errorf("%s: the answer is %v", name, p)
			}
		}
		var n uint64
		if err := c.Variables["refused"].Get(&n); err != nil || n != refused {
			t.Errorf("%d, %v", n, err)
		}
		for i, p := range capture(t) {
			if verdict, _ := run(t, c.Programs["dns"], p); verdict != xdpPass {
				t.Errorf("packet %d: %d", i, verdict)
			}
		}
	})
}
