// Implements the way from the specifications of cilium/ebpf, such as bpf2go generates, to package spec.

package elf

import (
	"bytes"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/spec"
)

// FromCollectionSpec converts a collection of cilium/ebpf, as it would be loaded: with the values that its
// variables have now. It does not change cs, and shares the contents of maps with it. opts may be nil. Errors
// are of type *Error. Programs and maps are in the order of their names.
func FromCollectionSpec(cs *ebpf.CollectionSpec, opts *Options) (c *spec.Collection, err error) {
	defer recovered(&c, &err)
	if cs == nil {
		return nil, wrong("there is no collection (nil)")
	}
	if cs.ByteOrder != nil && cs.ByteOrder != binary.LittleEndian {
		return nil, wrong("%w", ErrBigEndian)
	}
	o := newObject(opts)
	o.types, o.out.Types = cs.Types, cs.Types
	if err := o.findExterns(); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(cs.Maps)) {
		if name == ".kconfig" {
			if err := o.loadKconfig(); err != nil {
				return nil, err
			}
			continue
		}
		m, err := mapFrom(cs.Maps[name], cs, 0)
		if err != nil {
			return nil, &Error{Symbol: name, Err: err}
		}
		m.Name = name
		m.Methods = methodsFrom(cs, m)
		for each := m; each != nil; each = each.Inner {
			if each.ValueType != nil {
				each.Fields = specialFields(cs.Types, each.ValueType)
			}
		}
		o.out.Maps = append(o.out.Maps, *m)
	}
	for _, name := range slices.Sorted(maps.Keys(cs.Variables)) {
		if err := o.variableFrom(cs.Variables[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cs.Programs)) {
		p, err := o.programFrom(cs.Programs[name])
		if err != nil {
			return nil, err
		}
		p.Name = name
		o.out.Programs = append(o.out.Programs, *p)
	}
	return o.out, nil
}

// FromProgramSpec converts a program of cilium/ebpf. types are those of its collection, for calls of kernel
// functions and CO-RE; they may be nil, and so may opts. Errors are of type *Error.
func FromProgramSpec(ps *ebpf.ProgramSpec, types *btf.Spec, opts *Options) (p *spec.Program, err error) {
	defer recovered(&p, &err)
	if ps == nil {
		return nil, wrong("there is no program (nil)")
	}
	o := newObject(opts)
	o.types = types
	if err := o.findExterns(); err != nil {
		return nil, err
	}
	return o.programFrom(ps)
}

// variableFrom adds a variable, and its value to the map that holds it.
func (o *object) variableFrom(v *ebpf.VariableSpec) error {
	fail := func(format string, args ...any) error {
		return &Error{Section: v.SectionName, Symbol: v.Name, Err: fmt.Errorf(format, args...)}
	}
	at := slices.IndexFunc(o.out.Maps, func(m spec.Map) bool { return m.Name == v.SectionName })
	switch {
	case at < 0:
		return fail("there is no map for the variable")
	case v.SectionName == ".kconfig":
		return nil // is there already
	}
	m, size := &o.out.Maps[at], v.Size()
	if uint64(v.Offset)+uint64(size) > uint64(m.ValueSize) {
		return fail("its %d bytes at %d are outside the map's value of %d bytes", size, v.Offset, m.ValueSize)
	}
	out := spec.Variable{Name: v.Name, Map: v.SectionName, Offset: v.Offset, Size: size}
	if v.Type != nil {
		out.Type = v.Type.Type
	}
	o.out.Variables = append(o.out.Variables, out)
	if len(m.Contents) != 1 || len(m.Contents[0].Value) < int(m.ValueSize) || bytes.Equal(m.Contents[0].Value[v.Offset:v.Offset+size], v.Value) {
		return nil
	}
	changed := bytes.Clone(m.Contents[0].Value)
	copy(changed[v.Offset:], v.Value)
	m.Contents = []spec.MapEntry{{Key: m.Contents[0].Key, Value: changed}}
	return nil
}

// mapFrom converts a map. depth counts the maps around it.
func mapFrom(ms *ebpf.MapSpec, cs *ebpf.CollectionSpec, depth int) (*spec.Map, error) {
	if ms == nil {
		return nil, errors.New("the map is nil")
	}
	m := &spec.Map{Name: ms.Name, Type: spec.MapType(ms.Type), KeySize: ms.KeySize, ValueSize: ms.ValueSize, MaxEntries: ms.MaxEntries,
		Flags: ms.Flags, Extra: ms.MapExtra, KeyType: ms.Key, ValueType: ms.Value}
	m.Frozen = m.Type == spec.Array && m.Flags&readOnly != 0 && m.MaxEntries == 1
	if ms.Type == ebpf.PerfEventArray || ms.InnerMap != nil || ms.Type == ebpf.ProgramArray {
		if m.KeySize == 0 {
			m.KeySize = 4
		}
		if m.ValueSize == 0 {
			m.ValueSize = 4
		}
	}
	if ms.InnerMap != nil {
		if depth > 0 {
			return nil, errors.New("maps can be in maps, but not deeper")
		}
		inner, err := mapFrom(ms.InnerMap, cs, depth+1)
		if err != nil {
			return nil, fmt.Errorf("inner map: %w", err)
		}
		inner.Name = ""
		m.Inner = inner
	}
	for i, kv := range ms.Contents {
		e, err := entryFrom(m, kv, cs)
		if err != nil {
			return nil, fmt.Errorf("element %d of its contents: %w", i, err)
		}
		m.Contents = append(m.Contents, e)
	}
	return m, nil
}

func entryFrom(m *spec.Map, kv ebpf.MapKV, cs *ebpf.CollectionSpec) (e spec.MapEntry, err error) {
	if e.Key, err = bytesOf(kv.Key, m.KeySize); err != nil {
		return e, fmt.Errorf("key: %w", err)
	}
	name, named := kv.Value.(string)
	switch m.Type {
	case spec.ProgArray:
		if !named || cs == nil || cs.Programs[name] == nil {
			return e, fmt.Errorf("the value %v is not the name of a program of the collection", kv.Value)
		}
		e.Program = name
	case spec.ArrayOfMaps, spec.HashOfMaps:
		if !named || cs == nil || cs.Maps[name] == nil {
			return e, fmt.Errorf("the value %v is not the name of a map of the collection", kv.Value)
		}
		e.Map = name
	default:
		if e.Value, err = bytesOf(kv.Value, m.ValueSize); err != nil {
			return e, fmt.Errorf("value: %w", err)
		}
	}
	return e, nil
}

// methodsFrom returns the programs of a table of functions: those whose target is a member of its type, by the names that
// cilium/ebpf gives these.
func methodsFrom(cs *ebpf.CollectionSpec, m *spec.Map) (list []spec.Method) {
	if m.Type != spec.StructOpsMap || m.ValueType == nil {
		return nil
	}
	table, ok := btf.As[*btf.Struct](m.ValueType)
	if !ok {
		return nil
	}
	for _, member := range table.Members {
		for _, name := range slices.Sorted(maps.Keys(cs.Programs)) {
			if p := cs.Programs[name]; p != nil && p.Type == ebpf.StructOps && p.AttachTo == table.Name+":"+member.Name {
				list = append(list, spec.Method{Offset: member.Offset.Bytes(), Program: name})
				break
			}
		}
	}
	return list
}

// bytesOf encodes a key or value as cilium/ebpf would: bytes as they are, what encodes itself, and values of
// fixed size.
func bytesOf(v any, size uint32) (b []byte, err error) {
	switch v := v.(type) {
	case []byte:
		b = v
	case string:
		b = []byte(v)
	case encoding.BinaryMarshaler:
		b, err = v.MarshalBinary()
	default:
		b, err = binary.Append(nil, binary.LittleEndian, v)
	}
	if err == nil && uint64(len(b)) != uint64(size) {
		err = fmt.Errorf("%T has %d bytes, expected %d", v, len(b), size)
	}
	return b, err
}
