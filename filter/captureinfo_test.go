package filter_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gopacket/gopacket"

	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/pcap"
)

// TestMatches gives packets to a filter as gopacket has them: its type is taken as it is.
func TestMatches(t *testing.T) {
	tcp := packet(60)
	tcp[12], tcp[13], tcp[14], tcp[23] = 8, 0, 0x45, 6
	for _, c := range []struct {
		expr   string
		length int
		want   bool
	}{
		{"tcp", 60, true},
		{"udp", 60, false},
		{"greater 1000", 1514, true},
		{"greater 1000", 60, false},
		{"tcp and less 1000", 1514, false},
		{"tcp and len == 1514", 1514, true},
		{"len == 60", 0, true}, // less than there are bytes
	} {
		f, err := filter.Compile(c.expr, &pcap.Options{LinkType: pcap.LinkTypeEthernet, SnapLen: 60})
		if err != nil {
			t.Fatal(err)
		}
		ci := gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: len(tcp), Length: c.length}
		if got := f.Matches(ci, tcp); got != c.want {
			t.Errorf("%s, %d bytes on the wire: %v", c.expr, c.length, got)
		}
		if n := testing.AllocsPerRun(100, func() { f.Matches(ci, tcp) }); n != 0 && !raced {
			t.Errorf("%s: %v allocations", c.expr, n)
		}
	}
}

func ExampleFilter_Matches() {
	f, err := filter.Compile("tcp or greater 1000", nil)
	if err != nil {
		panic(err)
	}
	// What gopacket's ReadPacketData returns: the first 60 bytes of a longer frame.
	data, ci := make([]byte, 60), gopacket.CaptureInfo{CaptureLength: 60, Length: 1514}
	fmt.Println(f.Matches(ci, data))
	// Output: true
}
