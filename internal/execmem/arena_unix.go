// Implements mappings that programs share, and which of their pages are free.

//go:build linux || darwin || freebsd || netbsd || openbsd

package execmem

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arenaSize is the size of an arena in bytes. A larger program has an arena to itself.
const arenaSize = 1 << 20

var pageSize = os.Getpagesize()

// arena is a mapping. Its free pages are inaccessible; the others belong to a program each.
type arena struct {
	mem  []byte
	used []bool // by page
	free int    // pages
}

var (
	mu     sync.Mutex // guards arenas, what is in them, and Code.arena
	arenas []*arena   // all there are, the oldest first
)

// reserve finds free pages for so many bytes. They are inaccessible.
func reserve(size int) (*Code, error) {
	pages := (size-1)/pageSize + 1
	mu.Lock()
	defer mu.Unlock()
	for _, a := range arenas {
		if at := a.find(pages); at >= 0 {
			return a.take(at, pages), nil
		}
	}
	a, err := newArena(max(pages, arenaSize/pageSize))
	if err != nil {
		return nil, err
	}
	return a.take(0, pages), nil
}

func newArena(pages int) (*arena, error) {
	mem, err := unix.Mmap(-1, 0, pages*pageSize, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for code: %w", err)
	}
	a := &arena{mem: mem, used: make([]bool, pages), free: pages}
	arenas = append(arenas, a)
	return a, nil
}

// find returns the first of so many free pages in a row, or -1.
func (a *arena) find(pages int) int {
	if a.free < pages {
		return -1
	}
	row := 0
	for i, used := range a.used {
		row++
		if used {
			row = 0
		}
		if row == pages {
			return i + 1 - pages
		}
	}
	return -1
}

// take gives free pages to a program.
func (a *arena) take(at, pages int) *Code {
	a.mark(at, pages, true)
	a.free -= pages
	return &Code{mem: a.mem[at*pageSize : (at+pages)*pageSize], arena: a}
}

func (a *arena) mark(at, pages int, used bool) {
	for i := range pages {
		a.used[at+i] = used
	}
}

// release takes a program's pages back. They become inaccessible, and the arena goes when it is empty. If
// the system refuses, which it can where a process has too many mappings, the pages are free all the same.
func (a *arena) release(mem []byte) error {
	pages := len(mem) / pageSize
	at := int(uintptr(unsafe.Pointer(&mem[0]))-uintptr(unsafe.Pointer(&a.mem[0]))) / pageSize
	a.mark(at, pages, false)
	a.free += pages
	var failed error
	if a.free == len(a.used) {
		err := unix.Munmap(a.mem)
		if err == nil {
			arenas = slices.DeleteFunc(arenas, func(b *arena) bool { return a == b })
			return nil
		}
		failed = fmt.Errorf("memory for code cannot be unmapped: %w", err)
	}
	if err := unix.Mprotect(mem, unix.PROT_NONE); err != nil {
		return errors.Join(failed, fmt.Errorf("memory for code cannot be made inaccessible: %w", err))
	}
	_ = unix.Madvise(mem, unix.MADV_DONTNEED) // where it is refused, the memory stays with the process
	return failed
}
