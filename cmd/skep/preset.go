// Implements presetting maps and variables ahead of a run, from flags and files.

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/internal/btfprint"
	"github.com/skepbpf/skep/spec"
)

// presets is what is put into maps and variables.
type presets struct {
	sets, vars []string // NAME[KEY]=VALUE and NAME=VALUE
	file       string
}

func (p *presets) flags(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringArrayVar(&p.sets, "set", nil, "put an element into a map before the run: `NAME[KEY]=VALUE`; may be repeated")
	fl.StringArrayVar(&p.vars, "var", nil, "set a global variable before the run: `NAME=VALUE`; may be repeated")
	fl.StringVar(&p.file, "maps", "", "put the elements of a `file` into maps before the run, JSON as run prints them")
}

// any reports whether something is to be preset.
func (p *presets) any() bool { return len(p.sets) > 0 || len(p.vars) > 0 || p.file != "" }

// apply presets maps and variables of a collection.
func (p *presets) apply(cmd *cobra.Command, c *skep.Collection) error {
	if p.file != "" {
		text, err := readFile(cmd, p.file)
		if err != nil {
			return err
		}
		if err := applyFile(text, c); err != nil {
			return fmt.Errorf("%s: %w", shown(p.file), err)
		}
	}
	for _, s := range p.sets {
		if err := applySet(s, c); err != nil {
			return usageError{fmt.Errorf("--set %s: %w", s, err)}
		}
	}
	return nil
}

// variables returns the values of variables.
func (p *presets) variables(c *spec.Collection) (map[string]any, error) {
	out := map[string]any{}
	for _, s := range p.vars {
		name, value, err := variableValue(s, c)
		if err != nil {
			return nil, usageError{fmt.Errorf("--var %s: %w", s, err)}
		}
		out[name] = value
	}
	return out, nil
}

// presetMap is a line of a file of presets: a map as run prints it. A key or value may be in any form that btfprint reads.
type presetMap struct {
	Map     string `json:"map"`
	Entries []struct {
		Key   json.RawMessage `json:"key"`
		Value json.RawMessage `json:"value"`
	} `json:"entries"`
}

// applyFile presets maps from JSON objects, one after the other. Objects that are no maps are passed over, so that the
// output of a run can be the input of the next.
func applyFile(text []byte, c *skep.Collection) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	for dec.More() {
		var m presetMap
		if err := dec.Decode(&m); err != nil {
			return fmt.Errorf("byte %d: %w", dec.InputOffset(), err)
		}
		if m.Map == "" {
			continue
		}
		l := c.Maps[m.Map]
		if l == nil {
			return fmt.Errorf("there is no map %q, there are %s", m.Map, names(c.Maps))
		}
		for i, e := range m.Entries {
			if err := putElement(l, e.Key, e.Value); err != nil {
				return fmt.Errorf("map %q: entry %d: %w", m.Map, i, err)
			}
		}
	}
	return nil
}

func names[V any](m map[string]V) string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}

// applySet puts one element into a map.
func applySet(s string, c *skep.Collection) error {
	name, rest, ok := strings.Cut(s, "[")
	key, value, ok2 := cutElement(rest)
	if !ok || !ok2 {
		return errors.New("expected NAME[KEY]=VALUE")
	}
	m := c.Maps[name]
	if m == nil {
		return fmt.Errorf("there is no map %q, there are %s", name, names(c.Maps))
	}
	return putElement(m, quoted(key), quoted(value))
}

// cutElement cuts KEY]=VALUE at the first "]=" outside quotes and brackets.
func cutElement(s string) (key, value string, ok bool) {
	depth, inString := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			depth++
		case c == ']' && depth == 0:
			value, ok = strings.CutPrefix(s[i+1:], "=")
			return s[:i], value, ok
		case c == ']' || c == '}':
			depth--
		}
	}
	return "", "", false
}

// quoted makes JSON of text that may lack the quotes of a string.
func quoted(s string) []byte {
	if json.Valid([]byte(s)) {
		return []byte(s)
	}
	q, err := json.Marshal(s)
	if err != nil {
		return []byte(s)
	}
	return q
}

// putElement puts an element into a map. In maps with values for each processor, one value is for all.
func putElement(m *bpfmap.Local, key, value []byte) error {
	k, err := parseKey(m.Spec(), key)
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	v, err := parseValue(m, value)
	if err != nil {
		return fmt.Errorf("value: %w", err)
	}
	if len(k) == 0 {
		return m.Put(nil, v)
	}
	return m.Put(k, v)
}

func parseKey(def *spec.Map, text []byte) ([]byte, error) {
	if def.KeySize == 0 {
		return nil, nil
	}
	if k, ok := prefixKey(def, text); ok {
		return k, nil
	}
	return btfprint.Parse(def.KeyType, int(def.KeySize), text)
}

// prefixKey reads an address with the length of a prefix, as keys of LPM tries: "10.0.0.0/8".
func prefixKey(def *spec.Map, text []byte) ([]byte, bool) {
	var s string
	if def.Type != spec.LPMTrie || json.Unmarshal(text, &s) != nil {
		return nil, false
	}
	p, err := netip.ParsePrefix(s)
	if err != nil || 4+len(p.Addr().AsSlice()) > int(def.KeySize) {
		return nil, false
	}
	k := binary.LittleEndian.AppendUint32(nil, uint32(p.Bits()))
	k = append(k, p.Addr().AsSlice()...)
	return append(k, make([]byte, int(def.KeySize)-len(k))...), true
}

func parseValue(m *bpfmap.Local, text []byte) ([]byte, error) {
	def := m.Spec()
	if !perCPU(def.Type) {
		return btfprint.Parse(def.ValueType, int(def.ValueSize), text)
	}
	var each []json.RawMessage
	if json.Unmarshal(text, &each) == nil && len(each) == m.CPUs() {
		var out []byte
		for _, t := range each {
			v, err := btfprint.Parse(def.ValueType, int(def.ValueSize), t)
			if err != nil {
				return nil, err
			}
			out = append(out, padded(v)...)
		}
		return out, nil
	}
	v, err := btfprint.Parse(def.ValueType, int(def.ValueSize), text)
	return bytes.Repeat(padded(v), m.CPUs()), err
}

// padded fills a value up to whole words, as those of each processor stand beside each other.
func padded(v []byte) []byte { return append(v, make([]byte, (8-len(v)%8)%8)...) }

func perCPU(t spec.MapType) bool {
	return t == spec.PerCPUArray || t == spec.PerCPUHash || t == spec.LRUPerCPUHash || t == spec.PerCPUCGroupStorage
}

// variableValue reads NAME=VALUE.
func variableValue(s string, c *spec.Collection) (name string, value []byte, err error) {
	name, text, ok := strings.Cut(s, "=")
	if !ok {
		return "", nil, errors.New("expected NAME=VALUE")
	}
	all := map[string]*spec.Variable{}
	for i := range c.Variables {
		all[c.Variables[i].Name] = &c.Variables[i]
	}
	v := all[name]
	if v == nil {
		return "", nil, fmt.Errorf("there is no variable %q, there are %s", name, names(all))
	}
	value, err = btfprint.Parse(v.Type, int(v.Size), quoted(text))
	return name, value, err
}

// prefixText is the reverse of prefixKey, for types that do not say more.
func prefixText(def *spec.Map, key []byte) (string, bool) {
	if def.Type != spec.LPMTrie || len(key) != 8 && len(key) != 20 {
		return "", false
	}
	a, ok := netip.AddrFromSlice(key[4:])
	if !ok {
		return "", false
	}
	return fmt.Sprintf("%s/%d", a, binary.LittleEndian.Uint32(key)), true
}
