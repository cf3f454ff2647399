package seccomp_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/classic"
	"github.com/skepbpf/skep/seccomp"
)

// libseccompArch has libseccomp's names of architectures that it knows (2.5).
var libseccompArch = map[seccomp.Arch]string{
	seccomp.AMD64: "x86_64", seccomp.X32: "x32", seccomp.I386: "x86", seccomp.ARM: "arm", seccomp.ARM64: "aarch64",
	seccomp.RISCV64: "riscv64", seccomp.PPC64LE: "ppc64le", seccomp.PPC64: "ppc64", seccomp.PPC: "ppc",
	seccomp.S390X: "s390x", seccomp.S390: "s390", seccomp.MIPS64: "mips64", seccomp.MIPS: "mips",
	seccomp.MIPS64N32: "mips64n32", seccomp.MIPS64LE: "mipsel64", seccomp.MIPSLE: "mipsel", seccomp.MIPS64LEN32: "mipsel64n32",
}

// ops are libseccomp's numbers of comparisons, enum scmp_compare.
var ops = map[seccomp.Op]int{seccomp.NotEqual: 1, seccomp.Less: 2, seccomp.LessEqual: 3, seccomp.Equal: 4, seccomp.GreaterEqual: 5, seccomp.Greater: 6, seccomp.MaskedEqual: 7}

// libseccompProgram builds the program of testdata that makes filters with libseccomp.
func libseccompProgram(t testing.TB) string {
	t.Helper()
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("there is no gcc")
	}
	out := filepath.Join(t.TempDir(), "policy")
	probe := exec.Command(cc, "-E", "-include", "seccomp.h", "-x", "c", os.DevNull)
	if probe.Run() != nil {
		t.Skip("libseccomp's headers are not installed")
	}
	if msg, err := exec.Command(cc, "-o", out, "testdata/policy.c", "-lseccomp").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, msg)
	}
	return out
}

// libseccomp returns the filters that libseccomp makes of policies.
func libseccomp(t testing.TB, program string, policies []*seccomp.Policy, optimize int) []*seccomp.Filter {
	t.Helper()
	var in bytes.Buffer
	for _, p := range policies {
		fmt.Fprintf(&in, "policy %d %d %d\n", uint32(p.Default), uint32(p.OtherArch), optimize)
		for _, a := range p.Arches {
			fmt.Fprintf(&in, "arch %s\n", libseccompArch[a])
		}
		for _, r := range p.Rules {
			if r.Action == p.Default {
				continue
			}
			for _, name := range r.Syscalls {
				fmt.Fprintf(&in, "rule %d %s %d", uint32(r.Action), name, len(r.Args))
				for _, a := range r.Args {
					x, y := a.Value, uint64(0)
					if a.Op == seccomp.MaskedEqual {
						x, y = a.Mask, a.Value
					}
					fmt.Fprintf(&in, " %d %d %d %d", a.Index, ops[a.Op], x, y)
				}
				fmt.Fprintln(&in)
			}
		}
		fmt.Fprintln(&in, "end")
	}
	cmd := exec.Command(program)
	cmd.Stdin = &in
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errOut.String())
	}
	r := bufio.NewReader(bytes.NewReader(out))
	var filters []*seccomp.Filter
	for range policies {
		var n int
		if _, err := fmt.Fscanf(r, "%d\n", &n); err != nil {
			t.Fatal(err)
		}
		code := make([]byte, n)
		if _, err := io.ReadFull(r, code); err != nil {
			t.Fatal(err)
		}
		order := binary.ByteOrder(binary.LittleEndian)
		if policies[len(filters)].Arches[0].BigEndian() {
			order = binary.BigEndian
		}
		raw, err := classic.Decode(code, order)
		if err != nil {
			t.Fatal(err)
		}
		for j := range raw { // libseccomp 2.5.4 leaves some answers in the host's order
			if swapped := bits.ReverseBytes32(raw[j].K); raw[j].Op == 0x06 && !answers(policies[len(filters)], raw[j].K) && answers(policies[len(filters)], swapped) {
				raw[j].K = swapped
			}
		}
		f, err := seccomp.NewFilter(raw)
		if err != nil {
			t.Fatal(err)
		}
		filters = append(filters, f)
	}
	return filters
}

// answers reports whether a policy has an action.
func answers(p *seccomp.Policy, k uint32) bool {
	a := seccomp.Action(k)
	return a == p.Default || a == p.OtherArch || slices.ContainsFunc(p.Rules, func(r seccomp.Rule) bool { return r.Action == a })
}

// sharedNames are the calls of an architecture that libseccomp 2.5 knows, that come under one number only, and whose
// tests libseccomp reads as they stand.
func sharedNames(t testing.TB, program string, arch seccomp.Arch) []string {
	t.Helper()
	names := arch.Syscalls()
	p := &seccomp.Policy{Default: seccomp.Errno(38), Arches: []seccomp.Arch{arch}, Rules: []seccomp.Rule{{Syscalls: names, Action: seccomp.Allow}}}
	f := libseccomp(t, program, []*seccomp.Policy{p}, 1)[0]
	var known []string
	for _, name := range names {
		d, _ := seccomp.NewData(arch, name, 1<<20)
		if f.Interpret(&d) == seccomp.Allow {
			known = append(known, name)
		}
	}
	return known
}

// TestLibseccompPolicies compares a hundred generated policies, and more, with what libseccomp makes of them: on all
// numbers and the boundary values of all tests, and by proof.
func TestLibseccompPolicies(t *testing.T) {
	program := libseccompProgram(t)
	n := 130
	if testing.Short() {
		n = 26
	}
	var policies []*seccomp.Policy
	known := map[seccomp.Arch][]string{}
	for i := range n {
		family := families[i%len(families)]
		if slices.ContainsFunc(family, func(a seccomp.Arch) bool { return libseccompArch[a] == "" }) {
			continue
		}
		r := rand.New(rand.NewPCG(uint64(i), 7))
		if known[family[0]] == nil {
			known[family[0]] = sharedNames(t, program, family[0])
		}
		policies = append(policies, plainPolicy(r, family, known[family[0]]))
	}
	theirs := libseccomp(t, program, policies, 1)
	simulated := 0
	for i, p := range policies {
		f, err := seccomp.Compile(p, nil)
		if err != nil {
			t.Fatal(err)
		}
		all := calls(p, rand.New(rand.NewPCG(uint64(i), 8)))
		for j := range all {
			d := &all[j]
			if narrowThere(seccomp.ArchOf(d.Arch, d.Nr)) {
				for k := range d.Args {
					d.Args[k] = uint64(uint32(d.Args[k]))
				}
			}
			if ours, other := f.Interpret(d), theirs[i].Interpret(d); ours != other {
				t.Fatalf("policy %d (%v): %+v: %s, libseccomp says %s\n%s", i, p.Arches, *d, ours, other, describe(p))
			}
		}
		simulated += len(all)
		diff, err := seccomp.Diff(f, theirs[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range diff {
			if d.Arch.Narrow() == narrowThere(d.Arch) {
				t.Errorf("policy %d: %+v", i, d)
			}
		}
	}
	t.Logf("%d policies, %d calls", len(policies), simulated)
}

// narrowThere reports whether libseccomp looks at the low halves of arguments alone: on 32-bit architectures, as here,
// and also where registers are 64 bits wide but pointers are not.
func narrowThere(a seccomp.Arch) bool {
	return a.Narrow() || a == seccomp.X32 || a == seccomp.MIPS64N32 || a == seccomp.MIPS64LEN32
}

func describe(p *seccomp.Policy) string {
	var b strings.Builder
	fmt.Fprintf(&b, "default %s, other %s\n", p.Default, p.OtherArch)
	for _, r := range p.Rules {
		fmt.Fprintf(&b, "%s %v %v\n", r.Action, r.Syscalls, r.Args)
	}
	return b.String()
}

// plainPolicy returns a random policy that libseccomp reads as it is meant: no two rules about a call, but for one
// action, and values that fit the architectures.
func plainPolicy(r *rand.Rand, family []seccomp.Arch, names []string) *seccomp.Policy {
	actions := []seccomp.Action{seccomp.Allow, seccomp.Errno(1), seccomp.Errno(38), seccomp.KillProcess, seccomp.Trap(0), seccomp.Trace(7), seccomp.Log}
	r.Shuffle(len(actions), func(i, j int) { actions[i], actions[j] = actions[j], actions[i] })
	p := &seccomp.Policy{Default: actions[0], OtherArch: actions[1], Arches: family}
	narrow := slices.ContainsFunc(family, narrowThere)
	names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { // calls through socketcall and ipc are read otherwise
		return strings.HasPrefix(s, "msg") || strings.HasPrefix(s, "sem") || strings.HasPrefix(s, "shm") || slices.Contains(socketCalls, s)
	})
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	for range 1 + r.IntN(12) {
		if len(names) < 80 {
			break
		}
		action := actions[1+r.IntN(len(actions)-1)]
		if r.IntN(2) == 0 {
			k := 1 + r.IntN(60)
			p.Rules = append(p.Rules, seccomp.Rule{Syscalls: names[:k], Action: action})
			names = names[k:]
			continue
		}
		alternatives := 1 + r.IntN(4)
		for range alternatives {
			args := randomArgs(r)
			if alternatives > 1 { // of other chains together libseccomp 2.5.4 makes what no rule says
				args = []seccomp.Arg{{Index: 1, Value: r.Uint64() >> r.IntN(64)}}
			}
			for i := range args {
				if narrow {
					args[i].Value, args[i].Mask = uint64(uint32(args[i].Value)), uint64(uint32(args[i].Mask))
				}
				if args[i].Op == seccomp.Less && args[i].Value == 0 {
					args[i].Value = 1
				}
				if args[i].Op == seccomp.MaskedEqual && args[i].Mask == 0 {
					args[i].Mask = 1
				}
			}
			if len(args) > 0 {
				p.Rules = append(p.Rules, seccomp.Rule{Syscalls: names[:1], Action: action, Args: args})
			}
		}
		names = names[1:]
	}
	return p
}

var socketCalls = strings.Fields("socket bind connect listen accept accept4 getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg recvmmsg sendmmsg")
