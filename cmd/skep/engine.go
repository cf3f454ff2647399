// Implements the engines of the verbs run and conformance behind one face, and Skep's own engines.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skepbpf/skep"
	"github.com/skepbpf/skep/asm"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/spec"
)

// job is what a program runs on.
type job struct {
	packet  *spec.Packet
	context []byte
	repeat  uint32 // at least 1
	keep    bool   // the outcome is to have the data
}

// outcome is what a job gave.
type outcome struct {
	r0      uint64
	data    []byte // as the program left it; valid until the next job
	meta    int    // bytes of metadata that it begins with
	elapsed time.Duration
}

// engine runs one program.
type engine interface {
	run(j job) (outcome, error)
	name() string
	verified() bool
	Close() error
}

// engineNames are the values of --engine.
var engineNames = []string{"auto", "interp", "jit", "kernel"}

// newEngine loads a program of a collection, with the maps and the programs that it may go on with, into the engine
// asked for.
func newEngine(name string, p *spec.Program, c *spec.Collection, limit uint64, vars map[string]any, opts skep.Options) (engine, error) {
	switch name {
	case "auto":
	case "interp":
		opts.Engine = skep.EngineInterp
	case "jit":
		opts.Engine = skep.EngineJIT
	case "kernel":
		if limit != 0 {
			return nil, usagef("--limit: the kernel does not count instructions")
		}
		return newKernelEngine(p, c.Maps)
	default:
		return nil, usagef("unknown engine %q: it is one of auto, interp, jit, kernel", name)
	}
	coll, err := skep.NewCollectionWithOptions(c, &skep.CollectionOptions{Programs: opts, Only: append(reached(c), p.Name), DefaultEntries: defaultEntries, Variables: vars})
	if err != nil {
		return nil, no(describe(err, p))
	}
	return &ownEngine{prog: coll.Programs[p.Name], coll: coll, spec: p, limit: limit, data: []byte{}}, nil
}

// defaultEntries is how many entries maps get whose size the object leaves to its loader.
const defaultEntries = 10240

// reached returns the programs that tail calls may lead to, which are those that maps name.
func reached(c *spec.Collection) (names []string) {
	for _, m := range c.Maps {
		for _, e := range m.Contents {
			if e.Program != "" {
				names = append(names, e.Program)
			}
		}
	}
	return names
}

// ownEngine is Skep.
type ownEngine struct {
	prog  *skep.Program
	coll  *skep.Collection
	spec  *spec.Program
	limit uint64
	data  []byte
}

func (e *ownEngine) name() string {
	engine, _ := e.prog.Engine()
	return engine.String()
}

func (e *ownEngine) verified() bool { return e.prog.Verified() }
func (e *ownEngine) Close() error   { return nil }

func (e *ownEngine) run(j job) (outcome, error) {
	opts := skep.RunOptions{Packet: j.packet, Context: j.context, Repeat: j.repeat, Limit: e.limit}
	if j.keep {
		opts.DataOut = e.data
	}
	start := time.Now()
	r, err := e.prog.RunContext(context.Background(), &opts)
	elapsed := time.Since(start)
	if err != nil {
		return outcome{}, no(describe(err, e.spec))
	}
	if j.keep {
		e.data = opts.DataOut
	}
	return outcome{r0: r.R0, data: e.data, meta: r.Meta, elapsed: elapsed}, nil
}

// describe adds to an error of loading or running the text of the instruction that it names.
func describe(err error, p *spec.Program) error {
	at := -1
	var fault *skep.Fault
	var decode *skep.DecodeError
	var refused *skep.VerifierError
	after := ""
	switch {
	case errors.As(err, &refused):
		at = int(refused.Slot)
		if refused.Hint != "" {
			after = "\n  " + refused.Hint
		}
		after += "\n  --unverified runs it all the same, with every access checked"
	case errors.As(err, &fault):
		at = fault.Insn
	case errors.As(err, &decode):
		at = int(decode.Slot)
	}
	if at < 0 || at >= len(p.Insns) {
		return err
	}
	text := asm.Format(p.Insns, at, &asm.Options{HelperName: helper.Name})
	lines := fmt.Sprintf("\n  %4d: %s", at, text)
	for _, l := range p.Lines {
		if l.Insn == at && l.Line > 0 && strings.TrimSpace(l.Text) != "" {
			lines += fmt.Sprintf("\n  %s:%d: %s", l.File, l.Line, strings.TrimSpace(l.Text))
			break
		}
	}
	return fmt.Errorf("%w%s%s", err, lines, after)
}
