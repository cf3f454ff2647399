// Implements running a program by machine code, with the readable engine for what the code leaves to it.

package interp

import (
	"errors"
	"fmt"
	"sort"
	"unsafe"

	"github.com/skepbpf/skep/helper"
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
	exit  uint32     // the reason for leaving, during a helper
	fresh bool       // nothing has run yet
	fits  [4]uint64  // see amd64.Layout.DataFits
	bias  uintptr    // see amd64.DataBias
	host  [3]uintptr // see amd64.Layout.Host

	// What is left of a batch: addresses in slices that somebody else keeps.
	next, end, out       uintptr
	lengthAt, lengthStep uintptr
	packets              [][]byte
	lengths, results     []uint32

	frames  [mem.Frames]frame
	trusted [mem.Frames * amd64.TrustedFrame / 8]uint64
}

// initNative makes a machine ready for machine code.
func (m *Machine) initNative() {
	m.Call.Memory = &m.Space
	c := m.code.native
	if c == nil {
		return
	}
	m.funcs = unsafe.Pointer(unsafe.SliceData(c.funcs))
	switch {
	case c.trusted && m.code.opts.Facts != nil:
		m.Call.Memory = (*ownMemory)(m)
	case c.trusted:
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
	if m.dirty {
		m.begin()
	}
	n := m.code.native
	m.r[isa.R1], m.r[isa.R2] = r1, r2
	m.fuel = plenty
	if !m.code.plain {
		m.cleanStack(1)
	}
	r0, exit, err := enter(m, n.start)
	if exit == amd64.LeaveDone {
		return r0, nil
	}
	m.ran = plenty - m.fuel
	return m.endStraight(r0, exit, err)
}

// Leaf is machine code that can be called as a Go function of a Machine.
type Leaf func(m unsafe.Pointer) (r0, exit uint64)

// Leaf returns the program as a Go function, or nil, and whether it uses the stack.
func (c *Code) Leaf() (leaf Leaf, stack bool) {
	if !c.Straight() {
		return nil, false
	}
	return c.native.leaf, !c.plain
}

// FreshStack makes the stack ready for RunLeaf.
func (m *Machine) FreshStack() { m.cleanStack(1) }

// RunLeaf runs a program by its Leaf. If exit is not zero, EndLeaf finishes the run.
func (m *Machine) RunLeaf(leaf Leaf) (r0, exit uint64) {
	m.fuel = plenty
	return leaf(unsafe.Pointer(m))
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
		for d := m.floor; d < m.depth; d++ {
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
	switch {
	case !n.trusted:
		m.surface(n)
	case exit&3 == amd64.LeaveCall && !m.code.plain: // plain code has no use for a frame pointer
		m.depth = int((m.fp - m.trustedTop()) / amd64.TrustedFrame)
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
		switch {
		case err == helper.ErrTailCall && m.tail != nil:
			return m.follow()
		case errors.Is(err, helper.ErrExit):
			return m.leaveAll(err)
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
	for d := m.depth - 1; d >= m.floor; d-- {
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
