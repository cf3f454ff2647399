// Implements the verb asm: text to bytecode.

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func asmCommand() *cobra.Command {
	var out, dialect, program, progType string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "asm FILE",
		Short: "Turn assembler text into bytecode",
		Long: `Asm reads a program and writes its bytecode, eight bytes an instruction, little endian. At a terminal it
prints the bytes beside the instructions.

Four ways of writing are understood and told apart by themselves:
  assign    r0 += r1            as clang, bpftool and the kernel print it
  ubpf      add %r0, %r1        the mnemonics of uBPF
  doc       bpf_add R0, R1      the kernel's first document
  bpf_asm   add x               classic BPF; it gives the numbers of tcpdump -ddd

With --json it writes spec JSON, which can also hold a type, maps and helpers by name; classic code comes
out translated there.`,
		Example: `  skep asm filter.bpf -o filter.bin
  skep asm filter.bpf --type xdp --json > filter.json
  printf 'r0 = 42\nexit\n' | skep asm - -o - | xxd`,
		Args: exactly("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			s, err := recognise(args[0], data, false, dialect)
			if err != nil {
				return err
			}
			text, err := s.assembled(cmd, program, progType, out == "", asJSON)
			if err != nil {
				return err
			}
			if out == "" {
				out = "-"
			}
			return writeFile(cmd, out, text)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&out, "out", "o", "", "write to this `file`, - for stdout")
	fl.StringVar(&dialect, "dialect", "auto", "`name` of how the text is written: auto, assign, ubpf, doc, bpf_asm")
	fl.StringVar(&program, "program", "", "`name` of the program, if the file has several")
	fl.StringVar(&progType, "type", "", "program `type` to write into the JSON")
	fl.BoolVar(&asJSON, "json", false, "write spec JSON")
	choices(cmd, "dialect", dialectNames...)
	return cmd
}

// assembled returns what asm writes.
func (s *source) assembled(cmd *cobra.Command, program, progType string, mayList, asJSON bool) ([]byte, error) {
	if asJSON && program == "" && progType == "" && len(s.spec.Programs) > 1 {
		text, err := s.spec.AppendJSON(nil)
		return append(text, '\n'), err
	}
	p, err := s.choose(program)
	if err != nil {
		return nil, err
	}
	if err := s.setType(p, progType, spec.Unspec); err != nil {
		return nil, err
	}
	switch {
	case len(p.Maps) > 0 && len(s.spec.Maps) == 0:
		return nil, fmt.Errorf("%s: instruction %d refers to map %q, which a text cannot define: that takes spec JSON", s.file, p.Maps[0].Insn, p.Maps[0].Map)
	case asJSON:
		s.spec.Programs = []spec.Program{*p}
		text, err := s.spec.AppendJSON(nil)
		return append(text, '\n'), err
	case s.classic != nil:
		return classic.Append(nil, s.classic, classic.FormDDD), nil
	case len(p.Calls) > 0:
		return nil, fmt.Errorf("%s: instruction %d calls %q, a name that has no number; --json writes names", s.file, p.Calls[0].Insn, p.Calls[0].Helper)
	case len(p.Maps) > 0:
		return nil, fmt.Errorf("%s: instruction %d refers to map %q by name, which bytecode cannot; --json writes names", s.file, p.Maps[0].Insn, p.Maps[0].Map)
	case mayList && isTerminal(cmd.OutOrStdout()):
		return listing(p), nil
	}
	return isa.Encode(p.Insns), nil
}
