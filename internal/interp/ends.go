// Implements the faults of a run: what the program did wrong, and at which instruction.

package interp

import (
	"errors"
	"fmt"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// fault completes f with the place of the instruction being executed.
func (m *Machine) fault(f *mem.Fault) error {
	i := m.at()
	f.Insn = int(m.code.prog.Slots[i])
	if l := m.code.prog.Line(i); l != nil {
		f.File, f.Line = l.File, l.Line
	}
	return f
}

// unset is the fault of reading registers that hold nothing.
func (m *Machine) unset(missing ir.Regs) error {
	reg := isa.Register(0)
	for missing>>reg&1 == 0 {
		reg++
	}
	text := fmt.Sprintf("read of R%d, which nothing has written", reg)
	if at, ok := m.code.clobberedBy(m.at(), reg); ok {
		text = fmt.Sprintf("read of R%d, which the call at instruction %d left unreadable", reg, at)
	}
	return m.fault(&mem.Fault{Code: mem.UninitReg, Text: text})
}

// clobberedBy returns the nearest call before i, in program order, if nothing between writes reg.
func (c *Code) clobberedBy(i ir.Index, reg isa.Register) (ir.Slot, bool) {
	for i--; i >= 0; i-- {
		if c.prog.Row(i).Writes&isa.RoleArgs != 0 && reg >= isa.R1 && reg <= isa.R5 {
			return c.prog.Slots[i], true
		}
		if c.prog.After(i, 0)>>reg&1 != 0 {
			return 0, false
		}
	}
	return 0, false
}

// memoryFault is the fault of a memory access that the address space refused.
func (m *Machine) memoryFault() error {
	i := m.at()
	row, in := m.code.prog.Row(i), &m.code.prog.Ins[i]
	reg, write := in.Src, false
	switch row.Kind {
	case isa.KindStore, isa.KindStoreRel, isa.KindAtomic:
		reg, write = in.Dst, true
	}
	addr, size := m.r[reg]+uint64(int64(in.Off)), int(row.Size/8)
	if row.Kind != isa.KindLoad && row.Kind != isa.KindStore && addr%uint64(size) != 0 {
		return m.fault(&mem.Fault{Code: mem.Misaligned, Addr: addr, Size: size, Write: write,
			Text: fmt.Sprintf("atomic access of %d bytes at %#x, which is not a multiple of %d", size, addr, size)})
	}
	if row.Kind == isa.KindAtomic && mem.OnStack(addr) {
		// If the bytes are there, the fault is that they were never written.
		write = false
	}
	return m.fault(m.Space.FaultAt(addr, size, write))
}

// helperFault is the fault of a helper that returned an error.
func (m *Machine) helperFault(h *helper.Helper, err error) error {
	var e ended
	if errors.As(err, &e) {
		return e.err // it has its place already
	}
	f := &mem.Fault{Code: mem.HelperFailed, Err: err, Text: fmt.Sprintf("helper %s: %v", h.Name, err)}
	var inner *mem.Fault
	if errors.As(err, &inner) {
		f.Code, f.Addr, f.Size, f.Write = inner.Code, inner.Addr, inner.Size, inner.Write
		f.Text = fmt.Sprintf("helper %s: %s", h.Name, inner.Text)
	}
	return m.fault(f)
}

// leaveAll ends the program, from inside functions that helpers have called as well.
func (m *Machine) leaveAll(err error) (done bool, _ error) {
	if m.floor > 0 {
		return false, ended{err}
	}
	return true, nil
}

func (m *Machine) unknownHelper(id int32) error {
	return m.fault(&mem.Fault{Code: mem.UnknownHelper, Text: fmt.Sprintf("call of helper %s, which does not exist", helperName(id))})
}

func (m *Machine) badContext() error {
	text := "packet access with R6 not holding the context"
	if m.CtxAddr == 0 {
		text = "packet access, but this run has no packet"
	}
	return m.fault(&mem.Fault{Code: mem.BadContext, Text: text})
}

func (m *Machine) unsupported(row *isa.Row) error {
	return m.fault(&mem.Fault{Code: mem.Unsupported, Text: fmt.Sprintf("%s has no meaning here", row.Op)})
}
