package seccomp_test

import (
	"math/rand/v2"
	"testing"

	"github.com/skepbpf/skep/seccomp"
)

func BenchmarkCompile(b *testing.B) {
	p := randomPolicy(rand.New(rand.NewPCG(1, 46)), families[1])
	for b.Loop() {
		if _, err := seccomp.Compile(p, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	p := &seccomp.Policy{Default: seccomp.Errno(38), Arches: []seccomp.Arch{seccomp.AMD64}}
	p.Rules = []seccomp.Rule{{Syscalls: seccomp.AMD64.Syscalls(), Action: seccomp.Allow}}
	f, err := seccomp.Compile(p, nil)
	if err != nil {
		b.Fatal(err)
	}
	d, _ := seccomp.NewData(seccomp.AMD64, "read", 1, 2, 3)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Run(&d); err != nil {
			b.Fatal(err)
		}
	}
}
