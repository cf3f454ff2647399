// Implements the verb convert: classic BPF beside its translation.

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
)

func convertCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "convert PROG",
		Short: "Show classic BPF beside its translation",
		Long: `Convert translates a classic program to internal BPF, with the kernel's choice of registers, and prints
both side by side. Instructions of the left column that have nothing beside them are never reached, or are
jumps to the next instruction. skep asm --json writes the translation as a program.`,
		Example: `  tcpdump -ddd tcp port 80 | skep convert -
  skep convert filter.bpf_asm`,
		Args: exactly("PROG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			data, err := readFile(cmd, args[0])
			if err != nil {
				return err
			}
			s, err := recognise(args[0], data, false, asm.Auto.String())
			if err != nil {
				return err
			}
			if s.classic == nil {
				return fmt.Errorf("%s: it is not classic BPF, so there is nothing to convert", s.file)
			}
			if asJSON {
				return s.convertJSON(cmd)
			}
			return s.convertText(cmd)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object an instruction of the translation")
	return cmd
}

// translated calls do for each instruction of the translation, with its slot, the classic instruction it
// comes from or -1, and its text.
func (s *source) translated(do func(slot, from int, text string)) {
	code := s.spec.Programs[0].Insns
	for i := 0; i < len(code); i += isa.Linux.Slots(code[i].Code) {
		do(i, s.translation.Origin[i], asm.Format(code, i, &asm.Options{HelperName: helper.Name}))
	}
}

func (s *source) convertText(cmd *cobra.Command) error {
	var rows [][]string
	next := 0 // classic instruction to be printed next
	line := func(i int) string {
		return strings.ReplaceAll(string(classic.AppendLine(nil, s.classic[i], i)), "\t", "  ")
	}
	left := func(until int) {
		for ; next < until; next++ {
			rows = append(rows, []string{line(next)})
		}
	}
	s.translated(func(slot, from int, text string) {
		right := fmt.Sprintf("%4d: %s", slot, text)
		left(from)
		if from == next {
			rows = append(rows, []string{line(from), right})
			next++
		} else {
			rows = append(rows, []string{"", right})
		}
	})
	left(len(s.classic))
	columns(cmd.OutOrStdout(), rows)
	return nil
}

// convertedInsn is an instruction of a translation as JSON; Classic and ClassicText are of the instruction
// that it comes from, and absent for the prologue.
type convertedInsn struct {
	Insn        int    `json:"insn"`
	Text        string `json:"text"`
	Classic     *int   `json:"classic,omitempty"`
	ClassicText string `json:"classic_text,omitempty"`
}

func (s *source) convertJSON(cmd *cobra.Command) (err error) {
	s.translated(func(slot, from int, text string) {
		c := convertedInsn{Insn: slot, Text: text}
		if from >= 0 {
			c.Classic = &from
			c.ClassicText = string(classic.AppendLine(nil, s.classic[from], from))
		}
		if err == nil {
			err = jsonLine(cmd.OutOrStdout(), c)
		}
	})
	return err
}
