// Implements the examples of the documentation.

package pcap_test

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/pcap"
	"github.com/skepbpf/skep/spec"
)

func ExampleCompile() {
	p, err := pcap.Compile("tcp dst port 443 and not ip6", nil)
	if err != nil {
		panic(err)
	}
	fmt.Print(p)
	// Output:
	// (000) ldh      [12]
	// (001) jeq      #0x86dd          jt 11	jf 2
	// (002) jeq      #0x800           jt 3	jf 11
	// (003) ldb      [23]
	// (004) jeq      #0x6             jt 5	jf 11
	// (005) ldh      [20]
	// (006) jset     #0x1fff          jt 11	jf 7
	// (007) ldxb     4*([14]&0xf)
	// (008) ldh      [x + 16]
	// (009) jeq      #0x1bb           jt 10	jf 11
	// (010) ret      #262144
	// (011) ret      #0
}

// The error says where in the expression it is.
func ExampleError() {
	expr := "net 10.0.0.0/8 and port 70000"
	_, err := pcap.Compile(expr, nil)
	var e *pcap.Error
	if errors.As(err, &e) {
		fmt.Println(expr)
		fmt.Printf("%*s\n", e.Column, "^")
		fmt.Println(e.Text)
	}
	// Output:
	// net 10.0.0.0/8 and port 70000
	//                         ^
	// 70000 is no port: expected 0 to 65535
}

// Programs run anywhere that classic BPF does, here in the VM of golang.org/x/net/bpf.
func ExampleProgram_Instructions() {
	p, err := pcap.Compile("icmp6[icmp6type] = icmp6-echo", &pcap.Options{LinkType: pcap.LinkTypeRaw})
	if err != nil {
		panic(err)
	}
	vm, err := bpf.NewVM(p.Instructions())
	if err != nil {
		panic(err)
	}
	packet := make([]byte, 48)
	packet[0], packet[6], packet[40] = 0x60, 58, 128 // IPv6, ICMPv6, echo request
	n, err := vm.Run(packet)
	fmt.Println(n > 0, err)
	// Output: true <nil>
}

func ExampleParseLinkType() {
	link, err := pcap.ParseLinkType("LINUX_SLL2")
	fmt.Println(uint16(link), link, err)
	// Output: 276 LINUX_SLL2 <nil>
}

// An explanation shows which terms of an expression decided, and the bytes that they looked at.
func ExampleExplainer() {
	e, err := pcap.NewExplainer("tcp port 443 or 80 and not host 10.0.0.1", nil)
	if err != nil {
		panic(err)
	}
	frame := make([]byte, 54)
	copy(frame[12:], "\x08\x00\x45")
	frame[23] = 6                                        // TCP
	copy(frame[26:], "\x0a\x00\x00\x01")                 // source address
	copy(frame[30:], "\xc0\x00\x02\x07\xc3\x50\x00\x50") // destination address, then the ports
	fmt.Print(e.Explain(&spec.Packet{Data: frame}))
	// Output:
	// no match (54 bytes)
	//   and: false
	//     or: true
	//       tcp port 443: false
	//         [12:2] is 0x0800 (ethertype): not 0x86dd
	//         [12:2] is 0x0800 (ethertype): equal to 0x0800
	//         [23:1] is 0x06 (protocol): equal to 0x06
	//         [20:2] is 0x0000: no bit of 0x1fff
	//         [34:2] is 0xc350: not 0x01bb
	//         [36:2] is 0x0050: not 0x01bb
	//       tcp port 80: true
	//         [12:2] is 0x0800 (ethertype): not 0x86dd
	//         [12:2] is 0x0800 (ethertype): equal to 0x0800
	//         [23:1] is 0x06 (protocol): equal to 0x06
	//         [20:2] is 0x0000: no bit of 0x1fff
	//         [34:2] is 0xc350: not 0x0050
	//         [36:2] is 0x0050: equal to 0x0050
	//     not host 10.0.0.1: false
	//       [12:2] is 0x0800 (ethertype): equal to 0x0800
	//       [26:4] is 0x0a000001: equal to 0x0a000001
}

// Same decides whether two expressions accept the same packets. Where they do not, it shows a packet.
func ExampleSame() {
	c, err := pcap.Same(context.Background(), "tcp port 80", "tcp and port 80", nil)
	fmt.Println(c.Result, err)
	c, err = pcap.Same(context.Background(), "net 10.0.0.0/8", "net 10.0.0.0/9", nil)
	fmt.Println(c.Result, err)
	fmt.Printf("the first alone (%v) accepts %x\n", c.First, c.Packet.Data)
	// Output:
	// equal <nil>
	// different <nil>
	// the first alone (true) accepts 00000000000000000000000008000000000000000000000000000a80000000000000
}
