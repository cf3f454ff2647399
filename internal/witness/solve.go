// Implements finding input under which conditions hold.

package witness

import (
	"math/bits"
	"time"

	"github.com/skepbpf/skep/isa"
)

// input is a piece of the input: a byte of memory, the packet's length, whether a map has an element, what a helper
// returns.
type input struct {
	value    uint64
	min, max uint64
	first    uint64
	pinned   bool // it is known to be so
}

func (s *Search) newInput(in input) int {
	in.first = in.value
	s.inputs = append(s.inputs, in)
	return len(s.inputs) - 1
}

func (s *Search) inputNode(in input) *node { return &node{op: opInput, n: uint64(s.newInput(in))} }

// set changes a piece of the input, if it can be that, and reports whether it is that now.
func (s *Search) set(n int, v uint64) bool {
	in := &s.inputs[n]
	if in.value == v {
		return true
	}
	if in.pinned || v < in.min || v > in.max {
		return false
	}
	s.undo = append(s.undo, change{n, in.value})
	in.value = v
	s.epoch++
	return true
}

// change is what a piece of the input was.
type change struct {
	n     int
	value uint64
}

func (s *Search) takeBack(to int) {
	for i := len(s.undo) - 1; i >= to; i-- {
		s.inputs[s.undo[i].n].value = s.undo[i].value
	}
	s.undo = s.undo[:to]
	s.epoch++
}

// cond is a condition: a comparison that holds or, if not want, does not.
type cond struct {
	fn    isa.Fn
	width uint8
	a, b  *node
	want  bool
}

func (s *Search) holds(c *cond) bool {
	return compare(c.fn, c.width, s.eval(c.a), s.eval(c.b)) == c.want
}

func compare(fn isa.Fn, width uint8, a, b uint64) bool {
	sa, sb := int64(a), int64(b)
	if width == 32 {
		a, b, sa, sb = uint64(uint32(a)), uint64(uint32(b)), int64(int32(a)), int64(int32(b))
	}
	switch fn {
	case isa.FnEq:
		return a == b
	case isa.FnNe:
		return a != b
	case isa.FnGt:
		return a > b
	case isa.FnGe:
		return a >= b
	case isa.FnLt:
		return a < b
	case isa.FnLe:
		return a <= b
	case isa.FnSet:
		return a&b != 0
	case isa.FnSGt:
		return sa > sb
	case isa.FnSGe:
		return sa >= sb
	case isa.FnSLt:
		return sa < sb
	}
	return sa <= sb
}

// solve changes the input until all conditions hold, and reports whether it has come to that.
func (s *Search) solve(conds []cond, until time.Time) bool {
	s.until, s.late = until, false
	best := s.failing(conds)
	stuck := 0
	for best < len(conds) {
		if s.late || stuck > 400 {
			return false
		}
		mark := len(s.undo)
		s.satisfy(&conds[best])
		if s.rng.IntN(4) == 0 {
			s.scramble(conds[best].a)
		}
		now := s.failing(conds)
		switch {
		case now > best:
			best, stuck = now, 0
			s.undo = s.undo[:0]
		case now == best && s.rng.IntN(3) == 0, now < best && s.rng.IntN(20) == 0:
			best, stuck = now, stuck+1
			s.undo = s.undo[:0]
		default:
			s.takeBack(mark)
			stuck++
		}
	}
	return !s.late
}

// inTime reports whether there is time left. Looking at the clock is not free, so it does so now and then.
func (s *Search) inTime() bool {
	if s.steps++; s.steps%512 == 0 && time.Now().After(s.until) {
		s.late = true
	}
	return !s.late
}

// failing returns the first condition that does not hold, or how many there are.
func (s *Search) failing(conds []cond) int {
	for i := range conds {
		if !s.inTime() || !s.holds(&conds[i]) {
			return i
		}
	}
	return len(conds)
}

// satisfy tries to make a condition hold.
func (s *Search) satisfy(c *cond) {
	a, b := s.eval(c.a), s.eval(c.b)
	fn := c.fn
	if !c.want {
		fn = opposite[fn]
	}
	left, right := !c.a.isConst(), !c.b.isConst()
	if left && right {
		left = s.rng.IntN(2) == 0
	}
	if left {
		s.make(c.a, s.target(fn, c.width, a, b), 0)
	} else if right {
		if swapped, ok := mirrored[fn]; ok {
			fn = swapped
		}
		s.make(c.b, s.target(fn, c.width, b, a), 0)
	}
}

// noSet is that no common bit is set, the opposite of FnSet.
const noSet isa.Fn = 255

var opposite = map[isa.Fn]isa.Fn{isa.FnEq: isa.FnNe, isa.FnNe: isa.FnEq, isa.FnGt: isa.FnLe, isa.FnLe: isa.FnGt, isa.FnGe: isa.FnLt,
	isa.FnLt: isa.FnGe, isa.FnSGt: isa.FnSLe, isa.FnSLe: isa.FnSGt, isa.FnSGe: isa.FnSLt, isa.FnSLt: isa.FnSGe, isa.FnSet: noSet}

var mirrored = map[isa.Fn]isa.Fn{isa.FnGt: isa.FnLt, isa.FnLt: isa.FnGt, isa.FnGe: isa.FnLe, isa.FnLe: isa.FnGe, isa.FnSGt: isa.FnSLt,
	isa.FnSLt: isa.FnSGt, isa.FnSGe: isa.FnSLe, isa.FnSLe: isa.FnSGe}

// target returns a number that compares with b as asked; a is what it is now.
func (s *Search) target(fn isa.Fn, width uint8, a, b uint64) uint64 {
	var v uint64
	some := s.rng.Uint64() >> s.rng.IntN(64)
	if s.rng.IntN(3) == 0 {
		some = uint64(s.rng.IntN(4))
	}
	sb := int64(b)
	if width == 32 {
		sb = int64(int32(b))
	}
	switch fn {
	case isa.FnEq:
		v = b
	case isa.FnNe:
		v = b + 1 + some
		if s.rng.IntN(2) == 0 {
			v = b ^ 1<<s.rng.IntN(8)
		}
	case isa.FnGt:
		v = b + 1 + some
	case isa.FnGe:
		v = b + some
	case isa.FnLt:
		v = b - 1 - min(some, b-1)
	case isa.FnLe:
		v = b - min(some, b)
	case isa.FnSGt:
		v = uint64(sb + 1 + int64(some>>1))
	case isa.FnSGe:
		v = uint64(sb + int64(some>>1))
	case isa.FnSLt:
		v = uint64(sb - 1 - int64(some>>1))
	case isa.FnSLe:
		v = uint64(sb - int64(some>>1))
	case isa.FnSet:
		v = a | b&-b
	case noSet:
		v = a &^ b
	}
	if width == 32 {
		v = a&^mask(32) | v&mask(32)
	}
	return v
}

// scramble gives a piece of the input that x depends on some value.
func (s *Search) scramble(x *node) {
	for depth := 0; x != nil && depth < 64; depth++ {
		switch x.op {
		case opInput:
			in := &s.inputs[x.n]
			span := in.max - in.min
			v := s.rng.Uint64() >> s.rng.IntN(64)
			if span != ^uint64(0) {
				v = in.min + v%(span+1)
			}
			s.set(int(x.n), v)
			return
		case opLoad:
			if !x.a.isConst() && s.rng.IntN(3) == 0 {
				x = x.a
				continue
			}
			s.makeByte(x.obj, int(x.n), s.eval(x.a)+uint64(s.rng.IntN(int(x.size/8))), byte(s.rng.Uint32()), depth)
			return
		}
		if next := x.a; x.b != nil && !x.b.isConst() && s.rng.IntN(2) == 0 {
			x = x.b
		} else {
			x = next
		}
	}
}

// makeByte tries to make a byte of an object's memory a value.
func (s *Search) makeByte(o *object, n int, off uint64, v byte, depth int) bool {
	if w, i := s.lastWrite(o, n, off); w != nil {
		x := w.number()
		return s.make(x, s.eval(x)&^(0xff<<(8*i))|uint64(v)<<(8*i), depth+1)
	}
	if in := o.input(s, off); in >= 0 {
		return s.set(in, uint64(v))
	}
	return o.initial(off) == v
}

// make tries to make an expression a value, by changing the input that it depends on, and reports whether that has
// worked.
func (s *Search) make(x *node, v uint64, depth int) bool {
	if depth > 200 {
		return false
	}
	depth++
	switch x.op {
	case opConst:
		return x.n == v
	case opInput:
		return s.set(int(x.n), v)
	case opExtract:
		old := s.eval(x.a)
		return v <= mask(x.size) && s.make(x.a, old&^(mask(x.size)<<x.shift)|v<<x.shift, depth)
	case opExtend:
		return signed(v, x.size) == v && s.make(x.a, v&mask(x.size), depth)
	case opSwap:
		return v <= mask(x.size) && s.make(x.a, swap(v, x.size), depth)
	case opLoad:
		off, ok := s.eval(x.a), x.size == 64 || v <= mask(x.size)
		for i := uint64(0); ok && i < uint64(x.size/8); i++ {
			ok = s.makeByte(x.obj, int(x.n), off+i, byte(v>>(8*i)), depth)
		}
		return ok
	case opLess:
		return s.makeLess(x, v, depth)
	case opMul:
		return s.makeProduct(x.a, x.b, v, depth)
	case opAdd, opSub:
		return s.makeSum(x.a, x.b, v, x.op == opSub, depth)
	}
	return s.makeALU(x, v, depth)
}

func (s *Search) makeLess(x *node, v uint64, depth int) bool {
	b := s.eval(x.b)
	switch {
	case v > 1:
		return false
	case v == 0:
		return s.make(x.a, b, depth)
	case b == 0:
		return false
	}
	return s.make(x.a, s.rng.Uint64N(b), depth)
}

// makeSum makes a + b, or a - b, a value.
func (s *Search) makeSum(a, b *node, v uint64, minus bool, depth int) bool {
	onA := b.isConst() || !a.isConst() && s.rng.IntN(2) == 0
	switch {
	case onA && minus:
		return s.make(a, v+s.eval(b), depth)
	case onA:
		return s.make(a, v-s.eval(b), depth)
	case minus:
		return s.make(b, s.eval(a)-v, depth)
	}
	return s.make(b, v-s.eval(a), depth)
}

// makeProduct makes a * b a value.
func (s *Search) makeProduct(a, b *node, v uint64, depth int) bool {
	if b.isConst() || !a.isConst() && s.rng.IntN(2) == 0 {
		a, b = b, a
	}
	k := s.eval(a)
	switch {
	case k == 0:
		return v == 0
	case v%k == 0:
		return s.make(b, v/k, depth)
	}
	return s.makeFactor(b, k, v, depth)
}

// makeFactor makes x a number that gives v when it is multiplied by k, with overflow.
func (s *Search) makeFactor(x *node, k, v uint64, depth int) bool {
	zeros := bits.TrailingZeros64(k)
	if v&mask64(uint8(zeros)) != 0 {
		return false
	}
	return s.make(x, v>>zeros*inverse(k>>zeros), depth)
}

// inverse returns what an odd number is to be multiplied by to give 1.
func inverse(k uint64) uint64 {
	x := k
	for range 5 {
		x *= 2 - k*x
	}
	return x
}

// otherSide gives what the second operand must be for a result v, the first being a.
var otherSide = map[isa.Fn]func(a, v uint64) uint64{
	isa.FnAdd: func(a, v uint64) uint64 { return v - a },
	isa.FnSub: func(a, v uint64) uint64 { return a - v },
	isa.FnXor: func(a, v uint64) uint64 { return a ^ v },
	isa.FnOr:  func(_, v uint64) uint64 { return v },
	isa.FnAnd: func(_, v uint64) uint64 { return v },
}

// makeALU goes back through an instruction's arithmetic.
func (s *Search) makeALU(x *node, v uint64, depth int) bool {
	row := x.row
	a, b := s.eval(x.a), s.eval(x.b)
	full := v
	if row.Width == 32 {
		if v > mask(32) {
			return false
		}
		a, b = a&mask(32), b&mask(32)
	}
	w := row.Width
	wrap := func(n uint64) uint64 { // keeps the upper half, which does not matter
		if w == 32 {
			return s.eval(x.a)&^mask(32) | n&mask(32)
		}
		return n
	}
	if !x.b.isConst() && s.rng.IntN(3) == 0 {
		if to, ok := otherSide[row.Fn]; ok {
			return s.make(x.b, to(a, v), depth)
		}
	}
	sh := uint8(b) & (w - 1)
	switch row.Fn {
	case isa.FnMov:
		return s.make(x.b, v, depth)
	case isa.FnMovSX:
		return s.make(x.b, s.eval(x.b)&^mask(row.Size)|v&mask(row.Size), depth)
	case isa.FnAdd:
		return s.make(x.a, wrap(v-b), depth)
	case isa.FnSub:
		return s.make(x.a, wrap(v+b), depth)
	case isa.FnXor:
		return s.make(x.a, wrap(v^b), depth)
	case isa.FnAnd:
		return v&^b == 0 && s.make(x.a, wrap(a&^b|v), depth)
	case isa.FnOr:
		return b&^v == 0 && s.make(x.a, wrap(v&^b|a&b), depth)
	case isa.FnLsh:
		return v&mask64(sh) == 0 && s.make(x.a, wrap(v>>sh|a&^(mask(w)>>sh)), depth)
	case isa.FnRsh:
		return v<<sh>>sh == v && s.make(x.a, wrap(v<<sh|a&mask64(sh)), depth)
	case isa.FnArsh:
		return s.make(x.a, wrap(signed(v, w)<<sh|a&mask64(sh)), depth)
	case isa.FnMul:
		switch {
		case b == 0:
			return v == 0
		case v%b == 0:
			return s.make(x.a, wrap(v/b), depth)
		}
		zeros := bits.TrailingZeros64(b)
		return v&mask64(uint8(zeros)) == 0 && s.make(x.a, wrap(v>>zeros*inverse(b>>zeros)), depth)
	case isa.FnDiv:
		if b == 0 {
			return v == 0
		}
		high, low := bits.Mul64(v, b)
		return high == 0 && s.make(x.a, wrap(low+a%b), depth)
	case isa.FnMod:
		if b == 0 {
			return s.make(x.a, wrap(v), depth)
		}
		return v < b && s.make(x.a, wrap(a-a%b+v), depth)
	case isa.FnSMod:
		return s.make(x.a, wrap(v), depth)
	case isa.FnNeg:
		return s.make(x.a, wrap(-v), depth)
	case isa.FnBE, isa.FnBSwap:
		return full <= mask(row.Size) && s.make(x.a, swap(full, row.Size), depth)
	case isa.FnLE:
		return full <= mask(row.Size) && s.make(x.a, full, depth)
	case isa.FnSDiv:
		return b != 0 && s.make(x.a, wrap(v*b), depth)
	}
	s.scramble(x)
	return false
}

func mask64(n uint8) uint64 { return 1<<n - 1 }
