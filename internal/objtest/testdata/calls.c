/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Functions: static and global ones, in .text and elsewhere, callbacks, tail calls. */
#include "common.h"

struct bpf_map;

static __noinline __u32 mix(__u32 a, __u32 b)
{
	a ^= b << 13;
	a ^= a >> 7;
	return a * 2654435761u;
}

__noinline int sum_bytes(struct xdp_md *ctx, __u32 from)
{
	__u8 *data = START(ctx), *end = END(ctx);
	__u32 sum = from;
	for (int i = 0; i < 32; i++) {
		if (data + i + 1 > end)
			break;
		sum = mix(sum, data[i]);
	}
	return sum & 0x7fffffff;
}

__attribute__((weak)) __noinline int twice(int x)
{
	return x + x;
}

SEC("xdp")
int nested(struct xdp_md *ctx)
{
	int a = sum_bytes(ctx, 1), b = sum_bytes(ctx, 2);
	return (__u32)(twice(a) ^ b) % 5;
}

struct steps {
	__u64 n, sum;
};

static int step(__u64 i, struct steps *s)
{
	s->n++;
	s->sum += i * i;
	return i >= 20;
}

SEC("xdp")
int callback(struct xdp_md *ctx)
{
	struct steps s = {};
	long n = bpf_loop(END(ctx) - START(ctx), step, &s, 0);
	return (s.sum + s.n + n) & 3;
}

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32);
	__type(key, __u32);
	__type(value, __u64);
} numbers SEC(".maps");

static long add_up(struct bpf_map *map, const __u32 *key, __u64 *value, __u64 *sum)
{
	*sum += *key ^ *value;
	*value += 1;
	return 0;
}

SEC("xdp")
int each(struct xdp_md *ctx)
{
	__u32 key = END(ctx) - START(ctx);
	__u64 value = key * 3, sum = 0;
	bpf_map_update_elem(&numbers, &key, &value, BPF_ANY);
	long n = bpf_for_each_map_elem(&numbers, add_up, &sum, 0);
	return n < 0 ? XDP_ABORTED : (n + sum) & 3;
}

int tail_one(struct xdp_md *ctx);
int tail_two(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__array(values, int(void *));
} jumps SEC(".maps") = {
	.values = {
		[1] = (void *)&tail_one,
		[5] = (void *)&tail_two,
	},
};

__u32 tails;

SEC("xdp")
int tail_one(struct xdp_md *ctx)
{
	tails++;
	bpf_tail_call(ctx, &jumps, 5);
	return XDP_ABORTED;
}

SEC("xdp")
int tail_two(struct xdp_md *ctx)
{
	tails += 100;
	return XDP_TX;
}

SEC("xdp")
int tail(struct xdp_md *ctx)
{
	struct iphdr *ip = ipv4(START(ctx), END(ctx));
	bpf_tail_call(ctx, &jumps, ip ? ip->protocol == IPPROTO_TCP : 2);
	return XDP_PASS; /* there is no element 0 and no element 2 */
}

/* calls itself until the limit of 33 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} around SEC(".maps");

int again(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, 4);
	__array(values, int(void *));
} itself SEC(".maps") = {
	.values = {(void *)&again},
};

__u32 rounds;

SEC("xdp")
int again(struct xdp_md *ctx)
{
	rounds++;
	bpf_tail_call(ctx, &itself, 0);
	bpf_tail_call(ctx, &around, 0);
	return rounds == 34 ? XDP_PASS : XDP_DROP;
}

LICENSE;
