/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Memory that programs share with user space: an arena with a list, a table of words, and variables. */
#include "common.h"

#ifdef __BPF_FEATURE_ADDR_SPACE_CAST
#define __arena __attribute__((address_space(1)))
#else
#define __arena
#endif

struct {
	__uint(type, 33); /* BPF_MAP_TYPE_ARENA */
	__uint(map_flags, 1 << 10); /* BPF_F_MMAPABLE */
	__uint(max_entries, 64); /* pages */
	enum { address = 1ull << 44 } map_extra; /* of the pages in user space */
} arena SEC(".maps");

void __arena *bpf_arena_alloc_pages(void *map, void __arena *addr, __u32 page_cnt, int node_id, __u64 flags) __ksym __weak;
void bpf_arena_free_pages(void *map, void __arena *ptr, __u32 page_cnt) __ksym __weak;

struct node {
	struct node __arena *next;
	__u64 value;
};

struct node __arena *head; /* of the list, in plain memory */
__u64 __arena counter;
__u64 __arena start = 100;
__u32 __arena *__arena table; /* a pointer in the arena */
volatile __u32 length = 10;
__u64 result;

/* Puts nodes in front of the list, each on memory of its own within a page. */
SEC("syscall")
int build(void *ctx)
{
	struct node __arena *page = bpf_arena_alloc_pages(&arena, 0, 1, -1, 0);
	__u32 n = length;
	if (!page)
		return -1;
	for (__u32 i = 0; i < n && i < 4096 / sizeof(struct node); i++) {
		struct node __arena *e = page + i;
		e->value = start + i;
		e->next = head;
		head = e;
	}
	counter += n;
	return n;
}

/* Adds the values up. */
SEC("syscall")
int sum(void *ctx)
{
	__u64 s = 0;
	struct node __arena *e = head;
	for (__u64 i = 0; i < 1000 && i < counter && e; i++) {
		s += e->value;
		e = e->next;
	}
	result = s;
	return s;
}

/* Keeps a table in the arena, whose pointer is there too. */
SEC("syscall")
int count(void *ctx)
{
	__u32 at = length;
	if (!table) {
		table = bpf_arena_alloc_pages(&arena, 0, 2, -1, 0);
		if (!table)
			return -1;
	}
	if (at >= 2048)
		return -2;
	return ++table[at];
}

/* Gives pages back, after which they hold zeros. */
SEC("syscall")
int release(void *ctx)
{
	if (!table)
		return -1;
	table[7] = 5;
	bpf_arena_free_pages(&arena, table, 2);
	return table[7];
}

/* Atomic operations. */
SEC("syscall")
int add(void *ctx)
{
	return __sync_fetch_and_add(&counter, 3);
}

/* More than there is. */
SEC("syscall")
int too_much(void *ctx)
{
	return !bpf_arena_alloc_pages(&arena, 0, 65, -1, 0) + 2 * !bpf_arena_alloc_pages(&arena, 0, 1, -1, 8) +
	       4 * !bpf_arena_alloc_pages(&arena, 0, 0, -1, 0);
}

LICENSE;
