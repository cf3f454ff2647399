// Implements loading: from a spec to a program that can be run.

package skep

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/skepbpf/skep/internal/interp"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Program is a loaded program. It is safe for concurrent use.
type Program struct {
	ir   *ir.Program
	typ  progtype.Type
	opts Options
	code *interp.Code
	pool sync.Pool // of *Instance

	world *world // its maps and those of programs loaded with it

	compiled compiled
	build    interp.Options // what it was compiled with, but for what depends on trust
	twin     struct {       // see checked
		once sync.Once
		prog *Program
		err  error
	}

	proof    *proof // nil if the program was not proved safe
	unproved string // why not

	engine    Engine
	engineWhy string
	trusted   bool

	// The program can see neither its context nor, but for ld_abs and ld_ind, its data. If it is modest it may
	// see a part of its context that points nowhere. Filters that were translated from classic ones often are so.
	blind, modest bool
	calls         bool // it calls helpers

	leaf  interp.Leaf // the program as a Go function, if it is modest and machine code; or nil
	stack bool        // leaf uses the stack
	args  bool        // leaf uses its arguments, if it is a plain function
	bytes bool        // leaf needs nothing but a packet's bytes

	// What a run fills in there: metadata, pointers to the packet, and what depends on the packet's size
	// alone. blank is the context of a packet of no bytes and no metadata.
	filled, pointers, sizes []filled
	objects                 []filled // pointers to what is not the packet
	blank                   []byte
}

// filled is a context field that does not stay zero.
type filled struct {
	off  int
	size int
	from progtype.Source
}

// Load checks that p is well formed and makes it ready to run. It copies what it keeps: p may change
// afterwards. The error is a *DecodeError, wraps ErrNotSupported, or names the option at fault.
//
// Load proves the program safe, as the kernel does, and refuses it with a *VerifierError if that fails. Programs that
// the verifier has no verdict on, and those loaded with Options.Unverified, run with every memory access checked, and
// on the interpreter also every read of a register or of the stack for whether anything was written there.
func Load(p *spec.Program, opts *Options) (*Program, error) {
	return load(p, opts, nil)
}

// load loads p for a world; nil: for one of its own.
func load(p *spec.Program, opts *Options, w *world) (*Program, error) {
	prog := &Program{typ: progtype.Find(p.Type), world: w}
	if opts != nil {
		prog.opts = *opts
	}
	if prog.opts.Type != nil {
		prog.typ = *prog.opts.Type
	}
	if err := prog.load(p); err != nil {
		if p.Name != "" {
			err = fmt.Errorf("program %s: %w", p.Name, err)
		}
		return nil, err
	}
	prog.pool.New = func() any { return prog.NewInstance() }
	return prog, nil
}

// planContext works out what runs have to fill in.
func (prog *Program) planContext() {
	l := prog.typ.Context
	if l == nil {
		return
	}
	prog.blank = make([]byte, l.Size)
	for _, f := range l.Fields {
		to := filled{f.Off, f.Size, f.From}
		switch f.From {
		case progtype.Zero:
			continue
		case progtype.DataStart, progtype.DataMeta, progtype.DataEnd:
			prog.pointers = append(prog.pointers, to)
			binary.LittleEndian.PutUint32(prog.blank[f.Off:], mem.Data)
		case progtype.SocketRef, progtype.KeysRef:
			prog.objects = append(prog.objects, to)
		default:
			prog.filled = append(prog.filled, to)
		}
		if f.From == progtype.Len || f.From == progtype.WireLen || f.From == progtype.DataEnd {
			prog.sizes = append(prog.sizes, to)
		}
	}
}

func (prog *Program) load(p *spec.Program) error {
	set, err := isa.Linux, error(nil)
	if len(prog.opts.Extensions) > 0 {
		if set, err = isa.NewSet(prog.opts.Extensions...); err != nil {
			return err
		}
	}
	helpers, err := helpersOf(prog.opts.Helpers)
	if err != nil {
		return err
	}
	source, err := resolveCalls(p, helpers)
	if err != nil {
		return err
	}
	if err := prog.resolveMaps(source); err != nil {
		return err
	}
	if err := prog.resolveExterns(source, helpers); err != nil {
		return err
	}
	if err := link(source, helpers, set); err != nil {
		return err
	}
	if prog.ir, err = ir.Decode(source, ir.Options{Set: set, Profile: prog.opts.Profile}); err != nil {
		return err
	}
	if err := prog.checkType(); err != nil {
		return err
	}
	if err := prog.verify(helpers); err != nil {
		return err
	}
	prog.look()
	prog.planContext()
	entry := ir.Regs(1 << isa.R1)
	if prog.plain() {
		entry |= 1 << isa.R2
	}
	opts := interp.Options{
		Entry:  entry,
		World:  prog.world.w,
		Helper: helpers.get,
		// What a proved program may find unwritten it is allowed to read.
		Loose:        prog.opts.ZeroUninitialized || prog.proof != nil,
		Watched:      prog.opts.watched,
		DataWritable: prog.dataWritable(),
	}
	if !prog.plain() {
		opts.Context = mem.Context
	}
	if prog.opts.PerfMap {
		opts.PerfMap = "bpf:" + prog.Name()
	}
	if l := prog.typ.Context; l != nil {
		opts.ContextSize = l.Size
	}
	if prog.modest && !prog.blind {
		for _, f := range prog.sizes {
			if f.from == progtype.Len {
				opts.Lengths = append(opts.Lengths, int32(f.off))
			}
		}
	}
	prog.build = opts
	if err = prog.compile(opts); err == nil && prog.modest {
		prog.leaf, prog.stack = prog.code.Leaf()
		prog.args = prog.plain() && slices.ContainsFunc(prog.ir.Ins, namesArgs)
		prog.bytes = prog.leaf != nil && prog.blind && prog.typ.Packet && !prog.stack && !prog.args
	}
	return err
}

// dataWritable reports whether the program may change its data, so that it gets a copy.
func (prog *Program) dataWritable() bool { return prog.plain() || prog.typ.Rewrite }

// namesArgs reports whether an instruction names R1 or R2.
func namesArgs(in ir.Ins) bool {
	args := func(r uint8) bool { return isa.Register(r) == isa.R1 || isa.Register(r) == isa.R2 }
	return args(in.Dst) || args(in.Src)
}

// plain reports whether the program is a plain function over memory, with its address and length as arguments.
func (prog *Program) plain() bool { return prog.typ.Type == spec.Unspec && prog.typ.Context == nil }

// look finds out what the program can see: whether it is blind, and if not, whether it is modest.
func (prog *Program) look() {
	kind := ir.InContext
	if prog.typ.Context == nil {
		kind = ir.Unknown
	}
	places := prog.ir.Places(kind)
	prog.blind, prog.modest = true, true
	for n, b := range prog.ir.Blocks {
		state := places.In(n)
		for i := b.First; i < b.End; i++ {
			in, row := &prog.ir.Ins[i], prog.ir.Row(i)
			switch row.Kind {
			case isa.KindLoad:
				if base := isa.Register(in.Src); base != isa.R10 {
					prog.blind = false
					prog.modest = prog.modest && prog.peeks(state[base], int(in.Off), int(row.Size/8))
				}
			case isa.KindStore, isa.KindStoreRel, isa.KindAtomic, isa.KindLoadAcq, isa.KindCall:
				prog.calls = prog.calls || row.Kind == isa.KindCall
				if base := isa.Register(in.Dst); row.Kind != isa.KindStore || base != isa.R10 {
					prog.blind, prog.modest = false, false
				}
			}
			places.Step(i, &state)
		}
	}
}

// peeks reports whether a load reads a part of the context that depends on nothing but metadata and the
// packet's length.
func (prog *Program) peeks(at ir.Place, off, size int) bool {
	l := prog.typ.Context
	if at.Kind != ir.InContext {
		return false
	}
	off += int(at.Off)
	for _, f := range l.Fields {
		pointer := f.From == progtype.DataStart || f.From == progtype.DataMeta || f.From == progtype.DataEnd
		if pointer && off < f.Off+4 && f.Off < off+size {
			return false
		}
	}
	return off >= 0 && off+size <= l.Size
}

// checkType refuses packet access where there is no packet.
func (prog *Program) checkType() error {
	if prog.typ.LdAbs {
		return nil
	}
	for i := range prog.ir.Ins {
		if row := prog.ir.Row(ir.Index(i)); row.Kind == isa.KindPacket {
			return fmt.Errorf("%w: instruction %d: %s in a program of type %s, which is not one of those that read packets so (socket_filter, sched_cls, …)",
				ErrNotSupported, prog.ir.Slots[i], row.Op, prog.typ.Type)
		}
	}
	return nil
}

// resolveCalls returns a copy of p in which calls by name have numbers.
func resolveCalls(p *spec.Program, helpers *helperSet) (*spec.Program, error) {
	out := *p
	out.Insns = slices.Clone(p.Insns)
	out.Lines = slices.Clone(p.Lines)
	out.Maps = slices.Clone(p.Maps)
	for _, c := range p.Calls {
		if c.Insn < 0 || c.Insn >= len(out.Insns) {
			return nil, fmt.Errorf("call of %q at instruction %d, which is outside the program", c.Helper, c.Insn)
		}
		row, err := isa.Linux.Lookup(out.Insns, c.Insn)
		if err == nil && row.Op == isa.CallKfunc {
			id, ok := helpers.kfunc(c.Helper)
			if !ok && !c.Weak {
				return nil, fmt.Errorf("%w: instruction %d calls the kernel function %q, which is not among the helpers (Options.Helpers)", ErrNotSupported, c.Insn, c.Helper)
			}
			if !ok {
				id = missingKfunc
			}
			out.Insns[c.Insn] = isa.Linux.Row(isa.Call).Make(0, 0, 0, id)
			continue
		}
		if err != nil || row.Op != isa.Call {
			return nil, fmt.Errorf("instruction %d names the function %q and is no call", c.Insn, c.Helper)
		}
		id, ok := helpers.number(c.Helper)
		if !ok {
			return nil, fmt.Errorf("instruction %d: there is no helper %q", c.Insn, c.Helper)
		}
		out.Insns[c.Insn].Imm = id
	}
	return &out, nil
}

// Name returns the program's name.
func (prog *Program) Name() string { return prog.ir.Source.Name }

// Type returns the program's type.
func (prog *Program) Type() spec.ProgramType { return prog.typ.Type }
