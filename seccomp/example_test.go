package seccomp_test

import (
	"fmt"
	"log"

	"github.com/skepbpf/skep/seccomp"
)

// A policy becomes a filter, which is asked about calls.
func ExampleCompile() {
	policy := &seccomp.Policy{
		Default: seccomp.Errno(38), // ENOSYS
		Arches:  []seccomp.Arch{seccomp.AMD64},
		Rules: []seccomp.Rule{
			{Syscalls: []string{"read", "write", "exit_group"}, Action: seccomp.Allow},
			{Syscalls: []string{"socket"}, Args: []seccomp.Arg{{Index: 0, Op: seccomp.Equal, Value: 1}}, Action: seccomp.Allow},
		},
	}
	filter, err := seccomp.Compile(policy, nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, family := range []uint64{1, 2} {
		call, _ := seccomp.NewData(seccomp.AMD64, "socket", family)
		action, err := filter.Run(&call)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("socket", family, action)
	}
	// Output:
	// socket 1 allow
	// socket 2 errno ENOSYS
}

// Two revisions of a profile are compared.
func ExampleDiff() {
	compile := func(profile string) *seccomp.Filter {
		p, err := seccomp.ParseProfile([]byte(profile))
		if err != nil {
			log.Fatal(err)
		}
		f, err := p.Compile(&seccomp.ProfileOptions{Arch: seccomp.ARM64}, nil)
		if err != nil {
			log.Fatal(err)
		}
		return f
	}
	before := compile(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ptrace"],"action":"SCMP_ACT_ERRNO"}]}`)
	after := compile(`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["ptrace","bpf"],"action":"SCMP_ACT_ERRNO"}]}`)
	diff, err := seccomp.Diff(before, after)
	if err != nil {
		log.Fatal(err)
	}
	for _, d := range diff {
		fmt.Println(d.Arch, d.Calls, d.A, "->", d.B)
	}
	// Output: arm64 bpf allow -> errno EPERM
}
