// Implements pruning: a path ends where a state that was walked through before allowed as much.

package verify

import "slices"

// How states are compared: notExact lets numbers differ that nothing depends on; within does not, and is for loops;
// exact finds states that are the same.
type exactness uint8

const (
	notExact exactness = iota
	within
	exact
)

// The thresholds below decide how many states are kept.
const (
	maxHistory  = 40  // entries of a history that make a checkpoint
	sparseJumps = 2   // jumps between checkpoints, at least
	sparseInsns = 8   // instructions
	loopJumps   = 20  // the same inside loops
	loopInsns   = 100 //
	patience    = 3   // how often a checkpoint may fail to match, as a multiple of how often it did
	longer      = 64  // the same where checkpoints are forced
)

// visit compares the current state with the checkpoints at this instruction. It reports whether the path ends here,
// and else may make a checkpoint.
func (v *verifier) visit() (bool, error) {
	forced := v.marks[v.at]&markForce != 0
	force := forced || len(v.cur.history) > maxHistory
	add := force || v.jumps-v.prevJmp >= sparseJumps && v.processed-v.prevProcessed >= sparseInsns
	list := v.states[v.at]
	for i := 0; i < len(list); {
		s := list[i]
		hit, loop := false, false
		if s.branches > 0 {
			switch {
			case v.converges(s):
				hit, loop = true, true
			case v.isEndless(s):
				return false, v.fail(InfiniteLoop, "infinite loop: the program comes back to instruction %d with everything as it was", v.p.Slots[v.at])
			case !force && v.jumps-v.prevJmp < loopJumps && v.processed-v.prevProcessed < loopInsns:
				add = false
			}
		} else {
			how := notExact
			if s.inLoop {
				how = within
			}
			hit = !s.wrong && v.statesEqual(s, v.cur, how)
		}
		if hit {
			v.states[v.at] = list
			s.hits++
			if v.marks[v.at]&markJump != 0 {
				v.note(0, nil)
			}
			if loop {
				v.markLoop(s)
			}
			v.inherit(s)
			return true, nil
		}
		if add {
			s.misses++
		}
		n := int32(patience)
		if forced && s.branches > 0 {
			n = longer
		}
		if s.misses > s.hits*n+n {
			list = slices.Delete(list, i, i+1)
			v.kept--
			if s.dropped = true; s.branches == 0 {
				v.pool.drop(s)
			}
			continue
		}
		i++
	}
	v.states[v.at] = list
	if add {
		v.checkpoint()
	}
	return false, nil
}

// checkpoint keeps the current state, to compare others with.
func (v *verifier) checkpoint() {
	v.prevJmp, v.prevProcessed = v.jumps, v.processed
	c := v.cur
	c.eachReg(func(r *reg) { r.precise = false })
	s := v.pool.copy(c)
	s.saved, s.branches, s.at = true, 1, v.at
	s.history = append(s.history[:0], c.history...)
	c.parent, c.first, c.history = s, v.at, c.history[:0]
	c.written, c.fresh = [maxFrames]uint64{}, 0
	v.states[v.at] = slices.Insert(v.states[v.at], 0, s)
	v.kept++
	v.peak = max(v.peak, v.kept+len(v.branches))
	v.log.checkpoint(v)
}

// converges reports whether the current state comes back, by a loop that needs no bound, to a checkpoint that allowed
// as much.
func (v *verifier) converges(s *state) bool {
	m := v.marks[v.at]
	switch {
	case m&markForce == 0:
		return false
	case m&markCallback != 0:
		return v.statesEqual(s, v.cur, within)
	case m&markIter != 0:
		return v.statesEqual(s, v.cur, within) && v.iterActive()
	case s.mayGoto != v.cur.mayGoto:
		return v.statesEqual(s, v.cur, within)
	}
	return false
}

// isEndless reports whether the current state is one that a path from has led here.
func (v *verifier) isEndless(s *state) bool {
	if v.marks[v.at]&(markCallback|markIter) != 0 || s.mayGoto != v.cur.mayGoto || s.unrolled != v.cur.unrolled || !v.maybeLoop(s) || itersDiffer(s, v.cur) {
		return false
	}
	return v.statesEqual(s, v.cur, exact)
}

// maybeLoop is a quick look ahead of a comparison: the registers of the last frame.
func (v *verifier) maybeLoop(s *state) bool {
	if len(s.frames) != len(v.cur.frames) {
		return false
	}
	a, b := s.top(), v.cur.top()
	if a.async != b.async {
		return false
	}
	for i := range a.regs {
		x, y := &a.regs[i], &b.regs[i]
		if x.kind != y.kind || x.off != y.off || x.Scalar != y.Scalar {
			return false
		}
	}
	return true
}

// markLoop notes that all checkpoints from the current state back to s are in a loop that was left for s.
func (v *verifier) markLoop(s *state) {
	for p := v.cur.parent; p != nil; p = p.parent {
		p.inLoop = true
		if p == s {
			return
		}
	}
}

// inherit lets the checkpoints behind the current state know what depends on what, as it did from s on.
func (v *verifier) inherit(s *state) {
	v.inheritUnwritten(s)
	for f := range s.frames {
		v.cur.markRead(f, s.read[f])
	}
	for f := range s.frames {
		fr := s.frames[f]
		for r := range fr.regs {
			if fr.regs[r].precise && fr.regs[r].kind == Scalar {
				v.bt.setReg(f, r)
			}
		}
		for n := range fr.stack {
			if sl := &fr.stack[n]; sl.bytes[7] == byteSpill && sl.reg.precise && sl.reg.kind == Scalar {
				v.bt.setSlot(f, n)
			}
		}
	}
	v.backtrack()
}

// inheritUnwritten notes that the path may read bytes of the stack that nothing has written, where paths from s on read
// what was written there.
func (v *verifier) inheritUnwritten(s *state) {
	if v.opts.Strict || v.facts.Unwritten {
		return
	}
	for f := range s.frames {
		a, b := s.frames[f].stack, v.cur.frames[f].stack
		read := s.read[f]
		if s.branches > 0 || s.inLoop {
			read = ^uint64(0)
		}
		for n := range a {
			if read>>n&1 == 0 {
				continue
			}
			for i, k := range a[n].bytes {
				if k != byteInvalid && (n >= len(b) || b[n].bytes[i] == byteInvalid) {
					v.facts.Unwritten = true
					return
				}
			}
		}
	}
}
