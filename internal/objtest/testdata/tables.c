/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Variables and maps that are initialised with addresses: of strings, of each other, of maps, of programs. */
#include "common.h"

static const char *const names[] = {"zero", "one", "two", "three"};

struct item {
	int value;
	struct item *next;
};
static struct item last = {30};
static struct item middle = {20, &last};
struct item head = {10, &middle};
int *volatile inside = &middle.value;

struct inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
};
struct inner first SEC(".maps"), second SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 4);
	__type(key, __u32);
	__array(values, struct inner);
} outer SEC(".maps") = {.values = {&second, 0, &first}};

struct inner *const direct[] = {&first, &second};

int tail(struct __sk_buff *skb);
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 3);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} progs SEC(".maps") = {.values = {[2] = &tail}};

char text[16];
volatile __u32 which;

/* Copies a name, by a helper. */
SEC("kprobe/x")
int name(void *ctx)
{
	return bpf_probe_read_kernel_str(text, sizeof(text), names[which & 3]);
}

/* Follows addresses, which the kernel does not allow. */
SEC("kprobe/x")
int follow(void *ctx)
{
	int sum = 0;
	struct item *it = &head;
	for (int i = 0; i < 3 && it; i++, it = it->next)
		sum += it->value;
	return sum + *inside;
}

/* Looks up in a map that a table names. */
SEC("socket")
int by_table(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *v = bpf_map_lookup_elem(direct[which & 1], &zero);
	return v ? (*v)++ : -1;
}

/* Counts in a map in a map. */
SEC("socket")
int nested(struct __sk_buff *skb)
{
	__u32 zero = 0, key = which;
	void *m = bpf_map_lookup_elem(&outer, &key);
	__u64 *v = m ? bpf_map_lookup_elem(m, &zero) : 0;
	return v ? (*v += 5) : -1;
}

SEC("socket")
int tail(struct __sk_buff *skb)
{
	return 77;
}

SEC("socket")
int jump(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &progs, which);
	return 1;
}

LICENSE;
