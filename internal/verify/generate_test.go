// Implements the generator of programs that are compared with the kernel's verdict: what it knows while it writes one.

package verify

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// heldKind is what the generator believes a register to hold.
type heldKind uint8

const (
	nothing  heldKind = iota
	number            // of which max is the greatest value, if it is not negative
	context           // the program's
	memory            // size bytes may be accessed
	nullable          // memory, or null
	end               // the packet's
	socket            // a socket that can be read
)

// where memory is.
type where uint8

const (
	inStack where = iota
	inPacket
	inValue
	inRecord
	inKey
)

type held struct {
	kind     heldKind
	max      int
	size     int
	where    where
	readOnly bool
	m        int // map of a value
}

// gen builds one program. It keeps in mind what registers and a part of the stack hold, so that most programs are
// accepted; now and then it is careless.
type gen struct {
	rng    *rand.Rand
	typ    progtype.Type
	attach spec.AttachType
	strict bool
	code   []isa.Instruction
	p      *spec.Program
	maps   []spec.Map

	wild   int // one in so many choices is careless; 0: none
	budget int
	depth  int
	loops  int // that the statement is in
	held   int // references and locks that are held
	extras []func(g *gen)

	argMap, argSize int // of the helper call under way

	regs   [11]held
	stk    [8]held // slot n is at -8(n+1)
	frozen uint16  // registers that must stay as they are

	leaves    []int // jumps to the end of the function
	functions []*function
	inside    *function // what is written now, nil: the main function
	nested    int       // functions between the main one and this
}

// function is a function to be written later.
type function struct {
	params [5]held
	refs   []int // calls and wide loads that refer to it
	lo, hi int32 // results it must have, if it is a callback
	back   bool
	depth  int
	start  int
}

func (g *gen) emit(in ...isa.Instruction) { g.code = append(g.code, in...) }

func (g *gen) pick(n int) int { return g.rng.IntN(n) }

func (g *gen) one(n int) bool { return g.rng.IntN(n) == 0 }

// careless reports whether to do something that is likely to be wrong.
func (g *gen) careless() bool { return g.wild > 0 && g.rng.IntN(g.wild) == 0 }

func choose[T any](g *gen, of ...T) T { return of[g.pick(len(of))] }

var edges = []int32{0, 1, -1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 255, 256, 0x7fff, 0xffff, 0x7fffffff, -0x80000000, -8, -16, -64, 100}

func (g *gen) imm() int32 {
	switch g.pick(3) {
	case 0:
		return choose(g, edges...)
	case 1:
		return int32(g.pick(64))
	}
	return int32(g.rng.Uint32()) >> g.pick(32)
}

func (g *gen) isFrozen(r isa.Register) bool { return g.frozen>>r&1 != 0 }

// scratch is a register that may be written.
func (g *gen) scratch() isa.Register {
	if g.careless() {
		return isa.Register(g.pick(10))
	}
	for range 12 {
		r := choose(g, isa.R0, isa.R1, isa.R2, isa.R3, isa.R4, isa.R5, isa.R7, isa.R8, isa.R9)
		if k := g.regs[r].kind; !g.isFrozen(r) && (k == number || k == nothing || g.one(6)) {
			return r
		}
	}
	for r := range isa.R10 {
		if !g.isFrozen(r) {
			return r
		}
	}
	return isa.R0
}

// saved is a register that calls leave alone.
func (g *gen) saved() isa.Register {
	for range 6 {
		r := choose(g, isa.R7, isa.R8, isa.R9)
		if k := g.regs[r].kind; !g.isFrozen(r) && (k == number || k == nothing || g.one(3)) {
			return r
		}
	}
	return g.scratch()
}

// set notes what a register holds.
func (g *gen) set(r isa.Register, h held) { g.regs[r] = h }

func unknown() held { return held{kind: number, max: -1} }

// with returns the registers that hold something of a kind.
func (g *gen) with(k heldKind, fits func(h *held) bool) []isa.Register {
	var out []isa.Register
	for r := range isa.R10 {
		if g.regs[r].kind == k && (fits == nil || fits(&g.regs[r])) {
			out = append(out, r)
		}
	}
	return out
}

// num is a register that holds a number.
func (g *gen) num() isa.Register {
	if g.careless() {
		return isa.Register(g.pick(11))
	}
	all := g.with(number, nil)
	if len(all) == 0 || g.one(20) {
		r := g.scratch()
		g.constant(r, g.imm())
		return r
	}
	return choose(g, all...)
}

// change is a register that holds a number and may be written.
func (g *gen) change() isa.Register {
	for range 8 {
		if r := g.num(); !g.isFrozen(r) && r != isa.R10 {
			return r
		}
	}
	r := g.scratch()
	g.constant(r, g.imm())
	return r
}

func (g *gen) constant(r isa.Register, n int32) {
	h := unknown()
	if n >= 0 {
		h.max = int(n)
	}
	g.emit(isa.Mov64Imm.Make(r, 0, 0, n))
	g.set(r, h)
}

func (g *gen) copyReg(dst, src isa.Register) {
	g.emit(isa.Mov64Reg.Make(dst, src, 0, 0))
	g.set(dst, g.regs[src])
}

// fresh writes a number to a register of which nothing is known, from the context where that is possible.
func (g *gen) fresh(r isa.Register) {
	if c := g.with(context, nil); len(c) > 0 && g.typ.Layout() != nil {
		if f, ok := g.field(false); ok {
			size := g.fieldSize(f, false)
			g.emit(sizeOf(size).ld.Make(r, c[0], int16(f.Off), 0))
			g.set(r, unknown())
			return
		}
	}
	if g.strict || g.one(2) {
		g.constant(r, g.imm())
		return
	}
	g.emit(isa.Ldx64.Make(r, isa.R10, int16(-72-8*g.pick(4)), 0)) // nobody has written there
	g.set(r, unknown())
}

// snapshot is what is known at some place.
type snapshot struct {
	regs [11]held
	stk  [8]held
}

func (g *gen) snap() snapshot { return snapshot{g.regs, g.stk} }

func (g *gen) restore(s snapshot) { g.regs, g.stk = s.regs, s.stk }

// merge keeps what holds here and there.
func (g *gen) merge(s snapshot) {
	for r := range g.regs {
		g.regs[r] = join(g.regs[r], s.regs[r])
	}
	for n := range g.stk {
		g.stk[n] = join(g.stk[n], s.stk[n])
	}
}

func join(a, b held) held {
	switch {
	case a == b:
		return a
	case a.kind == number && b.kind == number:
		if a.max < 0 || b.max < 0 {
			return unknown()
		}
		a.max = max(a.max, b.max)
		return a
	case a.kind == memory && b.kind == memory && a.where == b.where && a.m == b.m:
		a.size, a.readOnly = min(a.size, b.size), a.readOnly || b.readOnly
		return a
	}
	return held{}
}

// land makes the jump at an instruction go to here.
func (g *gen) land(at int) { g.code[at].Off = int16(len(g.code) - at - 1) }

// leave emits a jump that leaves the function, and goes on if it is not taken. Where that must not be, it jumps over
// what comes until done is called.
func (g *gen) leave(in isa.Instruction) (done func()) {
	at := len(g.code)
	g.emit(in)
	if g.held == 0 && !g.one(4) {
		g.leaves = append(g.leaves, at)
		return func() {}
	}
	s := g.snap()
	return func() {
		g.land(at)
		g.merge(s)
	}
}

// must emits a jump that leaves the function, where nothing is held.
func (g *gen) must(in isa.Instruction) {
	g.leaves = append(g.leaves, len(g.code))
	g.emit(in)
}

// other is a register that may be written and is none of those given.
func (g *gen) other(rs ...isa.Register) isa.Register {
	frozen := g.frozen
	for _, r := range rs {
		g.frozen |= 1 << r
	}
	r := g.scratch()
	g.frozen = frozen
	return r
}

// called forgets what a call makes unreadable.
func (g *gen) called() {
	for r := isa.R0; r <= isa.R5; r++ {
		g.set(r, held{})
	}
}

func (g *gen) helperCall(name string) {
	id, ok := helper.ID(name)
	if !ok {
		panic(name)
	}
	g.emit(isa.Call.Make(0, 0, 0, id))
	g.called()
	g.set(0, unknown())
}

func (g *gen) kfunc(name string) {
	g.p.Calls = append(g.p.Calls, spec.CallRef{Insn: len(g.code), Helper: name})
	g.emit(isa.CallKfunc.Make(0, 0, 0, 0))
	g.called()
	g.set(0, unknown())
}

func (g *gen) may(name string) bool {
	need, ok := g.typ.MayCall(name, g.attach)
	return ok && (!g.strict || need != progtype.CapPerfmon)
}

// block emits statements.
func (g *gen) block(n int) {
	if g.depth > 4 {
		return
	}
	g.depth++
	for range n {
		if g.budget--; g.budget < 0 {
			break
		}
		g.statement()
	}
	g.depth--
}

// exit emits the end of a function, and where jumps that leave it go.
func (g *gen) exit() {
	lo, hi, bounded := int32(0), int32(1), g.inside == nil || g.inside.back
	if g.inside == nil {
		if r, ok := g.typ.Range(g.attach); ok {
			lo, hi = r.Min, r.Max
		} else {
			bounded = false
		}
	} else {
		lo, hi = g.inside.lo, g.inside.hi
	}
	result := func() {
		switch r := g.with(number, nil); {
		case bounded && g.one(4) && hi > lo && len(r) > 0: // a number that was bounded
			s := choose(g, r...)
			g.emit(isa.Mov64Reg.Make(0, s, 0, 0), isa.And64Imm.Make(0, 0, 0, hi&^(hi>>1)|1&hi), isa.Add64Imm.Make(0, 0, 0, lo))
		case bounded:
			n := lo + int32(g.pick(int(hi-lo)+1))
			if g.careless() {
				n = g.imm()
			}
			g.emit(isa.Mov64Imm.Make(0, 0, 0, n))
		case len(r) > 0 && g.one(2):
			g.emit(isa.Mov64Reg.Make(0, choose(g, r...), 0, 0))
		default:
			g.emit(isa.Mov64Imm.Make(0, 0, 0, g.imm()))
		}
	}
	result()
	g.emit(isa.Exit.Make(0, 0, 0, 0))
	if len(g.leaves) > 0 {
		for _, at := range g.leaves {
			g.land(at)
		}
		g.regs = [11]held{}
		result()
		g.emit(isa.Exit.Make(0, 0, 0, 0))
	}
	g.leaves = nil
}
