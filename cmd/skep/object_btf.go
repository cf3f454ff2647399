// Implements the verb btf: the types that a file describes.

package main

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/btfprint"
)

func btfCommand() *cobra.Command {
	f := &listFlags{what: "type"}
	cmd := &cobra.Command{
		Use:   "btf FILE [NAME...]",
		Short: "List the types that a file describes (BTF)",
		Long: `Btf prints the types that an object file describes, or a file of BTF such as the kernel's, as C declares
them: types before those that need them, then functions, then variables by their section.`,
		Example: `  skep btf firewall.o
  skep btf /sys/kernel/btf/vmlinux task_struct
  skep btf firewall.o --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return listTypes(cmd, f, args) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "print a JSON object for each")
	return cmd
}

// typeInfo is what there is to say about a type.
type typeInfo struct {
	File string `json:"file"`
	Kind string `json:"kind"`
	Name string `json:"name,omitempty"`
	Size int    `json:"size,omitempty"`
	C    string `json:"c"`

	Members []memberInfo `json:"members,omitempty"`
	Values  []valueInfo  `json:"values,omitempty"`
}

type memberInfo struct {
	Name   string `json:"name,omitempty"`
	Type   string `json:"type"`
	Offset uint32 `json:"offset"` // bits for bit fields, else bytes
	Bits   uint32 `json:"bits,omitempty"`
	Size   int    `json:"size,omitempty"`
}

type valueInfo struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func listTypes(cmd *cobra.Command, f *listFlags, args []string) error {
	data, err := readFile(cmd, args[0])
	if err != nil {
		return err
	}
	file := shown(args[0])
	types, err := elf.Types(data)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	wanted := map[string]bool{}
	for _, name := range args[1:] {
		wanted[name] = false
	}
	ordered, err := btfprint.Ordered(types.All())
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for t, err := range types.All() {
		if ds, ok := t.(*btf.Datasec); ok && err == nil {
			ordered = append(ordered, ds)
		}
	}
	for _, t := range ordered {
		if _, ok := wanted[t.TypeName()]; len(args) > 1 && !ok {
			continue
		}
		wanted[t.TypeName()] = true
		if err := printType(cmd, f, file, t); err != nil {
			return err
		}
	}
	for _, name := range args[1:] {
		if !wanted[name] {
			return no(fmt.Errorf("%s: there is no type %q", file, name))
		}
	}
	return nil
}

func printType(cmd *cobra.Command, f *listFlags, file string, t btf.Type) error {
	info := typeInfoOf(file, t)
	if f.json {
		return jsonLine(cmd.OutOrStdout(), info)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), info.C)
	return err
}

func typeInfoOf(file string, t btf.Type) *typeInfo {
	info := &typeInfo{File: file, Name: t.TypeName(), C: btfprint.Define(t)}
	if size, err := btf.Sizeof(t); err == nil {
		info.Size = size
	}
	switch t := t.(type) {
	case *btf.Struct:
		info.Kind = "struct"
		info.members(t.Members)
	case *btf.Union:
		info.Kind = "union"
		info.members(t.Members)
	case *btf.Enum:
		info.Kind = "enum"
		for _, v := range t.Values {
			text := fmt.Sprint(v.Value)
			if t.Signed {
				text = fmt.Sprint(int64(v.Value))
			}
			info.Values = append(info.Values, valueInfo{v.Name, text})
		}
	case *btf.Typedef:
		info.Kind = "typedef"
	case *btf.Func:
		info.Kind, info.Size = "func", 0
	case *btf.Datasec:
		info.Kind, info.Size = "datasec", int(t.Size)
		info.C = fmt.Sprintf("/* section %s, %d bytes */", t.Name, t.Size)
		for _, v := range t.Vars {
			name := v.Type.TypeName()
			info.Members = append(info.Members, memberInfo{Name: name, Type: btfprint.Declare(v.Type, ""), Offset: v.Offset, Size: int(v.Size)})
			if _, ok := v.Type.(*btf.Var); ok {
				info.C += "\n" + btfprint.Declare(v.Type, name) + fmt.Sprintf("; /* %d */", v.Offset)
			}
		}
	}
	return info
}

func (info *typeInfo) members(list []btf.Member) {
	for _, m := range list {
		out := memberInfo{Name: m.Name, Type: btfprint.Declare(m.Type, ""), Offset: m.Offset.Bytes(), Bits: uint32(m.BitfieldSize)}
		if m.BitfieldSize > 0 {
			out.Offset = uint32(m.Offset)
		} else if size, err := btf.Sizeof(m.Type); err == nil {
			out.Size = size
		}
		info.Members = append(info.Members, out)
	}
}
