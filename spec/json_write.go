// Implements the writer of spec JSON, and the check that all names in a collection lead somewhere.

package spec

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/skepbpf/skep/isa"
)

// MarshalJSON returns the collection as spec JSON, one line. ParseJSON of the result gives back an equal
// collection, but for empty lists, which become nil. What ParseJSON would refuse, such as a reference to a
// map that is not there, a type without a name, or a name that is not UTF-8, is an error.
func (c Collection) MarshalJSON() ([]byte, error) { return c.AppendJSON(nil) }

// AppendJSON appends what MarshalJSON returns to dst. After an error it returns dst as it was.
func (c Collection) AppendJSON(dst []byte) ([]byte, error) {
	if object, field, wrong := c.inconsistency(); wrong != "" {
		return dst, fmt.Errorf("%s: %s", join(object, field), wrong)
	}
	doc := jsonDoc{Programs: []jsonProgram{}, Maps: []jsonMap{}}
	for i := range c.Programs {
		doc.Programs = append(doc.Programs, c.Programs[i].toJSON())
	}
	for i := range c.Maps {
		doc.Maps = append(doc.Maps, c.Maps[i].toJSON())
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return dst, err
	}
	return append(dst, text...), nil
}

// The document as encoding/json writes it; the reader does not use these types, for encoding/json is lax.
type jsonDoc struct {
	Programs []jsonProgram `json:"programs"`
	Maps     []jsonMap     `json:"maps"`
}

type jsonProgram struct {
	Name       string       `json:"name"`
	Type       string       `json:"type"`
	AttachType uint32       `json:"attach_type,omitempty"`
	License    string       `json:"license"`
	Flags      []string     `json:"flags,omitempty"`
	Insns      string       `json:"insns"`
	Maps       []jsonMapRef `json:"maps"`
	Calls      []jsonCall   `json:"calls,omitempty"`
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
	Name       string      `json:"name"`
	Type       string      `json:"type"`
	KeySize    uint32      `json:"key_size"`
	ValueSize  uint32      `json:"value_size"`
	MaxEntries uint32      `json:"max_entries"`
	Flags      uint32      `json:"flags"`
	Contents   []jsonEntry `json:"contents,omitempty"`
	Fields     []jsonField `json:"fields,omitempty"`
	Inner      *jsonMap    `json:"inner,omitempty"`
}

type jsonEntry struct {
	Key     string  `json:"key"`
	Value   *string `json:"value,omitempty"`
	Program string  `json:"program,omitempty"`
}

type jsonField struct {
	Kind   FieldKind `json:"kind"`
	Offset uint32    `json:"offset"`
}

func (p *Program) toJSON() jsonProgram {
	j := jsonProgram{Name: p.Name, Type: p.Type.String(), AttachType: p.AttachType, License: p.License,
		Insns: hex.EncodeToString(isa.Encode(p.Insns)), Maps: []jsonMapRef{}}
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
		j.Calls = append(j.Calls, jsonCall(c))
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
		MaxEntries: m.MaxEntries, Flags: m.Flags}
	for _, e := range m.Contents {
		entry := jsonEntry{Key: hex.EncodeToString(e.Key), Program: e.Program}
		if e.Program == "" {
			value := hex.EncodeToString(e.Value)
			entry.Value = &value
		}
		j.Contents = append(j.Contents, entry)
	}
	for _, f := range m.Fields {
		j.Fields = append(j.Fields, jsonField(f))
	}
	if m.Inner != nil {
		inner := m.Inner.toJSON()
		j.Inner = &inner
	}
	return j
}

// inconsistency finds the first thing that spec JSON cannot say or that leads nowhere: the path of the
// object it stands in, the field, and what is wrong; wrong is empty if there is none.
func (c *Collection) inconsistency() (object, field, wrong string) {
	programs, maps := map[string]bool{}, map[string]bool{}
	for i := range c.Maps {
		if name := c.Maps[i].Name; maps[name] {
			return fmt.Sprintf("maps[%d]", i), "name", fmt.Sprintf("a map named %q is there already", name)
		}
		maps[c.Maps[i].Name] = true
	}
	for i := range c.Programs {
		path := fmt.Sprintf("programs[%d]", i)
		p := &c.Programs[i]
		if programs[p.Name] {
			return path, "name", fmt.Sprintf("a program named %q is there already", p.Name)
		}
		programs[p.Name] = true
		if object, field, wrong = p.inconsistency(path, maps); wrong != "" {
			return object, field, wrong
		}
	}
	for i := range c.Maps {
		if object, field, wrong = c.Maps[i].inconsistency(fmt.Sprintf("maps[%d]", i), programs, 0); wrong != "" {
			return object, field, wrong
		}
	}
	return "", "", ""
}

func (p *Program) inconsistency(path string, maps map[string]bool) (object, field, wrong string) {
	if _, err := ParseProgramType(p.Type.String()); err != nil {
		return path, "type", err.Error()
	}
	if p.Flags&^(StrictAlignment|AnyAlignment) != 0 {
		return path, "flags", fmt.Sprintf("unknown flags %#x", uint32(p.Flags))
	}
	if !utf8.ValidString(p.Name) || !utf8.ValidString(p.License) {
		return path, "name", "the name or the license is not valid UTF-8"
	}
	referred := map[int]bool{}
	for i, m := range p.Maps {
		object = fmt.Sprintf("%s.maps[%d]", path, i)
		switch {
		case m.Insn < 0 || m.Insn >= len(p.Insns):
			return object, "insn", fmt.Sprintf("there is no instruction %d, the program has %d slots", m.Insn, len(p.Insns))
		case isa.Linux.Slots(p.Insns[m.Insn].Code) != 2:
			return object, "insn", fmt.Sprintf("instruction %d is not a wide load (opcode %#02x)", m.Insn, p.Insns[m.Insn].Code)
		case referred[m.Insn]:
			return object, "insn", fmt.Sprintf("instruction %d refers to a map already", m.Insn)
		case !maps[m.Map]:
			return object, "map", fmt.Sprintf("there is no map named %q", m.Map)
		case !m.Value && m.Offset != 0:
			return object, "value_offset", "there is an offset into the value, but the reference is to the map"
		}
		referred[m.Insn] = true
	}
	return p.badMark(path)
}

// badMark finds the first call reference, symbol or line that is at no instruction or is not text.
func (p *Program) badMark(path string) (object, field, wrong string) {
	judge := func(list string, i, insn, end int, texts ...string) {
		for _, s := range texts {
			if wrong == "" && !utf8.ValidString(s) {
				object, field, wrong = fmt.Sprintf("%s.%s[%d]", path, list, i), "", fmt.Sprintf("%q is not valid UTF-8", s)
			}
		}
		if wrong == "" && (insn < 0 || insn >= end) {
			object, field, wrong = fmt.Sprintf("%s.%s[%d]", path, list, i), "insn",
				fmt.Sprintf("there is no instruction %d, the program has %d slots", insn, len(p.Insns))
		}
	}
	for i, c := range p.Calls {
		judge("calls", i, c.Insn, len(p.Insns), c.Helper)
	}
	for i, s := range p.Symbols {
		judge("symbols", i, s.Insn, len(p.Insns)+1, s.Name) // a label may stand at the end
	}
	for i, l := range p.Lines {
		judge("lines", i, l.Insn, len(p.Insns), l.File, l.Text)
		if wrong == "" && (l.Line < 0 || l.Column < 0) {
			return fmt.Sprintf("%s.lines[%d]", path, i), "line", "line or column is negative"
		}
	}
	return object, field, wrong
}

func (m *Map) inconsistency(path string, programs map[string]bool, depth int) (object, field, wrong string) {
	switch _, err := ParseMapType(m.Type.String()); {
	case err != nil:
		return path, "type", err.Error()
	case !utf8.ValidString(m.Name):
		return path, "name", "the name is not valid UTF-8"
	case depth > maxInner:
		return path, "", fmt.Sprintf("maps stand in maps more than %d deep", maxInner)
	}
	for i, e := range m.Contents {
		object = fmt.Sprintf("%s.contents[%d]", path, i)
		switch {
		case m.Type == ProgArray && e.Program == "":
			return object, "", "an element of a prog_array gives a program"
		case m.Type != ProgArray && e.Program != "":
			return object, "program", fmt.Sprintf("an element of a %s gives a value, not a program", m.Type)
		case e.Program != "" && len(e.Value) > 0:
			return object, "", "the element has both a value and a program"
		case e.Program != "" && !programs[e.Program]:
			return object, "program", fmt.Sprintf("there is no program named %q", e.Program)
		}
	}
	for i, f := range m.Fields {
		if !slices.Contains(fieldKinds, f.Kind) {
			return fmt.Sprintf("%s.fields[%d]", path, i), "kind", fmt.Sprintf("unknown field kind %q", f.Kind)
		}
	}
	if m.Inner != nil {
		return m.Inner.inconsistency(path+".inner", programs, depth+1)
	}
	return "", "", ""
}
