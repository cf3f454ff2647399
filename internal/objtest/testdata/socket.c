/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Socket filters: classic packet loads, and helpers. */
#include "common.h"

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

SEC("socket")
int ports(struct __sk_buff *skb)
{
	if (load_half(skb, 12) != ETH_P_IP)
		return 0;
	__u32 ihl = (load_byte(skb, 14) & 15) * 4;
	__u32 proto = load_byte(skb, 23);
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return 0;
	return load_half(skb, 14 + ihl) == 53 || load_half(skb, 14 + ihl + 2) == 53 ? skb->len : 0;
}

SEC("socket")
int words(struct __sk_buff *skb)
{
	return load_word(skb, 26) ^ load_word(skb, 30);
}

SEC("socket")
int bytes(struct __sk_buff *skb)
{
	__u8 b[16];
	if (bpf_skb_load_bytes(skb, 10, b, sizeof b))
		return 1;
	__u32 sum = 0;
	for (int i = 0; i < 16; i++)
		sum = sum * 31 + b[i];
	return sum;
}

SEC("socket1")
int relative(struct __sk_buff *skb)
{
	__u32 w = 0;
	if (bpf_skb_load_bytes_relative(skb, 12, &w, 4, BPF_HDR_START_NET))
		return 7;
	return w;
}

SEC("cgroup_skb/egress")
int group(struct __sk_buff *skb)
{
	__u8 first = 0;
	bpf_skb_load_bytes(skb, 0, &first, 1);
	return (first >> 4) == 4 || (first >> 4) == 6;
}

LICENSE;
