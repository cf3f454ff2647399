// Implements the parts of generated programs that call helpers and kernel functions with structures of the kernel.

//go:build linux

package verify

import (
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/skepbpf/skep/isa"
	"github.com/skepbpf/skep/spec"
)

// kept works with pointers in maps, or with storage of tasks and sockets.
func (g *objectGen) kept() {
	rng := g.rng
	k := g.types()
	task := func() btf.Type {
		var s *btf.Struct
		if k.TypeByName("task_struct", &s) == nil {
			return s
		}
		return nil
	}
	name := []string{"kept", "kept", "kept", "tasks", "sockets"}[rng.IntN(5)]
	if name != "kept" {
		r := g.pick(true)
		g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.p.Insns), Map: name})
		g.emit(isa.LdMapFD.Make(1, 0, 0, 0), isa.Instruction{}, isa.Mov64Reg.Make(2, r, 0, 0), isa.Mov64Imm.Make(3, 0, 0, 0), isa.Mov64Imm.Make(4, 0, 0, int32(rng.IntN(2))))
		g.call(map[string]string{"tasks": "task_storage_get", "sockets": "sk_storage_get"}[name], false)
		if rng.IntN(4) > 0 {
			g.nullCheck(0)
		}
		g.emit(loads[8].Make(g.pick(false), 0, int16(8*rng.IntN(2)), 0))
		return
	}
	g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.p.Insns) + 1, Map: "kept"})
	g.emit(isa.St32.Make(10, 0, -4, 0), isa.LdMapFD.Make(1, 0, 0, 0), isa.Instruction{}, isa.Mov64Reg.Make(2, 10, 0, 0), isa.Add64Imm.Make(2, 0, 0, -4))
	g.call("map_lookup_elem", false)
	if rng.IntN(8) > 0 {
		g.nullCheck(0)
	}
	off := int16([]int{0, 0, 0, 16, 16, 8, 4, 12}[rng.IntN(8)])
	switch rng.IntN(4) {
	case 0:
		to := g.pick(false)
		g.emit(isa.Ldx64.Make(to, 0, off, 0))
		g.regs[to] = task()
		if rng.IntN(2) == 0 {
			g.nullCheck(to)
		}
	case 1:
		g.emit(isa.Stx64.Make(0, g.pick(rng.IntN(2) == 0), off, 0))
	default:
		r := g.pick(true)
		g.emit(isa.Mov64Reg.Make(1, 0, 0, 0), isa.Add64Imm.Make(1, 0, 0, int32(off)), isa.Mov64Imm.Make(2, 0, 0, 0))
		if rng.IntN(2) == 0 {
			g.emit(isa.Mov64Reg.Make(2, r, 0, 0))
		}
		g.call("kptr_xchg", false)
		to := g.pick(false)
		g.emit(isa.Mov64Reg.Make(to, 0, 0, 0))
		g.regs[to] = task()
		if rng.IntN(4) > 0 {
			g.nullCheck(to)
		}
		g.maybeRelease("bpf_task_release")
	}
}

// interrupts saves or restores the state of interrupts.
func (g *objectGen) interrupts() {
	slot := func() {
		g.emit(isa.Mov64Reg.Make(1, 10, 0, 0), isa.Add64Imm.Make(1, 0, 0, int32(-8*(1+g.rng.IntN(4)))))
	}
	slot()
	g.call([]string{"bpf_local_irq_save", "bpf_local_irq_restore"}[g.rng.IntN(2)], true)
	if g.rng.IntN(2) == 0 {
		g.p.Insns = append(g.p.Insns, g.p.Insns[len(g.p.Insns)-3:len(g.p.Insns)-1]...)
		g.call("bpf_local_irq_restore", true)
	}
}

// iterator walks over tasks.
func (g *objectGen) iterator() {
	rng := g.rng
	at := func() { g.emit(isa.Mov64Reg.Make(1, 10, 0, 0), isa.Add64Imm.Make(1, 0, 0, -64)) }
	if rng.IntN(2) == 0 {
		g.call("bpf_rcu_read_lock", true)
	}
	at()
	g.emit(isa.Mov64Imm.Make(2, 0, 0, 0), isa.Mov64Imm.Make(3, 0, 0, 0))
	if rng.IntN(4) == 0 {
		g.emit(isa.Mov64Reg.Make(2, g.pick(true), 0, 0))
	}
	g.call("bpf_iter_task_new", true)
	loop := len(g.p.Insns)
	at()
	g.call("bpf_iter_task_next", true)
	out := len(g.p.Insns)
	g.emit(isa.JEq64Imm.Make(0, 0, 0, 0))
	g.regs[7] = nil
	var s *btf.Struct
	if g.types().TypeByName("task_struct", &s) == nil {
		g.regs[7] = s
	}
	g.emit(isa.Mov64Reg.Make(7, 0, 0, 0))
	for range rng.IntN(3) {
		to := g.pick(false)
		if g.regs[7] == nil {
			break
		}
		off, size, t := g.field(g.regs[7])
		g.emit(loads[size].Make(to, 7, int16(off), 0))
		g.regs[to] = t
	}
	if rng.IntN(3) == 0 {
		g.helper()
	}
	if rng.IntN(3) > 0 {
		g.emit(isa.JEq64Imm.Make(10, 0, 0, 1))
		g.p.Insns[len(g.p.Insns)-1] = isa.Goto.Make(0, 0, int16(loop-len(g.p.Insns)), 0)
	}
	g.p.Insns[out].Off = int16(len(g.p.Insns) - out - 1)
	if rng.IntN(8) > 0 {
		at()
		g.call("bpf_iter_task_destroy", true)
	}
	if rng.IntN(2) == 0 {
		g.call("bpf_rcu_read_unlock", true)
	}
}

var objectHelpers = []string{"get_current_task_btf", "task_pt_regs", "probe_read_kernel", "probe_read_kernel", "skc_to_tcp_sock", "skc_to_tcp6_sock",
	"skc_to_udp6_sock", "skc_to_unix_sock", "sock_from_file", "map_update_elem", "perf_event_output", "seq_write", "d_path", "get_socket_cookie", "tcp_send_ack", "seq_printf", "get_func_arg", "get_func_arg_cnt", "get_attach_cookie", "get_task_stack", "copy_from_user_task", "inode_storage_get", "snprintf_btf", "strtol"}

var objectKfuncs = []string{"bpf_task_acquire", "bpf_task_release", "bpf_cgroup_acquire", "bpf_cgroup_release", "bpf_task_from_pid", "bpf_task_under_cgroup",
	"bpf_cgroup_ancestor", "bpf_cgroup_from_id", "bpf_rdonly_cast", "bpf_cast_to_kern_ctx", "bpf_preempt_disable", "bpf_preempt_enable"}

// result keeps what a call has given, a structure of a name or nothing that is known.
func (g *objectGen) result(name string) {
	rng, k := g.rng, g.types()
	to := g.pick(false)
	g.emit(isa.Mov64Reg.Make(to, 0, 0, 0))
	var s *btf.Struct
	g.regs[to] = nil
	if name != "" && k.TypeByName(name, &s) == nil {
		g.regs[to] = s
	}
	if rng.IntN(4) > 0 {
		g.nullCheck(to)
	}
}

// kfunc adds a call of a kernel function with what R is among the arguments.
func (g *objectGen) kfunc(r isa.Register) {
	rng, k := g.rng, g.types()
	arg := isa.Mov64Reg.Make(1, r, 0, 0)
	name := objectKfuncs[rng.IntN(len(objectKfuncs))]
	g.emit(arg)
	switch name {
	case "bpf_task_from_pid", "bpf_cgroup_from_id":
		g.emit(isa.Mov64Imm.Make(1, 0, 0, 1))
	case "bpf_task_under_cgroup":
		g.emit(isa.Mov64Reg.Make(2, g.pick(true), 0, 0))
	case "bpf_cgroup_ancestor":
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 1))
	case "bpf_rdonly_cast":
		if t := g.regs[r]; t != nil {
			id, err := k.TypeID(t)
			if err == nil {
				g.emit(isa.Mov64Imm.Make(2, 0, 0, int32(id)))
			}
		} else {
			g.emit(isa.Mov64Imm.Make(2, 0, 0, 0))
		}
	case "bpf_cast_to_kern_ctx":
		g.emit(isa.Mov64Reg.Make(1, 6, 0, 0))
	}
	old := g.regs[r]
	g.call(name, true)
	switch {
	case name == "bpf_rdonly_cast":
		to := g.pick(false)
		g.emit(isa.Mov64Reg.Make(to, 0, 0, 0))
		g.regs[to] = old
	case strings.HasPrefix(name, "bpf_task_") && (strings.HasSuffix(name, "acquire") || strings.HasSuffix(name, "pid")):
		g.result("task_struct")
		g.maybeRelease("bpf_task_release")
	case name == "bpf_cgroup_acquire" || name == "bpf_cgroup_ancestor" || name == "bpf_cgroup_from_id":
		g.result("cgroup")
		g.maybeRelease("bpf_cgroup_release")
	}
}

// helperArgs puts the arguments of a helper into registers, and returns the name of the structure that it gives.
func (g *objectGen) helperArgs(name string, r isa.Register) (to string) {
	rng := g.rng
	stack := func(reg isa.Register, at int32) {
		g.emit(isa.Mov64Reg.Make(reg, 10, 0, 0), isa.Add64Imm.Make(reg, 0, 0, at))
	}
	switch name {
	case "get_current_task_btf":
		to = "task_struct"
	case "task_pt_regs":
		to = "pt_regs"
	case "skc_to_tcp_sock":
		to = "tcp_sock"
	case "skc_to_tcp6_sock":
		to = "tcp6_sock"
	case "skc_to_udp6_sock":
		to = "udp6_sock"
	case "skc_to_unix_sock":
		to = "unix_sock"
	case "sock_from_file":
		to = "socket"
	case "probe_read_kernel":
		stack(1, -16)
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 8), isa.Mov64Reg.Make(3, r, 0, 0))
	case "map_update_elem":
		g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.p.Insns), Map: "h"})
		g.emit(isa.LdMapFD.Make(1, 0, 0, 0), isa.Instruction{}, isa.St64.Make(10, 0, -8, 0))
		stack(2, -8)
		g.emit(isa.Mov64Reg.Make(3, r, 0, 0), isa.Mov64Imm.Make(4, 0, 0, 0))
	case "perf_event_output":
		g.p.Maps = append(g.p.Maps, spec.MapRef{Insn: len(g.p.Insns) + 1, Map: "events"})
		g.emit(isa.Mov64Reg.Make(1, 6, 0, 0), isa.LdMapFD.Make(2, 0, 0, 0), isa.Instruction{}, isa.Mov64Imm.Make(3, 0, 0, 0), isa.Mov64Reg.Make(4, r, 0, 0),
			isa.Mov64Imm.Make(5, 0, 0, int32(rng.IntN(64))))
	case "seq_write":
		g.emit(isa.Mov64Reg.Make(2, g.pick(true), 0, 0), isa.Mov64Imm.Make(3, 0, 0, 8))
	case "seq_printf":
		g.emit(isa.Mov64Reg.Make(2, g.pick(true), 0, 0), isa.Mov64Imm.Make(3, 0, 0, 8), isa.Mov64Imm.Make(4, 0, 0, 0), isa.Mov64Imm.Make(5, 0, 0, 0))
	case "d_path":
		stack(2, -16)
		g.emit(isa.Mov64Imm.Make(3, 0, 0, 16))
	case "get_task_stack":
		stack(2, -16)
		g.emit(isa.Mov64Imm.Make(3, 0, 0, 16), isa.Mov64Imm.Make(4, 0, 0, 0))
	case "copy_from_user_task":
		stack(1, -16)
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 8), isa.Mov64Imm.Make(3, 0, 0, 0), isa.Mov64Reg.Make(4, r, 0, 0), isa.Mov64Imm.Make(5, 0, 0, 0))
	case "snprintf_btf":
		stack(1, -16)
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 16), isa.Mov64Reg.Make(3, g.pick(true), 0, 0), isa.Mov64Imm.Make(4, 0, 0, 16), isa.Mov64Imm.Make(5, 0, 0, 0))
	case "strtol":
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 8), isa.Mov64Imm.Make(3, 0, 0, 0))
		stack(4, -8)
	case "tcp_send_ack":
		g.emit(isa.Mov64Imm.Make(2, 0, 0, 1))
	case "get_func_arg":
		g.emit(isa.Mov64Reg.Make(1, 6, 0, 0), isa.Mov64Imm.Make(2, 0, 0, 0))
		stack(3, -8)
	case "get_func_arg_cnt", "get_attach_cookie":
		g.emit(isa.Mov64Reg.Make(1, 6, 0, 0))
	}
	return to
}

// helper adds a call with a structure among its arguments.
func (g *objectGen) helper() {
	r := g.pick(true)
	if g.rng.IntN(3) == 0 {
		g.kfunc(r)
		return
	}
	name := objectHelpers[g.rng.IntN(len(objectHelpers))]
	g.emit(isa.Mov64Reg.Make(1, r, 0, 0))
	to := g.helperArgs(name, r)
	g.call(name, false)
	if to != "" {
		g.result(to)
	}
}
