/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A firewall (XDP): drops packets from addresses of a block list and to closed ports, and counts what it
 * does with all others.
 *
 * User space fills the block lists, whose keys are networks, and may change the ports before loading.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* What becomes of a packet: the elements of counters. */
enum outcome {
	PASSED,
	BLOCKED,   /* its source is on a block list */
	CLOSED,    /* its port is closed */
	MALFORMED, /* it ends too early */
	OTHER,     /* neither IPv4 nor IPv6: passed */
	OUTCOMES,
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct network4 {
	__u32 bits;
	__u8 addr[4];
};

struct network6 {
	__u32 bits;
	__u8 addr[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 10000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network4);
	__type(value, struct counter);
} blocked4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 10000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct network6);
	__type(value, struct counter);
} blocked6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, OUTCOMES);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

/* Ports of TCP and UDP that nobody may connect to; zeros are ignored. */
const volatile __u16 closed_ports[8] = {23, 631};

static __always_inline int done(enum outcome outcome, __u64 bytes)
{
	__u32 key = outcome;
	struct counter *c = bpf_map_lookup_elem(&counters, &key);
	if (c) {
		c->packets++;
		c->bytes += bytes;
	}
	return outcome == PASSED || outcome == OTHER ? XDP_PASS : XDP_DROP;
}

static __always_inline int hit(struct counter *c, __u64 bytes)
{
	if (!c)
		return 0;
	__sync_fetch_and_add(&c->packets, 1);
	__sync_fetch_and_add(&c->bytes, bytes);
	return 1;
}

static __always_inline int is_closed(__u16 port)
{
	for (int i = 0; i < 8; i++)
		if (closed_ports[i] && closed_ports[i] == port)
			return 1;
	return 0;
}

SEC("xdp")
int firewall(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u64 bytes = end - data;
	struct ethhdr *eth = data;
	if ((void *)(eth + 1) > end)
		return done(MALFORMED, bytes);

	__u8 protocol;
	void *next;
	if (eth->h_proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end || ip->ihl < 5)
			return done(MALFORMED, bytes);
		struct network4 from = {.bits = 32};
		__builtin_memcpy(from.addr, &ip->saddr, 4);
		if (hit(bpf_map_lookup_elem(&blocked4, &from), bytes))
			return done(BLOCKED, bytes);
		if (ip->frag_off & bpf_htons(0x1fff))
			return done(PASSED, bytes); /* not the first fragment: there are no ports in it */
		protocol = ip->protocol;
		next = (void *)ip + ip->ihl * 4;
	} else if (eth->h_proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = (void *)(eth + 1);
		if ((void *)(ip + 1) > end)
			return done(MALFORMED, bytes);
		struct network6 from = {.bits = 128};
		__builtin_memcpy(from.addr, &ip->saddr, 16);
		if (hit(bpf_map_lookup_elem(&blocked6, &from), bytes))
			return done(BLOCKED, bytes);
		protocol = ip->nexthdr;
		next = ip + 1;
	} else {
		return done(OTHER, bytes);
	}

	if (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) {
		__be16 *ports = next; /* both begin with source and destination */
		if ((void *)(ports + 2) > end)
			return done(MALFORMED, bytes);
		if (is_closed(bpf_ntohs(ports[1])))
			return done(CLOSED, bytes);
	}
	return done(PASSED, bytes);
}

char _license[] SEC("license") = "GPL";
