/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Accesses to fields of a structure of the kernel's that has other sizes there. */
#include "common.h"
#include <bpf/bpf_core_read.h>

struct part {
	unsigned short x;
};

struct widths {
	unsigned char u8;
	unsigned short u16;
	unsigned u32;
	unsigned long long u64;
	signed char s8;
	short s16;
	int s32;
	long long s64;
	bool flag;
	void *pointer;
	void *other;
	unsigned long number;
	unsigned list[4];
	struct {
		unsigned nameless;
	};
	struct part part;
	enum { AA, BB } choice;
	unsigned long no_number;
	unsigned same;
	unsigned store;
} __attribute__((preserve_access_index));

__u64 out;

#define LOAD(field, access)                                        \
	SEC("raw_tp/sys_enter") int load_##field(__u64 *ctx)       \
	{                                                          \
		struct widths *w = (void *)ctx[0];                 \
		out = (__u64)w->access;                            \
		return 0;                                          \
	}

#define STORE(field, value)                                        \
	SEC("raw_tp/sys_enter") int store_##field(__u64 *ctx)      \
	{                                                          \
		struct widths *w = (void *)ctx[0];                 \
		w->field = value;                                  \
		return 0;                                          \
	}

LOAD(u8, u8)
LOAD(u16, u16)
LOAD(u32, u32)
LOAD(u64, u64)
LOAD(s8, s8)
LOAD(s16, s16)
LOAD(s32, s32)
LOAD(s64, s64)
LOAD(flag, flag)
LOAD(pointer, pointer)
LOAD(other, other)
LOAD(number, number)
LOAD(first, list[0])
LOAD(second, list[1])
LOAD(nameless, nameless)
LOAD(part, part.x)
LOAD(choice, choice)
LOAD(no_number, no_number)
LOAD(same, same)
STORE(u8, out)
STORE(u32, out)
STORE(s32, out)
STORE(store, 5)

LICENSE;
