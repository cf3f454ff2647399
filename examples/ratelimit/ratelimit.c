/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A rate limiter (tc): each source address may send so many bytes a second, with bursts, by a bucket of tokens.
 * What exceeds that is dropped.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

const volatile __u64 rate = 100000; /* bytes a second */
const volatile __u64 burst = 3000;  /* bytes */

struct bucket {
	struct bpf_spin_lock lock;
	__u32 pad;
	__u64 tokens; /* bytes */
	__u64 filled; /* when, in nanoseconds */
	__u64 passed, dropped; /* packets */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u8[4]);
	__type(value, struct bucket);
} buckets SEC(".maps");

SEC("tc")
int ratelimit(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + ETH_HLEN;
	if (skb->protocol != bpf_htons(ETH_P_IP) || (void *)(ip + 1) > end)
		return TC_ACT_OK;
	__u8 from[4];
	__builtin_memcpy(from, &ip->saddr, 4);
	__u64 now = bpf_ktime_get_ns();
	struct bucket *b = bpf_map_lookup_elem(&buckets, from);
	if (!b) {
		struct bucket full = {.tokens = burst, .filled = now};
		bpf_map_update_elem(&buckets, from, &full, BPF_NOEXIST);
		b = bpf_map_lookup_elem(&buckets, from);
		if (!b)
			return TC_ACT_OK;
	}

	int verdict = TC_ACT_SHOT;
	__u64 len = skb->len;
	bpf_spin_lock(&b->lock);
	__u64 ns = now - b->filled;
	if (ns > 10000000000ULL)
		ns = 10000000000ULL; /* so that the product does not overflow */
	__u64 more = ns * (rate / 1000) / 1000000;
	if (more) {
		b->tokens += more;
		if (b->tokens > burst)
			b->tokens = burst;
		b->filled = now;
	}
	if (b->tokens >= len) {
		b->tokens -= len;
		b->passed++;
		verdict = TC_ACT_OK;
	} else {
		b->dropped++;
	}
	bpf_spin_unlock(&b->lock);
	return verdict;
}

char _license[] SEC("license") = "GPL";
