// Implements code in the making: instructions, labels, constants, and how they become a program.

package emit

import (
	"fmt"
	"math"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// Label is a place in code that jumps lead to.
type Label int32

// Code is a program in the making. Its methods add to its end. It is not safe for concurrent use. The zero value
// is an empty program without a name.
type Code struct {
	name   string
	items  []item
	labels []int32 // item that each label stands ahead of, -1: nowhere yet
	data   []byte
	known  map[string]int // where each table is in data
	refs   []ref
}

// item is an instruction or a jump. ins is the first slot, second the immediate of the second.
type item struct {
	ins    isa.Instruction
	second int32
	wide   bool
	kind   kind
	to     Label
}

type kind uint8

const (
	plain   kind = iota
	goes         // unconditional jump
	jumps        // conditional jump
	exits        // the end of the program
	address      // of the constant data, off in second
	mapped       // address of a map's value, number of the reference in second
)

// ref names a map that code refers to.
type ref struct {
	name  string
	value bool
	off   uint32
}

// New returns empty code for a program with a name.
func New(name string) *Code { return &Code{name: name} }

// Len returns how many instructions there are so far; wide ones count once.
func (c *Code) Len() int { return len(c.items) }

// Ins adds an instruction of one slot. Jumps are added by the other methods, but for exit.
func (c *Code) Ins(in isa.Instruction) {
	k := plain
	if in == isa.Exit.Make(0, 0, 0, 0) {
		k = exits
	}
	c.items = append(c.items, item{ins: in, kind: k})
}

// Op adds an instruction of one slot by its row of the table.
func (c *Code) Op(op isa.Op, dst, src isa.Register, off int16, imm int32) {
	c.Ins(op.Make(dst, src, off, imm))
}

// Return ends the program with a result that fits a sign-extended immediate.
func (c *Code) Return(v int32) {
	c.Op(isa.Mov64Imm, isa.R0, 0, 0, v)
	c.Op(isa.Exit, 0, 0, 0, 0)
}

// Const puts a constant into a register, by the shortest instruction.
func (c *Code) Const(dst isa.Register, v uint64) {
	switch {
	case fits(v):
		c.Op(isa.Mov64Imm, dst, 0, 0, int32(v))
	case v <= math.MaxUint32:
		c.Op(isa.Mov32Imm, dst, 0, 0, int32(uint32(v)))
	default:
		in := isa.LdImm64.Make(dst, 0, 0, int32(uint32(v)))
		c.items = append(c.items, item{ins: in, second: int32(v >> 32), wide: true})
	}
}

// fits reports whether v is a sign-extended immediate of 32 bits.
func fits(v uint64) bool { return uint64(int64(int32(uint32(v)))) == v }

// Label returns a new label, which stands nowhere yet.
func (c *Code) Label() Label {
	c.labels = append(c.labels, -1)
	return Label(len(c.labels) - 1)
}

// Bind puts a label here. A label stands in one place.
func (c *Code) Bind(l Label) { c.labels[l] = int32(len(c.items)) }

// Here returns a new label that stands here.
func (c *Code) Here() Label {
	l := c.Label()
	c.Bind(l)
	return l
}

// Goto adds a jump.
func (c *Code) Goto(to Label) {
	c.items = append(c.items, item{ins: isa.Goto.Make(0, 0, 0, 0), kind: goes, to: to})
}

// Jump adds a conditional jump: op is one of isa.JEq64Imm to isa.JSLe32Reg.
func (c *Code) Jump(op isa.Op, dst, src isa.Register, imm int32, to Label) {
	c.items = append(c.items, item{ins: op.Make(dst, src, 0, imm), kind: jumps, to: to})
}

// Cond is a condition of jumps of 64 bits.
type Cond uint8

// The conditions. Those with an S are of signed numbers; Set is that dst and src have a bit in common.
const (
	Eq Cond = iota
	Ne
	Gt
	Ge
	Lt
	Le
	SGt
	SGe
	SLt
	SLe
	Set
)

var condOps = [...]isa.Op{isa.JEq64Imm, isa.JNe64Imm, isa.JGt64Imm, isa.JGe64Imm, isa.JLt64Imm, isa.JLe64Imm,
	isa.JSGt64Imm, isa.JSGe64Imm, isa.JSLt64Imm, isa.JSLe64Imm, isa.JSet64Imm}

var inverse = [...]Cond{Ne, Eq, Le, Lt, Ge, Gt, SLe, SLt, SGe, SGt}

// Inverse returns the condition that holds where c does not. Set has none.
func (c Cond) Inverse() Cond { return inverse[c] }

// If adds a jump on a condition of two registers.
func (c *Code) If(cond Cond, dst, src isa.Register, to Label) {
	c.Jump(condOps[cond]+1, dst, src, 0, to)
}

// IfConst adds a jump on a condition of a register and a constant, which goes through spare if it is a large one.
func (c *Code) IfConst(cond Cond, dst isa.Register, v uint64, spare isa.Register, to Label) {
	if fits(v) {
		c.Jump(condOps[cond], dst, 0, int32(v), to)
		return
	}
	c.Const(spare, v)
	c.If(cond, dst, spare, to)
}

// Table makes the address of constant bytes the value of a register. The bytes are copied, aligned to 8, and the
// same bytes are there once.
func (c *Code) Table(dst isa.Register, data []byte) {
	at, ok := c.known[string(data)]
	if !ok {
		for len(c.data)%8 != 0 {
			c.data = append(c.data, 0)
		}
		if c.known == nil {
			c.known = map[string]int{}
		}
		at = len(c.data)
		c.known[string(data)] = at
		c.data = append(c.data, data...)
	}
	in := isa.LdImm64.Make(dst, 0, 0, 0)
	c.items = append(c.items, item{ins: in, second: int32(at), wide: true, kind: address})
}

// MapValue makes the address of a place in the only value of an array map the value of a register. Map makes the
// map itself that, for calls. Both are given to Func by name.
func (c *Code) MapValue(dst isa.Register, name string, off uint32) {
	c.mapRef(dst, ref{name, true, off})
}

// Map: see MapValue.
func (c *Code) Map(dst isa.Register, name string) { c.mapRef(dst, ref{name: name}) }

func (c *Code) mapRef(dst isa.Register, r ref) {
	c.refs = append(c.refs, r)
	in := isa.LdImm64.Make(dst, 0, 0, 0)
	c.items = append(c.items, item{ins: in, second: int32(len(c.refs) - 1), wide: true, kind: mapped})
}

// DataMap is the name of the map with the constant tables.
const DataMap = ".rodata"

// Program returns what was written as a program. Jumps to jumps lead where these do, and what nothing leads to is
// left out. It fails if a label that something leads to stands nowhere.
func (c *Code) Program() (*spec.Program, error) {
	for i, it := range c.items {
		if (it.kind == goes || it.kind == jumps) && (it.to < 0 || int(it.to) >= len(c.labels) || c.labels[it.to] < 0) {
			return nil, fmt.Errorf("program %s: instruction %d leads to label %d, which stands nowhere", c.name, i, it.to)
		}
	}
	l := layout{c: c, target: make([]int32, len(c.items)), size: make([]int32, len(c.items)), at: make([]int32, len(c.items)+1)}
	l.reach()
	l.place()
	return l.program()
}
