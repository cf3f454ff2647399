// Implements tests of what loading makes of each thing that objects have.

package elf_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/skepbpf/skep/elf"
	"github.com/skepbpf/skep/internal/objtest"
	"github.com/skepbpf/skep/spec"
)

func TestSections(t *testing.T) {
	for _, c := range []struct {
		section string
		want    string // type, attach type, flags, target
	}{
		{"socket", "socket_filter 0 0 "},
		{"socket1", "socket_filter 0 0 "},
		{"kprobe/do_sys_open", "kprobe 0 0 do_sys_open"},
		{"kretprobe", "kprobe 0 0 "},
		{"kprobes", "unspec 0 0 "},
		{"uprobe.s//bin/bash:readline", "kprobe 0 16 /bin/bash:readline"},
		{"kprobe.multi/tcp_*", "kprobe 42 0 tcp_*"},
		{"uprobe.session.s/a:b", "kprobe 57 16 a:b"},
		{"usdt/libc.so:libc:setjmp", "kprobe 0 0 libc.so:libc:setjmp"},
		{"tc", "sched_cls 0 0 "}, {"tc/ingress", "sched_cls 46 0 "}, {"tcx/egress", "sched_cls 47 0 "}, {"tc_main", "sched_cls 0 0 "}, {"classifier/x", "sched_cls 0 0 "},
		{"netkit/peer", "sched_cls 55 0 "}, {"action", "sched_act 0 0 "},
		{"tp/sched/sched_switch", "tracepoint 0 0 sched/sched_switch"}, {"raw_tp/x", "raw_tracepoint 0 0 x"}, {"raw_tp.w/x", "raw_tracepoint_writable 0 0 x"},
		{"tp_btf/x", "tracing 23 0 x"}, {"fentry/x", "tracing 24 0 x"}, {"fexit.s/x", "tracing 25 16 x"}, {"fmod_ret/x", "tracing 26 0 x"}, {"fsession/x", "tracing 58 0 x"},
		{"iter/task", "tracing 28 0 task"}, {"freplace/f", "ext 0 0 f"}, {"lsm.s/file_open", "lsm 27 16 file_open"}, {"lsm_cgroup/x", "lsm 43 0 x"},
		{"struct_ops.s/init", "struct_ops 0 16 init"}, {"syscall", "syscall 0 16 "}, {"perf_event", "perf_event 0 0 "},
		{"xdp", "xdp 37 0 "}, {"?xdp", "xdp 37 0 "}, {"xdp_drop", "xdp 37 0 "}, {"xdp1", "xdp 37 0 "}, {"xdpfoo", "unspec 0 0 "}, {"xdp.frags", "xdp 37 32 "},
		{"xdp/devmap", "xdp 33 0 "}, {"xdp.frags/cpumap", "xdp 35 32 "}, {"xdp/other", "xdp 37 0 "},
		{"lwt_xmit", "lwt_xmit 0 0 "}, {"sockops", "sock_ops 3 0 "}, {"sk_skb/stream_parser", "sk_skb 4 0 "}, {"sk_msg", "sk_msg 7 0 "}, {"sk_lookup", "sk_lookup 36 0 "},
		{"sk_lookup/x", "sk_lookup 36 0 "}, {"sk_reuseport/migrate", "sk_reuseport 40 0 "}, {"lirc_mode2/rc_mm", "lirc_mode2 16 0 "}, {"flow_dissector", "flow_dissector 17 0 "},
		{"netfilter", "netfilter 45 0 "}, {"cgroup_skb/egress", "cgroup_skb 1 0 "}, {"cgroup/skb", "cgroup_skb 0 0 "}, {"cgroup/sock", "cgroup_sock 2 0 "},
		{"cgroup/bind6", "cgroup_sock_addr 9 0 "}, {"cgroup/connect_unix", "cgroup_sock_addr 49 0 "}, {"cgroup/setsockopt", "cgroup_sockopt 22 0 "},
		{"cgroup/dev", "cgroup_device 6 0 "}, {"cgroup/sysctl", "cgroup_sysctl 18 0 "}, {"nothing", "unspec 0 0 "}, {"", "unspec 0 0 "}, {".text", "unspec 0 0 "},
	} {
		p := elf.ProgramOf(c.section)
		if got := fmt.Sprintf("%s %d %d %s", p.Type, p.AttachType, p.Flags, p.AttachTo); got != c.want || p.Section != c.section {
			t.Errorf("%q: %s, want %s", c.section, got, c.want)
		}
	}
}

func TestLinking(t *testing.T) {
	c := load(t, "calls")
	p := program(t, c, "nested")
	var names []string
	for _, f := range p.Funcs {
		names = append(names, fmt.Sprintf("%s:%v", f.Name, f.Static))
		if f.Type == nil || f.Type.Name != f.Name {
			t.Errorf("%s has the type %v", f.Name, f.Type)
		}
	}
	if got := strings.Join(names, " "); got != "nested:false sum_bytes:false mix:true twice:false" {
		t.Error(got)
	}
	callback := program(t, c, "callback")
	if !slices.ContainsFunc(callback.Funcs, func(f spec.Func) bool { return f.Name == "step" && f.Static }) {
		t.Errorf("%+v", callback.Funcs)
	}
	jumps := mapNamed(t, c, "jumps")
	want := []spec.MapEntry{{Key: []byte{1, 0, 0, 0}, Program: "tail_one"}, {Key: []byte{5, 0, 0, 0}, Program: "tail_two"}}
	if fmt.Sprint(jumps.Contents) != fmt.Sprint(want) || jumps.MaxEntries != 8 || jumps.ValueSize != 4 {
		t.Errorf("%+v", jumps)
	}
	line := p.Lines[0]
	if line.Insn != 0 || !strings.HasSuffix(line.File, "calls.c") || line.Line == 0 || line.Text == "" {
		t.Errorf("%+v", line)
	}
}

func TestVariables(t *testing.T) {
	c := load(t, "globals")
	value := func(name string) []byte {
		at := slices.IndexFunc(c.Variables, func(v spec.Variable) bool { return v.Name == name })
		if at < 0 {
			t.Fatalf("there is no variable %s", name)
		}
		v := c.Variables[at]
		if v.Type == nil {
			t.Errorf("%s has no type", name)
		}
		m := mapNamed(t, c, v.Map)
		if m.Contents == nil {
			return make([]byte, v.Size)
		}
		return m.Contents[0].Value[v.Offset : v.Offset+v.Size]
	}
	for name, want := range map[string]string{"limit": "64000000", "seen": "0000000000000000", "hidden": "0500000000000000",
		"special": "4d000000", "note": "6e6f74656400", "last": "01000203",
		"rules": "50000300bb0102003500010000000000"} {
		if got := fmt.Sprintf("%x", value(name)); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	for name, readOnly := range map[string]bool{".rodata": true, ".rodata.note": true, ".data": false, ".bss": false, ".data.special": false} {
		m := mapNamed(t, c, name)
		if m.Frozen != readOnly || (m.Flags == 0x80) != readOnly || m.Type != spec.Array || m.MaxEntries != 1 || m.KeySize != 4 {
			t.Errorf("%+v", m)
		}
	}
}

// TestCustomSection loads variables in a section of any name.
func TestCustomSection(t *testing.T) {
	c := load(t, "custom")
	m := mapNamed(t, c, "counters")
	if len(c.Variables) != 2 || m.ValueSize != 12 || m.Frozen || fmt.Sprintf("%x", m.Contents[0].Value) != "090000000000000005000000" {
		t.Errorf("%+v %+v", m, c.Variables)
	}
}

func TestMaps(t *testing.T) {
	c := load(t, "nested")
	outer, byHash := mapNamed(t, c, "by_protocol"), mapNamed(t, c, "by_hash")
	want := []spec.MapEntry{{Key: []byte{6, 0, 0, 0}, Map: "tcp"}, {Key: []byte{17, 0, 0, 0}, Map: "udp"}}
	if fmt.Sprint(outer.Contents) != fmt.Sprint(want) || outer.Inner == nil || outer.Inner.ValueSize != 8 || outer.Inner.MaxEntries != 4 {
		t.Errorf("%+v %+v", outer, outer.Inner)
	}
	want = []spec.MapEntry{{Key: []byte{0, 0, 0, 0}, Map: "udp"}, {Key: []byte{1, 0, 0, 0}, Map: "tcp"}}
	if fmt.Sprint(byHash.Contents) != fmt.Sprint(want) || byHash.KeySize != 4 {
		t.Errorf("%+v", byHash)
	}
	if m := mapNamed(t, c, "known"); m.Extra != 3 || m.Type != spec.BloomFilter || m.ValueSize != 4 || m.KeySize != 0 {
		t.Errorf("%+v", m)
	}
	if m := mapNamed(t, load(t, "count"), "flows"); m.KeyType == nil || m.KeyType.TypeName() != "flow" || m.ValueType.TypeName() != "counter" || m.KeySize != 12 || m.ValueSize != 16 {
		t.Errorf("%+v", m)
	}
	ops := load(t, "ops")
	if m := mapNamed(t, ops, "plain"); fmt.Sprint(m.Methods) != "[{0 begin} {8 threshold}]" || m.ValueSize != 40 || string(m.Contents[0].Value[16:20]) != "skep" {
		t.Errorf("%+v", m)
	}
	if m := mapNamed(t, ops, "linked"); fmt.Sprint(m.Methods) != "[{8 threshold}]" || m.Flags != 1<<13 {
		t.Errorf("%+v", m)
	}
}

func TestFields(t *testing.T) {
	c := load(t, "fields")
	for name, want := range map[string]string{"locks": "spin_lock 4", "timers": "timer 8", "tasks": "kptr 8, kptr_untrusted 16, kptr 24, kptr_untrusted 32"} {
		var got []string
		for _, f := range mapNamed(t, c, name).Fields {
			got = append(got, fmt.Sprintf("%s %d", f.Kind, f.Offset))
			if strings.HasPrefix(string(f.Kind), "kptr") && (f.Type == nil || f.Type.TypeName() != "task_struct") {
				t.Errorf("%s points to %v", f.Kind, f.Type)
			}
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}

func TestLegacy(t *testing.T) {
	c := load(t, "legacy")
	if m := mapNamed(t, c, "counts"); m.Type != spec.Hash || m.KeySize != 4 || m.ValueSize != 8 || m.MaxEntries != 64 || m.Flags != 1 {
		t.Errorf("%+v", m)
	}
	if m := mapNamed(t, c, "lone"); m.Type != spec.Array || m.MaxEntries != 2 {
		t.Errorf("%+v", m)
	}
	if m := mapNamed(t, c, "outer"); m.Inner == nil || m.Inner.ValueSize != 8 || m.Inner.MaxEntries != 3 {
		t.Errorf("%+v", m)
	}
	if m := mapNamed(t, c, "jumps"); fmt.Sprint(m.Contents) != fmt.Sprint([]spec.MapEntry{{Key: []byte{2, 0, 0, 0}, Program: "second"}}) {
		t.Errorf("%+v", m)
	}
	if p := program(t, c, "second"); p.Type != spec.SchedCLS {
		t.Errorf("the tail of a classifier is %s", p.Type)
	}
}

func TestExterns(t *testing.T) {
	c := load(t, "extern")
	config := mapNamed(t, c, ".kconfig")
	at := func(name string) []byte {
		i := slices.IndexFunc(c.Variables, func(v spec.Variable) bool { return v.Name == name && v.Map == ".kconfig" })
		if i < 0 {
			t.Fatalf("there is no %s", name)
		}
		v := c.Variables[i]
		return config.Contents[0].Value[v.Offset : v.Offset+v.Size]
	}
	for name, want := range map[string]string{"LINUX_KERNEL_VERSION": "00000600", "CONFIG_BPF": "01", "CONFIG_HZ": "fa00000000000000",
		"CONFIG_BPF_SYSCALL": "02000000", "CONFIG_NOT_THERE": "6162630000000000"} {
		if got := fmt.Sprintf("%x", at(name)); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	var externs []string
	for _, e := range program(t, c, "symbols").Externs {
		externs = append(externs, fmt.Sprintf("%s %v %v", e.Name, e.Weak, e.Type != nil))
	}
	if got := strings.Join(externs, ", "); got != "no_such_symbol true false, init_task false false, bpf_prog_active true true" {
		t.Error(got)
	}
	p := program(t, c, "functions")
	var calls []string
	for _, f := range p.Calls {
		calls = append(calls, fmt.Sprintf("%s %v", f.Helper, f.Weak))
		if in := p.Insns[f.Insn]; in.Src() != 2 || f.Type == nil || f.Type.Name != f.Helper {
			t.Errorf("%+v: %+v", f, in)
		}
	}
	if got := strings.Join(calls, ", "); got != "bpf_rcu_read_lock false, bpf_rcu_read_unlock false, bpf_no_such_function true" {
		t.Error(got)
	}
	if len(p.Externs) != 1 || p.Externs[0].Name != "bpf_no_such_function" || !p.Externs[0].Weak {
		t.Errorf("%+v", p.Externs)
	}
}

// TestText loads a function for user space, which calls one by name.
func TestText(t *testing.T) {
	c := load(t, "text")
	if len(c.Programs) != 1 || c.Programs[0].Name != "entry" || c.Programs[0].Type != spec.Unspec || len(c.Programs[0].Funcs) != 2 {
		t.Fatalf("%+v", c.Programs)
	}
	if calls := c.Programs[0].Calls; len(calls) != 1 || calls[0].Helper != "host_random" || c.Programs[0].Insns[calls[0].Insn].Src() != 0 {
		t.Errorf("%+v", calls)
	}
}

// TestWithoutTypes wants an error that names the relocation where there are no types, in a process that finds none.
func TestWithoutTypes(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err == nil {
		t.Skip("this kernel has types")
	}
	_, err := elf.Load(objtest.Object(t, "extern"), &elf.Options{Kconfig: asCompiled.Kconfig})
	var typed *elf.Error
	if !errors.Is(err, elf.ErrNoTypes) || !errors.As(err, &typed) || typed.Section == "" || typed.Symbol == "" || !strings.Contains(err.Error(), "task_struct") {
		t.Error(err)
	}
}
