/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A filter of names (XDP): questions for names of a list, and for all below them, are answered on the spot
 * with "no such name" (NXDOMAIN); all else passes.
 *
 * A name is looked up backwards, so that the longest prefix is the longest suffix of the name: the key of
 * "ads.example" is its bytes in a message, 3 a d s 7 e x a m p l e, in lower case and reversed. As a length
 * ends each label, "bads.example" does not match it.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define NAME 64 /* bytes of a name that are looked at, from its end */

struct dnshdr {
	__be16 id, flags, questions, answers, authorities, additional;
};

struct name {
	__u32 bits;
	__u8 reversed[NAME];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 10000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct name);
	__type(value, __u64); /* questions that were refused */
} names SEC(".maps");

__u64 questions;
__u64 refused;

/* Finds where the name that starts at from ends: the offset of its last byte, a zero. 0 if there is none. */
static __always_inline __u32 name_end(struct xdp_md *ctx, __u32 from)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 at = from;
	for (int labels = 0; labels < 32; labels++) {
		if (at > 300 || data + at + 1 > end)
			return 0;
		__u8 len = data[at];
		if (!len)
			return at;
		if (len > 63)
			return 0; /* a pointer: not in a question */
		at += len + 1;
	}
	return 0;
}

static __always_inline void swap(void *a, void *b, int size)
{
	__u8 t[6];
	__builtin_memcpy(t, a, size);
	__builtin_memcpy(a, b, size);
	__builtin_memcpy(b, t, size);
}

/* Makes an answer of a question, and sends it back. */
static __always_inline int refuse(struct ethhdr *eth, struct iphdr *ip, struct udphdr *udp, struct dnshdr *dns)
{
	dns->flags = (dns->flags & bpf_htons(0x7900)) | bpf_htons(0x8083); /* an answer; recursion is there; no such name */
	swap(eth->h_source, eth->h_dest, 6);
	swap(&ip->saddr, &ip->daddr, 4);
	swap(&udp->source, &udp->dest, 2);
	udp->check = 0; /* none, which IPv4 allows */
	__sync_fetch_and_add(&refused, 1);
	return XDP_TX;
}

SEC("xdp")
int dns(struct xdp_md *ctx)
{
	__u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)data;
	struct iphdr *ip = (void *)(eth + 1);
	struct udphdr *udp = (void *)(ip + 1);
	struct dnshdr *msg = (void *)(udp + 1);
	if ((void *)(msg + 1) > (void *)end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_UDP || udp->dest != bpf_htons(53) || ip->frag_off & bpf_htons(0x3fff))
		return XDP_PASS;
	if (msg->flags & bpf_htons(0x8000) || msg->questions != bpf_htons(1))
		return XDP_PASS;
	__sync_fetch_and_add(&questions, 1);

	const __u32 first = sizeof *eth + sizeof *ip + sizeof *udp + sizeof *msg;
	__u32 last = name_end(ctx, first);
	if (last <= first)
		return XDP_PASS;
	struct name n = {};
	__u32 len = 0;
	for (int i = 0; i < NAME; i++) {
		__u32 at = last - 1 - i;
		if (at < first || at > 400 || data + at + 1 > end)
			break;
		__u8 c = data[at];
		n.reversed[i] = c >= 'A' && c <= 'Z' ? c + 32 : c;
		len++;
	}
	n.bits = len * 8;
	__u64 *hits = bpf_map_lookup_elem(&names, &n);
	if (!hits)
		return XDP_PASS;
	__sync_fetch_and_add(hits, 1);
	return refuse(eth, ip, udp, msg);
}

char _license[] SEC("license") = "GPL";
