/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A layer 4 balancer: hash ring, per-CPU connection tables in a map of maps, encapsulation. */
#include "../common.h"

#define RING 4099
#define MAX_VIPS 16

struct vip { union { __be32 v4; __be32 v6[4]; }; __u16 port; __u8 proto; __u8 pad; };
struct vip_meta { __u32 flags, num; };
struct real { union { __be32 v4; __be32 v6[4]; }; __u8 flags; __u8 pad[3]; };
struct conn { union { __be32 src; __be32 srcv6[4]; }; union { __be32 dst; __be32 dstv6[4]; }; union { __u32 ports; __u16 port16[2]; }; __u8 proto; __u8 pad[3]; };
struct conn_value { __u32 pos; __u32 pad; __u64 atime; };
struct stats { __u64 v1, v2; };

struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, MAX_VIPS); __type(key, struct vip); __type(value, struct vip_meta); } vips SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, MAX_VIPS * RING); __type(key, __u32); __type(value, __u32); } rings SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 32); __type(key, __u32); __type(value, struct real); } reals SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __uint(max_entries, 64); __type(key, __u32); __type(value, struct stats); } stats SEC(".maps");
struct lru { __uint(type, BPF_MAP_TYPE_LRU_HASH); __uint(max_entries, 1000); __type(key, struct conn); __type(value, struct conn_value); };
struct lru fallback SEC(".maps"), first SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS); __uint(max_entries, 8); __type(key, __u32); __array(values, struct lru); } per_cpu SEC(".maps") = {.values = {&first}};
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u8[8]); } ctl SEC(".maps");

#define rol32(w, s) ((w) << (s) | (w) >> (32 - (s)))
#define MIX(a, b, c) { a -= c; a ^= rol32(c, 4); c += b; b -= a; b ^= rol32(a, 6); a += c; c -= b; c ^= rol32(b, 8); b += a; \
	a -= c; a ^= rol32(c, 16); c += b; b -= a; b ^= rol32(a, 19); a += c; c -= b; c ^= rol32(b, 4); b += a; }
#define FINAL(a, b, c) { c ^= b; c -= rol32(b, 14); a ^= c; a -= rol32(c, 11); b ^= a; b -= rol32(a, 25); c ^= b; c -= rol32(b, 16); \
	a ^= c; a -= rol32(c, 4); b ^= a; b -= rol32(a, 14); c ^= b; c -= rol32(b, 24); }

static __always_inline __u32 jhash2(const __u32 *k, __u32 length, __u32 init)
{
	__u32 a, b, c;
	a = b = c = 0xdeadbeef + (length << 2) + init;
	while (length > 3) {
		a += k[0]; b += k[1]; c += k[2];
		MIX(a, b, c);
		length -= 3;
		k += 3;
	}
	switch (length) {
	case 3: c += k[2];
	case 2: b += k[1];
	case 1: a += k[0];
		FINAL(a, b, c);
	}
	return c;
}

static __always_inline __u16 fold(__u64 csum)
{
	for (int i = 0; i < 4; i++)
		if (csum >> 16)
			csum = (csum & 0xffff) + (csum >> 16);
	return ~csum;
}

static __always_inline int encap4(struct xdp_md *xdp, const struct real *dst, __be32 src, __u16 payload)
{
	if (bpf_xdp_adjust_head(xdp, -(int)sizeof(struct iphdr)))
		return -1;
	void *data = START(xdp), *end = END(xdp);
	struct ethhdr *new = data, *old = data + sizeof(struct iphdr);
	struct iphdr *ip = data + sizeof(struct ethhdr);
	if ((void *)(new + 1) > end || (void *)(old + 1) > end || (void *)(ip + 1) > end)
		return -1;
	struct stats *mac = 0;
	__u32 zero = 0;
	__u8 *gw = bpf_map_lookup_elem(&ctl, &zero);
	if (!gw)
		return -1;
	__builtin_memcpy(new->h_source, old->h_dest, 6);
	__builtin_memcpy(new->h_dest, gw, 6);
	new->h_proto = bpf_htons(ETH_P_IP);
	__u64 csum = 0;
	ip->version = 4;
	ip->ihl = 5;
	ip->frag_off = 0;
	ip->protocol = IPPROTO_IPIP;
	ip->check = 0;
	ip->tos = 0;
	ip->id = 0;
	ip->tot_len = bpf_htons(payload + sizeof(*ip));
	ip->daddr = dst->v4;
	ip->saddr = src;
	ip->ttl = 64;
	csum = bpf_csum_diff(0, 0, (void *)ip, sizeof(*ip), csum);
	ip->check = fold(csum);
	return mac ? 1 : 0;
}

static __always_inline __u32 choose(struct conn *c, __u32 vip, bool known, void *table)
{
	struct conn_value *v;
	if (known && (v = bpf_map_lookup_elem(table, c)))
		return v->pos;
	__u32 h = jhash2(c->srcv6, 4, c->ports) ^ jhash2(&c->ports, 1, c->proto);
	__u32 key = vip * RING + h % RING;
	__u32 *real = bpf_map_lookup_elem(&rings, &key);
	if (!real)
		return ~0u;
	struct conn_value new = {.pos = *real, .atime = 1};
	bpf_map_update_elem(table, c, &new, BPF_ANY);
	return *real;
}

static __always_inline int process(struct xdp_md *xdp, void *data, void *end)
{
	struct iphdr *ip = data + sizeof(struct ethhdr);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	if (ip->ihl != 5)
		return XDP_DROP;
	if (ip->frag_off & bpf_htons(0x3fff))
		return XDP_DROP;
	struct conn c = {.src = ip->saddr, .dst = ip->daddr, .proto = ip->protocol};
	struct vip key = {.v4 = ip->daddr, .proto = ip->protocol};
	bool syn = false;
	if (ip->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = (void *)(ip + 1);
		if ((void *)(tcp + 1) > end)
			return XDP_DROP;
		c.port16[0] = tcp->source;
		c.port16[1] = tcp->dest;
		syn = tcp->syn;
	} else if (ip->protocol == IPPROTO_UDP) {
		struct udphdr *udp = (void *)(ip + 1);
		if ((void *)(udp + 1) > end)
			return XDP_DROP;
		c.port16[0] = udp->source;
		c.port16[1] = udp->dest;
	} else {
		return XDP_PASS;
	}
	key.port = c.port16[1];
	struct vip_meta *meta = bpf_map_lookup_elem(&vips, &key);
	if (!meta)
		return XDP_PASS;
	if (meta->flags & 1)
		c.port16[0] = 0;
	__u32 cpu = 0;
	void *table = bpf_map_lookup_elem(&per_cpu, &cpu);
	if (!table)
		table = &fallback;
	__u32 real = choose(&c, meta->num, !syn, table);
	struct real *dst = bpf_map_lookup_elem(&reals, &real);
	if (!dst)
		return XDP_DROP;
	__u32 at = meta->num;
	struct stats *s = bpf_map_lookup_elem(&stats, &at);
	__u16 len = bpf_ntohs(ip->tot_len);
	if (s) {
		s->v1++;
		s->v2 += len;
	}
	if (encap4(xdp, dst, bpf_htonl(0xac100000) | c.src >> 16, len) < 0)
		return XDP_ABORTED;
	return XDP_TX;
}

SEC("xdp") int balancer(struct xdp_md *xdp)
{
	void *data = START(xdp), *end = END(xdp);
	struct ethhdr *eth = data;
	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	return process(xdp, data, end);
}

LICENSE;
