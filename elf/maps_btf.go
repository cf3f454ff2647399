// Implements map definitions by types, in the section .maps.

package elf

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// loadBTFMaps makes the maps that a section's variables define. What they mean is all in their types.
func (o *object) loadBTFMaps(sec *section) error {
	ds := o.datasec(sec.name)
	if ds == nil {
		return sec.wrong("nothing describes the maps in it: there is no such section in the types (BTF)")
	}
	for _, v := range ds.Vars {
		typ, ok := v.Type.(*btf.Var)
		if !ok {
			return sec.wrong("the types say that there is a %T in it, expected a variable", v.Type)
		}
		if uint64(v.Offset) >= sec.size {
			return sec.wrongSymbol(typ.Name, "the types say that it is at %d, and the section has %d bytes", v.Offset, sec.size)
		}
		def, ok := btf.As[*btf.Struct](typ.Type)
		if !ok {
			return sec.wrongSymbol(typ.Name, "a map is defined by a structure, not by a %T", btf.UnderlyingType(typ.Type))
		}
		m, err := mapOf(def, 0)
		if err != nil {
			return sec.wrongSymbol(typ.Name, "%w", err)
		}
		m.Name = typ.Name
		for each := m; each != nil; each = each.Inner {
			if each.ValueType != nil {
				each.Fields = specialFields(o.types, each.ValueType)
			}
		}
		if err := o.addMap(sec, uint64(v.Offset), *m); err != nil {
			return err
		}
	}
	return nil
}

// mapOf reads the definition of a map. depth counts the maps around it.
func mapOf(def *btf.Struct, depth int) (*spec.Map, error) {
	m := &spec.Map{}
	for i := range def.Members {
		if err := readMember(m, &def.Members[i], depth); err != nil {
			return nil, fmt.Errorf("member %q of the definition: %w", def.Members[i].Name, err)
		}
	}
	switch m.Type {
	case spec.ArrayOfMaps, spec.HashOfMaps, spec.ProgArray, spec.PerfEventArray, spec.CGroupArray:
		if m.ValueSize == 0 {
			m.ValueSize = 4
		}
		if m.KeySize == 0 && m.Type != spec.HashOfMaps {
			m.KeySize = 4
		}
	}
	return m, nil
}

func readMember(m *spec.Map, member *btf.Member, depth int) (err error) {
	number := func(to *uint32) error {
		n, err := numberOf(member.Type)
		*to = n
		return err
	}
	sized := func(to *btf.Type, size *uint32) error {
		p, ok := btf.As[*btf.Pointer](member.Type)
		if !ok {
			return fmt.Errorf("expected a pointer, found a %T", btf.UnderlyingType(member.Type))
		}
		n, err := btf.Sizeof(p.Target)
		if err != nil {
			return err
		}
		if *size != 0 && *size != uint32(n) {
			return fmt.Errorf("it has %d bytes, and the definition says %d elsewhere", n, *size)
		}
		*to, *size = p.Target, uint32(n)
		return nil
	}
	var ignored uint32
	switch member.Name {
	case "type":
		return number((*uint32)(&m.Type))
	case "map_flags":
		return number(&m.Flags)
	case "max_entries":
		return number(&m.MaxEntries)
	case "key_size":
		return number(&m.KeySize)
	case "value_size":
		return number(&m.ValueSize)
	case "key":
		return sized(&m.KeyType, &m.KeySize)
	case "value":
		return sized(&m.ValueType, &m.ValueSize)
	case "numa_node", "pinning":
		return number(&ignored)
	case "map_extra":
		m.Extra, err = extraOf(member.Type)
		return err
	case "values":
		return readValues(m, member, depth)
	}
	return fmt.Errorf("there is no such attribute of a map")
}

// numberOf reads a number in the form that the macro __uint gives it: a pointer to an array of that length.
func numberOf(t btf.Type) (uint32, error) {
	p, ok := btf.As[*btf.Pointer](t)
	if !ok {
		return 0, fmt.Errorf("expected a pointer to an array, found a %T", btf.UnderlyingType(t))
	}
	a, ok := btf.As[*btf.Array](p.Target)
	if !ok {
		return 0, fmt.Errorf("expected a pointer to an array, found one to a %T", btf.UnderlyingType(p.Target))
	}
	return a.Nelems, nil
}

// extraOf reads a number in the form of __uint, or of __ulong: an enumeration of one value.
func extraOf(t btf.Type) (uint64, error) {
	if e, ok := btf.As[*btf.Enum](t); ok && len(e.Values) == 1 {
		return e.Values[0].Value, nil
	}
	n, err := numberOf(t)
	return uint64(n), err
}

// readValues reads what the elements of a map of maps or programs are. Which they are is in relocations.
func readValues(m *spec.Map, member *btf.Member, depth int) error {
	a, ok := btf.As[*btf.Array](member.Type)
	if !ok {
		return fmt.Errorf("expected an array, found a %T", btf.UnderlyingType(member.Type))
	}
	p, ok := btf.As[*btf.Pointer](a.Type)
	if !ok {
		return fmt.Errorf("expected an array of pointers, found one of %T", btf.UnderlyingType(a.Type))
	}
	switch target := btf.UnderlyingType(p.Target).(type) {
	case *btf.FuncProto:
		return nil
	case *btf.Struct:
		if depth > 0 {
			return fmt.Errorf("maps can be in maps, but not deeper")
		}
		inner, err := mapOf(target, depth+1)
		if err != nil {
			return err
		}
		m.Inner = inner
		return nil
	default:
		return fmt.Errorf("expected an array of pointers to maps or programs, found a %T", target)
	}
}

// fillMaps puts into maps of maps and programs what the definitions initialise them with.
func (o *object) fillMaps() error {
	for _, sec := range o.sections {
		if sec.kind != btfMaps && sec.kind != structOps {
			continue
		}
		filled := map[uint64]bool{}
		for _, v := range o.datasec(sec.name).Vars {
			if err := o.fillMap(sec, v, filled); err != nil {
				return err
			}
		}
		for _, off := range slices.Sorted(maps.Keys(sec.relocs)) {
			if r := sec.relocs[off]; !filled[off] {
				return sec.wrongAt(off, o.nameOf(&o.symbols[r.sym]), "a definition has an address where none can be: only those of its values are known")
			}
		}
	}
	o.fillJumpTables()
	return nil
}

// fillMap goes through the relocations of one definition, and notes in filled where they are.
func (o *object) fillMap(sec *section, v btf.VarSecinfo, filled map[uint64]bool) error {
	m := &o.out.Maps[sec.maps[uint64(v.Offset)]]
	first := uint64(0)
	if sec.kind == btfMaps {
		def, _ := btf.As[*btf.Struct](v.Type.(*btf.Var).Type)
		first = uint64(v.Size)
		for _, member := range def.Members {
			if member.Name == "values" {
				first = uint64(member.Offset.Bytes())
			}
		}
	}
	for off := uint64(v.Offset) + first; off < uint64(v.Offset)+uint64(v.Size); off += 8 {
		r, ok := sec.relocs[off]
		if !ok {
			continue
		}
		filled[off] = true
		sym := &o.symbols[r.sym]
		place := off - uint64(v.Offset) - first
		if sec.kind == structOps {
			name := o.programAt(sym, off, sec)
			if name == "" {
				return sec.wrongAt(off, o.nameOf(sym), "it is no program, which is all that a table of functions can point to")
			}
			m.Methods = append(m.Methods, spec.Method{Offset: uint32(place), Program: name})
			continue
		}
		e := spec.MapEntry{Key: binary.LittleEndian.AppendUint32(nil, uint32(place/8))}
		if sym.sec != nil && sym.sec.maps != nil {
			i, ok := sym.sec.maps[sym.Value+uint64(o.addend(sec, off, r))]
			if !ok {
				return sec.wrongAt(off, o.nameOf(sym), "there is no map at this symbol")
			}
			e.Map = o.out.Maps[i].Name
		} else if e.Program = o.programAt(sym, off, sec); e.Program == "" {
			return sec.wrongAt(off, o.nameOf(sym), "it is neither a map nor a program")
		}
		if (e.Program != "") != (m.Type == spec.ProgArray) || (e.Map != "") != (m.Type == spec.ArrayOfMaps || m.Type == spec.HashOfMaps) {
			return sec.wrongAt(off, o.nameOf(sym), "a map of type %s cannot hold it", m.Type)
		}
		m.Contents = append(m.Contents, e)
	}
	return nil
}

// programAt returns the name of the program that a relocation of data refers to, "" if there is none.
func (o *object) programAt(sym *symbol, off uint64, sec *section) string {
	if sym.sec == nil || sym.sec.kind != code {
		return ""
	}
	at := sym.Value + uint64(o.addend(sec, off, sec.relocs[off]))
	if f := sym.sec.funcs[at]; f != nil && o.programs[f.name] {
		return f.name
	}
	return ""
}
