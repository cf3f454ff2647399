/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Maps in maps, queues, stacks and filters. */
#include "common.h"

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} tcp SEC(".maps"), udp SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 20);
	__type(key, __u32);
	__array(values, struct inner);
} by_protocol SEC(".maps") = {
	.values = {
		[IPPROTO_TCP] = &tcp,
		[IPPROTO_UDP] = &udp,
	},
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} by_hash SEC(".maps") = {
	.values = {&udp, &tcp},
};

SEC("xdp")
int outer(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_PASS;
	__u32 key = ip->protocol;
	void *m = bpf_map_lookup_elem(&by_protocol, &key);
	if (!m)
		return XDP_DROP;
	key = ip->ttl & 3;
	__u64 *n = bpf_map_lookup_elem(m, &key);
	if (!n)
		return XDP_ABORTED;
	*n += 1;
	key = 0;
	m = bpf_map_lookup_elem(&by_hash, &key);
	if (!m)
		return XDP_PASS;
	__u64 v = 1000 + *n;
	key = 3;
	bpf_map_update_elem(m, &key, &v, BPF_ANY);
	return XDP_TX;
}

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 4);
	__type(value, __u32);
} queue SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 4);
	__type(value, __u32);
} stack SEC(".maps");

SEC("xdp")
int push_pop(struct xdp_md *ctx)
{
	__u32 v = END(ctx) - START(ctx), a = 0, b = 0;
	int full = bpf_map_push_elem(&queue, &v, 0) != 0;
	bpf_map_push_elem(&stack, &v, BPF_EXIST);
	bpf_map_peek_elem(&stack, &b);
	if (full) {
		bpf_map_pop_elem(&queue, &a);
		bpf_map_pop_elem(&queue, &a);
		bpf_map_pop_elem(&stack, &b);
	}
	return (a + b + full) & 3;
}

struct {
	__uint(type, BPF_MAP_TYPE_BLOOM_FILTER);
	__uint(max_entries, 100);
	__uint(map_extra, 3);
	__type(value, __be32);
} known SEC(".maps");

SEC("xdp")
int bloom(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_PASS;
	__be32 addr = ip->saddr;
	if (bpf_map_peek_elem(&known, &addr) == 0)
		return XDP_TX;
	bpf_map_push_elem(&known, &addr, 0);
	return XDP_DROP;
}

LICENSE;
