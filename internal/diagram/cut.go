// Implements looks at a function by one of its words: as intervals, and as patterns of bits.

package diagram

// Interval is a range of values of a word, and the function that remains for all of them.
type Interval struct {
	First, Last uint32
	Then        Node
}

// Intervals cuts the values of word w into the fewest intervals for whose values f is the same function of the words
// behind. f must not look at words before w. It reports false if there are more than limit.
func (s *Space) Intervals(f Node, w, limit int) ([]Interval, bool) {
	var out []Interval
	end := uint16(WordBits*w + WordBits)
	var walk func(f Node, level uint16, first uint32) bool
	walk = func(f Node, level uint16, first uint32) bool {
		if n := s.nodes[f]; n.level < end {
			off, on := s.split(f, level)
			return walk(off, level+1, first) && walk(on, level+1, first|1<<(end-level-1))
		}
		last := first | uint32(uint64(1)<<(end-level)-1)
		if k := len(out) - 1; k >= 0 && out[k].Then == f {
			out[k].Last = last
		} else if out = append(out, Interval{first, last, f}); len(out) > limit {
			return false
		}
		return true
	}
	return out, walk(f, end-WordBits, 0)
}

// FromIntervals is the reverse of Intervals. The intervals must be in order and without gaps, and their functions
// must only look at words behind w.
func (s *Space) FromIntervals(w int, cut []Interval) Node {
	var build func(level uint16, first uint32, cut []Interval) Node
	build = func(level uint16, first uint32, cut []Interval) Node {
		if len(cut) == 1 {
			return cut[0].Then
		}
		half := first | 1<<(uint16(WordBits*w+WordBits)-level-1)
		i := 0
		for cut[i].Last < half-1 {
			i++
		}
		upper := cut[i+1:]
		if cut[i].Last >= half {
			upper = cut[i:]
		}
		return s.decide(level, build(level+1, first, cut[:i+1]), build(level+1, half, upper))
	}
	return build(uint16(WordBits*w), 0, cut)
}

// Pattern is a set of values of a word, those v with v&Mask == Bits, and the function that remains for all of them.
type Pattern struct {
	Mask, Bits uint32
	Then       Node
}

// Patterns cuts the values of word w into patterns, one a way through the diagram. It reports false if there are
// more than limit.
func (s *Space) Patterns(f Node, w, limit int) ([]Pattern, bool) {
	var out []Pattern
	end := uint16(WordBits*w + WordBits)
	var walk func(f Node, p Pattern) bool
	walk = func(f Node, p Pattern) bool {
		n := s.nodes[f]
		if n.level >= end {
			p.Then = f
			out = append(out, p)
			return len(out) <= limit
		}
		bit := uint32(1) << (end - n.level - 1)
		p.Mask |= bit
		return walk(n.off, p) && walk(n.on, Pattern{Mask: p.Mask, Bits: p.Bits | bit})
	}
	return out, walk(f, Pattern{})
}
