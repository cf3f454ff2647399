// Implements addresses in data: variables that are initialised with the address of others, such as tables of strings.

package elf

import (
	stdelf "debug/elf"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/skepbpf/skep/spec"
)

// relAbs64 is R_BPF_64_ABS64, an address of 8 bytes.
const relAbs64 = 2

// fillPointers notes the addresses that variables are initialised with. libbpf leaves them out, so that programs see
// offsets. What has no address here is an error if a program refers to the section.
func (o *object) fillPointers() error {
	for _, sec := range o.sections {
		if sec.kind != data && sec.kind != arena || sec.mapName == "" {
			continue
		}
		at := slices.IndexFunc(o.out.Maps, func(m spec.Map) bool { return m.Name == sec.mapName })
		for _, off := range slices.Sorted(maps.Keys(sec.relocs)) {
			p, err := o.pointer(sec, off)
			switch {
			case err != nil && sec.used:
				return err
			case err == nil && p.Map != "":
				o.out.Maps[at].Pointers = append(o.out.Maps[at].Pointers, p)
			}
		}
	}
	return nil
}

// pointer reads one address. It is in no map if it is null: what is weak need not be there.
func (o *object) pointer(sec *section, off uint64) (p spec.Pointer, err error) {
	r := sec.relocs[off]
	sym := &o.symbols[r.sym]
	fail := func(format string, args ...any) (spec.Pointer, error) {
		return p, sec.wrongAt(off, o.nameOf(sym), format, args...)
	}
	switch to := sym.sec; {
	case r.typ != relAbs64 || off+8 > sec.size:
		return fail("a relocation of type %d in data, where only addresses of 8 bytes are known", r.typ)
	case to == nil && sym.bind == stdelf.STB_WEAK:
		return p, nil
	case to == nil:
		return fail("a variable has its address, but the object does not define it")
	case to.kind == code:
		name := o.nameOf(sym)
		if f := to.funcs[sym.Value+uint64(o.addend(sec, off, r))]; f != nil {
			name = f.name
		}
		return p, sec.wrongAt(off, name, "a variable has the address of a function, which has one in the code of a program only")
	case to.mapName == "" && to.maps == nil:
		return fail("a variable has an address in section %s, which holds neither maps nor variables", to.name)
	}
	p.Offset = uint32(off)
	at := int64(sym.Value) + o.addend(sec, off, r)
	if to := sym.sec; to.maps != nil {
		m, ok := to.maps[uint64(at)]
		if !ok {
			return fail("no map is defined at offset %d of section %s", at, to.name)
		}
		p.Map = o.out.Maps[m].Name
		return p, nil
	}
	if at < 0 || at > int64(sym.sec.size) {
		return fail("offset %d is outside section %s of %d bytes", at, sym.sec.name, sym.sec.size)
	}
	p.Map, p.Value, p.To = sym.sec.mapName, true, uint32(at)
	return p, nil
}

// addend returns what a relocation of data adds to its symbol: it stands in the place itself, if not in the relocation.
func (o *object) addend(sec *section, off uint64, r reloc) int64 {
	switch {
	case r.explicit:
		return r.addend
	case off+8 <= uint64(len(sec.data)):
		return int64(binary.LittleEndian.Uint64(sec.data[off:]))
	}
	return 0
}
