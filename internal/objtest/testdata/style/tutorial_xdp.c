/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Exercises of a tutorial: parsing with a cursor, VLAN tags in and out, echo, statistics, metadata, cutting. */
#include "../common.h"

struct cursor { void *pos; };
struct vlan { __be16 tci, proto; };
struct icmp { __u8 type, code; __be16 sum; };
struct record { __u64 packets, bytes; };
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 5); __type(key, __u32); __type(value, struct record); } actions SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 16); __type(key, __u8[6]); __type(value, __u8[6]); } macs SEC(".maps");

static __always_inline __u32 record(struct xdp_md *ctx, __u32 action)
{
	if (action >= 5)
		return XDP_ABORTED;
	struct record *r = bpf_map_lookup_elem(&actions, &action);
	if (!r)
		return XDP_ABORTED;
	r->packets++;
	r->bytes += ctx->data_end - ctx->data;
	return action;
}

static __always_inline int parse_eth(struct cursor *c, void *end, struct ethhdr **out, __u16 *tags)
{
	struct ethhdr *eth = c->pos;
	if ((void *)(eth + 1) > end)
		return -1;
	*out = eth;
	__be16 proto = eth->h_proto;
	struct vlan *v = (void *)(eth + 1);
#pragma unroll
	for (int i = 0; i < 3; i++) {
		if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
			break;
		if ((void *)(v + 1) > end)
			break;
		proto = v->proto;
		tags[i] = bpf_ntohs(v->tci) & 0xfff;
		v++;
	}
	c->pos = v;
	return proto;
}

SEC("xdp") int parse(struct xdp_md *ctx)
{
	void *end = END(ctx);
	struct cursor c = {START(ctx)};
	struct ethhdr *eth;
	__u16 tags[3] = {};
	int proto = parse_eth(&c, end, &eth, tags);
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = c.pos;
		if ((void *)(ip + 1) > end)
			return record(ctx, XDP_DROP);
		int size = ip->ihl * 4;
		if (size < sizeof(*ip) || c.pos + size > end)
			return record(ctx, XDP_DROP);
		c.pos += size;
		if (ip->protocol == IPPROTO_UDP) {
			struct udphdr *udp = c.pos;
			if ((void *)(udp + 1) > end)
				return record(ctx, XDP_DROP);
			int len = bpf_ntohs(udp->len) - sizeof(*udp);
			return record(ctx, len < 0 ? XDP_ABORTED : tags[0] & 1 ? XDP_TX : XDP_PASS);
		}
	}
	return record(ctx, XDP_PASS);
}

SEC("xdp") int swap_tags(struct xdp_md *ctx)
{
	void *data = START(ctx), *end = END(ctx);
	struct ethhdr *eth = data, copy;
	if ((void *)(eth + 1) > end)
		return XDP_PASS;
	struct vlan *v = (void *)(eth + 1);
	if (eth->h_proto == bpf_htons(ETH_P_8021Q)) {
		if ((void *)(v + 1) > end)
			return XDP_PASS;
		__builtin_memcpy(&copy, eth, sizeof(copy));
		copy.h_proto = v->proto;
		if (bpf_xdp_adjust_head(ctx, sizeof(*v)))
			return XDP_ABORTED;
		eth = START(ctx);
		if ((void *)(eth + 1) > END(ctx))
			return XDP_ABORTED;
		__builtin_memcpy(eth, &copy, sizeof(copy));
		return XDP_PASS;
	}
	__builtin_memcpy(&copy, eth, sizeof(copy));
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*v)))
		return XDP_ABORTED;
	eth = START(ctx);
	v = (void *)(eth + 1);
	if ((void *)(v + 1) > END(ctx))
		return XDP_ABORTED;
	__builtin_memcpy(eth, &copy, sizeof(copy));
	v->proto = eth->h_proto;
	v->tci = bpf_htons(77);
	eth->h_proto = bpf_htons(ETH_P_8021Q);
	return XDP_TX;
}

SEC("xdp") int echo(struct xdp_md *ctx)
{
	void *data = START(ctx), *end = END(ctx);
	struct iphdr *ip = ipv4(data, end);
	if (!ip || ip->protocol != IPPROTO_ICMP || ip->ihl < 5)
		return record(ctx, XDP_PASS);
	struct icmp *i = (void *)ip + ip->ihl * 4;
	if ((void *)(i + 1) > end || i->type != 8)
		return record(ctx, XDP_PASS);
	__be32 a = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = a;
	struct icmp old = *i;
	i->type = 0;
	__u32 sum = bpf_csum_diff((void *)&old, sizeof(old), (void *)i, sizeof(*i), ~i->sum & 0xffff);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	i->sum = ~sum;
	struct ethhdr *eth = data;
	__u8 tmp[6];
	__builtin_memcpy(tmp, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, tmp, 6);
	__u8 *to = bpf_map_lookup_elem(&macs, tmp);
	if (to)
		__builtin_memcpy(eth->h_dest, to, 6);
	return record(ctx, XDP_TX);
}

SEC("xdp") int meta(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_meta(ctx, -8))
		return XDP_ABORTED;
	__u32 *m = (void *)(long)ctx->data_meta;
	if ((void *)(m + 2) > START(ctx))
		return XDP_ABORTED;
	m[0] = ctx->rx_queue_index;
	m[1] = 0x1234;
	return XDP_PASS;
}

SEC("xdp") int cut(struct xdp_md *ctx)
{
	int len = END(ctx) - START(ctx);
	if (len > 60)
		bpf_xdp_adjust_tail(ctx, 60 - len);
	else if (bpf_xdp_adjust_tail(ctx, 16))
		return XDP_DROP;
	__u8 b[4] = {1, 2, 3, 4};
	bpf_xdp_store_bytes(ctx, (__u32)bpf_xdp_get_buff_len(ctx) - 4, b, 4);
	return XDP_PASS;
}

LICENSE;
