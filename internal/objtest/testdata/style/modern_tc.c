/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What newer kernels have: loops by helper and by iterator, dynptrs, trees and lists of own objects, callbacks, global functions. */
#include "../common.h"



struct bpf_iter_num { __u64 opaque; } __attribute__((aligned(8)));

extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym __weak;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym __weak;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym __weak;
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags, struct bpf_dynptr *ptr) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym __weak;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, __u32 offset, void *buffer, __u32 size) __ksym __weak;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, __u32 start, __u32 end) __ksym __weak;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym __weak;

struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 16); __type(key, __u32); __type(value, __u64); } cells SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_HASH); __uint(max_entries, 64); __type(key, __u32); __type(value, __u32); } seen SEC(".maps");

struct sum { __u64 total; __u32 steps, stop; struct __sk_buff *skb; };

static int add(__u32 i, void *ctx)
{
	struct sum *s = ctx;
	__u8 b;
	if (bpf_skb_load_bytes(s->skb, i, &b, 1))
		return 1;
	s->total = s->total * 31 + b;
	s->steps++;
	return s->steps >= s->stop;
}

SEC("tc") int by_helper(struct __sk_buff *skb)
{
	struct sum s = {.stop = 40, .skb = skb};
	long n = bpf_loop(1 << 20, add, &s, 0);
	skb->mark = s.total;
	return n;
}

SEC("tc") int by_iterator(struct __sk_buff *skb)
{
	struct bpf_iter_num it;
	__u32 h = 5381;
	int *i;
	bpf_iter_num_new(&it, 2, 50);
	while ((i = bpf_iter_num_next(&it))) {
		__u8 b = 0;
		if (bpf_skb_load_bytes(skb, *i, &b, 1) < 0)
			break;
		h = h * 33 ^ b;
	}
	bpf_iter_num_destroy(&it);
	skb->mark = h;
	return h & 3;
}

static long visit(struct bpf_map *m, __u32 *key, __u64 *value, struct sum *s)
{
	s->total += *value * (*key + 1);
	*value += 1;
	s->steps++;
	return *key == 11;
}

SEC("tc") int each(struct __sk_buff *skb)
{
	struct sum s = {};
	__u32 key = skb->len % 16;
	__u64 *v = bpf_map_lookup_elem(&cells, &key);
	if (v)
		*v += skb->len;
	long n = bpf_for_each_map_elem(&cells, visit, &s, 0);
	skb->mark = s.total;
	return n;
}

/* judged by its types alone */
__attribute__((noinline)) int weigh(struct __sk_buff *skb, __u32 off, __u32 factor)
{
	__u16 w = 0;
	if (!skb || bpf_skb_load_bytes(skb, off, &w, 2) < 0)
		return -1;
	return bpf_ntohs(w) * factor;
}

__attribute__((noinline)) int pair(const __u32 *p)
{
	return p ? *p * 2 : -5;
}

SEC("tc") int by_functions(struct __sk_buff *skb)
{
	__u32 x = skb->len;
	int r = weigh(skb, 12, 3) + weigh(skb, 16, 5) * 7 + pair(&x);
	return r + weigh(skb, 1 << 16, 1);
}

SEC("tc") int slices(struct __sk_buff *skb)
{
	struct bpf_dynptr p;
	__u8 buffer[20] = {};
	if (bpf_dynptr_from_skb(skb, 0, &p))
		return -1;
	struct iphdr *ip = bpf_dynptr_slice(&p, ETH_HLEN, buffer, sizeof(*ip));
	if (!ip)
		return bpf_dynptr_size(&p);
	int ttl = ip->ttl;
	if (bpf_dynptr_adjust(&p, ETH_HLEN, ETH_HLEN + 20))
		return -2;
	__u8 *first = bpf_dynptr_slice(&p, 8, 0, 4);
	__u32 word = 0x01020304;
	if (bpf_dynptr_write(&p, 12, &word, 4, 0) < 0)
		return -3;
	if (bpf_dynptr_read(&word, 4, &p, 10, 0) < 0)
		return -4;
	return ttl * 256 + (word & 0xff) + (first ? 1000 : 2000) + bpf_dynptr_size(&p);
}

struct point { __u64 x; __u32 y; } __attribute__((packed));
struct point saved;

SEC("tc") int atomics(struct __sk_buff *skb)
{
	static __u64 a = 7;
	static __u32 b = 9;
	__u64 r = __sync_fetch_and_add(&a, skb->len);
	r ^= __sync_fetch_and_or(&b, skb->len & 0xf0);
	r += __sync_val_compare_and_swap(&a, r, 5);
	r ^= (__u64)__sync_lock_test_and_set(&b, 3) << 20;
	__sync_fetch_and_and(&a, ~1ull);
	r += __sync_fetch_and_xor(&b, 0x55);
	saved.x = r;
	saved.y = b;
	skb->mark = r ^ a;
	return r >> 3 & 7;
}

SEC("tc") int signed_math(struct __sk_buff *skb)
{
	int n = skb->len, parts = 0;
	__s8 c = n;
	__s16 s = n * 300;
	__s64 wide = (__s64)c << 40 | (__u16)s;
	if (c < 0)
		parts |= 1;
	if (s < -5)
		parts |= 2;
	wide >>= n & 31;
	parts ^= (int)(wide >> 7);
	parts += (__u32)wide / ((__u32)n | 1) + (__u32)wide % ((__u32)c | 3);
	skb->mark = __builtin_bswap32(parts) ^ __builtin_bswap16(s);
	return parts & 0xff;
}

SEC("tc") int known(struct __sk_buff *skb)
{
	__u32 key = skb->hash ?: skb->len, one = 1;
	__u32 *n = bpf_map_lookup_elem(&seen, &key);
	if (n)
		return ++*n;
	if (bpf_map_update_elem(&seen, &key, &one, BPF_NOEXIST) == -17)
		return -17;
	key = key * 7 % 64;
	bpf_map_delete_elem(&seen, &key);
	return 0;
}

LICENSE;
