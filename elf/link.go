// Implements linking: a program is its function and, behind it, those it calls, in the order that libbpf gives them.

package elf

import (
	"cmp"
	stdelf "debug/elf"
	"encoding/binary"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// piece is the code of a function with what is known about it; slots count from its start.
type piece struct {
	insns   []isa.Instruction
	maps    []spec.MapRef
	calls   []spec.CallRef
	externs []spec.ExternRef
	lines   []spec.Line
	typ     *btf.Func
	locals  []localRef
}

// localRef is a reference to another function of the object, by a call or a wide load.
type localRef struct {
	insn int
	to   *function
}

// loadPrograms makes the programs of all sections.
func (o *object) loadPrograms() error {
	license := o.license()
	for _, sec := range o.sections {
		if sec.kind != code {
			continue
		}
		for _, f := range o.programsIn(sec) {
			for _, name := range append([]string{f.name}, f.aliases...) {
				if o.programs[name] {
					return sec.wrongSymbol(name, "there is a program of this name already")
				}
				o.programs[name] = true
				p := ProgramOf(sec.name)
				p.Name, p.License = name, license
				l := linker{o: o, p: &p, placed: map[*function]int{}}
				if err := l.place(f); err != nil {
					return err
				}
				l.connect()
				o.out.Programs = append(o.out.Programs, p)
			}
		}
	}
	return nil
}

// linker makes one program.
type linker struct {
	o      *object
	p      *spec.Program
	placed map[*function]int // slots where functions stand
	refs   []localRef        // in slots of the program
}

// place appends a function, and then those it refers to that are not there yet, each followed by its own.
func (l *linker) place(f *function) error {
	c, err := l.o.pieceOf(f)
	if err != nil {
		return err
	}
	if l.o.slots += len(c.insns); l.o.slots > maxSlots {
		return f.sec.wrongSymbol(f.name, "the programs of the object have more than %d instructions in all, with what they call", maxSlots)
	}
	base := len(l.p.Insns)
	l.placed[f] = base
	l.p.Insns = append(l.p.Insns, c.insns...)
	name := f.name
	if base == 0 {
		name = l.p.Name
	} else {
		l.p.Symbols = append(l.p.Symbols, spec.Symbol{Insn: base, Name: name})
	}
	l.p.Funcs = append(l.p.Funcs, spec.Func{Insn: base, Name: name, Static: static(f, c.typ), Type: c.typ})
	for _, r := range c.maps {
		r.Insn += base
		l.p.Maps = append(l.p.Maps, r)
	}
	for _, r := range c.calls {
		r.Insn += base
		l.p.Calls = append(l.p.Calls, r)
	}
	for _, r := range c.externs {
		r.Insn += base
		l.p.Externs = append(l.p.Externs, r)
	}
	for _, line := range c.lines {
		line.Insn += base
		l.p.Lines = append(l.p.Lines, line)
	}
	for _, r := range c.locals {
		l.refs = append(l.refs, localRef{insn: r.insn + base, to: r.to})
	}
	for _, r := range c.locals {
		if _, there := l.placed[r.to]; !there {
			if err := l.place(r.to); err != nil {
				return err
			}
		}
	}
	return nil
}

// static tells whether callers know a function's body: the types say so, or else the symbol.
func static(f *function, typ *btf.Func) bool {
	if typ != nil {
		return typ.Linkage == btf.StaticFunc
	}
	return !f.global
}

// connect makes references to functions relative to where they stand now.
func (l *linker) connect() {
	for _, r := range l.refs {
		in := &l.p.Insns[r.insn]
		in.Imm = int32(l.placed[r.to] - r.insn - 1)
		if in.Code == opWide {
			*in = withSrc(*in, srcAddress)
		}
	}
}

func withSrc(in isa.Instruction, src uint8) isa.Instruction {
	in.Regs = in.Regs&0x0f | src<<4
	return in
}

// pieceOf returns the code of a function with its relocations applied.
func (o *object) pieceOf(f *function) (*piece, error) {
	if f.linked != nil {
		return f.linked, nil
	}
	c := &piece{}
	first := int(f.off / isa.InstructionSize)
	insns := slices.Clone(f.sec.insns[first : f.end/isa.InstructionSize])
	c.insns = insns
	for i := 0; i < len(insns); i += slots(insns, i) {
		off := uint64(first+i) * isa.InstructionSize
		r, ok := f.sec.relocs[off]
		if refersToCode(insns[i]) {
			if target, at, ok := o.target(f.sec, f.sec.insns, first+i); ok {
				if to := target.funcs[at]; to != nil {
					c.locals = append(c.locals, localRef{insn: i, to: to})
					continue
				}
			}
		}
		if ok {
			if err := o.relocate(f, c, i, r); err != nil {
				return nil, err
			}
		}
	}
	o.addInfos(f, c)
	f.linked = c
	return c, nil
}

// relocate applies a relocation that is not about another function.
func (o *object) relocate(f *function, c *piece, i int, r reloc) error {
	in := &c.insns[i]
	sym := &o.symbols[r.sym]
	fail := func(format string, args ...any) error {
		return f.sec.wrongAt(f.off+uint64(i)*isa.InstructionSize, o.nameOf(sym), "in function "+f.name+": "+format, args...)
	}
	switch {
	case in.Code == opCall && sym.sec == nil:
		o.callExtern(c, i, sym)
		return nil
	case in.Code != opWide || i+1 >= len(c.insns):
		return fail("a relocation of type %d at an instruction that is neither a call nor a wide load (opcode %#02x)", r.typ, in.Code)
	case sym.sec == nil && (sym.Section == stdelf.SHN_UNDEF):
		return o.loadExtern(c, i, sym, fail)
	case sym.sec == nil:
		return fail("it is in no section of the object (%s)", sym.Section)
	}
	at := int64(sym.Value) + int64(in.Imm)
	if r.explicit {
		at = int64(sym.Value) + r.addend
	}
	sec := sym.sec
	switch {
	case (sec.name == ".data" || sec.name == ".bss") && o.infrared:
		return o.parameter(c, i, sec, sym, at, fail)
	case sec.mapName != "":
		if at < 0 || at > int64(sec.size) {
			return fail("offset %d is outside section %s of %d bytes", at, sec.name, sec.size)
		}
		c.maps = append(c.maps, spec.MapRef{Insn: i, Map: sec.mapName, Value: true, Offset: uint32(at)})
	case sec.maps != nil:
		m, ok := sec.maps[uint64(at)]
		if !ok {
			return fail("no map is defined at offset %d of section %s", at, sec.name)
		}
		c.maps = append(c.maps, spec.MapRef{Insn: i, Map: o.out.Maps[m].Name})
	default:
		return fail("section %s holds neither maps nor variables nor code", sec.name)
	}
	c.insns[i], c.insns[i+1] = isa.Instruction{Code: in.Code, Regs: in.Regs & 0x0f}, isa.Instruction{}
	return nil
}

// parameter makes a wide load load the value of a variable. So the programs of ir-keytable have their parameters: they
// take the address of a variable, and its loader puts the value there.
func (o *object) parameter(c *piece, i int, sec *section, sym *symbol, at int64, fail func(string, ...any) error) error {
	if at < 0 || at+4 > int64(sec.size) {
		return fail("offset %d is outside section %s of %d bytes", at, sec.name, sec.size)
	}
	value := int32(0)
	if at+4 <= int64(len(sec.data)) {
		value = int32(binary.LittleEndian.Uint32(sec.data[at:]))
	}
	if given, ok := o.opts.Parameters[sym.Name]; ok {
		value = given
	}
	c.insns[i] = isa.Instruction{Code: opWide, Regs: c.insns[i].Regs & 0x0f, Imm: value}
	c.insns[i+1] = isa.Instruction{}
	return nil
}

// callExtern makes a call refer to a function by name: of the kernel's, if the object's types declare it so, or
// else to a helper.
func (o *object) callExtern(c *piece, i int, sym *symbol) {
	ref := spec.CallRef{Insn: i, Helper: sym.Name, Weak: sym.bind == stdelf.STB_WEAK}
	src := uint8(0)
	if e := o.externs[sym.Name]; e != nil {
		if f, ok := e.typ.(*btf.Func); ok {
			src, ref.Type = srcKfunc, f
		}
	}
	c.insns[i] = isa.Instruction{Code: opCall, Regs: src << 4}
	c.calls = append(c.calls, ref)
}

// loadExtern makes a wide load refer to something that the object does not define.
func (o *object) loadExtern(c *piece, i int, sym *symbol, fail func(string, ...any) error) error {
	weak := sym.bind == stdelf.STB_WEAK
	e := o.externs[sym.Name]
	in := c.insns[i]
	c.insns[i], c.insns[i+1] = isa.Instruction{Code: in.Code, Regs: in.Regs & 0x0f}, isa.Instruction{}
	switch {
	case e != nil && e.kconfig:
		c.maps = append(c.maps, spec.MapRef{Insn: i, Map: ".kconfig", Value: true, Offset: e.offset + uint32(in.Imm)})
	case e != nil:
		c.externs = append(c.externs, spec.ExternRef{Insn: i, Name: sym.Name, Weak: weak, Type: e.address()})
	case weak:
		c.externs = append(c.externs, spec.ExternRef{Insn: i, Name: sym.Name, Weak: true})
	case sym.Name == "":
		return fail("it refers to no symbol")
	default:
		c.externs = append(c.externs, spec.ExternRef{Insn: i, Name: sym.Name})
	}
	return nil
}

// addInfos adds what the object's types tell about a function: its declaration, and its source lines.
func (o *object) addInfos(f *function, c *piece) {
	funcs, lines, _ := o.infos.Section(f.sec.name)
	first, end := f.off/isa.InstructionSize, f.end/isa.InstructionSize
	at, found := slices.BinarySearchFunc(funcs, first, func(f btf.FuncOffset, to uint64) int { return cmp.Compare(uint64(f.Offset), to) })
	if found {
		c.typ = funcs[at].Func
	}
	at, _ = slices.BinarySearchFunc(lines, first, func(l btf.LineOffset, to uint64) int { return cmp.Compare(uint64(l.Offset), to) })
	for _, info := range lines[at:] {
		if uint64(info.Offset) >= end {
			break
		}
		c.lines = append(c.lines, spec.Line{Insn: int(uint64(info.Offset) - first), File: info.Line.FileName(),
			Line: int(info.Line.LineNumber()), Column: int(info.Line.LineColumn()), Text: info.Line.Line()})
	}
}
