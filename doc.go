// Package skep runs BPF programs in user space, in pure Go: on any system, without root, kernel or cgo.
//
// # From text to verdict
//
// A program is written somewhere, as assembler text, bytecode, JSON or a classic filter; each form has a
// package that turns it into a [spec.Program]. Load makes that ready to run, and Run runs it on a packet:
//
//	p, err := asm.Assemble("arp.bpf", `
//		r6 = r1                  ; packet access wants the context in r6
//		r0 = *(u16 *)skb[12]     ; EtherType
//		if r0 == 0x806 goto +2
//		r0 = 0
//		exit
//		r0 = -1
//		exit
//	`, nil)
//	if err != nil { … }
//	p.Type = spec.SocketFilter
//	prog, err := skep.Load(p, nil)
//	if err != nil { … }
//	verdict, err := prog.Run(&skep.RunOptions{Data: packet})
//
// A [Program] may be run from many goroutines. For hot loops, an [Instance] runs it without allocating:
//
//	inst := prog.NewInstance()
//	for _, packet := range packets {
//		verdict, err := inst.Run(packet)
//		…
//	}
//
// and its RunBatch takes many packets at once.
//
// # Object files and maps
//
// What clang or bpf2go made for the kernel runs as it is. A [Collection] is an object file come alive: its programs,
// the maps they share, its global variables:
//
//	coll, err := skep.LoadCollection("firewall.o")
//	if err != nil { … }
//	err = coll.Maps["blocked"].Put(key, uint64(0))
//	verdict, packet, err := coll.Programs["firewall"].Test(packet)
//
// [NewCollection] takes the specifications of cilium/ebpf as well, so that a test of code that uses it changes but
// one import line, and [LoadAndAssign] fills in structs with `ebpf:"name"` tags. Maps have the methods of cilium's;
// see package bpfmap.
//
// # Engines
//
// On linux/amd64 Load compiles the program to machine code; elsewhere, and where that cannot be had, it is
// interpreted. [Program.Engine] says which it is and why. Both do the same, to the last count; but machine code
// does not notice reads of stack bytes that nothing has written, which the interpreter refuses.
//
// # Helpers
//
// Programs call helpers by number: those of the kernel that package helper has, and those of [Options.Helpers].
// A helper is a Go function, a BPF program, or machine code; see [helper.Helper].
//
// # Safety
//
// A program cannot touch anything but its stack, its context, its packet or memory, and what helpers give
// it. Whatever else it tries ends the run with a [*Fault] that names the instruction and the address. Runs
// are metered: see [RunOptions.Limit] and [Program.RunContext]. Given the same inputs and the same
// [helper.Env], a run does the same on every machine, down to the number of instructions.
//
// # Byte order
//
// Programs see little-endian memory on every host.
package skep
