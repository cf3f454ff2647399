// Implements seccomp show: what filters do, of files and of processes.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/seccomp"
)

func seccompShowCommand() *cobra.Command {
	f := &seccompFlags{}
	var code bool
	var pid int
	cmd := &cobra.Command{
		Use:   "show [FILTER | --pid PID]",
		Short: "Tell what a filter does",
		Long: `Show tells what a filter does with every system call there is, and on which arguments that depends. With --code
it prints the filter's instructions and beside them what they look at.

With --pid it reads the filters of a process, which takes CAP_SYS_ADMIN; the process stops for a moment. All
filters of a process apply, and the strictest answer counts.`,
		Example: `  skep seccomp show container.json
  skep seccomp show filter.bpf --code
  skep seccomp show --pid 4711`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			filters, err := f.filters(cmd, args, pid)
			if err != nil {
				return err
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			if len(filters) == 0 && !f.json {
				fmt.Fprintf(out, "process %d has no filters\n", pid)
			}
			for i, s := range filters {
				if len(filters) > 1 && !f.json {
					fmt.Fprintf(out, "filter %d of %d\n", i+1, len(filters))
				}
				err = errors.Join(err, f.show(out, s, code))
			}
			return errors.Join(err, out.Flush())
		},
	}
	f.add(cmd, "print JSON objects: one a set of system calls, or with --code an instruction")
	cmd.Flags().BoolVar(&code, "code", false, "print the filter's instructions and what they mean")
	cmd.Flags().IntVar(&pid, "pid", 0, "show the filters of the process with this `number`")
	return cmd
}

// filters returns the filter of a file, or those of a process.
func (f *seccompFlags) filters(cmd *cobra.Command, args []string, pid int) ([]*seccompFilter, error) {
	switch {
	case len(args) == 0 && pid == 0:
		return nil, usagef("FILTER is missing, or --pid")
	case len(args) > 0 && pid != 0:
		return nil, usagef("give a FILTER or --pid, not both")
	case pid < 0:
		return nil, usagef("--pid: there is no process %d", pid)
	case pid == 0:
		s, err := f.read(cmd, args[0], nil)
		return []*seccompFilter{s}, err
	}
	dumped, err := seccomp.Dump(pid)
	var out []*seccompFilter
	for _, d := range dumped {
		out = append(out, &seccompFilter{Filter: d, file: "process " + strconv.Itoa(pid)})
	}
	return out, err
}

// seccompRow is a set of calls as JSON.
type seccompRow struct {
	File  string            `json:"file"`
	Arch  string            `json:"arch"` // "other" for those without a table
	Name  string            `json:"name,omitempty"`
	First uint32            `json:"first"`
	Last  uint32            `json:"last"`
	Cases []seccompCaseJSON `json:"cases"`
}

type seccompCaseJSON struct {
	When   string `json:"when,omitempty"`
	Action string `json:"action"`
}

// seccompLine is an instruction as JSON.
type seccompLine struct {
	File    string `json:"file"`
	Insn    int    `json:"insn"`
	Text    string `json:"text"`
	Meaning string `json:"meaning,omitempty"`
}

func (f *seccompFlags) show(out io.Writer, s *seccompFilter, code bool) error {
	switch {
	case code && f.json:
		for i, l := range s.Listing() {
			if err := jsonLine(out, seccompLine{s.file, i, l.Text, l.Meaning}); err != nil {
				return err
			}
		}
		return nil
	case code:
		for _, l := range s.Listing() {
			if l.Meaning == "" {
				fmt.Fprintln(out, l.Text)
			} else {
				fmt.Fprintf(out, "%-46s ; %s\n", expandTabs(l.Text), l.Meaning)
			}
		}
		return nil
	case f.json:
		rows, err := s.Table()
		for _, r := range rows {
			row := seccompRow{File: s.file, Arch: seccompArchName(r.Arch), Name: r.Name, First: r.First, Last: r.Last}
			for _, c := range r.Cases {
				row.Cases = append(row.Cases, seccompCaseJSON{c.When, c.Action.String()})
			}
			err = errors.Join(err, jsonLine(out, row))
		}
		return err
	}
	text, err := s.Explain()
	if err != nil {
		return no(fmt.Errorf("%s: %w; --code shows its instructions", s.file, err))
	}
	_, err = io.WriteString(out, text)
	return err
}

func seccompArchName(a seccomp.Arch) string {
	if a == seccomp.NoArch {
		return "other"
	}
	return a.String()
}

// expandTabs replaces the tab that a listing has between two jump targets.
func expandTabs(s string) string {
	var b []byte
	for i := range len(s) {
		if b = append(b, s[i]); s[i] == '\t' {
			b[len(b)-1] = ' '
		}
	}
	return string(b)
}
