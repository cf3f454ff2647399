// Implements the address space: regions, and the check of every access against them.

package mem

import (
	"fmt"
	"unsafe"
)

// The places of the regions that every run has. What helpers and maps need goes to Free and above.
const (
	GranuleSize = 1 << 24

	Stack   = 1 << 24    // base address of the first stack frame
	Context = 2 << 24    // the context that R1 points to
	Data    = 0x10 << 24 // packet, or the memory given to a plain function
	Free    = 0x40 << 24 // first address of the memory of maps

	// Addresses at which there is no memory: they stand for maps, other objects, and functions of the program.
	MapHandles = 3 << 24
	Handles    = 4 << 24
	Functions  = 5 << 24

	// Memory that helpers hand out for the rest of a run, to write and to read.
	Scratch         = 6 << 24
	ReadOnlyScratch = 7 << 24

	// MaxData is the greatest size of the memory at Data, bytes.
	MaxData = Free - Data

	// FrameSize is the size of a stack frame in bytes (the kernel's MAX_BPF_STACK), Frames how many there
	// are (MAX_CALL_FRAMES).
	FrameSize = 512
	Frames    = 8

	granules = 1 << 32 / GranuleSize
)

// Granule is one 16 MiB step of the address space. N and W count from the granule's own start and may reach
// beyond its end, so that an access may cross into the next granule of the same region.
//
// An access of n bytes at address a may be a read if a-Base+n <= N, a write if a-Base+n <= W. That holds
// for every a, also those above 32 bits, since At takes the granule from bits 24 to 31 alone.
type Granule struct {
	P    unsafe.Pointer
	N    uint64 // bytes that can be read
	W    uint64 // bytes that can be written
	Base uint64 // address of the granule
}

// Ptr returns where the byte at address a is, which must have been checked.
func (g *Granule) Ptr(a uint64) unsafe.Pointer { return unsafe.Add(g.P, a-g.Base) }

// Space is an address space. It is not safe for concurrent use; the memory behind it may be shared.
type Space struct {
	g     [granules]Granule
	set   [Frames * FrameSize / 64]uint64 // a bit for each byte of stack: written since its frame was entered
	stack [Frames * FrameSize / 8]uint64  // words, so that it is aligned for atomics
	loose bool                            // stack bytes can be read before they are written
}

// Where machine code finds the granules, 256 in the order of their addresses, and the stack, in a Space.
const (
	GranulesOffset = unsafe.Offsetof(Space{}.g)
	StackOffset    = unsafe.Offsetof(Space{}.stack)
)

// Init makes the space ready: a stack with no frame in use and nothing else. If loose is set, stack bytes
// that the program has not written can be read: they are zero at first, and in frames that were used before
// in the same run what was left there. Otherwise reading them is a fault. A Space that was made ready must
// not be copied.
func (s *Space) Init(loose bool) {
	*s = Space{loose: loose}
	for i := range s.g {
		s.g[i].Base = uint64(i) * GranuleSize
	}
	if loose {
		for i := range s.set {
			s.set[i] = ^uint64(0)
		}
	}
}

// At returns the granule of address a. See Granule for how to check an access against it.
func (s *Space) At(a uint64) *Granule { return &s.g[a/GranuleSize%granules] }

// Marks returns the word that tells which of the 64 stack bytes around stack address a were written: bit
// a%64 is that of the byte at a.
func (s *Space) Marks(a uint64) *uint64 { return &s.set[a/64%uint64(len(s.set))] }

// OnStack reports whether addr lies in the granule of the stack.
func OnStack(addr uint64) bool { return addr/GranuleSize == Stack/GranuleSize }

// Map puts data at addr, which must be the start of a granule, in the place of what was in the granules it
// takes. Programs can write to it if writable is set. Empty data takes one granule and leaves nothing there.
func (s *Space) Map(addr uint32, data []byte, writable bool) error {
	first := int(addr / GranuleSize)
	count := Granules(len(data))
	if addr%GranuleSize != 0 || first == 0 || first+count > granules {
		return fmt.Errorf("%d bytes do not fit at guest address %#x", len(data), addr)
	}
	for n := 0; n < count; n++ {
		g := &s.g[first+n]
		g.P, g.N, g.W = nil, 0, 0
		if rest := data[min(n*GranuleSize, len(data)):]; len(rest) > 0 {
			g.P, g.N = unsafe.Pointer(&rest[0]), uint64(len(rest))
			if writable {
				g.W = g.N
			}
		}
	}
	return nil
}

// Unmap takes away a region of n bytes at addr.
func (s *Space) Unmap(addr uint32, n int) {
	first := int(addr / GranuleSize)
	for i := first; i < min(granules, first+Granules(n)); i++ {
		s.g[i].P, s.g[i].N, s.g[i].W = nil, 0, 0
	}
}

// Granules returns how many granules a region of n bytes takes.
func Granules(n int) int { return max(1, (n+GranuleSize-1)/GranuleSize) }

// Loosen makes the space one of those whose stack bytes can be read before they are written.
func (s *Space) Loosen() {
	s.loose = true
	for i := range s.set {
		s.set[i] = ^uint64(0)
	}
}

// Loose reports whether stack bytes can be read before they are written.
func (s *Space) Loose() bool { return s.loose }

// SetDepth makes n the number of frames in use: what was in them stays.
func (s *Space) SetDepth(n int) { s.setDepth(n) }

// Reset drops all stack frames and enters the first. frames is how many a run may enter, low the first byte of
// the stack that it may touch.
func (s *Space) Reset(low, frames int) {
	switch {
	case s.loose:
		clear(s.stack[low/8 : frames*FrameSize/8])
		if s.Depth() == 1 {
			return
		}
	case s.Depth() == 1: // as most runs leave it
		*(*[FrameSize / 64]uint64)(s.set[:]) = [FrameSize / 64]uint64{}
		return
	}
	s.setDepth(0)
	s.PushFrame()
}

// Depth returns the number of frames in use.
func (s *Space) Depth() int { return int(s.g[Stack/GranuleSize].N / FrameSize) }

// PushFrame enters a new stack frame and returns the address just above it (the value of R10), or 0 if there
// are no frames left.
func (s *Space) PushFrame() uint64 {
	depth := s.Depth() + 1
	if depth > Frames {
		return 0
	}
	s.setDepth(depth)
	if !s.loose {
		_, marks := s.Frame()
		*marks = [FrameSize / 64]uint64{}
	}
	return Stack + uint64(depth)*FrameSize
}

// PopFrame leaves the newest frame.
func (s *Space) PopFrame() { s.setDepth(s.Depth() - 1) }

func (s *Space) setDepth(n int) {
	g := &s.g[Stack/GranuleSize]
	if g.P == nil {
		g.P = unsafe.Pointer(&s.stack)
	}
	g.N = uint64(n) * FrameSize
	g.W = g.N
}

// Frame returns the memory of the newest frame and the set of its bytes that were written, bit by bit, for
// direct access. Both change with every PushFrame and PopFrame.
func (s *Space) Frame() (*[FrameSize]byte, *[FrameSize / 64]uint64) {
	at := s.Depth() - 1
	return (*[FrameSize]byte)(unsafe.Pointer(&s.stack[at*FrameSize/8])), (*[FrameSize / 64]uint64)(s.set[at*FrameSize/64:])
}

// Load returns a pointer to n bytes at addr if the program may read them, stack bytes having been written,
// or nil.
func (s *Space) Load(addr, n uint64) unsafe.Pointer {
	g := s.At(addr)
	if n > Free || addr-g.Base+n > g.N || g.Base == Stack && s.unwritten(addr, n) >= 0 {
		return nil
	}
	return g.Ptr(addr)
}

// Store returns a pointer to n bytes at addr if the program may write them, or nil. Stack bytes count as
// written from then on.
func (s *Space) Store(addr, n uint64) unsafe.Pointer {
	g := s.At(addr)
	if n > Free || addr-g.Base+n > g.W {
		return nil
	}
	if g.Base == Stack {
		for a := addr; a < addr+n; a++ {
			*s.Marks(a) |= 1 << (a % 64)
		}
	}
	return g.Ptr(addr)
}

// unwritten returns the offset from the stack's base of the first of n stack bytes at addr that was never
// written, or -1.
func (s *Space) unwritten(addr, n uint64) int {
	for a := addr; a < addr+n; a++ {
		if *s.Marks(a)>>(a%64)&1 == 0 {
			return int(a - Stack)
		}
	}
	return -1
}

// Bytes returns the n bytes at addr, for a helper to read or, with write, to change. It fails, with a
// *Fault, if the program itself might not do so.
func (s *Space) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	if n == 0 {
		return nil, nil
	}
	p := unsafe.Pointer(nil)
	switch {
	case n < 0:
	case write:
		p = s.Store(addr, uint64(n))
	default:
		p = s.Load(addr, uint64(n))
	}
	if p == nil {
		return nil, s.FaultAt(addr, n, write)
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// FaultAt says why the access of n bytes at addr, which was refused, is not allowed.
func (s *Space) FaultAt(addr uint64, n int, write bool) *Fault {
	f := &Fault{Code: OutOfBounds, Addr: addr, Size: n, Write: write}
	verb := "read"
	if write {
		verb = "write"
	}
	f.Text = fmt.Sprintf("%s of %d bytes at %#x: ", verb, n, addr)
	g := s.At(addr)
	readable := n > 0 && n <= Free && addr-g.Base+uint64(n) <= g.N
	switch {
	case readable && write:
		f.Code = ReadOnly
		f.Text += s.describe(addr) + ", which is read-only"
	case readable && OnStack(addr):
		f.Code = UninitStack
		f.Text += fmt.Sprintf("stack byte r10%+d was never written", s.unwritten(addr, uint64(n))-s.Depth()*FrameSize)
	default:
		f.Text += s.describe(addr)
	}
	return f
}

// describe says what is around an address.
func (s *Space) describe(addr uint64) string {
	g := s.At(addr)
	switch {
	case addr < 4096:
		return "a null pointer or a small number, no memory"
	case addr-Stack < GranuleSize:
		return fmt.Sprintf("outside the stack, r10%+d", int64(addr-Stack)-int64(s.Depth())*FrameSize)
	case Stack-addr <= GranuleSize:
		return fmt.Sprintf("outside the stack, %d bytes below its first frame", Stack-addr)
	case addr >= MapHandles && addr < Scratch:
		return [...]string{"what stands for a map", "what stands for an object", "a function"}[addr/GranuleSize-MapHandles/GranuleSize] + ", no memory"
	case g.P == nil || addr-g.Base >= GranuleSize:
		return "no memory there"
	}
	return fmt.Sprintf("%s of %d bytes, offset %d", regionName(addr), g.N, addr-g.Base)
}

func regionName(addr uint64) string {
	switch {
	case addr/GranuleSize == Context/GranuleSize:
		return "the context"
	case addr >= Data && addr < Free:
		return "the data"
	case addr >= Free:
		return "the map memory"
	}
	return "the memory region"
}
