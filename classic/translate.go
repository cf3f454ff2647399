// Implements the translation of classic BPF to internal BPF, with the kernel's choice of registers.

package classic

import (
	"fmt"
	"math"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
	"golang.org/x/net/bpf"
)

// Registers of a translated program: A, X, the context, and one for values that do not live from one classic
// instruction to the next. R2 to R5 carry arguments only; R8 and R9 are never used.
const (
	regA    = isa.R0
	regX    = isa.R7
	regCtx  = isa.R6
	regTemp = isa.R1
)

// The size of a translated program is bounded: with it every jump fits in the 16 bits of the offset field.
const (
	prologueSlots = 3
	maxSlots      = 7 // slots of a classic instruction at most
	_             = uint(math.MaxInt16 - prologueSlots - maxSlots*MaxInstructions)
)

// Translation is a classic program in internal BPF.
type Translation struct {
	Program *spec.Program

	// Origin tells for each slot of Program.Insns which classic instruction it comes from, or -1 for the
	// prologue. It never falls. Classic instructions that nothing can reach have no slots, nor have jumps
	// to the next instruction.
	Origin []int
}

// Translate turns a classic packet filter into a program of type socket_filter. R0 holds A, R7 holds X and R6
// the context, a struct __sk_buff; M[k] lies at R10-4-4k. Packet loads become the packet loads of internal
// BPF, which end the program with 0 outside the packet. Metadata comes from the fields of the context or
// from helpers: the kernel's for ld rand and ld cpu, and Skep's own (helper.ClassicPayOffset and the others) for poff,
// nla, nlan and hatype, which the kernel does not offer to programs loaded by users. The code uses only the
// instructions of the 2014 profile, and no loops. Translate fails with a *CheckError if Check does.
func Translate(prog []bpf.RawInstruction) (*Translation, error) {
	if err := Check(prog); err != nil {
		return nil, err
	}
	return translate(prog, spec.SocketFilter)
}

// TranslateSeccomp turns a seccomp filter into a program of type unspec, a plain function whose R1 is the
// address of a struct seccomp_data in little-endian order. It fails with a *CheckError if CheckSeccomp does.
func TranslateSeccomp(prog []bpf.RawInstruction) (*Translation, error) {
	if err := CheckSeccomp(prog); err != nil {
		return nil, err
	}
	return translate(prog, spec.Unspec)
}

func translate(prog []bpf.RawInstruction, typ spec.ProgramType) (*Translation, error) {
	t := translator{prog: prog, seccomp: typ == spec.Unspec, start: make([]int, len(prog))}
	t.from = -1
	t.emit(isa.Mov64Reg, regCtx, isa.R1, 0, 0)
	t.emit(isa.Mov32Imm, regA, 0, 0, 0)
	t.emit(isa.Mov32Imm, regX, 0, 0, 0)

	reached := make([]bool, len(prog)) // jumps only go forward, so one walk finds all
	reached[0] = true
	for i := range prog {
		t.start[i] = len(t.code)
		if !reached[i] {
			continue
		}
		t.from = i
		t.instruction(i)
		for _, next := range successors(prog, i) {
			reached[next] = true
		}
	}
	for _, j := range t.jumps {
		distance := t.start[j.target] - j.slot - 1
		if distance > math.MaxInt16 {
			return nil, fmt.Errorf("classic: jump over %d slots", distance) // maxSlots does not hold
		}
		t.code[j.slot].Off = int16(distance)
	}
	return &Translation{Program: &spec.Program{Type: typ, Insns: t.code}, Origin: t.origin}, nil
}

// successors returns the instructions that may follow instruction i.
func successors(prog []bpf.RawInstruction, i int) []int {
	in := prog[i]
	switch Lookup(in.Op).Kind {
	case KindReturn:
		return nil
	case KindGoto:
		return []int{i + 1 + int(in.K)}
	case KindJump:
		return []int{i + 1 + int(in.Jt), i + 1 + int(in.Jf)}
	}
	return []int{i + 1}
}

type translator struct {
	prog    []bpf.RawInstruction
	seccomp bool // the context is a struct seccomp_data

	from   int // classic instruction that is being translated
	code   []isa.Instruction
	origin []int
	start  []int // slot at which each classic instruction starts
	jumps  []jump
}

// jump is a slot whose offset is to lead to a classic instruction.
type jump struct{ slot, target int }

func (t *translator) emit(op isa.Op, dst, src isa.Register, off int16, imm int32) {
	t.code = append(t.code, op.Make(dst, src, off, imm))
	t.origin = append(t.origin, t.from)
}

func (t *translator) emitJump(op isa.Op, dst, src isa.Register, imm int32, target int) {
	t.jumps = append(t.jumps, jump{len(t.code), target})
	t.emit(op, dst, src, 0, imm)
}

// goTo continues at a classic instruction.
func (t *translator) goTo(target int) {
	if target != t.from+1 {
		t.emitJump(isa.Goto, 0, 0, 0, target)
	}
}

func (t *translator) instruction(i int) {
	in := t.prog[i]
	row := Lookup(in.Op)
	k := int32(in.K)
	r, other := regA, regX
	if row.Reg == X {
		r, other = regX, regA
	}
	switch row.Kind {
	case KindLoadPacket:
		t.loadPacket(row, in.K)
	case KindLoadHeader:
		t.emit(isa.Mov64Reg, regX, regA, 0, 0) // the load needs R0 and spares only R6 to R9
		t.emit(row.Internal, 0, 0, 0, k)
		t.emit(isa.And32Imm, regA, 0, 0, 0xf)
		t.emit(isa.Lsh32Imm, regA, 0, 0, 2)
		t.emit(isa.Mov64Reg, regTemp, regX, 0, 0)
		t.emit(isa.Mov64Reg, regX, regA, 0, 0)
		t.emit(isa.Mov64Reg, regA, regTemp, 0, 0)
	case KindLoadImm:
		t.emit(isa.Mov32Imm, r, 0, 0, k)
	case KindLoadMem:
		t.emit(isa.Ldx32, r, isa.R10, memoryOffset(in.K), 0)
	case KindLoadLen:
		if t.seccomp {
			t.emit(isa.Mov32Imm, r, 0, 0, SeccompDataSize)
		} else {
			t.emit(isa.Ldx32, r, regCtx, lengthField, 0)
		}
	case KindStore:
		t.emit(isa.Stx32, isa.R10, r, memoryOffset(in.K), 0)
	case KindALU:
		t.arithmetic(row, k)
	case KindGoto:
		t.goTo(i + 1 + int(in.K))
	case KindJump:
		t.branch(row, k, i+1+int(in.Jt), i+1+int(in.Jf))
	case KindReturn:
		if row.From == isa.FromImm {
			t.emit(isa.Mov32Imm, regA, 0, 0, k)
		}
		t.emit(isa.Exit, 0, 0, 0, 0)
	case KindMove:
		t.emit(isa.Mov64Reg, r, other, 0, 0)
	default:
		panic("classic: instruction without a translation: " + row.Name)
	}
}

// memoryOffset returns where M[k] lies below R10.
func memoryOffset(k uint32) int16 { return -4 - 4*int16(k) }

func (t *translator) loadPacket(row *Row, k uint32) {
	switch {
	case t.seccomp:
		t.emit(isa.Ldx32, regA, regCtx, int16(k), 0)
	case row.From == isa.FromReg:
		t.emit(row.Internal, 0, regX, 0, int32(k))
	case k >= firstMetadata:
		t.loadMetadata(LookupMetadata(k))
	default:
		t.emit(row.Internal, 0, 0, 0, int32(k))
	}
}

func (t *translator) loadMetadata(m *Metadata) {
	switch {
	case m.Field >= 0:
		t.emit(isa.Ldx32, regA, regCtx, m.Field, 0)
		if m.Swap {
			t.emit(isa.BE16, regA, 0, 0, 0)
		}
	case m.Helper != 0:
		for i, from := range []isa.Register{regCtx, regA, regX}[:m.Args] {
			t.emit(isa.Mov64Reg, isa.R1+isa.Register(i), from, 0, 0)
		}
		t.emit(isa.Call, 0, 0, 0, m.Helper)
	default:
		t.emit(isa.Xor32Reg, regA, regX, 0, 0)
	}
}

func (t *translator) arithmetic(row *Row, k int32) {
	switch row.From {
	case isa.FromNone:
		t.emit(row.Internal, regA, 0, 0, 0)
		return
	case isa.FromImm:
		t.emit(row.Internal, regA, 0, 0, k)
		return
	}
	if row.Fn == isa.FnDiv || row.Fn == isa.FnMod { // division by X = 0 ends the program with 0
		t.emit(isa.JNe64Imm, regX, 0, 2, 0)
		t.emit(isa.Mov32Imm, regA, 0, 0, 0)
		t.emit(isa.Exit, 0, 0, 0, 0)
	}
	t.emit(row.Internal, regA, regX, 0, 0)
}

// branch makes one internal jump of a classic one where an arm is the next instruction, else a pair.
func (t *translator) branch(row *Row, k int32, yes, no int) {
	if yes == no {
		t.goTo(yes)
		return
	}
	op, src := row.Internal, regX
	if row.From == isa.FromImm {
		src = 0
		if k < 0 && row.Fn != isa.FnSet { // the comparison would sign-extend k, while A has zeros there
			t.emit(isa.Mov32Imm, regTemp, 0, 0, k)
			op, src, k = Lookup(row.Code|sourceX).Internal, regTemp, 0
		}
	} else {
		k = 0
	}
	register := src != 0
	next := t.from + 1
	switch {
	case yes != next:
		t.emitJump(op, regA, src, k, yes)
		t.goTo(no)
	case row.Fn == isa.FnEq && register:
		t.emitJump(isa.JNe64Reg, regA, src, 0, no)
	case row.Fn == isa.FnEq:
		t.emitJump(isa.JNe64Imm, regA, 0, k, no)
	case row.Fn == isa.FnGt && register: // not A > B is B >= A
		t.emitJump(isa.JGe64Reg, src, regA, 0, no)
	case row.Fn == isa.FnGe && register: // not A >= B is B > A
		t.emitJump(isa.JGt64Reg, src, regA, 0, no)
	default: // 2014 has no opposite
		t.emitJump(op, regA, src, k, yes)
		t.goTo(no)
	}
}
