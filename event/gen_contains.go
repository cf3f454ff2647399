// Implements the code that looks for a text in another.

package event

import (
	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// contains looks for s, which is not empty, in a text, which it drops. Where registers suffice it looks at eight places
// at a time, as long as the text goes.
func (g *gen) contains(t text, s string, w ways) {
	g.atLeast(t, len(s), w.f)
	if !g.live {
		g.drop(t)
		return
	}
	end := g.address(t) // of the last place
	g.addSize(end, t)
	g.op(isa.Add64Imm, end, 0, 0, int32(-len(s)))
	if !t.fixed {
		g.release(t.size)
	}
	p := g.start(t)
	f := &finder{g: g, s: s, w: w, p: p, end: end, word: g.alloc(), k: g.alloc(), spare: g.alloc()}
	if g.free() >= 2 && (!t.fixed || t.room >= len(s)+7) {
		f.eight()
	} else {
		f.one()
	}
	g.release(p, end, f.word, f.k, f.spare)
}

// free returns how many registers nobody holds.
func (g *gen) free() (n int) {
	for _, r := range g.pool() {
		if g.regs[r].held == 0 {
			n++
		}
	}
	return n
}

// finder looks for a text. p is the place, end the last one that there is.
type finder struct {
	g                      *gen
	s                      string
	w                      ways
	p, end, word, k, spare reg
}

// one looks at one place after the other: for the first word, then for the rest.
func (f *finder) one() {
	g, size := f.g, 8
	for size > len(f.s) {
		size /= 2
	}
	g.constant(f.k, chunk{0, size}.of(f.s))
	found, next := g.c.Label(), g.c.Label()
	loop := g.head()
	g.op(loads[log(size)][0], f.word, f.p, 0, 0)
	g.ifReg(emit.Eq, f.word, f.k, found)
	g.bind(next)
	g.op(isa.Add64Imm, f.p, 0, 0, 1)
	g.back(emit.Le, f.p, f.end, loop)
	g.goTo(f.w.f)
	g.bind(found)
	f.rest(chunk{0, size}, next)
	g.end(f.w.t, f.w.fall)
}

// rest compares what is at the place, but for one chunk, with the text, and goes back to next if it differs.
func (f *finder) rest(but chunk, next emit.Label) {
	g := f.g
	for _, c := range chunks(len(f.s)) {
		if c == but {
			continue
		}
		g.op(loads[log(c.size)][0], f.word, f.p, c.off, 0)
		g.constant(f.spare, c.of(f.s))
		g.back(emit.Ne, f.word, f.spare, next)
	}
}

// Words of eight bytes 1, and of eight bytes with the highest bit.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// eight looks for the first and the last byte of the text at eight places at a time: the bytes of a word in which both
// are as they should be become 0, and a word less all ones has a top bit that it had not where there was a 0. Where there
// may be one, the places are looked at one after the other. The last eight places may overlap those before.
func (f *finder) eight() {
	g, last := f.g, len(f.s)-1
	first, behind := g.alloc(), g.alloc()
	loop, over, few, found, next := g.c.Label(), g.c.Label(), g.c.Label(), g.c.Label(), g.c.Label()
	word, k, spare, p, end := f.word, f.k, f.spare, f.p, f.end
	g.op(isa.Add64Imm, end, 0, 0, -7) // of the last eight places
	g.ifReg(emit.Gt, p, end, few)
	g.constant(first, uint64(f.s[0])*ones)
	g.constant(behind, uint64(f.s[last])*ones)
	g.constant(k, ones)
	g.c.Bind(loop)
	g.loops = true
	g.op(isa.Ldx64, word, p, 0, 0)
	g.op(isa.Xor64Reg, word, first, 0, 0)
	if last > 0 {
		g.op(isa.Ldx64, spare, p, last, 0)
		g.op(isa.Xor64Reg, spare, behind, 0, 0)
		g.op(isa.Or64Reg, word, spare, 0, 0)
	}
	g.op(isa.Mov64Reg, spare, word, 0, 0)
	g.op(isa.Sub64Reg, spare, k, 0, 0)
	g.op(isa.Xor64Imm, word, 0, 0, -1)
	g.op(isa.And64Reg, word, spare, 0, 0)
	g.constant(spare, tops)
	g.ifReg(emit.Set, word, spare, found)
	g.c.Bind(next)
	g.op(isa.Add64Imm, p, 0, 0, 8)
	g.back(emit.Le, p, end, loop)
	g.op(isa.Mov64Reg, spare, p, 0, 0)
	g.op(isa.Add64Imm, spare, 0, 0, -8)
	g.ifReg(emit.Eq, spare, end, over) // these were the last
	g.op(isa.Mov64Reg, p, end, 0, 0)
	g.jumpBack(loop)
	g.bind(over)
	g.goTo(f.w.f)

	g.bind(found)
	f.among(first, behind, next)
	g.release(first, behind)

	g.bind(few)
	g.op(isa.Add64Imm, end, 0, 0, 7)
	f.one()
}

// among looks at the eight places from p on one by one, and then goes on to next, with p as it was.
func (f *finder) among(first, behind reg, next emit.Label) {
	g := f.g
	g.op(isa.Mov64Reg, first, f.p, 0, 0)
	g.op(isa.Mov64Reg, behind, f.p, 0, 0)
	g.op(isa.Add64Imm, behind, 0, 0, 7)
	wrong := g.c.Label()
	loop := g.head()
	f.rest(chunk{}, wrong)
	g.goTo(f.w.t)
	g.c.Bind(wrong)
	g.live = true
	g.op(isa.Add64Imm, f.p, 0, 0, 1)
	g.back(emit.Le, f.p, behind, loop)
	g.op(isa.Mov64Reg, f.p, first, 0, 0)
	g.constant(behind, uint64(f.s[len(f.s)-1])*ones)
	g.constant(first, uint64(f.s[0])*ones)
	g.jumpBack(next)
}
