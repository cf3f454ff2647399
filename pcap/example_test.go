// Implements the examples of the documentation.

package pcap_test

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/pcap"
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
