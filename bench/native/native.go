// Implements raw machine code called from Go.

//go:build linux && amd64

package native

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/skepbpf/skep/internal/jit/cabi"
)

// Code is a program in executable memory. It is not safe for concurrent use.
type Code struct {
	mapped []byte
	memory []byte // what every run starts with
	work   []byte // what it works on
	spent  []byte // struct spent of loop.c
}

// Load maps a program, a .native file, to run on a copy of memory, whose length is a multiple of 8 bytes. The
// code is trusted: it has to keep to its memory and to the few kilobytes of stack that cabi.Call has.
func Load(code, memory []byte) (*Code, error) {
	if len(code) == 0 || len(memory) == 0 || len(memory)%8 != 0 {
		return nil, fmt.Errorf("%d bytes of code, %d of memory", len(code), len(memory))
	}
	mapped, err := syscall.Mmap(-1, 0, len(code), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for code: %w", err)
	}
	copy(mapped, code)
	if err := syscall.Mprotect(mapped, syscall.PROT_READ|syscall.PROT_EXEC); err != nil {
		return nil, fmt.Errorf("memory for code cannot be made executable: %w", err)
	}
	return &Code{mapped, memory, make([]byte, len(memory)), make([]byte, 16)}, nil
}

// Run runs the program n times, each time on a fresh copy of the memory, and returns what the last run returned
// and the time of the program alone in all runs. The loop is machine code too: see programs/harness/loop.c.
func (c *Code) Run(n int) (r0 uint64, took time.Duration) {
	start := time.Now()
	r0 = cabi.Call(uintptr(address(c.mapped)), uint64(uintptr(address(c.work))), uint64(uintptr(address(c.memory))),
		uint64(len(c.memory)), uint64(n), uint64(uintptr(address(c.spent))))
	all := time.Since(start)
	runtime.KeepAlive(c)
	program, whole := binary.NativeEndian.Uint64(c.spent), binary.NativeEndian.Uint64(c.spent[8:])
	return r0, time.Duration(float64(all) * float64(program) / float64(whole))
}

// Sub returns the address of a function in assembly that returns its first argument less its second.
func Sub() (uintptr, error) { return cabi.F3(), nil }

// Memory returns the memory as the last run left it.
func (c *Code) Memory() []byte { return c.work }

// Close unmaps the code.
func (c *Code) Close() error { return syscall.Munmap(c.mapped) }

// address returns where b lies, which has to be the heap or a mapping: neither moves.
func address(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
