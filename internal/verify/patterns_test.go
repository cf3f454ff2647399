// Implements the patterns of generated programs: which statements they consist of, for which program type.

package verify

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/progtype"
	"github.com/skepbpf/skep/spec"
)

// pattern is a sort of program: it has statements that others do not have, or more of them.
type pattern struct {
	name       string
	statements []func(g *gen)
}

var patterns = []pattern{
	{"numbers", []func(g *gen){(*gen).alu, (*gen).branch, (*gen).alu}},
	{"rows", []func(g *gen){(*gen).row}},
	{"linked", []func(g *gen){(*gen).link, (*gen).branch}},
	{"stack", []func(g *gen){(*gen).stack, (*gen).stack, (*gen).variable, (*gen).atomic}},
	{"context", []func(g *gen){(*gen).context}},
	{"packet", []func(g *gen){(*gen).packet, (*gen).packet, (*gen).reach, (*gen).meta}},
	{"map", []func(g *gen){(*gen).lookup, (*gen).update, (*gen).reach, (*gen).inner}},
	{"direct", []func(g *gen){(*gen).direct, (*gen).reach}},
	{"loop", []func(g *gen){(*gen).loop}},
	{"may_goto", []func(g *gen){(*gen).mayGoto, (*gen).loop}},
	{"iterator", []func(g *gen){(*gen).iterator, (*gen).stack}},
	{"call", []func(g *gen){(*gen).local, (*gen).stack}},
	{"callback", []func(g *gen){(*gen).callback, (*gen).stack}},
	{"reference", []func(g *gen){(*gen).record, (*gen).sockets}},
	{"lock", []func(g *gen){(*gen).lock}},
	{"timer", []func(g *gen){(*gen).timer, (*gen).update}},
	{"dynptr", []func(g *gen){(*gen).dynptr}},
	{"helper", []func(g *gen){(*gen).anyHelper, (*gen).anyHelper, (*gen).lookup, (*gen).packet}},
	{"socket", []func(g *gen){(*gen).sockets, (*gen).anyHelper}},
	{"tail call", []func(g *gen){(*gen).tailCall, (*gen).local}},
	{"section", []func(g *gen){(*gen).section}},
	{"limits", []func(g *gen){(*gen).deep, (*gen).ladder, (*gen).local}},
	{"all", []func(g *gen){(*gen).packet, (*gen).lookup, (*gen).local, (*gen).callback, (*gen).record, (*gen).iterator, (*gen).mayGoto, (*gen).link, (*gen).dynptr,
		(*gen).anyHelper, (*gen).sockets, (*gen).direct, (*gen).variable, (*gen).lock}},
}

// statement emits one statement of the program's pattern.
func (g *gen) statement() {
	if len(g.extras) > 0 && !g.one(3) {
		choose(g, g.extras...)(g)
		return
	}
	switch g.pick(12) {
	case 0, 1, 2:
		g.alu()
	case 3:
		g.stack()
	case 4, 5:
		g.branch()
	case 6:
		g.link()
	case 7:
		g.context()
	case 8:
		if g.one(3) {
			g.loop()
		} else {
			g.branch()
		}
	case 9:
		g.reach()
	case 10:
		if g.one(3) {
			g.local()
		} else {
			g.stack()
		}
	case 11:
		g.fresh(g.scratch())
	}
}

// genTypes are the program types that the kernel loads without a place to attach them to.
var genTypes = []spec.ProgramType{spec.SocketFilter, spec.SchedCLS, spec.SchedACT, spec.XDP, spec.CGroupSKB, spec.CGroupSock, spec.CGroupSockAddr, spec.SockOps,
	spec.SkSKB, spec.SkMsg, spec.SkLookup, spec.SkReuseport, spec.LWTIn, spec.LWTOut, spec.LWTXmit, spec.LWTSeg6Local, spec.FlowDissector, spec.Kprobe,
	spec.Tracepoint, spec.RawTracepoint, spec.PerfEvent, spec.Netfilter, spec.Syscall, spec.CGroupDevice, spec.CGroupSysctl, spec.CGroupSockopt,
	spec.RawTracepointWritable, spec.LircMode2}

var genMaps = []spec.Map{
	{Name: "hash", Type: spec.Hash, KeySize: 4, ValueSize: 24, MaxEntries: 4},
	{Name: "array", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 2},
	{Name: "ring", Type: spec.RingBuf, MaxEntries: 4096},
	{Name: "locks", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 2, Fields: []spec.MapField{{Kind: spec.SpinLock, Offset: 4}}},
	{Name: "data", Type: spec.Array, KeySize: 4, ValueSize: 32, MaxEntries: 1},
	{Name: "rodata", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Flags: mapReadOnlyProg, Frozen: true,
		Contents: []spec.MapEntry{{Key: make([]byte, 4), Value: []byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 5, 6, 7, 0x80}}}},
	{Name: "timers", Type: spec.Array, KeySize: 4, ValueSize: 24, MaxEntries: 2, Fields: []spec.MapField{{Kind: spec.Timer, Offset: 8}}},
	{Name: "jumps", Type: spec.ProgArray, KeySize: 4, ValueSize: 4, MaxEntries: 1},
	{Name: "lru", Type: spec.LRUHash, KeySize: 4, ValueSize: 13, MaxEntries: 8},
	{Name: "percpu", Type: spec.PerCPUArray, KeySize: 4, ValueSize: 40, MaxEntries: 3},
	{Name: "big", Type: spec.Hash, KeySize: 8, ValueSize: 300, MaxEntries: 2},
	{Name: "maps", Type: spec.ArrayOfMaps, KeySize: 4, ValueSize: 4, MaxEntries: 2, Inner: &spec.Map{Name: "in", Type: spec.Array, KeySize: 4, ValueSize: 8, MaxEntries: 2}},
	{Name: "queue", Type: spec.Queue, ValueSize: 8, MaxEntries: 4},
	{Name: "stack", Type: spec.Stack, ValueSize: 12, MaxEntries: 4},
	{Name: "events", Type: spec.PerfEventArray, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Name: "stacks", Type: spec.StackTrace, KeySize: 4, ValueSize: 64, MaxEntries: 8},
	{Name: "devs", Type: spec.Devmap, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Name: "socks", Type: spec.Sockmap, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Name: "sockhash", Type: spec.Sockhash, KeySize: 4, ValueSize: 4, MaxEntries: 2},
	{Name: "xsks", Type: spec.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: 2},
}

// genOptions says what to generate.
type genOptions struct {
	typ     spec.ProgramType
	pattern *pattern // nil: any
	size    int      // statements
	strict  bool
}

// attachTypes are those that a program of a type may be for.
func attachTypes(t progtype.Type) []spec.AttachType {
	var out []spec.AttachType
	for at := range spec.AttachType(64) {
		if t.Attach != 0 && t.Attach.Has(at) {
			out = append(out, at)
		}
	}
	return out
}

// generate returns a program.
func generate(rng *rand.Rand, o genOptions) (*spec.Program, []spec.Map) {
	t := o.typ
	g := &gen{rng: rng, typ: progtype.Find(t), budget: o.size, strict: o.strict, maps: genMaps, p: &spec.Program{Name: "gen", Type: t, License: "GPL"}}
	g.wild = choose(g, 0, 0, 150, 40)
	if all := attachTypes(g.typ); len(all) > 0 {
		g.attach = choose(g, all...)
		g.p.AttachType = uint32(g.attach)
	}
	pat := o.pattern
	if pat == nil {
		pat = &patterns[g.pick(len(patterns))]
	}
	g.extras = pat.statements
	g.set(isa.R1, held{kind: context})
	g.copyReg(isa.R6, isa.R1)
	g.frozen = 1 << isa.R6
	for _, r := range []isa.Register{0, 2, 3, 4, 5, 7, 8, 9} {
		if g.one(4) {
			g.constant(r, g.imm())
		} else {
			g.fresh(r)
		}
	}
	for n := range g.stk {
		if g.strict || g.one(2) {
			g.emit(isa.St64.Make(isa.R10, 0, int16(-8*(n+1)), g.imm()))
			g.stk[n] = unknown()
		}
	}
	g.block(o.size)
	g.exit()
	g.writeFunctions()
	g.p.Insns = g.code
	return g.p, g.maps
}

// mutate changes one thing or two.
func mutate(rng *rand.Rand, p *spec.Program) {
	small := []int32{1, -1, 2, -2, 4, -4, 8, -8, 16, 100, -0x80000000, 0x7fffffff}
	for range 1 + rng.IntN(2) {
		n := rng.IntN(len(p.Insns))
		in := &p.Insns[n]
		row, err := isa.Linux.Lookup(p.Insns, n)
		if err != nil || row.Slots > 1 || row.Kind == isa.KindCall {
			continue // half of a wide instruction, or what would be another helper
		}
		off := in.Off
		if row.Off.Use == isa.Operand && rng.IntN(2) == 0 {
			off += int16(small[rng.IntN(10)])
		}
		switch rng.IntN(9) {
		case 0, 1:
			*in = row.Make(in.Dst(), in.Src(), in.Off, in.Imm+small[rng.IntN(len(small))])
		case 2:
			*in = row.Make(in.Dst(), in.Src(), off, in.Imm)
		case 3:
			*in = row.Make(isa.Register(rng.IntN(11)), in.Src(), in.Off, in.Imm)
		case 4:
			*in = row.Make(in.Dst(), isa.Register(rng.IntN(11)), in.Off, in.Imm)
		case 5, 6:
			same := byKind[row.Kind]
			*in = same[rng.IntN(len(same))].Make(in.Dst(), in.Src(), in.Off, in.Imm)
		case 7:
			*in = isa.Goto.Make(0, 0, 0, 0) // left out
		case 8:
			if m := rng.IntN(len(p.Insns)); m+1 < len(p.Insns) && p.Insns[m].Code != 0x18 && p.Insns[m].Code != 0 && p.Insns[m].Code != 0x85 {
				p.Insns[m], *in = *in, p.Insns[m]
			}
		}
	}
}
