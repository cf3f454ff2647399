// Implements the tests of comparisons: expressions that are equal, such that are not, and random ones.

package pcap_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

func TestSame(t *testing.T) {
	const equal, short, different = pcap.Equal, pcap.EqualButShort, pcap.Different
	tests := []struct {
		a, b string
		want pcap.Sameness
	}{
		{"tcp", "tcp", equal},
		{"", "", equal},
		{"", "len >= 0", equal},
		{"tcp or udp", "udp or tcp", equal},
		{"tcp port 80", "(ip or ip6) and tcp and port 80", equal},
		{"host 10.0.0.1", "src host 10.0.0.1 or dst host 10.0.0.1", equal},
		{"not (tcp or arp)", "not tcp and not arp", equal},
		{"port 80", "portrange 80-80", equal},
		{"portrange 80-82", "port 80 or 81 or 82", equal},
		{"portrange 80-82", "port 80 or 81 or 83", different},
		{"tcp[13] & 2 != 0", "tcp[tcpflags] & tcp-syn = tcp-syn", equal},
		{"ip[0] & 15 > 5", "ip[0] & 0xf >= 6", equal},
		{"ip[0] * 3 = 120", "ip[0] = 40", equal},
		{"ip[0] * 3 = 120", "ip[0] = 41", different},
		{"ip[0] % 7 = 3 and ip[0] > 240", "ip[0] = 241 or ip[0] = 248 or ip[0] = 255", equal},
		{"ip[0] / ip[1] = 1", "ip[0] / ip[1] = 2", different},
		{"ip[0] - ip[1] = 0", "ip[0] = ip[1]", equal},
		{"ip[0] + ip[1] = 300 and ip[1] = 100", "ip[0] = 200 and ip[1] = 100", equal},
		{"len > 100", "greater 101", equal},
		{"less 59", "len < 60", equal},
		{"ether[100] >= 0", "len > 100", equal},
		{"net 10.0.0.0/8", "net 10.0.0.0/9 or net 10.128.0.0/9", equal},
		{"net 10.0.0.0/8", "net 10.0.0.0/9", different},
		{"tcp and udp", "arp and ip", equal},
		{"tcp and udp", "arp", different},
		{"ip[2:2] = 5 or tcp", "tcp or ip[2:2] = 5", short},
		{"ether[60] = 1 or tcp", "tcp or ether[60] = 1", short},
		{"vlan 5 and ip", "vlan 5 && ether[16:2] = 0x800", equal},
		{"vlan and ip", "ip and vlan", different},
		{"geneve and tcp", "geneve and ip proto 6", different},
		{"vxlan 5 and tcp port 80", "vxlan 5 and port 80 and tcp", equal},
		{"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
			"tcp[((tcp[12:1] & 0xf0) >> 2):2] = 0x4745 and tcp[((tcp[12:1] & 0xf0) >> 2)+2:2] = 0x5420", equal},
		{"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", "tcp[((tcp[12:1] & 0xf0) >> 2):2] = 0x4745", different},
		{"inbound", "not outbound", equal},
		{"inbound", "ifindex 5", different},
		{"ether host 1:2:3:4:5:6", "ether src 1:2:3:4:5:6 or ether dst 1:2:3:4:5:6", equal},
		{"ip6 host ::1", "ip6 net ::1/128", equal},
		{"protochain 6", "ip protochain 6 or ip6 protochain 6", equal},
		{"ip[0] & 15 = 5 and tcp[0] = 1", "ip[0] & 15 = 5 and ip[20] = 1 and tcp", different}, // fragments
		{"ip[0] & 15 = 5 and tcp[0] = 1", "ip[0] & 15 = 5 and ip[6:2] & 0x1fff = 0 and ip[20] = 1 and ip proto 6", equal},
	}
	for _, test := range tests {
		for _, swap := range []bool{false, true} {
			a, b := test.a, test.b
			if swap {
				a, b = b, a
			}
			c, err := pcap.Same(context.Background(), a, b, nil)
			if err != nil {
				t.Errorf("%s, %s: %v", a, b, err)
				continue
			}
			if c.Result != test.want {
				t.Errorf("%s, %s: %v (%s), expected %v", a, b, c.Result, c.Reason, test.want)
			}
			checkComparison(t, a, b, pcap.LinkTypeEthernet, c)
		}
	}
}

// TestSameBehindRadio compares expressions about packets with a header of variable length before the 802.11 header, or
// the log's.
func TestSameBehindRadio(t *testing.T) {
	for _, link := range []pcap.LinkType{pcap.LinkTypeIEEE80211, pcap.LinkTypeRadiotap, pcap.LinkTypePrism, pcap.LinkTypeAVS, pcap.LinkTypePPI, pcap.LinkTypePFLog} {
		for _, test := range []struct {
			a, b  string
			want  pcap.Sameness
			frame bool // about fields of 802.11 headers
		}{
			{"tcp port 80 or 443", "tcp port 443 or 80", pcap.Equal, false},
			{"portrange 80-82", "port 80 or 81 or 82", pcap.Equal, false},
			{"portrange 80-82", "port 80 or 81 or 83", pcap.Different, false},
			{"host 10.0.0.1", "src 10.0.0.1 or dst 10.0.0.1", pcap.Equal, false},
			{"net 10.0.0.0/8", "net 10.0.0.0/9 or net 10.128.0.0/9", pcap.Equal, false},
			{"tcp and udp", "arp and ip", pcap.Equal, false},
			{"tcp", "tcp or udp", pcap.Different, false},
			{"ip[8] < 5 or tcp", "tcp or ip[8] <= 4", pcap.EqualButShort, false},
			{"type mgt", "wlan[0] & 0xc = 0", pcap.Equal, true},
			{"type mgt subtype beacon", "wlan[0] = 0x80", pcap.Different, true},
			{"type data and tcp port 80", "tcp port 80", pcap.Equal, true},
			{"wlan host 1:2:3:4:5:6", "wlan src 1:2:3:4:5:6 or wlan dst 1:2:3:4:5:6", pcap.Equal, true},
			{"wlan host 1:2:3:4:5:6", "wlan addr1 1:2:3:4:5:6", pcap.Different, true},
		} {
			if test.frame && (link == pcap.LinkTypePFLog || link == pcap.LinkTypePPI) {
				continue
			}
			c, err := pcap.Same(context.Background(), test.a, test.b, &pcap.Options{LinkType: link})
			if err != nil || c.Result != test.want || c.Reason != "" {
				t.Errorf("%v | %s | %s: %v (%s), %v, expected %v", link, test.a, test.b, c.Result, c.Reason, err, test.want)
				continue
			}
			checkComparison(t, test.a, test.b, link, c)
			if c.Packet != nil && len(c.Packet.Data) > 200 {
				t.Errorf("%v | %s | %s: the packet has %d bytes", link, test.a, test.b, len(c.Packet.Data))
			}
		}
	}
}

// checkComparison runs the programs over the packet that a comparison shows.
func checkComparison(t *testing.T, a, b string, link pcap.LinkType, c pcap.Comparison) {
	t.Helper()
	if (c.Result == pcap.Different) && c.Packet == nil || c.Packet != nil && c.Result != pcap.Different && c.Result != pcap.EqualButShort {
		t.Fatalf("%v: %s, %s: %v with packet %v", link, a, b, c.Result, c.Packet)
	}
	if (c.Result == pcap.Undecided) != (c.Reason != "") && c.Result != pcap.EqualButShort {
		t.Fatalf("%v: %s, %s: %v with reason %q", link, a, b, c.Result, c.Reason)
	}
	if c.Packet == nil {
		return
	}
	if x, y := accepts(t, a, link, c.Packet), accepts(t, b, link, c.Packet); x == y || x != c.First {
		t.Fatalf("%v: %s, %s: %v and %v, First is %v, for %x", link, a, b, x, y, c.First, c.Packet.Data)
	}
}

// machineOf is a machine that runs an expression, as plain as can be.
func machineOf(t *testing.T, expr string, link pcap.LinkType, plain bool) *classic.VM {
	t.Helper()
	p, err := pcap.Compile(expr, &pcap.Options{LinkType: link, NoOptimize: plain})
	if errors.Is(err, pcap.ErrMatchesNothing) {
		return machineOf(t, expr, link, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	vm, err := classic.NewVM(p.Raw())
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

func accepts(t *testing.T, expr string, link pcap.LinkType, p *spec.Packet) bool {
	t.Helper()
	return machineOf(t, expr, link, true).Run(p, nil) != 0
}

// rewritten is an expression that means the same as expr, but for the order of tests.
func rewritten(r *rand.Rand, expr string, other string) string {
	switch r.IntN(7) {
	case 0:
		return fmt.Sprintf("not (not (%s))", expr)
	case 1:
		return fmt.Sprintf("(%s) and (%[1]s)", expr)
	case 2:
		return fmt.Sprintf("(%s) or (%[1]s)", expr)
	case 3: // absorption
		return fmt.Sprintf("(%s) and ((%[1]s) or (%s))", expr, other)
	case 4:
		return fmt.Sprintf("((%s) and (%s)) or ((%[1]s) and not (%[2]s))", expr, other)
	case 5:
		return fmt.Sprintf("not (not (%s) and not (%[1]s))", expr)
	}
	return fmt.Sprintf("((%s) or (%s)) and (%[1]s)", expr, other)
}

// moves reports whether an expression may move what the ones behind it look at, so that rewriting changes it.
func moves(expr string) bool {
	for _, word := range []string{"vlan", "mpls", "pppoe", "geneve", "vxlan", "lane"} {
		if strings.Contains(expr, word) {
			return true
		}
	}
	return false
}

// asked is a number from the environment, or the usual one.
func asked(t *testing.T, name string, usual int) int {
	t.Helper()
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return usual
}

// Every answer Equal is held against random packets, and every difference is shown by its packet. SKEP_PCAP_PAIRS asks
// for more pairs than the ordinary number, SKEP_PCAP_SEED for others.
func TestSameRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(uint64(asked(t, "SKEP_PCAP_SEED", 41)), 42))
	count := map[string]map[string]int{}
	var slowest time.Duration
	for i := range asked(t, "SKEP_PCAP_PAIRS", 250) {
		a, link, plain := drawn(r)
		kind, b := "random", ""
		other, otherLink, _ := drawn(r)
		for otherLink != link {
			other, otherLink, _ = drawn(r)
		}
		if a == "" || other == "" {
			continue
		}
		switch b = other; i % 4 {
		case 1, 2:
			if moves(a) || moves(other) {
				continue
			}
			kind, b = "rewritten", rewritten(r, a, other)
		case 3:
			if moves(a) || moves(other) {
				continue
			}
			op := []string{"and", "or"}[r.IntN(2)]
			kind, a, b = "commuted", fmt.Sprintf("(%s) %s (%s)", a, op, other), fmt.Sprintf("(%[3]s) %[2]s (%[1]s)", a, op, other)
		}
		start := time.Now()
		c, err := pcap.Same(context.Background(), a, b, &pcap.Options{LinkType: link})
		slowest = max(slowest, time.Since(start))
		if err != nil {
			if !strings.Contains(err.Error(), "scratch memory") && !strings.Contains(err.Error(), "needs a word in front") {
				t.Fatalf("%v | %s | %s: %v", link, a, b, err)
			}
			continue
		}
		if count[kind] == nil {
			count[kind] = map[string]int{}
		}
		count[kind][c.Result.String()]++
		checkComparison(t, a, b, link, c)
		// Where one divides by 0, or asks for what no packet has (as expressions for JUNIPER_ES may, which knows
		// no network layer), the order of tests decides.
		if kind != "random" && c.Result == pcap.Different && link.String() != "JUNIPER_ES" && !isShort(t, a, link, c.Packet.Data) && !isShort(t, b, link, c.Packet.Data) {
			t.Errorf("%v | %s | %s: different, for %x", link, a, b, c.Packet.Data)
		}
		if c.Result == pcap.Undecided || c.Result == pcap.Different {
			continue
		}
		refute(t, r, a, b, link, c, hints(plain.Raw()))
	}
	t.Logf("%v; the slowest took %v", count, slowest)
	for kind, results := range count {
		if all := results["equal"] + results["different"] + results["equal but for short packets"]; all < 9*results["undecided"] {
			t.Errorf("of %s pairs, too many are undecided", kind)
		}
	}
	if count["rewritten"]["equal"] == 0 || count["random"]["different"] == 0 {
		t.Error("too little was met: a test of little")
	}
}

// refute looks for a packet that two expressions treat differently although they are said to be equal.
func refute(t *testing.T, r *rand.Rand, a, b string, link pcap.LinkType, c pcap.Comparison, all []hint) {
	t.Helper()
	x, y := machineOf(t, a, link, false), machineOf(t, b, link, true)
	for range 300 {
		data := packet(r, all, captures()[link])
		p := &spec.Packet{Data: data, PktType: uint8(r.IntN(5)), IfIndex: uint32(r.IntN(5))}
		if got, want := x.Run(p, nil) != 0, y.Run(p, nil) != 0; got != want {
			if c.Result == pcap.EqualButShort && (isShort(t, a, link, data) || isShort(t, b, link, data)) {
				continue
			}
			t.Fatalf("%v | %s | %s are said to be %v, but %v and %v for %x", link, a, b, c.Result, got, want, data)
		}
	}
}

// isShort reports whether the program of an expression comes to a load outside of a packet.
func isShort(t *testing.T, expr string, link pcap.LinkType, data []byte) bool {
	t.Helper()
	for _, plain := range []bool{false, true} {
		if p, err := pcap.Compile(expr, &pcap.Options{LinkType: link, NoOptimize: plain}); err == nil {
			if _, short := runShort(p.Raw(), data); short || hasMetadata(p.Raw()) { // which runShort does not know
				return true
			}
		}
	}
	return false
}

func TestSameLimits(t *testing.T) {
	long := func(from, to int, between string) string {
		var all []string
		for i := from; i != to; i += (to - from) / max(to-from, from-to) {
			all = append(all, fmt.Sprintf("host 10.0.%d.%d", i/250, i%250))
		}
		return strings.Join(all, between)
	}
	ctx := context.Background()
	for _, test := range []struct {
		a, b string
		want pcap.Sameness
	}{
		{long(0, 200, " or "), long(199, -1, " or "), pcap.Equal},
		{long(0, 200, " or "), long(0, 199, " or "), pcap.Different},
		{"not (" + long(0, 100, " or ") + ")", "not " + long(0, 100, " and not "), pcap.Equal},
		{strings.Repeat("(", 400) + "tcp" + strings.Repeat(")", 400), "tcp", pcap.Equal},
	} {
		start := time.Now()
		c, err := pcap.Same(ctx, test.a, test.b, nil)
		if err != nil || c.Result != test.want {
			t.Errorf("%.60s: %v (%s, error %v), expected %v", test.a, c.Result, c.Reason, err, test.want)
		}
		t.Logf("%.30s...: %v", test.a, time.Since(start))
		checkComparison(t, test.a, test.b, pcap.LinkTypeEthernet, c)
	}
	// The work has an end.
	var a, b []string
	for i := range 60 {
		a = append(a, fmt.Sprintf("ip[%d:4] * 3 = %d", 20+4*i, 9+3*i))
		b = append(b, fmt.Sprintf("ip[%d:4] = %d", 20+4*i, 3+i))
	}
	start := time.Now()
	c, err := pcap.Same(ctx, strings.Join(a, " or "), strings.Join(b, " or "), nil)
	t.Logf("hard: %v (%s, error %v) after %v, %d ways", c.Result, c.Reason, err, time.Since(start), c.Ways)
	if err != nil || c.Result != pcap.Undecided || time.Since(start) > time.Minute {
		t.Errorf("multiplications: %v, %v after %v", c.Result, err, time.Since(start))
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if c, err := pcap.Same(ended, strings.Join(a, " or "), strings.Join(b, " and "), nil); !errors.Is(err, context.Canceled) || c.Result != pcap.Undecided && c.Result != pcap.Different {
		t.Errorf("cancelled: %v, %v", c.Result, err)
	}
	if _, err := pcap.Same(ctx, "tcp", "tcp prot 80", nil); err == nil || !strings.HasPrefix(err.Error(), "second expression: column 5: ") {
		t.Errorf("a wrong expression: %v", err)
	}
	if c, err := pcap.Same(ctx, "tcp", "udp", &pcap.Options{LinkType: pcap.LinkTypeEthernet, SnapLen: 20}); err != nil || c.Result != pcap.Equal {
		t.Errorf("packets of up to 20 bytes: %v, %v", c.Result, err)
	}
}

// FuzzSame takes any two texts: nothing may panic, and no random packet may refute an answer.
func FuzzSame(f *testing.F) {
	f.Add("tcp port 80", "port 80 and tcp", uint16(1), uint64(1))
	f.Add("ip[0] / ip[1] = 1", "vlan and geneve and ip6", uint16(1), uint64(2))
	f.Add("wlan addr1 1:2:3:4:5:6", "not type mgt or inbound", uint16(127), uint64(3))
	f.Fuzz(func(t *testing.T, a, b string, number uint16, seed uint64) {
		link := pcap.LinkType(number % 300)
		r := rand.New(rand.NewPCG(seed, 1))
		if seed%2 == 0 {
			a, link, _ = drawn(r)
			b = rewritten(r, a, "len > 50")
		}
		if len(a)+len(b) > 500 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		c, err := pcap.Same(ctx, a, b, &pcap.Options{LinkType: link})
		if ctx.Err() != nil {
			t.Fatalf("%v | %s | %s: more than 10 seconds, %d ways", link, a, b, c.Ways)
		}
		if err != nil {
			return
		}
		checkComparison(t, a, b, link, c)
		if c.Result == pcap.Equal || c.Result == pcap.EqualButShort {
			refute(t, r, a, b, link, c, nil)
		}
	})
}
