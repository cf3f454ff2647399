/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* XDP programs that change packets: bytes, head, tail and metadata. */
#include "common.h"

SEC("xdp")
int swap_macs(struct xdp_md *ctx)
{
	struct ethhdr *eth = START(ctx);
	if ((void *)(eth + 1) > END(ctx))
		return XDP_DROP;
	__u8 t[ETH_ALEN];
	__builtin_memcpy(t, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, t, ETH_ALEN);
	return XDP_TX;
}

static __always_inline __u16 fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return ~((sum & 0xffff) + (sum >> 16));
}

/* puts an outer IPv4 header before the packet's (IP in IP) */
SEC("xdp")
int encapsulate(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip)
		return XDP_PASS;
	__u16 len = bpf_ntohs(ip->tot_len);
	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(struct iphdr)))
		return XDP_ABORTED;
	struct ethhdr *eth = START(ctx), *old = START(ctx) + sizeof(struct iphdr);
	if ((void *)(old + 1) > END(ctx))
		return XDP_DROP;
	__builtin_memmove(eth, old, sizeof *eth);
	struct iphdr *outer = (void *)(eth + 1);
	if ((void *)(outer + 1) > END(ctx))
		return XDP_DROP;
	__builtin_memset(outer, 0, sizeof *outer);
	outer->version = 4;
	outer->ihl = 5;
	outer->ttl = 64;
	outer->protocol = IPPROTO_IPIP;
	outer->tot_len = bpf_htons(len + sizeof *outer);
	outer->saddr = bpf_htonl(0x0a000001);
	outer->daddr = bpf_htonl(0x0a000002);
	__u32 sum = 0;
	__u16 *w = (void *)outer;
#pragma unroll
	for (int i = 0; i < 10; i++)
		sum += w[i];
	outer->check = fold(sum);
	return XDP_TX;
}

/* takes the Ethernet header away */
SEC("xdp")
int strip(struct xdp_md *ctx)
{
	if (END(ctx) - START(ctx) < 2 * sizeof(struct ethhdr))
		return XDP_PASS;
	return bpf_xdp_adjust_head(ctx, sizeof(struct ethhdr)) ? XDP_ABORTED : XDP_TX;
}

/* cuts packets, and marks the end of what is left */
SEC("xdp")
int cut(struct xdp_md *ctx)
{
	int len = END(ctx) - START(ctx);
	if (len <= 40)
		return XDP_PASS;
	if (bpf_xdp_adjust_tail(ctx, 40 - len))
		return XDP_ABORTED;
	__u8 *data = START(ctx);
	if (data + 40 > (__u8 *)END(ctx))
		return XDP_DROP;
	data[39] = 0xee;
	return XDP_TX;
}

/* makes packets longer */
SEC("xdp")
int grow(struct xdp_md *ctx)
{
	int len = END(ctx) - START(ctx);
	if (bpf_xdp_adjust_tail(ctx, 16))
		return XDP_ABORTED;
	return END(ctx) - START(ctx) == len + 16 ? XDP_TX : XDP_DROP;
}

/* hands something on in the metadata */
SEC("xdp")
int metadata(struct xdp_md *ctx)
{
	if (bpf_xdp_adjust_meta(ctx, -8))
		return XDP_ABORTED;
	__u32 *meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 2) > START(ctx))
		return XDP_DROP;
	meta[0] = 0x11223344;
	meta[1] = END(ctx) - START(ctx);
	return meta[0] + meta[1] == 0 ? XDP_DROP : XDP_PASS;
}

/* reads and writes by helpers */
SEC("xdp")
int by_helper(struct xdp_md *ctx)
{
	__u8 b[8] = {};
	if (bpf_xdp_load_bytes(ctx, 6, b, sizeof b))
		return XDP_PASS;
	for (int i = 0; i < 8; i++)
		b[i] ^= 0x5a;
	if (bpf_xdp_store_bytes(ctx, 14, b, sizeof b))
		return XDP_DROP;
	return bpf_xdp_get_buff_len(ctx) > 100 ? XDP_TX : XDP_PASS;
}

LICENSE;
