// Implements what a verification proves about each instruction, for compilers.

package verify

import "github.com/skepbpf/skep/internal/ir"

// Fact is what holds for the memory access of an instruction on every path.
type Fact struct {
	Kind Kind // of the pointer, the same on every path; NotInit if the instruction accesses no memory or is never reached
	// Lo and Hi bound the offset of the first byte from the start of what is pointed to (of the stack, from R10). They
	// are exact where equal.
	Lo, Hi int64
	Mixed  bool // pointers of different kinds come here on different paths
}

// Facts are indexed by ir.Index. All accesses of an accepted program are in range.
type Facts struct {
	Access []Fact
	Dead   []bool // no path leads here, conditions being taken into account
}

func newFacts(p *ir.Program) *Facts {
	return &Facts{Access: make([]Fact, len(p.Ins)), Dead: make([]bool, len(p.Ins))}
}

// note adds what a path knows of the access of the current instruction.
func (f *Facts) note(v *verifier, ptr *reg, off int64, size int) {
	a := &f.Access[v.at]
	off += int64(ptr.off)
	lo, hi := off+ptr.SMin, off+ptr.SMax
	switch {
	case a.Kind == NotInit:
		*a = Fact{Kind: ptr.kind, Lo: lo, Hi: hi}
	case a.Kind != ptr.kind:
		a.Mixed = true
	default:
		a.Lo, a.Hi = min(a.Lo, lo), max(a.Hi, hi)
	}
}

func (f *Facts) finish(v *verifier) {
	for i, m := range v.marks {
		f.Dead[i] = m&markSeen == 0
	}
}
