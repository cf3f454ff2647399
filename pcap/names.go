// Implements names: of ports, protocols, networks and Ethernet addresses.

package pcap

import (
	"bufio"
	_ "embed"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
)

// The tables for systems that have none. A line is a name, its number and, for services, the protocols.
//
//go:embed services.txt
var embeddedServices string

//go:embed protocols.txt
var embeddedProtocols string

// fields returns the words of each line of a text that # begins comments in.
func fields(text string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		lines := bufio.NewScanner(strings.NewReader(text))
		for lines.Scan() {
			line, _, _ := strings.Cut(lines.Text(), "#")
			if words := strings.Fields(line); len(words) >= 2 && !yield(words) {
				return
			}
		}
	}
}

// systemFile returns a text file of the system, or nothing.
func systemFile(name string) string {
	b, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	return string(b)
}

// ports of a service by protocol; 0 stands for none.
type service struct{ tcp, udp, sctp uint32 }

func (s *service) add(proto string, port uint32) {
	at := map[string]*uint32{"tcp": &s.tcp, "udp": &s.udp, "sctp": &s.sctp}[proto]
	if at != nil && *at == 0 {
		*at = port
	}
}

// services is the system's table, filled up from the embedded one.
var services = sync.OnceValue(func() map[string]*service {
	all := map[string]*service{}
	get := func(name string) *service {
		if all[name] == nil {
			all[name] = &service{}
		}
		return all[name]
	}
	for words := range fields(systemFile("/etc/services")) {
		number, proto, _ := strings.Cut(words[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			continue
		}
		for i, name := range words {
			if i != 1 {
				get(name).add(proto, uint32(port))
			}
		}
	}
	system := len(all) > 0
	for words := range fields(embeddedServices) {
		if system && all[words[0]] != nil {
			continue
		}
		port, _ := strconv.ParseUint(words[1], 10, 16)
		for proto := range strings.SplitSeq(words[2], ",") {
			get(words[0]).add(proto, uint32(port))
		}
	}
	return all
})

var protocolNumbers = sync.OnceValue(func() map[string]uint32 {
	all := map[string]uint32{}
	for _, text := range []string{systemFile("/etc/protocols"), embeddedProtocols} {
		for words := range fields(text) {
			n, err := strconv.ParseUint(words[1], 10, 8)
			if err != nil {
				continue
			}
			for i, name := range words {
				if _, known := all[name]; i != 1 && !known {
					all[name] = uint32(n)
				}
			}
		}
	}
	return all
})

// etherTypes are the names for ether proto, beside those of keywords.
var etherTypes = map[string]uint32{
	"aarp": etherAARP, "arp": etherARP, "atalk": etherATalk, "decnet": etherDECnet, "ip": etherIP, "ip6": etherIP6,
	"lat": 0x6004, "loopback": 0x9000, "mopdl": 0x6001, "moprc": 0x6002, "rarp": etherRARP, "sca": 0x6007,
	"iso": sapISO, "stp": sapSTP, "ipx": sapIPX, "netbeui": sapNetBEUI,
}

var isoNames = map[string]uint32{"clnp": 0x81, "esis": 0x82, "isis": isoISIS}

// protocolNumber looks up the operand of proto.
func protocolNumber(name string, p protocol) (uint32, error) {
	var n uint32
	var ok bool
	of := "IP protocol"
	switch p {
	case protoDefault, protoIP, protoIP6:
		n, ok = protocolNumbers()[name]
	case protoLink:
		of = "Ethernet protocol"
		n, ok = etherTypes[name]
	case protoISO:
		of = "OSI protocol"
		n, ok = isoNames[name]
	default:
		return 0, errorf("%s has no protocols with names", p)
	}
	if !ok {
		return 0, errorf("there is no %s called %q", of, name)
	}
	return n, nil
}

// portNumber looks up a port by name or number. ip is the protocol that the name is for, 0 if it is for
// several or the port is a number.
func portNumber(name string) (port, ip uint32, err error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		if n > 0xffff {
			return 0, 0, errorf("%d is no port: expected 0 to 65535", n)
		}
		return uint32(n), 0, nil
	}
	s := services()[name]
	switch {
	case s == nil:
		return 0, 0, errorf("there is no service called %q", name)
	case s.tcp != 0 && s.udp != 0 && s.tcp == s.udp:
		return s.tcp, 0, nil
	case s.tcp != 0:
		return s.tcp, ipTCP, nil
	case s.udp != 0:
		return s.udp, ipUDP, nil
	case s.sctp != 0:
		return s.sctp, ipSCTP, nil
	}
	return 0, 0, errorf("the service %q has no port over tcp, udp or sctp", name)
}

// network looks up an IPv4 network in /etc/networks. It returns the number and how many bytes are given.
func network(name string) (uint32, int, error) {
	for words := range fields(systemFile("/etc/networks")) {
		for i, word := range words {
			if i != 1 && word == name {
				v, n, err := dotted(words[1])
				for err == nil && n > 1 && v&0xff == 0 { // zeros at the end say nothing
					v, n = v>>8, n-1
				}
				return v, n, err
			}
		}
	}
	return 0, 0, errorf("there is no network called %q in /etc/networks", name)
}

// etherHost looks up an Ethernet address in /etc/ethers.
func etherHost(name string) (mac [6]byte, err error) {
	for words := range fields(systemFile("/etc/ethers")) {
		if words[1] == name {
			if mac, n := macAddress(words[0]); n == len(words[0]) {
				return mac, nil
			}
		}
	}
	return mac, errorf("there is no Ethernet address for %q in /etc/ethers; expected one such as 00:1b:21:0a:0b:0c", name)
}

// dotted reads up to four decimal numbers below 256 with dots between them. It returns them in one, and how
// many there are.
func dotted(s string) (v uint32, parts int, err error) {
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || parts == 4 {
			return 0, 0, errors.New("an IPv4 address has up to four numbers below 256")
		}
		v, parts = v<<8|uint32(n), parts+1
	}
	return v, parts, nil
}
