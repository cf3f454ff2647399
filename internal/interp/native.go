// Implements running a program by machine code, with the readable engine for what the code leaves to it.

package interp

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"unsafe"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// native is the part of a Machine that only machine code and the entry into it use.
type native struct {
	resume uintptr // where code goes on
	//lint:ignore U1000 the entry in assembly uses it
	fp    uintptr        // the frame pointer's register, during a helper
	g     uintptr        // the goroutine
	funcs unsafe.Pointer // the first of nativeCode.funcs
	//lint:ignore U1000 the entry in assembly uses it
	exit  uint32    // the reason for leaving, during a helper
	fresh bool      // nothing has run yet
	fuel  uintptr   // stop - ran; after a run of RunLeaf or RunStraight, plenty - ran, else 0
	fits  [4]uint64 // see amd64.Layout.DataFits
	bias  uintptr   // see amd64.DataBias

	// What is left of a batch: addresses in slices that somebody else keeps.
	next, end, out uintptr
	packets        [][]byte
	results        []uint32

	frames  [mem.Frames]frame
	trusted [mem.Frames * amd64.TrustedFrame / 8]uint64
}

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

		Context:    int32(unsafe.Offsetof(m.CtxAddr)),
		ContextPtr: ptr(mem.Context),

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

// initNative makes a machine ready for machine code.
func (m *Machine) initNative() {
	c := m.code.native
	if c == nil {
		return
	}
	m.funcs = unsafe.Pointer(unsafe.SliceData(c.funcs))
	if c.trusted {
		m.Call.Memory = hostMemory{}
	}
}

// hostMemory is the memory of trusted programs, whose addresses are the host's.
type hostMemory struct{}

func (hostMemory) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	if addr < 4096 || n < 0 {
		return nil, &mem.Fault{Code: mem.OutOfBounds, Addr: addr, Size: n, Write: write,
			Text: fmt.Sprintf("access of %d bytes at %#x, no memory", n, addr)}
	}
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&addr))), n), nil
}

// guestOptions is how this package has programs compiled.
func guestOptions(p *ir.Program, opts Options) jit.GuestOptions {
	o := jit.GuestOptions{Layout: layout, Context: opts.Context, OpSize: int32(opSize), Frames: mem.Frames,
		Trusted: opts.Trusted, Metered: !opts.Trusted && !opts.batch, Batch: opts.batch, Clear: opts.clear,
		ContextSize: int32(opts.ContextSize), DataWritable: opts.DataWritable, GoCalls: true}
	if opts.Loose {
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
	}
	if slices.ContainsFunc(p.Ins, func(in ir.Ins) bool { return in.Op == isa.Call || in.Op == isa.CallReg }) {
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
		n.straight = n.straight && c.prog.Row(ir.Index(i)).Kind != isa.KindMayGoto
		n.first[i] = uintptr(unsafe.Pointer(&c.ops[f]))
		if g.Behind[i] != 0 {
			n.behind = append(n.behind, place{g.Behind[i], ir.Index(i)})
		}
		if c.prog.Ins[i].Op == isa.Call {
			n.funcs[i] = c.helpers[c.ops[i].off].Func
		}
	}
	for b := range c.prog.Blocks {
		for _, next := range c.prog.Blocks[b].Succ {
			n.straight = n.straight && next > b
		}
	}
	return n, nil
}

// callBefore returns the local call that goes on at an address.
func (n *nativeCode) callBefore(addr uintptr) ir.Index {
	off := uint32(addr - n.addr)
	return n.behind[sort.Search(len(n.behind), func(i int) bool { return n.behind[i].off >= off })].call
}

// plenty is fuel for programs without loops.
const plenty = ^uintptr(0) >> 1

// Straight reports whether the program is machine code that executes no instruction twice.
func (c *Code) Straight() bool { return c.native != nil && c.native.straight }

// RunStraight is Run without a limit or a context, for programs that are Straight.
func (m *Machine) RunStraight(r1, r2 uint64) (uint64, error) {
	n := m.code.native
	m.r[isa.R1], m.r[isa.R2] = r1, r2
	m.fuel = plenty
	if !m.code.plain {
		m.Space.Reset(m.code.low, 1)
	}
	r0, exit, err := enter(m, n.start)
	if exit == amd64.LeaveDone {
		return r0, nil
	}
	m.ran = plenty - m.fuel
	return m.endStraight(r0, exit, err)
}

// Leaf is machine code that can be called as a Go function.
type Leaf func(m *Machine) (r0, exit uint64)

// Leaf returns the program as a Go function, or nil, and whether it uses the stack.
func (c *Code) Leaf() (leaf Leaf, stack bool) {
	if !c.Straight() {
		return nil, false
	}
	return c.native.leaf, !c.plain
}

// FreshStack makes the stack ready for RunLeaf.
func (m *Machine) FreshStack() { m.Space.Reset(m.code.low, 1) }

// RunLeaf runs a program by its Leaf. If exit is not zero, EndLeaf finishes the run.
func (m *Machine) RunLeaf(leaf Leaf) (r0, exit uint64) {
	m.fuel = plenty
	return leaf(m)
}

// SetArgs sets R1 and R2 for RunLeaf, for programs that no context is given to.
func (m *Machine) SetArgs(r1, r2 uint64) { m.r[isa.R1], m.r[isa.R2] = r1, r2 }

// EndLeaf finishes a run by RunLeaf.
func (m *Machine) EndLeaf(r0, exit uint64) (uint64, error) {
	m.ran = plenty - m.fuel
	return m.endStraight(r0, uint32(exit), nil)
}

// endStraight goes on where a program that is Straight has left.
func (m *Machine) endStraight(r0 uint64, exit uint32, err error) (uint64, error) {
	n := m.code.native
	m.ctx, m.limit, m.stop = nil, 0, plenty
	m.depth, m.budget, m.fresh = 0, LoopBudget, false
	done, err := m.left(n, r0, exit, err)
	if !done && err == nil {
		err = m.loop()
	}
	m.straight(m.ip)
	m.fuel = 0
	return m.r[0], err
}

// runNative is run by machine code. It keeps the same promises.
func (m *Machine) runNative(n *nativeCode) (done bool, err error) {
	for {
		at := n.start
		if !m.fresh {
			at = m.goOn(n)
		}
		m.fresh = false
		m.fuel = m.stop - m.ran
		r0, exit, err := enter(m, at)
		if n.metered {
			m.ran = m.stop - m.fuel
		}
		if exit == amd64.LeaveDone {
			m.r[0], m.base = r0, uintptr(m.ip)
			return true, nil
		}
		done, err := m.left(n, r0, exit, err)
		if done || err != nil || exit&3 == amd64.LeaveYield || m.ran >= m.stop {
			return done, err
		}
	}
}

// goOn has the code go on at m.ip. It returns the address to enter.
func (m *Machine) goOn(n *nativeCode) uintptr {
	i := m.at() + 1
	m.resume = n.addr + uintptr(n.Entry[i])
	if n.metered {
		// The code will count the whole piece that it is entered in.
		m.ran -= m.base - n.first[i]
	}
	if !n.trusted {
		ops := uintptr(unsafe.Pointer(&m.code.ops[0]))
		for d := range m.depth {
			call := (uintptr(m.frames[d].ip)-ops)/opSize - 1
			m.frames[d].resume = n.addr + uintptr(n.Behind[call])
		}
	}
	return n.addr + uintptr(n.Resume)
}

// left continues where the code has left.
func (m *Machine) left(n *nativeCode, r0 uint64, exit uint32, err error) (done bool, _ error) {
	i := ir.Index(exit >> 2)
	counted := false
	if exit>>2 == jit.NoInsn {
		i, counted = n.callBefore(m.resume), true
	}
	in := &m.code.ops[i]
	m.ip = unsafe.Pointer(&m.code.ops[i+1])
	m.base = n.first[i]
	if counted || !n.metered {
		m.base = uintptr(m.ip)
	}
	if !n.trusted {
		m.surface(n)
	}
	switch exit & 3 {
	case amd64.LeaveYield:
		if n.metered {
			m.ran -= uintptr(m.ip) - m.base
		} else {
			m.base = uintptr(unsafe.Pointer(in))
		}
		m.ip = unsafe.Pointer(in)
		return false, nil
	case amd64.LeaveCall:
		m.r[0] = r0
		if errors.Is(err, helper.ErrExit) {
			return true, nil
		}
		return false, m.helperFault(m.code.helpers[in.off], err)
	}
	return m.step(in)
}

// surface makes the state of local calls, as the code keeps it, that of the other engines. The code saves
// only the registers that the function called changes; the others are to be found further up.
func (m *Machine) surface(n *nativeCode) {
	if m.code.plain {
		return
	}
	m.mem, m.set = m.Space.Frame()
	m.depth = m.Space.Depth() - 1
	if m.depth == 0 {
		return
	}
	var saved [4]uint64
	copy(saved[:], m.r[isa.R6:isa.R10])
	for d := m.depth - 1; d >= 0; d-- {
		f := &m.frames[d]
		call := n.callBefore(f.resume)
		f.ip = unsafe.Pointer(&m.code.ops[call+1])
		set := n.Saved[m.code.prog.FuncAt(ir.Index(m.code.prog.Ins[call].Off))]
		for r := range saved {
			if set>>(isa.R6+isa.Register(r))&1 == 0 {
				f.saved[r] = saved[r]
			}
		}
		saved = f.saved
	}
}
