// Implements the table of compute programs: C functions over memory.

package main

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/bench/native"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// program is a C program in its compiled forms, and what it works on.
type program struct {
	name   string
	code   []isa.Instruction
	native []byte
	wasm   []byte
	memory []byte
	insns  uint64 // instructions executed
}

// readProgram reads a program by the path of its object file.
func readProgram(object string) (*program, error) {
	stem := strings.TrimSuffix(object, ".o")
	p := &program{name: filepath.Base(stem), memory: make([]byte, kernel.MaxFuncMemory)}
	for i := range p.memory {
		p.memory[i] = byte(i * 7)
	}
	e, err := elf.Open(object)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	text := e.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("%s has no .text", object)
	}
	b, err := text.Data()
	if err != nil {
		return nil, err
	}
	if p.code, err = isa.Decode(b, binary.LittleEndian); err != nil {
		return nil, err
	}
	if p.native, err = os.ReadFile(stem + ".native"); err != nil {
		return nil, err
	}
	p.wasm, err = os.ReadFile(stem + ".wasm")
	return p, err
}

// The columns of the table, and the engines in this order after the count of instructions.
const (
	colInsns = iota
	colInterp
	colJIT
	colTrusted
	colKernel
	colNative
	colWazero
)

// empty is the program that does nothing. It comes first, and its times are taken off the others.
const empty = "programs/empty.o"

func compute(rounds int, sel *selection) error {
	files, err := filepath.Glob("programs/*.o")
	if err != nil || len(files) == 0 {
		return errors.New("no programs/*.o here: run in the bench folder")
	}
	c := contest[*program]{rounds: rounds, engines: []engine[*program]{
		{"interp", skepFunc(&skep.Options{Engine: skep.EngineInterp})},
		{"JIT", skepFunc(&skep.Options{Engine: skep.EngineJIT})},
		{"trusted", skepFunc(&skep.Options{Engine: skep.EngineJIT, UnsafeTrust: true})},
		{"kernel", kernelFunc},
		{"native", nativeFunc},
		{"wazero", wazeroFunc},
	}}
	files = slices.DeleteFunc(files, func(file string) bool {
		return file == empty || !sel.wants("compute", strings.TrimSuffix(filepath.Base(file), ".o"))
	})
	if len(files) == 0 {
		return nil
	}
	var t *table
	var base []float64
	for _, file := range append([]string{empty}, files...) {
		p, err := readProgram(file)
		if err != nil {
			return err
		}
		least, noise, err := c.run(p.name, p)
		if err != nil {
			return err
		}
		if t == nil {
			base, t = least, computeTable(&c, least)
			continue
		}
		for i := range least {
			least[i] = (least[i] - base[i]) / float64(p.insns)
		}
		t.row(p.name, append([]float64{float64(p.insns)}, least...), noise)
	}
	if err := t.end(); err != nil {
		return err
	}
	c.missing()
	return nil
}

func computeTable(c *contest[*program], base []float64) *table {
	title := "compute: nanoseconds a BPF instruction executed, for all runtimes. JIT checks every access and counts instructions;\n" +
		"trusted is the same compiler without either. Native is the C program as clang compiles it for the machine, without\n" +
		"vectors and unrolling; wazero runs it as WebAssembly. What an empty program takes in the same way (the way in, a\n" +
		"fresh copy of the memory, the clock) is taken off. It is\n"
	columns := []column{{"insns", "%.0f", false}}
	for i, e := range c.engines {
		columns = append(columns, column{e.name, "%.3f", true})
		if base[i] > 0 {
			title += fmt.Sprintf("%s %.0f ns, ", e.name, base[i])
		}
	}
	return newTable(strings.TrimSuffix(title, ", ")+".", "program", columns, []ratio{
		{colJIT, colTrusted}, {colJIT, colKernel}, {colJIT, colWazero},
		{colTrusted, colKernel}, {colTrusted, colNative}, {colWazero, colNative}})
}

// outcome is what a function computed: R0 and the memory.
func outcome(r0 uint64, memory []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, r0), memory...)
}

// load is skep.Load that fails where trust is asked for and cannot be had.
func load(p *spec.Program, opts *skep.Options) (*skep.Program, error) {
	prog, err := skep.Load(p, opts)
	if err != nil {
		return nil, err
	}
	if _, why := prog.Engine(); opts.UnsafeTrust && !strings.Contains(why, "without checks") {
		return nil, errors.New(why)
	}
	return prog, nil
}

func skepFunc(opts *skep.Options) func(*program) (*contender, error) {
	return func(p *program) (*contender, error) {
		prog, err := load(&spec.Program{Name: p.name, Insns: p.code}, opts)
		if err != nil {
			return nil, err
		}
		inst := prog.NewInstance()
		return &contender{
			result: func() ([]byte, error) {
				r0, err := inst.Run(p.memory)
				if p.insns == 0 {
					p.insns = inst.Insns()
				}
				if err == nil && !opts.UnsafeTrust && p.insns != inst.Insns() {
					err = fmt.Errorf("executes %d instructions, the interpreter %d", inst.Insns(), p.insns)
				}
				return outcome(r0, inst.Data()), err
			},
			lap: batches(func(n int) {
				for range n {
					inst.Run(p.memory)
				}
			}),
		}, nil
	}
}

// kernelFunc is timed by the kernel's own clock, three runs a lap.
func kernelFunc(p *program) (*contender, error) {
	if err := kernel.Available(); err != nil {
		return nil, err
	}
	f, err := kernel.LoadFunc(p.code, len(p.memory), nil)
	if err != nil {
		return nil, err
	}
	return &contender{
		result: func() ([]byte, error) {
			r0, memory, err := f.Run(p.memory)
			return outcome(r0, memory), err
		},
		lap: func() (float64, error) {
			least := 1e18
			for range 3 {
				_, _, took, err := f.Time(p.memory)
				if err != nil {
					return 0, err
				}
				least = min(least, float64(took))
			}
			return least, nil
		},
		close: func() { f.Close() },
	}, nil
}

func nativeFunc(p *program) (*contender, error) {
	code, err := native.Load(p.native, p.memory)
	if err != nil {
		return nil, err
	}
	return &contender{
		result: func() ([]byte, error) {
			r0, _ := code.Run(1)
			return outcome(r0, code.Memory()), nil
		},
		lap: ownClock(func(n int) time.Duration {
			_, took := code.Run(n)
			return took
		}),
		close: func() { code.Close() },
	}, nil
}
