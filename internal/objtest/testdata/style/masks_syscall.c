/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sets of processors. For clang 19: older ones take the upper bits of a bool for zero, which the kernel leaves as they are. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct cpumask { unsigned long bits[128]; } __attribute__((preserve_access_index));
struct bpf_cpumask { struct cpumask cpumask; int usage; } __attribute__((preserve_access_index));

extern struct bpf_cpumask *bpf_cpumask_create(void) __ksym __weak;
extern void bpf_cpumask_release(struct bpf_cpumask *m) __ksym __weak;
extern void bpf_cpumask_set_cpu(__u32 cpu, struct bpf_cpumask *m) __ksym __weak;
extern void bpf_cpumask_clear_cpu(__u32 cpu, struct bpf_cpumask *m) __ksym __weak;
extern bool bpf_cpumask_test_cpu(__u32 cpu, const struct cpumask *m) __ksym __weak;
extern bool bpf_cpumask_test_and_set_cpu(__u32 cpu, struct bpf_cpumask *m) __ksym __weak;
extern bool bpf_cpumask_test_and_clear_cpu(__u32 cpu, struct bpf_cpumask *m) __ksym __weak;
extern void bpf_cpumask_setall(struct bpf_cpumask *m) __ksym __weak;
extern void bpf_cpumask_clear(struct bpf_cpumask *m) __ksym __weak;
extern bool bpf_cpumask_and(struct bpf_cpumask *to, const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern void bpf_cpumask_or(struct bpf_cpumask *to, const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern void bpf_cpumask_xor(struct bpf_cpumask *to, const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern bool bpf_cpumask_equal(const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern bool bpf_cpumask_intersects(const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern bool bpf_cpumask_subset(const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern bool bpf_cpumask_empty(const struct cpumask *m) __ksym __weak;
extern bool bpf_cpumask_full(const struct cpumask *m) __ksym __weak;
extern __u32 bpf_cpumask_first(const struct cpumask *m) __ksym __weak;
extern __u32 bpf_cpumask_first_zero(const struct cpumask *m) __ksym __weak;
extern __u32 bpf_cpumask_first_and(const struct cpumask *a, const struct cpumask *b) __ksym __weak;
extern __u32 bpf_cpumask_weight(const struct cpumask *m) __ksym __weak;
extern void bpf_cpumask_copy(struct bpf_cpumask *to, const struct cpumask *from) __ksym __weak;
extern int bpf_cpumask_populate(struct cpumask *to, void *from, unsigned long size) __ksym __weak;

SEC("syscall") int masks(void *ctx)
{
	struct bpf_cpumask *a = bpf_cpumask_create(), *b;
	__u64 word[4] = {2}, r = 0;
	if (!a)
		return -1;
	b = bpf_cpumask_create();
	if (!b) {
		bpf_cpumask_release(a);
		return -2;
	}
	const struct cpumask *x = (void *)a, *y = (void *)b;
#define NOTE(v) (r = r * 3 + (v))
	NOTE(bpf_cpumask_empty(x));
	NOTE(bpf_cpumask_first(x));
	bpf_cpumask_set_cpu(1, a);
	bpf_cpumask_set_cpu(1 << 20, a);
	NOTE(bpf_cpumask_test_cpu(1, x));
	NOTE(bpf_cpumask_test_cpu(0, x));
	NOTE(bpf_cpumask_test_cpu(1 << 20, x));
	NOTE(bpf_cpumask_weight(x));
	NOTE(bpf_cpumask_first(x));
	NOTE(bpf_cpumask_first_zero(x));
	bpf_cpumask_setall(b);
	NOTE(bpf_cpumask_full(y));
	NOTE(bpf_cpumask_weight(y));
	NOTE(bpf_cpumask_subset(x, y));
	NOTE(bpf_cpumask_subset(y, x));
	NOTE(bpf_cpumask_intersects(x, y));
	NOTE(bpf_cpumask_first_and(x, y));
	NOTE(bpf_cpumask_and(a, x, y));
	NOTE(bpf_cpumask_equal(x, y));
	bpf_cpumask_xor(b, x, y);
	NOTE(bpf_cpumask_test_cpu(1, y));
	NOTE(bpf_cpumask_weight(y));
	bpf_cpumask_or(b, x, y);
	NOTE(bpf_cpumask_full(y));
	NOTE(bpf_cpumask_test_and_set_cpu(0, a));
	NOTE(bpf_cpumask_test_and_set_cpu(0, a));
	NOTE(bpf_cpumask_test_and_clear_cpu(1, a));
	bpf_cpumask_clear_cpu(0, a);
	NOTE(bpf_cpumask_empty(x));
	bpf_cpumask_copy(a, y);
	NOTE(bpf_cpumask_equal(x, y));
	bpf_cpumask_clear(a);
	NOTE(bpf_cpumask_empty(x));
	NOTE(bpf_cpumask_populate((void *)a, word, 4) == -13);
	bpf_cpumask_release(a);
	bpf_cpumask_release(b);
	return r;
}

char _license[] SEC("license") = "GPL";
