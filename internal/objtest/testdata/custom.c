/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Variables in a section of any name. */
#include "common.h"

__u64 plain SEC("counters") = 9;
__u32 other SEC("counters") = 5;

SEC("xdp")
int custom(struct xdp_md *ctx)
{
	plain += END(ctx) - START(ctx);
	return plain > other ? XDP_PASS : XDP_DROP;
}

LICENSE;
