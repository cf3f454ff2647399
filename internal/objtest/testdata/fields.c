/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Values with fields that the kernel treats specially. */
#include "common.h"
#define __kptr __attribute__((btf_type_tag("kptr")))
#define __kptr_untrusted __attribute__((btf_type_tag("kptr_untrusted")))
#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define private(name) SEC(".data." #name) __attribute__((aligned(8)))


struct task_struct {
	int pid;
};

struct locked {
	int n;
	struct bpf_spin_lock lock;
	__u64 total;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct locked);
} locks SEC(".maps");

struct timed {
	__u64 count;
	struct bpf_timer timer;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, struct timed);
} timers SEC(".maps");

struct pair {
	struct task_struct __kptr *task;
	struct task_struct __kptr_untrusted *loose;
};

struct kept {
	__u64 n;
	struct pair pairs[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, int);
	__type(value, struct kept);
} tasks SEC(".maps");

SEC("tc")
int keep(struct __sk_buff *skb)
{
	int key = 1;
	struct kept *k = bpf_map_lookup_elem(&tasks, &key);
	return k ? k->n & 1 : TC_ACT_OK;
}

SEC("xdp")
int lock(struct xdp_md *ctx)
{
	__u32 key = 0;
	struct locked *l = bpf_map_lookup_elem(&locks, &key);
	if (!l)
		return XDP_ABORTED;
	bpf_spin_lock(&l->lock);
	l->n++;
	l->total += END(ctx) - START(ctx);
	bpf_spin_unlock(&l->lock);
	return l->n & 1 ? XDP_PASS : XDP_TX;
}

static int fired(void *map, int *key, struct timed *t)
{
	t->count++;
	return 0;
}

SEC("tc")
int timer(struct __sk_buff *skb)
{
	struct timed zero = {};
	int key = 1;
	bpf_map_update_elem(&timers, &key, &zero, BPF_NOEXIST);
	struct timed *t = bpf_map_lookup_elem(&timers, &key);
	if (!t)
		return TC_ACT_SHOT;
	bpf_timer_init(&t->timer, &timers, 1);
	bpf_timer_set_callback(&t->timer, fired);
	bpf_timer_start(&t->timer, 1000, 0);
	return TC_ACT_OK;
}

LICENSE;
