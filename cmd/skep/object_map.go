// Implements the verb map: the maps in a file, with what they begin with.

package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/internal/btfprint"
	"github.com/skepbpf/skep/spec"
)

func mapCommand() *cobra.Command {
	f := &listFlags{what: "map"}
	return listCommand(&cobra.Command{
		Use:   "map PROG [NAME...]",
		Short: "List the maps in a file",
		Long: `Map lists the maps in an object file or spec JSON: type, sizes, the types of keys and values, and their
contents at the start. Global variables are shown in the maps that hold them.`,
		Example: `  skep map firewall.o
  skep map firewall.o .rodata --json`,
	}, f, func(cmd *cobra.Command, s *source, chosen func(string) bool) error {
		for i := range s.spec.Maps {
			m := &s.spec.Maps[i]
			if !chosen(m.Name) {
				continue
			}
			info := mapInfoOf(s, m)
			if f.json {
				if err := jsonLine(cmd.OutOrStdout(), info); err != nil {
					return err
				}
			} else if _, err := fmt.Fprint(cmd.OutOrStdout(), info.text()); err != nil {
				return err
			}
		}
		return nil
	})
}

// mapInfo is what there is to say about a map.
type mapInfo struct {
	File       string         `json:"file,omitempty"`
	Name       string         `json:"name,omitempty"`
	Type       string         `json:"type"`
	KeySize    uint32         `json:"key_size"`
	ValueSize  uint32         `json:"value_size"`
	MaxEntries uint32         `json:"max_entries"`
	Flags      uint32         `json:"flags"`
	Extra      uint64         `json:"extra,omitempty"`
	Frozen     bool           `json:"frozen,omitempty"`
	KeyType    string         `json:"key_type,omitempty"`
	ValueType  string         `json:"value_type,omitempty"`
	Fields     []fieldInfo    `json:"fields,omitempty"`
	Methods    []methodInfo   `json:"methods,omitempty"`
	Pointers   []pointerInfo  `json:"pointers,omitempty"`
	Inner      *mapInfo       `json:"inner,omitempty"`
	Variables  []variableInfo `json:"variables,omitempty"`
	Contents   []entryInfo    `json:"contents,omitempty"`
}

type fieldInfo struct {
	Kind   spec.FieldKind `json:"kind"`
	Offset uint32         `json:"offset"`
}

type pointerInfo struct {
	Offset uint32 `json:"offset"`
	Map    string `json:"map"`
	To     uint32 `json:"value_offset"`
}

type methodInfo struct {
	Offset  uint32 `json:"offset"`
	Program string `json:"program"`
}

type variableInfo struct {
	Name   string          `json:"name"`
	Offset uint32          `json:"offset"`
	Size   uint32          `json:"size"`
	Type   string          `json:"type,omitempty"`
	Value  json.RawMessage `json:"value"`

	shown string // declaration and value in C
}

type entryInfo struct {
	Key     json.RawMessage `json:"key,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Program string          `json:"program,omitempty"`
	Map     string          `json:"map,omitempty"`

	key, value string // in C
}

func mapInfoOf(s *source, m *spec.Map) *mapInfo {
	info := &mapInfo{File: s.file, Name: m.Name, Type: m.Type.String(), KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.MaxEntries,
		Flags: m.Flags, Extra: m.Extra, Frozen: m.Frozen}
	if m.KeyType != nil {
		info.KeyType = btfprint.Declare(m.KeyType, "")
	}
	if _, section := m.ValueType.(*btf.Datasec); m.ValueType != nil && !section {
		info.ValueType = btfprint.Declare(m.ValueType, "")
	}
	for _, f := range m.Fields {
		info.Fields = append(info.Fields, fieldInfo{f.Kind, f.Offset})
	}
	for _, f := range m.Methods {
		info.Methods = append(info.Methods, methodInfo(f))
	}
	for _, p := range m.Pointers {
		info.Pointers = append(info.Pointers, pointerInfo{p.Offset, p.Map, p.To})
	}
	if m.Inner != nil {
		info.Inner = mapInfoOf(&source{}, m.Inner)
	}
	info.variables(s, m)
	if info.Variables != nil {
		return info
	}
	for _, e := range m.Contents {
		key := keyType(m)
		entry := entryInfo{Program: e.Program, Map: e.Map, Key: btfprint.AppendJSON(nil, key, e.Key), key: string(btfprint.AppendC(nil, key, e.Key))}
		if e.Program == "" && e.Map == "" {
			entry.Value, entry.value = btfprint.AppendJSON(nil, m.ValueType, e.Value), string(btfprint.AppendC(nil, m.ValueType, e.Value))
		}
		info.Contents = append(info.Contents, entry)
	}
	return info
}

// keyType returns the type of a map's keys. Those of arrays are numbers, said or not.
func keyType(m *spec.Map) btf.Type {
	switch m.Type {
	case spec.Array, spec.PerCPUArray, spec.ProgArray, spec.ArrayOfMaps, spec.PerfEventArray, spec.StructOpsMap:
		if m.KeyType == nil && m.KeySize == 4 {
			return &btf.Int{Name: "__u32", Size: 4}
		}
	}
	return m.KeyType
}

// variables lists the variables that a map holds, with their values.
func (info *mapInfo) variables(s *source, m *spec.Map) {
	for _, v := range s.spec.Variables {
		if v.Map != m.Name {
			continue
		}
		var value []byte
		if len(m.Contents) == 1 && uint64(v.Offset)+uint64(v.Size) <= uint64(len(m.Contents[0].Value)) {
			value = m.Contents[0].Value[v.Offset : v.Offset+v.Size]
		} else {
			value = make([]byte, min(v.Size, 1<<20))
		}
		out := variableInfo{Name: v.Name, Offset: v.Offset, Size: v.Size, Value: btfprint.AppendJSON(nil, v.Type, value), shown: v.Name}
		if v.Type != nil {
			out.Type, out.shown = btfprint.Declare(v.Type, ""), btfprint.Declare(v.Type, v.Name)
		}
		out.shown += " = " + string(btfprint.AppendC(nil, v.Type, value))
		info.Variables = append(info.Variables, out)
	}
	slices.SortStableFunc(info.Variables, func(a, b variableInfo) int { return int(int64(a.Offset) - int64(b.Offset)) })
}

// text is the listing, in the manner of bpftool.
func (info *mapInfo) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  name %s  flags %#x\n\t%s\n", info.Type, info.Name, info.Flags, info.sizes())
	if info.KeyType != "" || info.ValueType != "" {
		fmt.Fprintf(&b, "\tkey %s  value %s\n", orUnknown(info.KeyType), orUnknown(info.ValueType))
	}
	if info.Inner != nil {
		fmt.Fprintf(&b, "\tinner %s  flags %#x  %s\n", info.Inner.Type, info.Inner.Flags, info.Inner.sizes())
	}
	for _, f := range info.Fields {
		fmt.Fprintf(&b, "\t%s at %d\n", f.Kind, f.Offset)
	}
	for _, f := range info.Methods {
		fmt.Fprintf(&b, "\tprogram %s at %d\n", f.Program, f.Offset)
	}
	for _, p := range info.Pointers {
		fmt.Fprintf(&b, "\taddress of %s+%d at %d\n", p.Map, p.To, p.Offset)
	}
	for _, v := range info.Variables {
		fmt.Fprintf(&b, "\t%d: %s\n", v.Offset, v.shown)
	}
	for _, e := range info.Contents {
		switch {
		case e.Program != "":
			e.value = "program " + e.Program
		case e.Map != "":
			e.value = "map " + e.Map
		}
		fmt.Fprintf(&b, "\tkey: %s  value: %s\n", e.key, e.value)
	}
	return b.String()
}

func (info *mapInfo) sizes() string {
	text := fmt.Sprintf("key %dB  value %dB  max_entries %d", info.KeySize, info.ValueSize, info.MaxEntries)
	if info.Extra != 0 {
		text += fmt.Sprintf("  map_extra %#x", info.Extra)
	}
	if info.Frozen {
		text += "  frozen"
	}
	return text
}

func orUnknown(t string) string {
	if t == "" {
		return "?"
	}
	return t
}
