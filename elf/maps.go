// Implements the maps of an object: those it defines, and those that hold its variables.

package elf

import (
	stdelf "debug/elf"
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// loadMaps makes the maps of all sections. References to programs and other maps are filled in later.
func (o *object) loadMaps() error {
	for _, sec := range o.sections {
		var err error
		switch sec.kind {
		case btfMaps:
			err = o.loadBTFMaps(sec)
		case legacyMaps:
			err = o.loadLegacyMaps(sec)
		}
		if err != nil {
			return err
		}
	}
	if err := o.loadKconfig(); err != nil {
		return err
	}
	for _, sec := range o.sections {
		switch sec.kind {
		case data:
			o.loadData(sec)
		case arena:
			if err := o.loadArena(sec); err != nil {
				return err
			}
		case structOps:
			if err := o.loadStructOps(sec); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMap adds a map whose definition is at off in sec.
func (o *object) addMap(sec *section, off uint64, m spec.Map) error {
	if o.mapNames[m.Name] {
		return sec.wrongSymbol(m.Name, "there is a map of this name already")
	}
	o.mapNames[m.Name] = true
	if sec.maps == nil {
		sec.maps = map[uint64]int{}
	}
	sec.maps[off] = len(o.out.Maps)
	o.out.Maps = append(o.out.Maps, m)
	return nil
}

// loadData makes an array of one element of a section of variables. Sections that no code refers to and that
// hold no named variable, such as strings for debugging, give no map.
func (o *object) loadData(sec *section) {
	objects := o.inSection(sec, stdelf.STT_OBJECT)
	ds := o.datasec(sec.name)
	if !sec.referenced && (len(objects) == 0 && ds == nil || !isData(sec.name)) {
		return
	}
	m := spec.Map{Name: o.freeName(sec.name), Type: spec.Array, KeySize: 4, ValueSize: uint32(sec.size), MaxEntries: 1}
	sec.mapName = m.Name
	if strings.HasPrefix(sec.name, ".rodata") {
		m.Flags, m.Frozen = readOnly, true
	}
	if sec.data != nil {
		m.Contents = []spec.MapEntry{{Key: make([]byte, 4), Value: sec.data}}
	}
	if ds != nil {
		m.ValueType, m.Fields = ds, specialFields(o.types, ds)
	}
	o.out.Maps = append(o.out.Maps, m)
	o.addVariables(sec, ds, objects, 0)
}

// readOnly is BPF_F_RDONLY_PROG: programs may not write.
const readOnly = 1 << 7

// isData reports whether a name is one that compilers give to sections of variables.
func isData(name string) bool {
	for _, prefix := range []string{".data", ".rodata", ".bss"} {
		if strings.HasPrefix(name, prefix) && name != ".rodata.str1.1" {
			return true
		}
	}
	return false
}

// freeName returns base, or a variant of it that no map has yet, and takes it.
func (o *object) freeName(base string) string {
	name := base
	for n := len(o.out.Maps); o.mapNames[name]; n++ {
		name = fmt.Sprintf("%s#%d", base, n)
	}
	o.mapNames[name] = true
	return name
}

// addVariables lists the variables of a section, from its types or else its symbols. base is where in the map's
// value the section begins.
func (o *object) addVariables(sec *section, ds *btf.Datasec, objects []*symbol, base uint32) {
	if ds != nil {
		for _, v := range ds.Vars {
			typ, ok := v.Type.(*btf.Var)
			if ok && uint64(v.Offset)+uint64(v.Size) <= sec.size {
				o.out.Variables = append(o.out.Variables, spec.Variable{Name: typ.Name, Map: sec.mapName,
					Offset: base + v.Offset, Size: v.Size, Type: typ.Type})
			}
		}
		return
	}
	for _, s := range objects {
		if s.Size > 0 && s.Size <= sec.size-s.Value {
			o.out.Variables = append(o.out.Variables, spec.Variable{Name: s.Name, Map: sec.mapName,
				Offset: base + uint32(s.Value), Size: uint32(s.Size)})
		}
	}
}

// loadArena puts a section's variables at the start of the object's arena, as libbpf does at its end or its
// start: programs only see them relative to the map.
func (o *object) loadArena(sec *section) error {
	for i := range o.out.Maps {
		if m := &o.out.Maps[i]; m.Type == spec.Arena {
			const page = 4096
			if sec.size > uint64(m.MaxEntries)*page {
				return sec.wrong("its %d bytes are more than the %d pages of the arena %s", sec.size, m.MaxEntries, m.Name)
			}
			sec.mapName = m.Name
			m.Contents = []spec.MapEntry{{Value: sec.data}}
			if sec.data == nil { // the pages are in use all the same
				m.Contents[0].Value = make([]byte, sec.size)
			}
			o.addVariables(sec, o.datasec(sec.name), o.inSection(sec, stdelf.STT_OBJECT), 0)
			return nil
		}
	}
	return sec.wrong("it has variables of an arena, but the object defines no arena map")
}

// loadStructOps makes a map of each variable that is a table of functions.
func (o *object) loadStructOps(sec *section) error {
	ds := o.datasec(sec.name)
	if ds == nil {
		return sec.wrong("nothing describes the variables in it: there is no such section in the types (BTF)")
	}
	for _, v := range ds.Vars {
		typ, ok := v.Type.(*btf.Var)
		if !ok || uint64(v.Offset)+uint64(v.Size) > sec.size || sec.data == nil {
			return sec.wrong("the types say that something is at %d, %d bytes long, and the section has %d", v.Offset, v.Size, sec.size)
		}
		m := spec.Map{Name: typ.Name, Type: spec.StructOpsMap, KeySize: 4, ValueSize: v.Size, MaxEntries: 1, ValueType: typ.Type}
		m.Contents = []spec.MapEntry{{Key: make([]byte, 4), Value: sec.data[v.Offset : v.Offset+v.Size]}}
		if strings.HasSuffix(sec.name, ".link") {
			m.Flags = 1 << 13 // BPF_F_LINK
		}
		if err := o.addMap(sec, uint64(v.Offset), m); err != nil {
			return err
		}
	}
	return nil
}
