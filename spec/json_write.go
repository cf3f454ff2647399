// Implements the writer of spec JSON.

package spec

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/skepbpf/skep/internal/strictjson"
	"github.com/skepbpf/skep/isa"
)

// MarshalJSON returns the collection as spec JSON, one line. ParseJSON of the result gives back an equal
// collection, but for empty lists, which become nil. What ParseJSON would refuse, such as a reference to a
// map that is not there, a type without a name, or a name that is not UTF-8, is an error.
func (c Collection) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil) }

// AppendJSON appends what MarshalJSON returns to dst. After an error it returns dst as it was.
func (c Collection) AppendJSON(dst []byte) ([]byte, error) {
	if object, field, wrong := c.inconsistency(); wrong != "" {
		return dst, fmt.Errorf("%s: %s", strictjson.Join(object, field), wrong)
	}
	doc := jsonDoc{Programs: []jsonProgram{}, Maps: []jsonMap{}}
	for i := range c.Programs {
		doc.Programs = append(doc.Programs, c.Programs[i].toJSON())
	}
	for i := range c.Maps {
		doc.Maps = append(doc.Maps, c.Maps[i].toJSON())
	}
	for _, v := range c.Variables {
		doc.Variables = append(doc.Variables, jsonVariable{v.Name, v.Map, v.Offset, v.Size})
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

// The document as encoding/json writes it; the reader does not use these types, for encoding/json is lax.
type jsonDoc struct {
	Programs  []jsonProgram  `json:"programs"`
	Maps      []jsonMap      `json:"maps"`
	Variables []jsonVariable `json:"variables,omitempty"`
}

type jsonVariable struct {
	Name   string `json:"name"`
	Map    string `json:"map"`
	Offset uint32 `json:"offset"`
	Size   uint32 `json:"size"`
}

type jsonProgram struct {
	Name       string       `json:"name"`
	Type       string       `json:"type"`
	AttachType uint32       `json:"attach_type,omitempty"`
	License    string       `json:"license"`
	Flags      []string     `json:"flags,omitempty"`
	Section    string       `json:"section,omitempty"`
	AttachTo   string       `json:"attach_to,omitempty"`
	Insns      string       `json:"insns"`
	Maps       []jsonMapRef `json:"maps"`
	Calls      []jsonCall   `json:"calls,omitempty"`
	Externs    []jsonExtern `json:"externs,omitempty"`
	Funcs      []jsonFunc   `json:"funcs,omitempty"`
	Symbols    []jsonSymbol `json:"symbols,omitempty"`
	Lines      []jsonLine   `json:"lines,omitempty"`
}

type jsonMapRef struct {
	Insn        int     `json:"insn"`
	Map         string  `json:"map"`
	ValueOffset *uint32 `json:"value_offset,omitempty"`
}

type jsonCall struct {
	Insn   int    `json:"insn"`
	Helper string `json:"helper"`
	Weak   bool   `json:"weak,omitempty"`
}

type jsonExtern struct {
	Insn int    `json:"insn"`
	Name string `json:"name"`
	Weak bool   `json:"weak,omitempty"`
}

type jsonFunc struct {
	Insn   int    `json:"insn"`
	Name   string `json:"name"`
	Static bool   `json:"static,omitempty"`
}

type jsonSymbol struct {
	Insn int    `json:"insn"`
	Name string `json:"name"`
}

type jsonLine struct {
	Insn   int    `json:"insn"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text,omitempty"`
}

type jsonMap struct {
	Name       string       `json:"name"`
	Type       string       `json:"type"`
	KeySize    uint32       `json:"key_size"`
	ValueSize  uint32       `json:"value_size"`
	MaxEntries uint32       `json:"max_entries"`
	Flags      uint32       `json:"flags"`
	Extra      uint64       `json:"extra,omitempty"`
	Frozen     bool         `json:"frozen,omitempty"`
	Contents   []jsonEntry  `json:"contents,omitempty"`
	Fields     []jsonField  `json:"fields,omitempty"`
	Inner      *jsonMap     `json:"inner,omitempty"`
	Methods    []jsonMethod `json:"methods,omitempty"`

	Pointers []jsonPointer `json:"pointers,omitempty"`
}

type jsonPointer struct {
	Offset      uint32  `json:"offset"`
	Map         string  `json:"map"`
	ValueOffset *uint32 `json:"value_offset,omitempty"`
}

type jsonMethod struct {
	Offset  uint32 `json:"offset"`
	Program string `json:"program"`
}

type jsonEntry struct {
	Key     string  `json:"key"`
	Value   *string `json:"value,omitempty"`
	Program string  `json:"program,omitempty"`
	Map     string  `json:"map,omitempty"`
}

type jsonField struct {
	Kind   FieldKind `json:"kind"`
	Offset uint32    `json:"offset"`
}

func (p *Program) toJSON() jsonProgram {
	j := jsonProgram{Name: p.Name, Type: p.Type.String(), AttachType: p.AttachType, License: p.License,
		Section: p.Section, AttachTo: p.AttachTo, Insns: hex.EncodeToString(isa.Encode(p.Insns)), Maps: []jsonMapRef{}}
	for _, f := range flagNames {
		if p.Flags&f.flag != 0 {
			j.Flags = append(j.Flags, f.name)
		}
	}
	for _, m := range p.Maps {
		ref := jsonMapRef{Insn: m.Insn, Map: m.Map}
		if m.Value {
			ref.ValueOffset = &m.Offset
		}
		j.Maps = append(j.Maps, ref)
	}
	for _, c := range p.Calls {
		j.Calls = append(j.Calls, jsonCall{c.Insn, c.Helper, c.Weak})
	}
	for _, e := range p.Externs {
		j.Externs = append(j.Externs, jsonExtern{e.Insn, e.Name, e.Weak})
	}
	for _, f := range p.Funcs {
		j.Funcs = append(j.Funcs, jsonFunc{f.Insn, f.Name, f.Static})
	}
	for _, s := range p.Symbols {
		j.Symbols = append(j.Symbols, jsonSymbol(s))
	}
	for _, l := range p.Lines {
		j.Lines = append(j.Lines, jsonLine(l))
	}
	return j
}

func (m *Map) toJSON() jsonMap {
	j := jsonMap{Name: m.Name, Type: m.Type.String(), KeySize: m.KeySize, ValueSize: m.ValueSize,
		MaxEntries: m.MaxEntries, Flags: m.Flags, Extra: m.Extra, Frozen: m.Frozen}
	for _, e := range m.Contents {
		entry := jsonEntry{Key: hex.EncodeToString(e.Key), Program: e.Program, Map: e.Map}
		if e.Program == "" && e.Map == "" {
			value := hex.EncodeToString(e.Value)
			entry.Value = &value
		}
		j.Contents = append(j.Contents, entry)
	}
	for _, f := range m.Fields {
		j.Fields = append(j.Fields, jsonField{f.Kind, f.Offset})
	}
	for _, f := range m.Methods {
		j.Methods = append(j.Methods, jsonMethod(f))
	}
	for i := range m.Pointers {
		p := &m.Pointers[i]
		out := jsonPointer{Offset: p.Offset, Map: p.Map}
		if p.Value {
			out.ValueOffset = &p.To
		}
		j.Pointers = append(j.Pointers, out)
	}
	if m.Inner != nil {
		inner := m.Inner.toJSON()
		j.Inner = &inner
	}
	return j
}
