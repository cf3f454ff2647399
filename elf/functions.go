// Implements the functions of an object: where each begins and ends, and which of them are programs.

package elf

import (
	"cmp"
	stdelf "debug/elf"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/skepbpf/skep/isa"
)

// function is a piece of a section of code.
type function struct {
	sec      *section
	off, end uint64 // bytes from the start of the section
	name     string
	aliases  []string // other names that programs may have
	named    bool     // a symbol says that it is a function
	global   bool
	linked   *piece // its code, once it was needed
}

// What tells instructions that refer to functions.
const (
	opCall     = 0x85
	opWide     = 0x18
	srcFunc    = 1 // of a call: another function of the program
	srcKfunc   = 2 // of a call: a function of the kernel's
	srcAddress = 4 // of a wide load: the address of a function
)

// findFunctions finds where functions begin: where symbols say so, and where code calls.
func (o *object) findFunctions() error {
	for _, sec := range o.sections {
		if sec.kind == code {
			o.namedFunctions(sec)
		}
	}
	for _, sec := range o.sections {
		if sec.kind != code {
			continue
		}
		insns, err := isa.Decode(sec.data, binary.LittleEndian)
		if err != nil {
			return sec.wrong("%w", err)
		}
		sec.insns = insns
		for i := 0; i < len(insns); i += slots(insns, i) {
			if !refersToCode(insns[i]) {
				continue
			}
			if target, at, ok := o.target(sec, insns, i); ok {
				if at >= target.size || at%isa.InstructionSize != 0 {
					return sec.wrongAt(uint64(i)*isa.InstructionSize, "", "it refers to a function at %#x of section %s, which has %d bytes", at, target.name, target.size)
				}
				if target.funcs[at] == nil {
					target.funcs[at] = &function{sec: target, off: at, name: fmt.Sprintf("%s+%#x", target.name, at)}
				}
			}
		}
	}
	for _, sec := range o.sections {
		if sec.kind == code {
			sec.orderFunctions()
		}
	}
	return nil
}

// slots returns how many slots the instruction at i takes.
func slots(insns []isa.Instruction, i int) int {
	if insns[i].Code == opWide && i+1 < len(insns) {
		return 2
	}
	return 1
}

// refersToCode reports whether an instruction may refer to a function by its own fields.
func refersToCode(in isa.Instruction) bool {
	return in.Code == opCall && in.Src() == srcFunc || in.Code == opWide
}

// target returns the section and place of the function that the instruction at slot i refers to.
func (o *object) target(sec *section, insns []isa.Instruction, i int) (*section, uint64, bool) {
	in := insns[i]
	r, ok := sec.relocs[uint64(i)*isa.InstructionSize]
	switch {
	case !ok && in.Code == opCall:
		return sec, uint64((int64(i) + 1 + int64(in.Imm)) * isa.InstructionSize), true
	case !ok && in.Src() == srcAddress:
		return sec, uint64((int64(i) + 1 + int64(in.Imm)) * isa.InstructionSize), true
	case !ok:
		return nil, 0, false
	}
	sym := &o.symbols[r.sym]
	if sym.sec == nil || sym.sec.kind != code {
		return nil, 0, false
	}
	at := int64(sym.Value)
	switch {
	case r.explicit:
		at += r.addend
	case in.Code == opCall:
		at += (int64(in.Imm) + 1) * isa.InstructionSize
	default:
		at += int64(in.Imm)
	}
	return sym.sec, uint64(at), true
}

// namedFunctions makes functions of a section's symbols. Compilers before LLVM 8 did not say which are functions;
// labels are local then.
func (o *object) namedFunctions(sec *section) {
	for _, s := range o.inSection(sec, stdelf.STT_FUNC, stdelf.STT_NOTYPE) {
		local := s.bind == stdelf.STB_LOCAL
		if s.typ == stdelf.STT_NOTYPE && local || s.Value >= sec.size || s.Value%isa.InstructionSize != 0 {
			continue
		}
		if f := sec.funcs[s.Value]; f != nil {
			if !local {
				f.aliases = append(f.aliases, s.Name)
			}
			continue
		}
		f := &function{sec: sec, off: s.Value, name: s.Name, named: true, global: !local}
		if s.Size > 0 && s.Size <= sec.size-s.Value {
			f.end = s.Value + s.Size/isa.InstructionSize*isa.InstructionSize
		}
		sec.funcs[s.Value] = f
	}
	if len(sec.funcs) == 0 { // nothing has a name: the section is a function
		sec.funcs[0] = &function{sec: sec, name: sec.name, named: true, global: true}
	}
}

// orderFunctions sorts a section's functions and ends those of unknown size where the next begins.
func (s *section) orderFunctions() {
	for _, f := range s.funcs {
		s.order = append(s.order, f)
	}
	slices.SortFunc(s.order, func(a, b *function) int { return cmp.Compare(a.off, b.off) })
	for i, f := range s.order {
		if f.end == 0 {
			f.end = s.size
			if i+1 < len(s.order) {
				f.end = s.order[i+1].off
			}
		}
	}
}

// programsIn returns the functions of a section that are programs. Those in .text are only there to be called,
// unless there is no other code.
func (o *object) programsIn(sec *section) []*function {
	if sec.name == ".text" {
		for _, s := range o.sections {
			if s.kind == code && s != sec {
				return nil
			}
		}
	}
	var global, local []*function
	for _, f := range sec.order {
		if f.global {
			global = append(global, f)
		} else if f.named {
			local = append(local, f)
		}
	}
	if len(global) > 0 {
		return global
	}
	return local
}
