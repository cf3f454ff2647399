// Implements what a verification proves about each instruction, for compilers.

package verify

import (
	"slices"

	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
)

// Fact is what holds for the memory access of an instruction on every path.
type Fact struct {
	Kind Kind // of the pointer; NotInit if the instruction accesses no memory or is never reached
	// Lo and Hi bound the offset of the first byte from the start of what is pointed to (of the stack, from R10 of the
	// frame). They are exact where equal.
	Lo, Hi int64
	Mixed  bool // pointers of different kinds come here on different paths
}

// Facts are what is proved, by ir.Index. All accesses of an accepted program are in range and none is through a null
// pointer, so that compilers need check nothing; Access tells them what they can make use of beyond that.
type Facts struct {
	ir.Facts
	Access []Fact

	// Foreign tells that the program gets addresses of what is not its own: of the kernel's structures and variables.
	Foreign bool
}

func newFacts(p *ir.Program) *Facts {
	n := len(p.Ins)
	return &Facts{Access: make([]Fact, n), Facts: ir.Facts{Loads: make([]ir.Load, n), Dead: make([]bool, n)}}
}

// note adds what a path knows of the access of the current instruction.
func (f *Facts) note(v *verifier, ptr *reg, off int64) {
	a := &f.Access[v.at]
	off += int64(ptr.off)
	lo, hi := off+ptr.SMin, off+ptr.SMax
	kind := ptr.kind
	if kind == Mem && ptr.flags&(untrusted|foreign) != 0 {
		kind = Object // not the program's own
	}
	switch {
	case a.Kind == NotInit:
		*a = Fact{Kind: kind, Lo: lo, Hi: hi}
	case a.Kind != kind:
		a.Mixed = true
	default:
		a.Lo, a.Hi = min(a.Lo, lo), max(a.Hi, hi)
	}
}

// loaded adds what a path has loaded into a register.
func (f *Facts) loaded(at ir.Index, from Kind, out *reg) {
	if from == Context {
		switch out.kind {
		case Packet:
			f.Loads[at] = ir.LoadPacket
		case PacketEnd:
			f.Loads[at] = ir.LoadPacketEnd
		case PacketMeta:
			f.Loads[at] = ir.LoadPacketMeta
		}
	}
}

func (f *Facts) finish(v *verifier) {
	for i, m := range v.marks {
		f.Dead[i] = m&markSeen == 0
	}
	f.MaxInsns = v.longest()
}

// longest returns the length of the longest path through a program without loops, those of functions that are called
// included; 0 if there are loops, or functions that helpers call.
func (v *verifier) longest() uint64 {
	n := len(v.p.Ins)
	length := fresh(&v.pool.length, n) // from an instruction to the end of its function
	done := fresh(&v.pool.done, n)     // 1: under way, 2: known
	var succ [3]ir.Index
	for _, f := range slices.Backward(v.p.Funcs) {
		path := append(v.pool.path[:0], visit{at: f.Entry})
		for len(path) > 0 {
			at := path[len(path)-1].at
			next := v.successors(at, succ[:0])
			if done[at] == 0 {
				done[at] = 1
				if op := v.p.Ins[at].Op; op == isa.LdFunc || op == isa.MayGoto || op == isa.CallKfunc {
					return 0
				}
				waits := false
				for _, to := range next {
					switch done[to] {
					case 0:
						path = append(path, visit{at: to})
						waits = true
					case 1:
						return 0
					}
				}
				if waits {
					continue
				}
			}
			path = path[:len(path)-1]
			if done[at] == 2 {
				continue
			}
			var most, callee uint64
			for _, to := range next {
				switch {
				case done[to] != 2:
					return 0
				case v.p.Ins[at].Op == isa.CallLocal && to == ir.Index(v.p.Ins[at].Off):
					callee = length[to]
				default:
					most = max(most, length[to])
				}
			}
			length[at], done[at] = 1+most+callee, 2
			if length[at] > 1<<40 {
				return 0
			}
		}
	}
	return length[0]
}
