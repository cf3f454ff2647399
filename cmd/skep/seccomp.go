// Implements seccomp: its sub-commands' frame, and the filters that they take.

package main

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/net/bpf"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/seccomp"
)

func seccompCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "seccomp",
		Short: "Make, explain, compare and load system call filters",
		Long: `Seccomp works with filters for system calls, as Linux applies them to processes.

A FILTER is a file, or - for stdin. Its content tells what it is:
  profile       JSON as Docker, Podman and the OCI runtime specification have it, or a container's config.json;
                it is compiled for the architecture and capabilities that the flags say
  classic BPF   text as tcpdump -d, -dd or -ddd prints it, or bpf_asm reads it
  bytecode      struct sock_filter, eight bytes an instruction, as libseccomp exports it`,
		Example: `  skep seccomp compile container.json -o filter.bpf
  skep seccomp show container.json
  skep seccomp sim container.json socket 16 3 9
  skep seccomp diff old.json new.json
  skep seccomp trace -o ls.json -- ls -l
  skep seccomp run --profile ls.json -- ls -l`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				return usagef("unknown command %q, did you mean %s?", args[0], strings.Join(near, " or "))
			}
			return usagef("unknown command %q, expected compile, show, sim, diff, run or trace", args[0])
		},
		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(seccompCompileCommand(), seccompShowCommand(), seccompSimCommand(), seccompDiffCommand(), seccompRunCommand(), seccompTraceCommand())
	return cmd
}

// seccompFlags say where a profile is used.
type seccompFlags struct {
	arch    string
	caps    []string
	kernel  string
	unknown bool
	json    bool
}

func (f *seccompFlags) add(cmd *cobra.Command, what string) {
	fl := cmd.Flags()
	fl.StringVar(&f.arch, "arch", "", "`architecture` of the machine, such as amd64 (default this one's)")
	fl.StringSliceVar(&f.caps, "cap", nil, "`capability` that the container has, such as CAP_SYS_ADMIN; may be repeated")
	fl.StringVar(&f.kernel, "kernel", "", "`release` of the kernel, for rules that ask for one (default the newest)")
	fl.BoolVar(&f.unknown, "ignore-unknown", false, "let names of system calls pass that no architecture has, as container runtimes do")
	fl.BoolVar(&f.json, "json", false, what)
	var names []string
	for _, a := range seccomp.Arches() {
		names = append(names, a.String())
	}
	choices(cmd, "arch", names...)
}

// where returns what the flags say.
func (f *seccompFlags) where() (*seccomp.ProfileOptions, error) {
	where := &seccomp.ProfileOptions{Arch: seccomp.Native(), Kernel: f.kernel, IgnoreUnknown: f.unknown}
	var err error
	if f.arch != "" {
		if where.Arch, err = seccomp.ParseArch(f.arch); err != nil {
			return nil, usagef("--arch: %w", err)
		}
	}
	if where.Arch == seccomp.NoArch {
		return nil, usagef("this machine has no system calls of Linux: choose an architecture with --arch")
	}
	for _, c := range f.caps {
		if c = strings.ToUpper(c); !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		if err := seccomp.CheckCapability(c); err != nil {
			return nil, usagef("--cap: %w", err)
		}
		where.Capabilities = append(where.Capabilities, c)
	}
	return where, nil
}

// seccompFilter is a filter and where it comes from.
type seccompFilter struct {
	*seccomp.Filter
	file   string
	policy *seccomp.Policy // of a profile, else nil
}

// read reads a FILTER. What is wrong with a profile is an error about the input.
func (f *seccompFlags) read(cmd *cobra.Command, file string, opts *seccomp.Options) (*seccompFilter, error) {
	where, err := f.where()
	if err != nil {
		return nil, err
	}
	data, err := readFile(cmd, file)
	if err != nil {
		return nil, err
	}
	s := &seccompFilter{file: shown(file)}
	var code []bpf.RawInstruction
	text := strings.TrimSpace(string(data))
	switch {
	case text == "":
		return nil, fmt.Errorf("%s: it is empty, expected a profile or a filter", s.file)
	case strings.HasPrefix(text, "{") && classic.Detect(string(data)) == classic.NotClassic:
		return s, s.profile(cmd, data, where, opts)
	case classic.Detect(string(data)) != classic.NotClassic:
		code, err = classic.Parse(s.file, string(data))
	case len(data)%classic.InstructionSize == 0 && strings.IndexByte(string(data), 0) >= 0:
		code, err = decodeFilter(data)
	default:
		return nil, fmt.Errorf("%s: it is neither a profile (JSON) nor classic BPF", s.file)
	}
	if err != nil {
		return nil, err
	}
	if s.Filter, err = seccomp.NewFilter(code); err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return s, nil
}

// profile compiles a profile, and prints notes about it.
func (s *seccompFilter) profile(cmd *cobra.Command, data []byte, where *seccomp.ProfileOptions, opts *seccomp.Options) error {
	p, err := seccomp.ParseProfile(data)
	var notes []string
	if err == nil {
		s.policy, notes, err = p.Policy(where)
	}
	if err == nil {
		s.Filter, err = p.Compile(where, opts)
	}
	if err != nil {
		return fmt.Errorf("%s:%w", s.file, err)
	}
	for _, n := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "skep: %s: %s\n", s.file, n)
	}
	return nil
}

// decodeFilter reads bytecode of either byte order: the one in which it is a filter.
func decodeFilter(data []byte) ([]bpf.RawInstruction, error) {
	code, err := classic.Decode(data, binary.LittleEndian)
	if err == nil && classic.CheckSeccomp(code) != nil {
		if other, _ := classic.Decode(data, binary.BigEndian); classic.CheckSeccomp(other) == nil {
			code = other
		}
	}
	return code, err
}

// seccompCode is a filter as JSON.
type seccompCode struct {
	File         string      `json:"file"`
	Arches       []string    `json:"arches,omitempty"`
	Count        int         `json:"count"`
	Longest      int         `json:"longest"` // instructions that run at most
	Flags        []string    `json:"flags,omitempty"`
	Instructions [][4]uint32 `json:"instructions"` // code, jt, jf, k
	Bytes        string      `json:"bytes"`        // hex, in the machine's byte order
}

func (s *seccompFilter) code() seccompCode {
	out := seccompCode{File: s.file, Count: s.Len(), Longest: s.Longest(), Flags: s.Flags().OCI()}
	if s.policy != nil {
		for _, a := range s.policy.Arches {
			out.Arches = append(out.Arches, a.String())
		}
	}
	for _, in := range s.Code() {
		out.Instructions = append(out.Instructions, [4]uint32{uint32(in.Op), uint32(in.Jt), uint32(in.Jf), in.K})
	}
	out.Bytes = hex.EncodeToString(s.bytes())
	return out
}

// bytes returns the code in the byte order of its architecture.
func (s *seccompFilter) bytes() []byte {
	if s.policy != nil && s.policy.Arches[0].BigEndian() {
		return classic.Encode(s.Code(), binary.BigEndian)
	}
	return classic.Encode(s.Code(), binary.LittleEndian)
}

// answerNo ends the command with exit code 1 when its output has said why.
var answerNo = no(errors.New(""))
