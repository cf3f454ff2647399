// Implements what the kernel knows about the places that its types describe: tracepoints, hooks, iterators, methods.

package progtype

import (
	"slices"
	"strings"

	"github.com/skepbpf/skep/spec"
)

// ArgFlags says what a pointer in a context may be.
type ArgFlags uint8

// The flags. Without any, what is pointed to may have gone away, but reading it does no harm.
const (
	ArgTrusted  ArgFlags = 1 << iota // it is certain to be there
	ArgNull                          // or null
	ArgBuffer                        // memory, not a structure
	ArgReadOnly                      // that can only be read
)

// Iter describes an iterator: what its programs get besides the first argument.
type Iter struct {
	Name string
	Args map[int]ArgFlags // by number of the argument; others are certain to be there
}

// iters are the kernel's iterators (bpf_iter_reg_target).
var iters = []Iter{
	{"bpf_link", map[int]ArgFlags{1: ArgNull}},
	{"bpf_map", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"bpf_map_elem", map[int]ArgFlags{2: ArgBuffer | ArgReadOnly | ArgNull, 3: ArgBuffer | ArgNull}},
	{"bpf_prog", map[int]ArgFlags{1: ArgNull}},
	{"bpf_sk_storage_map", map[int]ArgFlags{2: ArgNull, 3: ArgBuffer | ArgNull}},
	{"cgroup", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"dmabuf", map[int]ArgFlags{1: ArgNull}},
	{"ipv6_route", map[int]ArgFlags{1: ArgNull}},
	{"kmem_cache", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"ksym", map[int]ArgFlags{1: ArgNull}},
	{"netlink", map[int]ArgFlags{1: ArgNull}},
	{"sockmap", map[int]ArgFlags{2: ArgBuffer | ArgReadOnly | ArgNull, 3: ArgNull}},
	{"task", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"task_file", map[int]ArgFlags{1: ArgNull, 3: ArgNull}},
	{"task_vma", map[int]ArgFlags{1: ArgNull, 2: ArgNull}},
	{"tcp", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"udp", map[int]ArgFlags{1: ArgTrusted | ArgNull}},
	{"unix", map[int]ArgFlags{1: ArgNull}},
}

// FindIter returns the iterator of a name, such as "task", or nil.
func FindIter(name string) *Iter {
	if i := slices.IndexFunc(iters, func(i Iter) bool { return i.Name == name }); i >= 0 {
		return &iters[i]
	}
	return nil
}

// Ops describes a structure of the kernel whose methods are programs (struct_ops).
type Ops struct {
	Name      string
	Missing   []string          // methods that cannot be programs
	Sleepable []string          // methods that may sleep
	Promote   map[string]string // arguments that point to more than their types say: a structure and what it is part of
	Write     string            // structure that programs may write
	Fields    []string          // the fields of it that they may write; a "+" behind: in parts; nil: all
	Helpers   string            // what programs may call beyond what all may
	None      bool              // they may call no helpers at all
}

var ops = []Ops{
	{Name: "tcp_congestion_ops", Missing: []string{"get_info"}, Promote: map[string]string{"sock": "tcp_sock"}, Write: "tcp_sock",
		Sleepable: strings.Fields("ssthresh cong_avoid set_state cwnd_event in_ack_event pkts_acked min_tso_segs cong_control undo_cwnd sndbuf_expand init release"),
		Fields:    strings.Fields("sk_pacing_rate sk_pacing_status icsk_ca_priv+ icsk_ack.pending snd_cwnd snd_cwnd_cnt snd_cwnd_stamp snd_ssthresh ecn_flags app_limited"),
		Helpers:   " tcp_send_ack sk_storage_get sk_storage_delete setsockopt getsockopt ktime_get_coarse_ns"},
	{Name: "bpf_dummy_ops", Sleepable: []string{"test_sleepable"}, Write: "bpf_dummy_ops_state", None: true},
}

// FindOps returns the structure of methods of a name, or nil if nothing is known of it.
func FindOps(name string) *Ops {
	if i := slices.IndexFunc(ops, func(o Ops) bool { return o.Name == name }); i >= 0 {
		return &ops[i]
	}
	return nil
}

// Writable reports whether programs may write size bytes at off of a field that lies from start to end of the structure
// Write. name is its name, with those of what it is in, joined by dots.
func (o *Ops) Writable(name string, start, end, off, size int64) bool {
	if o.Fields == nil {
		return true
	}
	for _, f := range o.Fields {
		f, parts := strings.CutSuffix(f, "+")
		if name == f || strings.HasSuffix(name, "."+f) {
			return (parts || off == start) && off+size <= end
		}
	}
	return false
}

// nullArgs are the arguments of tracepoints that may be null, numbered from 0 behind the tracepoint's name. Their types
// do not tell.
const nullArgs = `
sched_pi_setprio 1  sched_stick_numa 2  sched_swap_numa 2
afs_make_fs_call 1  afs_make_fs_calli 1  afs_make_fs_call1 1  afs_make_fs_call2 1  afs_protocol_error 0  afs_flock_ev 1
cachefiles_lookup 0  cachefiles_unlink 0  cachefiles_rename 0  cachefiles_prep_read 0  cachefiles_mark_active 0
cachefiles_mark_failed 0  cachefiles_mark_inactive 0  cachefiles_vfs_error 0  cachefiles_io_error 0  cachefiles_ondemand_open 0
cachefiles_ondemand_copen 0  cachefiles_ondemand_close 0  cachefiles_ondemand_read 0  cachefiles_ondemand_cread 0
cachefiles_ondemand_fd_write 0  cachefiles_ondemand_fd_release 0
ext4_mballoc_discard 1  ext4_mballoc_free 1  fib_table_lookup 2
posix_lock_inode 1  fcntl_setlk 1  locks_remove_posix 1  flock_lock_inode 1
break_lease_noblock 1  break_lease_block 1  break_lease_unblock 1  generic_delete_lease 1  time_out_leases 1
host1x_cdma_push_gather 4  hugetlbfs_alloc_inode 1
mm_khugepaged_scan_pmd 1  mm_collapse_huge_page_isolate 0  mm_khugepaged_scan_file 1  mm_khugepaged_collapse_file 1
mm_page_alloc 0  mm_page_pcpu_drain 0  mm_page_alloc_zone_locked 0
netfs_failure 1  device_pm_callback_start 1  qdisc_dequeue 3  kfree_skb 3
rxrpc_recvdata 0  rxrpc_resend 1  rxrpc_tq 1  rxrpc_client 0
xs_stream_read_data 0  xprt_reserve_cong 0  xprt_release_cong 0  xprt_get_cong 0  xprt_put_cong 0
xprt_reserve_cong 1  xprt_release_cong 1  xprt_get_cong 1  xprt_put_cong 1
tcp_send_reset 0  tcp_send_reset 1  tcp_sendmsg_locked 2
tegra_dma_tx_status 2  tmigr_update_events 0  writeback_dirty_folio 1  folio_wait_writeback 1
amdgpu_vm_bo_map 0  amdgpu_vm_bo_unmap 0  netfs_folioq 0
xfs_inodegc_flush 0  xfs_inodegc_push 0  xfs_inodegc_start 0  xfs_inodegc_stop 0  xfs_inodegc_queue 0  xfs_inodegc_throttle 0
xfs_fs_sync_fs 0  xfs_blockgc_start 0  xfs_blockgc_stop 0  xfs_blockgc_worker 0  xfs_blockgc_flush_all 0
xfs_map_blocks_found 4  xfs_map_blocks_alloc 4  xfs_btree_updkeys 2  xfs_btree_overlapped_query_range 2
xfs_defer_create_intent 0  xfs_defer_cancel_list 0  xfs_defer_pending_finish 0  xfs_defer_pending_abort 0
xfs_defer_relog_intent 0  xfs_defer_isolate_paused 0  xfs_defer_item_pause 0  xfs_defer_item_unpause 0
xfs_defer_add_item 0  xfs_defer_cancel_item 0  xfs_defer_finish_item 0  xfs_ioc_free_eofblocks 1  xfs_blockgc_free_space 1`

// errorArgs are those that may be error numbers, so that programs see numbers.
const errorArgs = `mr_integ_alloc 3  cachefiles_lookup 2`

// TracepointArg reports whether an argument of a tracepoint may be null, and whether it may be an error number in the
// place of a pointer.
func TracepointArg(tracepoint string, n int) (null, number bool) {
	return listed(nullArgs, tracepoint, n), listed(errorArgs, tracepoint, n)
}

func listed(list, name string, n int) bool {
	words := strings.Fields(list)
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == name && words[i+1] == string(rune('0'+n)) {
			return true
		}
	}
	return false
}

// Hooks of security modules with rules of their own, without the "bpf_lsm_" prefix.
const (
	boolHooks   = ` audit_rule_known inode_xattr_skipcap xfrm_state_pol_flow_match `
	closedHooks = ` vm_enough_memory inode_need_killpriv inode_getsecurity inode_listsecurity inode_copy_up_xattr getselfattr getprocattr
		setprocattr ismaclabel secid_to_secctx secctx_to_secid lsmprop_to_secctx audit_rule_match key_getsecurity
		get_retval_range verify_prog find_cgroup_shim func_proto is_sleepable_hook is_trusted hook_returns_errno has_d_inode_locked `
	untrustedHooks = ` bpf_map_free bpf_prog_free file_alloc_security file_free_security sk_alloc_security sk_free_security task_free `
	sleepableHooks = ` bpf bpf_map bpf_map_create bpf_map_free bpf_prog bpf_prog_load bpf_prog_free bpf_token_create bpf_token_free
		bpf_token_cmd bpf_token_capable bprm_check_security bprm_committed_creds bprm_committing_creds bprm_creds_for_exec
		bprm_creds_from_file capget capset cred_prepare file_ioctl file_lock file_open file_post_open file_receive
		inet_conn_established inode_create inode_free_security inode_getattr inode_getxattr inode_mknod inode_need_killpriv
		inode_post_setxattr inode_post_removexattr inode_readlink inode_removexattr inode_rename inode_rmdir inode_setattr
		inode_setxattr inode_symlink inode_unlink inode_remove_acl inode_set_acl kernel_module_request kernel_read_file
		kernfs_init_security key_free mmap_file netlink_send path_notify release_secctx sb_alloc_security sb_eat_lsm_opts
		sb_kern_mount sb_mount sb_remount sb_set_mnt_opts sb_show_options sb_statfs sb_umount settime socket_accept socket_bind
		socket_connect socket_create socket_getpeername socket_getpeersec_dgram socket_getsockname socket_getsockopt
		socket_listen socket_post_create socket_recvmsg socket_sendmsg socket_shutdown socket_socketpair syslog task_alloc
		current_getsecid_subj task_getsecid_obj task_prctl task_setscheduler task_to_inode userns_create
		path_mkdir path_mknod path_rename path_rmdir path_symlink path_truncate path_unlink path_chmod path_chown path_link `
)

func inList(list, name string) bool { return slices.Contains(strings.Fields(list), name) }

// IsHook reports whether programs may be attached to a hook of security modules, named without the "bpf_lsm_" prefix.
func IsHook(name string, at spec.AttachType) bool { return !inList(closedHooks, name) }

// TrustedHook reports whether the pointers that programs of a hook get are certain to point to what their types say.
func TrustedHook(name string) bool { return !inList(untrustedHooks, name) }

// SleepableHook reports whether programs of a hook may sleep.
func SleepableHook(name string) bool { return inList(sleepableHooks, name) }

// HookResult returns what programs of a hook may return, nil if that is anything. void tells that the hook has no result.
func HookResult(name string, at spec.AttachType, void bool) *Return {
	const maxErrno = 4095
	switch {
	case at == spec.AttachLSMCGroup && void:
		return &Return{Min: 1, Max: 1}
	case at == spec.AttachLSMCGroup:
		return &Return{Max: 1}
	case void:
		return nil
	case inList(boolHooks, name):
		return &Return{Max: 1}
	}
	return &Return{Min: -maxErrno}
}

// pathFunctions are the functions of the kernel whose programs may ask for paths.
const pathFunctions = ` security_file_permission security_inode_getattr security_file_open security_path_truncate vfs_truncate vfs_fallocate
	dentry_open vfs_getattr filp_close `

// lockedSockets and openSockets are the hooks of control groups whose programs may change options of sockets.
const (
	lockedSockets = ` sock_graft inet_csk_clone inet_conn_established `
	openSockets   = ` socket_post_create socket_socketpair `
)

// TargetMayCall reports whether programs for a function, hook or iterator may call a helper that their type may.
func TargetMayCall(helper string, t spec.ProgramType, at spec.AttachType, target string, sleeps bool) bool {
	switch helper {
	case "d_path":
		switch {
		case at == spec.AttachTraceIter:
			return true
		case t == spec.LSM:
			return SleepableHook(target)
		}
		return inList(pathFunctions, target)
	case "sk_storage_get", "sk_storage_delete":
		switch {
		case t != spec.Tracing || at == spec.AttachTraceIter || at == spec.AttachTraceRawTP:
			return true
		case at == spec.AttachTraceFentry || at == spec.AttachTraceFexit:
			return !strings.HasPrefix(target, "bpf_sk_storage")
		}
		return false
	case "ima_inode_hash", "ima_file_hash":
		return sleeps
	case "setsockopt", "getsockopt":
		return inList(lockedSockets, target) || inList(openSockets, target)
	}
	return true
}

// Functions of the kernel that programs cannot be attached to: at all, and at their ends, which they do not reach.
const (
	untraceable = ` migrate_disable migrate_enable rcu_read_unlock_strict preempt_count_add preempt_count_sub __rcu_read_lock __rcu_read_unlock `
	endless     = ` do_exit do_group_exit kthread_complete_and_exit kthread_exit make_task_dead __x64_sys_exit __x64_sys_exit_group __ia32_sys_exit
		__ia32_sys_exit_group __arm64_sys_exit __arm64_sys_exit_group `
)

// Traceable reports whether programs of attach type at can be attached to a function of the kernel; known is false if
// that depends on what the kernel's types do not tell.
func Traceable(function string, at spec.AttachType, sleeps bool) (ok, known bool) {
	ends := at == spec.AttachTraceFexit || at == spec.AttachModifyReturn
	switch {
	case inList(untraceable, function), ends && inList(endless, function):
		return false, true
	case at != spec.AttachModifyReturn && !sleeps:
		return true, true
	case strings.HasPrefix(function, "__x64_sys_"), strings.HasPrefix(function, "__arm64_sys_"):
		return true, true // their results may be changed, and they may sleep
	case at == spec.AttachModifyReturn && !sleeps && (strings.HasPrefix(function, "security_") || strings.HasPrefix(function, "bpf_modify_return_test")):
		return true, true
	}
	return false, false
}
