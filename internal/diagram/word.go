// Implements words: calculation with 32 functions as a processor calculates with 32 bits.

package diagram

// Word is a number of 32 bits that depends on the bits of a Space: Word[i] is its bit i, a function with the values
// 0 and 1.
type Word [WordBits]Node

// Variable returns word number i of the Space's input.
func (s *Space) Variable(i int) Word {
	var w Word
	for b := range w {
		w[b] = s.decide(uint16(WordBits*i+WordBits-1-b), False, True)
	}
	return w
}

// Number returns the word that is always k.
func Number(k uint32) Word {
	var w Word
	for b := range w {
		w[b] = Node(k >> b & 1)
	}
	return w
}

// Known returns the value of a word that is constant.
func (w *Word) Known() (uint32, bool) {
	var k uint32
	for b, n := range w {
		if n > True {
			return 0, false
		}
		k |= uint32(n) << b
	}
	return k, true
}

// each returns the word whose bits are op's of those of a and b.
func each(a, b Word, op func(a, b Node) Node) Word {
	for i := range a {
		a[i] = op(a[i], b[i])
	}
	return a
}

// AndWord is a & b.
func (s *Space) AndWord(a, b Word) Word { return each(a, b, s.And) }

// OrWord is a | b.
func (s *Space) OrWord(a, b Word) Word { return each(a, b, s.Or) }

// XorWord is a ^ b.
func (s *Space) XorWord(a, b Word) Word { return each(a, b, s.Xor) }

// ChooseWord is a where c is 1, else b.
func (s *Space) ChooseWord(c Node, a, b Word) Word {
	return each(a, b, func(x, y Node) Node { return s.Choose(c, x, y) })
}

// Add is a + b + carry.
func (s *Space) Add(a, b Word, carry Node) Word {
	for i := range a {
		x := s.Xor(a[i], b[i])
		sum := s.Xor(x, carry)
		carry = s.Choose(x, carry, a[i])
		a[i] = sum
	}
	return a
}

// Sub is a - b.
func (s *Space) Sub(a, b Word) Word {
	for i := range b {
		b[i] = s.Not(b[i])
	}
	return s.Add(a, b, True)
}

// Mul is a * b.
func (s *Space) Mul(a, b Word) Word {
	if _, ok := a.Known(); ok {
		a, b = b, a
	}
	sum := Number(0)
	for i := range b {
		if b[i] != False {
			sum = s.Add(sum, s.ChooseWord(b[i], shift(a, i), Number(0)), False)
		}
	}
	return sum
}

// shift moves bits up by n, or down if n is negative.
func shift(a Word, n int) Word {
	out := Number(0)
	for i := range out {
		if from := i - n; from >= 0 && from < WordBits {
			out[i] = a[from]
		}
	}
	return out
}

// Shl is a << (b & 31), and Shr is a >> (b & 31).
func (s *Space) Shl(a, b Word) Word { return s.shiftBy(a, b, 1) }

// Shr is a >> (b & 31).
func (s *Space) Shr(a, b Word) Word { return s.shiftBy(a, b, -1) }

func (s *Space) shiftBy(a, b Word, sign int) Word {
	for i := range 5 {
		a = s.ChooseWord(b[i], shift(a, sign<<i), a)
	}
	return a
}

// Div is the quotient and the remainder of a and b; where b is 0 they mean nothing.
func (s *Space) Div(a, b Word) (quotient, remainder Word) {
	quotient, remainder = Number(0), Number(0)
	for i := WordBits - 1; i >= 0; i-- {
		top := remainder[WordBits-1]
		remainder = shift(remainder, 1)
		remainder[0] = a[i]
		fits := s.Or(top, s.Ge(remainder, b))
		remainder = s.ChooseWord(fits, s.Sub(remainder, b), remainder)
		quotient[i] = fits
	}
	return quotient, remainder
}

// Eq is a == b.
func (s *Space) Eq(a, b Word) Node {
	all := True
	for i := range a {
		all = s.And(s.Not(s.Xor(a[i], b[i])), all)
	}
	return all
}

// Ge is a >= b, of unsigned numbers.
func (s *Space) Ge(a, b Word) Node {
	ge := True
	for i := range a {
		ge = s.Choose(s.Xor(a[i], b[i]), a[i], ge)
	}
	return ge
}

// Gt is a > b, of unsigned numbers.
func (s *Space) Gt(a, b Word) Node { return s.Not(s.Ge(b, a)) }

// Set is a & b != 0.
func (s *Space) Set(a, b Word) Node {
	some := False
	for i := range a {
		some = s.Or(s.And(a[i], b[i]), some)
	}
	return some
}
