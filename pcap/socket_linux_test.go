// Implements the differential test of filters for Linux packet sockets, beside which the kernel keeps VLAN tags.

package pcap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// vlanExpression is a random expression about VLANs and what is behind them.
func vlanExpression(g generator) string {
	simple := func() string {
		if g.IntN(3) == 0 {
			return g.pick("vlan", "vlan 7", "vlan 5", "vlan 4095", "inbound", "ifindex 3")
		}
		return g.pick("udp", "tcp port 80", "ip", "ip6", "arp", "host 10.0.0.1", "net 10.0.0.0/8", "ip6 host ::1", "less 70",
			"ether proto 0x88cc", "ether dst 1:2:3:4:5:6", "mpls", "pppoes 3", "ip broadcast", "ether broadcast", "llc", "stp", "ip[8] > 3", "icmp", "portrange 1-100")
	}
	e := simple()
	for range g.IntN(4) {
		next := simple()
		if g.IntN(4) == 0 {
			next = "not " + next
		}
		if g.IntN(3) == 0 {
			next = fmt.Sprintf("(%s %s %s)", next, g.pick("and", "or"), simple())
		}
		e += " " + g.pick("and", "or") + " " + next
	}
	return e
}

// TestSocketAgainstTcpdump compares filters for packet sockets with those that tcpdump makes for the loopback
// interface, on packets whose tag is beside them, inside, or nowhere.
func TestSocketAgainstTcpdump(t *testing.T) {
	needTcpdump(t)
	if _, complaint := tcpdumpWith(t, []string{"-i", "lo"}, "vlan"); complaint != "" {
		t.Skip("tcpdump may not open the loopback interface here: ", complaint)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	g := generator{rng, pcap.LinkTypeEthernet}
	random := 150
	if n, err := strconv.Atoi(os.Getenv("SKEP_PCAP_EXPRESSIONS")); err == nil {
		random = n
	}
	exprs := []string{"vlan 7 or udp", "vlan and udp", "vlan or udp", "not vlan and udp", "vlan and vlan", "vlan 7 and vlan 5 and ip",
		"udp or vlan 7", "vlan 7 or vlan 5", "(vlan 7 or ip) and udp", "vlan and pppoes and ip", "vlan and mpls 5 and ip"}
	for range random {
		exprs = append(exprs, vlanExpression(g))
	}
	known := differences(t)
	opts := &pcap.Options{LinkType: pcap.LinkTypeEthernet, Source: pcap.SourceSocket}
	matched, refused, broken, listed := 0, 0, 0, 0
	for _, expr := range exprs {
		theirs, complaint := tcpdumpWith(t, []string{"-i", "lo"}, expr)
		ours, err := pcap.Compile(expr, opts)
		switch {
		case err != nil && theirs == nil:
			refused++
		case errors.Is(err, pcap.ErrMatchesNothing): // libpcap's optimiser stops before it sees this
		case err != nil:
			t.Errorf("%s: only we refuse it: %v", expr, err)
		case theirs == nil && strings.Contains(complaint, "rejects all packets"):
			if n, _ := socketVerdicts(rng, ours.Raw(), ours.Raw()); n > 0 {
				t.Errorf("%s: libpcap finds that it can never match", expr)
			}
		case theirs == nil:
			t.Errorf("%s: only libpcap refuses it: %s", expr, complaint)
		case classic.Check(theirs) != nil:
			broken++ // it reads scratch memory that it has not written, and the kernel refuses it
		default:
			n, fault := socketVerdicts(rng, ours.Raw(), theirs)
			matched += n
			if fault != "" && !explained(known, "socket", pcap.LinkTypeEthernet, expr) {
				plain, _ := tcpdumpWith(t, []string{"-i", "lo", "-O"}, expr)
				if _, fault = socketVerdicts(rng, ours.Raw(), plain); fault != "" {
					t.Errorf("%s: %s\n%v", expr, fault, ours)
				}
			} else if fault != "" {
				listed++
			}
		}
	}
	t.Logf("%d expressions, %d refused by both, %d that the kernel does not take of libpcap, %d with a difference that is listed, %d matches",
		len(exprs), refused, broken, listed, matched)
	if matched == 0 {
		t.Error("nothing ever matched")
	}
}

// socketVerdicts runs both programs over packets, and returns how many match and what is different.
func socketVerdicts(rng *rand.Rand, ours, theirs []bpf.RawInstruction) (matched int, fault string) {
	a, err := classic.NewVM(ours)
	if err != nil {
		return 0, err.Error()
	}
	b, err := classic.NewVM(theirs)
	if err != nil {
		return 0, err.Error()
	}
	base, all := captures()[pcap.LinkTypeEthernet], hints(theirs)
	for range 500 {
		p := &spec.Packet{Data: append(packet(rng, all, base), make([]byte, 100)...), // long enough for all that is asked
			VLANPresent: rng.IntN(3) == 0, IfIndex: uint32(rng.IntN(5)), PktType: uint8(rng.IntN(5))}
		if p.VLANPresent {
			p.VLANTCI = []uint16{7, 5, 4095, 0xe007}[rng.IntN(4)]
		}
		got, want := a.Run(p, nil), b.Run(p, nil)
		if (got > 0) != (want > 0) {
			return matched, fmt.Sprintf("we say %d, libpcap %d for %+v", got, want, p)
		}
		if got > 0 {
			matched++
		}
	}
	return matched, ""
}
