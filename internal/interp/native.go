// Implements running a program by machine code, with the readable engine for what the code leaves to it.

package interp

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/jit"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// native is the machine code of a program.
type native struct {
	addr  uintptr
	entry []uint32  // offset at which each instruction starts
	first []uintptr // op with which each instruction's block begins
}

// layout tells the code where a Machine keeps what it needs. The registers come first, which the entry in
// assembly knows as well.
var layout = func() *amd64.Layout {
	var m Machine
	space := unsafe.Offsetof(m.Space)
	packet := unsafe.Offsetof(m.Packet)
	return &amd64.Layout{
		Ran:     int32(unsafe.Offsetof(m.ran)),
		Stop:    int32(unsafe.Offsetof(m.stop)),
		Frame:   int32(unsafe.Offsetof(m.mem)),
		Packet:  int32(packet),
		Length:  int32(packet + unsafe.Sizeof(uintptr(0))),
		Context: int32(unsafe.Offsetof(m.CtxAddr)),

		Granules:     int32(space + mem.GranulesOffset),
		GranulePtr:   int32(unsafe.Offsetof(mem.Granule{}.P)),
		GranuleRead:  int32(unsafe.Offsetof(mem.Granule{}.N)),
		GranuleWrite: int32(unsafe.Offsetof(mem.Granule{}.W)),
		GranuleBase:  int32(unsafe.Offsetof(mem.Granule{}.Base)),
	}
}()

// MachineCode returns the machine code that a program runs by, for listings.
func MachineCode(p *ir.Program) (*jit.Sandboxed, error) {
	return jit.CompileSandboxed(p, layout, int32(opSize))
}

// goNative compiles the program to machine code. Code that does not watch registers and stack bytes needs a
// program that reads no register without a value; the stack it gets is zero.
func (c *Code) goNative() error {
	if !nativeHost {
		return fmt.Errorf("%w: machine code on %s/%s", ErrNotSupported, runtime.GOOS, runtime.GOARCH)
	}
	if c.watch {
		at, regs, _ := c.prog.Uninitialized(c.entry)
		return fmt.Errorf("%w: machine code for a program whose instruction %d may read a register without a value (%#x)", ErrNotSupported, c.prog.Slots[at], regs)
	}
	s, err := MachineCode(c.prog)
	if err != nil {
		return err
	}
	code, err := execmem.New(s.Code, nil)
	if err != nil {
		return errors.Join(ErrNotSupported, err)
	}
	runtime.AddCleanup(c, func(code *execmem.Code) { code.Close() }, code)
	c.loose = true
	c.native = &native{addr: code.Addr(), entry: s.Entry, first: make([]uintptr, len(s.First))}
	for i, f := range s.First {
		c.native.first[i] = uintptr(unsafe.Pointer(&c.ops[f]))
	}
	return nil
}

// runNative is run by machine code. It keeps the same promises.
func (m *Machine) runNative() (done bool, err error) {
	n := m.code.native
	for {
		// The code will count the whole block that it is entered in.
		i := m.at() + 1
		m.ran -= m.base - n.first[i]
		exit := enter(m, n.addr+uintptr(n.entry[i]))
		i = ir.Index(exit >> 1)
		in := &m.code.ops[i]
		m.base = n.first[i]
		if exit&1 != 0 {
			m.ip = unsafe.Pointer(in)
			return false, nil
		}
		m.ip = unsafe.Pointer(&m.code.ops[i+1])
		if in.code == isa.Exit && m.depth == 0 {
			return true, nil
		}
		if done, err := m.step(in); done || err != nil {
			return done, err
		}
		if m.ran >= m.stop {
			return false, nil
		}
	}
}

// The registers, which the entry in assembly loads and stores, lie at the start of Machine.
var _ [0]byte = [unsafe.Offsetof(Machine{}.r)]byte{}
