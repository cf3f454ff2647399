package skep_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/spec"
)

// syn is an Ethernet frame: TCP from 10.1.2.3 to a port.
func syn(port byte) []byte {
	p := make([]byte, 64)
	copy(p[12:], []byte{0x08, 0x00, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6, 0, 0, 10, 1, 2, 3, 192, 0, 2, 1, 200, 1, 0, port})
	return p
}

// The program of an object file judges packets, and its maps can be filled and read, all without a kernel.
func ExampleLoadCollection() {
	coll, err := skep.LoadCollection("examples/firewall/firewall.o")
	if err != nil {
		log.Fatal(err)
	}
	defer coll.Close()
	firewall := coll.Programs["firewall"]
	fmt.Println(firewall.Test(syn(80)))

	type network struct {
		Bits uint32
		Addr [4]byte
	}
	type counter struct{ Packets, Bytes uint64 }
	blocked := network{Bits: 8, Addr: [4]byte{10}}
	if err := coll.Maps["blocked4"].Put(blocked, counter{}); err != nil {
		log.Fatal(err)
	}
	verdict, _, err := firewall.Test(syn(80))
	fmt.Println(verdict, err)

	var hits counter
	err = coll.Maps["blocked4"].Lookup(blocked, &hits)
	fmt.Println(hits, err)
	// Output:
	// 2 [0 0 0 0 0 0 0 0 0 0 0 0 8 0 69 0 0 50 0 0 0 0 64 6 0 0 10 1 2 3 192 0 2 1 200 1 0 80 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0] <nil>
	// 1 <nil>
	// {1 64} <nil>
}

// Fields with tags get what they name.
func ExampleLoadAndAssign() {
	spec, err := skep.LoadCollectionSpec("examples/firewall/firewall.o")
	if err != nil {
		log.Fatal(err)
	}
	if err := spec.Variables["closed_ports"].Set([8]uint16{80}); err != nil {
		log.Fatal(err)
	}
	var objs struct {
		Firewall *skep.Program `ebpf:"firewall"`
		Counters *skep.Map     `ebpf:"counters"`
	}
	if err := skep.LoadAndAssign(spec, &objs, nil); err != nil {
		log.Fatal(err)
	}
	verdict, err := objs.Firewall.RunData(syn(80))
	fmt.Println(verdict, err, objs.Counters.MaxEntries())
	// Output: 1 <nil> 5
}

// A program that is not safe is refused, with the instruction, the reason and how it came to that; Hint is what would help.
func ExampleVerify() {
	p := unsafeProgram()
	_, err := skep.Verify(p, nil, nil)
	var refused *skep.VerifierError
	if !errors.As(err, &refused) {
		log.Fatal(err)
	}
	fmt.Println(refused.Code, "at instruction", refused.Slot)
	for _, step := range refused.Story {
		fmt.Println("instruction", step.Slot, "-", step.Text)
	}
	// Output:
	// bad-packet at instruction 2
	// instruction 0 - r2 = *(u32 *)(r1 + 0): R2 is then an address in the packet, of which no byte is known to be there
}

// For many refused programs there is an input with which they really go wrong.
func ExampleFindExample() {
	p := unsafeProgram()
	x, err := skep.FindExample(p, nil, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("with a packet of", len(x.Data), "bytes:", x.Fault)
	_, err = x.Run(p, nil, nil)
	fmt.Println(err)
	// Output:
	// with a packet of 14 bytes: read of 1 bytes at 0x10000017: the data of 14 bytes, offset 23
	// instruction 2 (protocol.bpf:3): read of 1 bytes at 0x10000017: the data of 14 bytes, offset 23
}

// unsafeProgram reads the protocol of an IPv4 packet without looking whether it is there.
func unsafeProgram() *spec.Program {
	p, err := asm.Assemble("protocol.bpf", "r2 = *(u32 *)(r1 + 0)\nr3 = *(u32 *)(r1 + 4)\nr0 = *(u8 *)(r2 + 23)\nexit", nil)
	if err != nil {
		log.Fatal(err)
	}
	p.Type = spec.XDP
	return p
}
