// Implements the examples of the documentation.

package classic_test

import (
	"encoding/binary"
	"fmt"
	"log"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// Assemble a filter, run it over two packets.
func Example() {
	prog, err := classic.Assemble("arp.bpf", `
		ldh [12]
		jne #0x806, drop
		ret #-1
	drop:	ret #0`)
	if err != nil {
		log.Fatal(err)
	}
	vm, err := classic.NewVM(prog)
	if err != nil {
		log.Fatal(err)
	}
	arp := append(make([]byte, 12), 0x08, 0x06, 0, 1, 8, 0)
	ip := append(make([]byte, 12), 0x08, 0x00, 0x45, 0)
	fmt.Println(vm.Run(&spec.Packet{Data: arp}, nil), vm.Run(&spec.Packet{Data: ip}, nil))
	// Output: 4294967295 0
}

// A filter built with golang.org/x/net/bpf reads metadata, which that package's own VM cannot.
func ExampleVM_Run() {
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xfff},
		bpf.RetA{},
	})
	if err != nil {
		log.Fatal(err)
	}
	vm, err := classic.NewVM(prog)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(vm.Run(&spec.Packet{VLANPresent: true, VLANTCI: 0x6064}, nil))
	// Output: 100
}

// Seccomp filters read their data in the machine's byte order.
func ExampleVM_Run_seccomp() {
	prog, err := classic.Assemble("policy", `
		ld [0]			; number of the call
		jeq #231, deny
		ret #0x7fff0000		; allow
	deny:	ret #0x50001		; fail with error 1`)
	if err != nil {
		log.Fatal(err)
	}
	if err := classic.CheckSeccomp(prog); err != nil {
		log.Fatal(err)
	}
	vm, err := classic.NewVM(prog)
	if err != nil {
		log.Fatal(err)
	}
	data := make([]byte, classic.SeccompDataSize)
	binary.LittleEndian.PutUint32(data, 231)
	fmt.Printf("%#x\n", vm.Run(&spec.Packet{Data: data}, &classic.Env{Order: binary.LittleEndian}))
	// Output: 0x50001
}

// Read what tcpdump -ddd printed, print it as tcpdump -d would and as assembler text.
func ExampleAppend() {
	prog, err := classic.Parse("filter.txt", "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n%s", classic.Append(nil, prog, classic.FormD), classic.Append(nil, prog, classic.FormAsm))
	// Output:
	// (000) ldh      [12]
	// (001) jeq      #0x800           jt 2	jf 3
	// (002) ret      #262144
	// (003) ret      #0
	//
	// 	ldh [12]
	// 	jne #0x800, L3
	// 	ret #262144
	// L3:	ret #0
}

// Errors name the instruction, or the place in the text.
func ExampleCheck() {
	fmt.Println(classic.Check([]bpf.RawInstruction{{Op: 0x15, K: 6, Jt: 9}, {Op: 0x06}}))
	_, err := classic.Assemble("f.bpf", "ldh [12]\njeq #2048 keep")
	fmt.Println(err)
	// Output:
	// instruction 0 (jeq #0x6 jt 10 jf 1): jumps to instruction 10, the last is 1
	// f.bpf:2:11: expected ",", found "keep"
}

// Translate a filter to internal BPF and show which classic instruction each slot comes from.
func ExampleTranslate() {
	prog, err := classic.Assemble("mark.bpf", "ld mark\njne #7, drop\nret #-1\ndrop: ret #0")
	if err != nil {
		log.Fatal(err)
	}
	t, err := classic.Translate(prog)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(t.Program.Type)
	for slot, in := range t.Program.Insns {
		fmt.Printf("%2d  %02x r%d r%d %+d %d\n", t.Origin[slot], in.Code, in.Dst(), in.Src(), in.Off, in.Imm)
	}
	// Output:
	// socket_filter
	// -1  bf r6 r1 +0 0
	// -1  b4 r0 r0 +0 0
	// -1  b4 r7 r0 +0 0
	//  0  61 r0 r6 +8 0
	//  1  55 r0 r0 +2 7
	//  2  b4 r0 r0 +0 -1
	//  2  95 r0 r0 +0 0
	//  3  b4 r0 r0 +0 0
	//  3  95 r0 r0 +0 0
}
