// Implements states: the registers and stacks of all frames at some point of a path, and what it holds.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// byteKind is what a byte of the stack holds.
type byteKind uint8

const (
	byteInvalid byteKind = iota // nothing that can be read
	byteSpill                   // a part of the register that the slot's reg tells of
	byteMisc                    // a number
	byteZero                    // zero
	byteDynptr                  // a part of a dynptr
	byteIter                    // a part of an iterator
	byteIRQ                     // a part of a saved state of interrupts
)

// slot is eight bytes of the stack. Byte 0 is that of the highest address.
type slot struct {
	bytes [8]byteKind
	reg   reg
}

// maxFrames is how many functions can be active at once, maxStack how many bytes of stack they can have together.
const (
	maxFrames = 8
	maxStack  = 512
)

// frame is an active function.
type frame struct {
	regs     [isa.NumRegisters]reg
	stack    []slot // slot n is the bytes from R10-8(n+1) on
	callsite ir.Index
	fn       int // number of the function
	callback *helper.Callback
	depth    int  // how often the callback has been walked through
	async    bool // called after the program has ended
}

// reference is something that the program must release, or a state that it must leave.
type reference struct {
	kind refKind
	id   uint32
	at   ir.Index // where it was acquired
	obj  uint32   // of a lock: the identity of the memory
}

type refKind uint8

const (
	refObject refKind = iota
	refLock
	refRCU
	refPreempt
	refIRQ
)

// state is a point of a path.
type state struct {
	frames []*frame
	refs   []reference

	parent   *state // the checkpoint before
	branches int    // paths from here that have not ended
	at       ir.Index
	first    ir.Index // the first instruction since parent
	last     ir.Index // the last instruction before
	history  []jump   // since parent

	mayGoto  int // how often may_goto has gone on
	unrolled int // how often a callback was walked into

	// Of each frame, which slots paths from this checkpoint have read, which were written since it, and whether
	// the frame began since it.
	read, written [maxFrames]uint64
	fresh         uint8

	saved   bool // a checkpoint
	inLoop  bool // some path from here has come back here by a loop that converges
	hits    int32
	misses  int32
	dropped bool
	wrong   bool // a path from here has gone wrong
}

func (s *state) top() *frame { return s.frames[len(s.frames)-1] }

func (s *state) regs() *[isa.NumRegisters]reg { return &s.top().regs }

func (s *state) depth() int { return len(s.frames) - 1 }

// pool keeps memory for use again.
type pool struct {
	frames []*frame
	states []*state
	kept   [][]*state // of each instruction

	// Of each instruction, one element: see verifier, findLive, structure and longest.
	rows       []*isa.Row
	marks      []marks
	live       []ir.Regs
	uses, defs []ir.Regs
	mapAt      []int32
	mapRef     []int32
	onPath     []bool
	length     []uint64
	done       []uint8
	path       []visit
}

// fresh returns n elements of a buffer, zeroed.
func fresh[T any](buf *[]T, n int) []T {
	if cap(*buf) < n {
		*buf = make([]T, n)
		return *buf
	}
	*buf = (*buf)[:n]
	clear(*buf)
	return *buf
}

// lists returns n empty lists of states.
func (p *pool) lists(n int) [][]*state {
	for len(p.kept) < n {
		p.kept = append(p.kept, nil)
	}
	return p.kept[:n]
}

// forget lets go of what belongs to the program.
func (p *pool) forget() {
	clear(p.rows)
	if len(p.kept) > maxPooled {
		p.kept = p.kept[:maxPooled:maxPooled]
	}
}

func (p *pool) frame() *frame {
	if n := len(p.frames); n > 0 {
		f := p.frames[n-1]
		p.frames = p.frames[:n-1]
		return f
	}
	return &frame{}
}

func (p *pool) copyFrame(f *frame) *frame {
	out := p.frame()
	stack := append(out.stack[:0], f.stack...)
	*out = *f
	out.stack = stack
	return out
}

func (p *pool) dropFrame(f *frame) {
	f.callback = nil
	p.frames = append(p.frames, f)
}

// state returns an empty state.
func (p *pool) state() *state {
	n := len(p.states)
	if n == 0 {
		return &state{}
	}
	out := p.states[n-1]
	p.states = p.states[:n-1]
	*out = state{frames: out.frames[:0], refs: out.refs[:0], history: out.history[:0]}
	return out
}

// copy returns a copy of what s holds, without its history.
func (p *pool) copy(s *state) *state {
	out := p.state()
	for _, f := range s.frames {
		out.frames = append(out.frames, p.copyFrame(f))
	}
	out.refs = append(out.refs, s.refs...)
	out.parent, out.at, out.first, out.last = s.parent, s.at, s.first, s.last
	out.mayGoto, out.unrolled = s.mayGoto, s.unrolled
	out.written, out.fresh = s.written, s.fresh
	return out
}

// drop gives a state back.
func (p *pool) drop(s *state) {
	for i := range s.history {
		s.history[i].linked = nil
	}
	for _, f := range s.frames {
		p.dropFrame(f)
	}
	s.frames = s.frames[:0]
	s.parent = nil
	p.states = append(p.states, s)
}

// eachReg calls f for every register of every frame, and every register on a stack.
func (s *state) eachReg(f func(*reg)) {
	for _, fr := range s.frames {
		for i := range fr.regs {
			f(&fr.regs[i])
		}
		for i := range fr.stack {
			if fr.stack[i].bytes[7] == byteSpill {
				f(&fr.stack[i].reg)
			}
		}
	}
}

// release takes a reference away and reports whether there was one.
func (s *state) release(id uint32) bool {
	i := slices.IndexFunc(s.refs, func(r reference) bool { return r.kind == refObject && r.id == id })
	if i < 0 {
		return false
	}
	s.refs = slices.Delete(s.refs, i, i+1)
	return true
}

// holding returns the last state of a kind that the program is in, or nil.
func (s *state) holding(k refKind) *reference {
	for i := len(s.refs) - 1; i >= 0; i-- {
		if s.refs[i].kind == k {
			return &s.refs[i]
		}
	}
	return nil
}

// markRead tells the checkpoints behind s, back to where the slots were written, that they were read.
func (s *state) markRead(frame int, slots uint64) {
	for slots &^= s.written[frame]; slots != 0 && s.fresh>>frame&1 == 0; slots &^= s.written[frame] {
		p := s.parent
		if p == nil || p.read[frame]&slots == slots {
			return
		}
		p.read[frame] |= slots
		s = p
	}
}

// markWritten notes that slots were wholly overwritten since the last checkpoint.
func (s *state) markWritten(frame int, slots uint64) { s.written[frame] |= slots }
