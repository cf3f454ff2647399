// Implements leaving the straight way of a run: functions that helpers call, and tail calls.

package interp

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// MaxTailCalls is how many tail calls a run can make (the kernel's MAX_TAIL_CALL_CNT).
const MaxTailCalls = 33

// FunctionAddr returns the address that stands for the function of a program that begins at an instruction.
func FunctionAddr(entry ir.Index) uint64 { return mem.Functions + 8*uint64(entry) }

// ended wraps the error of a run that ended inside a function that a helper has called. It is the run's own.
type ended struct{ err error }

func (e ended) Error() string { return e.err.Error() }
func (e ended) Unwrap() error { return e.err }

// suspended is what a run is at while a helper calls back.
type suspended struct {
	r      [isa.NumRegisters]uint64
	resume uintptr
	fp     uintptr
	exit   uint32
	fresh  bool
	fuel   uintptr
	stop   uintptr

	code   *Code
	ip     unsafe.Pointer
	depth  int
	frames int // of the space
	floor  int
	budget int
	init   ir.Regs
	slow   bool
	direct bool // machine code has called the helper
}

// CallFunction implements helper.Run.
func (m *Machine) CallFunction(function uint64, r1, r2, r3, r4, r5 uint64) (uint64, error) {
	at := function - mem.Functions
	if at%8 != 0 || at/8 >= uint64(len(m.code.callback)) || !m.code.callback[at/8] {
		return 0, fmt.Errorf("%#x is no function of the program", function)
	}
	s := m.suspend()
	if err := m.pushCallback(&s); err != nil {
		return 0, err
	}
	m.r[isa.R1], m.r[isa.R2], m.r[isa.R3], m.r[isa.R4], m.r[isa.R5] = r1, r2, r3, r4, r5
	m.init = argRegs | 1<<isa.R10
	return m.nested(&s, ir.Index(at/8))
}

// RunElement runs a function of the program, which helpers have been given earlier, on an element of a map: its
// arguments are the map, a key and the address of the value at an offset of the map's memory. limit and ctx are as in
// Run.
func (m *Machine) RunElement(ctx context.Context, limit, function uint64, l *bpfmap.Local, key []byte, off int) (uint64, error) {
	if m.dirty {
		m.begin()
	}
	m.Space.Reset(0, mem.Frames)
	m.mem, m.set = m.Space.Frame()
	m.r = [isa.NumRegisters]uint64{isa.R10: mem.Stack + mem.FrameSize}
	m.ctx, m.limit = ctx, limit
	m.ip, m.ran, m.depth, m.budget, m.slow = unsafe.Pointer(&m.code.ops[0]), 0, 0, LoopBudget, true
	m.base = uintptr(m.ip)
	if m.trusts() {
		m.r[isa.R10] = uint64(m.trustedTop())
	}
	handle, err := m.MapHandle(l)
	if err != nil {
		return 0, err
	}
	value, err := m.MapAddr(l, off)
	if err != nil {
		return 0, err
	}
	keyAddr, b, err := m.Alloc(len(key), true)
	if err != nil {
		return 0, err
	}
	copy(b, key)
	r0, err := m.CallFunction(function, handle, keyAddr, value, 0, 0)
	m.slow = false
	var e ended
	if errors.As(err, &e) {
		err = e.err
	}
	return r0, err
}

// nested runs the current code from an instruction on, in a frame that has been pushed.
func (m *Machine) nested(s *suspended, entry ir.Index) (uint64, error) {
	m.ip = unsafe.Pointer(&m.code.ops[entry])
	m.base = uintptr(m.ip)
	m.fresh, m.slow = false, false
	before := m.ran
	err := m.loop()
	m.straight(m.ip)
	r0 := m.r[0]
	m.restore(s, m.ran-before)
	if err != nil {
		return 0, ended{err}
	}
	return r0, nil
}

// suspend keeps what the run is at, and makes the counts those of the readable engine.
func (m *Machine) suspend() suspended {
	m.dirty = true
	s := suspended{r: m.r, resume: m.resume, fp: m.fp, exit: m.native.exit, fresh: m.fresh, fuel: m.fuel, stop: m.stop,
		code: m.code, floor: m.floor, budget: m.budget, init: m.init, slow: m.slow, ip: m.ip, depth: m.depth,
		direct: m.code.native != nil && !m.slow}
	if s.direct {
		n := m.code.native
		if n.metered {
			// And what the code has not counted yet of the piece it is in.
			i := s.exit >> 2
			m.ran = m.stop - m.fuel + uintptr(unsafe.Pointer(&m.code.ops[i+1])) - n.first[i]
		}
		if m.code.plain {
			// It has no use for a frame pointer, and calls nothing.
		} else if n.trusted {
			m.depth = int((s.fp - m.trustedTop()) / amd64.TrustedFrame)
		} else {
			m.depth = m.Space.Depth() - 1
		}
	} else {
		m.straight(m.ip)
	}
	s.frames = m.Space.Depth()
	return s
}

// restore goes back to what the run was at. used is how much has been counted meanwhile.
func (m *Machine) restore(s *suspended, used uintptr) {
	m.r, m.resume, m.fp, m.native.exit, m.fresh = s.r, s.resume, s.fp, s.exit, s.fresh
	m.floor, m.budget, m.init, m.slow, m.ip, m.depth = s.floor, s.budget, s.init, s.slow, s.ip, s.depth
	if m.code != s.code {
		m.code = s.code
		m.enterWorld(m.code.world)
		m.initNative()
	}
	m.Space.SetDepth(s.frames)
	if s.frames > 0 {
		m.mem, m.set = m.Space.Frame()
	}
	if s.direct {
		m.stop, m.fuel = s.stop, s.fuel-used
		return
	}
	m.base = uintptr(m.ip)
}

// trustedTop is the address above the first frame of a trusted program.
func (m *Machine) trustedTop() uintptr {
	return uintptr(unsafe.Pointer(&m.trusted)) + mem.FrameSize
}

// pushCallback pushes the frame of a function that a helper calls.
func (m *Machine) pushCallback(s *suspended) error {
	n := m.code.native
	if n != nil && n.trusted {
		return m.pushTrusted(s, n)
	}
	if err := m.push(); err != nil {
		return err
	}
	if s.direct {
		m.r[isa.R10] = mem.Stack + uint64(m.Space.Depth())*mem.FrameSize
	}
	m.floor = m.depth
	if n != nil {
		m.frames[m.depth-1].resume = n.addr + uintptr(n.Back)
	}
	return nil
}

// pushTrusted does so for a trusted program, whose frames lie elsewhere.
func (m *Machine) pushTrusted(s *suspended, n *nativeCode) error {
	top := s.fp
	if !s.direct {
		top = uintptr(m.r[isa.R10])
	}
	if m.depth+1 >= mem.Frames {
		return m.fault(&mem.Fault{Code: mem.CallDepth, Text: fmt.Sprintf("the call would enter frame %d, of %d there are", mem.Frames+1, mem.Frames)})
	}
	at := (top - uintptr(unsafe.Pointer(&m.trusted)) + 16) / 8
	f := (*frame)(unsafe.Pointer(&m.trusted[at]))
	f.resume, f.budget = n.addr+uintptr(n.Back), m.budget
	copy(f.saved[:], m.r[isa.R6:isa.R10])
	m.depth++
	m.floor, m.budget = m.depth, LoopBudget
	m.r[isa.R10] = uint64(top + amd64.TrustedFrame)
	return nil
}

// TailCall implements helper.Run.
func (m *Machine) TailCall(program any) error {
	if m.Host == nil {
		return fmt.Errorf("%w: tail calls here", ErrNotSupported)
	}
	if _, err := m.Host.Code(program, false); err != nil {
		return err
	}
	m.dirty = true
	if m.tails++; m.tails > MaxTailCalls {
		return errors.New("too many tail calls")
	}
	m.tail = program
	return helper.ErrTailCall
}

// follow does what a helper has prepared that returned ErrTailCall. It reports whether the program has ended.
func (m *Machine) follow() (done bool, err error) {
	nested := m.depth > 0
	c, err := m.Host.Code(m.tail, nested)
	m.tail = nil
	if err != nil {
		return false, err
	}
	if nested {
		// In the place of the function, which ends with it; if a helper has called that, so does the run inside the helper.
		r0, err := m.tailNested(c)
		m.r[isa.R0] = r0
		if err != nil || m.depth == m.floor {
			return err == nil, err
		}
		m.pop()
		return false, nil
	}
	if m.home == nil {
		m.home = m.code
	}
	m.straight(m.ip)
	m.startCode(c)
	m.Space.Reset(0, mem.Frames)
	m.mem, m.set = m.Space.Frame()
	m.r = [isa.NumRegisters]uint64{isa.R1: m.contextAddr(), isa.R10: mem.Stack + mem.FrameSize}
	m.depth, m.budget, m.fresh = 0, LoopBudget, true
	m.stop = m.ran // so that whoever runs the old program looks up
	return false, nil
}

// startCode makes another program the one that runs.
func (m *Machine) startCode(c *Code) {
	m.code = c
	m.enterWorld(c.world)
	if c.loose && !m.Space.Loose() {
		m.Space.Loosen()
	}
	m.initNative()
	m.ip = unsafe.Pointer(&c.ops[0])
	m.base = uintptr(m.ip)
	m.init = c.entry | 1<<isa.R10
}

// tailNested runs another program in a frame of its own, by the interpreter, and returns its result.
func (m *Machine) tailNested(c *Code) (uint64, error) {
	if m.trusts() {
		return 0, fmt.Errorf("%w: a tail call inside a function of a trusted program", ErrNotSupported)
	}
	m.slow = true
	s := m.suspend()
	if err := m.push(); err != nil {
		return 0, err
	}
	m.floor = m.depth
	m.startCode(c.interpreted())
	m.r[isa.R1] = m.contextAddr()
	r0, err := m.nested(&s, 0)
	var e ended
	if errors.As(err, &e) {
		err = e.err
	}
	return r0, err
}

// contextAddr is the address of the context for the current code.
func (m *Machine) contextAddr() uint64 {
	if m.trusts() && m.Host != nil {
		if c := m.Host.Context(); len(c) > 0 {
			return uint64(uintptr(unsafe.Pointer(&c[0])))
		}
	}
	return mem.Context
}
