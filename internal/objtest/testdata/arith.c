/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Arithmetic, byte order, atomics and loops on what packets hold. */
#include "common.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} results SEC(".maps");

static __always_inline void put(__u32 at, __u64 v)
{
	bpf_map_update_elem(&results, &at, &v, BPF_ANY);
}

/* eight bytes of the packet twice */
static __always_inline int pair(struct xdp_md *ctx, __u64 *a, __u64 *b)
{
	__u8 *data = START(ctx);
	if (data + 40 > (__u8 *)END(ctx))
		return 0;
	*a = *(__u64 *)(data + 4);
	*b = *(__u64 *)(data + 26);
	return 1;
}

SEC("xdp")
int arithmetic(struct xdp_md *ctx)
{
	__u64 a, b;
	if (!pair(ctx, &a, &b))
		return XDP_PASS;
	put(0, a + b);
	put(1, a * b);
	put(2, b ? a / b : 1);
	put(3, (b >> 40) ? a % (b >> 40) : 2);
	put(4, a << (b & 63));
	put(5, (__s64)a >> (b & 31));
	put(6, (__u32)a >> (b & 31));
	put(7, (__s32)a >> (b & 15));
	put(8, (__u32)a * (__u32)b);
	put(9, (__u32)b ? (__u32)a / (__u32)b : 3);
	put(10, (__s8)a + (__s16)b);
	put(11, -(__s64)a ^ ~b);
	put(12, (__s64)a < (__s64)b ? a & b : a | b);
	return (__s32)a > (__s32)b ? XDP_TX : XDP_DROP;
}

SEC("xdp")
int swaps(struct xdp_md *ctx)
{
	__u64 a, b;
	if (!pair(ctx, &a, &b))
		return XDP_PASS;
	put(0, __builtin_bswap64(a));
	put(1, __builtin_bswap32(b));
	put(2, __builtin_bswap16(a >> 3));
	put(3, bpf_cpu_to_be64(b) + bpf_ntohl(a));
	return bpf_ntohs(a) & 3;
}

__u64 wide = 10;
__u32 narrow = 20;

SEC("xdp")
int atomics(struct xdp_md *ctx)
{
	__u64 a, b;
	if (!pair(ctx, &a, &b))
		return XDP_PASS;
	__sync_fetch_and_add(&wide, a);
	__sync_fetch_and_add(&narrow, (__u32)b);
#if __BPF_CPU_VERSION__ >= 3
	put(0, __sync_fetch_and_or(&wide, b & 0xff00ff));
	put(1, __sync_fetch_and_and(&narrow, ~(__u32)a));
	put(2, __sync_fetch_and_xor(&wide, a));
	put(3, __sync_lock_test_and_set(&narrow, (__u32)a));
	put(4, __sync_val_compare_and_swap(&wide, wide, b));
	put(5, __sync_val_compare_and_swap(&narrow, 1, 2));
	put(6, __sync_fetch_and_add(&wide, 1));
#endif
	put(7, wide + narrow);
	return XDP_PASS;
}

SEC("xdp")
int loops(struct xdp_md *ctx)
{
	__u8 *data = START(ctx), *end = END(ctx);
	__u32 hash = 2166136261u, rounds = 0;
	for (int i = 0; i < 200; i++) {
		if (data + i + 1 > end)
			break;
		hash = (hash ^ data[i]) * 16777619u;
		rounds++;
	}
	put(0, hash);
	put(1, rounds);
	return hash & 3;
}

SEC("xdp")
int branches(struct xdp_md *ctx)
{
	__u64 a, b;
	if (!pair(ctx, &a, &b))
		return XDP_PASS;
	__u32 r = 0;
	switch (a & 15) {
	case 0: r = 3; break;
	case 1: r = b & 7; break;
	case 2: r = 9; break;
	case 5: r = a >> 60; break;
	case 8: r = 1; break;
	case 12: r = 12 + (b & 1); break;
	}
	r += (__u32)a > (__u32)b;
	r += (__s32)(a >> 16) <= (__s32)b;
	r += (a & b & 0x8000000000ULL) != 0;
	r += (__s64)a >= -1000;
	put(0, r);
	return r & 3;
}

LICENSE;
