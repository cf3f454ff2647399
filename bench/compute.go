// Implements the table of compute programs: C functions over memory, compiled for BPF.

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// memory is what the programs work on.
func memory() []byte {
	mem := make([]byte, kernel.MaxFuncMemory)
	for i := range mem {
		mem[i] = byte(i * 7)
	}
	return mem
}

// readProgram returns the code of an object file.
func readProgram(file string) ([]isa.Instruction, error) {
	e, err := elf.Open(file)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	text := e.Section(".text")
	if text == nil {
		return nil, fmt.Errorf("%s has no .text", file)
	}
	b, err := text.Data()
	if err != nil {
		return nil, err
	}
	return isa.Decode(b, binary.LittleEndian)
}

func compute(rounds int, only string) error {
	files, err := filepath.Glob("programs/*.o")
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no programs/*.o here: run in the bench folder (%v)", err)
	}
	noKernel := kernel.Available()
	if noKernel != nil {
		fmt.Println("kernel: left out:", noKernel)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "program\tinstructions\tinterpreter ns/insn\tJIT ns/insn\tkernel JIT ns/insn\tinterpreter / kernel\tJIT / kernel\t")
	var ours, jits, ratios, jitRatios geomean
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".o")
		if only != "" && name != only {
			continue
		}
		code, err := readProgram(file)
		if err != nil {
			return err
		}
		prog, err := skep.Load(&spec.Program{Name: name, Insns: code}, &skep.Options{Engine: skep.EngineInterp})
		if err != nil {
			return err
		}
		compiled, err := skep.Load(&spec.Program{Name: name, Insns: code}, &skep.Options{Engine: skep.EngineJIT})
		if err != nil {
			return err
		}
		inst, fast, mem := prog.NewInstance(), compiled.NewInstance(), memory()
		want, err := inst.Run(mem)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		wantMem := bytes.Clone(inst.Data())
		insns := float64(inst.Insns())
		if got, err := fast.Run(mem); err != nil || got != want || fast.Insns() != inst.Insns() || !bytes.Equal(fast.Data(), wantMem) {
			return fmt.Errorf("%s: the JIT gives %#x (%v) in %d instructions, the interpreter %#x in %d", name, got, err, fast.Insns(), want, inst.Insns())
		}

		var k *kernel.Func
		remark := "-"
		if noKernel == nil {
			if k, err = kernel.LoadFunc(code, len(mem), nil); err != nil {
				remark = "refused"
			} else if got, left, err := k.Run(mem); err != nil || got != want || !bytes.Equal(left, wantMem) {
				return fmt.Errorf("%s: the kernel gives %#x (%v), the interpreter %#x", name, got, err, want)
			}
		}
		var interp, jit best
		kernelNS := 0.0
		for range rounds {
			interp.measure(func() { inst.Run(mem) })
			jit.measure(func() { fast.Run(mem) })
			if k == nil {
				continue
			}
			for range 3 {
				_, _, took, err := k.Time(mem)
				if err != nil {
					return err
				}
				if ns := float64(took); kernelNS == 0 || ns < kernelNS {
					kernelNS = ns
				}
			}
		}
		ours.add(interp.ns / insns)
		jits.add(jit.ns / insns)
		ratio, jitRatio := "-", "-"
		if k != nil {
			remark = fmt.Sprintf("%.2f", kernelNS/insns)
			ratio = fmt.Sprintf("%.1f", interp.ns/kernelNS)
			jitRatio = fmt.Sprintf("%.1f", jit.ns/kernelNS)
			ratios.add(interp.ns / kernelNS)
			jitRatios.add(jit.ns / kernelNS)
			k.Close()
		}
		fmt.Fprintf(out, "%s\t%.0f\t%.2f\t%.2f\t%s\t%s\t%s\t\n", name, insns, interp.ns/insns, jit.ns/insns, remark, ratio, jitRatio)
	}
	fmt.Fprintf(out, "geometric mean\t\t%s\t%s\t\t%s\t%s\t\n", &ours, &jits, &ratios, &jitRatios)
	return out.Flush()
}
