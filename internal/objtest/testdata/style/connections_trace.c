/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Lives of connections and processes, as tracing tools follow them: histograms, latencies, events. */
#define __TARGET_ARCH_x86
#include <stdbool.h>
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define CORE __attribute__((preserve_access_index))
struct ns_common { unsigned inum; } CORE;
struct pid_namespace { struct ns_common ns; } CORE;
struct nsproxy { struct pid_namespace *pid_ns_for_children; } CORE;
struct qstr { const unsigned char *name; } CORE;
struct task_struct { int pid, tgid; struct task_struct *real_parent, *group_leader; unsigned __state; char comm[16]; struct nsproxy *nsproxy; } CORE;
struct sock_common { __be32 skc_daddr, skc_rcv_saddr; __be16 skc_dport; __u16 skc_num; unsigned short skc_family; unsigned char skc_state; } CORE;
struct sock { struct sock_common __sk_common; } CORE;
struct tcp_sock { __u64 bytes_received, bytes_acked; __u32 srtt_us; } CORE;

struct event { __u64 ts, span, rx, tx; __u32 pid, saddr, daddr, ns; __u16 sport, dport; char comm[16]; };
struct state { unsigned long long pad; const void *skaddr; int oldstate, newstate; __u16 sport, dport, family, protocol; __u8 saddr[4], daddr[4]; };
struct open { unsigned short type; unsigned char flags, count; int pid; long nr; unsigned long args[6]; };

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 10240); __type(key, const void *); __type(value, __u64); } births SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 10240); __type(key, __u32); __type(value, struct event); } starts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 1 << 16); } events SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); } perf SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(max_entries, 128); __uint(key_size, 4); __uint(value_size, 127 * 8); } stacks SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, char[4096]); } heap SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, __u32); } groups SEC(".maps");

const volatile int only_pid = 0;
const volatile bool by_group = false;
__u32 histogram[32];
__u64 lost;

static __always_inline __u32 log2(__u64 v)
{
	__u32 r = 0;
	for (int s = 32; s; s >>= 1)
		if (v >> s) {
			v >>= s;
			r += s;
		}
	return r;
}

SEC("tracepoint/sock/inet_sock_set_state") int life(struct state *s)
{
	__u64 now = bpf_ktime_get_ns(), *born;
	const void *sk = s->skaddr;
	if (s->protocol != 6 || s->family != 2)
		return 0;
	if (s->newstate < 4) {
		bpf_map_update_elem(&births, &sk, &now, BPF_ANY);
		return 1;
	}
	if (s->newstate != 7)
		return 2;
	born = bpf_map_lookup_elem(&births, &sk);
	if (!born)
		return 3;
	struct event *e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return 4;
	}
	e->ts = now;
	e->span = now - *born;
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->sport = s->sport;
	e->dport = s->dport;
	e->rx = BPF_CORE_READ((struct tcp_sock *)sk, bytes_received);
	e->tx = BPF_CORE_READ((struct tcp_sock *)sk, bytes_acked);
	e->ns = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), nsproxy, pid_ns_for_children, ns.inum);
	__builtin_memcpy(&e->saddr, s->saddr, 4);
	__builtin_memcpy(&e->daddr, s->daddr, 4);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
	bpf_map_delete_elem(&births, &sk);
	__u32 slot = log2((now - *born) / 1000);
	if (slot < 32)
		__sync_fetch_and_add(&histogram[slot], 1);
	return 5;
}

SEC("kprobe/tcp_v4_connect") int BPF_KPROBE(connect, struct sock *sk)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = id;
	if (only_pid && id >> 32 != only_pid)
		return 0;
	if (by_group && !bpf_current_task_under_cgroup(&groups, 0))
		return 0;
	struct event e = {.ts = bpf_ktime_get_ns(), .pid = id >> 32};
	e.dport = BPF_CORE_READ(sk, __sk_common.skc_dport);
	e.daddr = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	bpf_map_update_elem(&starts, &tid, &e, 0);
	return e.dport;
}

SEC("kretprobe/tcp_v4_connect") int BPF_KRETPROBE(connected, int ret)
{
	__u32 tid = bpf_get_current_pid_tgid();
	struct event *e = bpf_map_lookup_elem(&starts, &tid);
	if (!e)
		return -1;
	e->span = bpf_ktime_get_ns() - e->ts;
	e->rx = ret;
	bpf_get_current_comm(&e->comm, sizeof(e->comm));
	bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU, e, sizeof(*e));
	bpf_map_delete_elem(&starts, &tid);
	return 0;
}

SEC("tp/syscalls/sys_enter_openat") int opened(struct open *o)
{
	__u32 zero = 0;
	char *buf = bpf_map_lookup_elem(&heap, &zero);
	if (!buf)
		return -1;
	long n = bpf_probe_read_user_str(buf, 4096, (void *)o->args[1]);
	if (n < 0)
		return n;
	__u32 slashes = 0;
	for (int i = 0; i < 256 && i < n; i++)
		slashes += buf[i] == '/';
	return slashes << 16 | n;
}

SEC("perf_event") int profile(struct bpf_perf_event_data *ctx)
{
	int k = bpf_get_stackid(ctx, &stacks, BPF_F_FAST_STACK_CMP);
	return k < 0 ? 0 : 1;
}

SEC("raw_tp/sched_switch") int switched(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *prev = (void *)ctx->args[1], *next = (void *)ctx->args[2];
	__u32 pid = BPF_CORE_READ(next, pid), old = BPF_CORE_READ(prev, tgid);
	char comm[16];
	bpf_core_read_str(comm, sizeof(comm), &next->comm);
	bpf_printk("%s: %d -> %d", comm, old, pid);
	return pid + (comm[0] << 16);
}

SEC("uprobe") int called(struct pt_regs *ctx)
{
	char text[8] = {};
	bpf_probe_read_user(text, 4, (void *)PT_REGS_PARM1(ctx));
	return text[0] | text[3] << 8;
}

char _license[] SEC("license") = "GPL";
