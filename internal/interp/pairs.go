// Implements the choice of instruction pairs that run as one.

package interp

import (
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// The pairs, named after their halves.
const (
	opMov64RegAdd64Reg = opExtension + 1 + iota
	opMov64RegAdd64Imm
	opMov64RegSub64Reg
	opMov64RegLsh64Imm
	opMov64RegRsh64Imm
	opMov64RegArsh64Imm
	opMov64RegAnd64Imm
	opMov64RegAnd64Reg
	opMov64RegOr64Reg
	opMov64RegXor64Reg
	opMov64RegMul64Reg
	opMov64RegJLt64Reg
	opMov64RegJGt64Reg
	opMov32RegAnd32Imm
	opMov32RegRsh32Imm
	opAdd64ImmMov64Reg
	opAdd64ImmJLt64Reg
	opAdd64ImmJNe64Imm
	opAdd64ImmJEq64Imm
	opAdd64RegLdx8
	opAdd64RegLdx16
	opAdd64RegLdx32
	opAdd64RegLdx64
	opAdd64RegStx8
	opAdd64RegStx32
	opAdd64RegStx64
	opAdd64RegAdd64Imm
	opAdd64RegMov64Reg
	opAdd64RegXor64Reg
	opLsh64ImmRsh64Imm
	opLsh64ImmArsh64Imm
	opLsh64ImmOr64Reg
	opLsh64ImmAdd64Reg
	opRsh64ImmOr64Reg
	opRsh64ImmAnd64Imm
	opRsh64ImmAnd64Reg
	opRsh64ImmAdd64Reg
	opRsh64ImmXor64Reg
	opRsh64ImmLsh64Imm
	opXor64RegMul64Reg
	opXor64RegAdd64Reg
	opXor64RegMov64Reg
	opOr64RegMov64Reg
	opOr64RegXor64Reg
	opMul64RegAdd64Imm
	opMul64RegAdd64Reg
	opAnd32ImmJEq32Imm
	opAnd32ImmJNe32Imm
	opAnd64ImmJEq64Imm
	opAnd64ImmJNe64Imm
)

// relation is how the second half of a pair uses what the first has computed.
type relation uint8

const (
	sameDst  relation = iota // as its destination register
	srcIsDst                 // as its source register
)

// pairs lists the pairs that compiled programs are full of: copies and what is done to them, address sums
// and the access that follows, loop ends, header fields and their tests. A pair saves the run loop a
// dispatch, and the second half need not read back a register that the first has just written, which is
// most of what a dependent instruction costs there.
var pairs = map[[2]isa.Op]struct {
	code isa.Op
	rel  relation
}{
	{isa.Mov64Reg, isa.Add64Reg}:  {opMov64RegAdd64Reg, sameDst},
	{isa.Mov64Reg, isa.Add64Imm}:  {opMov64RegAdd64Imm, sameDst},
	{isa.Mov64Reg, isa.Sub64Reg}:  {opMov64RegSub64Reg, sameDst},
	{isa.Mov64Reg, isa.Lsh64Imm}:  {opMov64RegLsh64Imm, sameDst},
	{isa.Mov64Reg, isa.Rsh64Imm}:  {opMov64RegRsh64Imm, sameDst},
	{isa.Mov64Reg, isa.Arsh64Imm}: {opMov64RegArsh64Imm, sameDst},
	{isa.Mov64Reg, isa.And64Imm}:  {opMov64RegAnd64Imm, sameDst},
	{isa.Mov64Reg, isa.And64Reg}:  {opMov64RegAnd64Reg, sameDst},
	{isa.Mov64Reg, isa.Or64Reg}:   {opMov64RegOr64Reg, sameDst},
	{isa.Mov64Reg, isa.Xor64Reg}:  {opMov64RegXor64Reg, sameDst},
	{isa.Mov64Reg, isa.Mul64Reg}:  {opMov64RegMul64Reg, sameDst},
	{isa.Mov64Reg, isa.JLt64Reg}:  {opMov64RegJLt64Reg, sameDst},
	{isa.Mov64Reg, isa.JGt64Reg}:  {opMov64RegJGt64Reg, sameDst},
	{isa.Mov32Reg, isa.And32Imm}:  {opMov32RegAnd32Imm, sameDst},
	{isa.Mov32Reg, isa.Rsh32Imm}:  {opMov32RegRsh32Imm, sameDst},
	{isa.Add64Imm, isa.Mov64Reg}:  {opAdd64ImmMov64Reg, srcIsDst},
	{isa.Add64Imm, isa.JLt64Reg}:  {opAdd64ImmJLt64Reg, sameDst},
	{isa.Add64Imm, isa.JNe64Imm}:  {opAdd64ImmJNe64Imm, sameDst},
	{isa.Add64Imm, isa.JEq64Imm}:  {opAdd64ImmJEq64Imm, sameDst},
	{isa.Add64Reg, isa.Ldx8}:      {opAdd64RegLdx8, srcIsDst},
	{isa.Add64Reg, isa.Ldx16}:     {opAdd64RegLdx16, srcIsDst},
	{isa.Add64Reg, isa.Ldx32}:     {opAdd64RegLdx32, srcIsDst},
	{isa.Add64Reg, isa.Ldx64}:     {opAdd64RegLdx64, srcIsDst},
	{isa.Add64Reg, isa.Stx8}:      {opAdd64RegStx8, sameDst},
	{isa.Add64Reg, isa.Stx32}:     {opAdd64RegStx32, sameDst},
	{isa.Add64Reg, isa.Stx64}:     {opAdd64RegStx64, sameDst},
	{isa.Add64Reg, isa.Add64Imm}:  {opAdd64RegAdd64Imm, sameDst},
	{isa.Add64Reg, isa.Mov64Reg}:  {opAdd64RegMov64Reg, srcIsDst},
	{isa.Add64Reg, isa.Xor64Reg}:  {opAdd64RegXor64Reg, sameDst},
	{isa.Lsh64Imm, isa.Rsh64Imm}:  {opLsh64ImmRsh64Imm, sameDst},
	{isa.Lsh64Imm, isa.Arsh64Imm}: {opLsh64ImmArsh64Imm, sameDst},
	{isa.Lsh64Imm, isa.Or64Reg}:   {opLsh64ImmOr64Reg, sameDst},
	{isa.Lsh64Imm, isa.Add64Reg}:  {opLsh64ImmAdd64Reg, sameDst},
	{isa.Rsh64Imm, isa.Or64Reg}:   {opRsh64ImmOr64Reg, sameDst},
	{isa.Rsh64Imm, isa.And64Imm}:  {opRsh64ImmAnd64Imm, sameDst},
	{isa.Rsh64Imm, isa.And64Reg}:  {opRsh64ImmAnd64Reg, sameDst},
	{isa.Rsh64Imm, isa.Add64Reg}:  {opRsh64ImmAdd64Reg, sameDst},
	{isa.Rsh64Imm, isa.Xor64Reg}:  {opRsh64ImmXor64Reg, sameDst},
	{isa.Rsh64Imm, isa.Lsh64Imm}:  {opRsh64ImmLsh64Imm, sameDst},
	{isa.Xor64Reg, isa.Mul64Reg}:  {opXor64RegMul64Reg, sameDst},
	{isa.Xor64Reg, isa.Add64Reg}:  {opXor64RegAdd64Reg, sameDst},
	{isa.Xor64Reg, isa.Mov64Reg}:  {opXor64RegMov64Reg, srcIsDst},
	{isa.Or64Reg, isa.Mov64Reg}:   {opOr64RegMov64Reg, srcIsDst},
	{isa.Or64Reg, isa.Xor64Reg}:   {opOr64RegXor64Reg, sameDst},
	{isa.Mul64Reg, isa.Add64Imm}:  {opMul64RegAdd64Imm, sameDst},
	{isa.Mul64Reg, isa.Add64Reg}:  {opMul64RegAdd64Reg, sameDst},
	{isa.And32Imm, isa.JEq32Imm}:  {opAnd32ImmJEq32Imm, sameDst},
	{isa.And32Imm, isa.JNe32Imm}:  {opAnd32ImmJNe32Imm, sameDst},
	{isa.And64Imm, isa.JEq64Imm}:  {opAnd64ImmJEq64Imm, sameDst},
	{isa.And64Imm, isa.JNe64Imm}:  {opAnd64ImmJNe64Imm, sameDst},
}

// pair turns each op whose successor makes a pair with it into the pair. The successor stays what it is, for
// jumps that lead to it.
func (c *Code) pair() {
	for i := range c.prog.Ins[:len(c.prog.Ins)-1] {
		a, b := &c.ops[i], &c.ops[i+1]
		p, ok := pairs[[2]isa.Op{a.code, b.code}]
		if !ok {
			continue
		}
		switch p.rel {
		case sameDst:
			ok = b.dst == a.dst && (b.src != a.dst || c.prog.Row(ir.Index(i+1)).From != isa.FromReg)
		case srcIsDst:
			ok = b.src == a.dst
		}
		if ok {
			a.code = p.code
		}
	}
}
