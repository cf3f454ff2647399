// Implements the way from programs of cilium/ebpf to those of package spec.

package elf

import (
	"bytes"
	stdelf "debug/elf"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// converter turns one program's instructions into spec's.
type converter struct {
	o      *object
	p      *spec.Program
	slots  map[string]int // where symbols stand
	starts map[int]bool   // of functions
	refs   []nameRef
	relocs []typeReloc
}

// nameRef is a reference to a symbol of the program.
type nameRef struct {
	slot int
	name string
	jump bool // relative in the offset, not in the constant
}

func (o *object) programFrom(ps *ebpf.ProgramSpec) (*spec.Program, error) {
	if ps == nil {
		return nil, wrong("a program of the collection is nil")
	}
	fail := func(format string, args ...any) error {
		return &Error{Section: ps.SectionName, Symbol: ps.Name, Err: fmt.Errorf(format, args...)}
	}
	if ps.ByteOrder != nil && ps.ByteOrder != binary.LittleEndian {
		return nil, fail("%w", ErrBigEndian)
	}
	p := &spec.Program{Name: ps.Name, Type: spec.ProgramType(ps.Type), AttachType: uint32(ps.AttachType), AttachTo: ps.AttachTo,
		Section: ps.SectionName, License: ps.License, Flags: spec.ProgramFlags(ps.Flags)}
	c := &converter{o: o, p: p, slots: map[string]int{}, starts: map[int]bool{0: true}}
	for i := range ps.Instructions {
		if err := c.add(&ps.Instructions[i]); err != nil {
			return nil, fail("instruction %d: %w", i, err)
		}
	}
	for _, r := range c.refs {
		to, ok := c.slots[r.name]
		if !ok {
			return nil, fail("the instruction at slot %d refers to %q, which is not there", r.slot, r.name)
		}
		rel := to - r.slot - 1
		switch in := &p.Insns[r.slot]; {
		case r.jump && rel != int(int16(rel)):
			return nil, fail("the jump at slot %d goes %d slots, too far for an instruction", r.slot, rel)
		case r.jump:
			in.Off = int16(rel)
		default:
			in.Imm = int32(rel)
			c.starts[to] = true
		}
	}
	c.finish(ps)
	if len(c.relocs) == 0 {
		return p, nil
	}
	return p, c.relocateTypes(ps)
}

// add appends an instruction.
func (c *converter) add(ins *asm.Instruction) error {
	slot := len(c.p.Insns)
	if name := ins.Symbol(); name != "" {
		if _, there := c.slots[name]; there {
			return fmt.Errorf("there are two instructions with the symbol %q", name)
		}
		c.slots[name] = slot
		if slot > 0 {
			c.p.Symbols = append(c.p.Symbols, spec.Symbol{Insn: slot, Name: name})
		}
	}
	if f := btf.FuncMetadata(ins); f != nil {
		c.starts[slot] = true
		c.p.Funcs = append(c.p.Funcs, spec.Func{Insn: slot, Name: f.Name, Static: f.Linkage == btf.StaticFunc, Type: f})
	}
	c.line(slot, ins)
	if r := btf.CORERelocationMetadata(ins); r != nil {
		c.relocs = append(c.relocs, typeReloc{slot: slot, relo: r})
	}
	plain := *ins
	plain.Metadata = asm.Metadata{}
	c.refer(slot, ins, &plain)
	var buf bytes.Buffer
	if _, err := plain.Marshal(&buf, binary.LittleEndian); err != nil {
		return err
	}
	insns, err := isa.Decode(buf.Bytes(), binary.LittleEndian)
	c.p.Insns = append(c.p.Insns, insns...)
	return err
}

func (c *converter) line(slot int, ins *asm.Instruction) {
	switch src := ins.Source().(type) {
	case nil:
	case *btf.Line:
		c.p.Lines = append(c.p.Lines, spec.Line{Insn: slot, File: src.FileName(), Line: int(src.LineNumber()), Column: int(src.LineColumn()), Text: src.Line()})
	default:
		c.p.Lines = append(c.p.Lines, spec.Line{Insn: slot, Text: src.String()})
	}
}

// refer notes what an instruction refers to, and takes the reference out of plain, its copy.
func (c *converter) refer(slot int, ins, plain *asm.Instruction) {
	name := ins.Reference()
	binding, offset, isConfig := metaOf(ins)
	weak := binding == stdelf.STB_WEAK
	switch {
	case isConfig:
		c.p.Maps = append(c.p.Maps, spec.MapRef{Insn: slot, Map: ".kconfig", Value: true, Offset: offset})
		plain.Src, plain.Constant = 0, 0
	case name == "":
	case ins.IsLoadFromMap():
		ref := spec.MapRef{Insn: slot, Map: name, Value: ins.Src == asm.PseudoMapValue}
		if ref.Value {
			ref.Offset = uint32(uint64(ins.Constant) >> 32)
		}
		c.p.Maps = append(c.p.Maps, ref)
		plain.Src, plain.Constant = 0, 0
	case ins.IsKfuncCall():
		ref := spec.CallRef{Insn: slot, Helper: name, Weak: weak}
		if e := c.o.externs[name]; e != nil {
			ref.Type, _ = e.typ.(*btf.Func)
		}
		c.p.Calls = append(c.p.Calls, ref)
		plain.Constant, plain.Offset = 0, 0
	case ins.IsFunctionReference():
		c.refs = append(c.refs, nameRef{slot: slot, name: name})
		plain.Constant = 0
	case ins.OpCode.IsDWordLoad():
		ref := spec.ExternRef{Insn: slot, Name: name, Weak: weak}
		if e := c.o.externs[name]; e != nil {
			ref.Type = e.address()
		}
		c.p.Externs = append(c.p.Externs, ref)
		plain.Src, plain.Constant = 0, 0
	default:
		c.refs = append(c.refs, nameRef{slot: slot, name: name, jump: true})
		plain.Offset = 0
	}
}

// metaOf reads what cilium/ebpf notes about an instruction for its own use: how a symbol of the kernel's is
// bound, and where in the configuration a variable stands. There is no other way to know these.
func metaOf(ins *asm.Instruction) (binding stdelf.SymBind, offset uint32, isConfig bool) {
	for e := reflect.ValueOf(ins.Metadata).FieldByName("head"); e.IsValid() && e.Kind() == reflect.Pointer && !e.IsNil(); {
		value := e.Elem().FieldByName("value")
		e = e.Elem().FieldByName("next")
		for value.Kind() == reflect.Interface || value.Kind() == reflect.Pointer {
			value = value.Elem()
		}
		if value.Kind() != reflect.Struct {
			continue
		}
		switch value.Type().Name() {
		case "kconfigMeta":
			return 0, uint32(value.FieldByName("Offset").Uint()), true
		case "kfuncMeta", "ksymMeta":
			binding = stdelf.SymBind(value.FieldByName("Binding").Int())
		}
	}
	return binding, 0, false
}

// finish completes the list of functions.
func (c *converter) finish(ps *ebpf.ProgramSpec) {
	names := map[int]string{0: ps.Name}
	for name, slot := range c.slots {
		names[slot] = name
	}
	for slot := range c.starts {
		if !slices.ContainsFunc(c.p.Funcs, func(f spec.Func) bool { return f.Insn == slot }) {
			c.p.Funcs = append(c.p.Funcs, spec.Func{Insn: slot, Name: names[slot], Static: slot > 0})
		}
	}
	slices.SortFunc(c.p.Funcs, func(a, b spec.Func) int { return a.Insn - b.Insn })
}

func (c *converter) relocateTypes(ps *ebpf.ProgramSpec) error {
	sec := &section{name: ps.SectionName, kind: code, insns: c.p.Insns, size: uint64(len(c.p.Insns)) * isa.InstructionSize}
	sec.order = []*function{{sec: sec, end: sec.size, name: ps.Name}}
	for i := range c.relocs {
		c.relocs[i].sec = sec
	}
	if c.o.types == nil {
		return c.relocs[0].wrong("the types of the collection (BTF) are missing")
	}
	return c.o.applyTypes(c.relocs)
}
