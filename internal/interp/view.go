// Implements what helpers see of a run (helper.Run): maps, memory for the rest of the run, the packet.

package interp

import (
	"fmt"
	"unsafe"

	"github.com/skepbpf/skep/bpfmap"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/spec"
)

// Host is who has set up a run: it knows the program's type and keeps packet and context.
type Host interface {
	ProgramType() spec.ProgramType
	AttachType() uint32
	ProgramLicense() string
	Context() []byte
	PacketData() (data []byte, meta int)
	AdjustPacket(front, back, meta int) error
	PacketFront() int
	// Probe fills b from memory of the kernel, for loads through pointers to its structures. What is not there is
	// zero. ok is false where programs of this type have no such pointers.
	Probe(b []byte, addr uint64) (ok bool)
	// Change returns n bytes of an object of the kernel's that the program may write to, or nil.
	Change(addr uint64, n int) []byte
	// Code returns the code of a program that a tail call leads to; with checked, that which checks every access.
	Code(program any, checked bool) (*Code, error)
}

// view is the part of a Machine that only helpers need.
type view struct {
	Host    Host
	world   *World
	guests  guests
	scratch [2][]byte // what Alloc hands out: to write, and to read
	used    [2]int
	objects []any
	cpu     int
	tail    any   // the program that ErrTailCall leads to
	tails   int   // tail calls so far
	floor   int   // frames below those of the function that a helper has called
	home    *Code // the program that runs begin with, while another runs
	dirty   bool  // a run has left something to clean up
	slow    bool  // a helper is called by the readable engine
	ready   bool  // Prepare has been called for the next run
}

// scratchSize is how much memory helpers can hand out in a run, of each sort.
const scratchSize = 1 << 18

// Prepare makes the machine ready for its next run already, so that what Alloc and Handle give is there in it.
func (m *Machine) Prepare() {
	if m.dirty && !m.ready {
		m.clean()
	}
	m.ready, m.dirty = true, true
}

// begin begins a run after one that has left something to clean up, or after Prepare.
func (m *Machine) begin() {
	if !m.ready {
		m.clean()
	}
	m.ready, m.dirty = false, true
}

// clean makes the machine ready after a run that has used what most do not.
func (m *Machine) clean() {
	m.dirty, m.floor, m.tails, m.slow = false, 0, 0, false
	m.used = [2]int{}
	clear(m.objects)
	m.objects = m.objects[:0]
	m.guests.run++
	if m.home != nil {
		m.code, m.home = m.home, nil
		m.enterWorld(m.code.world)
		m.initNative()
	}
}

// trusts reports whether addresses are the host's.
func (m *Machine) trusts() bool { return m.code.native != nil && m.code.native.trusted }

// Map implements helper.Run.
func (m *Machine) Map(handle uint64) *bpfmap.Local {
	n := handle - mem.MapHandles
	if n%handleStep != 0 || n == 0 || n >= mem.GranuleSize {
		return nil
	}
	l, _ := m.mapNumber(int(n/handleStep) - 1)
	return l
}

// MapHandle implements helper.Run.
func (m *Machine) MapHandle(l *bpfmap.Local) (uint64, error) {
	m.dirty = true
	n, err := m.number(l)
	return Handle(n), err
}

// MapAddr implements helper.Run.
func (m *Machine) MapAddr(l *bpfmap.Local, off int) (uint64, error) {
	if m.trusts() {
		return uint64(uintptr(unsafe.Pointer(&l.Memory()[off]))), nil
	}
	for i, o := range m.world.maps {
		if o == l {
			return uint64(m.world.addrs[i]) + uint64(off), nil
		}
	}
	m.dirty = true
	n, err := m.number(l)
	if err != nil {
		return 0, err
	}
	_, addr := m.mapNumber(n)
	return uint64(addr) + uint64(off), nil
}

// MapAt implements helper.Run.
func (m *Machine) MapAt(addr uint64) (*bpfmap.Local, int) {
	for n := 0; ; n++ {
		l, base := m.mapNumber(n)
		if l == nil {
			return nil, 0
		}
		start := uint64(base)
		memory := l.Memory()
		if m.trusts() {
			start = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(memory))))
		}
		if addr-start < uint64(len(memory)) {
			return l, int(addr - start)
		}
	}
}

// Alloc implements helper.Run.
func (m *Machine) Alloc(n int, writable bool) (uint64, []byte, error) {
	m.dirty = true
	sort, base := 0, uint32(mem.Scratch)
	if !writable {
		sort, base = 1, mem.ReadOnlyScratch
	}
	used := m.used[sort]
	if n < 0 || n > scratchSize-used {
		return 0, nil, fmt.Errorf("%w: more than %d bytes of memory from helpers in one run", ErrNotSupported, scratchSize)
	}
	if m.scratch[sort] == nil {
		m.scratch[sort] = make([]byte, scratchSize)
		if err := m.Space.Map(base, m.scratch[sort], writable); err != nil {
			return 0, nil, err
		}
	}
	m.used[sort] = used + (n+7)&^7
	b := m.scratch[sort][used : used+n : used+n]
	clear(b)
	if m.trusts() {
		return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))), b, nil
	}
	return uint64(base) + uint64(used), b, nil
}

// Handle implements helper.Run.
func (m *Machine) Handle(object any) (uint64, error) {
	m.dirty = true
	if len(m.objects) == maxHandles-1 {
		return 0, fmt.Errorf("%w: more than %d objects in one run", ErrNotSupported, maxHandles-1)
	}
	m.objects = append(m.objects, object)
	return mem.Handles + handleStep*uint64(len(m.objects)), nil
}

// Object implements helper.Run.
func (m *Machine) Object(handle uint64) any {
	n := handle - mem.Handles
	if n%handleStep != 0 || n == 0 || n/handleStep > uint64(len(m.objects)) {
		return nil
	}
	return m.objects[n/handleStep-1]
}

// CPU implements helper.Run.
func (m *Machine) CPU() int {
	if env := m.Call.Env; m.world.cpus == 0 && env.CPU != nil {
		return int(env.CPU())
	}
	return m.cpu
}

// The packet and what else the host of the run knows.

// ProgramType implements helper.Run.
func (m *Machine) ProgramType() spec.ProgramType { return m.Host.ProgramType() }

// AttachType implements helper.Run.
func (m *Machine) AttachType() uint32 { return m.Host.AttachType() }

// ProgramLicense implements helper.Run.
func (m *Machine) ProgramLicense() string { return m.Host.ProgramLicense() }

// Context implements helper.Run.
func (m *Machine) Context() []byte { return m.Host.Context() }

// PacketData implements helper.Run.
func (m *Machine) PacketData() ([]byte, int) { return m.Host.PacketData() }

// AdjustPacket implements helper.Run.
func (m *Machine) AdjustPacket(front, back, meta int) error {
	return m.Host.AdjustPacket(front, back, meta)
}

// PacketAddr implements helper.Run.
func (m *Machine) PacketAddr() uint64 {
	data, meta := m.Host.PacketData()
	if m.trusts() {
		return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(data)))) + uint64(meta)
	}
	return mem.Data + uint64(meta)
}

// PacketFront implements helper.Run.
func (m *Machine) PacketFront() int { return m.Host.PacketFront() }
