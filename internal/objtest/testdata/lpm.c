/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Longest prefix match, over IPv4 and IPv6. */
#include "common.h"

struct key4 {
	__u32 bits;
	__be32 addr;
};

struct key6 {
	__u32 bits;
	struct in6_addr addr;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 128);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key4);
	__type(value, __u32);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 128);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct key6);
	__type(value, __u32);
} routes6 SEC(".maps");

SEC("xdp")
int route(struct xdp_md *ctx)
{
	void *data = START(ctx), *end = END(ctx);
	struct ethhdr *eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_ABORTED;
	__u32 *to = 0;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end)
			return XDP_ABORTED;
		struct key4 k = {32, ip->daddr};
		to = bpf_map_lookup_elem(&routes4, &k);
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end)
			return XDP_ABORTED;
		struct key6 k = {128, ip->daddr};
		to = bpf_map_lookup_elem(&routes6, &k);
	}
	return to ? *to & 3 : XDP_PASS;
}

/* learns a route to the sender's network */
SEC("xdp")
int learn(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_PASS;
	struct key4 k = {24, ip->saddr};
	__u32 action = XDP_TX;
	return bpf_map_update_elem(&routes4, &k, &action, BPF_NOEXIST) ? XDP_DROP : XDP_PASS;
}

LICENSE;
