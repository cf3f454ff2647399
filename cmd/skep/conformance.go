// Implements the verb conformance: the plug-in for the public bpf_conformance runner.

package main

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/conformance"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

func conformanceCommand() *cobra.Command {
	var engineName string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "conformance [MEM]",
		Short: "Run one program for the bpf_conformance test runner",
		Long: `Conformance reads a program from stdin as hex bytes, runs it, and prints R0 in hex. MEM is the memory it
works on, as hex bytes too: R1 is its address and R2 its length, or both are 0. The helpers are those that the
suite expects, not the kernel's.`,
		Example: `  echo "b7 00 00 00 2a 00 00 00 95 00 00 00 00 00 00 00" | skep conformance
  bpf_conformance_runner --test_file_directory tests --plugin_path skep --plugin_options conformance`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("unexpected argument %q: the memory is one argument, in quotes", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			mem := ""
			if len(args) == 1 {
				mem = args[0]
			}
			r0, err := conform(cmd, engineName, mem)
			if err != nil {
				return err
			}
			if asJSON {
				return jsonLine(cmd.OutOrStdout(), map[string]string{"r0": strconv.FormatUint(r0, 10)})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%x\n", r0)
			return err
		},
	}
	cmd.Flags().StringVar(&engineName, "engine", "auto", "`name`: auto, interp, jit or kernel")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object, with R0 in decimal")
	choices(cmd, "engine", engineNames...)
	return cmd
}

// conform runs the program on stdin.
func conform(cmd *cobra.Command, engineName, memText string) (uint64, error) {
	text, err := readFile(cmd, "-")
	if err != nil {
		return 0, err
	}
	code, err := hexBytes("stdin", string(text))
	if err != nil {
		return 0, err
	}
	mem, err := hexBytes("MEM", memText)
	if err != nil {
		return 0, err
	}
	insns, err := isa.Decode(code, binary.LittleEndian)
	if err != nil {
		return 0, fmt.Errorf("stdin: %w", err)
	}
	p := spec.Program{Insns: insns}
	e, err := newEngine(engineName, &p, &spec.Collection{Programs: []spec.Program{p}}, 0, nil, skep.Options{Unverified: true, Helpers: conformance.Helpers})
	if err != nil {
		return 0, err
	}
	defer e.Close()
	o, err := e.run(job{packet: &spec.Packet{Data: mem}, repeat: 1})
	return o.r0, err
}

// hexBytes reads bytes in hex, with or without white space between them.
func hexBytes(what, text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, fmt.Errorf("%s: expected bytes as two hex digits each: %w", what, err)
	}
	return b, nil
}
