// Implements the engine that is the running Linux kernel.

package main

import (
	"fmt"
	"time"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/spec"
)

// kernelEngine is the running Linux.
type kernelEngine struct {
	spec *spec.Program
	prog *kernel.Program

	// A plain function is loaded for memory of a certain size.
	function *kernel.Func
	size     int
}

func newKernelEngine(p *spec.Program, maps []spec.Map) (engine, error) {
	e := &kernelEngine{spec: p}
	if err := kernel.Available(); err != nil {
		return nil, no(fmt.Errorf("--engine kernel: %w", err))
	}
	if p.Type == spec.Unspec {
		return e, nil
	}
	prog, err := kernel.Load(p, maps, e.options())
	if err != nil {
		return nil, no(err)
	}
	e.prog = prog
	return e, nil
}

func (e *kernelEngine) options() *kernel.Options {
	return &kernel.Options{Log: true, HelperID: helper.ID}
}

func (e *kernelEngine) name() string   { return "kernel" }
func (e *kernelEngine) verified() bool { return true }

func (e *kernelEngine) Close() error {
	if e.function != nil {
		return e.function.Close()
	}
	if e.prog != nil {
		return e.prog.Close()
	}
	return nil
}

func (e *kernelEngine) run(j job) (outcome, error) {
	if e.spec.Type == spec.Unspec {
		return e.call(j)
	}
	data := j.packet.Data
	if j.context != nil {
		r, err := e.prog.Run(data, j.context, int(j.repeat))
		return kernelOutcome(r, j.repeat), no(err)
	}
	r, err := e.prog.RunPacket(data, int(j.repeat))
	return kernelOutcome(r, j.repeat), no(err)
}

func kernelOutcome(r kernel.Result, repeat uint32) outcome {
	return outcome{r0: uint64(r.Retval), data: r.Data, elapsed: r.Duration * time.Duration(repeat)}
}

// call runs a plain function; the time includes the system call around each run.
func (e *kernelEngine) call(j job) (outcome, error) {
	data := j.packet.Data
	if e.function == nil || e.size != len(data) {
		if e.function != nil {
			e.function.Close()
		}
		var err error
		if e.function, err = kernel.LoadFunc(e.spec.Insns, len(data), e.options()); err != nil {
			return outcome{}, no(err)
		}
		e.size = len(data)
	}
	var o outcome
	start := time.Now()
	for range j.repeat {
		var err error
		if o.r0, o.data, err = e.function.Run(data); err != nil {
			return outcome{}, no(err)
		}
	}
	o.elapsed = time.Since(start)
	return o, nil
}
