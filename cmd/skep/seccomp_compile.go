// Implements seccomp compile: from a profile to a filter.

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/seccomp"
)

// seccompForms are the values of --form.
var seccompForms = []string{"auto", "raw", "d", "dd", "ddd", "bpf_asm"}

func seccompCompileCommand() *cobra.Command {
	f := &seccompFlags{}
	var out, form, frequencies string
	cmd := &cobra.Command{
		Use:   "compile FILTER",
		Short: "Compile a profile to a filter",
		Long: `Compile turns a profile into classic BPF and proves that the code does what the profile says. It writes text as
tcpdump -d has it or, to a file, bytecode: struct sock_filter in the byte order of the architecture, as
libseccomp exports it and bubblewrap reads it. --form chooses another form.

With frequencies, a JSON object from names of system calls to numbers (skep seccomp trace --json prints one),
frequent calls are found in fewer steps.`,
		Example: `  skep seccomp compile container.json -o filter.bpf
  skep seccomp compile container.json --arch arm64 --cap CAP_SYS_ADMIN --form bpf_asm`,
		Args: exactly("FILTER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := &seccomp.Options{}
			if frequencies != "" {
				data, err := readFile(cmd, frequencies)
				if err != nil {
					return err
				}
				if err := readFrequencies(data, opts); err != nil {
					return fmt.Errorf("%s: %w", shown(frequencies), err)
				}
			}
			s, err := f.read(cmd, args[0], opts)
			if err != nil {
				return err
			}
			if f.json {
				return jsonLine(cmd.OutOrStdout(), s.code())
			}
			text, err := s.form(form, out)
			if err != nil {
				return err
			}
			if err := writeFile(cmd, out, text); err != nil {
				return err
			}
			if out != "-" {
				fmt.Fprintf(cmd.ErrOrStderr(), "skep: %s: %d instructions, at most %d for a call\n", out, s.Len(), s.Longest())
			}
			return nil
		},
	}
	f.add(cmd, "print a JSON object")
	fl := cmd.Flags()
	fl.StringVarP(&out, "output", "o", "-", "write to this `file`")
	fl.StringVar(&form, "form", "auto", "`form` of the filter: raw, d, dd, ddd (as tcpdump prints it) or bpf_asm")
	fl.StringVar(&frequencies, "frequencies", "", "`file` that tells how often system calls come")
	choices(cmd, "form", seccompForms...)
	return cmd
}

// form writes the filter in a form.
func (s *seccompFilter) form(form, out string) ([]byte, error) {
	if form == "auto" {
		form = "d"
		if out != "-" {
			form = "raw"
		}
	}
	forms := map[string]classic.Form{"d": classic.FormD, "dd": classic.FormDD, "ddd": classic.FormDDD, "bpf_asm": classic.FormAsm}
	if form == "raw" {
		return s.bytes(), nil
	}
	if _, ok := forms[form]; !ok {
		return nil, usagef("unknown form %q: it is one of %s", form, strings.Join(seccompForms, ", "))
	}
	return classic.Append(nil, s.Code(), forms[form]), nil
}

// readFrequencies reads how often calls come: an object of numbers, or what trace --json prints.
func readFrequencies(data []byte, opts *seccomp.Options) error {
	var traced struct {
		Frequencies map[string]float64 `json:"frequencies"`
	}
	if err := json.Unmarshal(data, &traced); err == nil && traced.Frequencies != nil {
		opts.Frequencies = traced.Frequencies
	} else if err := json.Unmarshal(data, &opts.Frequencies); err != nil {
		return fmt.Errorf("expected an object from names of system calls to numbers: %w", err)
	}
	for name, n := range opts.Frequencies {
		if !seccomp.KnownSyscall(name) {
			return fmt.Errorf("there is no system call %q", name)
		}
		if n < 0 {
			return fmt.Errorf("%s comes %g times, expected a number from 0 on", name, n)
		}
	}
	return nil
}
