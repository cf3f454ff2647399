/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A scheduler as a table of functions: it reads and changes what it is given. */
#include "common.h"
#include <bpf/bpf_tracing.h>

struct job {
	unsigned long long slice;
	unsigned long long weight;
	int cpu;
	int id;
} __attribute__((preserve_access_index));

struct scheduler_ops {
	int (*select)(struct job *j, int last);
	void (*enqueue)(struct job *j, unsigned long long flags);
	int (*init)(void);
	void (*exit)(int code);
	unsigned long long flags;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 64);
	__type(value, int);
} waiting SEC(".maps");

volatile const unsigned cpus = 4;
int left = 0;

SEC("struct_ops/select")
int BPF_PROG(fair_select, struct job *j, int last)
{
	return (unsigned)(last + 1) % cpus;
}

SEC("struct_ops/enqueue")
int BPF_PROG(fair_enqueue, struct job *j, unsigned long long flags)
{
	int id = j->id;
	j->slice = 1000 * j->weight + flags;
	bpf_map_push_elem(&waiting, &id, 0);
	return 0;
}

SEC("struct_ops.s/init")
int BPF_PROG(fair_init)
{
	return -22;
}

SEC("struct_ops/exit")
int BPF_PROG(fair_exit, int code)
{
	left = code;
	return 0;
}

SEC(".struct_ops.link")
struct scheduler_ops fair = {
	.select = (void *)fair_select,
	.enqueue = (void *)fair_enqueue,
	.init = (void *)fair_init,
	.exit = (void *)fair_exit,
	.flags = 6,
	.name = "fair",
};

LICENSE;
