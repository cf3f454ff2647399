// Implements the types of the table's columns and the search of the table.

package classic

import (
	"slices"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Limits of classic BPF (linux/filter.h and linux/bpf_common.h).
const (
	MaxInstructions = 4096 // instructions in a program
	MemoryWords     = 16   // 32-bit words of scratch memory, M[0] to M[15]
)

// Offsets in a packet load that do not count from the packet's first byte (linux/filter.h). They are negative
// numbers in the k field. From AncillaryOffset on, an absolute load reads metadata instead of bytes.
const (
	AncillaryOffset = -0x1000   // SKF_AD_OFF
	NetworkOffset   = -0x100000 // SKF_NET_OFF: counts from the network header
	LinkOffset      = -0x200000 // SKF_LL_OFF: counts from the link layer header
)

// firstMetadata is AncillaryOffset as it stands in the k field.
const firstMetadata uint32 = 1<<32 + AncillaryOffset

// sourceX is the bit of an opcode that makes X the second operand instead of k.
const sourceX = 0x08

// Kind is the broad sort of a classic instruction: what shape its meaning has.
type Kind uint8

// The kinds. "reg" is Row.Reg; "operand" is k or X, as Row.From says.
const (
	KindLoadPacket Kind = iota // A = packet[k] or packet[X+k], Row.Size bits; metadata if k names some
	KindLoadHeader             // X = 4*(packet[k]&0xf), the length of an IPv4 header
	KindLoadImm                // reg = k
	KindLoadMem                // reg = M[k]
	KindLoadLen                // reg = length of the packet
	KindStore                  // M[k] = reg
	KindALU                    // A = Row.Fn(A, operand), 32 bits
	KindJump                   // if Row.Fn(A, operand) skip jt instructions, else jf
	KindGoto                   // skip k instructions
	KindReturn                 // end with the value k (FromImm), or A
	KindMove                   // reg = the other register
)

// Register is one of the two registers of the classic machine.
type Register uint8

// The registers, each 32 bits wide and zero at the start.
const (
	A Register = iota // accumulator
	X                 // index
)

// Operand says how an instruction's operand is written and what its k field holds.
type Operand uint8

// The operand forms, with the numbers that the kernel's documentation gives them as addressing modes.
const (
	OperandNone   Operand = iota // nothing; k is not used
	OperandX                     // x (mode 0)
	OperandAbs                   // [k] (mode 1), or the name of metadata (mode 12)
	OperandInd                   // [x + k] (mode 2)
	OperandMem                   // M[k] (mode 3)
	OperandImm                   // #k (mode 4)
	OperandHeader                // 4*([k]&0xf) (mode 5)
	OperandTarget                // a label (mode 6)
	OperandA                     // a (mode 11)
	OperandLen                   // len (mode 12)
)

// operandText shows each operand form in messages.
var operandText = [...]string{"no operand", "x", "[k]", "[x + k]", "M[k]", "#k", "4*([k]&0xf)", "a label", "a", "len"}

// Row describes one classic instruction: how it stands on the wire, how it is written and what it does. Rows
// are shared and must not be changed.
type Row struct {
	Code uint16 // wire opcode; it identifies the row

	Kind Kind
	Reg  Register // register loaded, stored or returned
	Fn   isa.Fn   // operation of KindALU, comparison of KindJump
	From isa.From // second operand of KindALU and KindJump, index of KindLoadPacket: k (FromImm), X (FromReg)
	Size uint8    // bits that KindLoadPacket loads: 8, 16 or 32

	// Internal is the instruction of internal BPF with the same meaning, for the kinds that have a direct
	// counterpart: ALU, jump and packet load.
	Internal isa.Op

	Seccomp bool // seccomp filters may use it

	// Spelling, the same in the kernel's bpf_asm and in tcpdump -d.
	Name    string // mnemonic
	Operand Operand
	Hex     bool // tcpdump -d prints k in hexadecimal
}

// Rows returns all rows of the table. The slice is the caller's, the rows are not.
func Rows() []*Row { return slices.Clone(rows) }

// Lookup returns the row of a wire opcode, or nil if no instruction has it.
func Lookup(code uint16) *Row {
	if code < uint16(len(byCode)) {
		return byCode[code]
	}
	return nil
}

var (
	rows   []*Row
	byCode [256]*Row
)

func init() {
	for i := range table {
		rows = append(rows, &table[i])
		byCode[table[i].Code] = &table[i]
	}
}

// Metadata describes what an absolute load from AncillaryOffset on reads (the SKF_AD_ constants of
// linux/filter.h).
type Metadata struct {
	Offset uint32 // counted from AncillaryOffset
	Name   string // as bpf_asm spells it; "" if bpf_asm has no word for it
	Dump   string // as tcpdump -d spells it

	// How internal BPF gets it: from a field of struct __sk_buff, byte-swapped if Swap, or else from a
	// helper; if neither is set the meaning is A ^= X.
	Field  int16 // offset in bytes, or -1
	Swap   bool  // the field holds a 16-bit number in network order
	Helper int32 // helper number, or 0
	Args   int   // how many of the context, A and X the helper takes

	value func(p *spec.Packet, e *Env, a, x uint32) uint32
}

// LookupMetadata returns the description of an absolute load's k field, or nil if it names no metadata.
func LookupMetadata(k uint32) *Metadata {
	if n := (k - firstMetadata) / 4; k >= firstMetadata && k%4 == 0 && n < uint32(len(metadata)) {
		return &metadata[n]
	}
	return nil
}

// AllMetadata returns a copy of the table of metadata.
func AllMetadata() []Metadata { return slices.Clone(metadata[:]) }
