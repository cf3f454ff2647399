// Implements the package's introduction.

// Package pcap compiles the filter language of tcpdump, as pcap-filter(7) describes it and libpcap implements
// it, to classic BPF. It is pure Go and needs neither libpcap nor the network.
//
//	p, err := pcap.Compile("tcp port 443 and not host 10.0.0.1", nil)
//	if err != nil {
//		return err // says at which column, and what was expected there
//	}
//	fmt.Println(p) // as tcpdump -d prints it
//
// A Program's Raw instructions go to whatever runs classic BPF: package filter of this module, which runs them
// as native code, a socket (SO_ATTACH_FILTER), or the VM of golang.org/x/net/bpf.
//
// # Link types
//
// What an expression means depends on the headers of the packets. Options.LinkType takes the number that
// capture files have; ParseLinkType takes the names of tcpdump -y. All link types are known whose protocols
// libpcap can tell: Ethernet, 802.11 with and without radio headers, Linux's cooked captures, PPP, raw IP, the
// BSDs' loopback, FDDI, token ring, ARCnet, ATM, Fibre Channel, frame relay, HDLC, pf's log, SS7 and more. For
// others, filters may test bytes (link[0]) and lengths, as with libpcap.
//
// # The language
//
// A primitive is an id with qualifiers in front of it, or a word of its own. Primitives are combined with and,
// or and not; and and or bind alike, from left to right. An id without qualifiers takes those of the one before:
//
//	tcp port 80 or 443           tcp port 80, or tcp port 443
//	not host 10.0.0.1 and arp    ARP, but not of that host: not binds tightest
//	src net 10.0.0.0/8           from one of these addresses, over IPv4, ARP or RARP
//	vlan 5 and ip6               vlan moves what follows it: IPv6 within that VLAN
//	tcp[tcpflags] & tcp-syn != 0 bytes of a header, and arithmetic with them
//	len > 1000                   length of the packet on the wire
//
// The grammar stands at the head of parse.go and arithmetic.go, the words in keywords.go and protocol.go, the
// link types in linktype.go: a row each.
//
// # What the compiler does
//
// The primitives of an expression become a tree of tests on values, a value being a load from the packet or
// arithmetic with such (expr.go, cond.go, and a gen file for each part of the language). The tree is laid out as
// a graph of decisions (graph.go), the optimiser shortens that (opt.go and what it names), and the emitter
// turns it into instructions with as few loads as it can (emit.go).
//
// A packet that is too short for a load is dropped, even behind not. The optimiser keeps to that: optimised and
// plain code give the same verdict for every packet.
//
// # Questions about expressions
//
// An Explainer tells why a packet matches or not: which terms of the expression, as they are written, decided,
// and which bytes their tests looked at. Same decides whether two expressions accept the same packets, and shows
// a packet where they do not.
//
// For an explanation, the expression is parsed once more into its terms (terms.go) and these are evaluated
// without the compiler's help (evaluate.go); the verdict is that of the compiled program. Same walks the decision
// graphs of both expressions side by side (walk.go) with what the tests on the way say of the packet's bits
// (store.go, claim.go), and where one accepts and the other does not, looks for a packet (search.go).
//
// # Differences from libpcap
//
// Expressions are accepted and refused as libpcap 1.10 does it, and packets match alike. What differs on purpose
// is listed in testdata/differences.txt, each with its reason. What a user may meet:
//
//   - Host names are refused unless Options.Resolve is set.
//   - protochain follows 12 headers, since programs of a Linux kernel cannot loop.
//   - vxlan is known, as in newer releases of libpcap.
//   - byte 0 & 1, vci != 5 and a divisor such as tcp[0]/ip[0] work; libpcap 1.10 mishandles them.
//   - An expression that can never match is refused in some cases in which libpcap does not notice it.
package pcap
