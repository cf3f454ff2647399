// Implements the dense instruction numbers.

package isa

// Op is the dense number of a row of the instruction table. The wire opcode (Instruction.Code) does not
// identify an instruction by itself, since some opcodes carry several instructions that other fields
// select; an Op does. Numbers may change between releases: store the wire form, not an Op.
type Op uint16

// Dense instruction numbers: one for each row of the table, in the order of the rows.
const (
	// 64-bit arithmetic (RFC 9669 section 4.1)
	Add64Imm Op = iota
	Add64Reg
	Sub64Imm
	Sub64Reg
	Mul64Imm
	Mul64Reg
	Div64Imm
	Div64Reg
	Or64Imm
	Or64Reg
	And64Imm
	And64Reg
	Lsh64Imm
	Lsh64Reg
	Rsh64Imm
	Rsh64Reg
	Mod64Imm
	Mod64Reg
	Xor64Imm
	Xor64Reg
	Mov64Imm
	Mov64Reg
	Arsh64Imm
	Arsh64Reg
	Neg64
	SDiv64Imm
	SDiv64Reg
	SMod64Imm
	SMod64Reg
	MovSX8To64
	MovSX16To64
	MovSX32To64
	// 32-bit arithmetic (RFC 9669 section 4.1)
	Add32Imm
	Add32Reg
	Sub32Imm
	Sub32Reg
	Mul32Imm
	Mul32Reg
	Div32Imm
	Div32Reg
	Or32Imm
	Or32Reg
	And32Imm
	And32Reg
	Lsh32Imm
	Lsh32Reg
	Rsh32Imm
	Rsh32Reg
	Mod32Imm
	Mod32Reg
	Xor32Imm
	Xor32Reg
	Mov32Imm
	Mov32Reg
	Arsh32Imm
	Arsh32Reg
	Neg32
	SDiv32Imm
	SDiv32Reg
	SMod32Imm
	SMod32Reg
	MovSX8To32
	MovSX16To32
	// Byte order (RFC 9669 section 4.2)
	LE16
	LE32
	LE64
	BE16
	BE32
	BE64
	BSwap16
	BSwap32
	BSwap64
	// 64-bit conditional jumps (RFC 9669 section 4.3)
	JEq64Imm
	JEq64Reg
	JGt64Imm
	JGt64Reg
	JGe64Imm
	JGe64Reg
	JSet64Imm
	JSet64Reg
	JNe64Imm
	JNe64Reg
	JSGt64Imm
	JSGt64Reg
	JSGe64Imm
	JSGe64Reg
	JLt64Imm
	JLt64Reg
	JLe64Imm
	JLe64Reg
	JSLt64Imm
	JSLt64Reg
	JSLe64Imm
	JSLe64Reg
	// 32-bit conditional jumps (RFC 9669 section 4.3)
	JEq32Imm
	JEq32Reg
	JGt32Imm
	JGt32Reg
	JGe32Imm
	JGe32Reg
	JSet32Imm
	JSet32Reg
	JNe32Imm
	JNe32Reg
	JSGt32Imm
	JSGt32Reg
	JSGe32Imm
	JSGe32Reg
	JLt32Imm
	JLt32Reg
	JLe32Imm
	JLe32Reg
	JSLt32Imm
	JSLt32Reg
	JSLe32Imm
	JSLe32Reg
	// Jumps, calls and exit (RFC 9669 sections 4.3.1 and 4.3.2)
	Goto
	GotoLong
	MayGoto
	Call
	CallLocal
	CallKfunc
	CallReg
	Exit
	// Loads and stores (RFC 9669 section 5)
	Ldx8
	Ldx16
	Ldx32
	Ldx64
	LdxS8
	LdxS16
	LdxS32
	St8
	St16
	St32
	St64
	Stx8
	Stx16
	Stx32
	Stx64
	// Atomic operations (RFC 9669 section 5.3; load-acquire and store-release: kernel documentation)
	AtomicAdd64
	AtomicOr64
	AtomicAnd64
	AtomicXor64
	AtomicFetchAdd64
	AtomicFetchOr64
	AtomicFetchAnd64
	AtomicFetchXor64
	AtomicXchg64
	AtomicCmpxchg64
	AtomicAdd32
	AtomicOr32
	AtomicAnd32
	AtomicXor32
	AtomicFetchAdd32
	AtomicFetchOr32
	AtomicFetchAnd32
	AtomicFetchXor32
	AtomicXchg32
	AtomicCmpxchg32
	LoadAcq8
	LoadAcq16
	LoadAcq32
	LoadAcq64
	StoreRel8
	StoreRel16
	StoreRel32
	StoreRel64
	// 64-bit immediates (RFC 9669 section 5.4)
	LdImm64
	LdMapFD
	LdMapValue
	LdVarAddr
	LdFunc
	LdMapIdx
	LdMapIdxValue
	// Packet access (RFC 9669 section 5.5)
	LdAbs8
	LdAbs16
	LdAbs32
	LdInd8
	LdInd16
	LdInd32
	// Address spaces (kernel documentation, arena)
	AddrSpaceCast

	// NumOps is the number of rows of the table.
	NumOps int = iota
)
