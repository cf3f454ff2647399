// Implements seccomp sim, what a filter says of a call, and seccomp diff, what two filters answer differently.

package main

import (
	"bufio"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep/seccomp"
)

func seccompSimCommand() *cobra.Command {
	f := &seccompFlags{}
	var engine, abi string
	var ip uint64
	var path bool
	cmd := &cobra.Command{
		Use:   "sim FILTER CALL [ARGUMENT...]",
		Short: "Tell what a filter answers to a system call",
		Long: `Sim runs a filter on a system call, without a kernel, and prints the action. CALL is a name or a number;
arguments are numbers, of which those not given are 0; after -- they may be negative. --call-arch chooses another
architecture for the call than the machine's, such as 386 for a 32-bit program.

It ends with 0 if the call goes on (allow, log), else with 1.`,
		Example: `  skep seccomp sim container.json openat
  skep seccomp sim container.json clone 0x10000000 --path
  skep seccomp sim filter.bpf 57 --arch arm64
  skep seccomp sim container.json -- personality -1`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) < 2:
				return usagef("%s missing", []string{"FILTER and CALL are", "CALL is"}[len(args)])
			case len(args) > 8:
				return usagef("a system call has at most six arguments, found %d", len(args)-2)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := f.read(cmd, args[0], nil)
			if err != nil {
				return err
			}
			d, err := f.call(abi, args[1], args[2:])
			if err != nil {
				return err
			}
			d.IP = ip
			return f.simulate(cmd, s, d, engine, path)
		},
	}
	f.add(cmd, "print a JSON object")
	fl := cmd.Flags()
	fl.StringVar(&abi, "call-arch", "", "`architecture` of the call (default that of --arch)")
	fl.StringVar(&engine, "engine", "auto", "`engine`: auto (machine code where there is a compiler) or interp (the reference interpreter)")
	fl.Uint64Var(&ip, "ip", 0, "instruction pointer of the call")
	fl.BoolVar(&path, "path", false, "print the instructions that run, and what they mean")
	choices(cmd, "engine", "auto", "interp")
	return cmd
}

// call makes the data of a call from the command line.
func (f *seccompFlags) call(abi, name string, args []string) (*seccomp.Data, error) {
	where, err := f.where()
	if err != nil {
		return nil, err
	}
	arch := where.Arch
	if abi != "" {
		if arch, err = seccomp.ParseArch(abi); err != nil {
			return nil, usagef("--call-arch: %w", err)
		}
	}
	d := &seccomp.Data{Arch: arch.Audit()}
	if n, err := strconv.ParseUint(name, 0, 32); err == nil {
		d.Nr = uint32(n)
	} else if n, err := strconv.ParseInt(name, 0, 32); err == nil {
		d.Nr = uint32(n)
	} else if number, ok := arch.Number(name); ok {
		d.Nr = number
	} else if seccomp.KnownSyscall(name) {
		return nil, usagef("%s has no system call %s", arch, name)
	} else {
		return nil, usagef("there is no system call %q", name)
	}
	for i, a := range args {
		v, err := strconv.ParseUint(a, 0, 64)
		if signed, signedErr := strconv.ParseInt(a, 0, 64); err != nil && signedErr == nil {
			v, err = uint64(signed), nil
			if arch.Narrow() {
				v = uint64(uint32(v))
			}
		}
		if err != nil {
			return nil, usagef("argument %d: expected a number, found %q", i, a)
		}
		if arch.Narrow() && v > 1<<32-1 {
			return nil, usagef("argument %d: %#x does not fit the 32 bits of %s", i, v, arch)
		}
		d.Args[i] = v
	}
	return d, nil
}

// simulation is an answer as JSON.
type simulation struct {
	File   string    `json:"file"`
	Arch   string    `json:"arch"`
	Call   string    `json:"call"`
	Nr     uint32    `json:"nr"`
	Args   [6]uint64 `json:"args"`
	Action string    `json:"action"`
	Value  uint32    `json:"value"` // what the filter returns
	Insns  int       `json:"insns"` // instructions that ran
	Path   []int     `json:"path,omitempty"`
}

func (f *seccompFlags) simulate(cmd *cobra.Command, s *seccompFilter, d *seccomp.Data, engine string, showPath bool) error {
	var action seccomp.Action
	var err error
	switch engine {
	case "auto":
		action, err = s.Run(d)
	case "interp":
		action = s.Interpret(d)
	default:
		return usagef("unknown engine %q: it is auto or interp", engine)
	}
	if err != nil {
		return err
	}
	path := s.Path(d)
	out := bufio.NewWriter(cmd.OutOrStdout())
	arch := seccomp.ArchOf(d.Arch, d.Nr)
	if f.json {
		r := simulation{s.file, arch.String(), arch.Name(d.Nr), d.Nr, d.Args, action.String(), uint32(action), len(path), nil}
		if showPath {
			r.Path = path
		}
		err = jsonLine(out, r)
	} else {
		if showPath {
			lines := s.Listing()
			for _, pc := range path {
				fmt.Fprintln(out, strings.TrimRight(fmt.Sprintf("%-46s ; %s", expandTabs(lines[pc].Text), lines[pc].Meaning), "; "))
			}
		}
		fmt.Fprintln(out, action)
	}
	if err = errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if k := action.Kind(); k != seccomp.Allow && k != seccomp.Log {
		return answerNo
	}
	return nil
}

func seccompDiffCommand() *cobra.Command {
	f := &seccompFlags{}
	cmd := &cobra.Command{
		Use:   "diff FILTER FILTER",
		Short: "List the system calls that two filters answer differently",
		Long: `Diff compares what two filters do with all possible system calls and arguments. It prints the calls that they
answer differently, each with an example; no output is a proof that there are none.

It ends with 0 if there are none, else with 1.`,
		Example: `  skep seccomp diff old.json new.json
  skep seccomp diff container.json dumped.bpf --cap CAP_SYS_ADMIN`,
		Args: exactly("FILTER", "FILTER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var s [2]*seccompFilter
			for i := range s {
				var err error
				if s[i], err = f.read(cmd, args[i], nil); err != nil {
					return err
				}
			}
			diff, err := seccomp.Diff(s[0].Filter, s[1].Filter)
			if err != nil {
				return no(err)
			}
			out := bufio.NewWriter(cmd.OutOrStdout())
			var rows [][]string
			for _, d := range diff {
				if f.json {
					err = errors.Join(err, jsonLine(out, differenceJSON{seccompArchName(d.Arch), d.Name, d.First, d.Last, d.A.String(), d.B.String(), d.Always, d.Example.Arch, d.Example.Nr, d.Example.Args}))
					continue
				}
				rows = append(rows, []string{seccompArchName(d.Arch), d.Calls, fmt.Sprintf("%s -> %s", d.A, d.B), exampleText(&d)})
			}
			columns(out, rows)
			switch err = errors.Join(err, out.Flush()); {
			case err != nil:
				return err
			case len(diff) > 0:
				return answerNo
			}
			return nil
		},
	}
	f.add(cmd, "print a JSON object a difference")
	return cmd
}

// differenceJSON is a difference as JSON.
type differenceJSON struct {
	Arch        string    `json:"arch"`
	Name        string    `json:"name,omitempty"`
	First       uint32    `json:"first"`
	Last        uint32    `json:"last"`
	A           string    `json:"a"`
	B           string    `json:"b"`
	Always      bool      `json:"always"` // whatever the arguments
	ExampleArch uint32    `json:"example_arch"`
	ExampleNr   uint32    `json:"example_nr"`
	ExampleArgs [6]uint64 `json:"example_args"`
}

// exampleText writes a call for which a difference shows, if arguments matter.
func exampleText(d *seccomp.Difference) string {
	if d.Always {
		return ""
	}
	last := len(d.Example.Args)
	for last > 1 && d.Example.Args[last-1] == 0 {
		last--
	}
	var args []string
	for _, a := range d.Example.Args[:last] {
		args = append(args, fmt.Sprintf("%#x", a))
	}
	if d.Example.IP != 0 {
		return fmt.Sprintf("for (%s) called from %#x", strings.Join(args, ", "), d.Example.IP)
	}
	return fmt.Sprintf("for (%s)", strings.Join(args, ", "))
}
