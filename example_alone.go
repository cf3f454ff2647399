// Implements memory that stands alone: what helpers give, moved to where nothing lies beside it, so that accesses beside
// it are faults.

package skep

import "github.com/skepbpf/skep/helper"

// aloneMemory is memory of a helper that has been moved. A nil one is none.
type aloneMemory struct {
	addr, real uint64 // where it is, and where it was
	bytes      []byte
}

// scratch is how much memory helpers can give out in a run, bytes.
const scratch = 1 << 18

// standAlone moves the memory at addr that a helper has given, and returns nil if that cannot be done.
func standAlone(c *helper.Call, h *helper.Helper, args []helper.Arg, regs *[helper.MaxArgs]uint64, addr uint64, start bool) *aloneMemory {
	size := int(h.ResultSize)
	for i, a := range args {
		switch {
		case a.Kind() == helper.MapRef && h.Result.Kind() == helper.ResultMapValue:
			if l := c.Map(regs[i]); l != nil {
				size = int(l.ValueSize())
			}
		case a.Kind() == helper.RecordSize && h.Result.Kind() == helper.ResultRecord:
			size = int(regs[i])
		}
	}
	if _, err := c.Bytes(addr, size, true); err != nil || size <= 0 || size > scratch/2 {
		return nil
	}
	whole := (size + 7) &^ 7
	if !start {
		for ahead := scratch - whole; ; ahead -= 8 { // some may have been given out already
			if ahead < 0 {
				return nil
			}
			if _, _, err := c.Run.Alloc(ahead, true); err == nil {
				break
			}
		}
	}
	to, bytes, err := c.Run.Alloc(whole, true)
	if err != nil {
		return nil
	}
	m := &aloneMemory{addr: to, real: addr, bytes: bytes[:size]}
	m.copy(c, false)
	return m
}

// copy copies the memory to where it was, or from there.
func (m *aloneMemory) copy(c *helper.Call, home bool) {
	real, err := c.Bytes(m.real, len(m.bytes), home)
	switch {
	case err != nil:
	case home:
		copy(real, m.bytes)
	default:
		copy(m.bytes, real)
	}
}

// pass puts the addresses in the place of those in the memory that a helper expects, and its contents where they belong. The
// function that it returns is to be called behind the helper.
func (m *aloneMemory) pass(c *helper.Call, regs *[helper.MaxArgs]uint64) (back func()) {
	if m == nil {
		return func() {}
	}
	for i := range regs {
		if off := regs[i] - m.addr; off < uint64(len(m.bytes)) {
			regs[i] = m.real + off
		}
	}
	m.copy(c, true)
	return func() { m.copy(c, false) }
}
