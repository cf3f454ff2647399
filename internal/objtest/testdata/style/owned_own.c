/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Objects that are in a list and in a tree at once, and searches in the tree. For clang 19. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#define __contains(name, node) __attribute__((btf_decl_tag("contains:" #name ":" #node)))
#define of(ptr, type, member) ((type *)((void *)(ptr) - offsetof(type, member)))

struct bpf_refcount { __u32 opaque[1]; } __attribute__((aligned(4)));
struct bpf_rb_root { __u64 opaque[2]; } __attribute__((aligned(8)));
struct bpf_rb_node { __u64 opaque[4]; } __attribute__((aligned(8)));
struct bpf_list_head { __u64 opaque[2]; } __attribute__((aligned(8)));
struct bpf_list_node { __u64 opaque[3]; } __attribute__((aligned(8)));

extern void *bpf_obj_new_impl(__u64 id, void *meta) __ksym __weak;
extern void bpf_obj_drop_impl(void *p, void *meta) __ksym __weak;
extern void *bpf_refcount_acquire_impl(void *p, void *meta) __ksym __weak;
extern int bpf_rbtree_add_impl(struct bpf_rb_root *root, struct bpf_rb_node *node, bool(less)(struct bpf_rb_node *, const struct bpf_rb_node *), void *meta, __u64 off) __ksym __weak;
extern struct bpf_rb_node *bpf_rbtree_first(struct bpf_rb_root *root) __ksym __weak;
extern struct bpf_rb_node *bpf_rbtree_remove(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym __weak;
extern struct bpf_rb_node *bpf_rbtree_root(struct bpf_rb_root *root) __ksym __weak;
extern struct bpf_rb_node *bpf_rbtree_left(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym __weak;
extern struct bpf_rb_node *bpf_rbtree_right(struct bpf_rb_root *root, struct bpf_rb_node *node) __ksym __weak;
extern int bpf_list_push_back_impl(struct bpf_list_head *head, struct bpf_list_node *node, void *meta, __u64 off) __ksym __weak;
extern struct bpf_list_node *bpf_list_pop_front(struct bpf_list_head *head) __ksym __weak;

struct entry {
	__u64 key;
	struct bpf_list_node in_list;
	struct bpf_rb_node in_tree;
	struct bpf_refcount refs;
};

struct heads {
	struct bpf_spin_lock lock;
	struct bpf_list_head list __contains(entry, in_list);
	struct bpf_rb_root tree __contains(entry, in_tree);
};
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __uint(max_entries, 1); __type(key, __u32); __type(value, struct heads); } heads SEC(".maps");

static bool less(struct bpf_rb_node *a, const struct bpf_rb_node *b)
{
	return of(a, struct entry, in_tree)->key < of(b, struct entry, in_tree)->key;
}

/* Puts an entry into the list and the tree. */
static __always_inline int put(struct heads *h, __u64 key)
{
	struct entry *e = bpf_obj_new_impl(bpf_core_type_id_local(struct entry), 0), *second;
	if (!e)
		return -1;
	e->key = key;
	second = bpf_refcount_acquire_impl(e, 0);
	if (!second) {
		bpf_obj_drop_impl(e, 0);
		return -2;
	}
	bpf_spin_lock(&h->lock);
	int r = bpf_list_push_back_impl(&h->list, &e->in_list, 0, 0);
	r |= bpf_rbtree_add_impl(&h->tree, &second->in_tree, less, 0, 0);
	bpf_spin_unlock(&h->lock);
	return r;
}

SEC("syscall") int shared(void *ctx)
{
	__u32 zero = 0;
	struct heads *h = bpf_map_lookup_elem(&heads, &zero);
	if (!h)
		return -4;
	int r = put(h, 30) | put(h, 10) | put(h, 20);
	__u64 order = r;
	for (int i = 0; i < 4; i++) {
		bpf_spin_lock(&h->lock);
		struct bpf_list_node *n = bpf_list_pop_front(&h->list);
		bpf_spin_unlock(&h->lock);
		if (!n)
			break;
		struct entry *e = of(n, struct entry, in_list);
		order = order * 100 + e->key;
		bpf_obj_drop_impl(e, 0);
	}
	for (int i = 0; i < 3; i++) {
		bpf_spin_lock(&h->lock);
		struct bpf_rb_node *n = bpf_rbtree_first(&h->tree);
		if (!n) {
			bpf_spin_unlock(&h->lock);
			break;
		}
		n = bpf_rbtree_remove(&h->tree, n);
		bpf_spin_unlock(&h->lock);
		if (!n)
			return -3;
		struct entry *e = of(n, struct entry, in_tree);
		order = order * 7 + e->key;
		bpf_obj_drop_impl(e, 0);
	}
	return order;
}

/* Counts in the tree what is below a limit on the way down to it. */
SEC("syscall") int search(void *ctx)
{
	__u32 zero = 0;
	struct heads *h = bpf_map_lookup_elem(&heads, &zero);
	if (!h)
		return -4;
	for (int i = 0; i < 9; i++)
		put(h, i * 5 % 9);
	int found = -1;
	bpf_spin_lock(&h->lock);
	struct bpf_rb_node *n = bpf_rbtree_root(&h->tree);
	for (int i = 0; i < 10 && n; i++) {
		__u64 key = of(n, struct entry, in_tree)->key;
		if (key == 6) {
			found = 600;
			break;
		}
		n = key < 6 ? bpf_rbtree_right(&h->tree, n) : bpf_rbtree_left(&h->tree, n);
	}
	bpf_spin_unlock(&h->lock);
	return found;
}

char _license[] SEC("license") = "GPL";
