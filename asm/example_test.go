// Implements the examples of the documentation.

package asm_test

import (
	"fmt"
	"log"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/isa"
)

func Example() {
	prog, err := asm.Assemble("ipv4.bpf", `
		r0 = *(u16 *)(r1 + 12)     ; EtherType, network order
		if r0 == 8 goto ipv4
		r0 = 0
		exit
	ipv4:
		r0 = 1
		exit`, nil)
	if err != nil {
		log.Fatal(err)
	}
	text, err := asm.Disassemble(prog, &asm.Options{Dialect: asm.UBPF})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	// Output:
	// 	ldxh %r0, [%r1+12]
	// 	jeq %r0, 8, ipv4
	// 	mov %r0, 0
	// 	exit
	// ipv4:
	// 	mov %r0, 1
	// 	exit
}

func ExampleAssemble() {
	prog, err := asm.Assemble("two.bpf", "bpf_mov R1, 2 /* the argument */\nbpf_call foo\nbpf_exit\n", nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%x\n%+v\n", isa.Encode(prog.Insns), prog.Calls)
	// Output:
	// b70100000200000085000000000000009500000000000000
	// [{Insn:1 Helper:foo Weak:false Type:<nil>}]
}

func ExampleAssemble_error() {
	_, err := asm.Assemble("bad.bpf", "mov %r0,\njeq %r0, 1, +70000\nexit\n", nil)
	fmt.Println(err)
	// Output:
	// bad.bpf:1:9: expected a register or a number after ","
	// bad.bpf:2:14: 70000 does not fit 16 bits (-32768 to 32767)
}

func ExampleDisassemble() {
	prog, err := asm.Assemble("", "call 5\nr6 = r0\nr1 = map[counters]\nexit", nil)
	if err != nil {
		log.Fatal(err)
	}
	names := map[int32]string{5: "ktime_get_ns"}
	text, err := asm.Disassemble(prog, &asm.Options{
		Numbers:    true,
		HelperName: func(id int32) (string, bool) { name, ok := names[id]; return name, ok },
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(text)
	// Output:
	//    0: call ktime_get_ns#5
	//    1: r6 = r0
	//    2: r1 = map[counters]
	//    4: exit
}

func ExampleFormat() {
	code := []isa.Instruction{isa.Make(0xb7, 0, 0, 0, 42), isa.Make(0x95, 0, 0, 0, 0), isa.Make(0xff, 0, 0, 0, 0)}
	for i := range code {
		fmt.Println(asm.Format(code, i, nil))
	}
	// Output:
	// r0 = 42
	// exit
	// .insn 0x00000000000000ff
}
