/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Programs of tc: fields of the context, helpers on packets, checksums. */
#include "common.h"

#define IP_OFF ETH_HLEN
#define CSUM_OFF (IP_OFF + offsetof(struct iphdr, check))

SEC("tc")
int fields(struct __sk_buff *skb)
{
	skb->mark = skb->len;
	skb->priority = 7;
	skb->cb[0] = skb->protocol;
	skb->cb[4] = skb->cb[0] + 1;
	skb->tc_index = 3;
	return skb->cb[4] == bpf_htons(ETH_P_IP) + 1 ? TC_ACT_OK : TC_ACT_SHOT;
}

/* network address translation of the source, with checksums */
SEC("tc")
int nat(struct __sk_buff *skb)
{
	struct iphdr *ip = ipv4(START(skb), END(skb));
	if (!ip || ip->ihl != 5)
		return TC_ACT_OK;
	__be32 old = ip->saddr, new = bpf_htonl(0xc0000201);
	__u8 proto = ip->protocol;
	int off = IP_OFF + sizeof *ip;
	__u64 flags = BPF_F_PSEUDO_HDR | sizeof new;
	if (proto == IPPROTO_TCP)
		off += offsetof(struct tcphdr, check);
	else if (proto == IPPROTO_UDP)
		off += offsetof(struct udphdr, check), flags |= BPF_F_MARK_MANGLED_0;
	else
		return TC_ACT_UNSPEC;
	if (bpf_l4_csum_replace(skb, off, old, new, flags))
		return TC_ACT_SHOT;
	if (bpf_l3_csum_replace(skb, CSUM_OFF, old, new, sizeof new))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, IP_OFF + offsetof(struct iphdr, saddr), &new, sizeof new, 0))
		return TC_ACT_SHOT;
	return TC_ACT_OK;
}

/* decrements the time to live */
SEC("tc")
int ttl(struct __sk_buff *skb)
{
	struct iphdr h;
	if (bpf_skb_load_bytes(skb, IP_OFF, &h, sizeof h) || h.version != 4)
		return TC_ACT_PIPE;
	if (h.ttl <= 1)
		return TC_ACT_SHOT;
	__u8 less = h.ttl - 1;
	__u16 was = bpf_htons(h.ttl << 8 | h.protocol), is = bpf_htons(less << 8 | h.protocol);
	if (bpf_l3_csum_replace(skb, CSUM_OFF, was, is, 2))
		return TC_ACT_SHOT;
	return bpf_skb_store_bytes(skb, IP_OFF + offsetof(struct iphdr, ttl), &less, 1, BPF_F_RECOMPUTE_CSUM) ? TC_ACT_SHOT : TC_ACT_OK;
}

SEC("classifier")
int vlan_push(struct __sk_buff *skb)
{
	if (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 42))
		return TC_ACT_SHOT;
	return skb->vlan_present && skb->vlan_tci == 42 ? TC_ACT_OK : TC_ACT_PIPE;
}

SEC("classifier")
int tail_change(struct __sk_buff *skb)
{
	__u32 len = skb->len;
	if (bpf_skb_change_tail(skb, len > 80 ? 80 : len + 20, 0))
		return TC_ACT_SHOT;
	return skb->len == (len > 80 ? 80 : len + 20) ? TC_ACT_OK : TC_ACT_PIPE;
}

SEC("classifier")
int room(struct __sk_buff *skb)
{
	if (skb->protocol != bpf_htons(ETH_P_IP) || skb->len < 34)
		return TC_ACT_PIPE;
	if (bpf_skb_adjust_room(skb, 8, BPF_ADJ_ROOM_NET, 0))
		return TC_ACT_SHOT;
	__u64 v = 0x1122334455667788;
	return bpf_skb_store_bytes(skb, IP_OFF + sizeof(struct iphdr), &v, sizeof v, 0) ? TC_ACT_SHOT : TC_ACT_OK;
}

/* a checksum by helper against one by hand */
SEC("action")
int checksums(struct __sk_buff *skb)
{
	__u8 head[20];
	if (bpf_skb_load_bytes(skb, IP_OFF, head, sizeof head))
		return TC_ACT_PIPE;
	__s64 sum = bpf_csum_diff(0, 0, (__be32 *)head, sizeof head, 0);
	__u32 hand = 0;
#pragma unroll
	for (int i = 0; i < 20; i += 2)
		hand += *(__u16 *)(head + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	hand = (hand & 0xffff) + (hand >> 16);
	hand = (hand & 0xffff) + (hand >> 16);
	skb->mark = hand;
	return (__u16)sum == (__u16)hand ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("tc")
int pull_write(struct __sk_buff *skb)
{
	if (bpf_skb_pull_data(skb, 34))
		return TC_ACT_PIPE;
	__u8 *data = START(skb);
	if (data + 34 > (__u8 *)END(skb))
		return TC_ACT_SHOT;
	data[0] = ~data[0];
	data[33] += 3;
	return TC_ACT_OK;
}

LICENSE;
