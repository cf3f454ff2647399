package filter_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/skepbpf/skep/filter"
	"github.com/skepbpf/skep/pcap"
)

// TestMissionS45SocketFilters goes from expressions to verdicts on a capture, by every engine's way in, and compares the
// number of matches with tcpdump's.
func TestMissionS45SocketFilters(t *testing.T) {
	const capture = "../examples/traffic.pcap"
	f, err := os.Open(capture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for {
		data, _, err := r.ReadPacketData()
		if err != nil {
			break
		}
		packets = append(packets, data)
	}
	tcpdump, noTcpdump := exec.LookPath("tcpdump")
	matched := 0
	for _, expr := range []string{"tcp", "udp port 53", "ip6", "arp or icmp", "tcp[tcpflags] & tcp-syn != 0", "vlan", "net 10.0.0.0/8 and not port 443", "greater 500"} {
		flt, err := filter.Compile(expr, &pcap.Options{LinkType: pcap.LinkType(r.LinkType())})
		if err != nil {
			t.Fatal(err)
		}
		verdicts := make([]uint32, len(packets))
		flt.VerdictBatch(packets, verdicts)
		n := 0
		for i, p := range packets {
			if match := flt.Match(p); match != (verdicts[i] != 0) {
				t.Errorf("%s: packet %d: %v alone, %d in a batch", expr, i+1, match, verdicts[i])
			} else if match {
				n++
			}
		}
		matched += n
		if noTcpdump != nil {
			continue
		}
		out, err := exec.Command(tcpdump, "-nn", "--count", "-r", capture, expr).Output()
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Fields(string(out))[0]; want != fmt.Sprint(n) {
			t.Errorf("%s: %d packets match, and tcpdump counts %s", expr, n, want)
		}
	}
	if matched == 0 {
		t.Error("nothing matched")
	}
}
