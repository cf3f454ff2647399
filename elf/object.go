// Implements the reading of an object file's frame: its sections, what each is for, symbols and relocations.

package elf

import (
	"bytes"
	"cmp"
	stdelf "debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// kind is what a section is for.
type kind uint8

const (
	other kind = iota
	code
	data       // variables, which become the value of a map
	btfMaps    // maps defined by types, .maps
	legacyMaps // maps defined by a structure of numbers, maps
	structOps  // tables of functions
	arena      // variables in an arena
)

// section is a section of the object.
type section struct {
	name  string
	kind  kind
	flags stdelf.SectionFlag
	size  uint64
	data  []byte // part of the file; nil if the section holds only zeros

	insns      []isa.Instruction // of code
	symbols    []int             // those in it, indices into object.symbols
	relocs     map[uint64]reloc  // by the offset of what they change
	referenced bool              // by a relocation of code or of data
	used       bool              // by a relocation of code
	funcs      map[uint64]*function
	order      []*function    // funcs by offset
	maps       map[uint64]int // of map definitions: index into the collection's maps, by offset
	mapName    string         // of variables: the map that holds them
}

// reloc tells that what stands at some offset is about a symbol.
type reloc struct {
	typ uint32
	sym int // index into object.symbols

	// addend replaces what stands in the place itself, if explicit.
	addend   int64
	explicit bool
}

// symbol is an entry of the symbol table.
type symbol struct {
	stdelf.Symbol
	typ  stdelf.SymType
	bind stdelf.SymBind
	sec  *section // nil if it is not in the object
}

// object is an object file while it is loaded.
type object struct {
	opts     Options
	file     []byte
	infrared bool // of ir-keytable, whose objects have parameters
	sections []*section
	symbols  []symbol // the first stands for no symbol
	types    *btf.Spec
	infos    *btf.ExtInfos
	kernel   kernelTypes
	externs  map[string]*extern
	tables   map[uint32]int // maps of iproute2's kind by their identifier
	mapNames map[string]bool
	programs map[string]bool           // their names
	missing  map[string]stdelf.SymBind // how symbols are bound that the object does not define
	out      *spec.Collection
	slots    int // of all programs together
}

// Limits, so that no file takes memory out of proportion.
const (
	maxData  = 1 << 30 // bytes of a section of variables
	maxSlots = 1 << 22 // of all programs together
)

func newObject(opts *Options) *object {
	o := &object{out: &spec.Collection{}, externs: map[string]*extern{}, tables: map[uint32]int{},
		mapNames: map[string]bool{}, programs: map[string]bool{}, missing: map[string]stdelf.SymBind{}}
	if opts != nil {
		o.opts = *opts
	}
	return o
}

// readObject reads the frame of the object.
func readObject(file []byte, opts *Options) (*object, error) {
	o := newObject(opts)
	o.file = file
	f, err := stdelf.NewFile(bytes.NewReader(file))
	if err != nil {
		return nil, wrong("not a sound ELF file: %w", err)
	}
	switch {
	case f.Machine != stdelf.EM_BPF && f.Machine != stdelf.EM_NONE:
		return nil, wrong("the object is for the machine %s, not for BPF", strings.TrimPrefix(f.Machine.String(), "EM_"))
	case f.Class != stdelf.ELFCLASS64:
		return nil, wrong("the object is of %s, BPF has objects of 64 bits", f.Class)
	case f.ByteOrder != binary.LittleEndian:
		return nil, wrong("%w, and its constants would be in the wrong order here: compile with -target bpfel", ErrBigEndian)
	case f.Type != stdelf.ET_REL:
		return nil, wrong("the file is of type %s, expected an object file (ET_REL)", f.Type)
	}
	for _, s := range f.Sections {
		sec, err := o.newSection(s)
		if err != nil {
			return nil, err
		}
		o.sections = append(o.sections, sec)
	}
	o.infrared = o.has("lirc_mode2/maps")
	if err := o.readSymbols(f); err != nil {
		return nil, err
	}
	for i, s := range f.Sections {
		if s.Type == stdelf.SHT_REL || s.Type == stdelf.SHT_RELA {
			if err := o.readRelocs(s, o.sections[i]); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// newSection classifies a section and finds its bytes.
func (o *object) newSection(s *stdelf.Section) (*section, error) {
	sec := &section{name: s.Name, flags: s.Flags, size: s.Size, relocs: map[uint64]reloc{}, funcs: map[uint64]*function{}}
	sec.kind = kindOf(s)
	if s.Type == stdelf.SHT_NOBITS || s.Type == stdelf.SHT_NULL {
		if sec.kind != other && s.Size > maxData {
			return nil, sec.wrong("it has %d bytes, more than the %d that a map's value may have here", s.Size, maxData)
		}
		return sec, nil
	}
	if s.Flags&stdelf.SHF_COMPRESSED != 0 {
		if sec.kind != other {
			return nil, sec.wrong("it is compressed, which is for debugging information only")
		}
		return sec, nil
	}
	size := s.FileSize
	if size > uint64(len(o.file)) || s.Offset > uint64(len(o.file))-size {
		return nil, sec.wrong("its %d bytes at %#x are outside the file of %d bytes", size, s.Offset, len(o.file))
	}
	sec.data = o.file[s.Offset : s.Offset+size : s.Offset+size]
	if sec.kind == code && size%isa.InstructionSize != 0 {
		return nil, sec.wrong("its %d bytes are not a whole number of instructions", size)
	}
	return sec, nil
}

// kindOf tells what a section is for, by its flags and its name.
func kindOf(s *stdelf.Section) kind {
	name := s.Name
	held := s.Type == stdelf.SHT_PROGBITS || s.Type == stdelf.SHT_NOBITS
	switch {
	case !held || s.Flags&stdelf.SHF_ALLOC == 0 || s.Size == 0:
		return other
	case s.Flags&stdelf.SHF_EXECINSTR != 0 && s.Type == stdelf.SHT_PROGBITS:
		return code
	case name == ".maps":
		return btfMaps
	case name == "maps" || strings.HasPrefix(name, "maps/") || strings.HasSuffix(name, "/maps"):
		return legacyMaps
	case slices.Contains([]string{".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link"}, name):
		return structOps
	case name == ".addr_space.1":
		return arena
	case name == "license" || name == "version" || name == ".BTF" || name == ".BTF.ext":
		return other
	}
	return data
}

func (o *object) readSymbols(f *stdelf.File) error {
	o.symbols = make([]symbol, 1)
	list, err := f.Symbols()
	if errors.Is(err, stdelf.ErrNoSymbols) {
		return nil
	} else if err != nil {
		return wrong("the symbol table is damaged: %w", err)
	}
	for _, s := range list {
		sym := symbol{Symbol: s, typ: stdelf.ST_TYPE(s.Info), bind: stdelf.ST_BIND(s.Info)}
		if s.Section > stdelf.SHN_UNDEF && int(s.Section) < len(f.Sections) {
			sym.sec = o.sections[s.Section]
			sym.sec.symbols = append(sym.sec.symbols, len(o.symbols))
			if sym.sec.kind != other && s.Value > sym.sec.size {
				return sym.sec.wrongSymbol(s.Name, "its place, %#x, is behind the section's %d bytes", s.Value, sym.sec.size)
			}
		}
		if s.Section == stdelf.SHN_UNDEF {
			o.missing[s.Name] = sym.bind
		}
		if s.Section == stdelf.SHN_COMMON {
			if err := o.common(&sym); err != nil {
				return err
			}
		}
		o.symbols = append(o.symbols, sym)
	}
	return nil
}

// common gives a variable that no section holds a place in one of their own. Old compilers made such of global
// variables without a value; the symbol says how it is to be aligned.
func (o *object) common(sym *symbol) error {
	const name = "COMMON"
	last := o.sections[len(o.sections)-1]
	if last.name != name {
		last = &section{name: name, kind: data, relocs: map[uint64]reloc{}, funcs: map[uint64]*function{}}
		o.sections = append(o.sections, last)
	}
	align := min(max(sym.Value, 1), 4096)
	at := (last.size + align - 1) / align * align
	if sym.Size > maxData || at+sym.Size > maxData {
		return last.wrongSymbol(sym.Name, "the variables have more than %d bytes", maxData)
	}
	sym.sec, sym.Value, last.size = last, at, at+sym.Size
	last.symbols = append(last.symbols, len(o.symbols))
	return nil
}

// readRelocs reads the relocations of one section. Those of sections that are of no interest are left out.
func (o *object) readRelocs(s *stdelf.Section, sec *section) error {
	if int(s.Info) >= len(o.sections) {
		return sec.wrong("it is about section %d, and there are %d", s.Info, len(o.sections))
	}
	target := o.sections[s.Info]
	if target.kind == other {
		return nil
	}
	size := 16
	if s.Type == stdelf.SHT_RELA {
		size = 24
	}
	if len(sec.data)%size != 0 {
		return sec.wrong("its %d bytes are not a whole number of relocations", len(sec.data))
	}
	for b := sec.data; len(b) > 0; b = b[size:] {
		off, info := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		r := reloc{typ: uint32(info), sym: int(info >> 32)}
		if size == 24 {
			r.addend, r.explicit = int64(binary.LittleEndian.Uint64(b[16:])), true
		}
		switch {
		case off >= target.size || target.kind == code && off%isa.InstructionSize != 0:
			return sec.wrongAt(off, "", "there is no such place in section %s of %d bytes", target.name, target.size)
		case r.sym >= len(o.symbols):
			return sec.wrongAt(off, "", "it is about symbol %d, and there are %d", r.sym, len(o.symbols))
		}
		target.relocs[off] = r
		if to := o.symbols[r.sym].sec; to != nil && (target.kind == code || target.kind == data || target.kind == arena) {
			to.referenced, to.used = true, to.used || target.kind == code
		}
	}
	return nil
}

// nameOf returns the name of a symbol for messages.
func (o *object) nameOf(sym *symbol) string {
	if sym.Name == "" && sym.sec != nil {
		return sym.sec.name
	}
	return sym.Name
}

// inSection returns the symbols in a section that are of the given types, by ascending place.
func (o *object) inSection(sec *section, types ...stdelf.SymType) []*symbol {
	var list []*symbol
	for _, i := range sec.symbols {
		if s := &o.symbols[i]; s.Name != "" && slices.Contains(types, s.typ) {
			list = append(list, s)
		}
	}
	slices.SortStableFunc(list, func(a, b *symbol) int { return cmp.Compare(a.Value, b.Value) })
	return list
}

// license finds the license, which all programs share.
func (o *object) license() string {
	for _, s := range o.sections {
		if s.name == "license" {
			text, _, _ := strings.Cut(string(s.data), "\x00")
			return strings.ToValidUTF8(text, "�")
		}
	}
	return ""
}
