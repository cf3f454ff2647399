// Implements the code of texts: where they are, and comparing them with constants.

package event

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/skepbpf/skep/emit"
	"github.com/skepbpf/skep/isa"
)

// text is a text that is somewhere: off bytes from the address in a register, with a size in another or a fixed one.
type text struct {
	at    reg
	off   int
	size  reg
	fixed bool // it has room bytes
	room  int
	nul   bool // it ends at the first NUL, if there is one before its size is reached
	field int
}

// drop gives the registers of a text back.
func (g *gen) drop(t text) {
	g.release(t.at)
	if !t.fixed {
		g.release(t.size)
	}
}

// textOf returns where a text is.
func (g *gen) textOf(n *node, e emit.Label) text {
	if n.op == opConst {
		t := text{at: g.alloc(), fixed: true, room: len(n.val.s), field: -1}
		if g.live {
			g.c.Table(t.at, []byte(n.val.s))
		}
		return t
	}
	if n.op != opField {
		g.err = fail(n, "a text that is neither a field nor a constant")
		return text{at: g.alloc(), fixed: true}
	}
	t := g.text(&g.s.Fields[n.field], e)
	if n.raw {
		t.nul = false
	}
	if n.trim {
		if t.fixed {
			t.room--
			return t
		}
		g.ifConst(emit.Eq, t.size, 0, e)
		t.size = g.take(t.size)
		g.op(isa.Add64Imm, t.size, 0, 0, -1)
	}
	return t
}

// text returns where a field's text is; it goes to e if that is outside the record.
func (g *gen) text(f *Field, e emit.Label) text {
	n := slices.IndexFunc(g.s.Fields, func(o Field) bool { return o.Name == f.Name })
	t := text{field: n}
	switch f.Form {
	case InPlace, CString:
		t.at, t.off, t.fixed, t.room, t.nul = g.base(f, e), f.Offset, true, f.Size, f.Form == CString
		return t
	case DataLoc, RelLoc:
		t.nul = true
	}
	at, ok := g.cached(key{textAt, n})
	if ok {
		if size, ok := g.cached(key{textSize, n}); ok {
			t.at, t.size = at, size
			return t
		}
		g.release(at)
	}
	base := g.base(f, e)
	t.at, t.size = g.alloc(), g.alloc()
	switch f.Form {
	case goText:
		g.op(isa.Ldx64, t.size, base, f.Offset+8, 0)
		g.op(isa.Ldx64, t.at, base, f.Offset, 0)
	case Span:
		g.op(isa.Ldx32, t.at, base, f.Offset, 0)
		g.op(isa.Ldx32, t.size, base, f.Offset+4, 0)
	default:
		g.op(isa.Ldx16, t.at, base, f.Offset, 0)
		g.op(isa.Ldx16, t.size, base, f.Offset+2, 0)
	}
	if f.Form != goText {
		if f.Form == RelLoc {
			g.op(isa.Add64Imm, t.at, 0, 0, int32(f.Offset+4))
		}
		end := g.copyOf(t.at)
		g.op(isa.Add64Reg, end, t.size, 0, 0)
		g.ifReg(emit.Gt, end, isa.R2, e)
		g.release(end)
		g.op(isa.Add64Reg, t.at, isa.R1, 0, 0)
	}
	g.release(base)
	g.keep(t.at, key{textAt, n})
	g.keep(t.size, key{textSize, n})
	return t
}

// measured returns a text without a NUL: its size is how long it is.
func (g *gen) measured(t text) text {
	if !t.nul {
		return t
	}
	out := text{at: t.at, off: t.off, field: t.field}
	if n, ok := g.cached(key{textLen, t.field}); ok {
		if !t.fixed {
			g.release(t.size)
		}
		out.size = n
		return out
	}
	p, end, b := g.address(t), g.alloc(), g.alloc()
	g.op(isa.Mov64Reg, end, p, 0, 0)
	g.addSize(end, t)
	done := g.c.Label()
	loop := g.head()
	g.ifReg(emit.Eq, p, end, done)
	g.op(isa.Ldx8, b, p, 0, 0)
	g.ifConst(emit.Eq, b, 0, done)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.jumpBack(loop)
	g.bind(done)
	g.release(end, b)
	g.op(isa.Sub64Reg, p, t.at, 0, 0)
	if t.off != 0 {
		g.op(isa.Add64Imm, p, 0, 0, int32(-t.off))
	}
	if !t.fixed {
		g.release(t.size)
	}
	out.size = g.keep(p, key{textLen, t.field})
	return out
}

// jumpBack jumps to a head.
func (g *gen) jumpBack(l emit.Label) {
	if g.live {
		g.c.Goto(l)
		g.live = false
	}
}

// address returns a register of its own with a text's address.
func (g *gen) address(t text) reg {
	p := g.copyOf(t.at)
	if t.off != 0 {
		g.op(isa.Add64Imm, p, 0, 0, int32(t.off))
	}
	return p
}

// addSize adds a text's size to a register.
func (g *gen) addSize(r reg, t text) {
	if t.fixed {
		if t.room != 0 {
			g.op(isa.Add64Imm, r, 0, 0, int32(t.room))
		}
		return
	}
	g.op(isa.Add64Reg, r, t.size, 0, 0)
}

// chunk is a piece of a constant text that is compared at once.
type chunk struct{ off, size int }

// chunks divides n bytes; pieces may overlap.
func chunks(n int) (out []chunk) {
	at := 0
	for ; n-at >= 8; at += 8 {
		out = append(out, chunk{at, 8})
	}
	rest := n - at
	switch {
	case rest == 0:
	case n >= 8:
		out = append(out, chunk{n - 8, 8})
	case rest >= 4:
		out = append(out, chunk{at, 4})
		if rest > 4 {
			out = append(out, chunk{n - 4, 4})
		}
	case rest >= 2:
		out = append(out, chunk{at, 2})
		if rest > 2 {
			out = append(out, chunk{n - 1, 1})
		}
	default:
		out = append(out, chunk{at, 1})
	}
	return out
}

func (c chunk) of(s string) uint64 {
	var b [8]byte
	copy(b[:], s[c.off:c.off+c.size])
	return binary.LittleEndian.Uint64(b[:])
}

// bytes goes to no unless the bytes at an address are those of s; the caller knows that they are there.
func (g *gen) bytes(at reg, off int, s string, no emit.Label) {
	if s == "" {
		return
	}
	r := g.alloc()
	for _, c := range chunks(len(s)) {
		g.op(loads[log(c.size)][0], r, at, off+c.off, 0)
		g.ifConst(emit.Ne, r, c.of(s), no)
	}
	g.release(r)
}

// maxText bounds constant texts: what fits the offsets of instructions.
const maxText = 16 << 10

// equal goes to t if a text is s, else to f.
func (g *gen) equal(x text, s string, w ways) {
	switch {
	case x.nul && strings.IndexByte(s, 0) >= 0, x.fixed && len(s) > x.room, x.fixed && !x.nul && len(s) != x.room:
		g.goTo(w.f)
		return
	case x.nul && x.fixed:
		if len(s) < x.room {
			s += "\x00"
		}
	case x.nul:
		g.ifConst(emit.Lt, x.size, uint64(len(s)), w.f)
		g.bytes(x.at, x.off, s, w.f)
		g.ifConst(emit.Eq, x.size, uint64(len(s)), w.t)
		g.bytes(x.at, x.off+len(s), "\x00", w.f)
		g.end(w.t, w.fall)
		return
	case !x.fixed:
		g.ifConst(emit.Ne, x.size, uint64(len(s)), w.f)
	}
	g.bytes(x.at, x.off, s, w.f)
	g.end(w.t, w.fall)
}

// compareText writes a comparison of two texts.
func (g *gen) compareText(n *node, w ways) {
	x, y := n.args[0], n.args[1]
	if y.op == opConst && n.cmp <= NotEqual && len(y.val.s) <= maxText {
		t := g.textOf(x, w.e)
		if n.cmp == NotEqual {
			w.t, w.f = w.f, w.t
		}
		g.equal(t, y.val.s, w)
		g.drop(t)
		return
	}
	a := g.measured(g.textOf(x, w.e))
	b := g.measured(g.textOf(y, w.e))
	if n.cmp <= NotEqual {
		differ := w.f
		if n.cmp == NotEqual {
			differ = w.t
		}
		g.differs(a, b, differ)
	}
	g.compareTexts(a, b, n.cmp, w)
}

// differs goes to l if two texts have not the same size.
func (g *gen) differs(a, b text, l emit.Label) {
	switch {
	case a.fixed && b.fixed:
		if a.room != b.room {
			g.goTo(l)
		}
	case b.fixed:
		g.ifConst(emit.Ne, a.size, uint64(b.room), l)
	case a.fixed:
		g.ifConst(emit.Ne, b.size, uint64(a.room), l)
	default:
		g.ifReg(emit.Ne, a.size, b.size, l)
	}
}

// sizeReg returns a register with a text's size.
func (g *gen) sizeReg(t text) reg {
	if !t.fixed {
		return t.size
	}
	r := g.alloc()
	g.constant(r, uint64(t.room))
	return r
}

// start makes the address of a text a register that may change, in place of the text's own.
func (g *gen) start(t text) reg {
	p := g.take(t.at)
	if t.off != 0 {
		g.op(isa.Add64Imm, p, 0, 0, int32(t.off))
	}
	return p
}

// compareTexts goes through two texts, which it drops, as far as both have bytes.
func (g *gen) compareTexts(a, b text, cmp Comparison, w ways) {
	p, q := g.start(a), g.start(b)
	la, lb := g.sizeReg(a), g.sizeReg(b)
	end := g.alloc()
	x, y := g.alloc(), g.alloc()
	shorter := g.c.Label()
	g.op(isa.Mov64Reg, end, la, 0, 0)
	g.ifReg(emit.Le, la, lb, shorter)
	g.op(isa.Mov64Reg, end, lb, 0, 0)
	g.bind(shorter)
	g.op(isa.Add64Reg, end, p, 0, 0)
	same, unlike := g.c.Label(), g.c.Label()
	loop := g.head()
	g.ifReg(emit.Eq, p, end, same)
	g.op(isa.Ldx8, x, p, 0, 0)
	g.op(isa.Ldx8, y, q, 0, 0)
	g.op(isa.Add64Imm, p, 0, 0, 1)
	g.op(isa.Add64Imm, q, 0, 0, 1)
	g.ifReg(emit.Ne, x, y, unlike)
	g.jumpBack(loop)
	g.bind(unlike)
	g.chooseReg(conds[0][cmp], x, y, w.t, w.f, none)
	g.bind(same)
	g.chooseReg(conds[0][cmp], la, lb, w.t, w.f, w.fall)
	g.release(p, q, la, lb, end, x, y)
}

// inTexts looks for a text in a list: by its size, then by its bytes.
func (g *gen) inTexts(n *node, w ways) {
	t := g.measured(g.textOf(n.args[0], w.e))
	bySize := map[uint64][]string{}
	for _, v := range n.list {
		if len(v.s) > maxText {
			g.err = fail(n, "a text of %d bytes in a list, at most %d", len(v.s), maxText)
			return
		}
		if !slices.Contains(bySize[uint64(len(v.s))], v.s) {
			bySize[uint64(len(v.s))] = append(bySize[uint64(len(v.s))], v.s)
		}
	}
	sizes := sortedKeys(bySize)
	var cases []emit.Case
	for _, size := range sizes {
		cases = append(cases, emit.Case{Lo: size, Hi: size, To: g.c.Label()})
	}
	size := g.sizeReg(t)
	g.search(size, cases, w.f)
	for i, size := range sizes {
		g.bind(cases[i].To)
		to := make([]textCase, len(bySize[size]))
		for j, s := range bySize[size] {
			to[j] = textCase{s, w.t}
		}
		g.sameSize(t, to, chunks(int(size)), w.f)
	}
	if t.fixed {
		g.release(size)
	}
	g.drop(t)
}

// textCase is a text and where to go for it.
type textCase struct {
	s  string
	to emit.Label
}

// sameSize goes to the label of the one that t is, all of its size, or to no.
func (g *gen) sameSize(t text, cases []textCase, pieces []chunk, no emit.Label) {
	if len(pieces) == 0 {
		g.goTo(cases[0].to)
		return
	}
	if len(cases) == 1 {
		r := g.alloc()
		for _, c := range pieces {
			g.op(loads[log(c.size)][0], r, t.at, t.off+c.off, 0)
			g.ifConst(emit.Ne, r, c.of(cases[0].s), no)
		}
		g.release(r)
		g.goTo(cases[0].to)
		return
	}
	byWord := map[uint64][]textCase{}
	for _, c := range cases {
		word := pieces[0].of(c.s)
		byWord[word] = append(byWord[word], c)
	}
	r := g.alloc()
	g.op(loads[log(pieces[0].size)][0], r, t.at, t.off+pieces[0].off, 0)
	words := sortedKeys(byWord)
	var to []emit.Case
	for _, word := range words {
		to = append(to, emit.Case{Lo: word, Hi: word, To: g.c.Label()})
	}
	g.search(r, to, no)
	g.release(r)
	for i, word := range words {
		g.bind(to[i].To)
		g.sameSize(t, byWord[word], pieces[1:], no)
	}
}
