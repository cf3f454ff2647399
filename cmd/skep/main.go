// Implements the command's frame: the root command, and how errors become messages and exit codes.

// Skep runs, assembles, prints and converts BPF programs. "skep help" tells more.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes.
const (
	exitOK    = 0 // yes
	exitNo    = 1 // no: rejected, no match, differs, failed run
	exitUsage = 2 // wrong usage or unreadable input
)

// noError marks an error that is an answer, no: the program was refused or failed. All others are about
// usage and input.
type noError struct{ error }

func (e noError) Unwrap() error { return e.error }

// no makes err end the command with exit code 1.
func no(err error) error {
	if err == nil {
		return nil
	}
	return noError{err}
}

// usageError marks an error after which the reader is sent to the help.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is main with everything passed in.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	checked := &output{Writer: out}
	root.SetOut(checked)
	root.SetErr(errOut)
	cmd, err := execute(root, args)
	if err == nil {
		err = checked.err
	}
	if err == nil {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintln(errOut, "skep: "+strings.TrimRight(line, "\n"))
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(errOut, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	var answer noError
	if errors.As(err, &answer) {
		return exitNo
	}
	return exitUsage
}

// execute runs the verb. A wrong verb is found before its flags are, which no verb is there to explain.
func execute(root *cobra.Command, args []string) (*cobra.Command, error) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") && !strings.HasPrefix(args[0], "__complete") {
		if cmd, _, err := root.Find(args[:1]); err != nil || cmd == root {
			return root, unknownVerb(root, args[0])
		}
	}
	return root.ExecuteC()
}

const overview = `Skep runs BPF in user space: packet filters and other programs, old (classic) and new, without root.

A PROG is a file with a program, or - for stdin. Its content tells what it is:
  object file    as clang makes it of C or Rust (ELF)
  text           r0 += r1, add %r0, %r1 or bpf_add R0, R1
  classic BPF    as tcpdump -d, -dd or -ddd prints it, or bpf_asm reads it
  spec JSON      programs and maps, as skep asm --json writes it
  bytecode       eight bytes an instruction; needs --raw

Exit codes: 0 yes; 1 no (program refused, run failed); 2 wrong usage or unreadable input.`

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "skep",
		Short: "Run BPF programs in user space",
		Long:  overview,
		Example: `  skep run filter.bpf --pcap traffic.pcap     run a filter over a capture, count its verdicts
  skep run program.bpf --data-in input.bin    run a function on a piece of memory
  tcpdump -ddd tcp port 80 | skep convert -   show classic code beside its translation`,
		Version: versionOf().short(),

		SuggestionsMinimumDistance: 2,

		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          exactly(),
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cobra.EnableCommandSorting = false
	root.SetVersionTemplate("skep {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{plainFlagError(err)} })
	root.AddCommand(runCommand(), verifyCommand(), filterCommand(), traceCommand(), asmCommand(), disCommand(), convertCommand(), jitCommand(), isaCommand(), progCommand(), mapCommand(), btfCommand(), seccompCommand(), conformanceCommand(), versionCommand())
	return root
}

// goNumber is what the flag library says of numbers, in words of Go's.
var goNumber = regexp.MustCompile(`strconv\.\w+: parsing ".*": (invalid syntax|value out of range)$`)

// plainFlagError leaves that out of an error.
func plainFlagError(err error) error {
	text := err.Error()
	at := goNumber.FindStringSubmatchIndex(text)
	switch {
	case at == nil:
		return err
	case text[at[2]:] == "invalid syntax":
		return errors.New(text[:at[0]] + "expected a number, 0 or above")
	}
	return errors.New(text[:at[0]] + "the number is too large")
}

func unknownVerb(root *cobra.Command, name string) error {
	if near := root.SuggestionsFor(name); len(near) > 0 {
		return usagef("unknown command %q, did you mean %s?", name, strings.Join(near, " or "))
	}
	return usagef("unknown command %q", name)
}

// exactly is cobra.ExactArgs with a message that says what is missing.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing", strings.Join(names[len(args):], " and "))
		case len(args) > len(names):
			return usagef("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// choices makes the shell complete a flag's value from a list.
func choices(cmd *cobra.Command, flag string, values ...string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag's name is misspelt
	}
}
