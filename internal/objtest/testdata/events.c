/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Events by ring buffers and perf buffers, and redirection. */
#include "common.h"

struct event {
	__u32 len;
	__u16 proto;
	__u16 kind;
	__u8 head[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} perf SEC(".maps");

SEC("xdp")
int reserve(struct xdp_md *ctx)
{
	struct ethhdr *eth = START(ctx);
	if ((void *)eth + 16 > END(ctx))
		return XDP_PASS;
	struct event *e = bpf_ringbuf_reserve(&ring, sizeof *e, 0);
	if (!e)
		return XDP_ABORTED;
	e->len = END(ctx) - START(ctx);
	e->proto = eth->h_proto;
	e->kind = 1;
	__builtin_memcpy(e->head, eth, 16);
	if (e->len & 1) {
		bpf_ringbuf_discard(e, 0);
		return XDP_DROP;
	}
	bpf_ringbuf_submit(e, 0);
	return XDP_TX;
}

SEC("xdp")
int output(struct xdp_md *ctx)
{
	struct event e = {.len = END(ctx) - START(ctx), .kind = 2};
	long err = bpf_ringbuf_output(&ring, &e, sizeof e, 0);
	return err ? XDP_ABORTED : bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE) == 1 << 16 ? XDP_PASS : XDP_DROP;
}

SEC("xdp")
int sample(struct xdp_md *ctx)
{
	struct event e = {.len = END(ctx) - START(ctx), .kind = 3};
	__u64 take = e.len < 64 ? e.len : 64;
	bpf_perf_event_output(ctx, &perf, BPF_F_CURRENT_CPU | take << 32, &e, sizeof e);
	return XDP_PASS;
}

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__uint(value_size, 4);
} ports SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect_map(&ports, (END(ctx) - START(ctx)) & 7, XDP_PASS);
}

LICENSE;
