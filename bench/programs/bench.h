/* Shared by the benchmark programs: each is one function over memory, compiled for BPF and for the host. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#define inline_ static inline __attribute__((always_inline))
