/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A load balancer for TCP and UDP (XDP): packets for a virtual address get the address of one of its backends,
 * and go out where they came in.
 *
 * The backend comes from a table of consistent hashing (Maglev: Eisenbud et al., NSDI 2016), which user space
 * computes: element service * TABLE + hash % TABLE of the map table is the number of a backend. Connections
 * that are known keep their backend when the table changes.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define SERVICES 16
#define TABLE 1021 /* prime */

struct address {
	__u8 ip[4];
	__be16 port;
	__u16 protocol;
};

struct flow {
	__be32 saddr, daddr;
	__be16 sport, dport;
	__u32 protocol;
};

struct backend {
	__u8 ip[4];
	__u8 mac[6];
	__u16 pad;
	__u64 packets;
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SERVICES);
	__type(key, struct address);
	__type(value, __u32); /* number of the service */
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SERVICES * TABLE);
	__type(key, __u32);
	__type(value, __u32);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow);
	__type(value, __u32);
} connections SEC(".maps");

/* Mixes the bits of a flow (the finaliser of MurmurHash3). */
static __always_inline __u32 hash(const struct flow *f)
{
	__u32 h = f->saddr;
	h ^= (__u32)f->sport << 16 | f->dport;
	h *= 0x9e3779b1;
	h ^= f->daddr + f->protocol;
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}

/* A checksum after four bytes that it covers changed (RFC 1624). */
static __always_inline __sum16 changed(__sum16 check, __be32 from, __be32 to)
{
	__u32 sum = (__u16)~check;
	sum += (__u16)~(from & 0xffff) + (__u16)~(from >> 16);
	sum += (to & 0xffff) + (to >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __always_inline struct backend *choose(struct flow *f, __u32 service)
{
	__u32 *known = bpf_map_lookup_elem(&connections, f);
	__u32 number;
	if (known) {
		number = *known;
	} else {
		__u32 at = service * TABLE + hash(f) % TABLE;
		__u32 *chosen = bpf_map_lookup_elem(&table, &at);
		if (!chosen)
			return 0;
		number = *chosen;
		bpf_map_update_elem(&connections, f, &number, BPF_ANY);
	}
	return bpf_map_lookup_elem(&backends, &number);
}

SEC("xdp")
int lb(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end || eth->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 || ip->frag_off & bpf_htons(0x3fff))
		return XDP_PASS;
	struct flow f = {.saddr = ip->saddr, .daddr = ip->daddr, .protocol = ip->protocol};
	struct tcphdr *tcp = (void *)(ip + 1);
	struct udphdr *udp = (void *)(ip + 1);
	__sum16 *check;
	if (ip->protocol == IPPROTO_TCP) {
		if ((void *)(tcp + 1) > end)
			return XDP_DROP;
		f.sport = tcp->source;
		f.dport = tcp->dest;
		check = &tcp->check;
	} else if (ip->protocol == IPPROTO_UDP) {
		if ((void *)(udp + 1) > end)
			return XDP_DROP;
		f.sport = udp->source;
		f.dport = udp->dest;
		check = &udp->check;
	} else {
		return XDP_PASS;
	}

	struct address a = {.port = f.dport, .protocol = ip->protocol};
	__builtin_memcpy(a.ip, &ip->daddr, 4);
	__u32 *service = bpf_map_lookup_elem(&services, &a);
	if (!service)
		return XDP_PASS;
	struct backend *b = choose(&f, *service);
	if (!b)
		return XDP_DROP;

	__be32 to;
	__builtin_memcpy(&to, b->ip, 4);
	if (f.protocol == IPPROTO_TCP)
		*check = changed(*check, ip->daddr, to);
	else if (*check) /* zero: there is none */
		*check = changed(*check, ip->daddr, to) ?: 0xffff;
	ip->check = changed(ip->check, ip->daddr, to);
	ip->daddr = to;
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, b->mac, ETH_ALEN);
	__sync_fetch_and_add(&b->packets, 1);
	__sync_fetch_and_add(&b->bytes, end - data);
	return XDP_TX;
}

char _license[] SEC("license") = "GPL";
