// Implements listings of single instructions: bytes beside text, and JSON.

package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// listing shows bytes beside instructions.
func listing(p *spec.Program) []byte {
	var b bytes.Buffer
	for i := 0; i < len(p.Insns); {
		slots := min(isa.Linux.Slots(p.Insns[i].Code), len(p.Insns)-i)
		fmt.Fprintf(&b, "%4d: % x  %s\n", i, isa.Encode(p.Insns[i:i+1]), asm.Format(p.Insns, i, &asm.Options{HelperName: helper.Name}))
		for n := 1; n < slots; n++ {
			fmt.Fprintf(&b, "      % x\n", isa.Encode(p.Insns[i+n:i+n+1]))
		}
		i += slots
	}
	return b.Bytes()
}

// disInsn is an instruction as JSON.
type disInsn struct {
	Program string `json:"program"`
	Insn    int    `json:"insn"`
	Bytes   string `json:"bytes"`
	Text    string `json:"text"`
}

// numberedLines returns the text of each instruction, by slot. Jumps show distances, for labels have no lines
// here.
func numberedLines(p *spec.Program, d asm.Dialect) (map[int]string, error) {
	plain := *p
	plain.Symbols, plain.Lines = nil, nil
	text, err := asm.Disassemble(&plain, &asm.Options{Dialect: d, HelperName: helper.Name, Numbers: true})
	if err != nil {
		return nil, err
	}
	lines := map[int]string{}
	for line := range strings.Lines(text) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), ": ")
		i, err := strconv.Atoi(number)
		if err != nil {
			return nil, fmt.Errorf("unexpected line %q", line)
		}
		lines[i] = rest
	}
	return lines, nil
}

// disJSON prints an object an instruction.
func disJSON(cmd *cobra.Command, p *spec.Program, d asm.Dialect) error {
	lines, err := numberedLines(p, d)
	if err != nil {
		return err
	}
	for _, i := range slices.Sorted(maps.Keys(lines)) {
		n := min(isa.Linux.Slots(p.Insns[i].Code), len(p.Insns)-i)
		out := disInsn{p.Name, i, hex.EncodeToString(isa.Encode(p.Insns[i : i+n])), lines[i]}
		if err := jsonLine(cmd.OutOrStdout(), out); err != nil {
			return err
		}
	}
	return nil
}
