/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A filter for sockets: hands on the beginnings of TCP connections (SYN without ACK), up to the end of their
 * headers, and counts all packets by their IP protocol.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u64);
} protocols SEC(".maps");

/* Loads of the packet in the order of the network; where there is none, the program ends and returns 0. */
unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");

SEC("socket")
int sockfilter(struct __sk_buff *skb)
{
	__u32 protocol, tcp;
	switch (load_half(skb, offsetof(struct ethhdr, h_proto))) {
	case ETH_P_IP:
		protocol = load_byte(skb, ETH_HLEN + 9);
		tcp = ETH_HLEN + (load_byte(skb, ETH_HLEN) & 15) * 4;
		if (load_half(skb, ETH_HLEN + 6) & 0x1fff)
			tcp = 0; /* not the first fragment */
		break;
	case ETH_P_IPV6:
		protocol = load_byte(skb, ETH_HLEN + 6);
		tcp = ETH_HLEN + 40;
		break;
	default:
		return 0;
	}
	__u64 *n = bpf_map_lookup_elem(&protocols, &protocol);
	if (n)
		__sync_fetch_and_add(n, 1);
	if (protocol != IPPROTO_TCP || !tcp)
		return 0;
	if ((load_byte(skb, tcp + 13) & 0x12) != 0x02)
		return 0;
	return tcp + (load_byte(skb, tcp + 12) >> 4) * 4;
}

char _license[] SEC("license") = "GPL";
