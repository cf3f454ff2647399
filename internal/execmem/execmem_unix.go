// Implements code memory by mmap and mprotect.

//go:build linux || darwin || freebsd || netbsd || openbsd

package execmem

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Code is a piece of executable memory. Its address does not change. It is safe for concurrent use, except
// Close.
type Code struct {
	mem []byte
}

// New returns executable memory that holds a copy of code. Before the memory becomes executable fill, which
// may be nil, can change the copy, knowing its address. Hardened systems refuse executable memory; the error
// is theirs.
func New(code []byte, fill func(code []byte, addr uintptr)) (*Code, error) {
	if len(code) == 0 {
		return nil, fmt.Errorf("no code: %w", unix.EINVAL)
	}
	mem, err := unix.Mmap(-1, 0, len(code), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for code: %w", err)
	}
	c := &Code{mem: mem}
	copy(mem, code)
	if fill != nil {
		fill(mem, c.Addr())
	}
	if err := unix.Mprotect(mem, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return nil, fmt.Errorf("memory for code cannot be made executable: %w", joinClose(err, c))
	}
	return c, nil
}

func joinClose(err error, c *Code) error {
	if e := c.Close(); e != nil {
		return fmt.Errorf("%w; %w", err, e)
	}
	return err
}

// Addr returns the address of the code.
func (c *Code) Addr() uintptr { return uintptr(unsafe.Pointer(&c.mem[0])) }

// Close gives the memory back. Nothing may be executing it. Further calls do nothing.
func (c *Code) Close() error {
	if c.mem == nil {
		return nil
	}
	mem := c.mem
	c.mem = nil
	return unix.Munmap(mem)
}
