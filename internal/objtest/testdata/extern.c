/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the kernel resolves: its configuration, symbols, functions and types. */
#include "common.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

extern int LINUX_KERNEL_VERSION __kconfig;
extern bool CONFIG_BPF __kconfig __weak;
extern unsigned long CONFIG_HZ __kconfig __weak;
extern char CONFIG_NOT_THERE[8] __kconfig __weak;
extern enum libbpf_tristate CONFIG_BPF_SYSCALL __kconfig __weak;

extern const void init_task __ksym;
extern const void no_such_symbol __ksym __weak;
extern const int bpf_prog_active __ksym __weak;

extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern void bpf_no_such_function(int) __ksym __weak;

struct task_struct {
	int pid;
	int tgid;
	struct task_struct *group_leader;
	char comm[16];
	int no_such_field;
} __attribute__((preserve_access_index));

struct task_struct___old {
	long state;
} __attribute__((preserve_access_index));

enum bpf_map_type___mine {
	BPF_MAP_TYPE_HASH___mine,
};

__u64 out[8];

SEC("fentry/do_exit")
int BPF_PROG(config, long code)
{
	out[0] = LINUX_KERNEL_VERSION;
	out[1] = CONFIG_BPF;
	out[2] = CONFIG_HZ;
	out[3] = CONFIG_NOT_THERE[0];
	out[4] = CONFIG_BPF_SYSCALL;
	return 0;
}

SEC("raw_tp/sched_switch")
int symbols(void *ctx)
{
	out[0] = (long)&init_task;
	out[1] = (long)&no_such_symbol;
	if (&bpf_prog_active)
		out[2] = 1;
	return 0;
}

SEC("tp_btf/task_newtask")
int BPF_PROG(functions, struct task_struct *task, unsigned long flags)
{
	bpf_rcu_read_lock();
	out[0]++;
	bpf_rcu_read_unlock();
	if (bpf_no_such_function)
		bpf_no_such_function(1);
	return 0;
}

SEC("kprobe/do_exit")
int types(void *ctx)
{
	struct task_struct *t = (void *)bpf_get_current_task();
	out[0] = BPF_CORE_READ(t, group_leader, pid);
	out[1] = bpf_core_field_exists(t->no_such_field);
	if (bpf_core_field_exists(t->no_such_field))
		out[2] = BPF_CORE_READ(t, no_such_field);
	out[3] = bpf_core_field_size(t->comm);
	struct task_struct___old *old = (void *)t;
	if (bpf_core_field_exists(old->state))
		out[4] = BPF_CORE_READ(old, state);
	out[5] = bpf_core_type_size(struct task_struct);
	out[6] = bpf_core_type_exists(struct task_struct___old);
	out[7] = bpf_core_enum_value_exists(enum bpf_map_type___mine, BPF_MAP_TYPE_HASH___mine);
	return 0;
}

LICENSE;
