// Implements the tests of explanations.

package pcap_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// sound reports what is wrong with a term of an explanation of expr, "" if nothing.
func sound(t *pcap.Term, expr string, onward bool) string {
	if t.Column < 1 || t.Length < 1 || t.Column-1+t.Length > len(expr) {
		return fmt.Sprintf("a term at column %d, length %d", t.Column, t.Length)
	}
	if t.Operator == pcap.Primitive {
		words := strings.Join(strings.Fields(expr[t.Column-1:t.Column-1+t.Length]), " ")
		switch {
		case !strings.HasSuffix(t.Text, words), !t.Inherited && t.Text != words:
			return fmt.Sprintf("%q is said to stand at %q", t.Text, words)
		case t.Outcome == pcap.NotAsked && len(t.Tests) > 0:
			return "tests without an outcome"
		case t.Outcome == pcap.Impossible && t.Tests[len(t.Tests)-1].Outcome != pcap.Impossible && !onward:
			return "nothing impossible was asked of " + t.Text
		}
		return ""
	}
	last := t.Terms[0].Outcome
	for _, inner := range t.Terms {
		if s := sound(inner, expr, onward); s != "" {
			return s
		}
		if inner.Outcome != pcap.NotAsked {
			last = inner.Outcome
		}
	}
	want := last
	if t.Operator == pcap.Not && last != pcap.Impossible && last != pcap.NotAsked {
		want = pcap.True + pcap.False - last
	}
	if t.Outcome != want && !onward {
		return fmt.Sprintf("%v is %v, its last term %v", t.Operator, t.Outcome, last)
	}
	return ""
}

// checkExplanation holds an explanation against the verdict of the program.
func checkExplanation(t *testing.T, e *pcap.Explainer, vm *classic.VM, p *spec.Packet) *pcap.Explanation {
	t.Helper()
	expr := e.Program().Expression()
	x := e.Explain(p)
	fault := ""
	if x.Match != (vm.Run(p, nil) != 0) {
		fault = "another verdict than the program's"
	}
	if x.Root != nil {
		switch o := x.Root.Outcome; {
		case x.Headers != nil && x.Headers.Outcome != pcap.True && !x.Onward:
			if x.Match {
				fault = "a match without headers"
			}
		case x.Match && o != pcap.True:
			fault = fmt.Sprintf("a match, and the expression is %v", o)
		case !x.Match && o == pcap.True && x.Outside == nil:
			fault = "no match, and the expression is true"
		}
		if s := sound(x.Root, expr, x.Onward); s != "" {
			fault = s
		}
	}
	if o := x.Outside; o != nil && (!o.Outside || o.Offset+o.Length <= len(p.Data)) {
		fault = fmt.Sprintf("%v is not outside", o)
	}
	if fault != "" {
		t.Fatalf("%v | %s: %s\n%x\n%v", e.Program().LinkType(), expr, fault, p.Data, x)
	}
	return x
}

func TestExplainAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	count := map[string]int{}
	one := func(link pcap.LinkType, expr string, packets int) {
		e, err := pcap.NewExplainer(expr, &pcap.Options{LinkType: link})
		if err != nil {
			if _, other := pcap.Compile(expr, &pcap.Options{LinkType: link}); other == nil || other.Error() != err.Error() {
				t.Fatalf("%v | %s: %v, Compile says %v", link, expr, err, other)
			}
			return
		}
		vm, err := classic.NewVM(e.Program().Raw())
		if err != nil {
			t.Fatal(err)
		}
		count["expressions"]++
		all := hints(e.Program().Raw())
		for range packets {
			data := packet(r, all, captures()[link])
			p := &spec.Packet{Data: data, PktType: uint8(r.IntN(5)), IfIndex: uint32(r.IntN(5))}
			if r.IntN(4) == 0 {
				p.WireLen = len(data) + r.IntN(1000)
			}
			x := checkExplanation(t, e, vm, p)
			count["packets"]++
			if x.Match {
				count["matches"]++
			}
			if x.Outside != nil {
				count["outside"]++
			}
			if x.Onward {
				count["onward"]++
			}
			if r.IntN(10) == 0 && x.String() == "" {
				t.Fatal("no text")
			}
		}
	}
	links, exprs := listed(t)
	for i, link := range links {
		one(link, exprs[i], 20)
	}
	for range 1000 {
		expr, link, _ := drawn(r)
		one(link, expr, 40)
	}
	frame := ethernet(0x800, ipv4(6, []byte{0, 80, 1, 187, 0, 0, 0, 0}))
	for _, expr := range []string{
		"host 10.9.9.9 or 10.0.0.1", "host 10.9.9.9 or 192.0.2.1", "not src 10.0.0.7 and not dst 10.0.0.1", "port 443 or 80",
		"not (port 443 or 80) or src port 80", "dst port 443 and not src port 80 or tcp", "tcp[2:2] = 443 or tcp",
		"src 10.0.0.1 or dst 10.0.0.1 or src 10.0.0.2 and not port 80",
	} {
		e, err := pcap.NewExplainer(expr, nil)
		if err != nil {
			t.Fatal(err)
		}
		vm, err := classic.NewVM(e.Program().Raw())
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(frame) + 1 {
			if checkExplanation(t, e, vm, &spec.Packet{Data: frame[:n]}).Onward {
				count["onward"]++
			}
		}
	}
	t.Log(count)
	if count["matches"] < count["packets"]/10 || count["outside"] == 0 || count["onward"] < 5 {
		t.Error("too little was met: a test of little")
	}
}

// Packets of a socket have their VLAN tag beside the bytes.
func TestExplainSocket(t *testing.T) {
	r := rand.New(rand.NewPCG(33, 34))
	opts := &pcap.Options{LinkType: pcap.LinkTypeEthernet, Source: pcap.SourceSocket}
	for _, expr := range []string{"vlan 5 and ip", "not vlan", "vlan and vlan 6 and ip", "ip or vlan 5 and vlan 6", "inbound and vlan", "ifindex 3 or tcp"} {
		e, err := pcap.NewExplainer(expr, opts)
		if err != nil {
			t.Fatal(err)
		}
		vm, err := classic.NewVM(e.Program().Raw())
		if err != nil {
			t.Fatal(err)
		}
		all := hints(e.Program().Raw())
		for range 300 {
			checkExplanation(t, e, vm, &spec.Packet{Data: packet(r, all, captures()[pcap.LinkTypeEthernet]), PktType: uint8(r.IntN(5)),
				IfIndex: uint32(r.IntN(5)), VLANPresent: r.IntN(2) == 0, VLANTCI: uint16(4 + r.IntN(3))})
		}
		if c, err := pcap.Same(context.Background(), expr, "not not ("+expr+")", opts); err != nil || c.Result != pcap.Equal {
			t.Errorf("%s: %v, %v", expr, c.Result, err)
		}
		if c, err := pcap.Same(context.Background(), expr, "arp and vlan 7", opts); err != nil || c.Result != pcap.Different {
			t.Errorf("%s: %v, %v", expr, c.Result, err)
		}
	}
}

func TestExplainTerms(t *testing.T) {
	tests := []struct{ expr, want string }{
		{"tcp port 80 or 443", "or[tcp port 80@1+11 tcp port 443@16+3*]"},
		{"not  src  host (10.0.0.1 or 10.0.0.2) and arp", "and[not[or[src host 10.0.0.1@17+8* src host 10.0.0.2@29+8*]] arp@43+3]"},
		{"port http and not 443", "and[port http@1+9 not[port 443@19+3*]]"},
		{"(ip[0] & 15) > 5 && len<=100", "and[(ip[0] & 15) > 5@1+16 len<=100@21+8]"},
		{"((ip6 or (arp)) and broadcast)", "and[or[ip6@3+3 arp@11+3] broadcast@21+9]"},
		{"ip proto \\tcp or vlan 5 and (6=6 or ip)", "and[or[ip proto \\tcp@1+13 vlan 5@18+6] or[6=6@30+3 ip@37+2]]"},
		{"host 1.2.3.4 or (1.2.3.5) or not 1.2.3.6", "or[host 1.2.3.4@1+12 host 1.2.3.5@18+7* not[host 1.2.3.6@34+7*]]"},
	}
	var show func(t *pcap.Term) string
	show = func(t *pcap.Term) string {
		if t.Operator == pcap.Primitive {
			s := fmt.Sprintf("%s@%d+%d", t.Text, t.Column, t.Length)
			if t.Inherited {
				s += "*"
			}
			return s
		}
		var all []string
		for _, inner := range t.Terms {
			all = append(all, show(inner))
		}
		return t.Operator.String() + "[" + strings.Join(all, " ") + "]"
	}
	for _, test := range tests {
		e, err := pcap.NewExplainer(test.expr, &pcap.Options{LinkType: pcap.LinkTypeEthernet, NoOptimize: true})
		if err != nil {
			t.Errorf("%s: %v", test.expr, err)
			continue
		}
		if got := show(e.Explain(&spec.Packet{}).Root); got != test.want {
			t.Errorf("%s:\n%s\nexpected\n%s", test.expr, got, test.want)
		}
	}
	if _, err := pcap.NewExplainer("tcp prot 80", nil); err == nil {
		t.Error("a wrong expression is explained")
	}
	e, err := pcap.NewExplainer(" ", nil)
	if err != nil {
		t.Fatal(err)
	}
	if x := e.Explain(&spec.Packet{}); !x.Match || x.Root != nil {
		t.Errorf("the empty expression: %v", x)
	}
}

// FuzzExplain takes any text and packet: nothing may panic, and the explanation must go with the verdict.
func FuzzExplain(f *testing.F) {
	links, exprs := listed(f)
	for i, e := range exprs {
		f.Add(e, uint16(links[i]), []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x08\x00\x45\x00\x00\x28"))
	}
	f.Fuzz(func(t *testing.T, expr string, link uint16, data []byte) {
		if len(expr) > 1000 {
			return
		}
		e, err := pcap.NewExplainer(expr, &pcap.Options{LinkType: pcap.LinkType(link % 300)})
		if err != nil {
			return
		}
		vm, err := classic.NewVM(e.Program().Raw())
		if err != nil {
			t.Fatal(err)
		}
		_ = checkExplanation(t, e, vm, &spec.Packet{Data: data}).String()
	})
}
