// Implements the table of classic instructions and the table of metadata: the one place that knows them.

package classic

import (
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// imm and reg keep the rows short.
const (
	imm = isa.FromImm
	reg = isa.FromReg
)

// table lists every instruction that the kernel's checker admits (bpf_check_classic). Wire opcodes are those
// of linux/bpf_common.h: class in bits 0 to 2; size in bits 3 and 4 and mode in bits 5 to 7 of loads; source
// in bit 3 and operation in bits 4 to 7 of arithmetic and jumps.
var table = [...]Row{
	// Loads into A
	{Code: 0x20, Kind: KindLoadPacket, Size: 32, Internal: isa.LdAbs32, Seccomp: true, Name: "ld", Operand: OperandAbs},
	{Code: 0x28, Kind: KindLoadPacket, Size: 16, Internal: isa.LdAbs16, Name: "ldh", Operand: OperandAbs},
	{Code: 0x30, Kind: KindLoadPacket, Size: 8, Internal: isa.LdAbs8, Name: "ldb", Operand: OperandAbs},
	{Code: 0x40, Kind: KindLoadPacket, From: reg, Size: 32, Internal: isa.LdInd32, Name: "ld", Operand: OperandInd},
	{Code: 0x48, Kind: KindLoadPacket, From: reg, Size: 16, Internal: isa.LdInd16, Name: "ldh", Operand: OperandInd},
	{Code: 0x50, Kind: KindLoadPacket, From: reg, Size: 8, Internal: isa.LdInd8, Name: "ldb", Operand: OperandInd},
	{Code: 0x00, Kind: KindLoadImm, Reg: A, Seccomp: true, Name: "ld", Operand: OperandImm, Hex: true},
	{Code: 0x60, Kind: KindLoadMem, Reg: A, Seccomp: true, Name: "ld", Operand: OperandMem},
	{Code: 0x80, Kind: KindLoadLen, Reg: A, Seccomp: true, Name: "ld", Operand: OperandLen},

	// Loads into X
	{Code: 0x01, Kind: KindLoadImm, Reg: X, Seccomp: true, Name: "ldx", Operand: OperandImm, Hex: true},
	{Code: 0x61, Kind: KindLoadMem, Reg: X, Seccomp: true, Name: "ldx", Operand: OperandMem},
	{Code: 0x81, Kind: KindLoadLen, Reg: X, Seccomp: true, Name: "ldx", Operand: OperandLen},
	{Code: 0xb1, Kind: KindLoadHeader, Reg: X, Size: 8, Internal: isa.LdAbs8, Name: "ldxb", Operand: OperandHeader},

	// Stores
	{Code: 0x02, Kind: KindStore, Reg: A, Seccomp: true, Name: "st", Operand: OperandMem},
	{Code: 0x03, Kind: KindStore, Reg: X, Seccomp: true, Name: "stx", Operand: OperandMem},

	// Arithmetic
	{Code: 0x04, Kind: KindALU, Fn: isa.FnAdd, From: imm, Internal: isa.Add32Imm, Seccomp: true, Name: "add", Operand: OperandImm},
	{Code: 0x0c, Kind: KindALU, Fn: isa.FnAdd, From: reg, Internal: isa.Add32Reg, Seccomp: true, Name: "add", Operand: OperandX},
	{Code: 0x14, Kind: KindALU, Fn: isa.FnSub, From: imm, Internal: isa.Sub32Imm, Seccomp: true, Name: "sub", Operand: OperandImm},
	{Code: 0x1c, Kind: KindALU, Fn: isa.FnSub, From: reg, Internal: isa.Sub32Reg, Seccomp: true, Name: "sub", Operand: OperandX},
	{Code: 0x24, Kind: KindALU, Fn: isa.FnMul, From: imm, Internal: isa.Mul32Imm, Seccomp: true, Name: "mul", Operand: OperandImm},
	{Code: 0x2c, Kind: KindALU, Fn: isa.FnMul, From: reg, Internal: isa.Mul32Reg, Seccomp: true, Name: "mul", Operand: OperandX},
	{Code: 0x34, Kind: KindALU, Fn: isa.FnDiv, From: imm, Internal: isa.Div32Imm, Seccomp: true, Name: "div", Operand: OperandImm},
	{Code: 0x3c, Kind: KindALU, Fn: isa.FnDiv, From: reg, Internal: isa.Div32Reg, Seccomp: true, Name: "div", Operand: OperandX},
	{Code: 0x44, Kind: KindALU, Fn: isa.FnOr, From: imm, Internal: isa.Or32Imm, Seccomp: true, Name: "or", Operand: OperandImm, Hex: true},
	{Code: 0x4c, Kind: KindALU, Fn: isa.FnOr, From: reg, Internal: isa.Or32Reg, Seccomp: true, Name: "or", Operand: OperandX},
	{Code: 0x54, Kind: KindALU, Fn: isa.FnAnd, From: imm, Internal: isa.And32Imm, Seccomp: true, Name: "and", Operand: OperandImm, Hex: true},
	{Code: 0x5c, Kind: KindALU, Fn: isa.FnAnd, From: reg, Internal: isa.And32Reg, Seccomp: true, Name: "and", Operand: OperandX},
	{Code: 0x64, Kind: KindALU, Fn: isa.FnLsh, From: imm, Internal: isa.Lsh32Imm, Seccomp: true, Name: "lsh", Operand: OperandImm},
	{Code: 0x6c, Kind: KindALU, Fn: isa.FnLsh, From: reg, Internal: isa.Lsh32Reg, Seccomp: true, Name: "lsh", Operand: OperandX},
	{Code: 0x74, Kind: KindALU, Fn: isa.FnRsh, From: imm, Internal: isa.Rsh32Imm, Seccomp: true, Name: "rsh", Operand: OperandImm},
	{Code: 0x7c, Kind: KindALU, Fn: isa.FnRsh, From: reg, Internal: isa.Rsh32Reg, Seccomp: true, Name: "rsh", Operand: OperandX},
	{Code: 0x94, Kind: KindALU, Fn: isa.FnMod, From: imm, Internal: isa.Mod32Imm, Name: "mod", Operand: OperandImm},
	{Code: 0x9c, Kind: KindALU, Fn: isa.FnMod, From: reg, Internal: isa.Mod32Reg, Name: "mod", Operand: OperandX},
	{Code: 0xa4, Kind: KindALU, Fn: isa.FnXor, From: imm, Internal: isa.Xor32Imm, Seccomp: true, Name: "xor", Operand: OperandImm, Hex: true},
	{Code: 0xac, Kind: KindALU, Fn: isa.FnXor, From: reg, Internal: isa.Xor32Reg, Seccomp: true, Name: "xor", Operand: OperandX},
	{Code: 0x84, Kind: KindALU, Fn: isa.FnNeg, Internal: isa.Neg32, Seccomp: true, Name: "neg"},

	// Jumps
	{Code: 0x05, Kind: KindGoto, Internal: isa.Goto, Seccomp: true, Name: "ja", Operand: OperandTarget},
	{Code: 0x15, Kind: KindJump, Fn: isa.FnEq, From: imm, Internal: isa.JEq64Imm, Seccomp: true, Name: "jeq", Operand: OperandImm, Hex: true},
	{Code: 0x1d, Kind: KindJump, Fn: isa.FnEq, From: reg, Internal: isa.JEq64Reg, Seccomp: true, Name: "jeq", Operand: OperandX},
	{Code: 0x25, Kind: KindJump, Fn: isa.FnGt, From: imm, Internal: isa.JGt64Imm, Seccomp: true, Name: "jgt", Operand: OperandImm, Hex: true},
	{Code: 0x2d, Kind: KindJump, Fn: isa.FnGt, From: reg, Internal: isa.JGt64Reg, Seccomp: true, Name: "jgt", Operand: OperandX},
	{Code: 0x35, Kind: KindJump, Fn: isa.FnGe, From: imm, Internal: isa.JGe64Imm, Seccomp: true, Name: "jge", Operand: OperandImm, Hex: true},
	{Code: 0x3d, Kind: KindJump, Fn: isa.FnGe, From: reg, Internal: isa.JGe64Reg, Seccomp: true, Name: "jge", Operand: OperandX},
	{Code: 0x45, Kind: KindJump, Fn: isa.FnSet, From: imm, Internal: isa.JSet64Imm, Seccomp: true, Name: "jset", Operand: OperandImm, Hex: true},
	{Code: 0x4d, Kind: KindJump, Fn: isa.FnSet, From: reg, Internal: isa.JSet64Reg, Seccomp: true, Name: "jset", Operand: OperandX},

	// Return and moves
	{Code: 0x06, Kind: KindReturn, From: imm, Seccomp: true, Name: "ret", Operand: OperandImm},
	{Code: 0x16, Kind: KindReturn, Reg: A, Seccomp: true, Name: "ret", Operand: OperandA},
	{Code: 0x07, Kind: KindMove, Reg: X, Seccomp: true, Name: "tax"},
	{Code: 0x87, Kind: KindMove, Reg: A, Seccomp: true, Name: "txa"},
}

// alias is a second spelling of some rows, for reading only.
type alias struct {
	name, row string // as written, and the mnemonic it stands for
	swap      bool   // the condition is the opposite one: the label belongs to jf
	only      Operand
}

// aliases lists the spellings that bpf_asm reads beside those of the table.
var aliases = [...]alias{
	{name: "jmp", row: "ja"},
	{name: "jne", row: "jeq", swap: true},
	{name: "jneq", row: "jeq", swap: true},
	{name: "jlt", row: "jge", swap: true},
	{name: "jle", row: "jgt", swap: true},
	{name: "ldi", row: "ld", only: OperandImm},
	{name: "ldxi", row: "ldx", only: OperandImm},
	{name: "ldx", row: "ldxb", only: OperandHeader},
}

// Helpers of the kernel that a translated program calls for ld rand and ld cpu. What neither they nor a
// field of struct __sk_buff gives comes from helpers of Skep's own: helper.ClassicPayOffset and the others.
const (
	HelperRandom int32 = 7 // the kernel's get_prandom_u32(): a random number
	HelperCPU    int32 = 8 // the kernel's get_smp_processor_id(): the number of the processor
)

// metadata lists the ancillary loads in the order of their offsets, four apart.
var metadata = [...]Metadata{
	{Offset: 0, Name: "proto", Dump: "proto", Field: 16, Swap: true, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return uint32(p.Protocol) }},
	{Offset: 4, Name: "type", Dump: "type", Field: 4, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return uint32(p.PktType) }},
	{Offset: 8, Name: "ifidx", Dump: "ifidx", Field: 40, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return p.IfIndex }},
	{Offset: 12, Name: "nla", Dump: "nla", Field: -1, Helper: helper.ClassicNLAttr, Args: 3, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return helper.NLAttr(p.Data, a, x) }},
	{Offset: 16, Name: "nlan", Dump: "nlan", Field: -1, Helper: helper.ClassicNLNested, Args: 3, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return helper.NLAttrNested(p.Data, a, x) }},
	{Offset: 20, Name: "mark", Dump: "mark", Field: 8, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return p.Mark }},
	{Offset: 24, Name: "queue", Dump: "queue", Field: 12, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return p.Queue }},
	{Offset: 28, Name: "hatype", Dump: "hatype", Field: -1, Helper: helper.ClassicHWType, Args: 1, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return uint32(p.HardwareType) }},
	{Offset: 32, Name: "rxhash", Dump: "rxhash", Field: 68, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return p.Hash }},
	{Offset: 36, Name: "cpu", Dump: "cpu", Field: -1, Helper: HelperCPU, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return e.CPU }},
	{Offset: 40, Dump: "xor_x", Field: -1, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return a ^ x }},
	{Offset: 44, Name: "vlan_tci", Dump: "vlan_tci", Field: 24, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return uint32(p.VLANTCI) }},
	{Offset: 48, Name: "vlan_avail", Dump: "vlanp", Field: 20, value: vlanPresent},
	{Offset: 52, Name: "poff", Dump: "poff", Field: -1, Helper: helper.ClassicPayOffset, Args: 1, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return helper.PayOffset(p) }},
	{Offset: 56, Name: "rand", Dump: "random", Field: -1, Helper: HelperRandom, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return e.random() }},
	{Offset: 60, Name: "vlan_tpid", Dump: "vlan_tpid", Field: 28, Swap: true, value: func(p *spec.Packet, e *Env, a, x uint32) uint32 { return uint32(p.VLANProto) }},
}

func vlanPresent(p *spec.Packet, e *Env, a, x uint32) uint32 {
	if p.VLANPresent {
		return 1
	}
	return 0
}

// The field of struct __sk_buff with the packet's length on the wire, in bytes from its start.
const lengthField = 0
