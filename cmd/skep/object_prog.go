// Implements the verb prog: the programs in a file.

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/btfprint"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func progCommand() *cobra.Command {
	f := &listFlags{what: "program"}
	return listCommand(&cobra.Command{
		Use:   "prog PROG [NAME...]",
		Short: "List the programs in a file",
		Long: `Prog lists the programs in an object file or any other file that holds programs: type, section, functions,
and what they refer to.`,
		Example: `  skep prog firewall.o
  skep prog firewall.o --json`,
	}, f, func(cmd *cobra.Command, s *source, chosen func(string) bool) error {
		for i := range s.spec.Programs {
			p := &s.spec.Programs[i]
			if !chosen(p.Name) {
				continue
			}
			info := programInfoOf(s.file, p)
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

// programInfo is what there is to say about a program.
type programInfo struct {
	File       string         `json:"file"`
	Name       string         `json:"name"`
	Type       string         `json:"type"`
	AttachType uint32         `json:"attach_type,omitempty"`
	AttachTo   string         `json:"attach_to,omitempty"`
	Section    string         `json:"section,omitempty"`
	License    string         `json:"license,omitempty"`
	Flags      []string       `json:"flags,omitempty"`
	Insns      int            `json:"insns"`
	Lines      int            `json:"lines,omitempty"`
	Funcs      []functionInfo `json:"funcs,omitempty"`
	Maps       []string       `json:"maps,omitempty"`
	Helpers    []string       `json:"helpers,omitempty"`
	Kfuncs     []string       `json:"kfuncs,omitempty"`
	Externs    []string       `json:"externs,omitempty"`
}

type functionInfo struct {
	Name      string `json:"name"`
	Insn      int    `json:"insn"`
	Static    bool   `json:"static,omitempty"`
	Prototype string `json:"prototype,omitempty"`
}

func programInfoOf(file string, p *spec.Program) *programInfo {
	info := &programInfo{File: file, Name: p.Name, Type: p.Type.String(), AttachType: p.AttachType, AttachTo: p.AttachTo, Section: p.Section,
		License: p.License, Flags: flagWords(p.Flags), Insns: len(p.Insns), Lines: len(p.Lines)}
	for _, fn := range p.Funcs {
		proto := ""
		if fn.Type != nil {
			proto = strings.TrimSuffix(btfprint.Define(fn.Type), ";")
		}
		info.Funcs = append(info.Funcs, functionInfo{fn.Name, fn.Insn, fn.Static, proto})
	}
	once := func(to *[]string, name string) {
		if !slices.Contains(*to, name) {
			*to = append(*to, name)
		}
	}
	for _, r := range p.Maps {
		once(&info.Maps, r.Map)
	}
	named := map[int]string{}
	for _, r := range p.Calls {
		named[r.Insn] = r.Helper
	}
	for i := 0; i < len(p.Insns); i += max(1, isa.Linux.Slots(p.Insns[i].Code)) {
		row, err := isa.Linux.Lookup(p.Insns, i)
		switch name := named[i]; {
		case err != nil || row.Op != isa.Call && row.Op != isa.CallKfunc:
		case row.Op == isa.CallKfunc && name != "":
			once(&info.Kfuncs, name)
		case name != "":
			once(&info.Helpers, name)
		case row.Op == isa.Call:
			name, ok := helper.Name(p.Insns[i].Imm)
			if !ok {
				name = fmt.Sprint(p.Insns[i].Imm)
			}
			once(&info.Helpers, name)
		}
	}
	for _, r := range p.Externs {
		once(&info.Externs, r.Name)
	}
	return info
}

// text is the listing, in the manner of bpftool.
func (p *programInfo) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  name %s", p.Type, p.Name)
	if p.Section != "" {
		fmt.Fprintf(&b, "  section %s", p.Section)
	}
	if p.AttachTo != "" {
		fmt.Fprintf(&b, "  attach_to %s", p.AttachTo)
	}
	for _, flag := range p.Flags {
		b.WriteString("  " + flag)
	}
	if p.License != "" {
		fmt.Fprintf(&b, "  license %s", p.License)
	}
	fmt.Fprintf(&b, "\n\t%d insns\n", p.Insns)
	var funcs []string
	for _, f := range p.Funcs {
		if f.Static {
			f.Name += " (static)"
		}
		funcs = append(funcs, f.Name)
	}
	listed(&b, "functions", funcs)
	listed(&b, "maps", p.Maps)
	listed(&b, "helpers", p.Helpers)
	listed(&b, "kernel functions", p.Kfuncs)
	listed(&b, "externs", p.Externs)
	return b.String()
}
