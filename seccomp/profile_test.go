package seccomp_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/seccomp"
)

// profiles returns the profiles of containers: that of the examples, and that of Debian's
// golang-github-containers-common where it is installed.
func profiles(t testing.TB) map[string]*seccomp.Profile {
	t.Helper()
	all := map[string]*seccomp.Profile{}
	for name, file := range map[string]string{"example": "../examples/container.json", "containers-common": "/usr/share/containers/seccomp.json"} {
		data, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) && name != "example" {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := seccomp.ParseProfile(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = p
	}
	return all
}

var capabilitySets = [][]string{nil, {"CAP_SYS_ADMIN", "CAP_SYS_PTRACE"}, {"CAP_AUDIT_WRITE", "CAP_SYS_CHROOT", "CAP_SYS_TIME"}}

// TestProfiles compares the filters of whole profiles with their policies on all numbers and the boundary values of
// all tests, and with libseccomp's filters.
func TestProfiles(t *testing.T) {
	for name, profile := range profiles(t) {
		for _, arch := range []seccomp.Arch{seccomp.AMD64, seccomp.ARM64, seccomp.RISCV64, seccomp.S390X, seccomp.PPC64LE, seccomp.I386, seccomp.MIPS64} {
			for i, caps := range capabilitySets {
				t.Run(fmt.Sprint(name, "/", arch, "/", i), func(t *testing.T) {
					where := &seccomp.ProfileOptions{Arch: arch, Capabilities: caps}
					p, _, err := profile.Policy(where)
					if err != nil {
						t.Fatal(err)
					}
					f, err := profile.Compile(where, nil)
					if err != nil {
						t.Fatal(err)
					}
					all := calls(p, rand.New(rand.NewPCG(uint64(i), 9)))
					agree(t, f, p, all)
					t.Logf("%v: %d instructions, %d at most on a way, %d calls", p.Arches, f.Len(), f.Longest(), len(all))
				})
			}
		}
	}
}

// TestLibseccompProfiles compares profiles with libseccomp by proof.
func TestLibseccompProfiles(t *testing.T) {
	program := libseccompProgram(t)
	known := map[seccomp.Arch][]string{}
	knows := func(a seccomp.Arch, name string) bool { // libseccomp is of 2022
		if known[a] == nil {
			known[a] = sharedNames(t, program, a)
		}
		return name == "" || slices.Contains(known[a], name)
	}
	for name, profile := range profiles(t) {
		for _, arch := range []seccomp.Arch{seccomp.AMD64, seccomp.ARM64, seccomp.RISCV64, seccomp.PPC64LE, seccomp.S390X} {
			for i, caps := range capabilitySets {
				where := &seccomp.ProfileOptions{Arch: arch, Capabilities: caps}
				p, _, err := profile.Policy(where)
				if err != nil {
					t.Fatal(err)
				}
				f, err := profile.Compile(where, nil)
				if err != nil {
					t.Fatal(err)
				}
				linear := libseccomp(t, program, []*seccomp.Policy{p}, 1)[0]
				tree := libseccomp(t, program, []*seccomp.Policy{p}, 2)[0]
				for _, other := range []*seccomp.Filter{linear, tree} {
					diff, err := seccomp.Diff(f, other)
					if err != nil {
						t.Fatal(err)
					}
					for _, d := range diff {
						if d.Arch.Narrow() != narrowThere(d.Arch) || !knows(d.Arch, d.Name) {
							continue
						}
						t.Errorf("%s on %s, capabilities %d: %s %s: %s, libseccomp says %s of %+v", name, arch, i, d.Arch, d.Calls, d.A, d.B, d.Example)
					}
				}
				t.Logf("%-17s %-7s %d: %4d instructions, longest way %3d; libseccomp %4d, %3d; as a tree %4d, %3d", name, arch, i,
					f.Len(), f.Longest(), linear.Len(), linear.Longest(), tree.Len(), tree.Longest())
			}
		}
	}
}

// TestProfileErrors checks what is said of bad profiles, and where.
func TestProfileErrors(t *testing.T) {
	rule := func(text string) string { return `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[` + text + `]}` }
	arg := func(text string) string {
		return rule(`{"names":["read"],"action":"SCMP_ACT_LOG","args":[` + text + `]}`)
	}
	for text, want := range map[string]string{
		rule(`{"names":["read","raed"],"action":"SCMP_ACT_LOG"}`):                                                           `syscalls[0].names[1]: no architecture has a system call "raed"`,
		rule("\n" + `{"name":"raed","action":"SCMP_ACT_LOG"}`):                                                              `2:9: syscalls[0].name: no architecture`,
		rule(`{"names":["read"],"action":"SCMP_ACT_DENY"}`):                                                                 `syscalls[0].action: unknown action "SCMP_ACT_DENY", expected one of SCMP_ACT_KILL_PROCESS,`,
		rule(`{"names":["read"],"action":"allow"}`):                                                                         `syscalls[0].action: unknown action "allow"`,
		rule(`{"names":["read"]}`):                                                                                          `syscalls[0]: the object has no field "action"`,
		rule(`{"action":"SCMP_ACT_LOG"}`):                                                                                   `syscalls[0]: the rule names no system call`,
		rule(`{"name":"read","names":["write"],"action":"SCMP_ACT_LOG"}`):                                                   `syscalls[0].name: a rule has either`,
		rule(`{"names":["read"],"action":"SCMP_ACT_LOG","errnoRet":3}`):                                                     `syscalls[0].errnoRet: the action log takes no number`,
		rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5000}`):                                                `syscalls[0].errnoRet: error numbers go up to 4095, found 5000`,
		rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","errno":"EPREM"}`):                                                `syscalls[0].errno: unknown error "EPREM"`,
		rule(`{"names":["read"],"action":"SCMP_ACT_LOG","colour":1}`):                                                       `syscalls[0]: unknown field "colour"`,
		arg(`{"index":6,"value":1,"op":"SCMP_CMP_EQ"}`):                                                                     `syscalls[0].args[0]: there is no argument 6`,
		arg(`{"index":1,"value":1,"op":"SCMP_CMP_IS"}`):                                                                     `syscalls[0].args[0].op: unknown comparison "SCMP_CMP_IS"`,
		arg(`{"index":1,"value":-1,"op":"SCMP_CMP_EQ"}`):                                                                    `syscalls[0].args[0].value: expected a whole number from 0 to 18446744073709551615, found -1`,
		arg(`{"index":1,"value":1,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}`):                                                 `syscalls[0].args[0]: no argument passes: the value 0x2 has bits that the mask 0x1 clears`,
		arg(`{"index":1,"value":0,"op":"SCMP_CMP_LT"}`):                                                                     `syscalls[0].args[0]: no argument passes`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_Z80"]}`:                                              `architectures[0]: unknown architecture "SCMP_ARCH_Z80"`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_S390X"]}`:                                            `architectures: amd64 and s390x have different byte orders`,
		`{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_FAST"]}`:                                           `flags[0]: unknown flag`,
		`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}`: `archMap: a profile has either`,
		`{"syscalls":[]}`:                           `1:1: the object has no field "defaultAction"`,
		`{"defaultAction":"SCMP_ACT_ALLOW"`:         `unexpected end of JSON input`,
		`{"linux":{}}`:                              `linux.seccomp: the container's configuration has no seccomp profile`,
		`{"linux":{"seccomp":{"defaultAction":7}}}`: `linux.seccomp.defaultAction: expected a string, found the number 7`,
		rule(`{"names":["read"],"action":"SCMP_ACT_LOG","includes":{"caps":["SYS_ADMIN"]}}`): `syscalls[0].includes.caps[0]: unknown capability "SYS_ADMIN"`,
		rule(`{"names":["read"],"action":"SCMP_ACT_LOG","includes":{"minKernel":"new"}}`):    `syscalls[0].includes.minKernel: expected a kernel's version such as 4.8, found "new"`,
	} {
		p, err := seccomp.ParseProfile([]byte(text))
		if err == nil {
			_, err = p.Compile(&seccomp.ProfileOptions{Arch: seccomp.AMD64}, nil)
		}
		var placed *seccomp.ProfileError
		if !errors.As(err, &placed) || !strings.Contains(err.Error(), want) || placed.Line < 1 || placed.Column < 1 {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
}

// TestProfileTooLong makes a profile of more tests than a filter has room for.
func TestProfileTooLong(t *testing.T) {
	var rules []string
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 3000 {
		rules = append(rules, fmt.Sprintf(`{"names":["ioctl"],"action":"SCMP_ACT_ERRNO","errnoRet":%d,"args":[{"index":1,"value":%d,"op":"SCMP_CMP_EQ"}]}`, i, r.Uint64()))
	}
	p, err := seccomp.ParseProfile([]byte("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\n \"syscalls\":[" + strings.Join(rules, ",\n") + "]}"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Compile(&seccomp.ProfileOptions{Arch: seccomp.AMD64}, nil)
	var placed *seccomp.ProfileError
	if !errors.As(err, &placed) || !errors.Is(err, seccomp.ErrTooLong) || placed.Path != "syscalls" || placed.Line != 2 {
		t.Errorf("error %v", err)
	}
}

// TestProfileConditions checks which rules apply where, and which go over others.
func TestProfileConditions(t *testing.T) {
	p, err := seccomp.ParseProfile([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86"],"syscalls":[
		{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":5,"args":[{"index":0,"value":3,"op":"SCMP_CMP_EQ"}]},
		{"names":["read"],"action":"SCMP_ACT_ALLOW"},
		{"names":["read"],"action":"SCMP_ACT_LOG"},
		{"names":["read","nosuch"],"action":"SCMP_ACT_ERRNO"},
		{"names":["dup"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":0,"value":2,"op":"SCMP_CMP_EQ"}]},
		{"names":["dup2"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]},
		{"names":["ptrace"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"4.8"}},
		{"names":["bpf"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF","CAP_PERFMON"]}},
		{"names":["close"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_BPF"]}},
		{"names":["open"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm64","amd64"]}},
		{"names":["creat"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["amd64"]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		where seccomp.ProfileOptions
		call  string
		args  []uint64
		want  seccomp.Action
	}{
		{call: "read", args: []uint64{3}, want: seccomp.Allow},
		{call: "dup", args: []uint64{1}, want: seccomp.Allow},
		{call: "dup", args: []uint64{2}, want: seccomp.Allow},
		{call: "dup", args: []uint64{3}, want: seccomp.Errno(1)},
		{call: "dup2", args: []uint64{1, 2}, want: seccomp.Allow},
		{call: "dup2", args: []uint64{1, 1}, want: seccomp.Errno(1)},
		{call: "ptrace", want: seccomp.Allow},
		{where: seccomp.ProfileOptions{Kernel: "4.4.0-generic"}, call: "ptrace", want: seccomp.Errno(1)},
		{where: seccomp.ProfileOptions{Kernel: "4.10"}, call: "ptrace", want: seccomp.Allow},
		{where: seccomp.ProfileOptions{Capabilities: []string{"CAP_BPF"}}, call: "bpf", want: seccomp.Errno(1)},
		{where: seccomp.ProfileOptions{Capabilities: []string{"CAP_PERFMON", "CAP_BPF"}}, call: "bpf", want: seccomp.Allow},
		{where: seccomp.ProfileOptions{Capabilities: []string{"CAP_BPF"}}, call: "close", want: seccomp.Errno(1)},
		{call: "close", want: seccomp.Allow},
		{call: "open", want: seccomp.Allow},
		{call: "creat", want: seccomp.Errno(1)},
	} {
		c.where.Arch, c.where.IgnoreUnknown = seccomp.AMD64, true
		policy, notes, err := p.Policy(&c.where)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := seccomp.NewData(seccomp.AMD64, c.call, c.args...)
		if got := policy.Decide(&d); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
		text := strings.Join(notes, "\n")
		for _, want := range []string{
			"syscalls[0]: the rule does nothing for read: syscalls[1], which tests nothing, goes over it",
			"syscalls[2]: the rule does nothing for read: syscalls[1] already has the action allow",
			"syscalls[3]: the rule does nothing for read: its action is the default, which syscalls[1] goes over",
			`syscalls[3].names[1]: unknown system call "nosuch" ignored`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("no note %q in\n%s", want, text)
			}
		}
	}
}

// FuzzProfile feeds the reader of profiles.
func FuzzProfile(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":3,"op":"SCMP_CMP_LE"}],"includes":{"caps":["CAP_BPF"],"minKernel":"5.1"}}]}`))
	f.Add([]byte(`{"linux":{"seccomp":{"defaultAction":"SCMP_ACT_KILL","architectures":["SCMP_ARCH_X86"],"flags":["SECCOMP_FILTER_FLAG_LOG"]}}}`))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_TRAP","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X32"]}],"syscalls":[{"name":"socket","action":"SCMP_ACT_NOTIFY","args":[{"index":0,"value":3,"valueTwo":1,"op":"SCMP_CMP_MASKED_EQ"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := seccomp.ParseProfile(data)
		if err == nil {
			_, err = p.Compile(&seccomp.ProfileOptions{Arch: seccomp.AMD64}, nil)
		}
		var placed *seccomp.ProfileError
		if err != nil && !errors.As(err, &placed) {
			t.Fatalf("error without a place: %v", err)
		}
	})
}
