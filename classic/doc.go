// Implements the package's introduction.

// Package classic holds classic BPF, the two-register machine that packet filters and seccomp policies are
// written for: it checks, prints, reads, runs and translates its programs. One table of its instructions
// (Rows) stands behind all of that.
//
// A program is a slice of bpf.RawInstruction of golang.org/x/net/bpf; bpf.Assemble and bpf.Disassemble of that
// package lead to and from its typed instructions. Nothing here needs a kernel, but everything follows the
// kernel's rules: Check accepts what a Linux socket accepts, and VM gives the verdicts that Linux gives.
//
// # The machine
//
// There are two 32-bit registers, A and X, and sixteen 32-bit words of scratch memory, M[0] to M[15]. A program
// loads bytes of the packet into A, in network order, calculates with A and X, compares, and jumps forward
// only. It ends with a number: how many bytes of the packet to keep, 0 to drop it. A load from outside the
// packet ends it with 0.
//
// This one keeps the packets of TCP port 22 over IPv4. It is in the language of the kernel's bpf_asm, which
// Assemble reads:
//
//		ldh [12]                ; A = EtherType of the Ethernet frame
//		jne #0x800, drop        ; not IPv4
//		ldb [23]                ; A = protocol
//		jne #6, drop            ; not TCP
//		ldh [20]                ; A = flags and fragment offset
//		jset #0x1fff, drop      ; not the first fragment, so there is no TCP header
//		ldxb 4*([14]&0xf)       ; X = length of the IPv4 header
//		ldh [x + 14]            ; A = source port
//		jeq #22, keep
//		ldh [x + 16]            ; A = destination port
//		jne #22, drop
//	keep:	ret #-1
//	drop:	ret #0
//
// Loads with certain negative offsets read what is known of the packet beside its bytes; bpf_asm gives them
// names. This one keeps every hundredth packet of VLAN 7:
//
//		ld vlan_avail
//		jeq #0, drop
//		ld vlan_tci
//		and #0xfff
//		jne #7, drop
//		ld rand
//		mod #100
//		jne #0, drop
//		ret #-1
//	drop:	ret #0
//
// # Text
//
// Parse reads, and Append writes, four forms: bpf_asm text, and the three that tcpdump prints with -d, -dd and
// -ddd. Detect tells which form a text is in.
//
// # Translation
//
// Translate turns a program into internal BPF (package isa) as the kernel does: A becomes R0, X becomes R7, and
// R6 keeps the context. TranslateSeccomp does it for seccomp filters, whose input is a struct seccomp_data and
// whose loads are in the machine's byte order.
//
// Package classictest makes random programs and packets for tests.
package classic
