/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Global variables in sections of every kind. */
#include "common.h"

struct rule {
	__u16 port;
	__u8 action;
	__u8 hits;
};

const volatile __u32 limit = 100;
const volatile struct rule rules[4] = {{80, XDP_TX}, {443, XDP_PASS}, {53, XDP_DROP}};
__u64 seen;
__u32 counts[8];
struct rule last = {1, 2, 3};
static __u64 hidden = 5;
static const char text[] = "the quick brown fox jumps over the lazy dog";
__u32 special SEC(".data.special") = 77;
const volatile char note[] SEC(".rodata.note") = "noted";

SEC("xdp")
int variables(struct xdp_md *ctx)
{
	__u32 len = END(ctx) - START(ctx);
	seen++;
	counts[len & 7] += len;
	hidden ^= seen;
	special += note[len & 3];
	if (len > limit)
		last.hits++;
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	if (!ip || ip->ihl != 5 || (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP))
		return XDP_PASS;
	struct udphdr *udp = (void *)(ip + 1);
	if ((void *)(udp + 1) > END(ctx))
		return XDP_ABORTED;
	for (int i = 0; i < 4; i++)
		if (rules[i].port == bpf_ntohs(udp->dest)) {
			last.port = rules[i].port;
			last.action = rules[i].action;
			return rules[i].action;
		}
	return text[len & 31] & 3;
}

LICENSE;
