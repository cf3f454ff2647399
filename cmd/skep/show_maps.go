// Implements what run prints of maps and variables afterwards.

package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/internal/btfprint"
	"github.com/skepbpf/skep/spec"
)

// maxElements is how many elements of a map people are shown.
const maxElements = 64

// showMaps prints the maps of a collection and its variables that programs can change.
func showMaps(w io.Writer, c *skep.Collection, asJSON bool) error {
	for _, name := range slices.Sorted(maps.Keys(c.Maps)) {
		m := c.Maps[name]
		if strings.HasPrefix(name, "extern ") || strings.HasPrefix(name, ".") || holdsVariables(c, name) {
			continue
		}
		show := showMap
		if asJSON {
			show = jsonMap
		}
		if err := show(w, m); err != nil {
			return err
		}
	}
	return showVariables(w, c, asJSON)
}

func holdsVariables(c *skep.Collection, name string) bool {
	for _, v := range c.Variables {
		if v.Map() == name {
			return true
		}
	}
	return false
}

// showMap prints a map for people. Elements of arrays that are zero are left out.
func showMap(w io.Writer, m *bpfmap.Local) error {
	def := m.Spec()
	var lines []string
	hidden := 0
	for k, v := range m.All() {
		if isArray(def.Type) && zero(v) {
			continue
		}
		if len(lines) == maxElements {
			hidden++
			continue
		}
		key := btfprint.AppendJSON(nil, def.KeyType, k)
		if s, ok := prefixText(def, k); ok {
			key = []byte(s)
		}
		if def.KeyType == nil && isIndex(def) {
			key = fmt.Appendf(nil, "%d", binary.LittleEndian.Uint32(k))
		}
		value := valueJSON(m, v)
		if name := objectName(m, k); name != "" {
			value = []byte(name)
		}
		lines = append(lines, fmt.Sprintf("  %s: %s\n", key, value))
	}
	if len(lines) == 0 {
		return nil
	}
	fmt.Fprintf(w, "map %s (%s)\n", m.Name(), def.Type)
	for _, l := range lines {
		io.WriteString(w, l)
	}
	if hidden > 0 {
		fmt.Fprintf(w, "  … %d more\n", hidden)
	}
	return nil
}

// isIndex reports whether the keys of a map are numbers from 0 on.
func isIndex(m *spec.Map) bool {
	switch m.Type {
	case spec.ProgArray, spec.ArrayOfMaps, spec.Array, spec.PerCPUArray:
		return m.KeySize == 4
	}
	return false
}

// objectName says what a map holds that is a program or a map, "" if it is neither.
func objectName(m *bpfmap.Local, key []byte) string {
	o, _ := m.Object(key)
	switch o := o.(type) {
	case *skep.Program:
		return "program " + o.Name()
	case *bpfmap.Local:
		return "map " + o.Name()
	}
	return ""
}

func isArray(t spec.MapType) bool { return t == spec.Array || t == spec.PerCPUArray }

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// valueJSON writes a value; those of each processor are a list.
func valueJSON(m *bpfmap.Local, v []byte) []byte {
	def := m.Spec()
	if !perCPU(def.Type) {
		return btfprint.AppendJSON(nil, def.ValueType, v)
	}
	out := []byte("[")
	step := (int(def.ValueSize) + 7) &^ 7
	for i := 0; i+step <= len(v); i += step {
		if i > 0 {
			out = append(out, ',')
		}
		out = btfprint.AppendJSON(out, def.ValueType, v[i:i+int(def.ValueSize)])
	}
	return append(out, ']')
}

// mapLine is a map as JSON.
type mapLine struct {
	Map     string        `json:"map"`
	Type    string        `json:"type"`
	Entries []elementLine `json:"entries"`
}

type elementLine struct {
	Key   json.RawMessage `json:"key"`
	Value json.RawMessage `json:"value"`
}

func jsonMap(w io.Writer, m *bpfmap.Local) error {
	def := m.Spec()
	out := mapLine{Map: m.Name(), Type: def.Type.String(), Entries: []elementLine{}}
	for k, v := range m.All() {
		if !isArray(def.Type) || !zero(v) {
			out.Entries = append(out.Entries, elementLine{btfprint.AppendJSON(nil, def.KeyType, k), valueJSON(m, v)})
		}
	}
	return jsonLine(w, out)
}

// variableLine is a global variable as JSON.
type variableLine struct {
	Variable string          `json:"variable"`
	Value    json.RawMessage `json:"value"`
}

func showVariables(w io.Writer, c *skep.Collection, asJSON bool) error {
	first := true
	for _, name := range slices.Sorted(maps.Keys(c.Variables)) {
		v := c.Variables[name]
		if v.ReadOnly() {
			continue
		}
		b := make([]byte, v.Size())
		if err := v.Get(b); err != nil {
			return err
		}
		text := btfprint.AppendJSON(nil, v.Type(), b)
		if asJSON {
			if err := jsonLine(w, variableLine{name, text}); err != nil {
				return err
			}
			continue
		}
		if first {
			fmt.Fprintln(w, "variables")
			first = false
		}
		fmt.Fprintf(w, "  %s: %s\n", name, text)
	}
	return nil
}
