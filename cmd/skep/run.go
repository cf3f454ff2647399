// Implements the verb run.

package main

import (
	"github.com/spf13/cobra"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// runFlags are the flags of run.
type runFlags struct {
	kernel                     kernelFlag
	dataIn, dataOut, ctxIn     string
	pcap, write                string
	program, progType, dialect string
	engine                     string
	repeat                     uint32
	limit                      uint64
	raw, unverified            bool
	presets                    presets
	json, verbose, perfMap     bool
	example                    string
}

func runCommand() *cobra.Command {
	f := &runFlags{}
	cmd := &cobra.Command{
		Use:   "run PROG",
		Short: "Run a program on memory, a packet or a capture",
		Long: `Run loads a program and runs it: once on the bytes of --data-in, or once for each packet of --pcap, of
which it then counts the verdicts.

Programs in text or bytecode do not say what type they are. With --pcap they are taken for a
socket_filter, whose R1 is a __sk_buff; otherwise for a plain function, whose R1 is the address of the
data and R2 its length. --type says otherwise. Classic programs are socket filters.

--write keeps, of a socket filter, the packets it accepts, cut to the length it returns; of XDP and tc,
those that it passes or transmits; of other types all.

What a program prints with bpf_printk goes to standard error, after "trace:". Maps are printed as the run
leaves them: --maps takes them back, and --set and --var preset elements and variables.`,
		Example: `  skep run filter.bpf --pcap traffic.pcap
  skep run classic.txt --pcap traffic.pcap --write matched.pcap
  skep run function.bpf --data-in input.bin --repeat 1000 --json
  skep run program.bpf --type xdp --data-in packet.bin --engine kernel`,
		Args: exactly("PROG"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.execute(cmd, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dataIn, "data-in", "", "`file` with the packet or the memory")
	fl.StringVar(&f.dataOut, "data-out", "", "write the data as the program left it to this `file`")
	fl.StringVar(&f.ctxIn, "ctx-in", "", "`file` with the context structure")
	fl.StringVar(&f.pcap, "pcap", "", "run once for each packet of this capture `file`, pcap or pcapng")
	fl.StringVar(&f.write, "write", "", "with --pcap: write the packets as the program left them to this `file`")
	fl.Uint32Var(&f.repeat, "repeat", 1, "run `N` times (on each packet) and report the time")
	fl.StringVar(&f.engine, "engine", "auto", "`name`: auto, interp, jit or kernel")
	fl.BoolVar(&f.unverified, "unverified", false, "do not insist that the program be proved safe; it runs checked")
	fl.Uint64Var(&f.limit, "limit", 0, "stop a run after `N` instructions (default about 4 billion)")
	fl.StringVar(&f.program, "program", "", "`name` of the program, if the file has several")
	fl.StringVar(&f.progType, "type", "", "program `type`, such as socket_filter, xdp, sched_cls, unspec")
	fl.BoolVar(&f.raw, "raw", false, "the program is bytecode, eight bytes an instruction")
	fl.StringVar(&f.dialect, "dialect", "auto", "`name` of how a text is written: auto, assign, ubpf, doc, bpf_asm")
	fl.BoolVar(&f.perfMap, "perf-map", false, "tell Linux perf the name of the machine code, in its file perf-PID.map")
	fl.StringVar(&f.example, "example", "", "run on an example that verify --example has found: its `JSON`, or a file of it")
	f.presets.flags(cmd)
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "with --pcap: print the verdict of each packet")
	fl.BoolVar(&f.json, "json", false, "print JSON objects")
	choices(cmd, "engine", engineNames...)
	choices(cmd, "dialect", dialectNames...)
	f.kernel.add(cmd)
	return cmd
}

// check finds flags that do not go together.
func (f *runFlags) check(file string) error {
	stdins := 0
	for _, name := range []string{file, f.dataIn, f.ctxIn, f.pcap} {
		if name == "-" {
			stdins++
		}
	}
	switch {
	case stdins > 1:
		return usagef("only one input can be stdin")
	case f.pcap == "" && f.write != "":
		return usagef("--write goes with --pcap; --data-out writes what a single run leaves")
	case f.pcap == "" && f.verbose:
		return usagef("--verbose goes with --pcap")
	case f.pcap != "" && (f.dataIn != "" || f.dataOut != "" || f.ctxIn != ""):
		return usagef("--pcap does not go with --data-in, --data-out or --ctx-in")
	case f.example != "" && (f.pcap != "" || f.dataIn != "" || f.dataOut != "" || f.ctxIn != "" || f.presets.any() || f.repeat != 1):
		return usagef("--example has all that goes in: it does not go with --data-in, --data-out, --ctx-in, --pcap, --set, --var, --maps or --repeat")
	case f.repeat == 0:
		return usagef("--repeat must be at least 1")
	}
	return nil
}

func (f *runFlags) execute(cmd *cobra.Command, file string) error {
	if err := f.check(file); err != nil {
		return err
	}
	text, err := readFile(cmd, file)
	if err != nil {
		return err
	}
	objects, err := f.kernel.options(cmd)
	if err != nil {
		return err
	}
	s, err := recognise(file, text, f.raw, f.dialect, objects)
	if err != nil {
		return err
	}
	p, err := s.choose(f.program)
	if err != nil {
		return err
	}
	otherwise := spec.Unspec
	if f.pcap != "" || f.example != "" {
		otherwise = spec.SocketFilter
	}
	if err := s.setType(p, f.progType, otherwise); err != nil {
		return err
	}
	if f.example != "" {
		return f.onExample(cmd, s, p)
	}
	vars, err := f.presets.variables(&s.spec)
	if err != nil {
		return err
	}
	e, err := newEngine(f.engine, p, &s.spec, f.limit, vars, skep.Options{PerfMap: f.perfMap, Unverified: f.unverified,
		Env: &helper.Env{Trace: &traceWriter{to: cmd.ErrOrStderr()}}})
	if err != nil {
		return err
	}
	defer e.Close()
	if own, ok := e.(*ownEngine); ok {
		if err := f.presets.apply(cmd, own.coll); err != nil {
			return err
		}
	} else if f.presets.any() {
		return usagef("--set, --var and --maps do not go with --engine kernel")
	}
	if f.pcap != "" {
		return f.capture(cmd, p, e)
	}
	return f.once(cmd, p, e)
}
