// Implements the objects of spec JSON as they are read: which fields each has, and which it must have.

package spec

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

func (r *jsonReader) program(path string) (p Program, err error) {
	err = r.object(fields{
		"name":        r.str(&p.Name),
		"type":        r.parsed(func(s string) (err error) { p.Type, err = ParseProgramType(s); return err }),
		"attach_type": number(r, &p.AttachType, math.MaxUint32),
		"license":     r.str(&p.License),
		"flags":       r.flags(&p.Flags),
		"insns":       r.insns(&p.Insns),
		"section":     r.str(&p.Section),
		"attach_to":   r.str(&p.AttachTo),
		"maps":        list(r, &p.Maps, r.mapRef),
		"calls":       list(r, &p.Calls, r.callRef),
		"externs":     list(r, &p.Externs, r.externRef),
		"funcs":       list(r, &p.Funcs, r.function),
		"symbols":     list(r, &p.Symbols, r.symbol),
		"lines":       list(r, &p.Lines, r.line),
	}, "insns")(path)
	return p, err
}

var flagNames = []struct {
	flag ProgramFlags
	name string
}{{StrictAlignment, "strict_alignment"}, {AnyAlignment, "any_alignment"}, {Sleepable, "sleepable"}, {XDPFrags, "xdp_frags"}}

func (r *jsonReader) flags(to *ProgramFlags) reader {
	return list(r, new([]ProgramFlags), func(path string) (f ProgramFlags, err error) {
		err = r.parsed(func(s string) error {
			for _, n := range flagNames {
				if n.name == s {
					*to |= n.flag
					return nil
				}
			}
			return fmt.Errorf("unknown flag %q, expected strict_alignment, any_alignment, sleepable or xdp_frags", s)
		})(path)
		return f, err
	})
}

func (r *jsonReader) mapRef(path string) (m MapRef, err error) {
	err = r.object(fields{
		"insn": number(r, &m.Insn, math.MaxInt32),
		"map":  r.str(&m.Map),
		"value_offset": func(path string) error {
			m.Value = true
			return number(r, &m.Offset, math.MaxUint32)(path)
		},
	}, "insn", "map")(path)
	return m, err
}

func (r *jsonReader) callRef(path string) (c CallRef, err error) {
	err = r.object(fields{
		"insn":   number(r, &c.Insn, math.MaxInt32),
		"helper": r.str(&c.Helper),
		"weak":   r.boolean(&c.Weak),
	}, "insn", "helper")(path)
	return c, err
}

func (r *jsonReader) externRef(path string) (e ExternRef, err error) {
	err = r.object(fields{
		"insn": number(r, &e.Insn, math.MaxInt32),
		"name": r.str(&e.Name),
		"weak": r.boolean(&e.Weak),
	}, "insn", "name")(path)
	return e, err
}

func (r *jsonReader) function(path string) (f Func, err error) {
	err = r.object(fields{
		"insn":   number(r, &f.Insn, math.MaxInt32),
		"name":   r.str(&f.Name),
		"static": r.boolean(&f.Static),
	}, "insn", "name")(path)
	return f, err
}

func (r *jsonReader) variable(path string) (v Variable, err error) {
	err = r.object(fields{
		"name":   r.str(&v.Name),
		"map":    r.str(&v.Map),
		"offset": number(r, &v.Offset, math.MaxUint32),
		"size":   number(r, &v.Size, math.MaxUint32),
	}, "name", "map", "offset", "size")(path)
	return v, err
}

func (r *jsonReader) symbol(path string) (s Symbol, err error) {
	err = r.object(fields{
		"insn": number(r, &s.Insn, math.MaxInt32),
		"name": r.str(&s.Name),
	}, "insn", "name")(path)
	return s, err
}

func (r *jsonReader) line(path string) (l Line, err error) {
	err = r.object(fields{
		"insn":   number(r, &l.Insn, math.MaxInt32),
		"file":   r.str(&l.File),
		"line":   number(r, &l.Line, math.MaxInt32),
		"column": number(r, &l.Column, math.MaxInt32),
		"text":   r.str(&l.Text),
	}, "insn")(path)
	return l, err
}

func (r *jsonReader) mapDef(path string, depth int) (m Map, err error) {
	err = r.object(fields{
		"name":        r.str(&m.Name),
		"type":        r.parsed(func(s string) (err error) { m.Type, err = ParseMapType(s); return err }),
		"key_size":    number(r, &m.KeySize, math.MaxUint32),
		"value_size":  number(r, &m.ValueSize, math.MaxUint32),
		"max_entries": number(r, &m.MaxEntries, math.MaxUint32),
		"flags":       number(r, &m.Flags, math.MaxUint32),
		"extra":       number(r, &m.Extra, math.MaxUint64),
		"frozen":      r.boolean(&m.Frozen),
		"contents":    list(r, &m.Contents, r.mapEntry),
		"fields":      list(r, &m.Fields, r.mapField),
		"inner":       r.inner(&m.Inner, depth+1),
		"methods":     list(r, &m.Methods, r.method),
		"pointers":    list(r, &m.Pointers, r.pointer),
	}, "type")(path)
	return m, err
}

// inner reads a map's definition or null.
func (r *jsonReader) inner(to **Map, depth int) reader {
	return r.Optional(func(path string) error {
		if depth > maxInner {
			return r.Fail(path, "maps stand in maps %d deep, at most %d are allowed", depth, maxInner)
		}
		m, err := r.mapDef(path, depth)
		*to = &m
		return err
	})
}

func (r *jsonReader) mapEntry(path string) (e MapEntry, err error) {
	sources := 0
	count := func(read reader) reader { return func(path string) error { sources++; return read(path) } }
	err = r.object(fields{
		"key":     r.hex(&e.Key),
		"value":   count(r.hex(&e.Value)),
		"program": count(r.name(&e.Program, "a program's")),
		"map":     count(r.name(&e.Map, "a map's")),
	}, "key")(path)
	if err == nil && sources != 1 {
		err = r.Fail(path, "expected either a value, a program or a map beside the key")
	}
	return e, err
}

// name reads a string that is not empty.
func (r *jsonReader) name(to *string, whose string) reader {
	return r.parsed(func(s string) error {
		if *to = s; s == "" {
			return fmt.Errorf("expected %s name, found nothing", whose)
		}
		return nil
	})
}

func (r *jsonReader) method(path string) (m Method, err error) {
	err = r.object(fields{
		"offset":  number(r, &m.Offset, math.MaxUint32),
		"program": r.name(&m.Program, "a program's"),
	}, "offset", "program")(path)
	return m, err
}

func (r *jsonReader) pointer(path string) (p Pointer, err error) {
	err = r.object(fields{
		"offset": number(r, &p.Offset, math.MaxUint32),
		"map":    r.name(&p.Map, "a map's"),
		"value_offset": func(path string) error {
			p.Value = true
			return number(r, &p.To, math.MaxUint32)(path)
		},
	}, "offset", "map")(path)
	return p, err
}

func (r *jsonReader) mapField(path string) (f MapField, err error) {
	err = r.object(fields{
		"kind": r.parsed(func(s string) error {
			f.Kind = FieldKind(s)
			if !slices.Contains(fieldKinds, f.Kind) {
				return fmt.Errorf("unknown field kind %q, expected one of %s", s, kindList())
			}
			return nil
		}),
		"offset": number(r, &f.Offset, math.MaxUint32),
	}, "kind", "offset")(path)
	return f, err
}

func kindList() string {
	var names []string
	for _, k := range fieldKinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
