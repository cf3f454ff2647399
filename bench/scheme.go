// Implements the loops of the table of sandbox schemes, in machine code.

//go:build linux && amd64

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"github.com/skepbpf/skep/internal/execmem"
	"github.com/skepbpf/skep/internal/jit/amd64"
	"github.com/skepbpf/skep/internal/jit/cabi"
	"github.com/skepbpf/skep/internal/mem"
	"github.com/skepbpf/skep/isa"
)

// scheme is a way to keep accesses inside a program's memory: how it loads 64 bits, and memory for it.
type scheme struct {
	name  string
	load  func(w *writer, dst, base amd64.Reg, off int32)
	place func() (*place, error)
	held  bool // where the data is, is held in a register
}

// place is memory that a program sees.
type place struct {
	data    []byte
	first   uint64 // the address of data, to the program
	machine uint64 // for the machine's register
	state   *state // what that points to, or nil
}

// state is what code finds at the machine's register: some of what package interp has there.
type state struct {
	fits  [4]uint64
	bias  uint64
	space mem.Space
}

var stateLayout = func() *amd64.Layout {
	var s state
	var g mem.Granule
	l := &amd64.Layout{
		DataBase:     mem.Data,
		Granules:     int32(unsafe.Offsetof(s.space) + mem.GranulesOffset),
		GranulePtr:   int32(unsafe.Offsetof(g.P)),
		GranuleRead:  int32(unsafe.Offsetof(g.N)),
		GranuleWrite: int32(unsafe.Offsetof(g.W)),
		GranuleBase:  int32(unsafe.Offsetof(g.Base)),
	}
	l.Slots[amd64.DataBias] = int32(unsafe.Offsetof(s.bias))
	for i := range l.DataFits {
		l.DataFits[i] = int32(8 * i)
	}
	return l
}()

// The guest addresses of memory: where the guess is right, and where it is wrong.
const (
	theData   = mem.Data
	elsewhere = mem.Free
)

const page = 4096

func hostPlace() (*place, error) {
	data, err := syscall.Mmap(-1, 0, page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return &place{data: data, first: uint64(uintptr(unsafe.Pointer(&data[0])))}, nil
}

func guestPlace(addr uint32) func() (*place, error) {
	return func() (*place, error) {
		p, err := hostPlace()
		if err != nil {
			return nil, err
		}
		host := p.first
		p.first, p.state = uint64(addr), &state{bias: host - mem.Data}
		p.machine = uint64(uintptr(unsafe.Pointer(p.state))) // the collector does not move it
		for i := range p.state.fits {
			p.state.fits[i] = page + 1 - 1<<i
		}
		p.state.space.Init(true)
		return p, p.state.space.Map(addr, p.data, true)
	}
}

// The region begins with memory that nobody may touch, where offsets of 16 bits may lead, and ends so. The
// program's memory does not begin at address 0.
const (
	guard    = 1 << 16
	inRegion = 1 << 16
)

// region reserves a region of 4 GiB and returns the part of it that can be used, some pages at inRegion.
var region = sync.OnceValues(func() ([]byte, error) {
	all, err := syscall.Mmap(-1, 0, guard+1<<32+guard, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("a region of 4 GiB: %w", err)
	}
	part := all[guard+inRegion:][:16*page]
	return part, syscall.Mprotect(part, syscall.PROT_READ|syscall.PROT_WRITE)
})

func regionPlace() (*place, error) {
	part, err := region()
	if err != nil {
		return nil, err
	}
	return &place{data: part[:page], first: inRegion, machine: uint64(uintptr(unsafe.Pointer(&part[0]))) - inRegion}, nil
}

// words is how many words the memory has, and steps how many a chase goes, which is not as many, so that it
// ends at another place each time.
const (
	words = page / 8
	steps = words - 1
)

// fill makes the words a ring: each is the address of another, in an order that is random but always the same.
func (p *place) fill() {
	order := rand.New(rand.NewPCG(1, 2)).Perm(words)
	for i, at := range order {
		binary.LittleEndian.PutUint64(p.data[8*at:], p.first+uint64(8*order[(i+1)%words]))
	}
}

// word returns the word at an address.
func (p *place) word(addr uint64) uint64 { return binary.LittleEndian.Uint64(p.data[addr-p.first:]) }

// loop is one of the loops: what it is in machine code, and what it is to return after some times.
type loop struct {
	write  func(w *writer, s *scheme)
	result func(p *place, times int) uint64
}

var (
	sumLoop   = loop{writeSum, resultOfSum}
	chaseLoop = loop{writeChase, resultOfChase}
)

// compile returns a loop that runs n times. It has given the right result.
func (s *scheme) compile(l loop) (func(n int), error) {
	w := &writer{Guest: amd64.Guest{Code: amd64.NewCode(maxLabels), L: stateLayout, Map: &amd64.SandboxMap}}
	w.Pinned[amd64.DataBias], w.Pin[amd64.DataBias] = s.held, amd64.RBX
	for done := false; !done; done = w.Settled() {
		w.Restart()
		w.function(s, l)
	}
	code, err := execmem.New(w.Bytes(), nil)
	if err != nil {
		return nil, err
	}
	p, err := s.place()
	if err != nil {
		return nil, err
	}
	p.fill()
	run := func(n int) uint64 {
		r := cabi.Call(code.Addr(), p.first, p.first+page, uint64(n), p.machine)
		runtime.KeepAlive(p)
		return r
	}
	const times = 3
	if got, want := run(times), l.result(p, times); got != want {
		return nil, fmt.Errorf("the loop returns %#x, not %#x", got, want)
	}
	return func(n int) { run(n) }, nil
}

// The loops are functions of the memory's first address, that behind its end, how often to go through it, and
// what belongs into the machine's register, which Go does not expect to be kept, nor RBX. They return 0 if an
// access is not allowed.
const (
	argFirst, argEnd, argTimes, argMachine = amd64.RDI, amd64.RSI, amd64.RDX, amd64.RCX
	counter, value, second                 = amd64.RCX, amd64.R8, amd64.R9
)

// writer writes the loops.
type writer struct {
	amd64.Guest
	late []func() // write what is seldom reached, behind the rest
	next amd64.Label
}

const (
	again amd64.Label = iota // the next time
	turn                     // the next turn of the loop
	slow                     // an access is not allowed
	firstLabel

	maxLabels = 64
)

// label returns a new label.
func (w *writer) label() amd64.Label {
	w.next++
	return w.next - 1
}

// function writes a function of a loop.
func (w *writer) function(s *scheme, l loop) {
	w.late, w.next = nil, firstLabel
	w.Mov(true, amd64.Machine, argMachine)
	w.LoadPins()
	w.MovImm(amd64.RAX, 0)
	l.write(w, s)
	w.ALUImm(isa.FnSub, true, argTimes, 1)
	w.JumpIfImm(isa.FnNe, true, argTimes, 0, again)
	w.Return()
	for _, f := range w.late {
		f()
	}
	w.Bind(slow)
	w.MovImm(amd64.RAX, 0)
	w.Return()
}

// unrolled is how many words a turn of the sum adds up, to two sums in turn.
const unrolled = 8

func writeSum(w *writer, s *scheme) {
	w.Bind(again)
	w.Mov(true, counter, argFirst)
	w.MovImm(second, 0)
	w.Align(32)
	w.Bind(turn)
	for i := range int32(unrolled) {
		s.load(w, value, counter, 8*i)
		w.ALU(isa.FnAdd, true, []amd64.Reg{amd64.RAX, second}[i%2], value)
	}
	w.ALUImm(isa.FnAdd, true, counter, 8*unrolled)
	w.JumpIf(isa.FnNe, true, counter, argEnd, turn)
	w.ALU(isa.FnAdd, true, amd64.RAX, second)
}

func resultOfSum(p *place, times int) (sum uint64) {
	for i := range uint64(words) {
		sum += p.word(p.first + 8*i)
	}
	return sum * uint64(times)
}

func writeChase(w *writer, s *scheme) {
	w.Mov(true, amd64.RAX, argFirst)
	w.Bind(again)
	w.MovImm(counter, steps)
	w.Align(32)
	w.Bind(turn)
	s.load(w, amd64.RAX, amd64.RAX, 0)
	w.ALUImm(isa.FnSub, true, counter, 1)
	w.JumpIfImm(isa.FnNe, true, counter, 0, turn)
}

func resultOfChase(p *place, times int) uint64 {
	at := p.first
	for range steps * times {
		at = p.word(at)
	}
	return at
}

func loadUnchecked(w *writer, dst, base amd64.Reg, off int32) { w.Load(64, false, dst, base, off) }

func loadInRegion(w *writer, dst, base amd64.Reg, off int32) {
	w.Mov(false, amd64.R11, base)
	w.LoadMem(64, false, dst, amd64.Mem{Base: amd64.Machine, Index: amd64.R11, Scale: 1, Off: off})
}

func loadChecked(w *writer, dst, base amd64.Reg, off int32) {
	w.LoadMem(64, false, dst, w.Checked(false, 64, base, off, slow))
}

// loadGuessed is what Skep's compiler writes where it knows nothing about a register.
func loadGuessed(w *writer, dst, base amd64.Reg, off int32) {
	miss, behind := w.label(), w.label()
	w.late = append(w.late, func() {
		w.Bind(miss)
		loadChecked(w, dst, base, off)
		w.Jump(behind)
	})
	w.LoadMem(64, false, dst, w.InData(64, base, off, miss))
	w.Bind(behind)
}
