/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Counting in maps of every simple kind. */
#include "common.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} protocols SEC(".maps");

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct counter);
} sizes SEC(".maps");

struct flow {
	__be32 saddr, daddr;
	__u8 proto;
	__u8 pad[3];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct flow);
	__type(value, struct counter);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __be32);
	__type(value, __u64);
} sources SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 64);
	__type(key, __u16);
	__type(value, __u32);
} ethertypes SEC(".maps");

SEC("xdp")
int count_array(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	__u32 key = ip ? ip->protocol : 255;
	__u64 *n = bpf_map_lookup_elem(&protocols, &key);
	if (!n)
		return XDP_ABORTED;
	__sync_fetch_and_add(n, 1);
	return *n & 1 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int count_percpu(struct xdp_md *ctx)
{
	__u32 len = END(ctx) - START(ctx);
	__u32 key = len < 64 ? 0 : len < 128 ? 1 : len < 512 ? 2 : 3;
	struct counter *c = bpf_map_lookup_elem(&sizes, &key);
	if (c) {
		c->packets++;
		c->bytes += len;
	}
	return XDP_PASS;
}

SEC("xdp")
int count_flows(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_PASS;
	struct flow f = {.saddr = ip->saddr, .daddr = ip->daddr, .proto = ip->protocol};
	struct counter *c = bpf_map_lookup_elem(&flows, &f);
	if (c) {
		__sync_fetch_and_add(&c->packets, 1);
		__sync_fetch_and_add(&c->bytes, bpf_ntohs(ip->tot_len));
		return XDP_TX;
	}
	struct counter first = {1, bpf_ntohs(ip->tot_len)};
	return bpf_map_update_elem(&flows, &f, &first, BPF_NOEXIST) ? XDP_ABORTED : XDP_PASS;
}

SEC("xdp")
int count_lru(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_DROP;
	__u64 one = 1, *n = bpf_map_lookup_elem(&sources, &ip->saddr);
	if (n)
		*n += 1;
	else
		bpf_map_update_elem(&sources, &ip->saddr, &one, BPF_ANY);
	return n ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int count_percpu_hash(struct xdp_md *ctx)
{
	struct ethhdr *eth = START(ctx);
	if ((void *)(eth + 1) > END(ctx))
		return XDP_ABORTED;
	__u16 key = eth->h_proto;
	__u32 one = 1, *n = bpf_map_lookup_elem(&ethertypes, &key);
	if (n) {
		++*n;
		if (*n > 3)
			bpf_map_delete_elem(&ethertypes, &key);
		return XDP_PASS;
	}
	return bpf_map_update_elem(&ethertypes, &key, &one, BPF_NOEXIST) == 0 ? XDP_TX : XDP_ABORTED;
}

LICENSE;
