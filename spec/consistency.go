// Implements the check that all names in a collection lead somewhere.

package spec

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/skepbpf/skep/isa"
)

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
		if object, field, wrong = c.Maps[i].inconsistency(fmt.Sprintf("maps[%d]", i), programs, maps, 0); wrong != "" {
			return object, field, wrong
		}
	}
	for i, v := range c.Variables {
		path := fmt.Sprintf("variables[%d]", i)
		switch {
		case !utf8.ValidString(v.Name):
			return path, "name", "the name is not valid UTF-8"
		case !maps[v.Map]:
			return path, "map", fmt.Sprintf("there is no map named %q", v.Map)
		}
	}
	return "", "", ""
}

func (p *Program) inconsistency(path string, maps map[string]bool) (object, field, wrong string) {
	if _, err := ParseProgramType(p.Type.String()); err != nil {
		return path, "type", err.Error()
	}
	if p.Flags&^(StrictAlignment|AnyAlignment|Sleepable|XDPFrags) != 0 {
		return path, "flags", fmt.Sprintf("unknown flags %#x", uint32(p.Flags))
	}
	for _, s := range []string{p.Name, p.License, p.Section, p.AttachTo} {
		if !utf8.ValidString(s) {
			return path, "name", "the name, the license, the section or what to attach to is not valid UTF-8"
		}
	}
	if object, field, wrong = p.badReference(path, maps); wrong != "" {
		return object, field, wrong
	}
	return p.badMark(path)
}

// badReference finds the first reference to a map or an extern that is not at a wide load or leads nowhere.
func (p *Program) badReference(path string, maps map[string]bool) (object, field, wrong string) {
	referred := map[int]bool{}
	misplaced := func(insn int) string {
		switch {
		case insn < 0 || insn >= len(p.Insns):
			return fmt.Sprintf("there is no instruction %d, the program has %d slots", insn, len(p.Insns))
		case isa.Linux.Slots(p.Insns[insn].Code) != 2:
			return fmt.Sprintf("instruction %d is not a wide load (opcode %#02x)", insn, p.Insns[insn].Code)
		case referred[insn]:
			return fmt.Sprintf("instruction %d refers to something already", insn)
		}
		referred[insn] = true
		return ""
	}
	for i, m := range p.Maps {
		object = fmt.Sprintf("%s.maps[%d]", path, i)
		if wrong = misplaced(m.Insn); wrong != "" {
			return object, "insn", wrong
		}
		switch {
		case !maps[m.Map]:
			return object, "map", fmt.Sprintf("there is no map named %q", m.Map)
		case !m.Value && m.Offset != 0:
			return object, "value_offset", "there is an offset into the value, but the reference is to the map"
		}
	}
	for i, e := range p.Externs {
		object = fmt.Sprintf("%s.externs[%d]", path, i)
		if wrong = misplaced(e.Insn); wrong != "" {
			return object, "insn", wrong
		}
		if !utf8.ValidString(e.Name) {
			return object, "name", "the name is not valid UTF-8"
		}
	}
	return "", "", ""
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
	for i, f := range p.Funcs {
		judge("funcs", i, f.Insn, len(p.Insns), f.Name)
		if wrong == "" && i > 0 && f.Insn <= p.Funcs[i-1].Insn {
			return fmt.Sprintf("%s.funcs[%d]", path, i), "insn", "the functions are not in the order of the code"
		}
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

func (m *Map) inconsistency(path string, programs, maps map[string]bool, depth int) (object, field, wrong string) {
	switch _, err := ParseMapType(m.Type.String()); {
	case err != nil:
		return path, "type", err.Error()
	case !utf8.ValidString(m.Name):
		return path, "name", "the name is not valid UTF-8"
	case depth > maxInner:
		return path, "", fmt.Sprintf("maps stand in maps more than %d deep", maxInner)
	}
	for i, e := range m.Contents {
		if field, wrong = e.inconsistency(m.Type, programs, maps); wrong != "" {
			return fmt.Sprintf("%s.contents[%d]", path, i), field, wrong
		}
	}
	for i, f := range m.Methods {
		if !programs[f.Program] {
			return fmt.Sprintf("%s.methods[%d]", path, i), "program", fmt.Sprintf("there is no program named %q", f.Program)
		}
	}
	for i, p := range m.Pointers {
		at := fmt.Sprintf("%s.pointers[%d]", path, i)
		switch {
		case !maps[p.Map]:
			return at, "map", fmt.Sprintf("there is no map named %q", p.Map)
		case m.Type != Arena && (m.ValueSize < 8 || p.Offset > m.ValueSize-8):
			return at, "offset", fmt.Sprintf("the 8 bytes at %d are outside the value of %d bytes", p.Offset, m.ValueSize)
		case !p.Value && p.To != 0:
			return at, "value_offset", "there is an offset into the value, but the address is that of the map"
		}
	}
	for i, f := range m.Fields {
		if !slices.Contains(fieldKinds, f.Kind) {
			return fmt.Sprintf("%s.fields[%d]", path, i), "kind", fmt.Sprintf("unknown field kind %q", f.Kind)
		}
	}
	if m.Inner != nil {
		return m.Inner.inconsistency(path+".inner", programs, maps, depth+1)
	}
	return "", "", ""
}

func (e *MapEntry) inconsistency(t MapType, programs, maps map[string]bool) (field, wrong string) {
	outer := t == ArrayOfMaps || t == HashOfMaps
	switch {
	case t == ProgArray && e.Program == "":
		return "", "an element of a prog_array gives a program"
	case t != ProgArray && e.Program != "":
		return "program", fmt.Sprintf("an element of a %s gives a value, not a program", t)
	case outer && e.Map == "":
		return "", fmt.Sprintf("an element of a %s gives a map", t)
	case !outer && e.Map != "":
		return "map", fmt.Sprintf("an element of a %s does not give a map", t)
	case (e.Program != "" || e.Map != "") && len(e.Value) > 0:
		return "", "the element has both a value and a program or map"
	case e.Program != "" && !programs[e.Program]:
		return "program", fmt.Sprintf("there is no program named %q", e.Program)
	case e.Map != "" && !maps[e.Map]:
		return "map", fmt.Sprintf("there is no map named %q", e.Map)
	}
	return "", ""
}
