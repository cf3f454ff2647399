// Implements the generator of expressions for the differential tests: it walks the grammar at random.

package pcap_test

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/skepbpf/skep/pcap"
)

type generator struct {
	*rand.Rand
	link pcap.LinkType // only now and then something that this link type cannot have
}

// has says whether what only some link types have may be used, by their names.
func (g generator) has(names ...string) bool {
	for _, name := range names {
		if strings.HasPrefix(g.link.String(), name) {
			return true
		}
	}
	return g.IntN(20) == 0
}

func (g generator) pick(words ...string) string { return words[g.IntN(len(words))] }

func (g generator) ip4() string {
	return g.pick("10.0.0.1", "192.168.1.1", "127.0.0.1", "1.2.3.4", "224.0.0.5", "10.1", "192.0.2", "0.0.0.0", "255.255.255.255", "172.16.9.1")
}

func (g generator) ip6() string {
	return g.pick("::1", "fe80::1", "ff02::1", "2001:db8::1", "::", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4", "ff02::1:ff00:1")
}

func (g generator) mac() string {
	return g.pick("1:2:3:4:5:6", "ff:ff:ff:ff:ff:ff", "00-11-22-33-44-55", "0011.2233.4455", "001122334455", "01:00:5e:00:00:05", "0.1.2.3.4.5", "aa:bb:cc:dd:ee:ff")
}

func (g generator) port() string {
	return g.pick("80", "53", "443", "22", "0", "65535", "http", "domain", "ssh", "snmp", "179", "65536", "6081", "123", "ftp-data")
}

func (g generator) dir() string {
	return g.pick("", "", "src", "dst", "src or dst", "src and dst", "dst or src", "dst and src")
}

func (g generator) number() string {
	return g.pick("0", "1", "2", "5", "6", "15", "0x10", "64", "255", "0x800", "1500", "010", "65535", "4294967295", fmt.Sprint(g.IntN(300)))
}

func (g generator) id(typ string) string {
	switch typ {
	case "host", "":
		return g.pick(g.ip4(), g.ip4(), g.ip6())
	case "net":
		return g.pick(g.ip4(), "10.0.0.0/8", "192.168.0.0/16", "10", "172.16.0.0/12", "10.1.2.0 mask 255.255.255.0", "2001:db8::/32", "fe80::/10", "::/0", "0.0.0.0/0", "224.0.0.0/4", "10.0.0.1/8", "ff00::/8", "192.0.2/24", "1.2.3.4/31", "fe80::/65")
	case "port":
		return g.port()
	case "portrange":
		return g.pick("80-90", "0-1023", "443", "53-53", "90-80", "http-https", "1024-65535", "80-70000", "domain", "22-domain")
	case "proto":
		return g.pick("6", "17", "1", "58", `\tcp`, `\udp`, `\icmp`, "ospf", "89", "132", "50", `\pim`, "0", "44", "255")
	}
	return "1"
}

// ids is one id or several.
func (g generator) ids(typ string) string {
	switch g.IntN(8) {
	case 0:
		return fmt.Sprintf("(%s or %s)", g.id(typ), g.id(typ))
	case 1:
		return fmt.Sprintf("%s %s %s", g.id(typ), g.pick("or", "and", "or not"), g.id(typ))
	case 2:
		return fmt.Sprintf("%s or %s or %s", g.id(typ), g.id(typ), g.id(typ))
	}
	return g.id(typ)
}

func (g generator) arithmetic(depth int) string {
	if depth <= 0 || g.IntN(3) == 0 {
		switch g.IntN(6) {
		case 0:
			return g.number()
		case 1:
			return g.pick("len", "len", "tcp-syn", "icmp-echo")
		}
		proto := g.pick("ip", "ip", "tcp", "udp", "ip6", "ether", "link", "icmp", "icmp6", "arp", "sctp", "igmp", "decnet", "pim", "wlan", "vrrp", "lat")
		if g.IntN(12) == 0 && g.has("IEEE802_11_RADIO", "PRISM") {
			proto = "radio"
		}
		if strings.HasPrefix(g.link.String(), "MTP") || g.link.String() == "DOCSIS" || g.link.String() == "USB_LINUX" {
			proto = "link"
		}
		at := fmt.Sprint(g.IntN(40))
		if g.IntN(8) == 0 {
			at = g.arithmetic(depth - 1)
		}
		return fmt.Sprintf("%s[%s%s]", proto, at, g.pick("", "", "", ":1", ":2", ":4", ":4", ":2", ":2", g.pick(":3", ":4")))
	}
	switch g.IntN(9) {
	case 0:
		return "(" + g.arithmetic(depth-1) + ")"
	case 1:
		return "- " + g.arithmetic(depth-1)
	case 2, 3:
		return fmt.Sprintf("%s %s %s", g.arithmetic(depth-1), g.pick("&", "&", "+", "-", ">>", "<<", "*", "|", "/", "%", "^"), g.pick("1", "2", "3", "4", "0xf", "0xf0", "0x1fff", "7"))
	}
	return fmt.Sprintf("%s %s %s", g.arithmetic(depth-1), g.pick("&", "+", "-", ">>", "<<", "*", "|", "/", "%", "^"), g.arithmetic(depth-1))
}

func (g generator) primitive() string {
	for {
		if e := g.anyPrimitive(); e != "" {
			return e
		}
	}
}

// anyPrimitive is a primitive, or nothing if the one drawn does not go with the link type.
func (g generator) anyPrimitive() string {
	typed := !strings.HasPrefix(g.link.String(), "MTP") && g.link.String() != "DOCSIS" && g.link.String() != "USB_LINUX"
	ethernet := g.has("EN10MB", "NETANALYZER", "IEEE802", "FDDI", "IP_OVER_FC", "PRISM", "PPI")
	kind := g.IntN(20)
	if !typed && kind < 12 && g.IntN(20) > 0 {
		kind = 15
	}
	switch kind {
	case 0, 1:
		return fmt.Sprintf("%s %s %s %s", g.pick("", "", "ip", "ip6", "arp", "rarp"), g.dir(), g.pick("host", ""), g.ids("host"))
	case 2:
		return fmt.Sprintf("%s %s net %s", g.pick("", "", "ip", "ip6"), g.dir(), g.ids("net"))
	case 3, 4, 5:
		return fmt.Sprintf("%s %s port %s", g.pick("", "tcp", "udp", "sctp"), g.dir(), g.ids("port"))
	case 6:
		return fmt.Sprintf("%s %s portrange %s", g.pick("", "tcp", "udp", "sctp"), g.dir(), g.ids("portrange"))
	case 7, 8:
		return g.pick("ip", "ip6", "arp", "rarp", "tcp", "udp", "icmp", "icmp6", "igmp", "sctp", "pim", "ah", "esp", "vrrp", "carp", "igrp", "stp", "ipx", "iso", "clnp", "esis", "isis", "l1", "l2", "iih", "lsp", "snp", "csnp", "psnp", "atalk", "aarp", "decnet", "lat", "sca", "moprc", "mopdl", "netbeui")
	case 9:
		if !ethernet {
			return ""
		}
		return fmt.Sprintf("%s %s %s", g.pick("ether", "wlan", "link"), g.pick("host", "src", "dst", "src or dst", "src and dst"), g.mac())
	case 10:
		return fmt.Sprintf("%s proto %s", g.pick("", "", "ip", "ip6"), g.ids("proto"))
	case 11:
		return fmt.Sprintf("ether proto %s", g.pick(`\ip`, `\arp`, "0x88cc", "5", "0x42", "1500", "1501", "loopback", `\stp`, `\ipx`, `\iso`, "0x800", "0xe0"))
	case 12:
		if ethernet && g.IntN(2) == 0 {
			return g.pick("broadcast", "multicast", "ether broadcast", "ether multicast", "llc", "llc s", "llc ui", "llc rr", "llc i", "llc xid")
		}
		return g.pick("ip broadcast", "ip multicast", "ip6 multicast", "less 100", "greater 200", "inbound", "outbound", "ifindex 3")
	case 13:
		if g.has("EN10MB", "NETANALYZER", "IEEE802_11", "PRISM") && g.IntN(2) == 0 {
			return g.pick("vlan", "vlan 5", "vlan 100", "vlan 4095")
		}
		if g.has("EN10MB", "NETANALYZER", "PPP", "C_HDLC") && g.IntN(2) == 0 {
			return g.pick("mpls", "mpls 5", "mpls 100000")
		}
		return g.pick("pppoed", "pppoes", "pppoes 5", "iso proto 0x83", "isis proto 20", "link proto 33")
	case 14:
		if !g.has("IEEE802_11", "PRISM") {
			return ""
		}
		return g.pick("type mgt", "type ctl", "type data", "type mgt subtype beacon", "subtype ack", "subtype qos-data", "dir tods", "dir 3", "wlan addr1 1:2:3:4:5:6", "wlan addr2 1:2:3:4:5:6", "wlan addr3 1:2:3:4:5:6", "wlan addr4 1:2:3:4:5:6", "wlan ra 1:2:3:4:5:6", "wlan ta 1:2:3:4:5:6", "type 4 subtype 0xb0")
	case 15:
		switch {
		case g.has("PFLOG"):
			return g.pick("ifname em0", "rset abc", "rnr 5", "srnr 7", "reason match", "action pass", "reason 3", "on xl0")
		case g.has("SUNATM"):
			return g.pick("lane", "metac", "vpi 3", "vci 5", "vci (5 or 33)", "vci > 31", "oam", "connectmsg", "bcc")
		case g.has("MTP2"):
			return g.pick("fisu", "lssu", "msu", "hmsu", "sio 3", "opc 5", "dpc (7 or 8)", "sls 3", "hopc > 3")
		case g.has("ARCNET"):
			return g.pick("link src $3", "link host $ff", "link dst $0", "broadcast")
		}
		return g.pick("decnet host 10.15", "decnet src 1.1", "decnet dst 3.7")
	}
	return fmt.Sprintf("%s %s %s", g.arithmetic(2), g.pick("=", "==", "!=", "<", "<=", ">", ">="), g.pick(g.number(), g.number(), g.arithmetic(1)))
}

func (g generator) expr(depth int) string {
	if depth <= 0 {
		return g.primitive()
	}
	switch g.IntN(7) {
	case 0:
		return "not " + g.expr(depth-1)
	case 1:
		return "(" + g.expr(depth-1) + ")"
	case 2, 3:
		return g.expr(depth-1) + g.pick(" and ", " && ") + g.expr(depth-1)
	case 4:
		return g.expr(depth-1) + g.pick(" or ", " || ") + g.expr(depth-1)
	}
	return g.primitive()
}

// expression is a random expression, now and then with a mistake in it.
func (g generator) expression() string {
	e := strings.Join(strings.Fields(g.expr(g.IntN(4))), " ")
	if g.IntN(25) == 0 {
		words := strings.Fields(e)
		i := g.IntN(len(words))
		switch g.IntN(3) {
		case 0:
			words = append(words[:i], words[i+1:]...)
		case 1:
			words[i] = g.pick("and", "or", "(", ")", "host", "80", "=", "tcp", "foo.example", "[0]", "not", "src")
		default:
			words = append(words, g.pick("and", "(", ")", "80", "1.2.3.4", "tcp"))
		}
		e = strings.Join(words, " ")
	}
	return e
}
