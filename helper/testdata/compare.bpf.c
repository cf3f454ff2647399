// Programs whose results are the same in the kernel and in Skep. Build: see kernel_test.go.
#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "GPL";

struct input {
	char text[64];
	char other[64];
	__u64 v[8];
};

struct output {
	__u64 n;
	__u64 v[127];
	char text[1024];
};

#define MAP(name, t, k, val, max) \
	struct { __uint(type, t); __type(key, k); __type(value, val); __uint(max_entries, max); } name SEC(".maps")

MAP(in, BPF_MAP_TYPE_ARRAY, __u32, struct input, 1);
MAP(out, BPF_MAP_TYPE_ARRAY, __u32, struct output, 1);

#define BEGIN \
	__u32 zero = 0; \
	struct input *i = bpf_map_lookup_elem(&in, &zero); \
	struct output *o = bpf_map_lookup_elem(&out, &zero); \
	if (!i || !o) return -1; \
	__u32 n = 0

#define R(x) do { __u64 _r = (__u64)(x); o->v[n++] = _r; } while (0)
#define DONE do { o->n = n; return n; } while (0)

SEC("tc") int numbers(struct __sk_buff *ctx)
{
	BEGIN;
	long s = 77; unsigned long u = 77;
	__u32 len = (i->v[0] & 63) + 1;
	R(bpf_strtol(i->text, len, i->v[1], &s));
	R(s);
	R(bpf_strtoul(i->text, len, i->v[1], &u));
	R(u);
	R(bpf_strncmp(i->text, len, "12ab"));
	R(bpf_strncmp(i->text, 3, "12ab"));
	DONE;
}

extern int bpf_strcmp(const char *, const char *) __ksym;
extern int bpf_strcasecmp(const char *, const char *) __ksym;
extern int bpf_strchr(const char *, char) __ksym;
extern int bpf_strchrnul(const char *, char) __ksym;
extern int bpf_strnchr(const char *, __u64, char) __ksym;
extern int bpf_strrchr(const char *, int) __ksym;
extern int bpf_strlen(const char *) __ksym;
extern int bpf_strnlen(const char *, __u64) __ksym;
extern int bpf_strspn(const char *, const char *) __ksym;
extern int bpf_strcspn(const char *, const char *) __ksym;
extern int bpf_strstr(const char *, const char *) __ksym;
extern int bpf_strnstr(const char *, const char *, __u64) __ksym;

SEC("tc") int strings(struct __sk_buff *ctx)
{
	BEGIN;
	char *a = i->text, *b = i->other;
	R(bpf_strcmp(a, b));
	R(bpf_strcmp(b, a));
	R(bpf_strcasecmp(a, b));
	R(bpf_strchr(a, i->v[0]));
	R(bpf_strchrnul(a, i->v[0]));
	R(bpf_strnchr(a, i->v[1], i->v[0]));
	R(bpf_strrchr(a, i->v[0]));
	R(bpf_strlen(a));
	R(bpf_strnlen(a, i->v[1]));
	R(bpf_strspn(a, b));
	R(bpf_strcspn(a, b));
	R(bpf_strstr(a, b));
	R(bpf_strnstr(a, b, i->v[1]));
	R(bpf_strlen((void *)0));
	R(bpf_strcmp(a, (void *)8));
	DONE;
}

SEC("tc") int trace(struct __sk_buff *ctx)
{
	BEGIN;
	__u32 len = (i->v[0] & 63) + 1;
	R(bpf_trace_printk(i->text, len, i->v[1], i->v[2], i->v[3]));
	R(bpf_trace_vprintk(i->text, len, &i->v[0], i->v[4] & 63));
	DONE;
}

#define P(fmt, ...) do { \
	static const char f[] = fmt; \
	__u64 args[] = { __VA_ARGS__ }; \
	long r = bpf_snprintf(o->text + at, 48, f, args, sizeof(args)); \
	R(r); at += 48; \
} while (0)

SEC("tc") int print1(struct __sk_buff *ctx)
{
	BEGIN;
	__u32 at = 0;
	__u64 a = i->v[0], b = i->v[1], c = i->v[2];
	P("%d %u %x", a, b, c);
	P("%ld %lu %lx", a, b, c);
	P("%lld %llu %llx", a, b, c);
	P("%5d|%-5d|%05d", a, a, a);
	P("%+d|% d|%+05d", a, a, a);
	P("%X|%lX|%-8x|", a, b, c);
	P("%i %li %%", a, b);
	P("[%20lu]", a);
	P("[%-20lu]", a);
	P("[%020lx]", a);
	P("%c%c%c", a, b, c);
	P("[%4c|%-4c]", a, b);
	P("%px %px", a, b);
	P("[%20px]", a);
	P("[%-20px]", a);
	P("%p", 0);
	P("[%5s]", (__u64)"ab");
	P("[%-5s]", (__u64)"ab");
	P("%s", (__u64)i->text);
	P("%d%s%d%c%ld", a, (__u64)i->other, b, c, a);
	DONE;
}

SEC("tc") int print2(struct __sk_buff *ctx)
{
	BEGIN;
	__u32 at = 0;
	P("%pi4 %pI4", (__u64)i->text, (__u64)i->other);
	P("%pI6", (__u64)i->text);
	P("%pi6", (__u64)i->text);
	P("[%20pI4]", (__u64)i->text);
	P("[%20pks]", (__u64)i->text);
	P("%pks %d", (__u64)i->text, 5);
	P("%pus %d", (__u64)16, 6);
	P("%pks", (__u64)8);
	P("%s", 8);
	P("%pI4", 8);
	P("%pI4abc|", (__u64)i->text);
	P("%ps|%pS|%pB", 0x1234, 0x1234, 0x1234);
	P("%s%s%s%s%s%s%s%s", (__u64)i->text, (__u64)i->text, (__u64)i->text, (__u64)i->text, (__u64)i->text, (__u64)i->text, (__u64)i->text, (__u64)i->text);
	P("%d %d %d %d %d %d %d %d %d %d %d %d", 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12);
	P("%0-8d|%- 8d|%-+8d", i->v[0], i->v[0], i->v[0]);
	P("%s%c%d", (__u64)i->other, i->v[0], i->v[1]);
	R(bpf_snprintf((void *)0, 0, "%d%d", i->v, 16));
	R(bpf_snprintf(o->text + 1000, 1, "%ld", i->v, 8));
	R(bpf_snprintf(o->text + 1001, 5, "%ld", i->v, 8));
	DONE;
}

MAP(a, BPF_MAP_TYPE_ARRAY, __u32, __u64, 3);
MAP(h, BPF_MAP_TYPE_HASH, __u32, __u64, 3);
MAP(lru, BPF_MAP_TYPE_LRU_HASH, __u32, __u64, 64);
MAP(pa, BPF_MAP_TYPE_PERCPU_ARRAY, __u32, __u64, 3);
MAP(ph, BPF_MAP_TYPE_PERCPU_HASH, __u32, __u64, 3);
struct { __uint(type, BPF_MAP_TYPE_LPM_TRIE); __type(key, __u64); __type(value, __u64); __uint(max_entries, 3); __uint(map_flags, 1); } lpm SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_QUEUE); __type(value, __u32); __uint(max_entries, 2); } q SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_STACK); __type(value, __u32); __uint(max_entries, 2); } st SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_BLOOM_FILTER); __type(value, __u32); __uint(max_entries, 100); } bl SEC(".maps");

#define ELEMENTS(m, k1) do { \
	__typeof__(k1) _k = k1; __u64 _v = 7; __u64 *_p; \
	R(bpf_map_update_elem(&m, &_k, &_v, 2)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 1)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 1)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 2)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 3)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 4)); \
	R(bpf_map_update_elem(&m, &_k, &_v, 8)); \
	_p = bpf_map_lookup_elem(&m, &_k); R(_p ? *_p : 99); \
	R(bpf_map_delete_elem(&m, &_k)); \
	R(bpf_map_delete_elem(&m, &_k)); \
	_p = bpf_map_lookup_elem(&m, &_k); R(_p ? *_p : 99); \
} while (0)

SEC("tc") int elements(struct __sk_buff *ctx)
{
	BEGIN;
	ELEMENTS(a, (__u32)1); ELEMENTS(a, (__u32)5);
	ELEMENTS(h, (__u32)1);
	ELEMENTS(lru, (__u32)1);
	ELEMENTS(pa, (__u32)1); ELEMENTS(pa, (__u32)5);
	ELEMENTS(ph, (__u32)1);
	ELEMENTS(lpm, (__u64)0x0102030400000010);
	DONE;
}

SEC("tc") int full(struct __sk_buff *ctx)
{
	BEGIN;
	__u64 v = 1, *p;
	#pragma unroll
	for (int x = 0; x < 5; x++) { __u32 k = x; R(bpf_map_update_elem(&h, &k, &v, 0)); R(bpf_map_update_elem(&ph, &k, &v, 0)); }
	#pragma unroll
	for (int x = 0; x < 4; x++) { __u32 k = x; R(bpf_map_push_elem(&q, &k, 0)); R(bpf_map_push_elem(&st, &k, 0)); }
	__u32 x = 9;
	R(bpf_map_push_elem(&q, &x, 2)); R(bpf_map_push_elem(&st, &x, 2)); R(bpf_map_push_elem(&q, &x, 1));
	#pragma unroll
	for (int k = 0; k < 4; k++) {
		R(bpf_map_peek_elem(&q, &x)); R(x); R(bpf_map_pop_elem(&q, &x)); R(x);
		R(bpf_map_peek_elem(&st, &x)); R(x); R(bpf_map_pop_elem(&st, &x)); R(x);
	}
	x = 5; R(bpf_map_push_elem(&bl, &x, 0)); R(bpf_map_peek_elem(&bl, &x)); x = 6; R(bpf_map_peek_elem(&bl, &x)); R(bpf_map_push_elem(&bl, &x, 1));
	__u32 k = 1;
	p = bpf_map_lookup_percpu_elem(&pa, &k, 0); R(p ? *p : 99);
	p = bpf_map_lookup_percpu_elem(&pa, &k, 100000); R(p ? *p : 99);
	DONE;
}

struct sum { __u64 keys, values, calls, stop; };

static long add_elem(void *map, __u32 *key, __u64 *value, struct sum *s)
{
	s->keys += *key; s->values += *value;
	return 0;
}
static long add_some(void *map, __u32 *key, __u64 *value, struct sum *s)
{
	return *key == 1;
}
static long add_number(__u64 x, struct sum *s)
{
	s->values += x;
	return 0;
}
static long add_few(__u64 x, struct sum *s)
{
	s->values += x;
	return x == 4;
}

struct bpf_iter_bits { __u64 x[2]; } __attribute__((aligned(8)));
extern int bpf_iter_bits_new(struct bpf_iter_bits *it, const __u64 *p, __u32 n) __ksym;
extern int *bpf_iter_bits_next(struct bpf_iter_bits *it) __ksym;
extern void bpf_iter_bits_destroy(struct bpf_iter_bits *it) __ksym;

SEC("tc") int for_each(struct __sk_buff *ctx)
{
	BEGIN;
	struct sum s = {};
#pragma unroll
	for (int x = 0; x < 3; x++) { __u32 k = x;
		__u64 v = 10 + k;
		bpf_map_update_elem(&a, &k, &v, 0); bpf_map_update_elem(&h, &k, &v, 0); bpf_map_update_elem(&pa, &k, &v, 0); bpf_map_update_elem(&lru, &k, &v, 0);
	}
	R(bpf_for_each_map_elem(&a, add_elem, &s, 0)); R(bpf_for_each_map_elem(&h, add_elem, &s, 0));
	R(bpf_for_each_map_elem(&pa, add_elem, &s, 0)); R(bpf_for_each_map_elem(&lru, add_elem, &s, 0));
	R(s.keys); R(s.values);
	R(bpf_for_each_map_elem(&a, add_elem, &s, 1));
	R(bpf_for_each_map_elem(&a, add_some, &s, 0));
	DONE;
}

SEC("tc") int loops(struct __sk_buff *ctx)
{
	BEGIN;
	struct sum s = {};
	R(bpf_loop(100, add_number, &s, 0)); R(s.values);
	R(bpf_loop(10, add_few, &s, 0)); R(s.values);
	R(bpf_loop(0, add_number, &s, 0)); R(bpf_loop((8 << 20) + 1, add_number, &s, 0)); R(bpf_loop(1, add_number, &s, 1)); R(bpf_loop(-1, add_number, &s, 0));
	DONE;
}

SEC("tc") int bits(struct __sk_buff *ctx)
{
	BEGIN;
	struct bpf_iter_bits it;
	int *b; __u64 sum = 0, many[3] = {1, 1ull << 63, 0x8000000100000000};
	R(bpf_iter_bits_new(&it, &i->v[0], 1));
	while ((b = bpf_iter_bits_next(&it))) sum = sum * 31 + *b;
	bpf_iter_bits_destroy(&it);
	R(sum);
	R(bpf_iter_bits_new(&it, many, 3));
	while ((b = bpf_iter_bits_next(&it))) sum = sum * 31 + *b;
	bpf_iter_bits_destroy(&it);
	R(sum);
	R(bpf_iter_bits_new(&it, many, 0)); bpf_iter_bits_destroy(&it);
	R(bpf_iter_bits_new(&it, 0, 1)); bpf_iter_bits_destroy(&it);
	R(bpf_iter_bits_new(&it, (void *)8, 1)); bpf_iter_bits_destroy(&it);
	R(bpf_iter_bits_new(&it, (void *)8, 2)); bpf_iter_bits_destroy(&it);
	R(bpf_iter_bits_new(&it, many, 512)); bpf_iter_bits_destroy(&it);
	DONE;
}

struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");

SEC("tc") int records(struct __sk_buff *ctx)
{
	BEGIN;
	__u64 *r, v = 1;
	R(bpf_ringbuf_query(&ring, BPF_RB_RING_SIZE)); R(bpf_ringbuf_query(&ring, BPF_RB_PROD_POS)); R(bpf_ringbuf_query(&ring, 77));
	R(bpf_ringbuf_output(&ring, &v, 8, 0)); R(bpf_ringbuf_output(&ring, &v, 8, 4)); R(bpf_ringbuf_output(&ring, &v, 0, 1));
	R(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
	r = bpf_ringbuf_reserve(&ring, 4000, 0); R(r != 0); if (r) bpf_ringbuf_discard(r, 0);
	r = bpf_ringbuf_reserve(&ring, 4096, 0); R(r != 0); if (r) bpf_ringbuf_discard(r, 0);
	r = bpf_ringbuf_reserve(&ring, 64, 1); R(r != 0); if (r) bpf_ringbuf_discard(r, 0);
	r = bpf_ringbuf_reserve(&ring, 24, 0); R(r != 0); if (r) { r[2] = 5; bpf_ringbuf_submit(r, 3); }
	R(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA)); R(bpf_ringbuf_query(&ring, BPF_RB_PROD_POS)); R(bpf_ringbuf_query(&ring, BPF_RB_CONS_POS));
	struct bpf_dynptr d;
	R(bpf_ringbuf_reserve_dynptr(&ring, 16, 1, &d)); bpf_ringbuf_discard_dynptr(&d, 0);
	R(bpf_ringbuf_reserve_dynptr(&ring, 1 << 25, 0, &d)); bpf_ringbuf_discard_dynptr(&d, 0);
	R(bpf_ringbuf_reserve_dynptr(&ring, 5000, 0, &d)); bpf_ringbuf_discard_dynptr(&d, 0);
	R(bpf_ringbuf_reserve_dynptr(&ring, 20, 0, &d)); R(bpf_dynptr_write(&d, 12, &v, 8, 0)); R(bpf_dynptr_write(&d, 13, &v, 8, 0));
	R(bpf_dynptr_read(&v, 8, &d, 12, 0)); R(v);
	bpf_ringbuf_submit_dynptr(&d, 0);
	R(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
	DONE;
}

extern int bpf_dynptr_from_skb(struct __sk_buff *s, __u64 flags, struct bpf_dynptr *p) __ksym;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *p, __u32 off, void *buf, __u32 n) __ksym;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *p, __u32 off, void *buf, __u32 n) __ksym;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *p, __u32 start, __u32 end) __ksym;
extern _Bool bpf_dynptr_is_null(const struct bpf_dynptr *p) __ksym;
extern _Bool bpf_dynptr_is_rdonly(const struct bpf_dynptr *p) __ksym;
extern __u32 bpf_dynptr_size(const struct bpf_dynptr *p) __ksym;
extern int bpf_dynptr_clone(const struct bpf_dynptr *p, struct bpf_dynptr *clone) __ksym;
extern int bpf_dynptr_copy(struct bpf_dynptr *dst, __u32 dst_off, struct bpf_dynptr *src, __u32 src_off, __u32 size) __ksym;
extern int bpf_dynptr_memset(struct bpf_dynptr *p, __u32 off, __u32 n, __u8 v) __ksym;

SEC("tc") int dynptrs(struct __sk_buff *ctx)
{
	BEGIN;
	struct bpf_dynptr d, c, z;
	__u64 x = 0x1122334455667788; __u8 *p;
	R(bpf_dynptr_from_mem(i->text, 64, 1, &z));
	R(bpf_dynptr_is_null(&z)); R(bpf_dynptr_size(&z)); R(bpf_dynptr_is_rdonly(&z)); R(bpf_dynptr_read(&x, 8, &z, 0, 0)); R(bpf_dynptr_write(&z, 0, &x, 8, 0));
	R(bpf_dynptr_adjust(&z, 0, 0)); R(bpf_dynptr_clone(&z, &c)); R(bpf_dynptr_is_null(&c));
	R(bpf_dynptr_from_mem(i->text, 64, 0, &d)); R(bpf_dynptr_size(&d));
	R(bpf_dynptr_write(&d, 8, &x, 8, 0)); R(bpf_dynptr_write(&d, 57, &x, 8, 0)); R(bpf_dynptr_write(&d, 8, &x, 8, 1));
	R(bpf_dynptr_read(&x, 8, &d, 10, 0)); R(x); R(bpf_dynptr_read(&x, 8, &d, 60, 0)); R(bpf_dynptr_read(&x, 8, &d, 0, 1)); R(bpf_dynptr_read(&x, 0, &d, 64, 0)); R(bpf_dynptr_read(&x, 0, &d, 65, 0));
	p = bpf_dynptr_data(&d, 8, 4); R(p ? p[1] : 999); p = bpf_dynptr_data(&d, 62, 4); R(p ? p[1] : 999);
	R(bpf_dynptr_adjust(&d, 8, 40)); R(bpf_dynptr_size(&d)); R(bpf_dynptr_adjust(&d, 9, 8)); R(bpf_dynptr_adjust(&d, 0, 33)); R(bpf_dynptr_clone(&d, &c)); R(bpf_dynptr_adjust(&c, 4, 20)); R(bpf_dynptr_size(&c)); R(bpf_dynptr_size(&d));
	R(bpf_dynptr_memset(&c, 2, 5, 0xab)); R(bpf_dynptr_memset(&c, 12, 5, 1)); R(bpf_dynptr_read(&x, 8, &d, 4, 0)); R(x);
	R(bpf_dynptr_copy(&d, 0, &c, 2, 6)); R(bpf_dynptr_copy(&d, 28, &c, 2, 6)); R(bpf_dynptr_read(&x, 8, &d, 0, 0)); R(x);
	R(bpf_dynptr_copy(&z, 0, &c, 2, 6)); R(bpf_dynptr_copy(&d, 0, &z, 0, 0)); R(bpf_dynptr_memset(&z, 0, 0, 0)); R(bpf_dynptr_memset(&z, 0, 1, 0));
	char buf[8];
	p = bpf_dynptr_slice(&d, 1, buf, 8); R(p ? p[0] : 999); p = bpf_dynptr_slice(&d, 30, buf, 8); R(p ? p[0] : 999);
	__builtin_memcpy(o->text, i->text, 64);
	DONE;
}

SEC("tc") int packet(struct __sk_buff *ctx)
{
	BEGIN;
	struct bpf_dynptr d;
	__u64 x = 0; __u8 *p; char buf[8] = {};
	R(bpf_dynptr_from_skb(ctx, 1, &d)); R(bpf_dynptr_size(&d));
	R(bpf_dynptr_from_skb(ctx, 0, &d)); R(bpf_dynptr_size(&d)); R(bpf_dynptr_is_rdonly(&d));
	R(bpf_dynptr_read(&x, 8, &d, 20, 0)); R(x); R(bpf_dynptr_read(&x, 8, &d, 60, 0)); R(bpf_dynptr_write(&d, 22, "xyz", 3, 0)); R(bpf_dynptr_write(&d, 22, "xyz", 3, 8));
	R(bpf_dynptr_data(&d, 0, 4) != 0);
	p = bpf_dynptr_slice_rdwr(&d, 20, buf, 8); R(p ? p[3] : 999); if (p) p[0] = 0x55;
	R(bpf_dynptr_read(&x, 8, &d, 20, 0)); R(x);
	R(bpf_dynptr_memset(&d, 0, 2, 7)); R(bpf_dynptr_adjust(&d, 20, 30)); R(bpf_dynptr_read(&x, 8, &d, 0, 0)); R(x);
	DONE;
}

SEC("socket") int read_only(struct __sk_buff *ctx)
{
	BEGIN;
	struct bpf_dynptr d;
	__u64 x = 0; __u8 *p; char buf[8] = {};
	R(bpf_dynptr_from_skb(ctx, 0, &d)); R(bpf_dynptr_is_rdonly(&d)); R(bpf_dynptr_size(&d));
	R(bpf_dynptr_write(&d, 2, &x, 8, 0)); R(bpf_dynptr_read(&x, 8, &d, 2, 0)); R(x); R(bpf_dynptr_memset(&d, 0, 2, 7));
	p = bpf_dynptr_slice(&d, 3, buf, 8); R(p ? p[0] : 999);
	DONE;
}

struct locked { struct bpf_spin_lock lock; __u32 x; struct bpf_timer timer; };
MAP(lockers, BPF_MAP_TYPE_ARRAY, __u32, struct locked, 1);
MAP(timed, BPF_MAP_TYPE_HASH, __u32, struct locked, 4);

static int fired(void *map, __u32 *key, struct locked *v) { return 0; }

SEC("tc") int timers(struct __sk_buff *ctx)
{
	BEGIN;
	struct locked zeros = {}, *l = bpf_map_lookup_elem(&lockers, &zero);
	if (!l) return -1;
	bpf_spin_lock(&l->lock); l->x++; bpf_spin_unlock(&l->lock);
	R(l->x);
	R(bpf_timer_set_callback(&l->timer, fired)); R(bpf_timer_start(&l->timer, 1000000000, 0)); R(bpf_timer_cancel(&l->timer));
	R(bpf_timer_init(&l->timer, &lockers, 2)); R(bpf_timer_init(&l->timer, &lockers, 16)); R(bpf_timer_init(&l->timer, &lockers, 17));
	R(bpf_timer_init(&l->timer, &lockers, 1)); R(bpf_timer_init(&l->timer, &lockers, 1));
	R(bpf_timer_start(&l->timer, 1000000000, 0)); R(bpf_timer_set_callback(&l->timer, fired)); R(bpf_timer_start(&l->timer, 1ull << 40, 4)); R(bpf_timer_start(&l->timer, 1ull << 40, 0)); R(bpf_timer_start(&l->timer, 1ull << 40, 3));
	R(bpf_timer_cancel(&l->timer)); R(bpf_timer_cancel(&l->timer)); R(bpf_timer_start(&l->timer, 5, 0));
	__u32 k = 3;
	R(bpf_map_update_elem(&timed, &k, &zeros, 0)); l = bpf_map_lookup_elem(&timed, &k); if (!l) return -2;
	R(bpf_timer_init(&l->timer, &timed, 0)); R(bpf_timer_set_callback(&l->timer, fired)); R(bpf_timer_start(&l->timer, 1ull << 40, 0));
	R(bpf_map_delete_elem(&timed, &k)); R(bpf_map_update_elem(&timed, &k, &zeros, 0)); l = bpf_map_lookup_elem(&timed, &k); if (!l) return -3;
	R(bpf_timer_cancel(&l->timer)); R(bpf_timer_init(&l->timer, &timed, 7)); R(bpf_map_update_elem(&timed, &k, &zeros, 0));
	l = bpf_map_lookup_elem(&timed, &k); if (!l) return -4;
	R(bpf_timer_start(&l->timer, 5, 0)); R(bpf_map_delete_elem(&timed, &k));
	DONE;
}

struct { __uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 64); } events SEC(".maps");

SEC("tc") int memory(struct __sk_buff *ctx)
{
	BEGIN;
	__u64 x = 5; char *t = o->text;
	R(bpf_probe_read_kernel(&x, 8, &i->v[1])); R(x); R(bpf_probe_read_kernel(&x, 8, (void *)8)); R(x); R(bpf_probe_read_kernel(&x, 0, (void *)8));
	x = 6; R(bpf_probe_read_user(&x, 8, (void *)8)); R(x); x = 6; R(bpf_probe_read_user(&x, 8, &i->v[1])); R(x);
	R(bpf_probe_read_kernel_str(t, 8, i->text)); R(bpf_probe_read_kernel_str(t + 8, 64, i->text)); R(bpf_probe_read_kernel_str(t + 80, 8, (void *)8)); R(bpf_probe_read_kernel_str(t + 88, 1, i->text)); R(bpf_probe_read_kernel_str(t + 89, 0, i->text));
	R(bpf_probe_read_user_str(t + 96, 8, (void *)8));
	R(bpf_get_current_comm(t + 100, 16)); R(bpf_get_current_comm(t + 120, 4)); R(bpf_get_current_pid_tgid() >> 32); R(bpf_get_current_uid_gid());
	R(bpf_get_current_ancestor_cgroup_id(100)); R(bpf_send_signal(65));
	R(bpf_get_ns_current_pid_tgid(1, 2, (void *)&x, 8)); R(x);
	x = 7; R(bpf_get_ns_current_pid_tgid(1, 2, (void *)&x, 4));
	R(bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &x, 8)); R(bpf_perf_event_output(ctx, &events, 1000, &x, 8)); R(bpf_perf_event_output(ctx, &events, 1ull << 63, &x, 8)); R(bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU | (5000ull << 32), &x, 8));
	DONE;
}
