package seccomp_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/seccomp"
)

// calls returns calls that together go every way through a policy: every number there is and those beside it, and
// for calls with tests the boundary values of every test, one argument at a time and at random together.
func calls(p *seccomp.Policy, r *rand.Rand) []seccomp.Data {
	var all []seccomp.Data
	tested := map[string][]seccomp.Arg{}
	for _, rule := range p.Rules {
		for _, name := range rule.Syscalls {
			tested[name] = append(tested[name], rule.Args...)
		}
	}
	for _, a := range p.Arches {
		numbers := map[uint32]bool{0: true, 1 << 30: true, 1<<30 - 1: true, 1<<31 - 1: true, 1 << 31: true, 1<<32 - 2: true, 1<<32 - 1: true, 1<<30 + 600: true}
		for _, name := range a.Syscalls() {
			n, _ := a.Number(name)
			numbers[n-1], numbers[n], numbers[n+1] = true, true, true
			all = append(all, argumentCalls(a, n, tested[name], r)...)
		}
		for n := range numbers {
			all = append(all, seccomp.Data{Nr: n, Arch: a.Audit(), Args: [6]uint64{r.Uint64N(30)}})
		}
	}
	for _, arch := range []uint32{0, p.Arches[0].Audit() ^ 1, 1<<32 - 1, 0x16} {
		all = append(all, seccomp.Data{Nr: r.Uint32N(500), Arch: arch})
	}
	return all
}

func argumentCalls(a seccomp.Arch, n uint32, tests []seccomp.Arg, r *rand.Rand) []seccomp.Data {
	values := map[int][]uint64{}
	for _, t := range tests {
		v := t.Value
		near := []uint64{0, v - 1, v, v + 1, v ^ 1<<32, v ^ 1<<31, v ^ 1<<63, v | t.Mask, v | ^t.Mask, ^uint64(0), v | r.Uint64()&^t.Mask, v << 32, v >> 32}
		values[t.Index] = append(values[t.Index], near...)
	}
	var all []seccomp.Data
	value := func(i int) uint64 {
		if vs := values[i]; len(vs) > 0 && r.IntN(8) > 0 {
			return vs[r.IntN(len(vs))]
		}
		return r.Uint64() >> r.IntN(64)
	}
	random := func() (d seccomp.Data) {
		d = seccomp.Data{Nr: n, Arch: a.Audit(), IP: r.Uint64()}
		for i := range d.Args {
			d.Args[i] = value(i)
		}
		return d
	}
	for i, vs := range values {
		for _, v := range vs {
			for range 4 {
				d := random()
				d.Args[i] = v
				all = append(all, d)
			}
		}
	}
	return all
}

// agree compares a filter, on both engines, with its policy, and returns how many calls that took.
func agree(t *testing.T, f *seccomp.Filter, p *seccomp.Policy, all []seccomp.Data) {
	t.Helper()
	for i := range all {
		want := p.Decide(&all[i])
		if got := f.Interpret(&all[i]); got != want {
			t.Fatalf("%+v: %s, the policy says %s", all[i], got, want)
		}
		if got, err := f.Run(&all[i]); got != want || err != nil {
			t.Fatalf("%+v: %s (%v) as machine code, the policy says %s", all[i], got, err, want)
		}
	}
}

var families = [][]seccomp.Arch{
	{seccomp.AMD64}, {seccomp.AMD64, seccomp.I386, seccomp.X32}, {seccomp.X32}, {seccomp.AMD64, seccomp.X32}, {seccomp.I386}, {seccomp.ARM64, seccomp.ARM},
	{seccomp.RISCV64}, {seccomp.PPC64LE}, {seccomp.S390X, seccomp.S390}, {seccomp.MIPS64, seccomp.MIPS, seccomp.MIPS64N32},
	{seccomp.MIPS64LE, seccomp.MIPSLE, seccomp.MIPS64LEN32}, {seccomp.LoongArch64}, {seccomp.PPC64, seccomp.PPC},
}

// randomPolicy returns a policy over an architecture and its relatives.
func randomPolicy(r *rand.Rand, family []seccomp.Arch) *seccomp.Policy {
	actions := []seccomp.Action{seccomp.Allow, seccomp.Errno(1), seccomp.Errno(38), seccomp.KillProcess, seccomp.KillThread, seccomp.Trap(0), seccomp.Trace(7), seccomp.Log}
	action := func() seccomp.Action { return actions[r.IntN(len(actions))] }
	p := &seccomp.Policy{Default: action(), Arches: family, OtherArch: action()}
	names := family[0].Syscalls()
	for range 1 + r.IntN(12) {
		rule := seccomp.Rule{Action: action()}
		if r.IntN(2) == 0 { // many at once, often neighbours
			at := r.IntN(len(names))
			rule.Syscalls = names[at:min(len(names), at+1+r.IntN(100))]
		} else {
			for range 1 + r.IntN(3) {
				rule.Syscalls = append(rule.Syscalls, names[r.IntN(min(len(names), 40))])
			}
			rule.Args = randomArgs(r)
		}
		p.Rules = append(p.Rules, rule)
	}
	return p
}

func randomArgs(r *rand.Rand) []seccomp.Arg {
	var args []seccomp.Arg
	for i := range 6 {
		if r.IntN(4) != 0 {
			continue
		}
		a := seccomp.Arg{Index: i, Op: seccomp.Op(r.IntN(7)), Value: r.Uint64() >> r.IntN(64)}
		if r.IntN(2) == 0 {
			a.Value = r.Uint64N(12)
		}
		if a.Op == seccomp.MaskedEqual {
			a.Mask = r.Uint64() >> r.IntN(64)
			a.Value &= a.Mask
		}
		if a.Op == seccomp.Less && a.Value == 0 || a.Op == seccomp.Greater && a.Value == ^uint64(0) {
			a.Value ^= 1
			if a.Op == seccomp.Greater {
				a.Value--
			}
		}
		args = append(args, a)
	}
	return args
}

// TestGeneratedPolicies compares what is compiled from random policies with the policies, call by call. (Compile has
// proved it by then, by other means.)
func TestGeneratedPolicies(t *testing.T) {
	n := 300
	if testing.Short() {
		n = 60
	}
	simulated := 0
	for i := range n {
		r := rand.New(rand.NewPCG(uint64(i), 46))
		p := randomPolicy(r, families[i%len(families)])
		f, err := seccomp.Compile(p, nil)
		if err != nil {
			t.Fatalf("policy %d: %v\n%+v", i, err, p)
		}
		all := calls(p, r)
		agree(t, f, p, all)
		simulated += len(all)
	}
	t.Log(fmt.Sprint(n, " policies, ", simulated, " calls"))
}
