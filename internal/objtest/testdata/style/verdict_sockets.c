/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Verdicts on what sockets send and receive: by their first byte they pass, go nowhere, or go to another socket. */
#include "../common.h"

struct { __uint(type, BPF_MAP_TYPE_SOCKMAP); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } sockets SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 4); __type(key, __u32); __type(value, __u64); } seen SEC(".maps");

static __always_inline void note(__u32 at, __u64 n)
{
	__u64 *v = bpf_map_lookup_elem(&seen, &at);
	if (v)
		*v = *v * 1000 + n;
}

SEC("sk_msg") int message(struct sk_msg_md *msg)
{
	char *data = msg->data, *end = msg->data_end;
	note(0, msg->size);
	if (data + 2 > end)
		return SK_DROP;
	note(1, end - data);
	switch (data[0]) {
	case 'D':
		return SK_DROP;
	case 'R':
		return bpf_msg_redirect_map(msg, &sockets, 1, BPF_F_INGRESS);
	case 'X':
		return bpf_msg_redirect_map(msg, &sockets, 3, BPF_F_INGRESS);
	case 'P':
		if (bpf_msg_push_data(msg, 1, 2, 0) == 0) {
			data = msg->data;
			end = msg->data_end;
			note(2, msg->size);
		}
		return SK_PASS;
	}
	return SK_PASS;
}

SEC("sk_skb/stream_verdict") int stream(struct __sk_buff *skb)
{
	__u8 first;
	note(0, skb->len);
	if (bpf_skb_load_bytes(skb, 0, &first, 1))
		return SK_DROP;
	switch (first) {
	case 'D':
		return SK_DROP;
	case 'R':
		return bpf_sk_redirect_map(skb, &sockets, 1, 0);
	case 'X':
		return bpf_sk_redirect_map(skb, &sockets, 3, 0);
	}
	return SK_PASS;
}

LICENSE;
