// Implements compiling a program to machine code for a Machine, and where it lies.

package interp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// nativeCode is the machine code of a program.
type nativeCode struct {
	*jit.Guest
	addr     uintptr
	start    uintptr
	first    []uintptr     // op with which each instruction's piece begins
	behind   []place       // where local calls go on, by offset
	funcs    []helper.Func // that each instruction calls
	leaf     Leaf          // the program as a Go function, or nil
	closure  uintptr       // what leaf refers to: the address of its code
	straight bool          // no loops and no local calls
	metered  bool
	trusted  bool
	keep     *Code // whose maps the code refers to
}

// place is where a local call goes on.
type place struct {
	off  uint32
	call ir.Index
}

// layout tells the code where a Machine keeps what it needs.
var layout = func() *amd64.Layout {
	var m Machine
	space := unsafe.Offsetof(m.Space)
	packet := unsafe.Offsetof(m.Packet)
	granules := space + mem.GranulesOffset
	var g mem.Granule
	ptr := func(addr uintptr) int32 {
		return int32(granules + addr/mem.GranuleSize*unsafe.Sizeof(g) + unsafe.Offsetof(g.P))
	}
	l := &amd64.Layout{
		Slots: [amd64.NumSlots]int32{
			amd64.Fuel:     int32(unsafe.Offsetof(m.fuel)),
			amd64.Packet:   int32(packet),
			amd64.Length:   int32(packet + unsafe.Sizeof(uintptr(0))),
			amd64.DataBias: int32(unsafe.Offsetof(m.bias)),
			amd64.G:        int32(unsafe.Offsetof(m.g)),
			amd64.Next:     int32(unsafe.Offsetof(m.next)),
			amd64.End:      int32(unsafe.Offsetof(m.end)),
			amd64.Out:      int32(unsafe.Offsetof(m.out)),
		},
		Regs:   int32(unsafe.Offsetof(m.r)),
		Resume: int32(unsafe.Offsetof(m.resume)),
		Budget: int32(unsafe.Offsetof(m.budget)),
		CPU:    int32(unsafe.Offsetof(m.cpu)),
		Host:   int32(unsafe.Offsetof(m.host)),

		Context:    int32(unsafe.Offsetof(m.CtxAddr)),
		ContextPtr: ptr(mem.Context),
		LengthAt:   int32(unsafe.Offsetof(m.lengthAt)),
		LengthStep: int32(unsafe.Offsetof(m.lengthStep)),

		Granules:     int32(granules),
		GranulePtr:   int32(unsafe.Offsetof(g.P)),
		GranuleRead:  int32(unsafe.Offsetof(g.N)),
		GranuleWrite: int32(unsafe.Offsetof(g.W)),
		GranuleBase:  int32(unsafe.Offsetof(g.Base)),

		Stack:        int32(space + mem.StackOffset),
		StackBase:    mem.Stack,
		DataBase:     mem.Data,
		Frames:       int32(unsafe.Offsetof(m.frames)),
		TrustedStack: int32(unsafe.Offsetof(m.trusted)),
	}
	for i := range l.DataFits {
		l.DataFits[i] = int32(unsafe.Offsetof(m.fits) + 8*uintptr(i))
	}
	return l
}()

// guestOptions is how this package has programs compiled.
func guestOptions(p *ir.Program, opts Options) jit.GuestOptions {
	o := jit.GuestOptions{Layout: layout, Context: opts.Context, OpSize: int32(opSize), Frames: mem.Frames,
		Trusted: opts.Trusted, Pure: opts.pure, Metered: !opts.Trusted && !opts.batch, Batch: opts.batch, Clear: opts.clear, Lengths: opts.Lengths,
		ContextSize: int32(opts.ContextSize), DataWritable: opts.DataWritable, GoCalls: true}
	o.MapCall, o.Map = opts.mapCalls(p)
	o.Facts = opts.Facts
	if opts.Loose && opts.Facts == nil {
		o.Zero = zeroed(p, opts.Entry)
		o.Tidy = true
	}
	if opts.Helper != nil {
		o.Native = func(i ir.Index) uint64 {
			if h := opts.Helper(int32(p.Ins[i].Imm)); h != nil {
				return uint64(h.Native)
			}
			return 0
		}
		o.Moves = func(i ir.Index) bool {
			h := opts.Helper(int32(p.Ins[i].Imm))
			return h != nil && h.ChangesPacket
		}
	}
	if opts.Facts == nil && slices.ContainsFunc(p.Ins, func(in ir.Ins) bool { return in.Op == isa.Call || in.Op == isa.CallReg }) {
		o.Zero |= argRegs &^ opts.Entry // helpers see all of these
	}
	return o
}

// zeroed returns the registers that must be zero at the start of a program that may read what nothing has
// written.
func zeroed(p *ir.Program, entry ir.Regs) (zero ir.Regs) {
	for set := entry; ; set |= zero {
		_, regs, ok := p.Uninitialized(set)
		switch {
		case !ok:
			return zero
		case regs&^set == 0: // what a call has left; nothing is known of what comes after
			return (1<<isa.R10 - 1) &^ entry
		}
		zero |= regs &^ entry
	}
}

// MachineCode returns the machine code that a program runs by, for listings.
func MachineCode(p *ir.Program, opts Options) (*jit.Guest, error) {
	return jit.CompileGuest(p, guestOptions(p, opts))
}

// goNative compiles the program to machine code. Code that does not watch registers and stack bytes needs a
// program that reads no register without a value.
func (c *Code) goNative(opts Options) error {
	if !nativeHost {
		return fmt.Errorf("%w: machine code on %s/%s", ErrNotSupported, runtime.GOOS, runtime.GOARCH)
	}
	if c.watch {
		at, regs, _ := c.prog.Uninitialized(c.entry)
		return fmt.Errorf("%w: machine code for a program whose instruction %d may read a register without a value (%#x)", ErrNotSupported, c.prog.Slots[at], regs)
	}
	if opts.Trusted {
		if err := c.trustable(); err != nil {
			return err
		}
	}
	g, err := MachineCode(c.prog, opts)
	if err != nil {
		return err
	}
	c.native, err = c.load(g, opts)
	c.loose = true
	return err
}

// trustable refuses what trusted code cannot do.
func (c *Code) trustable() error {
	locals, packets := false, false
	for i := range c.prog.Ins {
		locals = locals || c.prog.Ins[i].Op == isa.CallLocal
		packets = packets || c.prog.Row(ir.Index(i)).Kind == isa.KindPacket
	}
	if locals && packets {
		return fmt.Errorf("%w: trusted code with packet access and functions", ErrNotSupported)
	}
	return nil
}

// load puts machine code where it can run.
func (c *Code) load(g *jit.Guest, opts Options) (*nativeCode, error) {
	code, err := execmem.New(g.Code, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotSupported, err)
	}
	if opts.PerfMap != "" {
		if err := execmem.PerfMap(code.Addr(), len(g.Code), opts.PerfMap); err != nil {
			return nil, errors.Join(err, code.Close())
		}
	}
	n := &nativeCode{Guest: g, addr: code.Addr(), start: code.Addr() + uintptr(g.Start), first: make([]uintptr, len(g.First)),
		funcs: make([]helper.Func, len(g.First)), straight: c.frames == 1, metered: !opts.Trusted && !opts.batch, trusted: opts.Trusted}
	if g.Leaf >= 0 {
		n.closure = n.addr + uintptr(g.Leaf)
		closure := unsafe.Pointer(&n.closure)
		n.leaf = *(*Leaf)(unsafe.Pointer(&closure))
	}
	runtime.AddCleanup(n, func(code *execmem.Code) { code.Close() }, code)
	for i, f := range g.First {
		n.straight = n.straight && c.prog.Row(ir.Index(i)).Kind != isa.KindMayGoto && c.prog.Ins[i].Op != isa.LdFunc
		n.first[i] = uintptr(unsafe.Pointer(&c.ops[f]))
		if g.Behind[i] != 0 {
			n.behind = append(n.behind, place{g.Behind[i], ir.Index(i)})
		}
		if c.prog.Ins[i].Op == isa.Call {
			h := c.helpers[c.ops[i].off]
			n.funcs[i] = h.Func
			n.straight = n.straight && !h.TailCall
		}
	}
	for b := range c.prog.Blocks {
		for _, next := range c.prog.Blocks[b].Succ {
			n.straight = n.straight && next > b
		}
	}
	return n, nil
}
