// Implements the registers and the table that maps BPF registers to them.

package amd64

import "github.com/skepbpf/skep/isa"

// Reg is a machine register.
type Reg uint8

// The general registers, by their number in encodings.
const (
	RAX Reg = iota
	RCX
	RDX
	RBX
	RSP
	RBP
	RSI
	RDI
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
)

// Map tells which machine register holds each BPF register. Arguments and results are where the System V
// calling convention has them, so that a call needs no moves, and R6 to R9 are where it keeps values across
// calls.
var Map = [isa.NumRegisters]Reg{
	isa.R0: RAX, isa.R1: RDI, isa.R2: RSI, isa.R3: RDX, isa.R4: RCX, isa.R5: R8,
	isa.R6: RBX, isa.R7: R13, isa.R8: R14, isa.R9: R15, isa.R10: RBP,
}

// SandboxMap is the map of programs that nobody has verified. It leaves RBP alone, which Go's runtime reads
// as a frame pointer and which words above a frame could lead astray.
var SandboxMap = [isa.NumRegisters]Reg{
	isa.R0: RAX, isa.R1: RDI, isa.R2: RSI, isa.R3: RDX, isa.R4: RCX, isa.R5: R8,
	isa.R6: RBX, isa.R7: R13, isa.R8: R14, isa.R9: R15, isa.R10: R9,
}

// Machine is the register that points to the machine's state in sandboxed code.
const Machine = R12

// Scratch registers, which hold no BPF register: verbs that need more than their operands use them.
const (
	tmp0 = R11
	tmp1 = R10
)
