// Implements the verb jit: a program's machine code.

package main

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// jitFlags are the flags of jit.
type jitFlags struct {
	program, arch, abi, raw string
	progType                string
	json, unverified        bool
}

func jitCommand() *cobra.Command {
	f := &jitFlags{}
	cmd := &cobra.Command{
		Use:   "jit PROG",
		Short: "Show BPF and native code side by side",
		Long: `Jit compiles a program and prints its machine code beside the BPF instructions that it comes from, with
offsets and bytes in hex. An instruction with nothing beside it needs no code.

With --abi c the code is a function that a C caller could call: arguments in R1 to R5, the result in R0, and
nothing in it checks anything. With --abi go it is what --engine jit runs: it checks every access that
could go astray and returns to Skep, with a number in r11, for helpers and for what it does not do itself;
r12 points to the machine's state. If it begins by moving rax to r12, Go can call it as a function.

Helpers may have any name: the listing shows the name where the code calls it. What is to be called has
no address yet, so the four bytes that will hold the distance are zero, in the listing and in the bytes
that --raw writes.

Bytecode as a PROG, eight bytes an instruction, is recognised here without a flag.`,
		Example: `  skep jit program.bpf
  printf 'bpf_mov R2, R1\nbpf_add R1, 1\nbpf_call f3\nbpf_exit\n' | skep jit -
  skep jit program.bpf --raw program.code
  skep jit program.bpf --json`,
		Args: exactly("PROG"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.arch, "arch", "amd64", "`name` of the machine: amd64; arm64 is not made yet")
	fl.StringVar(&f.abi, "abi", "c", "`convention`: c, a function that C can call; go, the sandboxed code that --engine jit runs")
	fl.StringVar(&f.raw, "raw", "", "write the code's bytes to this `file`, - for stdout, and no listing; distances of calls are zero")
	fl.StringVar(&f.program, "program", "", "`name` of the program, if the file has several")
	fl.StringVar(&f.progType, "type", "", "with --abi go: program `type`, such as socket_filter, xdp")
	fl.BoolVar(&f.unverified, "unverified", false, "with --abi go: do not prove the program safe; its code checks every access")
	fl.BoolVar(&f.json, "json", false, "print a JSON object a machine instruction")
	choices(cmd, "arch", "amd64", "arm64")
	choices(cmd, "abi", "go", "c")
	return cmd
}

func (f *jitFlags) execute(cmd *cobra.Command, file string) error {
	if err := f.check(); err != nil {
		return err
	}
	data, err := readFile(cmd, file)
	if err != nil {
		return err
	}
	// --raw is about the output here, so bytecode must be told by its looks: it is full of zeros.
	bytecode := len(data)%isa.InstructionSize == 0 && bytes.IndexByte(data, 0) >= 0 && !bytes.HasPrefix(data, []byte("\x7fELF"))
	s, err := recognise(file, data, bytecode, asm.Auto.String())
	if err != nil {
		return err
	}
	p, err := s.choose(f.program)
	if err != nil {
		return err
	}
	compile := standAlone
	if f.abi == "go" {
		if err := s.setType(p, f.progType, spec.Unspec); err != nil {
			return err
		}
		compile = func(p *spec.Program) (*jitListing, error) { return asRun(p, &s.spec, f.unverified) }
	}
	l, err := compile(p)
	if err != nil {
		return no(fmt.Errorf("%s: %w", s.file, describe(err, p)))
	}
	switch {
	case f.raw != "":
		return writeFile(cmd, f.raw, l.native.Code)
	case f.json:
		return l.printJSON(cmd.OutOrStdout())
	}
	return l.print(cmd.OutOrStdout())
}

// check refuses what is not known, and what is but not made.
func (f *jitFlags) check() error {
	switch {
	case f.arch != "amd64" && f.arch != "arm64":
		return usagef("unknown --arch %q: it is amd64 or arm64", f.arch)
	case f.abi != "go" && f.abi != "c":
		return usagef("unknown --abi %q: it is go or c", f.abi)
	case f.arch != "amd64":
		return fmt.Errorf("--arch %s: this version of skep only makes amd64 code", f.arch)
	case f.raw != "" && f.json:
		return usagef("--raw writes bytes and --json a listing: choose one")
	}
	return nil
}

// firstUnknownHelper is the number of the first helper that has but a name.
const firstUnknownHelper = 0x20000

// standAlone compiles a program, whose helpers may have any name, to a function in the C convention. What it refers to
// has no address yet.
func standAlone(p *spec.Program) (*jitListing, error) {
	numbered, names, err := numberCalls(p)
	if err != nil {
		return nil, err
	}
	decoded, err := ir.Decode(numbered, ir.Options{})
	if err == nil {
		decoded, err = decoded.Resolve(func(ir.Index, *isa.Row) (uint64, error) { return 0, nil })
	}
	if err != nil {
		return nil, err
	}
	l, err := newListing(p, decoded, names)
	if err != nil {
		return nil, err
	}
	l.native, err = jit.Compile(decoded)
	return l, err
}

// asRun returns the code that Skep runs a program by.
func asRun(p *spec.Program, c *spec.Collection, unverified bool) (*jitListing, error) {
	numbered, names, err := numberCalls(p)
	if err != nil {
		return nil, err
	}
	opts := skep.Options{Unverified: unverified, Engine: skep.EngineJIT}
	for id, name := range names {
		opts.Helpers = append(opts.Helpers, helper.Helper{ID: id, Name: name, Args: make([]helper.Arg, helper.MaxArgs), Func: unknownHelper})
	}
	own := *c
	own.Programs = []spec.Program{*numbered}
	coll, err := skep.NewCollectionWithOptions(&own, &skep.CollectionOptions{Programs: opts, DefaultEntries: defaultEntries})
	if err != nil {
		return nil, err
	}
	code, err := coll.Programs[p.Name].NativeCode()
	if err != nil {
		return nil, err
	}
	decoded, err := ir.Decode(numbered, ir.Options{})
	if err != nil {
		return nil, err
	}
	l, err := newListing(p, decoded, names)
	if err != nil {
		return nil, err
	}
	l.inside, l.sandboxed = true, code.Checked
	l.native = &jit.Native{Code: code.Code, Insns: code.Offsets}
	for _, f := range code.Funcs {
		l.native.Funcs = append(l.native.Funcs, jit.NativeFunc{Start: f.Start, Body: f.Body, Tail: f.Tail, End: f.End})
	}
	return l, nil
}

func unknownHelper(*helper.Call, uint64, uint64, uint64, uint64, uint64) (uint64, error) {
	return 0, skep.ErrNotSupported
}

func newListing(p *spec.Program, decoded *ir.Program, names map[int32]string) (*jitListing, error) {
	text, err := numberedLines(p, asm.Assign)
	return &jitListing{program: p, decoded: decoded, names: names, text: text}, err
}

// numberCalls gives calls by name numbers, also those of helpers that there are not; names has these.
func numberCalls(p *spec.Program) (out *spec.Program, names map[int32]string, err error) {
	numbered := *p
	numbered.Insns = slices.Clone(p.Insns)
	numbered.Calls = nil
	names = map[int32]string{}
	ids := map[string]int32{}
	for _, c := range p.Calls {
		if c.Insn < 0 || c.Insn >= len(p.Insns) {
			return nil, nil, fmt.Errorf("call of %q at instruction %d, which is outside the program", c.Helper, c.Insn)
		}
		if row, err := isa.Linux.Lookup(p.Insns, c.Insn); err == nil && row.Op == isa.CallKfunc {
			numbered.Calls = append(numbered.Calls, c)
			continue
		}
		id, ok := helper.ID(c.Helper)
		if !ok {
			if id, ok = ids[c.Helper]; !ok {
				id = firstUnknownHelper + int32(len(ids))
			}
			ids[c.Helper], names[id] = id, c.Helper
		}
		numbered.Insns[c.Insn].Imm = id
	}
	return &numbered, names, nil
}
