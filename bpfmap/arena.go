// Implements arena: pages of memory that programs and Go code share, with the pointers that are in them.

package bpfmap

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// Arena is the memory of an arena map. Programs have 32-bit pointers into it, which are the same for all programs and
// for Go code: Bytes follows them. Pages are to be allocated first; what is not allocated reads as zeros to programs, as
// in the kernel, and an access outside the arena ends a program that runs checked, where the kernel would give it zeros.
// Methods are safe for concurrent use.
type Arena struct {
	unsupported
	m    *Local
	base atomic.Uint32 // address of the first byte; 0 until it has a place

	mu   sync.Mutex
	free []pages // by place, none next to another
}

// pages are some that lie side by side.
type pages struct{ first, n uint32 }

// arenaEnd is where arenas end that have no place from elsewhere: guest addresses have 32 bits, and the last 16 MiB stay
// empty.
const arenaEnd, arenaAlign = 1<<32 - 1<<24, 1 << 24

func newArena(m *Local, _ *Options) impl {
	m.mem = newMemory(uint64(m.def.MaxEntries) * pageSize)
	return &Arena{m: m, free: []pages{{0, m.def.MaxEntries}}}
}

// Arena returns the memory of an arena map, nil for maps of other types.
func (m *Local) Arena() *Arena {
	a, _ := m.impl.(*Arena)
	return a
}

// Base returns the address of the first byte as programs know it.
func (a *Arena) Base() uint64 {
	if a.base.Load() == 0 {
		a.Place(uint32(arenaEnd - (uint64(len(a.m.Memory()))+arenaAlign-1)/arenaAlign*arenaAlign))
	}
	return uint64(a.base.Load())
}

// Placed returns the address of the first byte, 0 if that is not decided yet.
func (a *Arena) Placed() uint32 { return a.base.Load() }

// Place decides on the address of the first byte, a multiple of 16 MiB, and reports whether it is that one now. It does not
// change any more.
func (a *Arena) Place(addr uint32) bool {
	a.base.CompareAndSwap(0, addr)
	return a.base.Load() == addr
}

// Bytes returns n bytes that a pointer refers to, which are those that programs see. They stay valid; whether the
// pages are allocated nobody asks.
func (a *Arena) Bytes(ptr uint64, n int) ([]byte, error) {
	memory := a.m.Memory()
	off := uint64(uint32(ptr)) - a.Base()
	if n < 0 || off > uint64(len(memory)) || uint64(n) > uint64(len(memory))-off {
		return nil, fmt.Errorf("%d bytes at %#x are outside the arena of %d bytes at %#x: %w", n, ptr, len(memory), a.Base(), EFAULT)
	}
	return memory[off : off+uint64(n) : off+uint64(n)], nil
}

// Alloc allocates n pages of 4096 bytes that hold zeros and returns a pointer to them, as bpf_arena_alloc_pages does: at ptr
// if that is not 0. It returns 0 if there is no room.
func (a *Arena) Alloc(ptr uint64, n uint32) uint64 {
	if n == 0 || n > a.m.def.MaxEntries || ptr%pageSize != 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	first, ok := a.room(n)
	if ptr != 0 {
		first, ok = a.page(ptr, n)
		ok = ok && a.isFree(first, n)
	}
	if !ok {
		return 0
	}
	a.occupy(first, n)
	a.m.mem.zero(int(first)*pageSize, int(n)*pageSize)
	return a.Base() + uint64(first)*pageSize
}

// Free gives n pages at ptr back, as bpf_arena_free_pages does. What is not allocated does not matter.
func (a *Arena) Free(ptr uint64, n uint32) {
	off := uint64(uint32(ptr)) - a.Base()
	size := uint64(a.m.def.MaxEntries) * pageSize
	if n == 0 || off >= size {
		return
	}
	first := uint32(off / pageSize)
	n = min(n, a.m.def.MaxEntries-first)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.occupy(first, n)
	a.m.mem.zero(int(first)*pageSize, int(n)*pageSize)
	a.give(pages{first, n})
}

// Reserve makes n pages at ptr unavailable to Alloc, as bpf_arena_reserve_pages does.
func (a *Arena) Reserve(ptr uint64, n uint32) Errno {
	if n == 0 {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	first, ok := a.page(ptr, n)
	switch {
	case !ok:
		return EINVAL
	case !a.isFree(first, n):
		return EBUSY
	}
	a.occupy(first, n)
	return 0
}

// page returns the number of the page at ptr if n pages from there on are inside.
func (a *Arena) page(ptr uint64, n uint32) (uint32, bool) {
	off := uint64(uint32(ptr)) - a.Base()
	first := off / pageSize
	return uint32(first), off < uint64(a.m.def.MaxEntries)*pageSize && first+uint64(n) <= uint64(a.m.def.MaxEntries)
}

// room finds the smallest piece of free pages that n fit into.
func (a *Arena) room(n uint32) (first uint32, ok bool) {
	best := uint32(0)
	for _, p := range a.free {
		if p.n >= n && (!ok || p.n < best) {
			first, best, ok = p.first, p.n, true
		}
	}
	return first, ok
}

func (a *Arena) isFree(first, n uint32) bool {
	for _, p := range a.free {
		if p.first <= first && first+n <= p.first+p.n {
			return true
		}
	}
	return false
}

// occupy makes pages not free, whether they were or not.
func (a *Arena) occupy(first, n uint32) {
	var out []pages
	for _, p := range a.free {
		if before := min(p.first+p.n, first); before > p.first {
			out = append(out, pages{p.first, before - p.first})
		}
		if after := max(p.first, first+n); after < p.first+p.n {
			out = append(out, pages{after, p.first + p.n - after})
		}
	}
	a.free = out
}

// give makes pages free that are not.
func (a *Arena) give(p pages) {
	at, _ := slices.BinarySearchFunc(a.free, p.first, func(f pages, first uint32) int { return int(int64(f.first) - int64(first)) })
	a.free = slices.Insert(a.free, at, p)
	if at+1 < len(a.free) && a.free[at].first+a.free[at].n == a.free[at+1].first {
		a.free[at].n += a.free[at+1].n
		a.free = slices.Delete(a.free, at+1, at+2)
	}
	if at > 0 && a.free[at-1].first+a.free[at-1].n == a.free[at].first {
		a.free[at-1].n += a.free[at].n
		a.free = slices.Delete(a.free, at, at+1)
	}
}

// fill puts variables at the start, whose pages are allocated then.
func (a *Arena) fill(value []byte) Errno {
	if uint64(len(value)) > uint64(a.m.def.MaxEntries)*pageSize {
		return E2BIG
	}
	a.occupy(0, uint32((len(value)+pageSize-1)/pageSize))
	a.m.mem.store(0, value)
	return 0
}

func (a *Arena) lookup([]byte, int) (int, bool)           { return 0, true }
func (a *Arena) update([]byte, []byte, uint64, int) Errno { return EOPNOTSUPP }
func (a *Arena) remove([]byte) Errno                      { return EOPNOTSUPP }
func (a *Arena) next([]byte, []byte) Errno                { return EOPNOTSUPP }
func (a *Arena) read([]byte, []byte, uint64) Errno        { return EINVAL }
func (a *Arena) peek([]byte) Errno                        { return EINVAL }
func (a *Arena) push([]byte, uint64) Errno                { return EOPNOTSUPP }
func (a *Arena) pop([]byte) Errno                         { return ENOTSUPP }
