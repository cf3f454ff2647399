// Implements examples on the command line: how verify prints them, and how run runs them.

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/spec"
)

// printExample prints an example in words and as a command, or why there is none.
func printExample(out io.Writer, j *judgement) {
	if j.NoExample != "" {
		fmt.Fprintln(out, "  example: "+j.NoExample)
	}
	x := j.Example
	if x == nil {
		return
	}
	fmt.Fprintf(out, "  example: %s\n", x.Fault)
	if x.Insn != *j.Insn {
		fmt.Fprintf(out, "    at instruction %d, later on\n", x.Insn)
	}
	printBytes(out, "packet", x.Data)
	printBytes(out, "context", x.Context)
	for _, f := range x.Fields {
		fmt.Fprintf(out, "    field %s of the context is %#x\n", f.Name, f.Value)
	}
	for _, e := range x.Maps {
		fmt.Fprintf(out, "    map %s holds %x at key %x\n", e.Map, []byte(e.Value), []byte(e.Key))
	}
	if a := x.Apart; a != nil {
		beside := "behind"
		if a.Start {
			beside = "ahead of"
		}
		fmt.Fprintf(out, "    nothing lies %s the memory that helper %s gives at its call number %d\n", beside, a.Helper, a.Call)
	}
	for _, r := range x.Results {
		fmt.Fprintf(out, "    helper %s returns %d at its call number %d\n", r.Helper, int64(r.Value), r.Call)
	}
	text, err := json.Marshal(x)
	if err != nil {
		return
	}
	fmt.Fprintf(out, "    to see it: skep run %s --program %s --type %s --example %s\n", shellWord(j.File), shellWord(j.Program), j.Type, shellWord(string(text)))
}

// shellWord quotes a word for a shell where it needs that.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+,:@%", r)
	}
	if s != "" && strings.TrimLeftFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// printBytes prints bytes sixteen a line. Lines of zeros are counted only.
func printBytes(out io.Writer, what string, b []byte) {
	if len(b) == 0 {
		return
	}
	fmt.Fprintf(out, "    %s of %d bytes\n", what, len(b))
	zeros := 0
	for at := 0; at < len(b); at += 16 {
		line := b[at:min(at+16, len(b))]
		if bytes.Count(line, []byte{0}) == len(line) && at > 0 {
			zeros += len(line)
			continue
		}
		if zeros > 0 {
			fmt.Fprintf(out, "      %d bytes of zero\n", zeros)
			zeros = 0
		}
		fmt.Fprintf(out, "      %04x  % x\n", at, line)
	}
	if zeros > 0 {
		fmt.Fprintf(out, "      %d bytes of zero\n", zeros)
	}
}

// onExample runs a program on an example, which is JSON or the name of a file of JSON: as verify prints it, by itself or
// inside a verdict.
func (f *runFlags) onExample(cmd *cobra.Command, s *source, p *spec.Program) error {
	text := []byte(f.example)
	if !strings.HasPrefix(strings.TrimSpace(f.example), "{") {
		var err error
		if text, err = readFile(cmd, f.example); err != nil {
			return err
		}
	}
	x, err := parseExample(text, p.Name)
	if err != nil {
		return usageError{fmt.Errorf("--example: %w", err)}
	}
	opts := &skep.Options{}
	switch f.engine {
	case "auto", "interp":
		opts.Engine = skep.EngineInterp
	case "jit":
		opts.Engine = skep.EngineJIT
	default:
		return usagef("--example does not go with --engine %s", f.engine)
	}
	if f.limit != 0 {
		x.Limit = f.limit
	}
	r, err := x.Run(p, s.spec.Maps, opts)
	if err != nil {
		return no(describe(err, p))
	}
	w := cmd.OutOrStdout()
	if f.json {
		return jsonLine(w, runReport{Program: p.Name, Type: p.Type.String(), Engine: opts.Engine.String(), R0: fmt.Sprint(r.R0), Retval: uint32(r.R0), Runs: 1})
	}
	fmt.Fprintln(w, verdictOf(p.Type, r.R0))
	return nil
}

// parseExample reads an example. Of several verdicts, that on the program counts.
func parseExample(text []byte, program string) (*skep.Example, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		var j struct {
			Program string        `json:"program"`
			Verdict string        `json:"verdict"`
			Example *skep.Example `json:"example"`
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("there is no example for program %q in it", program)
		} else if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(raw, &j); err != nil {
			return nil, badHex(err)
		}
		switch {
		case j.Verdict == "":
			x := &skep.Example{}
			return x, badHex(json.Unmarshal(raw, x))
		case j.Example != nil && (program == "" || j.Program == program):
			return j.Example, nil
		}
	}
}

// badHex says of bytes that are none how they are written.
func badHex(err error) error {
	var bad hex.InvalidByteError
	if errors.As(err, &bad) || errors.Is(err, hex.ErrLength) {
		return fmt.Errorf("%w: bytes are written in hexadecimal", err)
	}
	return err
}
