// Implements the types of the table's columns, and the short forms in which its rows are written.

package isa

import "fmt"

// Use says what a wire field holds in one instruction.
type Use uint8

const (
	Reserved Use = iota // must be zero
	Operand             // any value: a register, an offset or an immediate
	Selector            // must have one value, which tells this instruction from others of the same opcode
)

// Field is the wire pattern of one field of a row.
type Field struct {
	Use   Use
	Value int32 // the value a Selector must have
}

// Kind is the broad sort of an instruction: what shape its meaning has. The Fn column completes it.
type Kind uint8

// The kinds. In each description "operand" is the source register or the sign-extended immediate, as
// Row.From says.
const (
	KindALU       Kind = iota // dst = Fn(dst, operand), Row.Width bits wide, upper bits zeroed
	KindLoad                  // dst = memory[src+off], Row.Size bits, zero- or sign-extended
	KindStore                 // memory[dst+off] = operand, Row.Size bits
	KindAtomic                // memory[dst+off] = Fn(memory, src) in one step; with Fetch, src = old value
	KindLoadAcq               // dst = memory[src+off] with acquire ordering
	KindStoreRel              // memory[dst+off] = src with release ordering
	KindJump                  // if Fn(dst, operand), Row.Width bits wide, jump to off
	KindGoto                  // jump to off (or to imm, for the long form)
	KindMayGoto               // jump to off once the loop budget is used up, else fall through
	KindCall                  // call a helper, a function of the program, a kernel function, or through a register
	KindExit                  // return from the current function
	KindLoadImm               // dst = 64-bit immediate or the address it stands for
	KindPacket                // r0 = packet[imm] or packet[src+imm], big endian; ends the program if outside
	KindCast                  // dst = src moved between address spaces
	KindExtension             // registered by the user; see Extension
)

// Fn is the operation inside a kind: an arithmetic function for KindALU and KindAtomic, a comparison for KindJump.
type Fn uint8

// The operations. FnXchg and FnCmpxchg belong to KindAtomic, FnEq and what follows to KindJump.
const (
	FnNone Fn = iota
	FnAdd
	FnSub
	FnMul
	FnDiv
	FnSDiv
	FnOr
	FnAnd
	FnLsh
	FnRsh
	FnMod
	FnSMod
	FnXor
	FnMov
	FnMovSX
	FnArsh
	FnNeg
	FnLE
	FnBE
	FnBSwap
	FnXchg
	FnCmpxchg
	FnEq
	FnGt
	FnGe
	FnSet
	FnNe
	FnSGt
	FnSGe
	FnLt
	FnLe
	FnSLt
	FnSLe
)

// From says where the second operand comes from.
type From uint8

const (
	FromNone From = iota // there is no second operand
	FromImm              // the immediate, sign-extended
	FromReg              // the source register
)

// Roles is a set of registers named by their role in an instruction.
type Roles uint8

const (
	RoleDst  Roles = 1 << iota // the register in the destination field
	RoleSrc                    // the register in the source field
	RoleR0                     // R0
	RoleR6                     // R6, the implicit context of packet access
	RoleArgs                   // R1 to R5, which a call leaves unreadable
)

// Group is a conformance group of RFC 9669 section 2.4.
type Group uint8

// The groups. LinuxOnly marks instructions of the kernel that the RFC does not have, NoGroup those that
// no released kernel accepts.
const (
	Base32 Group = iota
	Base64
	DivMul32
	DivMul64
	Atomic32
	Atomic64
	Packet
	LinuxOnly
	NoGroup
)

var groupNames = [...]string{"base32", "base64", "divmul32", "divmul64", "atomic32", "atomic64", "packet", "linux", "none"}

// String returns the group's name as the RFC spells it.
func (g Group) String() string { return groupNames[g] }

// Version is a kernel release, such as 5.12. The zero value means no release.
type Version struct{ Major, Minor int }

// String returns the version as "5.12", or "none".
func (v Version) String() string {
	if v == (Version{}) {
		return "none"
	}
	return fmt.Sprintf("%d.%d", v.Major, v.Minor)
}

// The releases that brought instructions. v3_15 is the first set, 87 instructions.
var (
	unreleased = Version{}
	v3_15      = Version{3, 15}
	v3_18      = Version{3, 18}
	v4_14      = Version{4, 14}
	v4_16      = Version{4, 16}
	v5_0       = Version{5, 0}
	v5_1       = Version{5, 1}
	v5_2       = Version{5, 2}
	v5_10      = Version{5, 10}
	v5_12      = Version{5, 12}
	v5_13      = Version{5, 13}
	v5_14      = Version{5, 14}
	v6_6       = Version{6, 6}
	v6_9       = Version{6, 9}
	v6_15      = Version{6, 15}
)

// Row describes one instruction: how it stands on the wire, how it is written, and what it does.
// Rows are shared and must not be changed.
type Row struct {
	Op   Op    // dense number
	Code uint8 // wire opcode

	// Wire pattern. Next is the immediate of the second slot of a wide instruction.
	Dst, Src, Off, Imm, Next Field
	Slots                    int // eight-byte slots: 1, 2 for wide instructions, up to 4 for extensions

	Kind   Kind
	Fn     Fn
	From   From
	Width  uint8 // bits the operation works on, 32 or 64
	Size   uint8 // bits of memory accessed, or of the value that is extended or swapped
	Signed bool  // a load extends the sign
	Fetch  bool  // an atomic operation returns the old value

	Reads, Writes Roles // registers read and written; calls do not list the arguments they read

	Group Group   // conformance group
	Since Version // kernel release that brought it

	// Spellings. Text is the assignment style of clang, bpftool and verifier logs, Mnemonic the style of
	// uBPF. Spelling describes the placeholders in braces.
	Text, Mnemonic string

	ext *Extension
}

// Extension returns the extension a KindExtension row was made from, or nil.
func (r *Row) Extension() *Extension { return r.ext }

// The short forms below keep the table at a line an instruction.

var operand = Field{Use: Operand}

func selector(v int32) Field { return Field{Use: Selector, Value: v} }

func alu(op Op, code uint8, fn Fn, width uint8, from From, g Group, since Version, text, mnemonic string) Row {
	r := Row{Op: op, Code: code, Dst: operand, Kind: KindALU, Fn: fn, From: from, Width: width, Size: width,
		Reads: RoleDst, Writes: RoleDst, Group: g, Since: since, Text: text, Mnemonic: mnemonic}
	if fn == FnMov || fn == FnMovSX {
		r.Reads = 0
	}
	if from == FromReg {
		r.Src = operand
		r.Reads |= RoleSrc
	} else {
		r.Imm = operand
	}
	return r
}

func neg(op Op, code uint8, width uint8, g Group, since Version, text, mnemonic string) Row {
	r := alu(op, code, FnNeg, width, FromNone, g, since, text, mnemonic)
	r.Imm = Field{}
	return r
}

func swap(op Op, code uint8, fn Fn, size uint8, g Group, since Version, text, mnemonic string) Row {
	r := alu(op, code, fn, 64, FromNone, g, since, text, mnemonic)
	r.Imm = selector(int32(size))
	r.Size = size
	return r
}

func jump(op Op, code uint8, fn Fn, width uint8, from From, g Group, since Version, text, mnemonic string) Row {
	r := alu(op, code, fn, width, from, g, since, text, mnemonic)
	r.Kind, r.Writes, r.Off = KindJump, 0, operand
	return r
}

func load(op Op, code uint8, size uint8, g Group, since Version, text, mnemonic string) Row {
	return Row{Op: op, Code: code, Dst: operand, Src: operand, Off: operand, Kind: KindLoad, Width: 64, Size: size,
		Reads: RoleSrc, Writes: RoleDst, Group: g, Since: since, Text: text, Mnemonic: mnemonic}
}

func store(op Op, code uint8, size uint8, from From, g Group, since Version, text, mnemonic string) Row {
	r := alu(op, code, FnNone, 64, from, g, since, text, mnemonic)
	r.Kind, r.Size, r.Off, r.Writes = KindStore, size, operand, 0
	return r
}

func atomic(op Op, code uint8, imm int32, fn Fn, size uint8, g Group, since Version, text, mnemonic string) Row {
	r := Row{Op: op, Code: code, Dst: operand, Src: operand, Off: operand, Imm: selector(imm), Kind: KindAtomic, Fn: fn,
		From: FromReg, Width: size, Size: size, Reads: RoleDst | RoleSrc, Group: g, Since: since, Text: text, Mnemonic: mnemonic}
	r.Fetch = imm&1 != 0
	switch {
	case fn == FnCmpxchg:
		r.Reads |= RoleR0
		r.Writes = RoleR0
	case r.Fetch:
		r.Writes = RoleSrc
	}
	return r
}

func acquire(op Op, code uint8, size uint8, since Version, text, mnemonic string) Row {
	r := load(op, code, size, LinuxOnly, since, text, mnemonic)
	r.Kind, r.Imm = KindLoadAcq, selector(0x100)
	return r
}

func release(op Op, code uint8, size uint8, since Version, text, mnemonic string) Row {
	r := store(op, code, size, FromReg, LinuxOnly, since, text, mnemonic)
	r.Kind, r.Imm = KindStoreRel, selector(0x110)
	return r
}

func packet(op Op, code uint8, size uint8, from From, text, mnemonic string) Row {
	r := Row{Op: op, Code: code, Imm: operand, Kind: KindPacket, From: from, Width: 64, Size: size,
		Reads: RoleR6, Writes: RoleR0 | RoleArgs, Group: Packet, Since: v3_15, Text: text, Mnemonic: mnemonic}
	if from == FromReg {
		r.Src = operand
		r.Reads |= RoleSrc
	}
	return r
}

func (r Row) off(v int32) Row  { r.Off = selector(v); return r }
func (r Row) size(v uint8) Row { r.Size = v; return r }
func (r Row) signed() Row      { r.Signed = true; return r }
