// Implements the patterns of generated programs: which statements they consist of, for which program type.

package verify

import (
	"math/rand/v2"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// statement emits one statement of the program's pattern.
func (g *gen) statement() {
	if g.special != nil && g.one(4) {
		g.special()
		return
	}
	switch k := g.pick(20); {
	case k < 7:
		g.alu()
	case k < 10:
		g.stack()
	case k < 13:
		g.branch()
	case k < 14:
		g.variable()
	case k < 15:
		g.context()
	case k < 16 && g.depth < 3:
		g.loop()
	case k < 17:
		g.atomic()
	case k < 18 && len(g.maps) > 0:
		if g.one(3) {
			g.direct()
		} else {
			g.lookup()
		}
	case k < 19 && g.data() != 0:
		g.packet(g.data(), g.data()+4)
	case len(g.calls) < 2 && g.one(2):
		g.local()
	default:
		g.alu()
	}
}

// data is the offset of the field data in the context, 0 if there is none that is known here.
func (g *gen) data() int16 {
	switch g.p.Type {
	case spec.SchedCLS, spec.CGroupSKB, spec.LWTXmit, spec.SkSKB:
		return 76
	}
	return 0
}

var genTypes = []spec.ProgramType{spec.SocketFilter, spec.SchedCLS, spec.XDP, spec.CGroupSKB, spec.Kprobe, spec.Tracepoint, spec.RawTracepoint,
	spec.PerfEvent, spec.CGroupSock, spec.SockOps, spec.LWTXmit, spec.SkSKB, spec.FlowDissector}

var genMaps = []spec.Map{
	{Name: "hash", Type: spec.Hash, KeySize: 4, ValueSize: 24, MaxEntries: 4},
	{Name: "array", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 2},
	{Name: "ring", Type: spec.RingBuf, MaxEntries: 4096},
	{Name: "locks", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 2, Fields: []spec.MapField{{Kind: spec.SpinLock, Offset: 4}}},
	{Name: "data", Type: spec.Array, KeySize: 4, ValueSize: 32, MaxEntries: 1},
	{Name: "rodata", Type: spec.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1, Flags: mapReadOnlyProg, Frozen: true,
		Contents: []spec.MapEntry{{Key: make([]byte, 4), Value: []byte{0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 0xff, 0xff, 5, 6, 7, 0x80}}}},
}

// patterns are the statements that a program may have besides those that all have.
var patterns = []func(g *gen) func(){
	func(g *gen) func() { return nil },
	func(g *gen) func() { return g.update },
	func(g *gen) func() { return g.memory },
	func(g *gen) func() { return g.record },
	func(g *gen) func() {
		if g.p.Type == spec.SchedCLS || g.p.Type == spec.XDP || g.p.Type == spec.CGroupSKB {
			return g.lock
		}
		return g.update
	},
	func(g *gen) func() { return g.callback },
}

// generate returns a program of a type.
func generate(rng *rand.Rand, t spec.ProgramType, size int) (*spec.Program, []spec.Map) {
	g := &gen{rng: rng, wild: 30, budget: size, maps: genMaps, p: &spec.Program{Name: "gen", Type: t, License: "GPL"}}
	switch t {
	case spec.SocketFilter, spec.SchedCLS, spec.CGroupSKB, spec.LWTXmit, spec.SkSKB:
		g.ctx = []ctxField{{0, 4}, {4, 4}, {16, 4}, {16, 1}, {40, 4}, {48, 4}, {52, 8}, {68, 2}, {76, 4}, {80, 4}, {32, 4}}
	case spec.XDP:
		g.ctx = []ctxField{{0, 4}, {4, 4}, {8, 4}, {12, 4}, {16, 4}, {20, 4}}
	case spec.FlowDissector:
		g.ctx = []ctxField{{76, 4}, {80, 4}, {144, 8}}
	case spec.PerfEvent:
		g.ctx = []ctxField{{0, 8}, {8, 8}, {16, 8}, {168, 8}}
	default:
		g.ctx = []ctxField{{0, 8}, {8, 8}, {8, 4}, {16, 4}, {24, 2}, {4, 4}}
	}
	g.emit(isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0))
	for _, r := range []isa.Register{0, 2, 3, 4, 5, 7, 8, 9} {
		if g.one(2) {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		} else if f := g.ctx[len(g.ctx)/2]; f.size == 4 || f.size == 8 {
			g.emit(sizes[map[uint8]int{4: 2, 8: 3}[f.size]].ld.Make(r, isa.R6, f.off, 0))
		} else {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		}
	}
	g.special = patterns[g.pick(len(patterns))](g)
	g.block(size)
	g.emit(isa.Mov64Imm.Make(0, 0, 0, int32(g.pick(2))), isa.Exit.Make(0, 0, 0, 0))
	g.functions()
	g.callbacks()
	g.p.Insns = g.code
	return g.p, g.maps
}

// functions emits the functions that are called.
func (g *gen) functions() {
	calls := g.calls
	for n, at := range calls {
		g.called = true
		g.code[at].Imm = int32(len(g.code) - at - 1)
		if n > 0 && g.one(2) {
			g.code[at].Imm = g.code[calls[0]].Imm + int32(calls[0]-at)
			continue
		}
		for _, r := range []isa.Register{0, 7, 8, 9} {
			g.emit(isa.Mov64Imm.Make(r, 0, 0, g.imm()))
		}
		g.emit(isa.Mov64Reg.Make(isa.R6, isa.R1, 0, 0))
		g.ctx = []ctxField{{0, 4}}
		g.calls = make([]int, 5)
		g.depth, g.budget = 2, 6
		g.block(6)
		g.emit(isa.Exit.Make(0, 0, 0, 0))
	}
}

// mutate changes one thing or two.
func mutate(rng *rand.Rand, p *spec.Program) {
	for range 1 + rng.IntN(2) {
		n := rng.IntN(len(p.Insns))
		in := &p.Insns[n]
		row, err := isa.Linux.Lookup(p.Insns, n)
		if err != nil || row.Slots > 1 || row.Op == isa.Call {
			continue // half of a wide instruction, or what would be another helper
		}
		switch rng.IntN(8) {
		case 0:
			*in = row.Make(in.Dst(), in.Src(), in.Off, in.Imm+int32(rng.IntN(9)-4))
		case 1:
			*in = row.Make(in.Dst(), in.Src(), in.Off+int16(rng.IntN(17)-8), in.Imm)
		case 2:
			*in = row.Make(isa.Register(rng.IntN(11)), in.Src(), in.Off, in.Imm)
		case 3:
			*in = row.Make(in.Dst(), isa.Register(rng.IntN(11)), in.Off, in.Imm)
		case 4, 5:
			same := byKind[row.Kind]
			*in = same[rng.IntN(len(same))].Make(in.Dst(), in.Src(), in.Off, in.Imm)
		case 6:
			*in = isa.Mov64Imm.Make(isa.Register(rng.IntN(10)), 0, 0, int32(rng.IntN(32)))
		case 7:
			if m := rng.IntN(len(p.Insns)); m+1 < len(p.Insns) && p.Insns[m].Code != 0x18 && p.Insns[m].Code != 0 {
				p.Insns[m], *in = *in, p.Insns[m]
			}
		}
	}
}
