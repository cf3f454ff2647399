/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Socket filters of the old and the new kind: loads from the packet, flow hashes, a sample of strings and numbers. */
#include "../common.h"

unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");
unsigned long long load_half(void *skb, unsigned long long off) asm("llvm.bpf.load.half");
unsigned long long load_word(void *skb, unsigned long long off) asm("llvm.bpf.load.word");

struct key { __u32 src, dst; union { __u32 ports; __u16 port16[2]; }; __u32 proto; };
struct count { __u64 bytes, packets; };
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 1024); __type(key, struct key); __type(value, struct count); } pairs SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 256); __type(key, __u32); __type(value, __u64); } protocols SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __uint(max_entries, 100); __type(value, __u32); } bloom SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __uint(max_entries, 5); __type(value, __u64); } last SEC(".maps");

SEC("socket") int by_protocol(struct __sk_buff *skb)
{
	__u32 index = load_byte(skb, ETH_HLEN + offsetof(struct iphdr, protocol));
	__u64 *v = bpf_map_lookup_elem(&protocols, &index);
	if (v)
		__sync_fetch_and_add(v, skb->len);
	return index;
}

SEC("socket") int flow(struct __sk_buff *skb)
{
	struct key k = {};
	__u64 off = ETH_HLEN;
	if (load_half(skb, 12) != ETH_P_IP)
		return 0;
	if (load_half(skb, off + 6) & 0x3fff)
		k.ports = 0;
	k.proto = load_byte(skb, off + 9);
	k.src = load_word(skb, off + 12);
	k.dst = load_word(skb, off + 16);
	off += (load_byte(skb, off) & 15) << 2;
	if (k.proto == IPPROTO_TCP || k.proto == IPPROTO_UDP)
		k.ports = load_word(skb, off);
	struct count *c = bpf_map_lookup_elem(&pairs, &k);
	if (c) {
		c->bytes += skb->len;
		c->packets++;
	} else {
		struct count one = {skb->len, 1};
		bpf_map_update_elem(&pairs, &k, &one, BPF_ANY);
	}
	return skb->len;
}

SEC("socket") int once(struct __sk_buff *skb)
{
	__u32 src = load_word(skb, 26);
	__u64 n = src;
	if (bpf_map_peek_elem(&bloom, &src) == 0)
		return 0;
	bpf_map_push_elem(&bloom, &src, 0);
	bpf_map_push_elem(&last, &n, BPF_EXIST);
	return -1;
}

SEC("socket") int digits(struct __sk_buff *skb)
{
	char text[16] = {};
	__u64 args[2] = {skb->len, load_byte(skb, 23)};
	long n, value = 0;
	n = bpf_snprintf(text, sizeof(text), "%d/%x", args, sizeof(args));
	if (n < 0 || n > 16)
		return -1;
	if (bpf_strtol(text, sizeof(text), 10, &value) < 0)
		return -2;
	return value * 16 + n + (bpf_strncmp(text, 3, "60/") == 0);
}

/* A longest match of names, as filters for DNS have it. */
SEC("socket") int name(struct __sk_buff *skb)
{
	char want[] = "\x07""example\x03""com", got[13];
	if (load_half(skb, 12) != ETH_P_IP || load_byte(skb, 23) != IPPROTO_UDP)
		return 0;
	if (bpf_skb_load_bytes(skb, 54, got, sizeof(got) - 1))
		return 0;
	for (int i = 0; i < sizeof(got) - 1; i++) {
		char c = got[i];
		if (c >= 'A' && c <= 'Z')
			c += 32;
		if (c != want[i])
			return i;
	}
	return skb->len;
}

LICENSE;
