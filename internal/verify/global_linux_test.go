// Implements the comparison with the kernel on programs with global functions.

//go:build linux

package verify

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/internal/kernel"
	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

var (
	cInt   = &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}
	cLong  = &btf.Int{Name: "unsigned long long", Size: 8}
	cPair  = &btf.Struct{Name: "pair", Size: 16, Members: []btf.Member{{Name: "a", Type: cLong}, {Name: "b", Type: cLong, Offset: 64}}}
	cNamed = func(name string) btf.Type {
		return &btf.Struct{Name: name, Size: 8, Members: []btf.Member{{Name: "x", Type: cLong}}}
	}
	pointer = func(t btf.Type) btf.Type { return &btf.Pointer{Target: t} }
)

// argTypes are types of arguments of global functions.
var argTypes = []func() btf.Type{
	func() btf.Type { return cInt }, func() btf.Type { return cLong }, func() btf.Type { return cInt },
	func() btf.Type { return &btf.Enum{Name: "e", Size: 4, Values: []btf.EnumValue{{Name: "e0"}}} },
	func() btf.Type { return pointer(cInt) }, func() btf.Type { return pointer(cPair) }, func() btf.Type { return pointer(&btf.Const{Type: cPair}) },
	func() btf.Type { return pointer(&btf.Void{}) }, func() btf.Type { return pointer(pointer(cInt)) }, func() btf.Type { return cPair },
	func() btf.Type { return pointer(cNamed("__sk_buff")) }, func() btf.Type { return pointer(cNamed("xdp_md")) }, func() btf.Type { return pointer(cNamed("sk_buff")) },
	func() btf.Type { return pointer(cNamed("pt_regs")) }, func() btf.Type { return pointer(cNamed("task_struct")) },
	func() btf.Type { return pointer(cNamed("task_struct___mine")) }, func() btf.Type { return pointer(cNamed("bpf_raw_tracepoint_args")) },
	func() btf.Type { return pointer(&btf.Typedef{Name: "bpf_user_pt_regs_t", Type: cNamed("pt_regs")}) },
	func() btf.Type { return pointer(&btf.Array{Index: cInt, Type: cLong, Nelems: 3}) },
	func() btf.Type { return pointer(&btf.Fwd{Name: "away"}) }, func() btf.Type { return pointer(cNamed("bpf_dynptr")) },
	func() btf.Type { return pointer(cLong) }, func() btf.Type { return pointer(cNamed("bpf_iter__task")) },
}

var argTags = []string{"arg:ctx", "arg:ctx", "arg:nonnull", "arg:nonnull", "arg:nullable", "arg:trusted", "arg:trusted", "arg:untrusted", "arg:untrusted", "arg:other", "note"}

// globalProgram makes a program without instructions, of some type.
func globalProgram(rng *rand.Rand) *spec.Program {
	p := &spec.Program{Name: "globals", License: "GPL"}
	switch rng.IntN(8) {
	case 7:
		p.Type = spec.CGroupSKB
	case 0:
		p.Type = spec.SocketFilter
	case 1:
		p.Type = spec.SchedCLS
	case 2:
		p.Type = spec.XDP
	case 3:
		p.Type = spec.Kprobe
	case 4:
		p.Type = spec.RawTracepoint
	case 5:
		p.Type, p.AttachType, p.AttachTo = spec.Tracing, uint32(spec.AttachTraceRawTP), "sched_switch"
	case 6:
		p.Type, p.AttachType, p.AttachTo = spec.Tracing, uint32(spec.AttachTraceIter), "task"
		if rng.IntN(2) == 0 {
			p.Flags = spec.Sleepable
		}
	}
	return p
}

// pass puts arguments of a function into registers.
func (g *objectGen) pass(f *btf.Func, proto *btf.FuncProto) {
	rng := g.rng
	for i := range len(proto.Params) {
		r := isa.Register(1 + i)
		_, isPtr := proto.Params[i].Type.(*btf.Pointer)
		pick := rng.IntN(7)
		if f.ParamTags[i] == nil && isPtr && rng.IntN(2) == 0 {
			pick = 1 + rng.IntN(3)
		}
		if !isPtr && rng.IntN(5) > 0 {
			pick = 2
		}
		switch pick {
		case 0:
			g.emit(isa.Mov64Reg.Make(r, 6, 0, 0))
		case 1:
			g.emit(isa.Mov64Reg.Make(r, 10, 0, 0), isa.Add64Imm.Make(r, 0, 0, int32(-8*(1+rng.IntN(3)))))
		case 2:
			g.emit(isa.Mov64Imm.Make(r, 0, 0, int32(rng.IntN(2))))
		case 3, 4:
			g.emit(isa.Mov64Reg.Make(r, 7, 0, 0))
		default:
			g.emit(isa.Mov64Reg.Make(r, 8, 0, 0))
		}
	}
}

// useArguments does something with arguments.
func (g *objectGen) useArguments(n int) {
	rng := g.rng
	for range 1 + rng.IntN(3) {
		if n == 0 {
			break
		}
		r := isa.Register(1 + rng.IntN(n))
		switch rng.IntN(6) {
		case 0:
			g.nullCheck(r)
		case 1, 2:
			g.nullCheck(r)
			fallthrough
		case 3:
			g.emit(loads[1<<rng.IntN(4)].Make(0, r, int16(4*rng.IntN(5)), 0))
		case 4:
			g.nullCheck(r)
			g.emit(stores[1<<rng.IntN(4)].Make(r, 10-isa.Register(rng.IntN(2))*9, int16(4*rng.IntN(5)), 0))
		case 5:
			g.emit(isa.Add64Imm.Make(r, 0, 0, 1))
		}
	}
}

// generateGlobal makes a program that calls a global function.
func generateGlobal(rng *rand.Rand) *spec.Program {
	p := globalProgram(rng)
	n := rng.IntN(4)
	f := &btf.Func{Name: "sub", Linkage: btf.GlobalFunc}
	proto := &btf.FuncProto{Return: cInt}
	if rng.IntN(20) == 0 {
		proto.Return = []btf.Type{&btf.Void{}, pointer(cInt), cLong}[rng.IntN(3)]
	}
	for i := range n {
		proto.Params = append(proto.Params, btf.FuncParam{Name: fmt.Sprintf("a%d", i), Type: argTypes[rng.IntN(len(argTypes))]()})
		var tags []string
		for range 2 {
			if rng.IntN(3) == 0 {
				tags = append(tags, argTags[rng.IntN(len(argTags))])
			}
		}
		if len(tags) == 2 && tags[0] == tags[1] {
			tags = tags[:1]
		}
		f.ParamTags = append(f.ParamTags, tags)
	}
	f.Type = proto
	g := &objectGen{rng: rng, p: p}
	g.emit(isa.Mov64Reg.Make(6, 1, 0, 0))
	g.emit(isa.St64.Make(10, 0, -8, 0), isa.St64.Make(10, 0, -16, 0), isa.St64.Make(10, 0, -24, 0))
	p.Maps = append(p.Maps, spec.MapRef{Insn: len(p.Insns), Map: "h"})
	g.emit(isa.LdMapFD.Make(1, 0, 0, 0), isa.Instruction{}, isa.Mov64Reg.Make(2, 10, 0, 0), isa.Add64Imm.Make(2, 0, 0, -8))
	g.call("map_lookup_elem", false)
	g.emit(isa.Mov64Reg.Make(7, 0, 0, 0))
	if rng.IntN(3) > 0 {
		g.nullCheck(7)
	}
	if p.Type == spec.Tracing {
		g.emit(isa.Ldx64.Make(8, 6, 8, 0))
		if rng.IntN(2) == 0 {
			g.nullCheck(8)
		}
	} else if at, packet := map[spec.ProgramType]int16{spec.XDP: 0, spec.SchedCLS: 76, spec.CGroupSKB: 76}[p.Type]; packet && rng.IntN(2) == 0 {
		g.emit(isa.Ldx32.Make(8, 6, at, 0), isa.Ldx32.Make(9, 6, at+4, 0), isa.Mov64Reg.Make(2, 8, 0, 0), isa.Add64Imm.Make(2, 0, 0, int32(8*rng.IntN(4))))
		g.exits = append(g.exits, len(p.Insns))
		g.emit(isa.JGt64Reg.Make(2, 9, 0, 0))
	} else {
		g.emit(isa.Mov64Imm.Make(8, 0, 0, 0))
	}
	g.pass(f, proto)
	call := len(p.Insns)
	g.emit(isa.CallLocal.Make(0, 0, 0, 0))
	if rng.IntN(4) == 0 {
		g.emit(isa.Mov64Reg.Make(0, isa.Register(rng.IntN(10)), 0, 0))
	}
	for _, at := range g.exits {
		p.Insns[at].Off = int16(len(p.Insns) - at - 1)
	}
	g.emit(isa.Mov64Imm.Make(0, 0, 0, 0), isa.Exit.Make(0, 0, 0, 0))
	p.Insns[call].Imm = int32(len(p.Insns) - call - 1)
	sub := len(p.Insns)
	g.exits = nil
	g.useArguments(n)
	if rng.IntN(8) == 0 {
		g.call([]string{"get_current_task_btf", "bpf_rcu_read_lock", "skb_pull_data", "ktime_get_ns"}[rng.IntN(4)], false)
	}
	for _, at := range g.exits {
		p.Insns[at].Off = int16(len(p.Insns) - at - 1)
	}
	if rng.IntN(10) > 0 {
		g.emit(isa.Mov64Imm.Make(0, 0, 0, 1))
	}
	g.emit(isa.Exit.Make(0, 0, 0, 0))
	main := &btf.Func{Name: "main", Linkage: btf.GlobalFunc, Type: &btf.FuncProto{Return: cInt, Params: []btf.FuncParam{{Name: "ctx", Type: pointer(&btf.Void{})}}}}
	p.Funcs = []spec.Func{{Name: "main", Type: main}, {Insn: sub, Name: "sub", Type: f}}
	return p
}

// TestGlobalDifferential compares verdicts on programs with global functions. SKEP_VERIFY=N asks for N.
func TestGlobalDifferential(t *testing.T) {
	if err := kernel.Available(); err != nil {
		t.Skip(err)
	}
	if len(testKernel()) == 0 {
		t.Skip("the kernel does not describe its types")
	}
	n, seed := 500, uint64(1)
	if s := os.Getenv("SKEP_VERIFY"); s != "" {
		n, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("SKEP_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	rng := rand.New(rand.NewPCG(seed, 7))
	counted := map[string]int{}
	numbers := regexp.MustCompile(`[0-9]+|at .*|'.*'`)
	shown := 0
	for range n {
		p := generateGlobal(rng)
		theirs, ours := judgeObject(t, p, objectMaps)
		var unknown *Unsupported
		switch {
		case strings.HasPrefix(theirs, "invalid argument:  at"):
			counted["no verdict"]++
			continue
		case errors.As(ours, &unknown):
			counted["unsupported: "+unknown.Text]++
			continue
		case (ours == nil) == (theirs == ""):
			counted[fmt.Sprint("agree, accepted: ", ours == nil)]++
			continue
		case decodeOnly(ours):
			continue
		case theirs == "" && ours != nil && strings.Contains(ours.Error(), "and the function writes there"):
			counted["intended: a packet that must not be written"]++
			continue
		case theirs == "" && ours != nil && strings.Contains(ours.Error(), "of function sub may be null"):
			counted["intended: null for an argument that must not be"]++
			continue
		}
		key := fmt.Sprint("WRONG ", numbers.ReplaceAllString(theirs, "#"), ours)
		if counted[key]++; counted[key] == 1 && shown < 12 {
			shown++
			f := p.Funcs[1].Type
			text := fmt.Sprintf("returns %v", f.Type.(*btf.FuncProto).Return)
			for i, a := range f.Type.(*btf.FuncProto).Params {
				text += fmt.Sprintf("; %s %+v %v", a.Name, a.Type, f.ParamTags[i])
				if ptr, ok := a.Type.(*btf.Pointer); ok {
					text += fmt.Sprintf(" -> %v", ptr.Target)
				}
			}
			t.Errorf("%s %s flags %d: here %v; kernel %q\n%s\n%s", p.Type, p.AttachTo, p.Flags, ours, theirs, text, listing(p))
		}
	}
	for k, c := range counted {
		t.Logf("%6d %s", c, k)
	}
}
