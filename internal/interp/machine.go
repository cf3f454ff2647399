// Implements the machine: the state of a run, how one begins, how long it goes on, and how it ends.

package interp

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

const (
	// LoopBudget is how often the may_goto instructions of one function call fall through before they jump
	// (the kernel's BPF_MAX_LOOPS).
	LoopBudget = 8 << 20

	// slice is how many instructions run between looks at the context.
	slice = 1 << 17

	// opSize is the size of an op in bytes.
	opSize = unsafe.Sizeof(op{})

	// argRegs is R1 to R5.
	argRegs ir.Regs = 0x3e
)

// ErrLimit is the error of a run that would execute more instructions than its limit.
var ErrLimit = errors.New("instruction limit reached")

// Machine holds the state of one run at a time. It is not safe for concurrent use.
type Machine struct {
	head
	native // what else machine code uses
	view   // what helpers use

	Space mem.Space
	Call  helper.Call // what helpers see; the caller fills in all but Memory

	Network int // where the network header of Packet starts

	// ContextWritable reports whether a program may write size bytes at an offset of the context. Nil: nowhere.
	ContextWritable func(off, size int) bool

	code   *Code
	depth  int // frames below the current one
	budget int // of may_goto, in the current frame

	mem *[mem.FrameSize]byte        // the current frame
	set *[mem.FrameSize / 64]uint64 // which of its bytes were written

	// Where the run loop is, while it is not in it. Counts are in bytes of ops.
	ip   unsafe.Pointer // the next op
	base uintptr        // the op where the current straight line began
	ran  uintptr        // executed before it
	stop uintptr        // the count at which to look at limit and context

	init  ir.Regs // registers that hold a value; kept by careful runs only
	limit uint64
	ctx   context.Context
}

// head is all that machine code uses which looks at nothing but a packet's bytes. See RunBytes.
type head struct {
	r    [isa.NumRegisters]uint64
	fuel uintptr // stop - ran; after a run of RunLeaf or RunStraight, plenty - ran, else 0

	// Packet is what ld_abs and ld_ind read. CtxAddr is what R6 must hold then.
	Packet  []byte
	CtxAddr uint64
}

// frame is what a local call saves. Machine code does so too, in the first three fields: amd64.RecordSize.
type frame struct {
	resume uintptr   // where machine code goes on
	saved  [4]uint64 // R6 to R9
	budget int
	init   ir.Regs
	ip     unsafe.Pointer
}

// NewMachine returns a machine for c, with a fresh address space.
func NewMachine(c *Code) *Machine {
	m := &Machine{code: c}
	m.Space.Init(c.loose) // a plain program stays without a stack, also if it makes up the address of one
	m.Call.Run, m.Call.Env = m, &helper.Env{}
	m.enterWorld(c.world)
	m.initNative()
	return m
}

// MapData makes data what the program sees at mem.Data, in place of old bytes. Packet is its end, behind the metadata.
func (m *Machine) MapData(data []byte, old int, writable bool) error {
	if old > mem.GranuleSize {
		m.Space.Unmap(mem.Data, old)
	}
	for i := range m.fits {
		m.fits[i] = uint64(max(0, len(data)-1<<i+1))
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(data)))
	m.bias = at - mem.Data
	m.host = [3]uintptr{at + uintptr(len(data)-len(m.Packet)), at + uintptr(len(data)), at}
	return m.Space.Map(mem.Data, data, writable)
}

// SetPacket makes p the packet of helpers; Packet holds its bytes as the program sees them.
func (m *Machine) SetPacket(p *spec.Packet) { m.Network, m.Call.Packet = p.NetworkOffset, p }

// Run runs the program with the given values in R1 and R2 and returns R0. limit is the greatest number of
// instructions to execute, 0 for no limit; ctx, which may be nil, is looked at every so many instructions.
// The error is a *mem.Fault, or wraps ErrLimit or the context's error.
func (m *Machine) Run(ctx context.Context, limit uint64, r1, r2 uint64) (uint64, error) {
	if m.code.Straight() && ctx == nil && (limit == 0 || limit >= uint64(len(m.code.ops))) {
		return m.RunStraight(r1, r2)
	}
	if m.dirty {
		m.begin()
	}
	if !m.code.plain {
		m.cleanStack(m.code.frames)
		m.mem, m.set = m.Space.Frame()
	}
	m.r = [isa.NumRegisters]uint64{isa.R1: r1, isa.R2: r2, isa.R10: mem.Stack + mem.FrameSize}
	m.ctx, m.limit = ctx, limit
	m.ip, m.ran = unsafe.Pointer(&m.code.ops[0]), 0
	m.base = uintptr(m.ip)
	m.depth, m.budget = 0, LoopBudget
	m.init = m.code.entry | 1<<isa.R10
	m.fresh = true
	err := m.loop()
	m.straight(m.ip)
	m.fuel = 0
	return m.r[0], err
}

// Count returns how many instructions the last run executed. A wide instruction counts once.
func (m *Machine) Count() uint64 {
	if m.fuel != 0 {
		return uint64((plenty - m.fuel) / opSize)
	}
	return uint64(m.ran / opSize)
}

// Registers returns R0 to R10 as the last run left them.
func (m *Machine) Registers() [isa.NumRegisters]uint64 { return m.r }

// loop runs the program to its end, a slice at a time: fast, or a step at a time where every instruction
// must be judged before it runs.
func (m *Machine) loop() error {
	for {
		careful, err := m.renew()
		if err != nil {
			return err
		}
		done := false
		switch {
		case careful:
			done, err = m.walk()
		case m.code.native != nil:
			done, err = m.runNative(m.code.native)
		default:
			done, err = m.run()
		}
		if done || err != nil {
			return err
		}
	}
}

// renew says how far the next slice of instructions goes and whether it must be run carefully, so that the
// limit is exact.
func (m *Machine) renew() (careful bool, err error) {
	if m.ctx != nil {
		if err := m.ctx.Err(); err != nil {
			return false, fmt.Errorf("run ended after %d instructions: %w", m.Count(), err)
		}
	}
	careful = m.code.watch
	m.stop = m.ran + slice*opSize
	if m.limit == 0 || m.trusts() {
		return careful, nil // trusted code counts nothing; what it goes on with by a tail call may
	}
	// Between two jumps or local calls a run executes at most the whole program once, in each frame.
	length := uint64(len(m.code.ops) * m.code.frames)
	if uint64(m.ran/opSize)+2*length > m.limit { // twice, so that there is something left to run
		return true, nil
	}
	if last := m.limit - length; last < uint64(m.stop/opSize) {
		m.stop = uintptr(last) * opSize
	}
	return careful, nil
}

// walk is run with every instruction judged first.
func (m *Machine) walk() (done bool, err error) {
	for m.ran < m.stop {
		if err := m.before(); err != nil {
			return false, err
		}
		in := (*op)(m.ip)
		m.ip = unsafe.Add(m.ip, opSize)
		if done, err := m.step(in); done || err != nil {
			return done, err
		}
	}
	return false, nil
}

// before judges the next instruction: the limit, and whether the registers it reads hold values.
func (m *Machine) before() error {
	if m.limit != 0 && uint64((m.ran+uintptr(m.ip)-m.base)/opSize) >= m.limit {
		return fmt.Errorf("%w: %d instructions", ErrLimit, m.limit)
	}
	if !m.code.watch {
		return nil
	}
	i := m.at() + 1
	if missing := m.code.prog.Reads(i) &^ m.init; missing != 0 {
		m.ip = unsafe.Add(m.ip, opSize)
		return m.unset(missing)
	}
	switch m.code.ops[i].code {
	case isa.CallLocal:
		m.frames[min(m.depth, mem.Frames-1)].init = m.init
		m.init &= argRegs | 1<<isa.R10
	case isa.Exit:
		if m.depth > 0 {
			m.init = m.frames[m.depth-1].init&^(argRegs|1) | m.init&1
		}
	default:
		m.init = m.code.prog.After(i, m.init)
	}
	return nil
}

// straight adds what ran since the last jump and goes on at to.
func (m *Machine) straight(to unsafe.Pointer) {
	m.ran += uintptr(m.ip) - m.base
	m.ip, m.base = to, uintptr(to)
}

// reg returns the register at off bytes, eight times its number.
func (m *Machine) reg(off uint8) *uint64 { return (*uint64)(unsafe.Add(unsafe.Pointer(&m.r), off)) }

// push enters a function; the caller then jumps to it.
func (m *Machine) push() error {
	top := m.Space.PushFrame()
	if top == 0 {
		return m.fault(&mem.Fault{Code: mem.CallDepth, Text: fmt.Sprintf("the call would enter frame %d, of %d there are", mem.Frames+1, mem.Frames)})
	}
	f := &m.frames[m.depth]
	f.ip, f.budget = m.ip, m.budget
	copy(f.saved[:], m.r[isa.R6:isa.R10])
	m.depth++
	m.budget = LoopBudget
	m.r[isa.R10] = top
	m.mem, m.set = m.Space.Frame()
	return nil
}

// pop leaves a function.
func (m *Machine) pop() {
	m.depth--
	f := &m.frames[m.depth]
	copy(m.r[isa.R6:isa.R10], f.saved[:])
	m.budget = f.budget
	m.Space.PopFrame()
	m.r[isa.R10] -= mem.FrameSize
	m.mem, m.set = m.Space.Frame()
	m.straight(f.ip)
}
