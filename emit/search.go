// Implements searches: which of many cases a number is.

package emit

import (
	"cmp"
	"slices"

	"github.com/skepbpf/skep/isa"
)

// Case is a range of numbers, bounds included, and where to go for them.
type Case struct {
	Lo, Hi uint64
	To     Label
}

// Search goes to the label of the case that the number in r is in, or to other. It is a tree of comparisons, which
// takes as many steps as the number of cases has bits. Cases may be in any order but must not overlap. The numbers
// are unsigned. spare may change, and differs from r.
func (c *Code) Search(r isa.Register, cases []Case, spare isa.Register, other Label) {
	cases = slices.Clone(cases)
	slices.SortFunc(cases, func(a, b Case) int { return cmp.Compare(a.Lo, b.Lo) })
	// Neighbours with the same label are one case.
	joined := cases[:0]
	for _, k := range cases {
		if n := len(joined) - 1; n >= 0 && joined[n].To == k.To && joined[n].Hi+1 == k.Lo {
			joined[n].Hi = k.Hi
			continue
		}
		joined = append(joined, k)
	}
	c.search(r, joined, spare, other, 0, ^uint64(0))
}

// search knows that the number is between lo and hi.
func (c *Code) search(r isa.Register, cases []Case, spare isa.Register, other Label, lo, hi uint64) {
	switch len(cases) {
	case 0:
		c.Goto(other)
		return
	case 1:
		k := cases[0]
		if k.Lo == k.Hi && (lo < k.Lo || hi > k.Hi) {
			c.IfConst(Eq, r, k.Lo, spare, k.To)
			c.Goto(other)
			return
		}
		if lo < k.Lo {
			c.IfConst(Lt, r, k.Lo, spare, other)
		}
		if hi > k.Hi {
			c.IfConst(Gt, r, k.Hi, spare, other)
		}
		c.Goto(k.To)
		return
	case 2, 3:
		if !slices.ContainsFunc(cases, func(k Case) bool { return k.Lo != k.Hi }) {
			for _, k := range cases {
				c.IfConst(Eq, r, k.Lo, spare, k.To)
			}
			c.Goto(other)
			return
		}
	}
	mid := len(cases) / 2
	less := c.Label()
	c.IfConst(Lt, r, cases[mid].Lo, spare, less)
	c.search(r, cases[mid:], spare, other, cases[mid].Lo, hi)
	c.Bind(less)
	c.search(r, cases[:mid], spare, other, lo, cases[mid].Lo-1)
}

const (
	treeLimit = 8       // more numbers than this are not looked up by comparisons
	mapLimit  = 1 << 21 // bits of a table in which each number has one
)

// Among goes to yes if the number in r is among those given, else to no: by comparisons, a bit in a table, or
// perfect hashing, whichever fits. r and the spare registers may change; all differ.
func (c *Code) Among(r isa.Register, numbers []uint64, s1, s2 isa.Register, yes, no Label) {
	numbers = slices.Clone(numbers)
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	if len(numbers) == 0 {
		c.Goto(no)
		return
	}
	lo, hi := numbers[0], numbers[len(numbers)-1]
	switch span := hi - lo; {
	case len(numbers) <= 2 || span < 64 && int(span) == len(numbers)-1:
		c.few(r, numbers, s1, yes, no)
	case span < 64:
		c.oneWord(r, numbers, s1, yes, no)
	case len(numbers) <= treeLimit:
		c.few(r, numbers, s1, yes, no)
	case span < mapLimit && span/64 <= uint64(len(numbers))*16:
		c.bitmap(r, numbers, s1, s2, yes, no)
	default:
		if !c.hashed(r, numbers, s1, s2, yes, no) {
			c.few(r, numbers, s1, yes, no)
		}
	}
}

func (c *Code) few(r isa.Register, numbers []uint64, s isa.Register, yes, no Label) {
	cases := make([]Case, len(numbers))
	for i, n := range numbers {
		cases[i] = Case{n, n, yes}
	}
	c.Search(r, cases, s, no)
}

// sub subtracts a constant.
func (c *Code) sub(r isa.Register, v uint64, s isa.Register) {
	switch {
	case v == 0:
	case fits(-v):
		c.Op(isa.Add64Imm, r, 0, 0, int32(-v))
	default:
		c.Const(s, v)
		c.Op(isa.Sub64Reg, r, s, 0, 0)
	}
}

// oneWord is for numbers less than 64 apart.
func (c *Code) oneWord(r isa.Register, numbers []uint64, s isa.Register, yes, no Label) {
	lo, mask := numbers[0], uint64(0)
	for _, n := range numbers {
		mask |= 1 << (n - lo)
	}
	if top := numbers[len(numbers)-1]; top < 64 {
		lo, mask = 0, mask<<lo
	}
	c.sub(r, lo, s)
	c.Jump(isa.JGt64Imm, r, 0, 63, no)
	c.Const(s, mask)
	c.Op(isa.Rsh64Reg, s, r, 0, 0)
	c.Jump(isa.JSet64Imm, s, 0, 1, yes)
	c.Goto(no)
}

// bitmap is for numbers that are dense.
func (c *Code) bitmap(r isa.Register, numbers []uint64, s1, s2 isa.Register, yes, no Label) {
	lo := numbers[0]
	span := numbers[len(numbers)-1] - lo
	table := make([]byte, (span/64+1)*8)
	for _, n := range numbers {
		table[(n-lo)/8] |= 1 << ((n - lo) % 8)
	}
	c.sub(r, lo, s1)
	c.IfConst(Gt, r, span, s1, no)
	c.Table(s1, table)
	c.Op(isa.Mov64Reg, s2, r, 0, 0)
	c.Op(isa.Rsh64Imm, s2, 0, 0, 3)
	c.Op(isa.Add64Reg, s1, s2, 0, 0)
	c.Op(isa.Ldx8, s1, s1, 0, 0)
	c.Op(isa.And64Imm, r, 0, 0, 7)
	c.Op(isa.Rsh64Reg, s1, r, 0, 0)
	c.Jump(isa.JSet64Imm, s1, 0, 1, yes)
	c.Goto(no)
}

// hashed is for numbers far apart: a perfect hash function, one for which no two of them have the same place, and
// the numbers in a table at their places. It reports whether it found one.
func (c *Code) hashed(r isa.Register, numbers []uint64, s1, s2 isa.Register, yes, no Label) bool {
	h, ok := findHash(numbers)
	if !ok {
		return false
	}
	c.Const(s1, h.mul)
	c.Op(isa.Mul64Reg, s1, r, 0, 0) // its upper bits are the bucket, others the place
	c.Op(isa.Rsh64Imm, s1, 0, 0, int32(64-h.bucketBits))
	c.Op(isa.Lsh64Imm, s1, 0, 0, 1)
	c.Table(s2, h.moves)
	c.Op(isa.Add64Reg, s2, s1, 0, 0)
	c.Op(isa.Ldx16, s2, s2, 0, 0)
	c.Const(s1, h.mul)
	c.Op(isa.Mul64Reg, s1, r, 0, 0)
	c.Op(isa.Rsh64Imm, s1, 0, 0, hashShift)
	c.Op(isa.Xor64Reg, s2, s1, 0, 0)
	c.Op(isa.And64Imm, s2, 0, 0, int32(1<<h.placeBits-1))
	c.Op(isa.Lsh64Imm, s2, 0, 0, 3)
	c.Table(s1, h.places)
	c.Op(isa.Add64Reg, s1, s2, 0, 0)
	c.Op(isa.Ldx64, s1, s1, 0, 0)
	c.If(Eq, s1, r, yes)
	c.Goto(no)
	return true
}
