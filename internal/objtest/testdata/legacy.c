/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Map definitions as they were before types: structures of numbers, of several sizes, and tail calls by the
   names of sections as iproute2 has them. */
#include "common.h"

struct bpf_map_def {
	unsigned int type, key_size, value_size, max_entries, map_flags;
};

struct bpf_elf_map {
	__u32 type, size_key, size_value, max_elem, flags, id, pinning, inner_id, inner_idx;
};

struct bpf_map_def SEC("maps") counts = {BPF_MAP_TYPE_HASH, 4, 8, 64, 1};
struct bpf_map_def SEC("maps/other") lone = {.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 2};

struct bpf_elf_map SEC("maps") jumps = {.type = BPF_MAP_TYPE_PROG_ARRAY, .size_key = 4, .size_value = 4, .max_elem = 4, .id = 7};
struct bpf_elf_map SEC("maps") inner = {.type = BPF_MAP_TYPE_ARRAY, .size_key = 4, .size_value = 8, .max_elem = 3, .id = 9};
struct bpf_elf_map SEC("maps") outer = {.type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .size_key = 4, .size_value = 4, .max_elem = 2, .id = 10, .inner_id = 9};

SEC("classifier/main")
int first(struct __sk_buff *skb)
{
	__u32 key = skb->len;
	__u64 one = 1, *n = bpf_map_lookup_elem(&counts, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_ANY);
	key = 1;
	__u32 *m = bpf_map_lookup_elem(&lone, &key);
	if (m)
		*m += 1;
	bpf_tail_call(skb, &jumps, 2);
	return TC_ACT_OK;
}

SEC("7/2")
int second(struct __sk_buff *skb)
{
	__u32 key = 0;
	return bpf_map_lookup_elem(&outer, &key) ? TC_ACT_SHOT : TC_ACT_PIPE;
}

LICENSE;
