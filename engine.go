// Implements the choice of the engine.

package skep

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/ir"
)

// compile compiles the program for the engine asked for, or for the best that can run it.
func (prog *Program) compile(opts interp.Options) error {
	var err error
	if prog.opts.Engine != EngineInterp {
		opts.Native = true
		if prog.engineWhy, err = prog.compileNative(opts); err == nil {
			prog.engine = EngineJIT
			return nil
		}
		if prog.opts.Engine == EngineJIT || !errors.Is(err, ErrNotSupported) {
			return err
		}
	}
	opts.Native = false
	prog.engine, prog.engineWhy = EngineInterp, "asked for"
	if err != nil {
		prog.engineWhy = err.Error()
	}
	resolved, err := prog.resolve(false)
	if err == nil {
		prog.code, err = interp.Compile(resolved, opts)
	}
	return err
}

// compileNative compiles to machine code: trusted, if that is asked for and can be had.
func (prog *Program) compileNative(opts interp.Options) (why string, err error) {
	why = "machine code that checks every access: " + prog.unproved
	if prog.proof != nil {
		if why = "machine code that checks every access, though the program is verified: " + prog.proof.checked; prog.proof.checked == "" && !prog.modest {
			opts.Facts = prog.proof.facts
		}
	}
	if prog.opts.UnsafeTrust || opts.Facts != nil {
		trusted := opts
		trusted.Trusted = true
		if !prog.blind {
			trusted.Context = 0 // wherever it is
		}
		var resolved *ir.Program
		if err = prog.trustable(); err == nil {
			if resolved, err = prog.resolve(true); err == nil {
				resolved = resolved.Decided(opts.Facts)
				prog.code, err = interp.Compile(resolved, trusted)
				prog.compiled = compiled{resolved, trusted}
			}
		}
		if err == nil {
			prog.trusted = true
			if opts.Facts != nil {
				return "machine code without checks, verified", nil
			}
			return "machine code without checks, trusted as asked for", nil
		}
		if !errors.Is(err, ErrNotSupported) {
			return "", err
		}
		why = fmt.Sprintf("machine code that checks every access, for it cannot be trusted: %v", err)
	}
	opts.Facts = nil
	resolved, err := prog.resolve(false)
	if err == nil {
		prog.code, err = interp.Compile(resolved, opts)
		prog.compiled = compiled{resolved, opts}
	}
	return why, err
}

// trustable refuses what needs addresses of 32 bits: those of packets in a context.
func (prog *Program) trustable() error {
	if len(prog.pointers) > 0 && !prog.blind && prog.proof == nil {
		return fmt.Errorf("%w: trusted code for a context with packet addresses of 32 bits (%s)", ErrNotSupported, prog.typ.Context.Name)
	}
	return nil
}

// Engine returns the engine that runs the program, and why it is that one.
func (prog *Program) Engine() (Engine, string) { return prog.engine, prog.engineWhy }
