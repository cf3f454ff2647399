package skep_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// A packet filter from text to verdict.
func Example() {
	p, err := asm.Assemble("arp.bpf", `
		r6 = r1                  ; packet access wants the context in r6
		r0 = *(u16 *)skb[12]     ; EtherType
		if r0 == 0x806 goto arp
		r0 = 0
		exit
	arp:
		r0 = -1
		exit`, nil)
	if err != nil {
		log.Fatal(err)
	}
	p.Type = spec.SocketFilter
	prog, err := skep.Load(p, nil)
	if err != nil {
		log.Fatal(err)
	}
	packet := make([]byte, 42)
	packet[12], packet[13] = 0x08, 0x06
	verdict, err := prog.Run(&skep.RunOptions{Data: packet})
	fmt.Printf("%#x %v\n", verdict, err)
	// Output: 0xffffffff <nil>
}

// A helper is a Go closure, with whatever state it likes.
func ExampleOptions_helpers() {
	seen := map[uint64]int{}
	count := helper.Helper{
		ID: 1000, Name: "count", Args: []helper.Arg{helper.Any},
		Func: func(_ *helper.Call, key, _, _, _, _ uint64) (uint64, error) {
			seen[key]++
			return uint64(seen[key]), nil
		},
	}
	// Programs can be written in Go as well.
	p := &spec.Program{Insns: []isa.Instruction{
		isa.Ldx8.Make(isa.R1, isa.R1, 0, 0), // the first byte of the data
		isa.Call.Make(0, 0, 0, 1000),
		isa.Exit.Make(0, 0, 0, 0),
	}}
	prog, err := skep.Load(p, &skep.Options{Helpers: []helper.Helper{count}})
	if err != nil {
		log.Fatal(err)
	}
	inst := prog.NewInstance()
	for _, word := range []string{"ant", "bee", "ape", "ass"} {
		n, err := inst.Run([]byte(word))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(word, n)
	}
	// Output:
	// ant 1
	// bee 1
	// ape 2
	// ass 3
}

// What a program must not do ends the run with an error that says what and where.
func ExampleFault() {
	p, err := asm.Assemble("wild.bpf", "r2 = *(u32 *)(r1 + 62)\nr0 = 0\nexit", nil)
	if err != nil {
		log.Fatal(err)
	}
	prog, err := skep.Load(p, nil)
	if err != nil {
		log.Fatal(err)
	}
	_, err = prog.Run(&skep.RunOptions{Data: make([]byte, 64)})
	fmt.Println(err)
	var fault *skep.Fault
	if errors.As(err, &fault) {
		fmt.Printf("%v at instruction %d, address %#x\n", fault.Code, fault.Insn, fault.Addr)
	}
	// Output:
	// instruction 0 (wild.bpf:1): read of 4 bytes at 0x1000003e: the data of 64 bytes, offset 62
	// out-of-bounds at instruction 0, address 0x1000003e
}
