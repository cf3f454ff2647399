// Implements running a program in the convenient form: from any goroutine, with everything in one struct.

package skep

import (
	"context"
	"fmt"
	"runtime/pprof"

	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/spec"
)

// Run runs the program and returns the low half of R0, which is what the kernel takes as a program's
// verdict. It is RunContext without a context. opts may be nil.
func (prog *Program) Run(opts *RunOptions) (uint32, error) {
	r, err := prog.RunContext(context.Background(), opts)
	return uint32(r.R0), err
}

// RunContext runs the program, opts.Repeat times, and returns the outcome of the last run. It ends early,
// with an error that wraps ctx's, when ctx is cancelled. A program that does what it must not ends with a
// *Fault, one that reaches opts.Limit with an error that wraps ErrLimit; Result.Insns is right in any case.
// opts may be nil. It is safe for concurrent use if opts is not shared.
func (prog *Program) RunContext(ctx context.Context, opts *RunOptions) (Result, error) {
	if opts == nil {
		opts = &RunOptions{}
	}
	if opts.Limit != 0 && opts.Limit != NoLimit && prog.trusted && prog.proof != nil {
		twin, err := prog.checked()
		if err != nil {
			return Result{}, err
		}
		return twin.RunContext(ctx, opts)
	}
	if !prog.opts.ProfileLabels {
		return prog.runPooled(ctx, opts)
	}
	var r Result
	var err error
	pprof.Do(ctx, pprof.Labels("bpf", prog.Name()), func(ctx context.Context) { r, err = prog.runPooled(ctx, opts) })
	return r, err
}

// RunData runs the program on a packet, or a plain function on memory, as an Instance's Run does, and returns R0. It
// does not allocate and is safe for concurrent use. A program that looks at nothing but a packet's bytes, by ld_abs and
// ld_ind, takes no longer than with an Instance; others some 10 ns more.
func (prog *Program) RunData(data []byte) (uint64, error) {
	if prog.bytes && len(data) <= mem.MaxData {
		if r0, _, ok := interp.RunBytes(prog.leaf, data, mem.Context); ok {
			return r0, nil
		}
	}
	inst := prog.pool.Get().(*Instance)
	r0, err := inst.Run(data)
	prog.pool.Put(inst)
	return r0, err
}

// runPooled is RunContext without labels.
func (prog *Program) runPooled(ctx context.Context, opts *RunOptions) (Result, error) {
	simple := ctx.Done() == nil && opts.simple()
	if simple && prog.bytes && len(opts.Data) <= mem.MaxData {
		if r0, n, ok := interp.RunBytes(prog.leaf, opts.Data, mem.Context); ok {
			return Result{R0: r0, Insns: n}, nil
		}
	}
	inst := prog.pool.Get().(*Instance)
	if simple {
		r0, err := inst.Run(opts.Data)
		r := Result{R0: r0, Insns: inst.Insns()}
		prog.pool.Put(inst)
		return r, err
	}
	r, err := inst.runOptions(ctx, opts)
	// A helper that panics leaves the instance to the collector.
	prog.pool.Put(inst)
	return r, err
}

// simple reports whether nothing but data is given.
func (o *RunOptions) simple() bool {
	return o.Packet == nil && o.Context == nil && o.ContextOut == nil && o.Outcome == nil && o.DataOut == nil && o.Repeat <= 1 && o.Limit == 0
}

func (i *Instance) runOptions(ctx context.Context, opts *RunOptions) (Result, error) {
	if ctx.Done() == nil {
		ctx = nil
	}
	i.ctx, i.limit = ctx, opts.Limit
	i.given, i.show = opts.Context, opts.ContextOut != nil
	defer func() { i.ctx, i.limit, i.given, i.show = nil, 0, nil, false }()
	pkt := i.plainPacket(opts.Data)
	if opts.Packet != nil {
		*pkt, i.bare = *opts.Packet, false
		if opts.Data != nil {
			pkt.Data = opts.Data
		}
	}
	var r Result
	for n := uint32(0); n == 0 || n < opts.Repeat; n++ {
		r0, err := i.again(pkt, n)
		r = Result{R0: r0, Insns: i.Insns()}
		if err != nil {
			return r, err
		}
	}
	if opts.DataOut != nil {
		data := i.m.Packet
		if i.prog.typ.Type == spec.XDP {
			data, r.Meta = host{i}.PacketData()
		}
		opts.DataOut = append(opts.DataOut[:0], data...)
	}
	if opts.Outcome != nil {
		*opts.Outcome = i.finalOutcome()
	}
	if opts.ContextOut != nil {
		opts.ContextOut = append(opts.ContextOut[:0], i.context...)
	}
	return r, nil
}

// again is the n-th run with the same options. Those of machine code that runs straight to its end are so short
// that the context is looked at now and then only.
func (i *Instance) again(p *spec.Packet, n uint32) (uint64, error) {
	if i.leaf == nil || i.given != nil || i.show || i.limit != 0 || i.sees && !i.bare {
		return i.run(p)
	}
	if i.ctx != nil && n%1024 == 0 {
		if err := i.ctx.Err(); err != nil {
			return 0, fmt.Errorf("run %d: %w", n+1, err)
		}
	}
	if i.bare {
		return i.Run(p.Data)
	}
	return i.RunPacket(p)
}
