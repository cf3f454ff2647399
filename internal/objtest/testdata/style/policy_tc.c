/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A container network's classifier: identities by prefix, policy, connection tracking, translation, tail calls. */
#include "../common.h"

enum { CALL_DROP = 1, CALL_IPV4, CALL_IPV6, CALL_NAT, CALL_SIZE };
enum { DROP_INVALID = -130, DROP_POLICY, DROP_MISSED_CALL, DROP_NAT };

struct address { __u32 length; __u8 family; __u8 pad[3]; __u32 addr[4]; };
struct identity { __u32 label, tunnel; __u16 flags; __u16 node; };
struct policy_key { __u32 label; __u16 port; __u8 proto, egress; };
struct policy { __u64 packets, bytes; __u16 proxy; __u8 deny; __u8 pad[5]; };
struct flow { __be32 saddr, daddr; __be16 sport, dport; __u8 proto, dir; __u16 pad; };
struct track { __u64 rx, tx; __u32 expires; __u16 flags; __u16 rev_nat; __u8 seen; __u8 pad[7]; };
struct nat { __be32 addr; __be16 port; __u16 pad; };
struct metric_key { __u8 reason, dir; __u16 line; __u32 pad; };

struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __uint(max_entries, 512); __uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address); __type(value, struct identity); } ipcache SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 256); __type(key, struct policy_key); __type(value, struct policy); } policies SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1024); __type(key, struct flow); __type(value, struct track); } flows SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 64); __type(key, __u16); __type(value, struct nat); } services SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_HASH); __uint(max_entries, 128); __type(key, struct metric_key); __type(value, __u64[2]); } metrics SEC(".maps");
int tail_drop(struct __sk_buff *skb);
int tail_ipv4(struct __sk_buff *skb);
int tail_ipv6(struct __sk_buff *skb);
int tail_nat(struct __sk_buff *skb);
struct { __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(max_entries, CALL_SIZE); __type(key, __u32); __array(values, int(struct __sk_buff *)); } calls SEC(".maps") = {
	.values = {[CALL_DROP] = &tail_drop, [CALL_IPV4] = &tail_ipv4, [CALL_IPV6] = &tail_ipv6, [CALL_NAT] = &tail_nat}};

static __always_inline void count(struct __sk_buff *skb, int reason, __u16 line)
{
	struct metric_key key = {.reason = -reason, .line = line};
	__u64 *v = bpf_map_lookup_elem(&metrics, &key), first[2] = {1, skb->len};
	if (v) {
		v[0]++;
		v[1] += skb->len;
	} else {
		bpf_map_update_elem(&metrics, &key, first, 0);
	}
}

static __noinline int drop(struct __sk_buff *skb, int reason, int line)
{
	if (!skb)
		return TC_ACT_SHOT;
	skb->cb[0] = reason;
	skb->cb[1] = line;
	bpf_tail_call(skb, &calls, CALL_DROP);
	return TC_ACT_SHOT;
}

SEC("tc/drop") int tail_drop(struct __sk_buff *skb)
{
	count(skb, (int)skb->cb[0] + 128, skb->cb[1]);
	return TC_ACT_SHOT;
}

static __always_inline const struct identity *who(__be32 addr)
{
	struct address key = {.length = 64, .family = 1, .addr = {addr}};
	return bpf_map_lookup_elem(&ipcache, &key);
}

static __always_inline int allowed(__u32 label, __u16 port, __u8 proto, __u32 len)
{
	struct policy_key key = {.label = label, .port = port, .proto = proto};
	struct policy *p = bpf_map_lookup_elem(&policies, &key);
	if (!p) {
		key.port = 0;
		key.proto = 0;
		p = bpf_map_lookup_elem(&policies, &key);
	}
	if (!p)
		return label == 0 ? 0 : DROP_POLICY;
	__sync_fetch_and_add(&p->packets, 1);
	__sync_fetch_and_add(&p->bytes, len);
	return p->deny ? DROP_POLICY : p->proxy;
}

SEC("tc/v4") int tail_ipv4(struct __sk_buff *skb)
{
	void *data = START(skb), *end = END(skb);
	struct iphdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		return drop(skb, DROP_INVALID, __LINE__);
	struct flow key = {.saddr = ip->saddr, .daddr = ip->daddr, .proto = ip->protocol};
	__u32 l4 = ETH_HLEN + ip->ihl * 4, ports = 0;
	if (ip->ihl < 5)
		return drop(skb, DROP_INVALID, __LINE__);
	switch (ip->protocol) {
	case IPPROTO_TCP:
	case IPPROTO_UDP:
		if (bpf_skb_load_bytes(skb, l4, &ports, 4) < 0)
			return drop(skb, DROP_INVALID, __LINE__);
		key.sport = ports;
		key.dport = ports >> 16;
		break;
	case IPPROTO_ICMP:
		break;
	default:
		return drop(skb, DROP_INVALID, __LINE__);
	}
	const struct identity *id = who(ip->saddr);
	struct track *t = bpf_map_lookup_elem(&flows, &key);
	if (t) {
		t->rx += skb->len;
		t->seen |= ip->tos;
	} else {
		int verdict = allowed(id ? id->label : 0, bpf_ntohs(key.dport), key.proto, skb->len);
		if (verdict < 0)
			return drop(skb, verdict, __LINE__);
		struct track new = {.rx = skb->len, .expires = 30, .flags = verdict};
		if (bpf_map_update_elem(&flows, &key, &new, BPF_NOEXIST))
			return drop(skb, DROP_INVALID, __LINE__);
	}
	skb->mark = id ? id->label : 2;
	skb->cb[2] = key.dport;
	skb->cb[3] = l4;
	bpf_tail_call(skb, &calls, CALL_NAT);
	return drop(skb, DROP_MISSED_CALL, __LINE__);
}

SEC("tc/nat") int tail_nat(struct __sk_buff *skb)
{
	__u16 port = skb->cb[2];
	__u32 l4 = skb->cb[3];
	struct nat *to = bpf_map_lookup_elem(&services, &port);
	if (!to)
		return TC_ACT_OK;
	__be32 old;
	__u8 proto;
	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, daddr), &old, 4) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct iphdr, protocol), &proto, 1))
		return drop(skb, DROP_NAT, __LINE__);
	__u32 csum = l4 + (proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
	__u64 flags = BPF_F_PSEUDO_HDR | (proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
	__be32 addr = to->addr;
	__be16 dport = to->port;
	if (proto != IPPROTO_ICMP) {
		if (bpf_l4_csum_replace(skb, csum, old, addr, flags | 4) < 0 ||
		    bpf_l4_csum_replace(skb, csum, port, dport, (flags & ~BPF_F_PSEUDO_HDR) | 2) < 0 ||
		    bpf_skb_store_bytes(skb, l4 + 2, &dport, 2, 0) < 0)
			return drop(skb, DROP_NAT, __LINE__);
	}
	if (bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), old, addr, 4) < 0 ||
	    bpf_skb_store_bytes(skb, ETH_HLEN + offsetof(struct iphdr, daddr), &addr, 4, 0) < 0)
		return drop(skb, DROP_NAT, __LINE__);
	return TC_ACT_OK;
}

SEC("tc/v6") int tail_ipv6(struct __sk_buff *skb)
{
	void *data = START(skb), *end = END(skb);
	struct ipv6hdr *ip = data + ETH_HLEN;
	if ((void *)(ip + 1) > end)
		return drop(skb, DROP_INVALID, __LINE__);
	struct address key = {.length = 160, .family = 2};
	__builtin_memcpy(key.addr, &ip->saddr, 16);
	struct identity *id = bpf_map_lookup_elem(&ipcache, &key);
	__u8 next = ip->nexthdr;
	__u32 off = ETH_HLEN + sizeof(*ip);
#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u8 opt[2];
		if (next != 0 && next != 43 && next != 60)
			break;
		if (bpf_skb_load_bytes(skb, off, opt, 2) < 0)
			return drop(skb, DROP_INVALID, __LINE__);
		next = opt[0];
		off += (opt[1] + 1) * 8;
	}
	skb->mark = id ? id->label : off;
	skb->priority = next;
	return TC_ACT_OK;
}

SEC("tc/ingress") int from_container(struct __sk_buff *skb)
{
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		bpf_tail_call(skb, &calls, CALL_IPV4);
		break;
	case bpf_htons(ETH_P_IPV6):
		bpf_tail_call(skb, &calls, CALL_IPV6);
		break;
	case bpf_htons(ETH_P_ARP):
		return TC_ACT_OK;
	}
	return drop(skb, DROP_INVALID, __LINE__);
}

LICENSE;
