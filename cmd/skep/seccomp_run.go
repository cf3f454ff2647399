// Implements seccomp run, a command under a filter, and seccomp trace, what a command calls.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/seccomp"
)

func seccompRunCommand() *cobra.Command {
	f := &seccompFlags{}
	var profile string
	cmd := &cobra.Command{
		Use:   "run --profile FILTER [--] COMMAND [ARGUMENT...]",
		Short: "Run a command under a filter",
		Long: `Run loads a filter and executes a command in its own place: the exit code is the command's. The filter must allow
execve. The command and all that it starts keep the filter, and cannot gain privileges (no_new_privs).

With --json it waits for the command, whose output goes to stderr, and prints what became of it.`,
		Example: `  skep seccomp run --profile container.json -- sh -c 'echo hello'
  skep seccomp run --profile ls.json ls -l`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if profile == "" || len(args) == 0 {
				return usagef("%s", map[bool]string{true: "--profile is missing", false: "COMMAND is missing"}[profile == ""])
			}
			s, err := f.read(cmd, profile, nil)
			if err != nil {
				return err
			}
			path, err := exec.LookPath(args[0])
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], errors.Unwrap(err))
			}
			if f.json {
				return waitUnder(cmd, profile, args)
			}
			err = s.Exec(path, args, os.Environ())
			if execErr := (*seccomp.ExecError)(nil); errors.As(err, &execErr) {
				return no(fmt.Errorf("%s: %w (skep seccomp sim tells what the filter says of execve)", args[0], err))
			}
			return err
		},
	}
	f.add(cmd, "wait for the command and print a JSON object")
	cmd.Flags().StringVarP(&profile, "profile", "p", "", "`filter` to load: a profile, or classic BPF")
	cmd.Flags().SetInterspersed(false)
	return cmd
}

// ended is what became of a command, as JSON.
type ended struct {
	Command  []string `json:"command"`
	ExitCode int      `json:"exit_code"`        // -1 if a signal ended it
	Signal   string   `json:"signal,omitempty"` // such as "bad system call", when a filter killed it
}

// waitUnder runs the same command without --json as a child, and prints what became of it.
func waitUnder(cmd *cobra.Command, profile string, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	own := []string{"seccomp", "run", "--profile", profile}
	for _, name := range []string{"arch", "kernel"} {
		if v := cmd.Flag(name).Value.String(); v != "" {
			own = append(own, "--"+name, v)
		}
	}
	caps, err := cmd.Flags().GetStringSlice("cap")
	if err != nil {
		return err
	}
	for _, c := range caps {
		own = append(own, "--cap", c)
	}
	if cmd.Flag("ignore-unknown").Changed {
		own = append(own, "--ignore-unknown="+cmd.Flag("ignore-unknown").Value.String())
	}
	child := exec.Command(self, append(append(own, "--"), args...)...)
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stderr, os.Stderr
	err = child.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	o := ended{Command: args, ExitCode: child.ProcessState.ExitCode(), Signal: endedBy(child.ProcessState)}
	if err := jsonLine(cmd.OutOrStdout(), o); err != nil {
		return err
	}
	if o.ExitCode != 0 {
		return answerNo
	}
	return nil
}

// endedBy returns the signal that ended a process, or "".
func endedBy(p *os.ProcessState) string {
	if text, ok := strings.CutPrefix(p.String(), "signal: "); ok {
		return text
	}
	return ""
}

func seccompTraceCommand() *cobra.Command {
	var out, action string
	var asJSON, counts bool
	cmd := &cobra.Command{
		Use:   "trace [-o FILE] [--] COMMAND [ARGUMENT...]",
		Short: "Propose a profile that allows what a command calls",
		Long: `Trace runs a command, records the system calls that it and all that it starts make, and writes a profile that
allows these and refuses all others. Without -o the profile goes to stdout, and the command's output to stderr.

The profile knows only what happened this time: run all that the command is to do. Another machine's C library may
call otherwise.`,
		Example: `  skep seccomp trace -o ls.json -- ls -l
  skep seccomp trace --count -- make
  skep seccomp run --profile ls.json -- ls -l`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("COMMAND is missing")
			}
			if counts && out != "-" {
				return usagef("--count prints no profile: it does not go with -o")
			}
			otherwise, err := seccomp.ParseAction(action)
			if err != nil {
				return usagef("--default: %w", err)
			}
			opts := &seccomp.RecordOptions{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
			if out == "-" || asJSON {
				opts.Stdout = os.Stderr
			}
			r, err := seccomp.Record(args, opts)
			if notFound := (*exec.Error)(nil); errors.As(err, &notFound) {
				err = notFound.Err
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if r.ExitCode != 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "skep: %s ended with exit code %d\n", args[0], r.ExitCode)
			}
			if counts && !asJSON {
				printCounts(cmd.OutOrStdout(), r)
				return nil
			}
			return writeRecording(cmd, args, r, otherwise, out, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&out, "output", "o", "-", "write the profile to this `file`")
	fl.StringVar(&action, "default", "errno EPERM", "`action` for all other calls: errno NAME, kill_process, log and so on")
	fl.BoolVar(&counts, "count", false, "print how often each call was made instead of a profile")
	fl.BoolVar(&asJSON, "json", false, "print a JSON object with the calls and the profile")
	fl.SetInterspersed(false)
	return cmd
}

// tracedJSON is a recording as JSON.
type tracedJSON struct {
	Command     []string           `json:"command"`
	ExitCode    int                `json:"exit_code"`
	Processes   int                `json:"processes"`
	Calls       []tracedCall       `json:"calls"`
	Frequencies map[string]float64 `json:"frequencies"`
	Profile     json.RawMessage    `json:"profile"`
}

type tracedCall struct {
	Arch   string `json:"arch"`
	Name   string `json:"name,omitempty"`
	Number uint32 `json:"number"`
	Calls  uint64 `json:"calls"`
}

func writeRecording(cmd *cobra.Command, args []string, r *seccomp.Recording, otherwise seccomp.Action, out string, asJSON bool) error {
	for _, c := range r.Counts {
		if c.Name == "" {
			fmt.Fprintf(cmd.ErrOrStderr(), "skep: call %d of %s (%#x) has no name in the tables of Linux %s; a profile cannot allow it\n", c.Number, seccompArchName(c.Arch), c.Audit, seccomp.TablesFrom())
		}
	}
	profile, err := r.Policy(otherwise).Profile()
	if err != nil {
		return err
	}
	if out != "-" {
		if err := writeFile(cmd, out, append(profile, '\n')); err != nil {
			return err
		}
	}
	switch {
	case asJSON:
		t := tracedJSON{Command: args, ExitCode: r.ExitCode, Processes: r.Processes, Frequencies: r.Frequencies(), Profile: profile}
		for _, c := range r.Counts {
			t.Calls = append(t.Calls, tracedCall{seccompArchName(c.Arch), c.Name, c.Number, c.Calls})
		}
		return jsonLine(cmd.OutOrStdout(), t)
	case out == "-":
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s\n", profile)
	}
	return err
}

func printCounts(w io.Writer, r *seccomp.Recording) {
	rows := [][]string{{"CALLS", "ARCH", "CALL"}}
	for _, c := range r.Counts {
		name := c.Name
		if name == "" {
			name = fmt.Sprint("number ", c.Number)
		}
		rows = append(rows, []string{fmt.Sprint(c.Calls), seccompArchName(c.Arch), name})
	}
	columns(w, rows, 0)
}
