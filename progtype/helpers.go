// Implements which helpers programs of each type may call.

package progtype

import (
	"strings"
	"sync"

	"github.com/skepbpf/skep/spec"
)

// Helpers is a family of helpers: names separated by spaces, without the kernel's "bpf_" prefix, and the attach types
// of the programs that may call them.
type Helpers struct {
	Names  string
	Attach Attach
}

// Privilege is what the process that loads a program must be allowed, for the program to call a helper.
type Privilege uint8

// The privileges, each beyond what loading the program takes: nothing, CAP_BPF, and CAP_PERFMON.
const (
	NoPrivilege Privilege = iota
	CapBPF
	CapPerfmon
)

// The helpers of all types, by the privilege they take.
const (
	baseFree = "map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem map_lookup_percpu_elem " +
		"get_prandom_u32 get_smp_processor_id get_numa_node_id tail_call ktime_get_ns ktime_get_boot_ns ktime_get_tai_ns " +
		"ringbuf_output ringbuf_reserve ringbuf_submit ringbuf_discard ringbuf_query strncmp strtol strtoul " +
		"get_current_pid_tgid get_ns_current_pid_tgid "
	baseBPF = "get_current_uid_gid spin_lock spin_unlock jiffies64 per_cpu_ptr this_cpu_ptr timer_init timer_set_callback timer_start timer_cancel " +
		"kptr_xchg for_each_map_elem loop user_ringbuf_drain ringbuf_reserve_dynptr ringbuf_submit_dynptr ringbuf_discard_dynptr " +
		"dynptr_from_mem dynptr_read dynptr_write dynptr_data cgrp_storage_get cgrp_storage_delete get_current_cgroup_id " +
		"get_current_ancestor_cgroup_id get_cgroup_classid current_task_under_cgroup " +
		"task_storage_get task_storage_delete "
	basePerfmon = "trace_printk trace_vprintk get_current_task get_current_task_btf get_current_comm probe_read_user probe_read_kernel " +
		"probe_read_user_str probe_read_kernel_str snprintf snprintf_btf task_pt_regs " +
		"copy_from_user copy_from_user_task find_vma get_branch_snapshot get_task_stack perf_event_read perf_event_read_value " +
		"send_signal send_signal_thread"
)

// Families that several types share.
const (
	network    = " perf_event_output ktime_get_coarse_ns" // of nearly all types that see packets or sockets
	sockCasts  = " skc_to_tcp6_sock skc_to_tcp_sock skc_to_tcp_timewait_sock skc_to_tcp_request_sock skc_to_udp6_sock skc_to_unix_sock skc_to_mptcp_sock"
	sockLookup = " sk_lookup_tcp sk_lookup_udp skc_lookup_tcp sk_release"
	sockStore  = " sk_storage_get sk_storage_delete"
	sockState  = " sk_fullsock tcp_sock get_listener_sock"
	sockID     = " get_socket_cookie get_socket_uid"
	sockopts   = " setsockopt getsockopt"
	syncookies = " tcp_check_syncookie tcp_gen_syncookie tcp_raw_gen_syncookie_ipv4 tcp_raw_gen_syncookie_ipv6 " +
		"tcp_raw_check_syncookie_ipv4 tcp_raw_check_syncookie_ipv6"
	readPacket = " skb_load_bytes skb_load_bytes_relative"
	checksums  = " l3_csum_replace l4_csum_replace csum_update csum_level"
	resize     = " skb_change_head skb_change_tail"
	tunnels    = " skb_get_tunnel_key skb_set_tunnel_key skb_get_tunnel_opt skb_set_tunnel_opt"
	routes     = " fib_lookup check_mtu"
	lwt        = " skb_load_bytes skb_pull_data csum_diff get_hash_recalc get_route_realm skb_under_cgroup" + network + sockCasts
	stacks     = " get_stackid get_stack probe_read probe_read_str perf_event_output"
	probes     = stacks + " get_attach_cookie probe_write_user"
	kernel     = stacks + " probe_write_user get_socket_cookie skb_output xdp_output xdp_get_buff_len sock_from_file" + sockStore + sockCasts // BTF-typed
)

// Families that depend on the attach type.
var (
	// Programs whose result the system call does not see have none.
	results = Helpers{" get_retval set_retval", ^(inetSKB | Of(spec.AttachCGroupSockOps) | answers)}
	answers = addrReturns[0].Attach

	bindHelper  = Helpers{" bind", Of(spec.AttachCGroupInet4Connect, spec.AttachCGroupInet6Connect)}
	optHelpers  = Helpers{sockopts, Of(spec.AttachCGroupSetsockopt)}
	seqHelpers  = Helpers{" seq_printf seq_write seq_printf_btf", Of(spec.AttachTraceIter)}
	argHelpers  = Helpers{" get_func_arg get_func_arg_cnt", Of(spec.AttachTraceFentry, spec.AttachTraceFexit, spec.AttachModifyReturn)}
	placeHelper = Helpers{" get_func_ip", Of(spec.AttachTraceFentry, spec.AttachTraceFexit, spec.AttachModifyReturn)}
	retHelper   = Helpers{" get_func_ret", Of(spec.AttachTraceFexit, spec.AttachModifyReturn)}
	cookies     = Helpers{" get_attach_cookie", Of(spec.AttachTraceRawTP, spec.AttachTraceFentry, spec.AttachTraceFexit, spec.AttachModifyReturn)}
	lsmSockopts = Helpers{sockopts + " get_socket_cookie get_netns_cookie", Of(spec.AttachLSMCGroup)}
	lsmResults  = Helpers{" get_retval set_retval", Of(spec.AttachLSMCGroup)}
	lsmTasks    = Helpers{" get_current_uid_gid", 0}
)

// helperSets says for each type what it may call beyond what all may.
var helperSets = [...][]Helpers{
	spec.Unspec:       nil,
	spec.SocketFilter: {{readPacket + sockID + " get_netns_cookie" + network + sockCasts, 0}},
	spec.Kprobe:       {{probes + " override_return get_func_ip", 0}},
	spec.SchedCLS:     tcHelpers,
	spec.SchedACT:     tcHelpers,
	spec.Tracepoint:   {{probes, 0}},
	spec.XDP: {{" xdp_adjust_head xdp_adjust_tail xdp_adjust_meta xdp_load_bytes xdp_store_bytes xdp_get_buff_len csum_diff" +
		" redirect redirect_map" + routes + sockLookup + syncookies + network + sockCasts, 0}},
	spec.PerfEvent: {{probes + " perf_prog_read_value read_branch_records", 0}},
	spec.CGroupSKB: {{readPacket + sockID + sockState + sockLookup + sockStore + " get_local_storage get_netns_cookie sk_cgroup_id" +
		" sk_ancestor_cgroup_id skb_cgroup_id skb_ancestor_cgroup_id skb_ecn_set_ce" + network + sockCasts, 0}},
	spec.CGroupSock: {{" get_local_storage get_netns_cookie get_socket_cookie sk_storage_get" + network, 0}, results},
	spec.LWTIn:      {{lwt + " lwt_push_encap", 0}},
	spec.LWTOut:     {{lwt, 0}},
	spec.LWTXmit: {{lwt + checksums + resize + tunnels + " lwt_push_encap skb_store_bytes clone_redirect redirect" +
		" set_hash_invalid", 0}},
	spec.SockOps: {{" get_local_storage get_netns_cookie get_socket_cookie load_hdr_opt store_hdr_opt reserve_hdr_opt" +
		" sock_hash_update sock_map_update sock_ops_cb_flags_set tcp_sock" + sockopts + sockStore + network + sockCasts, 0}, results},
	spec.SkSKB: {{" skb_load_bytes skb_store_bytes skb_pull_data skb_adjust_room sk_redirect_map sk_redirect_hash" + resize + sockID +
		sockLookup + network + sockCasts, 0}},
	spec.CGroupDevice: {{" get_local_storage perf_event_output", 0}, results},
	spec.SkMsg: {{" get_netns_cookie msg_apply_bytes msg_cork_bytes msg_pull_data msg_push_data msg_pop_data msg_redirect_map" +
		" msg_redirect_hash" + sockStore + network + sockCasts, 0}},
	spec.RawTracepoint:         {{probes, 0}},
	spec.RawTracepointWritable: {{probes, 0}},
	spec.CGroupSockAddr: {{" get_local_storage get_netns_cookie get_socket_cookie" + sockopts + sockLookup + sockStore + network +
		sockCasts, 0}, bindHelper, results},
	spec.LWTSeg6Local:  {{lwt + " lwt_seg6_action lwt_seg6_adjust_srh lwt_seg6_store_bytes", 0}},
	spec.LircMode2:     {{" rc_repeat rc_keydown rc_pointer_rel", 0}},
	spec.SkReuseport:   {{readPacket + " get_socket_cookie sk_select_reuseport ktime_get_coarse_ns", 0}},
	spec.FlowDissector: {{" skb_load_bytes ktime_get_coarse_ns" + sockCasts, 0}},
	spec.CGroupSysctl: {{" get_local_storage sysctl_get_name sysctl_get_current_value sysctl_get_new_value sysctl_set_new_value" +
		network, 0}, results},
	spec.CGroupSockopt: {{" get_local_storage get_netns_cookie get_retval set_retval tcp_sock perf_event_output" + sockStore, 0}, optHelpers},
	spec.Tracing:       {{kernel, 0}, {" d_path", 0}, cookies, seqHelpers, argHelpers, retHelper, placeHelper},
	spec.StructOps:     nil,
	spec.Extension:     nil,
	spec.LSM: {{kernel + " inode_storage_get inode_storage_delete bprm_opts_set ima_inode_hash ima_file_hash get_attach_cookie d_path", 0},
		lsmSockopts, lsmResults, lsmTasks},
	spec.SkLookup:  {{" sk_assign sk_release" + network + sockCasts, 0}},
	spec.Syscall:   {{kernel + " d_path sys_bpf sys_close btf_find_by_name_kind kallsyms_lookup_name", 0}},
	spec.Netfilter: nil,
}

var tcHelpers = []Helpers{{readPacket + " skb_store_bytes skb_pull_data skb_change_proto skb_change_type skb_adjust_room skb_vlan_push" +
	" skb_vlan_pop skb_ecn_set_ce skb_set_tstamp skb_cgroup_id skb_ancestor_cgroup_id skb_cgroup_classid skb_under_cgroup" +
	" skb_get_xfrm_state get_route_realm get_hash_recalc set_hash set_hash_invalid csum_diff clone_redirect redirect redirect_neigh" +
	" redirect_peer sk_assign get_netns_cookie" + checksums + resize + tunnels + routes + sockID + sockState + sockLookup + sockStore +
	syncookies + network + sockCasts, 0}}

// base has the privilege of each helper that all types have.
var base = sync.OnceValue(func() map[string]Privilege {
	m := map[string]Privilege{}
	for need, names := range []string{NoPrivilege: baseFree, CapBPF: baseBPF, CapPerfmon: basePerfmon} {
		for _, name := range strings.Fields(names) {
			m[name] = Privilege(need)
		}
	}
	return m
})

// byType has the attach types for which programs of each type may call a helper, beyond the base.
var byType = sync.OnceValue(func() []map[string]Attach {
	all := make([]map[string]Attach, len(helperSets))
	for i, sets := range helperSets {
		all[i] = map[string]Attach{}
		for _, set := range sets {
			for _, name := range strings.Fields(set.Names) {
				all[i][name] = set.Attach
			}
		}
	}
	return all
})

// MayCall reports whether programs of the type that are for attach type at may call the helper of the given name, which
// is without the "bpf_" prefix, and what privilege that takes. Whether the helper asks for a license or for a program
// that may sleep is the helper's to say. Plain functions (spec.Unspec) and types that are not Linux's may call anything.
func (t *Type) MayCall(name string, at spec.AttachType) (Privilege, bool) {
	if t.Type == spec.Unspec || int(t.Type) >= len(helperSets) {
		return NoPrivilege, true
	}
	if at == 0 {
		at = t.Default
	}
	if attach, ok := byType()[t.Type][name]; ok {
		if strings.Contains(sockCasts, " "+name) {
			return CapPerfmon, attach.Has(at)
		}
		return NoPrivilege, attach.Has(at)
	}
	need, ok := base()[name]
	return need, ok
}
