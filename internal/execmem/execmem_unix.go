// Implements code memory by mmap and mprotect.

//go:build linux || darwin || freebsd || netbsd || openbsd

package execmem

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Code is a piece of executable memory. Its address does not change. It is safe for concurrent use.
type Code struct {
	mem   []byte // whole pages
	arena *arena // that these pages are from; nil once closed
}

// New returns executable memory that holds a copy of code, followed by trap instructions (of x86) up to the
// end of the page. Before the memory becomes executable fill, which may be nil, can change the copy, knowing
// its address. Hardened systems refuse executable memory; the error is theirs. It is safe for concurrent use.
func New(code []byte, fill func(code []byte, addr uintptr)) (_ *Code, err error) {
	if len(code) == 0 {
		return nil, fmt.Errorf("no code: %w", unix.EINVAL)
	}
	c, err := reserve(len(code))
	if err != nil {
		return nil, err
	}
	done := false
	defer func() { // fill may have panicked
		if !done {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := c.write(code, fill); err != nil {
		return nil, err
	}
	done = true
	return c, nil
}

// write puts the code into pages that nothing executes, and makes them executable.
func (c *Code) write(code []byte, fill func(code []byte, addr uintptr)) error {
	if err := unix.Mprotect(c.mem, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return fmt.Errorf("memory for code cannot be made writable: %w", err)
	}
	n := copy(c.mem, code)
	trap(c.mem[n:])
	if fill != nil {
		fill(c.mem[:n:n], c.Addr())
	}
	if err := unix.Mprotect(c.mem, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return fmt.Errorf("memory for code cannot be made executable: %w", err)
	}
	return nil
}

// trap fills memory with int3, the instruction of one byte that traps.
func trap(mem []byte) {
	if len(mem) == 0 {
		return
	}
	mem[0] = 0xcc
	for n := 1; n < len(mem); n *= 2 {
		copy(mem[n:], mem[:n])
	}
}

// Addr returns the address of the code, which is that of a page.
func (c *Code) Addr() uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(c.mem))) }

// Close gives the memory back. Nothing may be executing it. Further calls do nothing. An error is of the
// system's: other programs can use the memory nevertheless.
func (c *Code) Close() error {
	mu.Lock()
	defer mu.Unlock()
	a := c.arena
	if a == nil {
		return nil
	}
	c.arena = nil
	return a.release(c.mem)
}
