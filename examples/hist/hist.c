/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A histogram (tracepoint): how large the writes of all processes are, by powers of two. Those of at least
 * large bytes are events in a ring buffer besides.
 */
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

/* What the tracepoint hands over: see events/syscalls/sys_enter_write/format in tracefs. */
struct sys_enter_write {
	__u64 common;
	__s64 nr;
	__u64 fd;
	const char *buf;
	__u64 count;
};

struct event {
	__u64 time; /* ns since the start of the machine */
	__u32 pid;
	__u32 fd;
	__u64 bytes;
	char comm[16];
};

const volatile __u64 large = 65536;

/* Element n counts writes of 2^n to 2^(n+1)-1 bytes. Element 0 counts those of nothing too. */
__u64 sizes[32];
__u64 lost; /* events that there was no room for */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

static __always_inline __u32 log2(__u64 n)
{
	__u32 r = 0;
	for (int shift = 32; shift > 0; shift /= 2)
		if (n >> shift) {
			n >>= shift;
			r += shift;
		}
	return r;
}

SEC("tp/syscalls/sys_enter_write")
int hist(struct sys_enter_write *ctx)
{
	__u64 bytes = ctx->count;
	__u32 slot = log2(bytes);
	if (slot > 31)
		slot = 31;
	__sync_fetch_and_add(&sizes[slot & 31], 1);
	if (bytes < large)
		return 0;
	struct event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);
	if (!e) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	e->time = bpf_ktime_get_ns();
	e->pid = bpf_get_current_pid_tgid() >> 32;
	e->fd = ctx->fd;
	e->bytes = bytes;
	bpf_get_current_comm(e->comm, sizeof e->comm);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char _license[] SEC("license") = "GPL";
