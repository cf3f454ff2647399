// Implements the comparison with the kernel on programs that walk the kernel's structures.

//go:build linux

package verify

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/helper"
	"github.com/skepbpf/skep/internal/ir"
	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// place of attachment for generated programs.
type attachment struct {
	typ    spec.ProgramType
	at     spec.AttachType
	to     string
	flags  spec.ProgramFlags
	params []btf.FuncParam
}

// attachments are the tracepoints, iterators and methods that the running kernel has.
var attachments = sync.OnceValue(func() []attachment {
	var out []attachment
	k, err := hostTypes()
	if err != nil {
		return nil
	}
	for t, err := range k.All() {
		if err != nil {
			return nil
		}
		switch t := t.(type) {
		case *btf.Typedef:
			if name, ok := strings.CutPrefix(t.Name, "btf_trace_"); ok {
				if proto, ok := t.Type.(*btf.Pointer).Target.(*btf.FuncProto); ok {
					out = append(out, attachment{spec.Tracing, spec.AttachTraceRawTP, name, 0, proto.Params[1:]})
				}
			}
		case *btf.Func:
			if name, ok := strings.CutPrefix(t.Name, "bpf_iter_"); ok {
				if isIter(name) {
					out = append(out, attachment{spec.Tracing, spec.AttachTraceIter, name, 0, t.Type.(*btf.FuncProto).Params},
						attachment{spec.Tracing, spec.AttachTraceIter, name, spec.Sleepable, t.Type.(*btf.FuncProto).Params})
				}
			}
		}
	}
	for _, name := range []string{"tcp_congestion_ops", "bpf_dummy_ops"} {
		var s *btf.Struct
		if k.TypeByName(name, &s) != nil {
			continue
		}
		for _, m := range s.Members {
			if ptr, ok := btf.UnderlyingType(m.Type).(*btf.Pointer); ok {
				if proto, ok := ptr.Target.(*btf.FuncProto); ok {
					out = append(out, attachment{spec.StructOps, 0, name + "/" + m.Name, 0, proto.Params})
				}
			}
		}
	}
	slices.SortStableFunc(out, func(a, b attachment) int { // tracepoints, of which there are most, first
		if a.at == spec.AttachTraceRawTP && b.at != a.at {
			return -1
		}
		if b.at == spec.AttachTraceRawTP && b.at != a.at {
			return 1
		}
		return 0
	})
	return out
})

// judgeObject returns our verdict and the kernel's reason, "" if it accepts.
func judgeObject(t *testing.T, p *spec.Program, maps []spec.Map) (theirs string, ours error) {
	t.Helper()
	ours = verifyObject(p, maps)
	k, err := kernel.Load(p, maps, &kernel.Options{HelperID: testID, Log: true})
	if err == nil {
		k.Close()
		return "", ours
	}
	var refused *kernel.VerifierError
	if !errors.As(err, &refused) {
		t.Fatalf("%v\n%v", err, p.Insns)
	}
	reason, at := refused.Reason()
	return fmt.Sprintf("%v: %s at %s", refused.Err, reason, at), ours
}

// objectGen makes programs that walk structures.
type objectGen struct {
	rng   *rand.Rand
	p     *spec.Program
	exits []int
	regs  [isa.NumRegisters]btf.Type // what a register points to, as far as is known
	a     *attachment
}

func (g *objectGen) emit(in ...isa.Instruction) { g.p.Insns = append(g.p.Insns, in...) }

func (g *objectGen) call(name string, kfunc bool) {
	op := isa.Call
	if kfunc {
		op = isa.CallKfunc
	}
	g.p.Calls = append(g.p.Calls, spec.CallRef{Insn: len(g.p.Insns), Helper: name})
	g.emit(op.Make(0, 0, 0, 0))
	for r := range 6 {
		g.regs[r] = nil
	}
}

var loads = map[int]isa.Op{1: isa.Ldx8, 2: isa.Ldx16, 4: isa.Ldx32, 8: isa.Ldx64}
var stores = map[int]isa.Op{1: isa.Stx8, 2: isa.Stx16, 4: isa.Stx32, 8: isa.Stx64}

// reg picks one of R7 to R9, one that points to something if it can.
func (g *objectGen) pick(object bool) isa.Register {
	r := isa.Register(7 + g.rng.IntN(3))
	for range 6 {
		if !object || g.regs[r] != nil {
			break
		}
		r = isa.Register(7 + g.rng.IntN(3))
	}
	return r
}

// field picks a field of a structure: its offset, size, and what it points to, if anything. Pointers are picked more often.
func (g *objectGen) field(t btf.Type) (off, size int, to btf.Type) {
	for depth := 0; ; depth++ {
		fields, _, _, ok := members(btf.UnderlyingType(t))
		if !ok || len(fields) == 0 {
			return off, 8, nil
		}
		m := fields[g.rng.IntN(len(fields))]
		for range 5 {
			u := btf.UnderlyingType(m.Type)
			if _, ok := u.(*btf.Pointer); ok || isStruct(u) && g.rng.IntN(3) == 0 {
				break
			}
			m = fields[g.rng.IntN(len(fields))]
		}
		off += int(m.Offset.Bytes())
		u := btf.UnderlyingType(m.Type)
		if elem, n, array := element(u); array {
			if one, err := btf.Sizeof(elem); err == nil && n > 0 {
				off += one * g.rng.IntN(int(min(n, 4)))
			}
			u = elem
		}
		if isStruct(u) && depth < 6 {
			t = u
			continue
		}
		size, _ = btf.Sizeof(u)
		if p, ok := u.(*btf.Pointer); ok {
			if s := btf.UnderlyingType(p.Target); isStruct(s) {
				to = s
			}
		}
		if size != 1 && size != 2 && size != 4 {
			size = 8
		}
		return off, size, to
	}
}

func (g *objectGen) nullCheck(r isa.Register) {
	g.exits = append(g.exits, len(g.p.Insns))
	g.emit(isa.JEq64Imm.Make(r, 0, 0, 0))
}

// argument loads an argument.
func (g *objectGen) argument() {
	rng := g.rng
	k := rng.IntN(len(g.a.params) + 1)
	if rng.IntN(4) > 0 && len(g.a.params) > 0 {
		k = rng.IntN(len(g.a.params))
	}
	r := g.pick(false)
	size := 8
	if rng.IntN(12) == 0 {
		size = 1 << rng.IntN(4)
	}
	g.emit(loads[size].Make(r, 6, int16(8*k), 0))
	g.regs[r] = nil
	if k < len(g.a.params) {
		if p, ok := btf.UnderlyingType(g.a.params[k].Type).(*btf.Pointer); ok && isStruct(btf.UnderlyingType(p.Target)) {
			g.regs[r] = btf.UnderlyingType(p.Target)
		}
	}
	if rng.IntN(3) > 0 {
		g.nullCheck(r)
	}
}

// walk loads a field.
func (g *objectGen) walk() {
	rng := g.rng
	from, to := g.pick(true), g.pick(false)
	if g.regs[from] == nil {
		return
	}
	off, size, t := g.field(g.regs[from])
	if rng.IntN(40) == 0 {
		size = 1 << rng.IntN(4)
	}
	if rng.IntN(50) == 0 {
		off += rng.IntN(17) - 8
	}
	if off > 32767 || off < -32768 {
		return
	}
	g.emit(loads[size].Make(to, from, int16(off), 0))
	g.regs[to] = t
	if t != nil && rng.IntN(2) == 0 {
		g.nullCheck(to)
	}
}

// step adds a few instructions.
func (g *objectGen) step() {
	rng := g.rng
	switch n := rng.IntN(100); {
	case n < 18:
		g.argument()
	case n < 60:
		g.walk()
	case n < 64:
		r := g.pick(true)
		if g.regs[r] == nil {
			return
		}
		off, _, _ := g.field(g.regs[r])
		g.emit(isa.Add64Imm.Make(r, 0, 0, int32(off)))
		g.regs[r] = nil
		if rng.IntN(2) == 0 {
			g.emit(loads[1<<rng.IntN(4)].Make(g.pick(false), r, int16(rng.IntN(3)*8), 0))
		}
	case n < 69:
		r := g.pick(true)
		if g.regs[r] == nil {
			return
		}
		off, size, _ := g.field(g.regs[r])
		if off > 32767 || g.a.typ != spec.StructOps && rng.IntN(8) > 0 {
			return
		}
		g.emit(stores[size].Make(r, 6+isa.Register(rng.IntN(2))*4, int16(off), 0))
	case n < 73:
		r := g.pick(false)
		slot := int16(-8 * (1 + rng.IntN(2)))
		g.emit(isa.Stx64.Make(10, r, slot, 0), isa.Ldx64.Make(g.pick(false), 10, slot, 0))
	case n < 75:
		a, b := g.pick(true), g.pick(false)
		g.emit(isa.Mov64Reg.Make(b, a, 0, 0))
		g.regs[b] = g.regs[a]
	case n < 78:
		g.call([]string{"bpf_rcu_read_lock", "bpf_rcu_read_unlock"}[rng.IntN(2)], true)
	case n < 80:
		g.interrupts()
	case n < 83:
		g.iterator()
	case n < 88:
		g.kept()
	case n == 88:
		g.emit(isa.Mov64Imm.Make(1, 0, 0, int32(rng.IntN(2))))
		g.call("bpf_throw", true)
	default:
		g.helper()
	}
}

func (g *objectGen) types() *btf.Spec {
	k, _ := hostTypes()
	return k
}

// maybeRelease releases what the last result is.
func (g *objectGen) maybeRelease(name string) {
	if g.rng.IntN(5) == 0 {
		return
	}
	last := g.p.Insns[len(g.p.Insns)-1]
	r := last.Dst()
	g.emit(isa.Mov64Reg.Make(1, r, 0, 0))
	g.call(name, true)
	if g.rng.IntN(4) > 0 {
		g.regs[r] = nil
	}
}

var objectMaps = []spec.Map{{Name: "h", Type: spec.Hash, KeySize: 8, ValueSize: 16, MaxEntries: 4},
	{Name: "kept", Type: spec.Array, KeySize: 4, ValueSize: 32, MaxEntries: 1, Fields: []spec.MapField{
		{Kind: spec.Kptr, Offset: 0, Type: taskType}, {Kind: spec.KptrUntrusted, Offset: 16, Type: taskType}}},
	{Name: "tasks", Type: spec.TaskStorage, KeySize: 4, ValueSize: 16, Flags: 1}, {Name: "sockets", Type: spec.SkStorage, KeySize: 4, ValueSize: 16, Flags: 1},
	{Name: "events", Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 4}}

// generateObjects makes a program of about n steps.
func generateObjects(rng *rand.Rand, n int) *spec.Program {
	all := attachments()
	a := &all[rng.IntN(len(all))]
	if rng.IntN(3) == 0 {
		a = &all[len(all)-1-rng.IntN(60)]
	}
	g := &objectGen{rng: rng, a: a, p: &spec.Program{Name: "objects", Type: a.typ, AttachType: uint32(a.at), AttachTo: a.to, Flags: a.flags, License: "GPL"}}
	if rng.IntN(50) == 0 {
		g.p.License = "none"
	}
	g.emit(isa.Mov64Reg.Make(6, 1, 0, 0), isa.Mov64Imm.Make(7, 0, 0, 0), isa.Mov64Imm.Make(8, 0, 0, 0), isa.Mov64Imm.Make(9, 0, 0, 0))
	for range n {
		g.step()
	}
	for _, at := range g.exits {
		g.p.Insns[at].Off = int16(len(g.p.Insns) - at - 1)
	}
	r0 := isa.Mov64Imm.Make(0, 0, 0, 0)
	switch rng.IntN(30) {
	case 0:
		r0 = isa.Mov64Reg.Make(0, 7, 0, 0)
	case 1:
		r0 = isa.Mov64Imm.Make(0, 0, 0, int32(rng.IntN(4)-1))
	}
	g.emit(r0, isa.Exit.Make(0, 0, 0, 0))
	return g.p
}

// mutateObjects changes an offset, a width, a register or a constant.
func mutateObjects(rng *rand.Rand, p *spec.Program) {
	at := rng.IntN(len(p.Insns))
	in := &p.Insns[at]
	if in.Code == 0x85 || in.Code == 0x18 || in.Code == 0 {
		return
	}
	switch rng.IntN(4) {
	case 0:
		in.Off += int16(8 * (rng.IntN(9) - 4))
	case 1:
		if class := in.Code & 7; class == 1 || class == 3 {
			in.Code = in.Code&^0x18 | uint8(rng.IntN(4)<<3)
		}
	case 2:
		if in.Code == 0x85 {
			return
		}
		in.Regs = in.Regs&0xf0 | uint8(6+rng.IntN(4))
	case 3:
		in.Regs = in.Regs&0x0f | uint8(6+rng.IntN(4))<<4
	}
}

// TestObjectDifferential compares verdicts on programs that walk the kernel's structures. SKEP_VERIFY=N asks for N.
func TestObjectDifferential(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	if len(attachments()) == 0 {
		t.Skip("the kernel does not describe its types")
	}
	n, seed := 300, uint64(1)
	if s := os.Getenv("SKEP_VERIFY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("SKEP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	rng := rand.New(rand.NewPCG(seed, 6))
	counted := map[string]int{}
	shown := 0
	numbers := regexp.MustCompile(`[0-9]+|at .*|'.*'`)
	compare := func(p *spec.Program) {
		theirs, ours := judgeObject(t, p, objectMaps)
		var unknown *Unsupported
		switch {
		case strings.HasPrefix(theirs, "invalid argument:  at"), strings.Contains(theirs, "verifier bug"):
			counted["no verdict"]++
			return
		case theirs == "" && ours != nil && strings.Contains(ours.Error(), "the state of interrupts must lie"):
			counted["intended"]++ // the kernel takes R10 itself for R10-8
			return
		case errors.As(ours, &unknown):
			counted["unsupported: "+unknown.Text]++
			return
		case ours == nil && theirs == "":
			counted["both accept"]++
			return
		case ours != nil && theirs != "":
			counted["both reject"]++
			return
		case decodeOnly(ours):
			counted["decode only"]++
			return
		case ours == nil:
			counted["FALSE ACCEPT"]++
		default:
			counted["FALSE REJECT"]++
		}
		key := fmt.Sprint(numbers.ReplaceAllString(theirs, "#"), ours != nil)
		if counted[key]++; counted[key] == 1 && shown < 12 {
			shown++
			t.Errorf("%s %s flags %d license %s: here %v; kernel %q\n%s", p.Type, p.AttachTo, p.Flags, p.License, ours, theirs, listing(p))
		}
	}
	for range n {
		p := generateObjects(rng, 1+rng.IntN(10))
		compare(p)
		for range 2 {
			q := *p
			q.Insns = append(q.Insns[:0:0], p.Insns...)
			mutateObjects(rng, &q)
			compare(&q)
		}
	}
	for k, c := range counted {
		t.Logf("%6d %s", c, k)
	}
}

func listing(p *spec.Program) string {
	var b strings.Builder
	d, err := ir.Decode(resolve(p), ir.Options{})
	if err != nil {
		return err.Error()
	}
	for i := range d.Ins {
		name := ""
		for _, c := range p.Calls {
			if ir.Slot(c.Insn) == d.Slots[i] {
				name = c.Helper
			}
		}
		in := p.Insns[d.Slots[i]]
		fmt.Fprintf(&b, "%3d: %v dst=r%d src=r%d off=%d imm=%d %s\n", d.Slots[i], d.Ins[i].Op, in.Dst(), in.Src(), in.Off, in.Imm, name)
	}
	return b.String()
}

func isIter(name string) bool { return progtype.FindIter(name) != nil }

func testID(name string) (int32, bool) { return helper.ID(name) }

// verifyObject returns our verdict.
func verifyObject(p *spec.Program, maps []spec.Map) error {
	d, err := ir.Decode(resolve(p), ir.Options{})
	if err != nil {
		return err
	}
	_, err = Verify(d, &Options{Type: progtype.Find(p.Type), Maps: maps, Helper: testHelper, Kernel: testKernel})
	return err
}
