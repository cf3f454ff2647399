// Implements what programs that are loaded together share: their maps, and where these lie in guest memory.

package interp

import (
	"fmt"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/spec"
)

// handleStep is the distance between two addresses that stand for objects.
const handleStep = 16

// maxHandles is how many maps, and how many other objects, a run can name.
const maxHandles = mem.GranuleSize / handleStep

// World is the maps that programs loaded together name, and the addresses they have for all of them. It must not
// change once programs are compiled for it. The zero value has no maps.
type World struct {
	maps  []*bpfmap.Local
	addrs []uint32 // of the memory of each, 0 if it has none
	next  uint32   // the first free address, 0 for mem.Free
	top   uint32   // arenas begin here, 0 if there are none
	cpus  int      // how many processors per-CPU maps know, 0 if there are no such maps
}

// Add gives a map its place and returns its number.
func (w *World) Add(m *bpfmap.Local) (int, error) {
	addr, err := w.place(m)
	if err != nil {
		return 0, err
	}
	switch m.Spec().Type {
	case spec.PerCPUArray, spec.PerCPUHash, spec.LRUPerCPUHash, spec.PerCPUCGroupStorage:
		if w.cpus == 0 || m.CPUs() < w.cpus {
			w.cpus = m.CPUs()
		}
	}
	w.maps, w.addrs = append(w.maps, m), append(w.addrs, addr)
	return len(w.maps) - 1, nil
}

// place gives the memory of a map its address. Arenas lie at the end, since theirs is in pointers that programs keep and
// is the same for all programs.
func (w *World) place(m *bpfmap.Local) (uint32, error) {
	arena := m.Arena()
	if arena == nil {
		addr, next, err := placeMap(m, max(w.next, mem.Free), w.end())
		if err == nil {
			w.next = next
		}
		return addr, err
	}
	size := uint64(mem.Granules(len(m.Memory()))) * mem.GranuleSize
	if at := w.end(); size <= at {
		arena.Place(uint32(at - size))
	}
	addr := arena.Placed()
	if free := max(w.next, mem.Free); addr < free || uint64(addr)+size > w.end() {
		return 0, fmt.Errorf("%w: the arena %q of %d bytes has no room in guest memory beside the other maps, or has a place elsewhere that is taken here",
			ErrNotSupported, m.Spec().Name, len(m.Memory()))
	}
	w.top = addr
	return addr, nil
}

// end returns the address where maps have to end.
func (w *World) end() uint64 {
	if w.top != 0 {
		return uint64(w.top)
	}
	return 1<<32 - mem.GranuleSize // the last one stays empty, so that addresses do not wrap
}

// placeMap returns the address of the memory of a map that comes at free, 0 if it has none, and the first free one behind it,
// which is at limit at most.
func placeMap(m *bpfmap.Local, free uint32, limit uint64) (addr, next uint32, err error) {
	size := len(m.Memory())
	if size == 0 {
		return 0, free, nil
	}
	end := uint64(free) + uint64(mem.Granules(size))*mem.GranuleSize
	if end > limit || m.Arena() != nil {
		return 0, 0, fmt.Errorf("%w: map %q of %d bytes does not fit into guest memory beside the other maps (%d MiB in all, in steps of 16)",
			ErrNotSupported, m.Spec().Name, size, (1<<32-mem.Free)>>20)
	}
	return free, uint32(end), nil
}

// Handle returns the address that stands for map number n.
func Handle(n int) uint64 { return mem.MapHandles + handleStep*uint64(n+1) }

// Handle returns the address that stands for map number n.
func (w *World) Handle(n int) uint64 { return Handle(n) }

// MemoryAddr returns the address of the memory of map number n, 0 if it has none.
func (w *World) MemoryAddr(n int) uint64 { return uint64(w.addrs[n]) }

// mapIn puts the memory of a map where programs see it.
func (m *Machine) mapIn(l *bpfmap.Local, addr uint32) {
	if addr == 0 {
		return
	}
	read, write := l.ProgAccess()
	data := l.Memory()
	if !read {
		data = nil // what can only be written is written by helpers
	}
	if err := m.Space.Map(addr, data, write); err != nil {
		panic(err) // placeMap has found room
	}
}

// enterWorld makes the maps of a world those that the machine sees.
func (m *Machine) enterWorld(w *World) {
	if m.world == w {
		return
	}
	if m.world != nil {
		for i, l := range m.world.maps {
			if m.world.addrs[i] != 0 {
				m.Space.Unmap(m.world.addrs[i], len(l.Memory()))
			}
		}
		m.dropGuests()
	}
	m.world = w
	for i, l := range w.maps {
		m.mapIn(l, w.addrs[i])
	}
}

// guests are maps that a run has met without its program naming them: maps in maps.
type guests struct {
	maps []guestMap
	next uint32 // the first free address, 0 for that behind the world
	run  uint32 // the current run's number
}

type guestMap struct {
	m    *bpfmap.Local
	addr uint32
	run  uint32 // the last run that met it
}

// dropGuests forgets them.
func (m *Machine) dropGuests() {
	for _, g := range m.guests.maps {
		if g.addr != 0 {
			m.Space.Unmap(g.addr, len(g.m.Memory()))
		}
	}
	m.guests = guests{run: m.guests.run}
}

// number returns the number of a map, which is given one if it has none.
func (m *Machine) number(l *bpfmap.Local) (int, error) {
	for i, o := range m.world.maps {
		if o == l {
			return i, nil
		}
	}
	n := len(m.world.maps)
	for i := range m.guests.maps {
		if g := &m.guests.maps[i]; g.m == l {
			g.run = m.guests.run
			return n + i, nil
		}
	}
	addr, next, err := placeMap(l, max(m.guests.next, m.world.next, mem.Free), m.world.end())
	if err != nil || len(m.guests.maps) == maxHandles-n-1 {
		// Those of earlier runs make room, if all are.
		for _, g := range m.guests.maps {
			if g.run == m.guests.run {
				return 0, fmt.Errorf("%w: too many maps in one run, or too large ones", ErrNotSupported)
			}
		}
		m.dropGuests()
		if addr, next, err = placeMap(l, max(m.world.next, mem.Free), m.world.end()); err != nil {
			return 0, err
		}
	}
	m.guests.next = next
	m.guests.maps = append(m.guests.maps, guestMap{l, addr, m.guests.run})
	m.mapIn(l, addr)
	return n + len(m.guests.maps) - 1, nil
}

// mapNumber is the reverse: the map with a number, and the address of its memory.
func (m *Machine) mapNumber(n int) (*bpfmap.Local, uint32) {
	if n < len(m.world.maps) {
		return m.world.maps[n], m.world.addrs[n]
	}
	if n -= len(m.world.maps); n < len(m.guests.maps) {
		return m.guests.maps[n].m, m.guests.maps[n].addr
	}
	return nil, 0
}
