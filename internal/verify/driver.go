// Implements the walk: one path after the other, branches being kept for later.

package verify

import (
	"sync"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/value"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// defaultLimit is the greatest number of instructions walked through, maxBranches that of branches kept for later.
const (
	defaultLimit = 1_000_000
	maxBranches  = 8192
)

// verifier is a verification under way.
type verifier struct {
	p     *ir.Program
	opts  *Options
	rows  []*isa.Row // of each instruction
	loops bool       // allowed
	limit int

	marks  []marks
	live   []ir.Regs // registers that are read from an instruction on before they are written
	maps   []*spec.Map
	mapAt  []int32 // of each instruction, the map that it refers to, or -1
	mapRef []int32 // and the reference, by its number in the program
	depths []int   // bytes of stack that each function uses
	later  []bool  // functions that are called after the program has ended

	pool     *pool
	cur      *state
	at, prev ir.Index
	entry    *jump // of the current instruction in the history, or nil
	branches []branch
	states   [][]*state // checkpoints by instruction

	ids                    uint32
	bt                     backtrack
	idmap                  idmap
	processed, jumps       int
	prevProcessed, prevJmp int // at the last checkpoint
	kept, peak, deepest    int

	kernelTypes []*btf.Spec

	types   types
	structs map[string]*btf.Struct
	target  target
	walked  *global   // that is being walked; nil: the program
	globals []*global // by number of the function; nil: static

	wrong    *Error                       // of the first path that has gone wrong
	externAt map[ir.Index]*spec.ExternRef // the loads of addresses of the kernel's

	masks        []mask // of each instruction, where addresses must not become visible
	exactNumbers bool   // numbers differ in anything: masks may

	facts *Facts
	log   *logger
	graph *graph
}

// branch is a path not yet taken.
type branch struct {
	s        *state
	at, prev ir.Index
}

func newVerifier(p *ir.Program, opts *Options) *verifier {
	v := &verifier{p: p, opts: opts, limit: opts.Limit, loops: opts.Profile != isa.Profile2014, depths: make([]int, len(p.Funcs)),
		later: make([]bool, len(p.Funcs)), facts: newFacts(p), pool: pools.Get().(*pool)}
	if v.limit == 0 {
		v.limit = defaultLimit
	}
	v.rows = fresh(&v.pool.rows, len(p.Ins))
	for i := range p.Ins {
		v.rows[i] = p.Row(ir.Index(i))
	}
	if opts.Graph != nil {
		v.graph = newGraph(p)
	}
	if opts.Log != nil {
		v.log = newLogger(opts.Log, v)
	}
	return v
}

func (v *verifier) result() *Result {
	return &Result{Processed: v.processed, States: v.kept, PeakStates: v.peak, StackDepth: v.deepest, Facts: v.facts}
}

// run does both steps, and explains what they find.
func (v *verifier) run() error {
	defer v.recycle()
	err := v.both()
	if v.graph != nil && v.marks != nil {
		if failed := v.graph.write(v.opts.Graph, v, err); failed != nil {
			return failed
		}
	}
	if v.cur == nil || err == nil {
		return addHint(err)
	}
	return v.explain(err)
}

// both does both steps.
func (v *verifier) both() error {
	if err := v.known(); err != nil {
		return err
	}
	if err := v.structure(); err != nil {
		return err
	}
	v.findLive()
	v.states = v.pool.lists(len(v.p.Ins))
	err := v.walk(v.start())
	if err == nil {
		err = v.walkGlobals()
	}
	v.log.end(v)
	if err != nil {
		return err
	}
	v.dropStates()
	if err := v.stackDepths(); err != nil {
		return err
	}
	v.facts.finish(v)
	return nil
}

// pools keeps memory from one verification to the next.
var pools = sync.Pool{New: func() any { return &pool{} }}

// maxPooled is how many frames are kept.
const maxPooled = 1024

// dropStates gives all states back.
func (v *verifier) dropStates() {
	for i, list := range v.states {
		for _, s := range list {
			v.pool.drop(s)
		}
		clear(list)
		v.states[i] = list[:0]
	}
	for _, b := range v.branches {
		v.pool.drop(b.s)
	}
	if v.cur != nil {
		v.pool.drop(v.cur)
	}
	v.states, v.branches, v.cur = nil, nil, nil
}

// recycle gives back all memory.
func (v *verifier) recycle() {
	v.dropStates()
	v.pool.forget()
	v.pool.frames = v.pool.frames[:min(len(v.pool.frames), maxPooled)]
	v.pool.states = v.pool.states[:min(len(v.pool.states), maxPooled)]
	pools.Put(v.pool)
	v.pool = nil
}

// start is the state at the first instruction.
func (v *verifier) start() *state {
	f := v.pool.frame()
	*f = frame{callsite: -1, stack: f.stack[:0]}
	for r := range f.regs {
		f.regs[r] = reg{Scalar: value.Unknown}
	}
	f.regs[isa.R1] = pointerTo(Context)
	if v.plain() {
		f.regs[isa.R1] = reg{Scalar: zeroOffset, kind: Buf}
		f.regs[isa.R2] = unknownScalar()
	}
	f.regs[isa.R10] = pointerTo(Stack)
	s := v.pool.state()
	s.frames, s.branches = append(s.frames, f), 1
	return s
}

// plain reports whether the program is a plain function over memory.
func (v *verifier) plain() bool {
	return v.opts.Type.Type == spec.Unspec && v.opts.Type.Layout() == nil
}

// helper returns the helper that instruction i calls, or nil if it calls none.
func (v *verifier) helper(i ir.Index) *helper.Helper {
	if op := v.p.Ins[i].Op; (op == isa.Call || op == isa.CallKfunc) && v.opts.Helper != nil {
		h := v.opts.Helper(int32(v.p.Ins[i].Imm))
		if h != nil && len(h.Variants) > 0 {
			own := *h
			own.Args = h.ArgsIn(v.opts.Type.Type)
			return &own
		}
		return h
	}
	return nil
}

// walk goes all paths from a state on.
func (v *verifier) walk(s *state) error {
	v.cur, v.at, v.prev = s, s.at, -1
	v.cur.first = s.at
	for {
		v.entry = nil
		if v.processed++; v.processed > v.limit {
			return v.fail(TooComplex, "the program is too complex: more than %d instructions on all paths together", v.limit)
		}
		v.cur.last, v.cur.at = v.prev, v.at
		ended := false
		v.graph.note(v)
		m := v.marks[v.at]
		if m&markPrune != 0 {
			var err error
			if ended, err = v.visit(); err != nil {
				if !v.goesOn(err) {
					return v.first(err)
				}
				ended = true
			}
		}
		if !ended {
			if m&markJump != 0 {
				v.note(0, nil)
			}
			v.marks[v.at] |= markSeen
			v.log.before(v)
			prev := v.at
			next, err := v.step()
			switch {
			case err == nil:
				v.log.after(v, prev)
				ended = next < 0
				v.prev, v.at = prev, next
			case v.goesOn(err):
				ended = true
			default:
				return v.first(err)
			}
		}
		if ended && !v.pop() {
			return v.first(nil)
		}
	}
}

// goesOn reports whether the walk goes on with other paths, though the current one has gone wrong.
func (v *verifier) goesOn(err error) bool {
	e, ok := err.(*Error)
	if !ok || v.opts.Rejected == nil || e.Code == TooComplex && v.wrong != nil {
		return false
	}
	if v.wrong == nil {
		v.wrong = e
	}
	if !v.opts.Rejected(v.path(), e) {
		return false
	}
	for s := v.cur.parent; s != nil && !s.wrong; s = s.parent {
		s.wrong = true
	}
	return true
}

// first returns the error of the first path that has gone wrong, if one has.
func (v *verifier) first(err error) error {
	if v.wrong != nil {
		return v.wrong
	}
	return err
}

// push keeps a copy of the current state to go on with at another instruction, and returns the copy.
func (v *verifier) push(at ir.Index) (*state, error) {
	s := v.pool.copy(v.cur)
	s.history = append(s.history[:0], v.cur.history...)
	s.branches = 1
	if p := s.parent; p != nil {
		p.branches++
	}
	v.branches = append(v.branches, branch{s, at, v.at})
	if len(v.branches) > maxBranches {
		return nil, v.fail(TooComplex, "the program is too complex: the sequence of %d jumps is too long to keep", maxBranches)
	}
	v.peak = max(v.peak, v.kept+len(v.branches))
	return s, nil
}

// pop goes on with the branch kept last, and reports whether there is one.
func (v *verifier) pop() bool {
	v.endPath(v.cur)
	v.pool.drop(v.cur)
	v.cur = nil
	n := len(v.branches)
	if n == 0 {
		return false
	}
	b := v.branches[n-1]
	v.branches = v.branches[:n-1]
	v.cur, v.at, v.prev = b.s, b.at, b.prev
	v.log.from(v)
	return true
}

// endPath tells the checkpoints behind a state that a path from them has ended.
func (v *verifier) endPath(s *state) {
	for s != nil {
		s.branches--
		if s.branches > 0 {
			return
		}
		p := s.parent
		if s.saved && s.dropped {
			v.pool.drop(s)
		}
		s = p
	}
}

// newID returns an identity that no register has.
func (v *verifier) newID() uint32 {
	v.ids++
	return v.ids
}

// step walks through the current instruction and returns the next, or -1 at the end of the path.
func (v *verifier) step() (ir.Index, error) {
	in, row := &v.p.Ins[v.at], v.rows[v.at]
	var err error
	switch row.Kind {
	case isa.KindALU:
		err = v.alu(in, row)
	case isa.KindLoad, isa.KindLoadAcq:
		err = v.load(in, row)
	case isa.KindStore, isa.KindStoreRel:
		err = v.store(in, row)
	case isa.KindAtomic:
		err = v.atomic(in, row)
	case isa.KindLoadImm:
		err = v.loadImm(in, row)
	case isa.KindPacket:
		err = v.packetLoad(in, row)
	case isa.KindJump:
		v.jumps++
		return v.branch(in, row)
	case isa.KindGoto:
		v.jumps++
		return ir.Index(in.Off), nil
	case isa.KindMayGoto:
		v.jumps++
		return v.mayGoto(in)
	case isa.KindCall:
		v.jumps++
		return v.call(in, row)
	case isa.KindExit:
		v.jumps++
		return v.exit()
	case isa.KindExtension:
		err = v.extension(in, row)
	default:
		err = v.unsupported("%s is not known to the verifier", row.Op)
	}
	return v.at + 1, err
}

// reads checks that a register may be read.
func (v *verifier) reads(r uint8) error {
	if v.cur.regs()[r].kind == NotInit {
		return v.failReg(UnreadRegister, r, "R%d is read, and nothing was written to it%s", r, v.lostAt(r))
	}
	return nil
}
