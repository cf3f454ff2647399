/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A function in .text, as user-space machines have it, which calls functions by name. */
typedef unsigned long long u64;
extern u64 host_random(u64 limit);

static __attribute__((noinline)) u64 square(u64 x)
{
	return x * x + 1;
}

u64 entry(u64 *mem, u64 len)
{
	return len < 8 ? 0 : square(*mem) + host_random(3);
}
