/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A table of functions that the kernel calls (struct_ops). */
#include "common.h"
#include <bpf/bpf_tracing.h>

struct tcp_congestion_ops {
	void (*init)(void *sk);
	unsigned int (*ssthresh)(void *sk);
	char name[16];
	void *owner;
};

SEC("struct_ops/ssthresh")
unsigned int threshold(unsigned long long *ctx)
{
	return 10;
}

SEC("struct_ops/init")
void begin(unsigned long long *ctx)
{
}

SEC(".struct_ops")
struct tcp_congestion_ops plain = {
	.init = (void *)begin,
	.ssthresh = (void *)threshold,
	.name = "skep",
};

SEC(".struct_ops.link")
struct tcp_congestion_ops linked = {
	.ssthresh = (void *)threshold,
	.name = "skep_linked",
};

LICENSE;
