// Implements the differential test: expressions compiled here and by tcpdump decide alike about packets.

package pcap_test

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

// difference is a row of testdata/differences.txt: something that is to stay different from libpcap.
type difference struct {
	kind       string // what is different: see the head of the file
	link, expr *regexp.Regexp
	reason     string
	used       int
}

func differences(t *testing.T) []*difference {
	t.Helper()
	b, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []*difference
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		part := strings.Split(line, " :: ")
		if len(part) != 4 {
			t.Fatalf("differences.txt: %q has %d parts, expected 4", line, len(part))
		}
		all = append(all, &difference{kind: part[0], link: regexp.MustCompile("^(" + part[1] + ")$"),
			expr: regexp.MustCompile(part[2]), reason: part[3]})
	}
	return all
}

func explained(all []*difference, kind string, link pcap.LinkType, expr string) bool {
	for _, d := range all {
		if d.kind == kind && d.link.MatchString(link.String()) && d.expr.MatchString(expr) {
			d.used++
			return true
		}
	}
	return false
}

// listed returns the expressions of testdata/expressions.txt with their link types.
func listed(t testing.TB) (links []pcap.LinkType, exprs []string) {
	t.Helper()
	f, err := os.Open("testdata/expressions.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		names, expr, _ := strings.Cut(line, "|")
		for _, name := range strings.Fields(names) {
			link, err := pcap.ParseLinkType(name)
			if err != nil {
				t.Fatal(err)
			}
			links, exprs = append(links, link), append(exprs, strings.TrimSpace(expr))
		}
	}
	return links, exprs
}

// tested are the link types that random expressions are drawn for, the common ones more often.
var tested = []string{"EN10MB", "EN10MB", "EN10MB", "EN10MB", "EN10MB", "EN10MB", "EN10MB", "EN10MB", "RAW", "IPV4", "IPV6", "NULL", "LOOP",
	"LINUX_SLL", "LINUX_SLL", "LINUX_SLL2", "IEEE802_11", "IEEE802_11_RADIO", "IEEE802_11_RADIO", "PRISM_HEADER", "IEEE802_11_RADIO_AVS",
	"PPI", "PPP", "PPP_SERIAL", "PPP_ETHER", "PPP_BSDOS", "FDDI", "IEEE802", "ARCNET", "ARCNET_LINUX", "ATM_RFC1483", "SUNATM", "IP_OVER_FC",
	"PFLOG", "C_HDLC", "FRELAY", "MTP2", "MTP2_WITH_PHDR", "MTP3", "DOCSIS", "USB_LINUX", "SLIP", "LTALK", "IPNET", "JUNIPER_ETHER", "JUNIPER_ES", "NETANALYZER",
	"ENC", "SYMANTEC_FIREWALL", "APPLE_IP_OVER_IEEE1394", "ATM_CLIP", "PPP_PPPD"}

// tally is what a differential run comes to.
type tally struct {
	expressions, refused, explained, packets int
	short                                    int   // different verdicts on packets that are too short for a load
	ours, theirs                             []int // lengths of optimised code
	oursPlain                                []int
}

func (c *tally) String() string {
	return fmt.Sprintf("%d expressions, %d refused by both, %d with an explained difference, %d verdicts (%d on packets too short for a load, which differ); median length %d, libpcap's %d, not optimised %d; sums %d, %d, %d",
		c.expressions, c.refused, c.explained, c.packets, c.short, median(c.ours), median(c.theirs), median(c.oursPlain), sum(c.ours), sum(c.theirs), sum(c.oursPlain))
}

func median(all []int) int {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func sum(all []int) (n int) {
	for _, k := range all {
		n += k
	}
	return n
}

// trial is an expression that is held against tcpdump.
type trial struct {
	*testing.T
	tally *tally
	known []*difference
	rand  *rand.Rand
	link  pcap.LinkType
	expr  string
}

// is reports whether a difference of some kind is explained; message is that of the side that refuses.
func (t *trial) is(kind, message string) bool {
	if !explained(t.known, kind, t.link, t.expr+" => "+message) {
		return false
	}
	t.tally.explained++
	return true
}

// compare holds the expression against tcpdump. It returns what is different and not explained.
func (t *trial) compare() string {
	t.Helper()
	t.tally.expressions++
	theirs, complaint := tcpdump(t, t.link, t.expr, true)
	ours, err := pcap.Compile(t.expr, &pcap.Options{LinkType: t.link})
	switch {
	case err == nil && theirs == nil:
		return t.onlyTheyRefuse(ours.Raw(), complaint)
	case err != nil && theirs != nil:
		proved := !errors.Is(err, pcap.ErrMatchesNothing) || matchesNothing(t.rand, t.link, theirs)
		if proved && t.is("reject", err.Error()) {
			return ""
		}
		return "only we refuse it: " + err.Error()
	case err != nil:
		t.tally.refused++
		return ""
	}
	plain, err := pcap.Compile(t.expr, &pcap.Options{LinkType: t.link, NoOptimize: true})
	if err != nil {
		return fmt.Sprintf("without the optimiser: %v", err)
	}
	optimised, unoptimised := ours.Raw(), plain.Raw()
	c := t.tally
	c.ours, c.theirs, c.oursPlain = append(c.ours, len(optimised)), append(c.theirs, len(theirs)), append(c.oursPlain, len(unoptimised))
	return t.verdicts(optimised, unoptimised, theirs)
}

// onlyTheyRefuse explains why tcpdump refuses an expression that we take.
func (t *trial) onlyTheyRefuse(ours []bpf.RawInstruction, complaint string) string {
	if !strings.Contains(complaint, "rejects all packets") {
		if t.is("accept", complaint) {
			return ""
		}
		return "only libpcap refuses it: " + complaint
	}
	if matchesNothing(t.rand, t.link, ours) && t.is("never", complaint) {
		return ""
	}
	unchanged, _ := tcpdump(t, t.link, t.expr, false)
	if !matchesNothing(t.rand, t.link, unchanged) && t.is("optimiser", complaint) {
		return ""
	}
	return "only libpcap finds that it can never match"
}

// verdicts runs the programs over the captures and over made-up packets.
func (t *trial) verdicts(optimised, unoptimised, theirs []bpf.RawInstruction) string {
	vm, err := classic.NewVM(optimised)
	if err != nil {
		t.Fatal(err)
	}
	base := captures()[t.link]
	all := hints(append(slices.Clone(theirs), unoptimised...))
	early := false
	for n := range len(base) + 300 {
		data := []byte(nil)
		if n < len(base) {
			data = base[n]
		} else {
			data = packet(t.rand, all, base)
		}
		t.tally.packets++
		got, want, plainly := run(optimised, data), run(theirs, data), run(unoptimised, data)
		if n%64 == 0 && !hasMetadata(optimised) && vm.Run(&spec.Packet{Data: data}, nil) > 0 != (got > 0) {
			return fmt.Sprintf("the small machine says %d, package classic otherwise, for %x", got, data)
		}
		if got != plainly {
			return fmt.Sprintf("the optimiser makes %d of %d for %x", got, plainly, data)
		}
		if got == want {
			continue
		}
		fault := fmt.Sprintf("we say %d, libpcap %d for %x", got, want, data)
		if t.is("packets", "") {
			return ""
		}
		// Which loads a program makes, and in which order, is its own affair. A packet that is too short for one
		// is dropped there, which another program may never come to.
		_, short := runShort(optimised, data)
		_, theirsShort := runShort(theirs, data)
		if !short && !theirsShort {
			unchanged, _ := tcpdump(t, t.link, t.expr, false)
			if run(unchanged, data) == got && t.is("optimiser", "") {
				return ""
			}
			return fault
		}
		t.tally.short++
		early = true
	}
	if early && !explained(t.known, "short", t.link, t.expr) {
		return "verdicts on short packets differ, which no row of the differences explains"
	}
	return ""
}

// matchesNothing reports whether a program matches no packet of the captures, and none of many made-up ones.
func matchesNothing(r *rand.Rand, link pcap.LinkType, code []bpf.RawInstruction) bool {
	base := captures()[link]
	all := hints(code)
	for n := range len(base) + 500 {
		var data []byte
		if n < len(base) {
			data = base[n]
		} else {
			data = packet(r, all, base)
		}
		if run(code, data) != 0 {
			return false
		}
	}
	return true
}

func hasMetadata(code []bpf.RawInstruction) bool {
	return slices.ContainsFunc(code, func(in bpf.RawInstruction) bool { return in.Op&7 == 0 && in.K >= 0xfff00000 })
}

// TestAgainstTcpdump compares the hand-written list and random expressions with tcpdump.
// SKEP_PCAP_EXPRESSIONS asks for more random ones than the ordinary number, SKEP_PCAP_SEED for others.
func TestAgainstTcpdump(t *testing.T) {
	needTcpdump(t)
	random := 700
	if n, err := strconv.Atoi(os.Getenv("SKEP_PCAP_EXPRESSIONS")); err == nil {
		random = n
	}
	seed := uint64(1)
	if n, err := strconv.ParseUint(os.Getenv("SKEP_PCAP_SEED"), 10, 64); err == nil {
		seed = n
	}
	known := differences(t)
	r := rand.New(rand.NewPCG(seed, 4))
	c := &tally{}
	faults := 0
	one := func(link pcap.LinkType, expr string) {
		if s := (&trial{t, c, known, r, link, expr}).compare(); s != "" {
			if faults++; faults <= 60 {
				t.Errorf("%v | %s: %.600s", link, expr, s)
			}
		}
	}
	links, exprs := listed(t)
	for i, link := range links {
		one(link, exprs[i])
	}
	t.Logf("the list: %v", c)
	for range random {
		link, err := pcap.ParseLinkType(tested[r.IntN(len(tested))])
		if err != nil {
			t.Fatal(err)
		}
		one(link, generator{r, link}.expression())
	}
	t.Logf("all: %v; %d not explained", c, faults)
	for _, d := range known {
		if d.used == 0 {
			t.Logf("unused: %s :: %s :: %s", d.kind, d.link, d.expr)
		}
	}
}
