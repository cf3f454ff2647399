// Implements the search of the table: from wire slots to the row that describes them, or the reason why none does.

package isa

import (
	"fmt"
	"slices"
)

// Extension describes an instruction that Skep does not have and a user adds to a Set, of 8, 16, 24 or 32
// bytes (the instruction format leaves room for both more opcodes and longer encodings). It computes a
// value from its two registers and its immediates. On the wire its first slot has all four fields free;
// in the further slots only the immediate is free and all else is zero.
type Extension struct {
	Name          string // mnemonic, a single word that no other instruction has
	Code          uint8  // wire opcode that no other instruction has
	Size          int    // bytes on the wire: 8, 16, 24 or 32
	Reads, Writes Roles  // any of RoleDst and RoleSrc; only RoleDst can be written

	// Eval returns the new value of the destination register; it is ignored unless Writes has RoleDst.
	// slots holds the instruction's wire slots. It must be safe for concurrent use and must not panic.
	Eval func(dst, src uint64, slots []Instruction) uint64
}

// Set is a set of instructions: the table, with or without extensions. A Set does not change once made and
// is safe for concurrent use.
type Set struct {
	rows   []*Row
	byCode [256][]*Row
}

// Linux is the set of all instructions of the table.
var Linux = mustSet()

func mustSet() *Set {
	s, err := NewSet()
	if err != nil {
		panic(err)
	}
	return s
}

// NewSet returns the table's instructions together with the given extensions. It fails if an extension is
// not well formed or takes an opcode or a name that is in use.
func NewSet(extensions ...Extension) (*Set, error) {
	s := &Set{}
	for i := range table {
		s.add(&table[i])
	}
	for i := range extensions {
		r, err := s.extensionRow(extensions[i])
		if err != nil {
			return nil, err
		}
		s.add(r)
	}
	return s, nil
}

func (s *Set) add(r *Row) {
	if r.Slots == 0 {
		r.Slots = 1
	}
	s.rows = append(s.rows, r)
	s.byCode[r.Code] = append(s.byCode[r.Code], r)
}

func (s *Set) extensionRow(e Extension) (*Row, error) {
	fail := func(format string, args ...any) (*Row, error) {
		return nil, fmt.Errorf("extension instruction %q: "+format, append([]any{e.Name}, args...)...)
	}
	switch {
	case e.Name == "":
		return fail("it has no name")
	case e.Size%InstructionSize != 0 || e.Size < 8 || e.Size > 32:
		return fail("its size is %d bytes, not 8, 16, 24 or 32", e.Size)
	case len(s.byCode[e.Code]) > 0:
		return fail("opcode %#02x is %q already", e.Code, s.byCode[e.Code][0].Mnemonic)
	case e.Eval == nil:
		return fail("it has no Eval function")
	case (e.Reads|e.Writes)&^(RoleDst|RoleSrc) != 0 || e.Writes&RoleSrc != 0:
		return fail("it may read its two registers and write its destination, nothing else")
	case slices.ContainsFunc(s.rows, func(r *Row) bool { return r.ext != nil && r.ext.Name == e.Name }):
		return fail("the name is taken")
	}
	r := &Row{Op: Op(len(s.rows)), Code: e.Code, Dst: operand, Src: operand, Off: operand, Imm: operand,
		Slots: e.Size / InstructionSize, Kind: KindExtension, Width: 64, Reads: e.Reads, Writes: e.Writes,
		Group: NoGroup, Text: e.Name + " {dst}, {src}, {off16}, {imms}", Mnemonic: e.Name + " {dst}, {src}, {off16}, {imms}", ext: &e}
	if r.Slots > 1 {
		r.Next = operand
	}
	return r, nil
}

// Rows returns all rows of the set in the order of their Op. The slice is the caller's, the rows are not.
func (s *Set) Rows() []*Row { return slices.Clone(s.rows) }

// Row returns the row of an Op of this set.
func (s *Set) Row(op Op) *Row { return s.rows[op] }

// Reason says why a bit pattern is no instruction.
type Reason uint8

// The reasons for a LookupError.
const (
	UnknownOpcode Reason = iota // no instruction has this opcode
	BadSelector                 // the opcode is known, but a field that tells its instructions apart has no known value
	ReservedField               // a field that must be zero is not
	BadRegister                 // a register field is above 10
	Truncated                   // the program ends inside the instruction
)

// LookupError says why Lookup found no instruction.
type LookupError struct {
	Index  int // slot at which the instruction starts
	Reason Reason
	Code   uint8  // wire opcode
	Field  string // the field at fault: "dst", "src", "off", "imm", or a slot such as "slot 1"
	Value  int64  // its value
	Row    *Row   // the instruction that came nearest, or nil
}

func (e *LookupError) Error() string {
	switch e.Reason {
	case UnknownOpcode:
		return fmt.Sprintf("instruction %d: unknown opcode %#02x", e.Index, e.Code)
	case BadSelector:
		return fmt.Sprintf("instruction %d: opcode %#02x has no instruction with %s = %d", e.Index, e.Code, e.Field, e.Value)
	case BadRegister:
		return fmt.Sprintf("instruction %d (%s): %s names register %d, the last is r10", e.Index, e.Row.name(), e.Field, e.Value)
	case Truncated:
		return fmt.Sprintf("instruction %d (%s): the program ends inside it: it takes %d slots", e.Index, e.Row.name(), e.Row.Slots)
	}
	return fmt.Sprintf("instruction %d (%s): reserved field %s is %d, must be 0", e.Index, e.Row.name(), e.Field, e.Value)
}

// Lookup returns the row that describes the instruction starting at slot i of code. The error is a
// *LookupError. It panics if i is outside code.
func (s *Set) Lookup(code []Instruction, i int) (*Row, error) {
	in := code[i]
	rows := s.byCode[in.Code]
	if len(rows) == 0 {
		return nil, &LookupError{Index: i, Reason: UnknownOpcode, Code: in.Code}
	}
	row := rows[0]
	bad := ""
	for _, r := range rows {
		if bad = r.selectorMismatch(in); bad == "" {
			row = r
			break
		}
	}
	if bad != "" {
		return nil, &LookupError{Index: i, Reason: BadSelector, Code: in.Code, Field: bad, Value: in.field(bad), Row: row}
	}
	return row, row.check(code, i)
}

// Slots returns how many slots an instruction with this wire opcode takes, 1 for unknown opcodes.
func (s *Set) Slots(code uint8) int {
	if rows := s.byCode[code]; len(rows) > 0 {
		return rows[0].Slots
	}
	return 1
}

// selectorMismatch names the field that keeps in from being r, or returns "". A reserved field counts only
// where it tells rows of one opcode apart: the operand forms (call 0, mov without sign extension) have it
// reserved while their siblings select on it.
func (r *Row) selectorMismatch(in Instruction) string {
	sel := func(f Field, v int32) bool { return f.Use == Selector && f.Value != v }
	zero := func(f Field, v int32) bool { return f.Use == Reserved && v != 0 }
	shared := sharedSelectors[r.Code]
	switch {
	case sel(r.Src, int32(in.Src())) || shared&selSrc != 0 && zero(r.Src, int32(in.Src())):
		return "src"
	case sel(r.Off, int32(in.Off)) || shared&selOff != 0 && zero(r.Off, int32(in.Off)):
		return "off"
	case sel(r.Imm, in.Imm):
		return "imm"
	}
	return ""
}

const (
	selSrc = 1 << iota
	selOff
)

// sharedSelectors tells for each opcode which fields some row of the table selects on.
var sharedSelectors = func() (m [256]uint8) {
	for i := range table {
		if table[i].Src.Use == Selector {
			m[table[i].Code] |= selSrc
		}
		if table[i].Off.Use == Selector {
			m[table[i].Code] |= selOff
		}
	}
	return m
}()

func (i Instruction) field(name string) int64 {
	switch name {
	case "dst":
		return int64(i.Dst())
	case "src":
		return int64(i.Src())
	case "off":
		return int64(i.Off)
	}
	return int64(i.Imm)
}

// check judges the fields that do not select the row.
func (r *Row) check(code []Instruction, i int) error {
	in := code[i]
	fail := func(reason Reason, field string, v int64) error {
		return &LookupError{Index: i, Reason: reason, Code: in.Code, Field: field, Value: v, Row: r}
	}
	for _, f := range [...]struct {
		name string
		Field
	}{{"dst", r.Dst}, {"src", r.Src}, {"off", r.Off}, {"imm", r.Imm}} {
		v := in.field(f.name)
		switch {
		case f.Use == Reserved && v != 0:
			return fail(ReservedField, f.name, v)
		case f.Use == Operand && (f.name == "dst" || f.name == "src") && v >= NumRegisters:
			return fail(BadRegister, f.name, v)
		}
	}
	if i+r.Slots > len(code) {
		return fail(Truncated, "", 0)
	}
	for n := 1; n < r.Slots; n++ {
		next := code[i+n]
		if next.Code != 0 || next.Regs != 0 || next.Off != 0 || r.Next.Use == Reserved && next.Imm != 0 {
			return fail(ReservedField, fmt.Sprintf("slot %d", n), int64(next.Imm))
		}
	}
	return nil
}
