// Implements the verb verify.

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	kernel                              kernelFlag
	program, progType, dialect, profile string
	raw, log, cfg, strict, json         bool
	example                             bool
	exampleTime                         time.Duration
}

func verifyCommand() *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Prove that programs are safe, or say why they are not",
		Long: `Verify judges programs as the kernel does: it walks through all paths and proves that every access lies inside
the memory it is meant for, that every loop ends, and that all that is taken is given back.

The verdict is accept, reject, or unsupported: that the program uses something the verifier does not know. Programs
in text or bytecode do not say what type they are and are taken for a socket_filter; --type says otherwise.

--example looks for a packet, a context, contents of maps and results of helpers that make a rejected program do what it
is rejected for, and prints them with the command that runs the program on them. What it prints has gone wrong in
a run. That it finds none need not mean that there is none.`,
		Example: `  skep verify program.o
  skep verify --strict --json *.o
  skep verify filter.bpf --type xdp --log
  skep verify program.o --example`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("FILE is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.program, "program", "", "`name` of the program, to judge it alone")
	fl.StringVar(&f.progType, "type", "", "program `type`, such as xdp or sched_cls")
	fl.BoolVar(&f.log, "log", false, "print each instruction walked through, and what it changed")
	fl.BoolVar(&f.cfg, "cfg", false, "print the control-flow graph in the DOT language, with what is known at each block, instead of the table")
	fl.BoolVar(&f.strict, "strict", false, "refuse programs that let addresses become visible")
	fl.StringVar(&f.profile, "profile", "linux", "`name` of the instruction set and its rules: linux, rfc9669, 2014")
	fl.BoolVar(&f.raw, "raw", false, "the files are bytecode, eight bytes an instruction")
	fl.StringVar(&f.dialect, "dialect", "auto", "`name` of how a text is written: auto, assign, ubpf, doc, bpf_asm")
	fl.BoolVar(&f.json, "json", false, "print a JSON object for each program")
	choices(cmd, "dialect", dialectNames...)
	fl.BoolVar(&f.example, "example", false, "search for an input with which a rejected program really goes wrong, and print it")
	fl.DurationVar(&f.exampleTime, "example-time", time.Second, "search this `long` for each")
	f.kernel.add(cmd)
	return cmd
}

// judgement is the verdict on one program, as --json prints it.
type judgement struct {
	File      string   `json:"file"`
	Program   string   `json:"program"`
	Type      string   `json:"type"`
	Verdict   string   `json:"verdict"`
	Code      string   `json:"code,omitempty"`
	Reason    string   `json:"reason,omitempty"`
	Insn      *int     `json:"insn,omitempty"`
	Source    string   `json:"source,omitempty"`
	Story     []string `json:"story,omitempty"`
	Hint      string   `json:"hint,omitempty"`
	Processed int      `json:"processed"`
	States    int      `json:"states"`
	TimeUs    float64  `json:"time_us"`

	Example   *skep.Example `json:"example,omitempty"`
	NoExample string        `json:"no_example,omitempty"`

	steps []skep.VerifierStep
}

// The verdicts.
const (
	verdictAccept      = "accept"
	verdictReject      = "reject"
	verdictUnsupported = "unsupported"
)

func (f *verifyFlags) execute(cmd *cobra.Command, files []string) error {
	if f.json && (f.cfg || f.log) {
		return usagef("--json does not go with --cfg or --log")
	}
	profile, err := isa.ParseProfile(f.profile)
	if err != nil {
		return usageError{err}
	}
	objects, err := f.kernel.options(cmd)
	if err != nil {
		return err
	}
	var all []judgement
	var unread []error
	for _, file := range files {
		of, err := f.judgeFile(cmd, file, profile, objects)
		if all = append(all, of...); err != nil {
			unread = append(unread, err)
		}
	}
	if len(all) > 0 && !f.json && !f.cfg {
		printJudgements(cmd.OutOrStdout(), all)
	}
	switch {
	case len(unread) > 0:
		return errors.Join(unread...)
	case len(all) == 0:
		return fmt.Errorf("there is no program %q", f.program)
	}
	return answerOf(all)
}

// judgeFile verifies the programs of a file.
func (f *verifyFlags) judgeFile(cmd *cobra.Command, file string, profile isa.Profile, objects elf.Options) (all []judgement, err error) {
	text, err := readFile(cmd, file)
	if err != nil {
		return nil, err
	}
	s, err := recognise(file, text, f.raw, f.dialect, objects)
	if err != nil {
		return nil, err
	}
	if len(s.spec.Programs) == 0 {
		return nil, fmt.Errorf("%s: there is no program in it", s.file)
	}
	for i := range s.spec.Programs {
		p := &s.spec.Programs[i]
		if f.program != "" && p.Name != f.program {
			continue
		}
		if err := s.setType(p, f.progType, spec.SocketFilter); err != nil {
			return all, err
		}
		j, err := f.judge(cmd.OutOrStdout(), s, p, profile, objects.KernelTypes)
		if err != nil {
			return all, err
		}
		if all = append(all, j); f.json {
			if err := jsonLine(cmd.OutOrStdout(), j); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// judge verifies one program.
func (f *verifyFlags) judge(out io.Writer, s *source, p *spec.Program, profile isa.Profile, kernel []*btf.Spec) (judgement, error) {
	opts := &skep.VerifyOptions{Profile: profile, Strict: f.strict, KernelTypes: kernel}
	if f.log && !f.json {
		opts.Log = out
	}
	if f.cfg {
		opts.Graph = out
	}
	v, err := skep.Verify(p, s.spec.Maps, opts)
	j := judgement{File: s.file, Program: p.Name, Type: p.Type.String(), Verdict: verdictAccept, Processed: v.Processed, States: v.PeakStates,
		TimeUs: float64(v.Time.Nanoseconds()) / 1000}
	var refused *skep.VerifierError
	var undecodable *skep.DecodeError
	var unknown *skep.UnsupportedError
	switch {
	case err == nil:
	case errors.As(err, &refused):
		slot := int(refused.Slot)
		j.Verdict, j.Code, j.Reason, j.Insn = verdictReject, refused.Code.String(), refused.Text, &slot
		j.steps, j.Hint = refused.Story, refused.Hint
		for _, s := range refused.Story {
			j.Story = append(j.Story, s.String())
		}
		if refused.Line != nil {
			j.Source = sourceLine(refused.Line)
		}
	case errors.As(err, &undecodable):
		slot := int(undecodable.Slot)
		j.Verdict, j.Code, j.Reason, j.Insn = verdictReject, undecodable.Code.String(), undecodable.Reason(), &slot
	case errors.As(err, &unknown):
		j.Verdict, j.Reason = verdictUnsupported, unknown.Text
		if unknown.Slot >= 0 {
			j.Insn = &unknown.Slot
		}
	default:
		return j, fmt.Errorf("%s: program %s: %w", s.file, p.Name, err)
	}
	if f.example && refused != nil {
		opts.Log, opts.Graph = nil, nil
		x, err := skep.FindExample(p, s.spec.Maps, &skep.ExampleOptions{Verify: opts, Time: f.exampleTime})
		if j.Example = x; err != nil {
			j.NoExample = err.Error()
		}
	}
	return j, nil
}

// sourceLine is a line of source as messages show it.
func sourceLine(l *spec.Line) string {
	s := strings.TrimSpace(l.Text)
	if l.Line > 0 {
		s = fmt.Sprintf("%s:%d: %s", l.File, l.Line, s)
	}
	return strings.TrimSuffix(s, ": ")
}

// printJudgements prints a table of all programs, and below it why some were not accepted.
func printJudgements(out io.Writer, all []judgement) {
	rows := [][]string{{"FILE", "PROGRAM", "TYPE", "VERDICT", "INSNS", "STATES", "TIME (us)"}}
	for _, j := range all {
		rows = append(rows, []string{j.File, j.Program, j.Type, j.Verdict, fmt.Sprint(j.Processed), fmt.Sprint(j.States), fmt.Sprintf("%.0f", j.TimeUs)})
	}
	if len(all) > 1 {
		rows = append(rows, totals(all))
	}
	columns(out, rows, 4, 5, 6)
	for _, j := range all {
		if j.Verdict == verdictAccept {
			continue
		}
		fmt.Fprintf(out, "\n%s: program %s: ", j.File, j.Program)
		if j.Insn != nil {
			fmt.Fprintf(out, "instruction %d: ", *j.Insn)
		}
		fmt.Fprintln(out, j.Reason)
		if j.Source != "" {
			fmt.Fprintln(out, "    "+j.Source)
		}
		printStory(out, j.steps, j.Source)
		if j.Hint != "" {
			fmt.Fprintln(out, "  hint: "+j.Hint)
		}
		printExample(out, &j)
	}
}

// totals is the last row of the table: what all programs took together.
func totals(all []judgement) []string {
	insns, states, us, accepted := 0, 0, 0.0, 0
	for _, j := range all {
		insns, states, us = insns+j.Processed, states+j.States, us+j.TimeUs
		if j.Verdict == verdictAccept {
			accepted++
		}
	}
	return []string{"in all", fmt.Sprintf("%d programs", len(all)), "", fmt.Sprintf("%d accepted", accepted), fmt.Sprint(insns), fmt.Sprint(states), fmt.Sprintf("%.0f", us)}
}

// printStory prints a story, the source of each step below it where it is another one than before.
func printStory(out io.Writer, steps []skep.VerifierStep, before string) {
	if len(steps) > 0 {
		fmt.Fprintln(out, "  what led there:")
	}
	for _, s := range steps {
		if s.Line != nil {
			if l := sourceLine(s.Line); l != before && strings.TrimSpace(s.Line.Text) != "" {
				fmt.Fprintln(out, "    "+l)
				before = l
			}
		}
		fmt.Fprintf(out, "      %d: %s\n", s.Slot, s.Text)
	}
}

// answerOf is the answer of the command: yes only if all programs were accepted.
func answerOf(all []judgement) error {
	rejected, unsupported := 0, 0
	for _, j := range all {
		switch j.Verdict {
		case verdictReject:
			rejected++
		case verdictUnsupported:
			unsupported++
		}
	}
	if rejected+unsupported == 0 {
		return nil
	}
	return no(fmt.Errorf("of %d programs %d rejected, %d unsupported", len(all), rejected, unsupported))
}
