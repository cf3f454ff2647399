// Programs that see the environment that a test gives them.
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char _license[] SEC("license") = "GPL";

#define MAP(name, t, k, val, max) \
	struct { __uint(type, t); __type(key, k); __type(value, val); __uint(max_entries, max); } name SEC(".maps")

struct task_struct { int pid; int tgid; };
struct cgroup;
struct output { __u64 v[64]; char text[512]; };

struct output o;
__u64 in[8];
char text[64];
unsigned n;

#define R(x) do { __u64 _r = (__u64)(x); o.v[n++ & 63] = _r; } while (0)

/* timers and work queues */

struct ticks { __u64 count, key, at, again; struct bpf_timer timer; };
MAP(ticking, BPF_MAP_TYPE_HASH, __u32, struct ticks, 8);

static int tick(void *map, __u32 *key, struct ticks *t)
{
	t->count++;
	t->key = *key;
	t->at = bpf_ktime_get_ns();
	if (t->again) {
		t->again--;
		bpf_timer_start(&t->timer, 10, 0);
	}
	if (t->key == 99)
		o.v[10] = bpf_timer_cancel(&t->timer);
	return 0;
}

SEC("tc") int start(struct __sk_buff *ctx)
{
	__u32 key = in[0];
	struct ticks zero = { .again = in[2] }, *t;
	bpf_map_update_elem(&ticking, &key, &zero, BPF_NOEXIST);
	t = bpf_map_lookup_elem(&ticking, &key);
	if (!t) return -1;
	if (bpf_timer_init(&t->timer, &ticking, in[4])) return -2;
	if (bpf_timer_set_callback(&t->timer, tick)) return -3;
	return bpf_timer_start(&t->timer, in[1], in[3]);
}

SEC("tc") int cancel(struct __sk_buff *ctx)
{
	__u32 key = in[0];
	struct ticks *t = bpf_map_lookup_elem(&ticking, &key);
	return t ? bpf_timer_cancel(&t->timer) : -1;
}

SEC("tc") int drop(struct __sk_buff *ctx)
{
	__u32 key = in[0];
	return bpf_map_delete_elem(&ticking, &key);
}

struct bpf_wq { __u64 x[2]; } __attribute__((aligned(8)));
struct work { __u64 count; struct bpf_wq wq; };
MAP(working, BPF_MAP_TYPE_ARRAY, __u32, struct work, 2);
extern int bpf_wq_init(struct bpf_wq *wq, void *map, unsigned flags) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (*f)(void *, int *, void *), unsigned flags, void *aux) __ksym;

static int do_work(void *map, int *key, void *value)
{
	struct work *w = value;
	w->count += 1 + *key;
	return 0;
}

SEC("tc") int work(struct __sk_buff *ctx)
{
	__u32 key = 1;
	struct work *w = bpf_map_lookup_elem(&working, &key);
	if (!w) return -1;
	if (bpf_wq_init(&w->wq, &working, 0)) return -2;
	if (bpf_wq_set_callback_impl(&w->wq, do_work, 0, 0)) return -3;
	return bpf_wq_start(&w->wq, 0);
}

/* locks */

struct locked { struct bpf_spin_lock lock; __u32 pad; __u64 a, b; };
MAP(locked, BPF_MAP_TYPE_ARRAY, __u32, struct locked, 1);

SEC("tc") int count(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	struct locked *l = bpf_map_lookup_elem(&locked, &zero);
	if (!l) return -1;
	bpf_spin_lock(&l->lock);
	int same = l->a == l->b;
	l->a++;
	l->b++;
	bpf_spin_unlock(&l->lock);
	return same;
}

/* memory and stacks */

SEC("kprobe") int memory(void *ctx)
{
	__u64 x = 9;
	n = 0;
	R(bpf_probe_read_user(&x, 8, (void *)in[0])); R(x);
	R(bpf_probe_read_kernel(&x, 8, (void *)in[1])); R(x);
	R(bpf_probe_read_user_str(o.text, 64, (void *)in[2]));
	R(bpf_probe_read_kernel_str(o.text + 64, 64, (void *)in[1]));
	R(bpf_probe_read_user(&x, 8, (void *)in[1])); R(x);
	x = 0x4142434445464748;
	R(bpf_probe_write_user((void *)in[0], &x, 8));
	R(bpf_probe_write_user((void *)in[1], &x, 8));
	R(bpf_probe_read(&x, 4, (void *)in[0])); R(x);
	return 0;
}

extern int bpf_copy_from_user_str(void *dst, __u32 n, const void *src, __u64 flags) __ksym;

SEC("syscall") int copies(void *ctx)
{
	__u64 x = 9;
	n = 0;
	R(bpf_copy_from_user(&x, 8, (void *)in[0])); R(x);
	R(bpf_copy_from_user(&x, 8, (void *)1)); R(x);
	R(bpf_copy_from_user_str(o.text, 8, (void *)in[2], 1));
	R(bpf_copy_from_user_str(o.text + 8, 8, (void *)1, 1));
	R(bpf_copy_from_user_str(o.text + 16, 3, (void *)in[2], 0));
	R(bpf_copy_from_user_str(o.text + 16, 3, (void *)in[2], 2));
	R(bpf_sys_bpf(0, &x, 8)); R(bpf_sys_close(1));
	R(bpf_kallsyms_lookup_name("known", 6, 0, &x)); R(x);
	R(bpf_kallsyms_lookup_name("unknown", 8, 0, &x)); R(x);
	R(bpf_btf_find_by_name_kind("known", 6, 4, 0)); R(bpf_btf_find_by_name_kind("unknown", 8, 4, 0));
	return 0;
}

struct { __uint(type, BPF_MAP_TYPE_STACK_TRACE); __uint(key_size, 4); __uint(value_size, 64); __uint(max_entries, 16); } traces SEC(".maps");

SEC("kprobe") int stacks(void *ctx)
{
	n = 0;
	R(bpf_get_stack(ctx, o.text, 64, 0)); R(bpf_get_stack(ctx, o.text + 64, 64, 256 | 1)); R(bpf_get_stack(ctx, o.text + 128, 64, 256 | 2048));
	R(bpf_get_stack(ctx, o.text + 192, 12, 0)); R(bpf_get_stack(ctx, o.text + 192, 8, 9)); R(bpf_get_stack(ctx, o.text + 192, 8, 2048)); R(bpf_get_stack(ctx, o.text + 192, 8, 4096));
	long id = bpf_get_stackid(ctx, &traces, 256);
	R(id >= 0); R(bpf_get_stackid(ctx, &traces, 256) == id); R(bpf_get_stackid(ctx, &traces, 9)); R(bpf_get_stackid(ctx, &traces, 4096));
	R(bpf_get_task_stack(bpf_get_current_task_btf(), o.text + 200, 16, 0));
	return 0;
}

/* tasks */

struct bpf_iter_task { __u64 x[3]; } __attribute__((aligned(8)));
extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task, unsigned flags) __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __ksym;
extern struct task_struct *bpf_task_from_pid(int pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern struct cgroup *bpf_cgroup_from_id(__u64 id) __ksym;
extern struct cgroup *bpf_cgroup_ancestor(struct cgroup *c, int level) __ksym;
extern void bpf_cgroup_release(struct cgroup *c) __ksym;
extern long bpf_task_under_cgroup(struct task_struct *task, struct cgroup *ancestor) __ksym;
struct { __uint(type, BPF_MAP_TYPE_TASK_STORAGE); __uint(map_flags, BPF_F_NO_PREALLOC); __type(key, int); __type(value, __u64); } stored SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_CGROUP_ARRAY); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 4); } groups SEC(".maps");

SEC("tc") int tasks(struct __sk_buff *ctx)
{
	struct task_struct *t = bpf_get_current_task_btf(), *other;
	struct bpf_iter_task it;
	__u64 *v, init = 40;
	n = 0;
	R(t->pid); R(bpf_get_current_pid_tgid()); R(bpf_get_current_uid_gid()); R(bpf_get_current_comm(o.text, 16));
	R(bpf_get_current_cgroup_id()); R(bpf_get_current_ancestor_cgroup_id(0)); R(bpf_get_current_ancestor_cgroup_id(1)); R(bpf_get_current_ancestor_cgroup_id(9));
	R(bpf_get_current_task() == (unsigned long)t);
	R(bpf_get_ns_current_pid_tgid(3, 4, (void *)(o.text + 16), 8));
	bpf_iter_task_new(&it, 0, 0);
	while ((other = bpf_iter_task_next(&it))) R(other->pid);
	bpf_iter_task_destroy(&it);
	R(77);
	other = bpf_task_from_pid(21);
	R(other != 0);
	if (other) {
		R(other->tgid);
		v = bpf_task_storage_get(&stored, other, &init, 1); R(v ? (*v)++ : 999);
		bpf_task_release(other);
	}
	R(bpf_task_from_pid(1000) != 0);
	v = bpf_task_storage_get(&stored, t, 0, 0); R(v != 0);
	v = bpf_task_storage_get(&stored, t, 0, 2); R(v != 0);
	R(bpf_task_storage_delete(&stored, t));
	struct cgroup *g = bpf_cgroup_from_id(7), *up;
	R(g != 0); R(bpf_cgroup_from_id(8) != 0);
	if (g) {
		R(bpf_task_under_cgroup(t, g));
		up = bpf_cgroup_ancestor(g, 0); R(up != 0 && up != g);
		if (up) { R(bpf_task_under_cgroup(t, up)); bpf_cgroup_release(up); }
		bpf_cgroup_release(g);
	}
	R(bpf_current_task_under_cgroup(&groups, 0)); R(bpf_current_task_under_cgroup(&groups, 1)); R(bpf_current_task_under_cgroup(&groups, 2)); R(bpf_current_task_under_cgroup(&groups, 4));
	R(bpf_send_signal(10)); R(bpf_send_signal_thread(12)); R(bpf_send_signal(65));
	R(bpf_get_cgroup_classid(ctx));
	return 0;
}

/* clocks and chance */

SEC("tc") int clocks(struct __sk_buff *ctx)
{
	n = 0;
	R(bpf_ktime_get_ns()); R(bpf_ktime_get_boot_ns()); R(bpf_ktime_get_tai_ns()); R(bpf_ktime_get_coarse_ns()); R(bpf_jiffies64());
	R(bpf_get_prandom_u32()); R(bpf_get_smp_processor_id()); R(bpf_get_numa_node_id());
	return 0;
}

SEC("tc") int prints(struct __sk_buff *ctx)
{
	n = 0;
	R(bpf_trace_printk("one %d\n", 8, 1));
	R(bpf_trace_printk("two %ps %pS", 12, 0x1010, 0x1010));
	char *p = text;
	asm volatile("" : "+r"(p));
	__u64 args[] = { 1, 2, 3, (__u64)p };
	R(bpf_trace_vprintk("four %d %d %d %s", 17, args, 32));
	R(bpf_trace_vprintk("%d", 3, args, 7));
	return 0;
}

/* iterators, ring buffers, pointers, ends */

struct bpf_iter_num { __u64 x[1]; } __attribute__((aligned(8)));
extern int bpf_iter_num_new(struct bpf_iter_num *it, int start, int end) __ksym;
extern int *bpf_iter_num_next(struct bpf_iter_num *it) __ksym;
extern void bpf_iter_num_destroy(struct bpf_iter_num *it) __ksym;

SEC("tc") int numbers(struct __sk_buff *ctx)
{
	struct bpf_iter_num it;
	int *x;
	n = 0;
	__s64 sum = 0;
	R(bpf_iter_num_new(&it, -3, 5)); while ((x = bpf_iter_num_next(&it))) sum = sum * 3 + *x; bpf_iter_num_destroy(&it); R(sum);
	R(bpf_iter_num_new(&it, 5, 5)); R(bpf_iter_num_next(&it) != 0); bpf_iter_num_destroy(&it);
	R(bpf_iter_num_new(&it, 6, 5)); R(bpf_iter_num_next(&it) != 0); bpf_iter_num_destroy(&it);
	R(bpf_iter_num_new(&it, 0, (8 << 20) + 1)); bpf_iter_num_destroy(&it);
	R(bpf_iter_num_new(&it, 0x7ffffffd, 0x7fffffff)); while ((x = bpf_iter_num_next(&it))) R(*x); bpf_iter_num_destroy(&it);
	return 0;
}

struct { __uint(type, BPF_MAP_TYPE_USER_RINGBUF); __uint(max_entries, 4096); } user SEC(".maps");

static long take(struct bpf_dynptr *d, void *ctx)
{
	__u64 x = 0;
	R(bpf_dynptr_read(&x, 8, d, 0, 0)); R(x); R(bpf_dynptr_write(d, 0, &x, 8, 0));
	return x == 3;
}

SEC("tc") int drain(struct __sk_buff *ctx)
{
	n = 0;
	R(bpf_user_ringbuf_drain(&user, take, 0, 0)); R(bpf_user_ringbuf_drain(&user, take, 0, 4));
	return 0;
}

struct held { struct task_struct __attribute__((btf_type_tag("kptr"))) *task; };
MAP(holders, BPF_MAP_TYPE_ARRAY, __u32, struct held, 1);

SEC("tc") int hold(struct __sk_buff *ctx)
{
	__u32 zero = 0;
	struct held *h = bpf_map_lookup_elem(&holders, &zero);
	if (!h) return -1;
	n = 0;
	struct task_struct *t = in[0] ? bpf_task_from_pid(in[0]) : 0, *old = bpf_kptr_xchg(&h->task, t);
	R(old ? old->pid : 0);
	if (old) bpf_task_release(old);
	return 0;
}

extern void bpf_throw(__u64 cookie) __ksym;

static __attribute__((noinline)) int deep(int x)
{
	if (x > 2) bpf_throw(x * 10);
	return x;
}

SEC("tc") int throws(struct __sk_buff *ctx)
{
	return deep(in[0]) + 1;
}

/* lists and trees */

struct bpf_list_head { __u64 x[2]; } __attribute__((aligned(8)));
struct bpf_list_node { __u64 x[3]; } __attribute__((aligned(8)));
struct bpf_rb_root { __u64 x[2]; } __attribute__((aligned(8)));
struct bpf_rb_node { __u64 x[4]; } __attribute__((aligned(8)));

extern void *bpf_obj_new_impl(__u64 local_type_id, void *meta) __ksym;
extern void bpf_obj_drop_impl(void *p, void *meta) __ksym;
extern int bpf_list_push_front_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, __u64 off) __ksym;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, __u64 off) __ksym;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym;
extern struct bpf_list_node *bpf_list_pop_back(struct bpf_list_head *head) __ksym;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, _Bool (*less)(struct bpf_rb_node *a, const struct bpf_rb_node *b), void *meta, __u64 off) __ksym;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym;

#define contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define container(p, type, member) ((type *)((char *)(p) - __builtin_offsetof(type, member)))
#define private(name) SEC(".data." #name) __hidden __attribute__((aligned(8)))

struct item { __u64 value; struct bpf_list_node node; struct bpf_rb_node tree; };

private(A) struct bpf_spin_lock list_lock;
private(A) struct bpf_list_head head contains(item, node);
private(B) struct bpf_spin_lock tree_lock;
private(B) struct bpf_rb_root root contains(item, tree);

#define NEW ((struct item *)bpf_obj_new_impl(bpf_core_type_id_local(struct item), 0))

SEC("tc") int list_push(struct __sk_buff *ctx)
{
	struct item *i = NEW;
	if (!i) return -1;
	i->value = in[0];
	bpf_spin_lock(&list_lock);
	int r = in[1] ? bpf_list_push_front_impl(&head, &i->node, 0, 0) : bpf_list_push_back_impl(&head, &i->node, 0, 0);
	bpf_spin_unlock(&list_lock);
	return r;
}

SEC("tc") int list_pop(struct __sk_buff *ctx)
{
	bpf_spin_lock(&list_lock);
	struct bpf_list_node *n = in[1] ? bpf_list_pop_front(&head) : bpf_list_pop_back(&head);
	bpf_spin_unlock(&list_lock);
	if (!n) return -1;
	struct item *i = container(n, struct item, node);
	int v = i->value;
	bpf_obj_drop_impl(i, 0);
	return v;
}

static _Bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return container(a, struct item, tree)->value < container(b, struct item, tree)->value;
}

SEC("tc") int tree_add(struct __sk_buff *ctx)
{
	struct item *i = NEW;
	if (!i) return -1;
	i->value = in[0];
	bpf_spin_lock(&tree_lock);
	int r = bpf_rbtree_add_impl(&root, &i->tree, less, 0, 0);
	bpf_spin_unlock(&tree_lock);
	return r;
}

SEC("tc") int tree_change(struct __sk_buff *ctx)
{
	bpf_spin_lock(&tree_lock);
	struct bpf_rb_node *n = bpf_rbtree_first(&root);
	if (n) container(n, struct item, tree)->value += in[0];
	bpf_spin_unlock(&tree_lock);
	return n ? 0 : -1;
}

SEC("tc") int tree_take(struct __sk_buff *ctx)
{
	struct item *i;
	bpf_spin_lock(&tree_lock);
	struct bpf_rb_node *n = bpf_rbtree_first(&root);
	if (n) n = bpf_rbtree_remove(&root, n);
	bpf_spin_unlock(&tree_lock);
	if (!n) return -1;
	i = container(n, struct item, tree);
	int v = i->value;
	bpf_obj_drop_impl(i, 0);
	return v;
}
