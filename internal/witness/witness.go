// Implements the search: a task, and one candidate after the other.

package witness

import (
	"math/rand/v2"
	"time"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// Task is a path to lead a program along, up to its last instruction, which is to go wrong.
type Task struct {
	Prog   *ir.Program
	Type   progtype.Type
	Maps   []spec.Map
	Helper func(id int32) *helper.Helper
	Path   []ir.Index // from the first instruction of the program on
	Seed   uint64
}

// Input is what a run is given.
type Input struct {
	Data    []byte // the packet
	Context []byte // nil: what the packet makes it
	Maps    []Element
	Results []Result
}

// Element is what a map holds at a key.
type Element struct {
	Map        string
	Key, Value []byte
}

// Result is what a helper returns in place of what it would: at its Call-th call in the run, from 1.
type Result struct {
	Helper string
	Call   int
	Value  uint64
}

// Call is what a run showed of the call of a helper: its result, and what was then in the memory that it fills.
type Call struct {
	Name   string
	Result uint64
	Out    [helper.MaxArgs][]byte
}

// Search is a search under way. It is not safe for concurrent use.
type Search struct {
	task     *Task
	rng      *rand.Rand
	inputs   []input
	epoch    uint32
	undo     []change
	conds    []cond
	elements map[string]*object
	order    []*object // the elements, as they were met
	ctx      *object
	packet   *object
	length   int // which piece of the input the packet's length is
	calls    []*call
	goals    [][]cond // each of them makes the last instruction go wrong
	giver    int      // the call that gave the address which goes wrong, from 1; 0: none
	tries    int
	until    time.Time // when solve is to give up
	late     bool
	steps    int
}

// The packet's length: minFrame is what a frame of Ethernet has at least.
const (
	minFrame   = 14
	usualFrame = 64
	maxPacket  = 0xffff
)

// New begins a search.
func New(t *Task) *Search {
	s := &Search{task: t, rng: rand.New(rand.NewPCG(t.Seed, 1)), epoch: 1, elements: map[string]*object{}}
	size := uint64(0)
	if l := t.Type.Layout(); l != nil {
		size = uint64(l.Size)
	}
	s.ctx = &object{kind: context, base: 2 << 24, size: constant(size), bytes: map[uint64]int{}}
	s.packet = &object{kind: packet, base: 0x10 << 24, bytes: map[uint64]int{}}
	length := input{min: minFrame, max: maxPacket, value: usualFrame}
	if !t.Type.Packet {
		length = input{pinned: true}
	}
	s.length = s.newInput(length)
	s.packet.size = &node{op: opInput, n: uint64(s.length)}
	s.until = time.Now().Add(time.Hour)
	w := &walker{Search: s}
	w.walk()
	s.calls = w.calls
	s.goals = w.goal()
	return s
}

// contextByte returns the greatest value of a byte of the context, 0 where it is always zero or comes from elsewhere.
func (s *Search) contextByte(off uint64) uint64 {
	l := s.task.Type.Context
	if l == nil {
		return 0xff
	}
	f := l.Field(int(off))
	if f == nil {
		return 0
	}
	at := int(off) - f.Off
	low := func(n int, most uint64) uint64 {
		if at < n {
			return most
		}
		return 0
	}
	switch f.From {
	case progtype.Zero:
		if s.task.Type.Packet {
			return 0
		}
	case progtype.PktType:
		return low(1, 4)
	case progtype.VLANPresent:
		return low(1, 1)
	case progtype.TimestampType:
		return low(1, 2)
	case progtype.Queue, progtype.Protocol, progtype.VLANTCI, progtype.VLANProto:
		return low(2, 0xff)
	case progtype.Mark, progtype.Priority, progtype.IfIndex, progtype.Hash, progtype.IngressIfIndex, progtype.RxQueue, progtype.TCIndex,
		progtype.TCClassID, progtype.NAPIID, progtype.Timestamp, progtype.HWTimestamp, progtype.GSOSegs, progtype.GSOSize, progtype.CB:
	default:
		return 0
	}
	return 0xff
}

// Next returns another candidate, or nil if none was found in time.
func (s *Search) Next(until time.Time) *Input {
	for try := 0; ; try++ {
		now := time.Now()
		if now.After(until) || try > 4*len(s.goals)+8 {
			return nil
		}
		n := s.tries
		s.tries++
		goal := s.goals[n%len(s.goals)]
		round := n / len(s.goals)
		s.reset(round)
		slice := now.Add(until.Sub(now) / 4)
		if s.solve(append(s.conds[:len(s.conds):len(s.conds)], goal...), slice) {
			return s.input()
		}
	}
}

// reset makes the input what it was at first or, in later rounds, something else.
func (s *Search) reset(round int) {
	s.undo = s.undo[:0]
	s.epoch++
	for i := range s.inputs {
		in := &s.inputs[i]
		if !in.pinned {
			in.value = in.first
		}
		if round > 1 && !in.pinned && i != s.length && in.max > 1 && s.rng.IntN(2) == 0 {
			in.value = min(s.rng.Uint64()>>s.rng.IntN(64), in.max)
		}
	}
	if in := &s.inputs[s.length]; round > 0 && s.task.Type.Packet {
		in.min = minFrame
		if round%3 == 2 {
			in.min = 0 // there are no such frames, but who knows where the program will run
		}
		in.value = max(in.min, uint64([]int{usualFrame, 1500, 14, 34, 0}[s.rng.IntN(5)]))
	}
}

// Giver returns which helper gave the address that the last instruction uses, and at which of its calls in the run, from
// 1; 0 if none did.
func (s *Search) Giver() (name string, call int) {
	if s.giver == 0 {
		return "", 0
	}
	name = s.calls[s.giver-1].h.Name
	for _, c := range s.calls[:s.giver] {
		if c.h.Name == name {
			call++
		}
	}
	return name, call
}

// Learn takes into account what a run showed of the helpers that it called.
func (s *Search) Learn(calls []Call) {
	for i, c := range s.calls {
		if i >= len(calls) || calls[i].Name != c.h.Name {
			return
		}
		got := &calls[i]
		if c.result >= 0 && !c.free {
			in := &s.inputs[c.result]
			if in.max > 1 {
				in.value = got.Result
			}
		}
		for _, f := range c.out {
			for k, n := range f.bytes {
				if k < len(got.Out[f.arg]) {
					s.inputs[n].value = uint64(got.Out[f.arg][k])
				}
			}
		}
	}
}

// input returns the input of the moment.
func (s *Search) input() *Input {
	s.epoch++
	s.late = false
	out := &Input{}
	if s.task.Type.Packet {
		out.Data = make([]byte, s.inputs[s.length].value)
		for off, n := range s.packet.bytes {
			if off < uint64(len(out.Data)) {
				out.Data[off] = byte(s.inputs[n].value)
			}
		}
	}
	out.Context = s.context()
	for _, o := range s.order {
		if e, ok := s.content(o); ok {
			out.Maps = append(out.Maps, e)
		}
	}
	count := map[string]int{}
	for _, c := range s.calls {
		count[c.h.Name]++
		if c.result < 0 {
			continue
		}
		v := s.inputs[c.result].value
		if c.free || s.inputs[c.result].max == 1 && v == 0 {
			out.Results = append(out.Results, Result{c.h.Name, count[c.h.Name], v})
		}
	}
	return out
}

// context returns the context, or nil if what the packet makes it will do.
func (s *Search) context() []byte {
	own := s.task.Type.Context == nil
	out := make([]byte, s.ctx.size.n)
	for off, n := range s.ctx.bytes {
		out[off] = byte(s.inputs[n].value)
		own = own || out[off] != 0
	}
	if !own {
		return nil
	}
	if l := s.task.Type.Context; l != nil {
		for _, f := range l.Fields {
			if f.From == progtype.Len || f.From == progtype.WireLen {
				for i := range 4 {
					out[f.Off+i] = byte(s.inputs[s.length].value >> (8 * i))
				}
			}
		}
	}
	return out
}

// content returns what is to be put into a map for an element.
func (s *Search) content(o *object) (Element, bool) {
	if o.fixed || s.eval(o.was) == 0 {
		return Element{}, false
	}
	e := Element{Map: o.m.Name, Value: make([]byte, o.m.ValueSize)}
	for _, k := range o.keyed {
		v := s.eval(k)
		for n := min(8, int(o.m.KeySize)-len(e.Key)); n > 0; n-- {
			e.Key = append(e.Key, byte(v))
			v >>= 8
		}
	}
	copy(e.Value, o.first)
	changed := o.m.Type != spec.Array && o.m.Type != spec.PerCPUArray
	for off, n := range o.bytes {
		b := byte(s.inputs[n].value)
		changed = changed || b != e.Value[off]
		e.Value[off] = b
	}
	return e, changed
}

// goal returns the conditions under which the path's last instruction goes wrong, more than one way if there are.
func (w *walker) goal() [][]cond {
	at := w.task.Path[len(w.task.Path)-1]
	if len(w.task.Path) > maxSteps {
		return [][]cond{nil}
	}
	in, row := &w.task.Prog.Ins[at], w.task.Prog.Row(at)
	var out [][]cond
	switch row.Kind {
	case isa.KindLoad, isa.KindLoadAcq:
		out = w.outside(w.regs[in.Src], constant(uint64(int64(in.Off))), constant(uint64(row.Size/8)))
	case isa.KindStore, isa.KindStoreRel, isa.KindAtomic:
		out = w.outside(w.regs[in.Dst], constant(uint64(int64(in.Off))), constant(uint64(row.Size/8)))
	case isa.KindCall:
		if h := w.task.Helper(int32(in.Imm)); h != nil && in.Op != isa.CallLocal {
			out = w.badArgument(h)
		}
	case isa.KindExit:
		if r, ok := w.task.Type.Range(w.attach()); ok && len(w.frames) == 0 && w.regs[0].n != nil {
			r0 := w.regs[0].number()
			out = append(out, []cond{{isa.FnSGt, 32, r0, constant(uint64(int64(r.Max))), true}}, []cond{{isa.FnSLt, 32, r0, constant(uint64(int64(r.Min))), true}})
		}
	}
	return append(out, nil)
}

// outside are ways for an access to leave what a register points into.
func (w *walker) outside(v value, off, size *node) (out [][]cond) {
	if v.n == nil || v.obj == nil {
		return nil
	}
	if v.null != nil {
		out = append(out, []cond{{isa.FnEq, 64, v.null, constant(0), true}})
	}
	w.giver = max(w.giver, v.by)
	o := v.obj
	off = binary(opAdd, v.n, off)
	end := binary(opAdd, off, size)
	there := func(c cond) []cond {
		if v.null != nil {
			return []cond{{isa.FnEq, 64, v.null, constant(1), true}, c}
		}
		return []cond{c}
	}
	if o.kind == stack {
		return append(out, there(cond{isa.FnSGt, 64, end, constant(0), true}), there(cond{isa.FnSLt, 64, off, constant(^uint64(511)), true}))
	}
	if !end.isConst() {
		for _, far := range []uint64{1 << 31, 1 << 25} {
			out = append(out, there(cond{isa.FnSGt, 64, end, constant(far), true}))
		}
		out = append(out, there(cond{isa.FnSLt, 64, off, constant(^uint64(1 << 24)), true}))
	}
	if o.far > 0 {
		out = append(out, there(cond{isa.FnSGt, 64, end, constant(uint64(o.far)), true}))
	}
	if o.size != nil {
		out = append(out, there(cond{isa.FnSGt, 64, end, o.size, true}))
	}
	return append(out, there(cond{isa.FnSLt, 64, off, constant(0), true}))
}

// badArgument are ways for the arguments of a helper to be none.
func (w *walker) badArgument(h *helper.Helper) (out [][]cond) {
	args := h.ArgsIn(w.task.Type.Type)
	var m *spec.Map
	for i, a := range args {
		v := w.regs[1+i]
		size := constant(uint64(a.FixedSize()))
		switch a.Kind() {
		case helper.MapRef:
			if v.obj != nil {
				m = v.obj.m
			}
			continue
		case helper.Mem, helper.MemOut:
			if a.FixedSize() == 0 && i+1 < len(args) && w.regs[2+i].n != nil {
				size = w.regs[2+i].number()
			}
		case helper.MapKey:
			if m != nil {
				size = constant(uint64(m.KeySize))
			}
		case helper.MapValue, helper.MapValueOut:
			if m != nil {
				size = constant(uint64(m.ValueSize))
			}
		default:
			continue
		}
		out = append(out, w.outside(v, constant(0), size)...)
	}
	return out
}
