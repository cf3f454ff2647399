// Implements the tests of Compile by itself: errors, options, names, and the golden file.

package pcap_test

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

var update = flag.Bool("update", false, "write the golden file anew")

// shown are the expressions whose code stands in the golden file in full, where their link type is Ethernet or
// the only one.
var shown = map[string]bool{
	"": true, "tcp port 80 or 443": true, "host 10.0.0.1 and not arp": true, "vlan 100 and ip": true, "mpls and ip6 and tcp port 80": true,
	"pppoes 0x27 and ip": true, "geneve 0xb and ip": true, "vxlan 5 and ip": true, "wlan host 1:2:3:4:5:6 and ip": true,
	"tcp[13] & 2 != 0": true, "ip6 host ::1 and action pass": true, "lane and ip": true, "opc 1234 and dpc 4321": true,
	"portrange 80-90": true, "net 10.1.2/24": true, "atalk or aarp or decnet": true, "ip broadcast": true,
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420":                               true,
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)": true,
}

// The golden file tells for each listed expression whether it compiles, to how many instructions, and the code
// of some; it needs no tcpdump.
func TestGolden(t *testing.T) {
	var b strings.Builder
	links, exprs := listed(t)
	seen := map[string]bool{}
	for i, expr := range exprs {
		if strings.Contains(expr, "loopback") && strings.Contains(expr, "net ") {
			continue // depends on the system's /etc/networks
		}
		p, err := pcap.Compile(expr, &pcap.Options{LinkType: links[i]})
		fmt.Fprintf(&b, "%v | %s\n", links[i], expr)
		if err != nil {
			fmt.Fprintf(&b, "\terror: %v\n", err)
			continue
		}
		plain, err := pcap.Compile(expr, &pcap.Options{LinkType: links[i], NoOptimize: true})
		if err != nil {
			t.Errorf("%v | %s: not optimised: %v", links[i], expr, err)
			continue
		}
		fmt.Fprintf(&b, "\t%d instructions, %d not optimised\n", len(p.Raw()), len(plain.Raw()))
		if shown[expr] && !seen[expr] {
			seen[expr] = true
			for line := range strings.Lines(p.String()) {
				fmt.Fprintf(&b, "\t%s\n", strings.TrimRight(line, "\n"))
			}
		}
	}
	const file = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, wanted := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	where := ""
	for i := range min(len(got), len(wanted)) {
		if !strings.HasPrefix(got[i], "\t") {
			where = got[i]
		}
		if got[i] != wanted[i] {
			t.Fatalf("golden.txt:%d, at %s:\ngot  %s\nwant %s\n(-update writes the file anew)", i+1, where, got[i], wanted[i])
		}
	}
	if len(got) != len(wanted) {
		t.Errorf("golden.txt has %d lines, expected %d", len(wanted), len(got))
	}
	for expr := range shown {
		if !seen[expr] {
			t.Errorf("%q is not listed", expr)
		}
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		expr   string
		column int
		text   string
	}{
		{"tcp prot 80", 5, `such as host, net or port (is it "port"?)`},
		{"tcp and", 8, "the expression ends here: expected a condition"},
		{"tcp udp", 5, `expected "and", "or" or the end of the expression, found the keyword "udp"`},
		{"(tcp", 5, "expected a closing parenthesis"},
		{"tcp)", 4, `expected "and", "or" or the end`},
		{"host", 5, "expected an address or host name"},
		{"port", 5, "expected a port number or service name"},
		{"port http-alt-nope", 6, "no service called"},
		{"port 70000", 6, "70000 is no port: expected 0 to 65535"},
		{"udp port http", 10, "the service http is of tcp, not of udp"},
		{"ip port 80", 9, "expected tcp, udp, sctp or nothing before port"},
		{"80", 1, "such as host or port, or a comparison behind it"},
		{"1.2.3.4", 1, "such as host, net or port"},
		{"tcp or 80", 8, "has none to take over"},
		{"host 1.2.3.400", 6, "numbers below 256"},
		{"net 10.0.0.1/8", 5, "bits set behind the 8"},
		{"net 10.0.0.0/40", 5, "up to 32 bits, not 40"},
		{"host 10.0.0.0/8", 6, "expected net before it"},
		{"ether host 1.2.3.4", 12, "needs an Ethernet address"},
		{"host 1:2:3:4:5:6", 6, "goes with ether host"},
		{"tcp host 1.2.3.4", 10, "expected ip, arp, rarp or nothing"},
		{"host foo.example", 6, `"foo.example" is a host name`},
		{"proto tcp", 7, `behind a backslash`},
		{"ether proto foo", 13, `no Ethernet protocol called "foo"`},
		{"ip[0:3] = 1", 6, "expected 1, 2 or 4"},
		{"ip[0 = 1", 6, "expected ] or an operator"},
		{"ip[0] 5", 7, "expected a comparison"},
		{"ip[0] / 0 = 1", 7, "the number behind / is 0"},
		{"ip[0] << 40 = 1", 7, "cannot be shifted by 40"},
		{"iso[0] = 1", 1, "cannot be indexed"},
		{"len = 08", 7, "octal"},
		{"len = 4294967296", 7, "too large"},
		{"vlan 5000", 1, "expected 0 to 4095"},
		{"type mgt", 1, "cannot be asked for in packets of EN10MB"},
		{"llc foo", 1, "no kind of LLC frame"},
		{"tcp ~ 5", 5, `no word can start with '~'`},
		{"ether", 1, "expected an address, proto or an index"},
		{"src or 1.2.3.4", 8, "expected dst"},
		{"lane", 1, "not ATM cells"},
		{"inbound and ifname", 19, "expected the name of an interface"},
		{"tcp and udp", 0, "can never match"},
		{"TCP or udp", 1, "keywords are in lower case"},
		{"hots 10.0.0.1", 1, `(is it "host"?)`},
		{"port 80,443", 8, `expected "or"`},
		{"port 80-90", 6, "goes with portrange"},
		{"port \u00e9", 6, "no word can start with '\u00e9'"},
	}
	for _, test := range tests {
		_, err := pcap.Compile(test.expr, nil)
		if err == nil {
			t.Errorf("%q compiles", test.expr)
			continue
		}
		column := 0
		var e *pcap.Error
		if errors.As(err, &e) {
			column = e.Column
		}
		if column != test.column || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%q: %v\nexpected column %d and %q", test.expr, err, test.column, test.text)
		}
	}
}

func TestOptions(t *testing.T) {
	ethernet := func(change func(*pcap.Options)) *pcap.Options {
		o := &pcap.Options{LinkType: pcap.LinkTypeEthernet}
		change(o)
		return o
	}
	code := func(expr string, o *pcap.Options) string {
		t.Helper()
		p, err := pcap.Compile(expr, o)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		return p.String()
	}
	if s := code("", nil); !strings.Contains(s, "ret      #262144") {
		t.Errorf("without a snap length: %s", s)
	}
	if s := code("", ethernet(func(o *pcap.Options) { o.SnapLen = 96 })); !strings.Contains(s, "ret      #96") {
		t.Errorf("with a snap length: %s", s)
	}
	masked := code("ip broadcast", ethernet(func(o *pcap.Options) { o.Netmask = net.CIDRMask(24, 32) }))
	if !strings.Contains(masked, "and      #0xff\n") {
		t.Errorf("with a netmask: %s", masked)
	}
	if _, err := pcap.Compile("ip broadcast", ethernet(func(o *pcap.Options) { o.Netmask = net.CIDRMask(32, 32) })); err == nil {
		t.Error("a netmask without host bits is accepted")
	}
	if _, err := pcap.Compile("ip", ethernet(func(o *pcap.Options) { o.Netmask = net.CIDRMask(32, 128) })); err == nil {
		t.Error("a netmask of IPv6 is accepted")
	}
	lookup := ethernet(func(o *pcap.Options) {
		o.Resolve = func(host string) ([]netip.Addr, error) {
			if host != "both.example" {
				return nil, errors.New("no such host")
			}
			return []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, nil
		}
	})
	for expr, same := range map[string]string{
		"host both.example":          "host 192.0.2.1 or 2001:db8::1",
		"ip host both.example":       "ip host 192.0.2.1",
		"ip6 dst host both.example":  "ip6 dst host 2001:db8::1",
		"not src host both.example ": "not (src 192.0.2.1 or src 2001:db8::1)",
	} {
		if got, want := code(expr, lookup), code(same, nil); got != want {
			t.Errorf("%s:\n%s\nexpected\n%s", expr, got, want)
		}
	}
	if _, err := pcap.Compile("host other.example", lookup); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("a host that is not found: %v", err)
	}
	file := ethernet(func(o *pcap.Options) { o.Source = pcap.SourceFile })
	for _, expr := range []string{"inbound", "outbound", "ifindex 3"} {
		if _, err := pcap.Compile(expr, file); err == nil {
			t.Errorf("%s is accepted for Ethernet packets of a file", expr)
		}
		if _, err := pcap.Compile(expr, &pcap.Options{LinkType: pcap.LinkTypeLinuxSLL2, Source: pcap.SourceFile}); err != nil {
			t.Error(err)
		}
	}
	if _, err := pcap.Compile("tcp and udp", ethernet(func(o *pcap.Options) { o.NoOptimize = true })); err != nil {
		t.Error(err)
	}
	if _, err := pcap.Compile("tcp and udp", nil); !errors.Is(err, pcap.ErrMatchesNothing) {
		t.Errorf("tcp and udp: %v", err)
	}
}

// The kernel takes the outermost VLAN tag out of packets for sockets; filters for sockets look beside the packet.
func TestVLANOfSocket(t *testing.T) {
	ip := append(make([]byte, 12), 0x08, 0x00, 0x45, 0, 0, 40)
	tagged := func(tag byte, rest []byte) []byte {
		return append(append(append([]byte{}, rest[:12]...), 0x81, 0x00, 0x00, tag), rest[12:]...)
	}
	plain := &spec.Packet{Data: ip}
	apart := &spec.Packet{Data: ip, VLANPresent: true, VLANTCI: 5, VLANProto: 0x8100}
	inside := &spec.Packet{Data: tagged(5, ip)}
	double := &spec.Packet{Data: tagged(6, ip), VLANPresent: true, VLANTCI: 5, VLANProto: 0x8100}
	doubleInside := &spec.Packet{Data: tagged(5, tagged(6, ip))}
	tests := []struct {
		expr  string
		match []bool // plain, apart, inside, double, doubleInside
	}{
		{"vlan", []bool{false, true, true, true, true}},
		{"vlan 5", []bool{false, true, true, true, true}},
		{"vlan 6", []bool{false, false, false, false, false}},
		{"vlan 5 and ip", []bool{false, true, true, false, false}},
		{"vlan 5 and vlan 6", []bool{false, false, false, true, true}},
		{"vlan and vlan 6 and ip", []bool{false, false, false, true, true}},
		{"ip", []bool{true, true, false, false, false}},
		{"not vlan", []bool{true, false, false, false, false}},
	}
	for _, test := range tests {
		for _, plainly := range []bool{false, true} {
			p, err := pcap.Compile(test.expr, &pcap.Options{LinkType: pcap.LinkTypeEthernet, Source: pcap.SourceSocket, NoOptimize: plainly})
			if err != nil {
				t.Fatalf("%s: %v", test.expr, err)
			}
			vm, err := classic.NewVM(p.Raw())
			if err != nil {
				t.Fatal(err)
			}
			for i, packet := range []*spec.Packet{plain, apart, inside, double, doubleInside} {
				if got := vm.Run(packet, nil) != 0; got != test.match[i] {
					t.Errorf("%s: packet %d gives %v\n%v", test.expr, i, got, p)
				}
			}
		}
	}
}

func TestLinkTypes(t *testing.T) {
	for _, name := range []string{"EN10MB", "en10mb", "DLT_EN10MB", "LINKTYPE_ETHERNET", "1"} {
		if l, err := pcap.ParseLinkType(name); l != pcap.LinkTypeEthernet || err != nil {
			t.Errorf("%s: %v, %v", name, l, err)
		}
	}
	for n := range pcap.LinkType(400) {
		name := n.String()
		if strings.Contains(name, " ") || n == 11 || n == 12 || n == 15 || n == 16 || n == 19 { // old numbers
			continue
		}
		if l, err := pcap.ParseLinkType(name); l != n || err != nil {
			t.Errorf("%d is called %s, which is %d (%v)", n, name, l, err)
		}
	}
	if _, err := pcap.ParseLinkType("nonsense"); err == nil {
		t.Error("nonsense is a link type")
	}
	if s := pcap.LinkType(999).String(); s != "link type 999" {
		t.Error(s)
	}
	// Every link type compiles what needs no protocol.
	for n := range pcap.LinkType(400) {
		if _, err := pcap.Compile("len > 5 and link[0] = 1", &pcap.Options{LinkType: n}); err != nil {
			t.Errorf("%v: %v", n, err)
		}
	}
}

func TestProgram(t *testing.T) {
	p, err := pcap.Compile("tcp port 80", nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Expression() != "tcp port 80" || p.LinkType() != pcap.LinkTypeEthernet || len(p.Instructions()) != len(p.Raw()) {
		t.Errorf("%q, %v, %d instructions", p.Expression(), p.LinkType(), len(p.Instructions()))
	}
	p.Raw()[0].K = 7
	if p.Raw()[0].K == 7 {
		t.Error("Raw hands out the program itself")
	}
}
