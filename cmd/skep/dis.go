// Implements the verb dis: bytecode to text.

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// disFlags are the flags of dis.
type disFlags struct {
	kernel           kernelFlag
	program, dialect string
	raw, json        bool
}

func disCommand() *cobra.Command {
	f := &disFlags{}
	cmd := &cobra.Command{
		Use:   "dis PROG",
		Short: "Print a program as text",
		Long: `Dis prints a program as text that skep asm reads again: bytecode with --raw, spec JSON, or text, which may
so go from one dialect to another. Classic code is printed in the form of tcpdump -d, and in any other
dialect than bpf_asm as its translation. What is no instruction is printed as .insn and a number, and the
exit code is 1.`,
		Example: `  skep dis --raw filter.bin
  skep dis program.json --dialect ubpf
  skep asm program.bpf -o - | skep dis --raw - --json
  tcpdump -ddd icmp | skep dis -`,
		Args: exactly("PROG"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dialect, "dialect", "auto", "`name` of how to print: assign, ubpf, doc; bpf_asm for classic code")
	fl.StringVar(&f.program, "program", "", "`name` of the program; all without it")
	fl.BoolVar(&f.raw, "raw", false, "the program is bytecode, eight bytes an instruction")
	fl.BoolVar(&f.json, "json", false, "print a JSON object an instruction")
	choices(cmd, "dialect", dialectNames...)
	f.kernel.add(cmd)
	return cmd
}

func (f *disFlags) execute(cmd *cobra.Command, file string) error {
	data, err := readFile(cmd, file)
	if err != nil {
		return err
	}
	objects, err := f.kernel.options(cmd)
	if err != nil {
		return err
	}
	s, err := recognise(file, data, f.raw, asm.Auto.String(), objects)
	if err != nil {
		return err
	}
	if f.dialect == dialectClassic && s.classic == nil {
		return usagef("--dialect bpf_asm is for classic code, which %s is not", s.file)
	}
	if s.classic != nil && !f.json && (f.dialect == dialectClassic || f.dialect == asm.Auto.String()) {
		form := classic.FormD
		if f.dialect == dialectClassic {
			form = classic.FormAsm
		}
		_, err := cmd.OutOrStdout().Write(classic.Append(nil, s.classic, form))
		return err
	}
	d, err := asm.ParseDialect(f.dialect)
	if err != nil {
		return usageError{err}
	}
	programs := s.spec.Programs
	if f.program != "" || len(programs) == 0 {
		p, err := s.choose(f.program)
		if err != nil {
			return err
		}
		programs = []spec.Program{*p}
	}
	for i := range programs {
		if err := f.print(cmd, &programs[i], d, len(programs) > 1); err != nil {
			return fmt.Errorf("%s: %w", s.file, err)
		}
	}
	return nil
}

// print prints one program, with a line that names it if there are several.
func (f *disFlags) print(cmd *cobra.Command, p *spec.Program, d asm.Dialect, named bool) error {
	w := cmd.OutOrStdout()
	if f.json {
		return disJSON(cmd, p, d)
	}
	opts := asm.Options{Dialect: d, HelperName: helper.Name}
	text, bad := asm.Disassemble(p, &opts)
	if bad != nil { // what is no instruction is printed as numbers, and the answer is no
		opts.Raw, bad = true, no(bad)
		var err error
		if text, err = asm.Disassemble(p, &opts); err != nil {
			return err
		}
	}
	if named {
		fmt.Fprintf(w, "; program %s, %s\n", p.Name, p.Type)
	}
	if _, err := fmt.Fprint(w, text); err != nil {
		return err
	}
	return bad
}
